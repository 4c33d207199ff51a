# `pigeon hub` 对操作者说的话：启动时和控制台里。

## 启动时说的话

hub-join-or = { $pigeon } 或 { $netcat }
hub-only-here = 只有本机可以加入：{ $join }；要向网络开放：{ $opened }
hub-on-network = 局域网内加入：{ $joins }
hub-on-network-more = 局域网内加入：{ $joins }；另有 { $more } 个地址
hub-no-network = 本机还没有网络地址，只有本机可以加入
hub-door = { $format } 格式，房间 { $room }：{ $rest }
hub-asks-password = 需要密码：成员用 /pass 输入
hub-asks-no-password = 不需要密码
hub-kept-all = 聊天记录保存在 { $folder }
hub-kept-names = 不保存聊天记录；名字和封禁保存在 { $folder }
hub-kept-nothing = 什么都不保存（{ $why }）；--data DIR 保存名字、封禁和聊天记录
hub-kept-port = 端口是系统选的

## 控制台的回答

hub-members = { $count } 个成员
hub-console-closed = 控制台已关闭，hub 继续运行（Ctrl-C 停止它）
hub-kicked = 已移出 { $who }，十分钟内不能再加入，用这个名字换个端口也不行；`unkick { $who }` 让它回来，`ban` 则一直有效
hub-banned = 已封禁 { $net }；用 `unban { $net }` 解除
hub-unkicked = { $who } 可以再加入了
hub-not-kicked = { $who } 没有被移出；用 `bans` 查看
hub-kick = { $who }（{ $label }）被移出，还剩 { $time }
hub-kick-address = { $who } 被移出，连同整个地址 { $ip }，还剩 { $time }
hub-mute-renamed = { $name } 被禁言；现在改名为 { $now }
hub-not-banned-unknown = 没有封禁 { $who }：它不是成员的名字，也不是网段
hub-not-banned-own = 没有封禁 { $who }：那样会封禁整台本机；请用 kick
hub-not-banned-full = 没有封禁 { $who }：封禁已经太多
hub-unbanned = 已解除对 { $net } 的封禁
hub-not-banned = { $net } 没有被封禁，也没有被移出；用 `bans` 查看
hub-bans = 共封禁 { $count } 个，移出 { $kicked } 个
hub-unmuted = { $who } 可以发言了
hub-not-muted = { $who } 没有被禁言；用 `mutes` 查看
hub-mute = { $name } 被禁言
hub-slow = { $room } 限速：{ $time }
hub-in-all = 共 { $count } 个
hub-slow-full = { $room } 没有改变：限速的房间太多
hub-slow-off = { $room } 不再限速
hub-slow-on = { $room }：每个成员 { $time } 只能发一条消息
hub-not-a-room = { $room } 不是有效的房间名：{ $why }
hub-password-asked = 在 hub 停止之前，新来的人要输入这个密码
hub-password-off = 在 hub 停止之前，不要密码
hub-usage = 用法：{ $usage }：{ $does }
hub-muted = { $name } 已被禁言；用 `unmute { $name }` 解除
hub-muted-absent = { $name } 已被禁言，不过现在没有人用这个名字；用 `unmute { $name }` 解除
hub-mutes-full = 没有禁言 { $name }：被禁言的名字太多
hub-muted-member = { $who } 在离开之前被禁言；用 `unmute { $who }` 解除，`ban` 更长久
hub-nobody = 这里没有叫 { $who } 的成员；用 `members` 查看
hub-no-command-quit = 没有命令 { $word }；停止 hub 用 `quit`
hub-no-command-shell = 没有命令 { $word }；那是在 shell 里用的；先用 `quit` 停止这个 hub
hub-no-command-list = 没有命令 { $word }；用 `help` 查看所有命令
hub-no-command-say = 没有命令 { $word }；对所有人发言用 `say …`，用 `help` 查看所有命令
hub-no-command-meant = 没有命令 { $word }；是不是 { $meant }？用 `help` 查看所有命令
hub-said = 已在所有房间说了
hub-said-in = 只在 { $room } 里说了
hub-too-long = 没有发送：文字最多 { $most } 字节
hub-not-sent = 没有发送：{ $why }
hub-keeps-nothing = 这个 hub 什么都不保存
hub-not-a-room-name = { $room } 不是有效的房间名
hub-nothing-kept-of = 没有保存 { $room } 的聊天记录
hub-not-forgotten = 没有删除：{ $error }
hub-forget-room = 会永久删除 { $what } 里的全部聊天记录：确定的话用 `forget room { $what }`
hub-forget-name = 会永久删除 { $what } 说过的所有话：确定的话用 `forget name { $what }`
hub-forgetting-room = 正在删除 { $what } 里的聊天记录；完成后日志会记下
hub-forgetting-name = 正在删除 { $what } 说过的话；完成后日志会记下
hub-no-password-yet = （还没给密码）
hub-heard = { $time } 前收到
hub-dropped = 丢弃 { $count }
hub-is-muted = 禁言
hub-members-more = 还有 { $more } 个，共 { $total } 个成员
hub-rooms = { $count } 个房间

