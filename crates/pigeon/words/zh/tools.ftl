# 各个工具（`send` 到 `replay`）的小结和提示。

## pigeon contacts

tools-contact-is = { $name } 是 { $endpoint }
tools-contact-is-already = { $name } 已经是 { $endpoint }
tools-contact-removed = 已删除 { $name }
tools-contact-renamed = { $old } 改名为 { $new }
tools-contacts-none = 还没有联系人；用 `pigeon contacts add` 添加

## pigeon send

tools-stored-empty = hub 不接受空消息
tools-stored-needs-hub = --stored、--room、--nick、--password-file 和 --after 只能与 hub:HOST 一起使用，例如 hub:192.168.1.20
tools-stored-option = { $option } 对 hub 没有意义，请去掉
tools-stored-met = 首次连接 { $hub }；其指纹为 { $fingerprint }，应与 hub 启动时显示的一致
tools-stored-refused = 第 { $number } 条消息未存储：{ $why }
tools-stored-waiting = 第 { $number } 条消息尚未存储：已留在发件箱，下次向这个 hub 发送时会一并发出，请不要重复发送
tools-stored-relayed = 第 { $number } 条消息已转发，但未存储：这个 hub 不保存聊天记录
tools-stored-too-long = 第 { $number } 条消息未存储：hub 最多接受 { $most } 字节
tools-stored-full = 第 { $number } 条消息未存储：等待发往 hub 的消息太多
tools-stored-away = hub 不让这个成员加入（{ $why }）；没有保存的消息留在发件箱里
tools-stored-left = 第 { $number } 条消息未存储：hub 已将本成员移出
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

## 数据报没有回答的原因

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

## pigeon listen，以及加入组播

tools-follow-missing = 缺少 { $count } 条消息：hub 当时无法存储
tools-follow-away = hub 断开了连接（{ $why }）；稍后再试
tools-follow-unreached = 连不上 hub（{ $why }），正在重试
tools-follow-bad-after = 请给出某条消息的 at，即 `pigeon listen hub:HOST --json` 输出的值
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
tools-listen-byte = 字节
tools-listen-bytes = 字节
tools-listen-truncated = ，已截断
tools-group-cannot-listen = 无法监听 { $address }：{ $error }
tools-group-less = 有一部分收不到：{ $error }
tools-group-joined = 已在 { $names } 上加入组播 { $group }
tools-group-none-yet = 还没有网卡能加入组播 { $group }；正在等待网卡启用
tools-group-cannot-join = 无法在 { $name } 上加入组播 { $group }：{ $error }
tools-group-full = 无法在 { $name } 上加入组播 { $group }：{ $error }；系统不允许加入更多组，见 sysctl net.ipv4.igmp_max_memberships

## 回复和丢弃，几个命令共用

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

## pigeon ask、pigeon time

tools-reply = 收到 { $from } 的回复，试了 { $tries } 次，{ $millis } ms
tools-reply-to = 收到 { $from } 对 { $to } 的回复，试了 { $tries } 次，{ $millis } ms
tools-reply-other-port = 收到 { $from }（{ $to } 的另一个端口）的回复，试了 { $tries } 次，{ $millis } ms
tools-time-useless = { $to }：回复没有用处：{ $why }
tools-time-sntp = { $time }  偏差 { $offset } s  往返 { $delay } ms  层级 { $stratum }  参考 { $reference }
tools-bytes = { $count } 字节

## pigeon sockets

tools-sockets-none = 本机没有绑定到端口 { $port } 的 UDP 套接字
tools-sockets-cannot = 无法列出 UDP 套接字
tools-sockets-elsewhere = pigeon sockets 读取 Linux 内核的表，而这里是别的系统；在 Windows 上请用：netstat -ano -p UDP
tools-sockets-hidden = { $all } 个套接字中有 { $unseen } 个看不到是哪个程序的；root 可以看到
tools-sockets-kernel = { $all } 个套接字中有 { $unseen } 个不属于这里的进程：属于内核或容器
tools-sockets-has-lost-data = 丢过数据
tools-sockets-not-visible = （看不到）
tools-sockets-nobody = （无）
tools-sockets-to = 对端 { $remote }
tools-sockets-lost = { $lost } 个数据报，累计 { $all } 个
tools-sockets-is-open = 已有
tools-sockets-is-new = 新增
tools-sockets-is-gone = 关闭
tools-sockets-has-lost = 丢失

## pigeon serve

tools-serve-empty = 没有给出服务；请写成 NAME:PORT，例如 echo:7000
tools-serve-unknown = 没有 { $name } 这个服务；可用的有 echo、upper、size、time、discard、daytime 和 sntp
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

