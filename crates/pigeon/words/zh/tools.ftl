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

## pigeon send

## 数据报没有回答的原因

## pigeon listen

## pigeon ask、pigeon time

## pigeon sockets

## pigeon serve

## pigeon discover
tools-send-nothing = 什么也没有发送：没有给出 TEXT，标准输入也是空的
tools-send-no-reply = { $time } 内没有收到 { $to } 的回复
tools-send-lines = { $given } 行中有 { $sent } 行发到了 { $to }
tools-send-datagrams = { $given } 个数据报中有 { $sent } 个发到了 { $to }
tools-send-bad = { $count } 个无法变成数据报
tools-send-unsent = { $count } 个没有发出：{ $cause }
tools-send-undelivered = 至少 { $count } 个没有送达：{ $cause }
tools-send-refused = 被拒绝 { $count } 次：当时没有程序在监听，那时发送的都丢了
tools-send-more-troubles = 之后的错误只计数
tools-line = 第 { $number } 行
tools-datagram = 第 { $number } 个数据报
tools-send-bad-one = { $which }：{ $error }
tools-send-one-refused = { $which }，或它之前的：{ $to } 拒绝：那个端口现在没有程序在监听
tools-send-one-undelivered = { $which }，或它之前的：没有送达 { $to }：{ $cause }
tools-other-port-replies = { $from } 回复，它是 { $to } 的另一个端口
tools-passing = { $to }：{ $cause }
tools-framing = 可选 line、keep、whole、size:N（例如 size:512）、hex-lines
tools-framing-too-long = --framing size:{ $size }：到那里的数据报最多装 { $most } 字节
tools-send-broadcast = { $ip } 是广播地址；要发到那里，请加 --broadcast
tools-ipmsg-ipv4 = { $to } 不是 IPv4 地址；--ipmsg 只能用 IPv4
tools-ipmsg-too-long = 文字有 { $length } 字节，而 IP Messenger 一类的程序最多读 { $most } 字节；请分几次发送
tools-ipmsg-nothing = 什么也没有发送
tools-ipmsg-refused = { $to } 拒绝：那里没有运行 IP Messenger 一类的程序
tools-ipmsg-unacknowledged = { $to } 没有确认收到；对方可能不在，或者某一端的防火墙挡住了 UDP 端口 { $port }
tools-ipmsg-stdin = 无法读取标准输入
tools-ipmsg-not-utf8 = 标准输入不是有效的 UTF-8
tools-ipmsg-empty = 文字是空的
tools-ignored-bad-source = 源地址不对
tools-ignored-own-address = 本机地址
tools-ignored-low-port = 源端口低于 1024
tools-ignored-truncated = 被截断
tools-ignored-reply = 是回复
tools-ignored-not-request = 不是请求
tools-ignored-source-rate = 超过单个来源的速率
tools-ignored-total-rate = 超过总速率
tools-ignored-longer-than-request = 回复比请求长
tools-ignored-batch-full = 一批已满
tools-listen-stdout-taken = --write - 会写到标准输出，不能和 --json、--raw、--hexdump 一起用
tools-listen-cannot-write = 无法写出收到的内容：{ $error }
tools-listen-reply-too-long = --reply：有 { $length } 字节，而一个数据报最多装 { $most } 字节
tools-listening = 正在监听 { $address }
tools-listening-beside = 正在监听 { $address }：和别的程序共用端口，只收组播和广播
tools-listen-not-shared = { $error }；那个程序没有共用端口（SO_REUSEADDR）
tools-listen-or-share = { $error }，或和它共用端口：--share
tools-listen-share-port = --share 要给出另一个程序的端口
tools-listen-interface-group = --multicast-interface 需要组播地址：--join GROUP
tools-listen-join-family = --join { $group } 和 { $ip } 的 IP 版本不同
tools-datagrams = { $count } 个数据报
tools-listen-elsewhere = 另有 { $count } 个来自别处，没有显示
tools-replies = { $count } 个回复
tools-replies-unsent = { $count } 个回复没有发出
tools-replies-unsent-why = { $count } 个回复没有发出（{ $why }）
tools-replies-undeliverable = 其中 { $count } 个被退回，无法送达
tools-not-answered = { $count } 个没有回答（{ $why }）
tools-kernel-drops = { $count } 个被内核丢弃（接收缓冲区满）
tools-output-drops = { $count } 个被丢弃（输出太慢）
tools-cannot-reply = 无法回复 { $to }：{ $cause }
tools-reply-lost = 一个回复没有送达：{ $cause }
tools-reply-lost-to = 给 { $to } 的一个回复没有送达：{ $cause }
tools-group-cannot-listen = 无法监听 { $address }：{ $error }
tools-group-less = 有一部分收不到：{ $error }
tools-group-joined = 已在 { $names } 上加入组播 { $group }
tools-group-none-yet = 还没有网卡能加入组播 { $group }；正在等待网卡启用
tools-group-cannot-join = 无法在 { $name } 上加入组播 { $group }：{ $error }
tools-group-full = 无法在 { $name } 上加入组播 { $group }：{ $error }；系统不允许加入更多组，见 sysctl net.ipv4.igmp_max_memberships
tools-reply = 收到 { $from } 的回复，试了 { $tries } 次，{ $millis } ms
tools-reply-to = 收到 { $from } 对 { $to } 的回复，试了 { $tries } 次，{ $millis } ms
tools-reply-other-port = 收到 { $from }（{ $to } 的另一个端口）的回复，试了 { $tries } 次，{ $millis } ms
tools-time-useless = { $to }：回复没有用处：{ $why }
tools-bytes = { $count } 字节
tools-sockets-none = 本机没有绑定到端口 { $port } 的 UDP 套接字
tools-sockets-cannot = 无法列出 UDP 套接字
tools-sockets-hidden = { $all } 个套接字中有 { $unseen } 个看不到是哪个程序的；root 可以看到
tools-sockets-kernel = { $all } 个套接字中有 { $unseen } 个不属于这里的进程：属于内核或容器
tools-serve-empty = 没有给出服务；请写成 NAME:PORT，例如 echo:7000
tools-serve-which = 是哪个服务？请写成 NAME:{ $port }，例如 echo:{ $port }
tools-serve-no-port = 缺少端口；请写成 { $name }:PORT，例如 { $name }:7000
tools-serve-on = { $kind } 在 { $address }
tools-serve-fault = 一个服务因自身的错误停止了
tools-serve-summary = { $kind } 在 { $address }：{ $requests } 个数据报，{ $replies } 个回复
tools-serve-unsent = { $count } 个回复没有发出（原因见上）
tools-serve-replied = 收到 { $from } 的 { $length } 字节，回复 { $back } 字节
tools-serve-back-unsent = 收到 { $from } 的 { $length } 字节，{ $back } 字节的回复没有发出
tools-serve-discarded = 收到 { $from } 的 { $length } 字节，已丢弃
tools-serve-ignored = 收到 { $from } 的 { $length } 字节，没有回答：{ $why }
tools-serve-way = { $kind }：给 { $to } 的回复没有发出：{ $cause }
tools-serve-way-unknown = { $kind }：一个回复没有发出：{ $cause }
tools-discover-answered = { $time } 内有 { $count } 个地址回答
tools-discover-not-everybody = 没有问到所有人：{ $tried }
tools-discover-no-network = { $ip } 不在任何网络上，无法从它提问；用 `ip addr` 查看地址
tools-discover-nothing = 无
tools-discover-no-broadcast = （这个网卡没有广播）
tools-discover-unsent = { $all } 个提问中有 { $unsent } 个没有发出，例如到 { $to } 的：{ $cause }
tools-discover-one-hub = { $name } 是同一个 hub，地址有 { $addresses }
tools-discover-found = { $from }（{ $interface }），{ $millis } ms：{ $says }
tools-discover-found-at-most = { $from }（{ $interface }），最多 { $millis } ms：{ $says }
tools-members = { $count } 个成员
tools-discover-quic = QUIC 在端口 { $port }
tools-discover-hub = { $what }；pigeon join { $door }
tools-discover-nobody = { $time } 内没有人回答
tools-discover-no-hub = { $time } 内没有 hub 回答
tools-discover-no-interface = 除了环回以外没有网卡有地址：没有人可问。
tools-discover-asked = 在端口 { $port } 上问过，各三次：
tools-discover-why-loopback = hub 只监听 127.0.0.1（默认如此）：请用 --listen '*:9999' 启动（在它自己的机器上，`pigeon join` 仍能加入）
tools-discover-why-off = 它设了 --discoverable off，或者它那台主机的 UDP 端口 9999 被别的程序占用（它的日志里有）
tools-discover-why-nothing = 那里没有程序监听这个端口，或只监听 127.0.0.1 或某一个地址
tools-discover-why-silent = 监听的程序不回答这个提问
tools-discover-why-source = 它只向固定的端口回答，例如 RIP：用 --source { $port } 从那个端口提问
tools-discover-why-late = 它回答得晚：CoAP 设备最多等 5 s，有的由提问决定；用 --for 6s 多等一会儿
tools-discover-why-firewall = 这边或那边的防火墙挡住了 UDP 端口 { $port }，或挡住了回答
tools-discover-why-network = 它在另一个网络里：广播和链路本地组播不会穿过路由器
tools-discover-why-wifi = Wi-Fi 接入点隔离了客户端，或丢弃广播
tools-discover-why-tunnel = 网卡没有广播，隧道和 VPN 就是这样
tools-discover-nothing-sent = 什么也没有发出，所以不会有人回答。
tools-discover-why = 可能的原因：
tools-discover-join = 如果知道它在哪里，请直接加入：pigeon join HOST
tools-discover-ask = 如果知道它在哪里，请直接问它：pigeon ask HOST PORT TEXT
tools-discover-no-user = { $time } 内没有人回答：已在 UDP 端口 { $port } 上广播，只到得了本机所在的网络；也可能被某一端的防火墙挡住
tools-discover-users = { $time } 内有 { $count } 个用户回答
