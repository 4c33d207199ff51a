# 常见的错误：出了什么事，为什么，怎么办。

## 地址、套接字、数、编码

errors-built-without = 这个 pigeon 编译时没有包含 `{ $feature }`；请用 `--features { $feature }` 编译，或使用发布的程序
errors-language = 不支持的语言 '{ $word }'；请用 `en` 或 `zh`
errors-endpoint-empty = 没有给出地址；请写成 HOST:PORT，例如 127.0.0.1:9999
errors-only-a-port = { $port } 只是端口；请写成 HOST:{ $port }，例如 127.0.0.1:{ $port }
errors-no-port = 缺少端口；请写成 { $host }:PORT，例如 { $host }:9999
errors-no-host = 缺少主机；请写成 HOST:{ $port }，例如 127.0.0.1:{ $port }
errors-link-local = { $ip } 在每条链路上都有；请指明网卡，例如 [{ $ip }%eth0]:{ $port }
errors-cannot-find = 找不到主机 { $host }
errors-no-such-family = 找不到主机 { $host }：它没有 { $family } 地址
errors-no-such-interface = { $name }：本机没有这个网卡；用 `ip link` 查看
errors-socket-address = 请写地址和端口，例如 192.168.1.20:5000 或 [::1]:0
errors-other-family = { $ip } 不是 { $family } 地址
errors-listen-empty = 没有给出地址；请写成 [ADDR:]PORT，例如 9999 或 127.0.0.1:9999
errors-listen-not-a-port = `{ $text }` 不是有效的端口；请写成 [ADDR:]PORT，例如 9999 或 127.0.0.1:9999
errors-listen-not-an-ip = { $host } 不是 IP 地址；请写本机的一个地址，或用 * 表示全部
errors-host-blank = 主机名里不能有空白
errors-host-undisplayable = { $host } 不是有效的主机名：其中有无法显示的字符
errors-not-ipv6 = { $host } 不是有效的 IPv6 地址
errors-not-ipv4 = { $host } 不是有效的 IPv4 地址：每个数在 0 到 255 之间，开头不能有多余的 0
errors-url = 这里不能写 URL；请去掉 { $scheme }://，写成 HOST:PORT
errors-bracket = IPv6 地址的方括号没有闭合；请写成 [ADDRESS]:PORT
errors-behind-bracket = 方括号后面应为 :PORT，却是 { $rest }
errors-ipv6-brackets = IPv6 地址要放在方括号里：[ADDRESS]:PORT；现在是 { $text }
errors-port-zero = 端口 0 无法到达；请写 1 到 65535 之间的数
errors-not-a-port = `{ $text }` 不是有效的端口；请写不超过 65535 的数
errors-broadcast-one-host = { $ip } 是广播地址，而这个命令只和一台主机通信；怎样找到它，见 `pigeon discover --help`
errors-cannot-send-to = 无法发送到 { $to }：{ $cause }
errors-in-use-by = { $address } 已被 { $holder } 占用；请换一个端口，或停止那个程序
errors-in-use = { $address } 已被占用，占用它的程序只有 root 才看得到；请换一个端口，或停止那个程序
errors-not-our-address = { $ip } 不是本机的地址；用 `ip addr` 查看
errors-bind-denied = 没有权限监听 { $address }；1024 以下的端口需要 root
errors-number-too-large = 数太大
errors-number = 应为整数
errors-number-from-to = 应为 { $least } 到 { $most } 之间的整数
errors-number-at-least = 应为整数，至少是 { $least }
errors-duration = 请写带单位的时长，例如 250ms、3s、2m
errors-not-zero = 必须大于 0
errors-heartbeat = 不能短于 100ms
errors-rate = 请写每秒多少个，例如 20/s、10k/s，或 unlimited
errors-byte-rate = 请写每秒多少字节，要带单位，例如 64KiB/s，或 unlimited
errors-size = 请写字节数，例如 8192、64KiB、1MB
errors-network = `{ $text }` 不是有效的网段；例如 { $example }
errors-group = `{ $text }` 不是组播地址；例如 239.1.2.3 或 ff02::fb%eth0
errors-interface-without-group = --multicast-interface：{ $ip } 不是组播地址
errors-interfaces-unlisted = 无法列出本机的地址
errors-interface = 没有网卡 { $wanted }；本机有 { $names }
errors-too-long = 没有发送：有 { $length } 字节，而到那里的数据报最多装 { $most } 字节
errors-encoding = 没有名为 "{ $label }" 的编码；常用的有 { $usual }
errors-encoding-meant = 没有名为 "{ $label }" 的编码；是不是 { $nearest }？
errors-unmappable = { $encoding } 里没有 { $character }（文字的第 { $place } 个字符）
errors-base64 = 不是有效的 base64：{ $error }
errors-input-not-utf8 = 第 { $byte } 字节不是有效的 UTF-8；要以 { $encoding } 发送，输入必须是 UTF-8；如果是别的编码，请先用 `iconv -f ENCODING -t utf-8` 转换；`--encoding utf-8` 则原样发送
errors-input-encoded-already = 第 { $byte } 字节不是有效的 UTF-8；要以 { $encoding } 发送，输入必须是 UTF-8；它好像已经是 { $encoding } 了；`--encoding utf-8` 则原样发送
errors-escape = `\{ $escape }` 不是有效的转义；可用的有 \n、\r、\t、\0、\\、\xNN 和 { $unicode }
errors-at-byte = 第 { $place } 字节：{ $what }
errors-hex-digit = 第 { $place } 字节的 `{ $digit }` 不是十六进制数字
errors-hex-half = 第 { $place } 字节的 `{ $digits }` 不是完整的字节：两个十六进制数字是一个字节
errors-or = {" 或 "}
errors-longer-than-any = 没有发送：超过任何数据报的长度
errors-same-port = { $first } 和 { $second } 用了同一个端口；请各用各的
errors-bad-room = `{ $room }` 不是有效的房间名：一个词，最多 32 个字符
errors-bad-fingerprint = # 后面的指纹应为 64 位十六进制数字，请复制完整的邀请链接
errors-no-secure-port = 65535 之后没有端口，请使用 hub 显示的邀请链接
errors-no-state = 没有存放成员密钥和发件箱的文件夹，请设置 PIGEON_STATE
errors-another-hub = 那里应答的是另一个 hub：它的密钥不是以前见过的 { $fingerprint }。没有向它发送任何内容。如果 hub 是重新安装的，请从状态目录下 member 文件夹的 hubs 文件中删除对应的行