## 控制台的帮助。命令本身不翻译。

hub-help-members = 列出成员：名字、地址、房间、上次收到的时间、每秒消息数、丢弃数
hub-help-rooms = 列出房间
hub-help-stats = 显示启动以来的各项计数
hub-help-say = 以操作者的身份发言，对一个房间或所有房间
hub-help-msg = 以操作者的身份对一个成员说
hub-help-kick = 移出一个成员十分钟：它的密钥、端口、口令和名字；那个地址没有别的成员时，整个地址都不能加入
hub-help-unkick = 让被移出的成员可以再加入
hub-help-ban = 封禁一个网段，或一个成员的地址：不再接收也不再回应
hub-help-unban = 解除封禁或移出
hub-help-bans = 列出被封禁的网段，以及被移出的成员和剩余时间
hub-help-mute = 禁言：不让任何人用这个名字发言，包括现在用它的成员
hub-help-unmute = 解除禁言
hub-help-mutes = 列出被禁言的名字和慢速房间
hub-help-slow = 限速：每个成员在这段时间里只能发一条，如 slow lobby 2s；0s 解除
hub-help-forget = 永久删除聊天记录：forget room lobby，forget name 小明
hub-help-password = 更换密码，到 hub 停止为止；off 表示不要密码
hub-help-reload = 重新读取设置，和 SIGHUP 一样
hub-help-quit = 和所有人道别并停止 hub
hub-help-help = 解释一个命令，或全部
hub-help-question = 同上

## `stats` 显示的计数