## pigeon discover

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
tools-discover-other-program = 其他程序

## pigeon relay：线路条件

tools-knob-unknown = 没有 { $knob } 这个条件；可用的有 { $known }
tools-knob-form = 请写 KNOB=VALUE，几个之间用逗号，例如 loss=1%,delay=20ms
tools-knob-too-long = 不能超过一小时
tools-knob-burst = `{ $burst }` 不是有效的突发长度；例如 5%:4 表示每次突发丢 4 个数据报
tools-knob-distribution = `{ $word }` 不是有效的分布；可选 uniform、normal、pareto
tools-knob-rate-least = 至少每秒一个字节
tools-knob-rate = 请写带单位的速率，例如 10Mbit/s、64KiB/s，或 unlimited
tools-knob-mtu = 请写字节数，例如 1200，或 none

## pigeon relay

tools-relay-help = loss 5%、up delay 20ms、down loss=1%,rate=1Mbit/s：改变条件，双向或单向；clear、show、stats、clients、handover、quit
tools-relay-console-closed = 控制台已关闭，中继继续运行（Ctrl-C 停止它）
tools-relay-nothing-behind = { $word } 不带参数
tools-relay-no-command = 没有命令 { $word }；{ $help }
tools-relay-no-value = 缺少值；{ $help }
tools-relay-queue = 没有 rate，queue 不起作用
tools-relay-heard = { $address }  { $time } 前收到
tools-relay-handover = 客户端改用新的地址访问目标
tools-relay-no-socket = 一个客户端没有到目标的套接字：{ $error }
tools-relay-moved = 目标的名字现在指向 { $target }，不再是 { $before }；改为转发到 { $target }
tools-relay-way-client = 发给客户端 { $to } 的数据报送不到：{ $cause }
tools-relay-way-target = 发给目标 { $to } 的数据报送不到：{ $cause }
tools-relay-client = 客户端 { $client }
tools-relay-idle = 客户端 { $client } 长时间没有数据，已关闭它的套接字
tools-relay-full = 拒绝了 { $from }：客户端已达上限（--max-clients）
tools-relay-loop = 丢弃来自 { $from } 的数据报：它们来自这个中继自己；目标又指回了这里
tools-relay-from-target = 丢弃来自 { $from } 的数据报：它是目标，或目标主机的另一个地址，不是客户端；源地址是不是伪造的？
tools-relay-followed = 目标从 { $from } 回答 { $client }；{ $client } 的数据报改发到那里
tools-relay-refused = 目标拒绝：那个端口没有程序在监听
tools-relay-too-large = { $way }：{ $length } 字节超过 MTU { $mtu }，已丢弃
tools-relay-step = 场景：{ $note }
tools-relay-lost = { $way } { $rate }/s 丢包 { $share }%
tools-relay-held = 滞留 { $count }
tools-relay-clients = { $count } 个客户端
tools-relay-clients-now = 现有 { $count } 个客户端，累计 { $ever } 个
tools-relay-count-left = { $count } 个因空闲离开
tools-relay-count-turned-away = { $count } 个数据报被拒绝（--max-clients）
tools-relay-count-looped = { $count } 个数据报来自这个中继自己
tools-relay-count-from-target = { $count } 个数据报来自目标，它不是客户端
tools-relay-count-strangers = { $count } 个数据报来自目标以外的主机，已丢弃
tools-relay-count-followed = { $count } 次目标换了端口回答，已跟随
tools-relay-count-no-socket = { $count } 个到目标的套接字打不开
tools-relay-count-gone = { $count } 个数据报要发给已离开的客户端
tools-relay-count-refusals = { $count } 次被目标拒绝
tools-relay-count-handovers = { $count } 次切换地址
tools-relay-count-unsent-up = { $count } 个没有发给目标（原因见上）
tools-relay-count-unsent-down = { $count } 个没有发给客户端（原因见上）
tools-relay-count-errors-up = { $count } 个去目标途中的错误（没有路由，或防火墙）
tools-relay-count-errors-down = { $count } 个去客户端途中的错误（没有路由，或防火墙）
tools-relay-count-kernel = { $count } 个被内核丢弃（接收缓冲区满）
tools-relay-line = { $way }：收到 { $received } 个（{ $bytes } 字节），发出 { $out } 个
tools-relay-way-lost = 丢失 { $count } 个
tools-relay-way-doubled = 重复 { $count } 个
tools-relay-way-damaged = 损坏 { $count } 个
tools-relay-way-held-back = 推迟 { $count } 个
tools-relay-way-too-large-for-the = 超过 MTU { $count } 个
tools-relay-way-dropped-as-the-que = 因队列满而丢弃 { $count } 个
tools-relay-way-dropped-as-too-muc = 因在途太多而丢弃 { $count } 个
tools-relay-way-on-the-way = 在途 { $count } 个
tools-relay-both-ways = 双向：{ $shape }
tools-relay-one-way = { $way }：{ $shape }
tools-relay-queue-flag = { $way }：没有 --rate，--queue 不起作用
tools-relay-stdout-twice = --record - 和 --json 都写到标准输出；请去掉一个
tools-relay-start = 正在监听 { $bound }，转发到 { $target }，种子 { $seed }
tools-relay-scenario = 场景有 { $count } 步：{ $description }
tools-relay-itself = { $target } 就是这个中继自己；请指定别的目标
tools-relay-record = 记录不完整：{ $error }
tools-relay-record-slow = 记录里缺 { $count } 个数据报：磁盘太慢
tools-scenario-setting = 没有设置项 { $name }；可用的有 { $known }
tools-scenario-empty = 一步也没有；至少要写一个 [[step]]
tools-scenario-repeat = 最后一步在 { $last }，还没到就会重新开始
tools-scenario-form = 每一步写成 [[step]]
tools-scenario-many = 超过 { $most } 步
tools-scenario-order = 时间早于上一步
tools-scenario-handover = handover 应为 true 或 false
tools-scenario-table = { $name } 应为表，例如 { $example }
tools-scenario-at = 每一步要写时间，例如 at = "5s"
tools-scenario-text = 应为带引号的文字