## 提问和回答

errors-asks-too-much = { $source } 请求太多（{ $bound }）：{ $requests } 个没有回答；是不是形成了环路？
errors-repeats-itself = { $source } 每秒 { $rate } 次发送同样的 { $length } 字节；如果是环路，可用 --per-source 1k/s 限制
errors-source-family = --source { $source } 和 { $to } 的 IP 版本不同
errors-refused = { $to } 拒绝：那个端口没有程序在监听
errors-not-sent = { $to }：没有发出
errors-not-sent-cause = { $to }：没有发出：{ $cause }
errors-not-delivered = { $to }：没有送达
errors-not-delivered-cause = { $to }：没有送达：{ $cause }
errors-no-reply = { $to }：试了 { $attempts } 次，{ $seconds } 秒内没有回复
errors-strays = 收到 { $count } 个数据报，但都不是回答
errors-system-said = 系统报告：{ $cause }
errors-other-port-says = { $from }（{ $to } 的另一个端口）说：{ $text }
errors-not-an-answer = { $from }：不是回答：{ $why }
errors-asked-again = { $to }：{ $cause }；再问一次
errors-tried-again = { $to }：没有发出：{ $cause }；再试一次
errors-ipmsg-port = IP Messenger 一类的程序只向 UDP 端口 2425 回复

## 数据报为什么没有送到，接在系统的话后面。$ip 是对方地址。