hub-stat-members = 成员
hub-stat-joined = 加入过
hub-stat-datagrams-received = 收到的数据报
hub-stat-dropped-by-the-kernel = 被内核丢弃
hub-stat-heartbeats = 心跳
hub-stat-messages = 消息
hub-stat-commands = 命令
hub-stat-proofs-asked = 要求过的地址证明
hub-stat-lines-withheld-from-strangers = 没有发给陌生地址的行
hub-stat-datagrams-sent = 发出的数据报
hub-stat-let-others-go-first = 先让了别人的
hub-stat-probes = 探测
hub-stat-proved-to-answer-by-themselves = 证实会自动回复的
hub-stat-trials-put-off = 推迟的试探
hub-stat-names-given-up-early = 提前放弃的名字
hub-stat-names-kept-no-longer = 不再保留的名字
hub-stat-kicks-forgotten-early = 提前忘掉的移出
hub-stat-events-not-logged-in-time = 来不及记录的事件
hub-stat-in-trains = {"  "}成列发出
hub-stat-resent = {"  "}拆开重发的列
hub-stat-dropped = 丢弃：{ $why }
hub-left-quit = 自己离开
hub-left-timed-out = 超时
hub-left-kicked = 被移出
hub-left-banned = 被封禁
hub-left-moved = 换到别的地址
hub-left-displaced = 让位给新来的
hub-dropped-bad-source = 源地址不对
hub-dropped-banned = 被封禁
hub-dropped-kicked = 刚被移出
hub-dropped-truncated = 被截断
hub-dropped-reply = 是回复
hub-dropped-answers-by-itself = 会自动回复
hub-dropped-unproved = 地址未证明
hub-dropped-bad-proof = 证明不对
hub-dropped-hub-full = hub 已满
hub-dropped-address-full = 这个地址的成员已满
hub-dropped-locals-full = 本机地址的成员已满
hub-dropped-room-full = 房间已满
hub-dropped-too-many-rooms = 房间太多
hub-dropped-raw-room = raw 房间
hub-dropped-no-password = 没有密码
hub-dropped-guess-limited = 试密码太多
hub-dropped-muted = 被禁言
hub-dropped-too-soon = 房间限速
hub-dropped-rate-limited = 超过成员的速率
hub-dropped-hub-rate-limited = 超过 hub 的速率
hub-dropped-work-limited = 超过 hub 的工作量
hub-dropped-heartbeat-unanswered = 没有回应的心跳
hub-dropped-encodings-full = 房间的编码太多
hub-dropped-text-too-long = 文字太长
hub-dropped-asked-before = 已经问过
hub-dropped-out-of-reach = 到不了
hub-dropped-not-a-question = 不是提问
hub-dropped-questions-full = 提问太多
hub-dropped-not-member = 不是成员
hub-dropped-batch-full = 一批已满
hub-dropped-answers-full = 回答太多
hub-stat-history = 聊天记录
hub-stat-well = 正常
hub-stat-newest = 最新保存的位置
hub-stat-not-kept = 没有保存的消息
hub-stat-keyed = 持有密钥的成员
hub-stat-keyed-connections = {"  "}连接
hub-stat-keyed-half-open = {"  "}正在握手
hub-stat-keyed-opened = {"  "}启动以来的连接
hub-stat-keyed-retries = {"  "}要求过的地址证明
hub-stat-keyed-said = {"  "}发来的消息
hub-stat-keyed-delivered = {"  "}送达的消息
hub-stat-keyed-read = {"  "}读取的字节
hub-stat-keyed-written = {"  "}写出的字节
hub-stat-keyed-moved = {"  "}换过地址
hub-stat-keyed-full = {"  "}已拒绝：hub 已满
hub-stat-keyed-address = {"  "}已拒绝：同一地址的连接太多
hub-stat-keyed-handshakes = {"  "}已拒绝：握手太多
hub-stat-keyed-initials = {"  "}已丢弃：首个数据包超过速率
hub-stat-keyed-failed = {"  "}握手失败
hub-stat-keyed-unproved = {"  "}已关闭：密钥证明有误
hub-stat-keyed-silent = {"  "}已关闭：没有及时证明密钥
hub-stat-keyed-broken = {"  "}已关闭：不符合协议
hub-stat-keyed-replaced = {"  "}已关闭：改用另一个连接
hub-stat-keyed-overflowed = {"  "}已关闭：不读取数据
hub-stat-keyed-idle = {"  "}已断开：长时间没有动静
hub-stat-keyed-refused = {"  "}拒绝的消息
hub-stat-keyed-conflicts = {"  "}编号冲突的消息
hub-stat-keyed-commands = {"  "}超过速率的命令
hub-stat-keyed-behind = {"  "}读得太慢
hub-stat-keyed-resets = {"  "}跟随的消息不在日志里
hub-stat-keyed-unreadable = {"  "}读取日志失败
hub-stat-keyed-unknown = {"  "}已丢弃：不属于任何连接
hub-stat-keyed-unsent = {"  "}没有发出的数据报
hub-stat-page = 网页上的成员
hub-stat-page-connections = {"  "}连接
hub-stat-page-websockets = {"  "}WebSocket 连接
hub-stat-page-accepted = {"  "}启动以来的连接
hub-stat-page-requests = {"  "}应答过的请求
hub-stat-page-full = {"  "}已拒绝：连接太多
hub-stat-page-requests-bad = {"  "}已拒绝：请求无效
hub-stat-page-host = {"  "}已拒绝：不允许的 Host
hub-stat-page-origin = {"  "}已拒绝：来自别的网站
hub-stat-page-tls = {"  "}已拒绝：TLS 失败
hub-stat-page-tokens = {"  "}管理页面的令牌有误
hub-stat-page-tokens-limited = {"  "}令牌多次有误后不再核对
hub-stat-page-displaced = {"  "}已关闭：让位给新连接
hub-stat-page-silent = {"  "}已关闭：没有及时发来请求，或长时间没有动静
hub-stat-page-stuck = {"  "}已关闭：不接收数据
hub-stat-page-websockets-broken = {"  "}已关闭：WebSocket 帧无效

## 设置