## pigeon replay

tools-replay-speed = 请写速度，例如 2x、0.5x，或 max
tools-replay-place = `{ $text }` 不是有效的地址；例如 192.168.1.7、192.168.1.0/24、192.168.1.7:9999
tools-replay-after = { $what }，在 { $count } 个包之后
tools-replay-unsent = 有 { $count } 个数据报没能发到 { $to }
tools-replay-refused = { $to } 拒绝了 { $count } 次：那个端口没有程序在监听
tools-replay-errors = 去 { $to } 的途中返回 { $count } 个错误
tools-replay-empty = { $file } 里没有可发送的数据报
tools-replay-replies = { $file } 里只有回复；要发送它们，请加 --both
tools-replay-filtered = { $file } 里没有符合条件的数据报；见 --from、--to、--port
tools-replay-no-capture = { $file } 不是抓包文件：既不是 pcap 也不是 pcapng
tools-replay-no-bytes = { $file } 是空的
tools-replay-compressed = { $file } 是用 { $with } 压缩的：请先解压，例如 `{ $command }`
tools-replay-zip = { $file } 是 zip 压缩包：请先取出抓包文件，例如 `unzip FILE`
tools-replay-modified = { $file } 是改动过的 pcap 格式：请先转换，例如 `editcap FILE new.pcapng`
tools-replay-foreign = { $file } 是 { $program } 的格式：请先转换，例如 `editcap FILE new.pcapng`
tools-replay-cut-short = { $file } 不完整，被截断了
tools-replay-damaged = { $file } 已损坏：{ $what }
tools-replay-sending-on = { $to } 拒绝：那个端口没有程序在监听；继续发送
tools-replay-too-long = 没有发送一个 { $length } 字节的数据报：到 { $to } 的数据报最多装 { $most } 字节
tools-replay-pause = 下一个数据报在 { $pause } 之后，和抓包时一样；--max-pause 5s 最多等这么久
tools-replay-trying-on = 无法发送到 { $to }：{ $cause }；继续尝试
tools-replay-done = { $count } 个数据报（{ $bytes } 字节），用时 { $seconds } s
tools-replay-late = { $count } 个晚了 1 ms 以上，最多晚 { $worst } ms
tools-replay-not-sent = { $count } 个没能发出
tools-replay-came-back = 收到 { $count } 个回复
tools-replay-left-out = 没有发送的：{ $reasons }
tools-skip-not-udp = 不是 UDP { $count } 个
tools-skip-fragment = 不完整数据报的分片 { $count } 个
tools-skip-cut = 抓包时被截断（snaplen） { $count } 个
tools-skip-malformed = 格式错误 { $count } 个
tools-skip-tunnel = 在隧道内 { $count } 个
tools-skip-encrypted = 加密 { $count } 个
tools-skip-unknown-link = 不支持的链路层 { $count } 个
tools-skip-filtered = 不符合条件 { $count } 个
tools-skip-replies = 回复 { $count } 个（--both）
tools-skip-own = 自己重放的 { $count } 个
tools-skip-type = { $what }（类型 { $link }）

## pigeon bench