errors-congested = 套接字的发送缓冲区一直是满的；请发慢一点（--rate、--every）
errors-undelivered = 没有送达
errors-cause-forbidden = 本机的防火墙规则禁止发送；以 root 运行 `nft list ruleset` 或 `iptables-save` 可查看规则
errors-cause-broadcast = { $ip } 是广播地址；`pigeon send` 要加 --broadcast 才会发送
errors-cause-route-prohibits = 本机的一条路由禁止发往那里；用 `ip route get { $ip }` 查看路由
errors-cause-route-unreachable = 本机的路由说那里不可达；用 `ip route get { $ip }` 查看路由
errors-cause-no-group-route = 本机没有到这个组播地址的路由；请用 --multicast-interface 选择网卡，或添加路由：`ip route add { $ip }/32 dev INTERFACE`
errors-cause-no-group-link = 本机没有可用于这个组播地址的网卡；请指明网卡，例如 { $ip }%eth0
errors-cause-no-ipv6-route = 本机没有到那里的 IPv6 路由；如果这个名字有 IPv4 地址，可以加 -4
errors-cause-no-route = 本机没有到那里的路由：网络没有接通，或没有网关；用 `ip route` 查看路由
errors-cause-down = 网卡没有启用；用 `ip link` 查看
errors-cause-no-address = 本机没有可用来发往那里的地址；用 `ip addr` 查看
errors-cause-needs-interface = 这个地址要指明网卡，例如 { $ip }%eth0；用 `ip addr` 查看
errors-cause-port-zero = 不能发往端口 0
errors-cause-invalid = 这个套接字发不到那里；用 `ip route get { $ip }` 查看路由
errors-cause-no-family = 本机不支持这个 IP 版本
errors-cause-no-buffers = 网卡的发送队列满了；请发慢一点（--rate、--every）
errors-cause-too-large = 超过了数据报的最大长度；请发短一点
errors-cause-fragments = 途中有一段链路装不下它；之后会分片发送
errors-cause-refused = 那个端口没有程序在监听
errors-cause-no-host = 网络报告：那个地址没有主机应答
errors-cause-rejected = 对方或途中的防火墙拒绝了它（administratively prohibited）
errors-cause-router = 途中的路由器没有到那里的路由
errors-cause-earlier = 这是网络对之前某个数据报的报告

## 没有发出的原因，一个词

errors-drop-unreachable = 不可达
errors-drop-not-permitted = 不允许
errors-drop-too-large = 太长
errors-drop-no-buffers = 缓冲区已满
errors-drop-invalid = 无效
errors-drop-refused = 被拒绝
errors-drop-congested = 拥塞
errors-drop-closed = 套接字已关闭
errors-drop-other = 其他

## 系统的话，译法与 C 库一致

errors-os-eperm = 不允许的操作
errors-os-enoent = 没有那个文件或目录
errors-os-eacces = 权限不够
errors-os-eexist = 文件已存在
errors-os-enotdir = 不是目录
errors-os-eisdir = 是一个目录
errors-os-einval = 无效的参数
errors-os-emfile = 打开的文件过多
errors-os-enospc = 设备上没有空间
errors-os-erofs = 只读文件系统
errors-os-epipe = 断开的管道
errors-os-emsgsize = 消息过长
errors-os-eafnosupport = 协议不支持的地址族
errors-os-eaddrinuse = 地址已在使用
errors-os-eaddrnotavail = 无法指定被请求的地址
errors-os-enetdown = 网络已关闭
errors-os-enetunreach = 网络不可达
errors-os-enobufs = 没有可用的缓冲区空间
errors-os-econnrefused = 拒绝连接
errors-os-ehostunreach = 没有到主机的路由
errors-os-ehostdown = 主机关闭
errors-os-enoprotoopt = 不可用的协议
errors-os-eopnotsupp = 不支持的操作
errors-lookup = 没有这个名字的地址，或域名服务器没有应答

## 文件