hub-password-empty = 空密码等于谁都能进；不要密码就不写这一项
hub-password-blank = 密码的首尾不能是空白，成员输入不了
hub-password-line = 密码只能有一行
hub-password-long = 密码最多 1,000 字节
hub-password-unreadable = 无法从 { $file } 读取密码
hub-password-both-set = PIGEON_HUB_PASSWORD 和 PIGEON_HUB_PASSWORD_FILE 都设置了；请去掉一个
hub-password-both-given = --password 和 --password-file 都给出了；请去掉一个
hub-password-on-command-line = 本机的其他用户能从命令行看到密码；请把它写进权限为 600 的文件，再用 --password-file 指定
hub-password-readable = 本机的任何用户都能读到 { $file } 里的密码；请运行 chmod 600 { $file }
hub-door-format = { $word } 不是有效的格式；请写 chat@、classic@ 或 raw@，或者不写
hub-door-raw = { $raw } 是 raw 格式，而房间 { $room } 在另一个端口上是文字；请给它单独的房间，例如 { $raw }=video
hub-encoding-not-ascii = { $encoding } 不含 ASCII，无法读取命令
hub-page-open = 网页：{ $url }
hub-page-operator = 管理页面：{ $url }（不要告诉别人，有它就能移出成员）
hub-page-off = 没有提供网页；用 --page PORT 提供
hub-page-gone = 网页暂时没有提供，正在重新打开端口
hub-help-page = 以二维码显示网页的地址，并显示管理页面的地址
hub-page-missing = --page-certificate 和 --page-name 要和 --page 一起用
hub-page-without-history = 网页需要聊天记录和存放它的目录；请不要写 --history off，并指定 --data DIR，或者让 --listen 用 0 以外的端口
hub-page-name = `{ $name }` 不是有效的名称；请写主机名，例如 chat.example.org，不带 https:// 和端口
hub-page-unread = 无法读取 { $file } 里的证书
hub-page-certificate = { $file }：{ $why }；请把证书、证书链和私钥写进同一个 PEM 文件

## pigeon invite

hub-invite-keyed = 用密钥加入（加密）：pigeon join { $link }
hub-invite-none = 这里没有运行着的 hub；`pigeon hub` 启动一个，系统服务的数据目录用 --data DIR 指定
hub-invite-none-at = 这里没有监听 { $listen } 的 hub；不写 --listen，`pigeon invite` 就显示正在运行的那个
hub-invite-none-on = { $folder } 的数据没有 hub 在用，或者你无权读取其中的文件 `invitation`
hub-invite-several = 这里运行着几个 hub；请用 --listen 或 --data 选一个
hub-invite-which = 要哪一个？（1 到 { $hubs }）
hub-invite-none-chosen = 没有选择 hub
hub-ipmsg-scan = --ipmsg-scan 要和 --ipmsg 一起用
hub-ipmsg-address = 请写本机的一个 IPv4 地址，例如 192.168.1.20，或用 * 表示全部；端口是 2425，别的程序只往这个端口发
hub-ipmsg-ipv6 = { $net } 是 IPv6 网段，太大，无法逐个查找
hub-ipmsg-net = 请写网段，例如 192.168.7.0/24
hub-ipmsg-too-many = 共有 { $many } 个地址；最多查找 { $most } 个
hub-ipmsg-not-ascii = { $encoding } 不含 ASCII，而报文由 ASCII 构成
hub-ipmsg-raw-door = --ipmsg 要求第一个端口不是 raw 格式：大家写的话会说在那里

## pigeon hub --check

hub-check-config = 配置：{ $file } 没有问题
hub-check-no-config = 配置：没有指定文件
hub-check-doors = 端口：{ $what }
hub-check-password = 密码：{ $what }
hub-check-asked = 需要
hub-check-not-asked = 不需要
hub-check-data = 数据：{ $what }
hub-check-whole = 数据：{ $folder } 里的聊天记录完好
hub-check-none-yet = 数据：{ $folder } 里还没有聊天记录

## 含有其他消息的日志行。JSON 日志是英文的。

hub-undiscoverable = `pigeon discover` 可能找不到这个 hub：{ $why }
hub-discoverable = 正在监听寻找 hub 的提问：{ $what }
hub-not-reloaded = 没有重新读取设置，什么都没有改变：{ $why }
