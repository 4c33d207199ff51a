# 各个工具（`send` 到 `replay`）的小结和提示。

## pigeon contacts

## pigeon relay：线路条件
tools-contact-is = { $name } 是 { $endpoint }
tools-contact-is-already = { $name } 已经是 { $endpoint }
tools-contact-removed = 已删除 { $name }
tools-contact-renamed = { $old } 改名为 { $new }
tools-contacts-none = 还没有联系人；用 `pigeon contacts add` 添加
tools-knob-unknown = 没有 { $knob } 这个条件；可用的有 { $known }
tools-knob-form = 请写 KNOB=VALUE，几个之间用逗号，例如 loss=1%,delay=20ms
tools-knob-too-long = 不能超过一小时
tools-knob-burst = `{ $burst }` 不是有效的突发长度；例如 5%:4 表示每次突发丢 4 个数据报
tools-knob-distribution = `{ $word }` 不是有效的分布；可选 uniform、normal、pareto
tools-knob-rate-least = 至少每秒一个字节
tools-knob-rate = 请写带单位的速率，例如 10Mbit/s、64KiB/s，或 unlimited
tools-knob-mtu = 请写字节数，例如 1200，或 none