errors-stdin-terminal = 标准输入是终端；请指定一个文件，或用管道输入
errors-file-too-large = 超过 { $most } 字节，可能不是要找的文件
errors-line-not-utf8 = 第 { $line } 行不是有效的 UTF-8
errors-not-a-regular-file = 无法修改 { $file }：它不是普通文件
errors-cannot-make = 无法创建 { $file }
errors-would-be-too-large = { $file } 会超过 { $most } 字节
errors-cannot-write = 无法写入 { $file }
errors-cannot-read = 无法读取 { $file }
errors-not-a-file = { $file } 不是文件
errors-capture-terminal = 抓包内容不能显示在终端上；请重定向到文件或管道
errors-capture-again = { $file } 又可以写入了；其中缺 { $missing } 个数据报
errors-capture-stopped = 无法写入 { $file }：{ $error }；不写它，继续运行
errors-capture-lost = 有 { $lost } 个数据报没能写入 { $file }
errors-file-exists = { $file } 已存在，不会覆盖；请换一个名字
errors-stdout = 无法写入标准输出
errors-answer-unreadable = 无法读取回答
errors-watch-socket = 无法监视套接字
errors-cannot-read-stdin = 无法读取标准输入：{ $error }

## 联系人

errors-contacts-no-home = 没有主目录，联系人无处可存；请用 PIGEON_CONTACTS 指定文件
errors-contacts-spoilt = 没有写入：这样改会损坏文件
errors-cannot-lock = 无法锁定 { $file }
errors-locked = 另一个 pigeon 一直占用 { $file }
errors-contacts-too-large = { $file } 太大，不是联系人文件
errors-contact-taken = { $name } 已经是 { $endpoint }；请先运行 `pigeon contacts remove { $name }`，或换一个名字
errors-contacts-same = { $name } 和 { $other } 是同一个名字
errors-contact-none-yet = 没有联系人 { $name }；现在还没有联系人，用 `pigeon contacts add` 添加
errors-contact-unknown = 没有联系人 { $name }；用 `pigeon contacts list` 查看
errors-contact-meant = 没有联系人 { $name }；是不是 { $near }？
errors-contact-shape = { $name } 不是有效的联系人；请写 { $shape }
errors-contact-field = { $name }：联系人没有 { $field } 这一项，只有 endpoint、encoding、ipmsg
errors-contact-no-endpoint = { $name } 没有 endpoint
errors-contact-switch = { $name }：{ $field } 应为 true 或 false
errors-contact-text = { $name }：{ $field } 应为带引号的文字
errors-bad-endpoint = `{ $word }` 不是有效的地址：{ $why }
errors-peer-unknown = { $unknown }（地址要写成 { $word }:PORT）
errors-port-twice = { $word } 已经写了端口，{ $port } 是多余的
errors-contact-name = `{ $name }` 不能作联系人的名字：{ $why }
errors-name-endpoint = 它像一个地址
errors-name-flag = 它像一个选项

## 设置

errors-place = 第 { $line } 行第 { $column } 列
errors-setting-meant = 没有设置项 { $name }；是不是 { $meant }？
errors-setting-unknown = 没有设置项 { $name }；用 `pigeon { $command } --help` 查看
errors-setting-value = { $name } 的值 '{ $value }' 无效：{ $reason }
errors-setting-choice = { $name } 的值 '{ $value }' 无效；可选 { $choices }
errors-argument-not-utf8 = 参数 `{ $word }` 不是有效的 UTF-8
errors-variable-not-utf8 = 环境变量 { $name } 不是有效的 UTF-8
errors-variable-meant = { $name } 不是设置项，已忽略；是不是 { $meant }？
errors-variable-unknown = { $name } 不是设置项，已忽略；用 `pigeon { $command } --help` 查看

## hub 的聊天记录和数据