tools-bench-source = 请写地址，端口可有可无，例如 192.0.2.7、192.0.2.7:5000、[2001:db8::7]:5000
tools-bench-omit = --omit { $omit } 不是 --interval { $interval } 的整数倍
tools-bench-payload = --size：测试数据报要有 { $least } 到 { $most } 字节，不能是 { $size }
tools-bench-no-time = 测量的时间必须大于 0
tools-bench-family = --bind { $source } 和 { $to } 的 IP 版本不同
tools-bench-ports = --bind { $source }：{ $flows } 条流需要更多端口
tools-bench-safe = { $to } 是另一台机器：每秒 { $rate } 个数据报；用 --rate 改变速率
tools-bench-echo = { $to } 是回显服务：测量往返时延
tools-bench-limited = 对方每秒最多发 { $rate } 个数据报
tools-bench-way = 发给 { $to } 的数据报送不到：{ $cause }
tools-bench-not-begun = { $to }：测量没有开始
tools-bench-nothing = { $to }：什么也没有收到
tools-bench-gone = 那个端口已经没有程序在监听
tools-bench-stopped = { $to } 在 { $seconds } s 之后不再回答：{ $why }；此后发送的算作没有回答，不算丢失
tools-bench-failed-refused = 拒绝：那个端口没有程序在监听
tools-bench-failed-no-answer = 试了 5 次，3.1 s 内没有回答
tools-bench-failed-foreign = 它有回答，但既不是 `pigeon bench server`，也不是回显服务
tools-bench-failed-only-echo = 那里只有回显服务，它自己不发送
tools-bench-failed-full = 对方拒绝：它的工作已满
tools-bench-failed-size = 对方拒绝：它不发这么大的数据报
tools-bench-failed-silent = 对方不再出声
tools-bench-failed-too-long = 对方最多测量 { $most } s；请用更短的 --for，或让对方用更长的 --max-for 启动
tools-bench-begins = { $from } 开始测量
tools-bench-done = { $from } 测量结束：收到 { $received } 个，缺 { $lost } 个，发出 { $sent } 个
tools-bench-done-dropped = { $from } 测量结束：收到 { $received } 个，缺 { $lost } 个（本机内核丢弃 { $dropped } 个），发出 { $sent } 个
tools-bench-full = 拒绝了 { $from }：--max-flows 或 --max-rate 已用完
tools-bench-size = 拒绝了 { $from }：它要的大小不可能
tools-bench-rate = 请写每秒多少个数据报或比特，例如 10k/s、10Mbit/s，或 unlimited
tools-bench-few-bits = { $bits } bit/s 不够每秒发一个 { $size } 字节的数据报；请用更小的 --size 或更高的 --rate
tools-bench-many-bits = { $bits } bit/s 的 { $size } 字节数据报太多
tools-bench-dscp = 请写 EF、AF11 到 AF43、CS0 到 CS7、VA、LE，或 0 到 63 的数
tools-bench-during = { $way }，共 { $seconds } 秒
tools-bench-to = 发往 { $to }
tools-bench-from = 来自 { $to }
tools-bench-both = 与 { $to } 双向
tools-bench-ping = 往返 { $to }
tools-bench-omitted = 前 { $seconds } 秒不计
tools-bench-one-by-one = 逐个往返
tools-bench-unlimited = 不限速率
tools-bench-flows = { $flows } 个流
tools-bench-interval = 每秒发出 { $sent }，收到 { $received }（{ $bits }bit/s），累计迟到或丢失 { $lost }，抖动 { $jitter }
tools-bench-is-omitted = 不计
tools-bench-seconds = 秒
tools-bench-sent-per-second = 发出/s
tools-bench-received-per-second = 收到/s
tools-bench-late-or-lost = 迟到或丢失
tools-bench-there = 去程
tools-bench-back = 回程
tools-bench-there-and-back = 往返
tools-bench-sent = 发出
tools-bench-a-second = 每秒
tools-bench-received = 收到
tools-bench-lost = 丢失
tools-bench-share = 比例
tools-bench-lost-on-way = 在路上
tools-bench-lost-in-receiver = 在接收方
tools-bench-late = 迟到，未丢失
tools-bench-duplicated = 重复
tools-bench-jitter = 抖动
tools-bench-unanswered = 未应答
tools-bench-damaged = 损坏（计入丢失）
tools-bench-too-late = 太迟，无法判断
tools-bench-unsent = 本机没有发出
tools-bench-round-trip = 往返时延
tools-bench-since-due = 从应发出时起
tools-bench-since-sent = 从实际发出时起
tools-bench-plot-received = 每秒收到
tools-bench-plot-lost = 累计迟到或丢失
tools-bench-plot-round-trip = 往返时延，µs
tools-bench-plot-end = 按 Ctrl-C 在此结束