errors-data-no-folder = 没有存放 hub 数据的文件夹；请用 --data 指定
errors-data-none = 没有 hub 保存过数据；请用 --data 指定它的文件夹
errors-data-none-in = { $folder } 里没有 hub 保存的数据；请用 --data 指定它的文件夹
errors-data-chosen = 有几个 hub 保存了数据；这是最近写入的 { $folder }；用 --data DIR 选别的
errors-data-no-home = { $variable } 为空，或者这个用户没有主目录
errors-log-in-use-by = { $folder } 正被进程 { $pid } 使用；请停止那个 hub，或换一个文件夹
errors-log-in-use = { $folder } 正被另一个进程使用；请停止那个 hub，或换一个文件夹
errors-log-folder = 无法{ $doing ->
    [create] 创建
    [find] 找到
    [lock] 锁定
    [open] 打开
    [write] 写入
   *[read] 读取
} { $path }：{ $error }；请检查它的所有者和权限，或换一个文件夹
errors-log-missing = { $folder } 里没有聊天记录
errors-log-foreign = { $file } 不是 pigeon 的聊天记录，没有改动它；请换一个文件夹
errors-log-newer = { $file } 的版本是 { $found }，比这个程序新；请用更新的 pigeon
errors-log-older = { $file } 的版本是 { $found }；请启动一次 hub 来升级它

## 各个库报告的错误

errors-log-unread = 无法{ $doing ->
    [open] 打开
    [create] 创建
    [upgrade] 升级
    [search] 搜索
   *[read] 读取
} { $file }：{ $why }
errors-log-damaged-part = 无法{ $doing ->
    [open] 打开
    [search] 搜索
   *[read] 读取
} { $file }：文件已损坏（{ $what }）；请恢复备份
errors-log-damaged = { $file } 已损坏（{ $what }），没有改动它；请换上备份，或把整个文件夹移走，从空的聊天记录开始，并从旧的里导出还能读的内容
errors-log-forget-closed = 无法删除：聊天记录已关闭
errors-log-forget-unable = 无法删除，什么都没有删：{ $why }
errors-log-export = 无法写入导出的内容：{ $why }
errors-log-backup-exists = { $file } 已经存在，没有改动它；请换一个名字
errors-log-backup = 无法写入备份 { $file }：{ $why }
errors-log-import-read = 无法读取第 { $line } 行：{ $why }
errors-log-import-unable = 无法保存第 { $line } 行之前的内容：{ $why }
errors-log-import-closed = 无法保存第 { $line } 行之前的内容：聊天记录已关闭
errors-line-too-long = 超过 { $most } 字节
errors-line-json = 不是 JSON（{ $why }）
errors-line-text = `{ $name }` 不是文字
errors-line-number = `{ $name }` 不是数
errors-line-hex = `{ $name }` 不是十六进制数
errors-line-range = `{ $name }` 超出范围
errors-line-room = `room`：{ $why }
errors-line-base64 = `base64` 无法解码（{ $why }）
errors-trouble-full = 磁盘已满；请腾出一些空间
errors-trouble-read-only = 文件夹或文件是只读的；请改为可写
errors-trouble-io = 磁盘读写出错；请查看系统日志
errors-trouble-gone = 聊天记录的文件被移走或删除了；请放回去，或重新启动
errors-trouble-busy = 别的程序锁住了聊天记录；请结束那个程序
errors-trouble-damaged = 聊天记录已损坏；请停止 hub 并恢复备份
errors-trouble-no-positions = 这个纪元的编号已用完；请开始新的纪元
errors-trouble-other = SQLite 报告了错误
errors-socket-create = 无法为 { $address } 创建 UDP 套接字
errors-socket-configure = 无法为 { $address } 的套接字设置 { $option }
errors-socket-bind = 无法绑定到 { $address }
errors-socket-connect = 无法连接到 { $address }
errors-drive-receive = 无法在 { $address } 上接收
errors-drive-wait = 无法等待数据报
errors-no-thread = 无法启动线程
errors-no-randomness = 系统没有提供随机数
errors-lines-missing = 这里缺了 { $count } 行：磁盘满了
errors-no-signals = 无法接收信号
errors-no-terminal = 无法使用终端
errors-share-not-a-number = “{ $text }”不是数字；请写比例，例如 0.01，或百分比，例如 1%
errors-share-out-of-range = “{ $text }”不在 0 和 1（0% 和 100%）之间
errors-share-no-percent-sign = “{ $text }”不在 0 和 1 之间；百分之 { $text } 请写成 { $text }%
errors-burst-too-short = 平均每次突发 { $burst } 个数据报是不可能的：一次突发至少一个
errors-burst-loss = 平均丢包率 { $loss }、每次突发 { $burst } 个数据报是不可能的：两次突发之间至少要有一个数据报到达
errors-jitter-exceeds-delay = 抖动 { $jitter } 超过了延迟 { $delay }：数据报会在发出之前到达
errors-held-back-for-nothing = 要乱序，扣留数据报的时间必须大于 0
errors-rate-zero = 速率为 0 时什么都过不去；请改用 100% 的丢包率
errors-mtu-zero = MTU 为 0 时只有空数据报过得去
errors-ntp-short = { $length } 字节不够一个 NTP 数据包
errors-ntp-mode = 不是服务器的回复，而是模式 { $mode }
errors-ntp-other-request = 是对另一个请求的回复
errors-ntp-version = 没有 NTP 版本 { $version }
errors-ntp-refuses = 服务器拒绝：{ $code }
errors-ntp-unsynchronised = 服务器的时钟没有同步
errors-ntp-times = 服务器给出的时间互相矛盾
errors-ntp-too-far = 服务器的时钟误差可能达到 { $distance }
errors-key-form = 不是 PKCS #8 形式的 P-256 私钥
errors-certificate-unmade = 无法生成证书：{ $why }
errors-certificate-missing = 没有 PEM 形式的证书（CERTIFICATE）
errors-certificate-no-key = 没有 PEM 形式的私钥（PRIVATE KEY）
errors-certificate-unusable = 无法使用这个证书或它的私钥：{ $why }
errors-certificate-mismatch = 私钥（PRIVATE KEY）和证书（CERTIFICATE）不是一对
errors-idle-too-long = 空闲时限超过 146 年
errors-no-handshake = 无法开始握手：{ $why }
errors-web-listen = 无法监听 TCP { $address }
errors-web-wait = 无法等待连接
errors-member-file = 无法{ $doing ->
    [create] 创建
    [lock] 锁定
    [open] 打开
    [write] 写入
   *[read] 读取
} { $file }
errors-member-too-many = 使用 { $folder } 的程序已经太多
errors-member-key = { $folder } 里的密钥无法使用；请恢复它，或把它移走，作为另一个成员加入
errors-member-socket = 无法打开通往 { $hub } 的套接字
errors-member-no-hub = { $hub } 没有接受密钥成员的 hub 应答：{ $why }。hub 在运行吗？如果它用的是别的端口，请用那里的 `pigeon invite` 显示的邀请链接
errors-member-another = 以前见到的 { $name } 的密钥是 { $known }，而邀请链接里写的是 { $invited }；请问 hub 的操作者哪个是对的
errors-member-left = 本成员已离开 hub
errors-not-said = 未存储：{ $why }
errors-not-said-yet = 尚未存储：消息还在等待，会再次发送
errors-not-said-long = 文字超过 { $most } 字节
errors-not-said-full = 等待发往 hub 的消息太多
errors-why-ended = 它结束了连接
errors-why-closed = 它关闭了连接：{ $reason }
errors-why-silent = 它没有回应
errors-why-restarted = 它不再认得这个连接：它重新启动过
errors-why-full = 它已满
errors-why-nobody = 那里没有程序在监听
errors-why-other-key = 它的密钥是 { $found }，而不是 { $expected }
errors-why-stolen-key = 它出示的证书的密钥是 { $found }，而它没有对应的私钥
errors-why-protocol = 它使用的不是这个协议：{ $what }
