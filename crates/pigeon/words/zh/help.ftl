# 帮助文字。英文写在命令行的定义里，中文写在这里；没有中文的条目显示英文，测试会报出来。
#
# 键名：help-send 是命令的说明，help-send-more 是选项下面的文字，help-send--count 是选项或参数，
# help-hub--format-chat 是选项的取值，help-all--json 是各命令共用的。
# -more 里空行分段；缩进两格的是列表，两个空格隔开条目和说明，`# ` 后面是命令的注释。

help-label-usage = 用法：
help-label-some-options = [选项]
help-label-a-command = 命令
help-label-commands = 命令：
help-label-arguments = 参数：
help-label-options = 选项：
help-label-colon = ：
help-label-default = [默认：{ $value }]
help-label-help-command = 显示某个命令的帮助
help-label-help = 显示帮助
help-label-version = 显示版本

help-error-head = 错误：
help-error-unknown-argument = 无法识别的参数 '{ $arg }'
help-error-unknown-command = 没有 '{ $command }' 这个命令
help-error-missing = 缺少以下参数：
help-error-no-value = '{ $arg }' 需要一个值
help-error-invalid = '{ $arg }' 的值 '{ $value }' 无效
help-error-choices = [可选值：{ $choices }]
help-error-twice = '{ $arg }' 只能使用一次
help-error-conflict = '{ $arg }' 不能与 '{ $other }' 同时使用
help-error-meant = 提示：是不是 '{ $meant }'？
help-error-as-value = 提示：如果 '{ $arg }' 本身是要传入的值，请写成 '-- { $arg }'
help-error-more = 详情请用 '--help' 查看。

help-heading-hub = 经 hub 聊天
help-heading-talk-without-a-hub = 不经 hub 直接聊天
help-heading-tools = 收发工具
help-heading-measure-and-test = 测量与测试
help-heading-shell = Shell
help-heading-network = 网络
help-heading-members-and-rooms = 成员与房间
help-heading-with-hub-host = 配合 hub:HOST 使用
help-heading-limits = 限额
help-heading-history = 历史记录
help-heading-page = 网页
help-heading-several-hubs = 多个 hub
help-heading-ip-messenger = IP Messenger（飞鸽传书）
help-heading-conditions-both-ways = 网络条件（两个方向）

## 各命令共用

help-all--color = 是否使用颜色：auto（在终端上且未设置 NO_COLOR 时）、always 或 never
help-all--quiet = 只输出数据和错误，不在 stderr 输出提示
help-all--language = 提示和帮助的语言 [默认：由 LC_ALL、LC_MESSAGES 或 LANG 决定]
help-all--ipv4 = 只用 IPv4
help-all--ipv6 = 只用 IPv6
help-all--hex = 以十六进制读写字节
help-all--base64 = 以 base64 读写字节
help-all--encoding = 收发文本的编码：utf-8、gb2312、gbk、gb18030、big5、shift_jis、euc-kr、latin1、utf-16le 等；auto 能读 UTF-8 和 GB18030，并按对方上次所用的编码发送 [默认：联系人的编码，否则为 utf-8]
help-all--escapes = 解释 TEXT 里的转义：\n、\r、\t、\0、\\，\xNN 表示字节，\u{"{"}N{"}"} 表示字符
help-all--multicast-interface = 从哪个网卡发送组播：网卡名，或它的一个地址
help-all--line = 逐行输出，不使用全屏界面；stdin 或 stdout 不是终端时也是如此
help-all--wait = 管道输入结束后，再等待回复多久
help-all--room = 所在的房间 [默认：lobby]
help-all--nick = 发言用的名字
help-all--password-file = 存放 hub 密码的文件
help-all--console = 从 stdin 读取控制命令；stdin 结束不会使程序退出

## pigeon

help-pigeon = 为网络上的人、程序和设备提供 UDP 消息通信
help-pigeon-more =
    试一试（每行命令各开一个终端）：
      pigeon hub
      pigeon join --nick 狗哥
      nc -u 127.0.0.1 9999

    用 `pigeon COMMAND --help` 查看某个命令的说明和示例。

## hub

help-hub = 运行 hub：在一个 UDP 端口上群聊，能发数据报的程序都能加入
help-hub--port = 监听地址，即 --listen 的简写
help-hub--config = 从 TOML 文件读取设置，键名与选项同名
help-hub--check = 检查设置和数据后退出，不作任何改动；一切正常则返回 0
help-hub--listen = 监听地址：[FORMAT@][ADDR:]PORT[=ROOM]，可重复，也可用逗号分隔。只写端口表示仅限本机，* 表示所有地址，端口 0 由系统选择。从这里加入的成员使用格式 FORMAT，一开始在房间 ROOM
help-hub--format = 普通成员收到的格式，--listen 另有指定的除外
help-hub--format-chat = `NAME: TEXT` 加换行，可安全显示；通知以 `* ` 开头
help-hub--format-classic = `Ack TEXT. from IP:PORT`，全部大写
help-hub--format-raw = 负载原样转发给除发送者以外的所有人
help-hub--language = hub 发给普通成员的语句、控制台和帮助所用的语言 [默认：由 LC_ALL、LC_MESSAGES 或 LANG 决定]
help-hub--encoding = 普通成员的编码，成员可用 /encoding 更改：gbk 等编码名，或 auto（识别 UTF-8 和 GB18030，并以同样的编码回复）
help-hub--name = hub 的名称：管理员以此名发言，搜索 hub 时也显示它
help-hub--timeout = 成员沉默多久即视为离开
help-hub--open = 可以自由加入的网络；其他地址须先证明能收到数据 [默认：本机和私有网络：127.0.0.0/8、::1、10.0.0.0/8、172.16.0.0/12、192.168.0.0/16、169.254.0.0/16、fe80::/10、fc00::/7]
help-hub--password = 加入前须用 /pass 给出的密码。本机其他用户能看到命令行，建议改用 --password-file
help-hub--password-file = 密码文件，只含密码一行，且不能让其他用户读取
help-hub--discoverable = hub 不只监听本机时，是否应答 `pigeon discover`
help-hub--max-members = 成员数上限
help-hub--max-per-room = 每个房间的成员数上限 [默认：同 --max-members]
help-hub--max-per-address = 每个 IP 地址的成员数上限；--open 以外的 IPv6 按 /64 计；未指定时本机不受限 [默认：256]
help-hub--rate = 每个成员每秒的消息数 [默认：本机 50k/s，--open 网络 5k/s，其他 20/s]
help-hub--rate-bytes = 每个成员每秒的字节数 [默认：依次为 256MiB/s、8MiB/s、64KiB/s]
help-hub--hub-rate = 所有成员合计每秒的消息数 [默认：本机不限，--open 网络 50k/s，其他 1k/s]
help-hub--hub-rate-bytes = 所有成员合计每秒的字节数 [默认：依次为不限、64MiB/s、3200KiB/s]
help-hub--work = 其他机器上的成员每秒合计可占用的 CPU 时间；一个地址最多占用其余时间的一半，独自使用时不限
help-hub--max-text = 一条消息的文本上限，以字节计 [默认：8KiB；raw 格式以一个数据报为限]
help-hub--notices-up-to = 成员不超过此数的房间，才通知谁来谁走
help-hub--history = 是否保存聊天记录，供 /history、/search 和 `pigeon history` 使用；关闭后仍保存名字、封禁和禁言 [默认：开；raw 房间关；首个端口为 0 且未指定 --data 时也关]
help-hub--data = 保存名字、封禁和聊天记录的目录，只供这一个 hub 使用 [默认：状态目录中与首个 --listen 对应的目录]
help-hub--keep = 消息保存多久，从最新一条往回算：90d、12h，或 forever
help-hub--keep-size = 聊天记录的大小上限；超出后，在占用最多的房间里，先删除占用最多的发言者最旧的消息
help-hub--backlog = 新来者取名后，向其显示多少条旧消息；0 表示不显示
help-hub--ipmsg = 允许 --open 网络中的 IP Messenger、飞秋和 iptux 用户加入：ADDR 是本机的一个 IPv4 地址，* 表示全部（默认）。使用 UDP 端口 2425
help-hub--ipmsg-scan = 逐个地址搜索 IP Messenger 用户的网络，用于广播到不了的地方：每秒二十个，每十分钟重复一次
help-hub--ipmsg-encoding = 不支持 UTF-8 的 IP Messenger 程序所用的编码：中国用 gb18030，日本用 shift_jis
help-hub--page = 在这个 TCP 端口上为浏览器提供网页，未写 ADDR 时监听所有地址：打开网页的人就是成员。需要聊天记录
help-hub--page-certificate = 含证书、证书链和私钥的 PEM 文件：网页改用 https
help-hub--page-name = 浏览器打开网页时用的其他名称，例如 chat.example.org；可重复，也可用逗号分隔。地址、localhost 和本机名称总是可用
help-hub--metrics = 谁可以在网页的端口上读取 /metrics（供 Prometheus 使用）：本机、所有人，或谁都不行
help-hub--metrics-loopback = 本机
help-hub--metrics-open = 所有人
help-hub--metrics-off = 谁都不行
help-hub--cluster = 多个 hub 通过它们共享聊天室的 NATS 服务器，例如 nats://10.0.0.1 或 tls://a.example:4222；可重复，也可用逗号分隔。需要聊天记录
help-hub--cluster-name = 集群的名称：同名的 hub 共享聊天室
help-hub--cluster-user = 在 NATS 服务器上的用户名
help-hub--cluster-password = 在 NATS 服务器上的密码。写在这里，本机其他用户也看得到；最好用环境变量
help-hub--cluster-credentials = NATS 服务器的凭据文件（由 nsc 写出），代替用户名和密码
help-hub--cluster-authority = 给 NATS 服务器签发证书的机构的证书（PEM 文件）
help-hub--messages = 是否把成员的消息输出到 stdout [默认：在终端上为 on，否则为 off]
help-hub--log = stderr 日志的格式
help-hub--log-text = 供人阅读的文本行
help-hub--log-json = 每行一个 JSON 对象
help-hub--log-level = 日志级别：记录该级别及排在它前面的各级
help-hub--log-level-error = 使 hub 退出的错误
help-hub--log-level-warn = 管理员应当留意的事
help-hub--log-level-info = 谁加入、谁离开
help-hub--log-level-debug = hub 自身的动作
help-hub--log-level-trace = 全部
help-hub--secure = 供持有密钥的成员加密加入（QUIC）的端口：端口号、on（首个 --listen 的下一个端口）或 off
help-hub--wait-for-address = 本机尚无该地址时是否等待；off 则以 1 退出
help-hub--offload = 是否使用内核的批量收发（GSO、GRO）
help-hub-more =
    示例：
      pigeon hub  # 只供本机的程序使用
      pigeon hub '*:9999'  # 供局域网使用
      pigeon hub '*:9999' 'raw@*:9998=video'  # 另开一个传数据的房间，例如视频
      pigeon hub --config hub.toml  # 从文件读取设置
      echo 'hello' | nc -u -w1 127.0.0.1 9999  # 任何程序都能发言

    设置也可以写在环境变量里（--max-text 对应 PIGEON_HUB_MAX_TEXT），或写在文件里（--config）。优先级：选项高于环境变量，环境变量高于文件。docs/hub.toml 列出了全部设置。

    终端上的控制命令：
      members, rooms, stats  列出成员、房间、统计
      say, msg  向房间发言，向成员私聊
      kick, ban, unban, bans  踢出成员，封禁、解封，列出封禁
      mute, unmute, mutes, slow  禁言、解除、列出禁言，限制房间的发言频率
      forget  删除聊天记录
      password, page, reload  更换密码，显示网页地址，重新读取设置
      help, quit  解释各命令，停止 hub

    退出状态：
      0  已停止；用 --check 时，设置和数据都正常
      1  无法监听，或无法打开数据

    文件：
      ~/.local/state/pigeon/  名字、封禁和聊天记录，按首个 --listen 各占一个目录

    环境变量：
      PIGEON_STATE  状态目录，代替 ~/.local/state/pigeon；设为空则不保存任何数据

## join

help-join = 加入 hub：收看大家的发言，发送你输入的内容
help-join--hub = 要加入的 hub：HOST[:PORT]（端口默认为 9999）、联系人，或网络上某个 hub 的名称 [默认：本机的 hub，否则为 `pigeon discover` 找到的那个]
help-join--port = hub 的端口，单独写成一个参数时使用
help-join--nick = 你的名字，不含空格；用 --plain 时，或对 raw 格式的 hub，不会发送（那里它会被当作数据）
help-join--password-file = 存放 hub 密码的文件；hub 要求时自动给出
help-join--plain = 像普通程序一样只收发数据报，不等待心跳的应答
help-join--heartbeat = 心跳间隔；实际发送会提前，最多提前五分之一
help-join--json = 每个事件输出一个 JSON 对象：time、kind、room、from、text 或 base64，以及该类事件的其他字段（见下文）
help-join--raw = 把负载原样写到 stdout，此外不输出任何内容；stdin 的字节发进房间，每个数据报最多 1,316 字节。stdin 为空（`< /dev/null`）时只接收
help-join--forward = 把房间里的每条消息作为数据报转发给播放器或其他程序，不再显示（用 --json 或 --raw 时照常输出）；可重复
help-join--bell = 有人提到你或私聊你时，是否响铃
help-join-more =
    示例：
      pigeon join  # 本机的 hub，或网络上唯一的 hub
      pigeon join 192.168.1.20 --nick 狗哥  # 以指定的名字加入网络上的 hub
      pigeon join library  # 按名称加入 hub
      echo hello | pigeon join  # 发一行，显示 2 秒内的回复，然后离开
      pigeon join 10.0.0.1:9998 --forward 127.0.0.1:5004  # 房间里的视频，用 `ffplay udp://127.0.0.1:5004` 播放
      pigeon join 10.0.0.1:9998 --raw < /dev/null > room  # 把房间里的字节存成文件

    在终端上使用全屏界面，在空行上按 ? 或按 F1 查看按键；--line 则逐行输出。输入 `quit`、按 Ctrl-D 或 Ctrl-C 离开；/help 列出 hub 的命令。要发送以 / 开头的文本，请以 // 开头。

    JSON 对象的种类（都带有 `time`；hub 的用词见 docs/protocol.md）：
      message  room, from（chat 格式）, text 或 base64
      private  from 或 to, text：私聊
      said  room, position, sent（Unix 时间）, link, from, text：较早的消息
      notice  room, version, change, names, more：有人来、走或改名
      roster  room, version, people, senders, offset, names：/who 的回答
      rooms  offset, total, names, counts：/rooms 的回答
      name  name, room, word：你的名字和房间
      refused  what, reason, detail：hub 没有接受的命令或内容
      set  setting, value：已生效的设置
      gone  reason：kicked, banned, moved, timed-out 或 stopped
      help  /help 的回答
      joined  hub, plain；若是 pigeon 的 hub，还有 members, format, secure_port
      away  hub, reason：refused 或 timed-out
      again  hub, after（秒）：hub 恢复了
      moved  hub, from：hub 的主机名现在解析到另一个地址
      unheard  hub：至今没有收到它的数据
      unreachable  hub, error：系统报告无法到达
      reachable  hub：又收到它的数据
      unsent  hub, error：有一行没有发出
      forward  to, reason：refused, unreachable, repeats 或 loop；系统给出原因时还有 error
      secure  hub, fingerprint, first（是否首次）：从此加密并存储
      insecure  hub, error：hub 提供加密，但无法使用
      delivery  hub, state, text, reason：消息或连接的状态

    退出状态：
      0  已离开
      1  被拒绝，或没有收到任何数据；在脚本中，hub 没有接受某一行时也是 1

    文件：
      ~/.config/pigeon/contacts.toml  联系人（`pigeon contacts`）
      ~/.local/state/pigeon/  在各 hub 用过的名字，重启后仍归你使用

    环境变量：
      PIGEON_PASSWORD  hub 的密码，未指定 --password-file 时使用
      PIGEON_STATE  状态目录，代替 ~/.local/state/pigeon；设为空则不保存任何数据

## invite

help-invite = 显示别人怎样加入本机的 hub：地址，以及网页的二维码
help-invite--data = hub 的数据目录，即 hub 的 --data
help-invite--listen = 哪个 hub：写它的首个 --listen
help-invite-more =
    示例：
      pigeon invite  # 正在这里运行的 hub；有几个时会问
      pigeon invite --listen '*:9999'  # 使用这个 --listen 的 hub
      sudo pigeon invite --data /var/lib/pigeon  # 系统服务的 hub

    输出 hub 启动时所显示的内容，地址则是本机现在的：加入用的命令、网页地址的二维码，以及带有 hub 密钥的邀请链接。不显示管理页面的地址。

    退出状态：
      0  已显示
      1  这里没有你的 hub 在运行
      2  运行着几个，又无人可问

    文件：
      ~/.local/state/pigeon/  这个用户各 hub 的数据，每个 hub 一个目录；--data 另行指定

    环境变量：
      PIGEON_STATE  状态目录，代替 ~/.local/state/pigeon

## history

help-history = 查看、搜索、导出、导入或备份 hub 的聊天记录
help-history--room = 只看这个房间
help-history--data = hub 的数据目录，即 hub 的 --data
help-history--listen = 读取哪个 hub 的数据：写它的首个 --listen
help-history--since = 只看此后的内容：2026-11-20、'2026-11-20 21:04'，或距今多久：3d、2h
help-history--until = 只看此前的内容，写法同上
help-history--from = 只看以此名字说的话，不区分大小写
help-history--search = 只看含有所有这些词的消息；可以是词的一部分，不区分大小写
help-history--json = 每行输出一个 JSON 对象
help-history--text = 输出供人阅读的文本行（默认）
help-history--export = 把全部内容或一个房间以 JSON 行写入新文件或 stdout（-）
help-history--import = 从文件或 stdin（-）导入以前导出的 JSON 行；已有的消息保持不变
help-history--backup = 把整个日志复制到新文件或 stdout（-）
help-history-more =
    示例：
      pigeon history  # 本机 hub 保存的全部内容
      pigeon history lobby --since 2h  # 某个房间最近两小时
      pigeon history --since 2026-11-20 --until 2026-11-21 --from 狗哥
      pigeon history --search '温度 sensor'  # 同时含有这两个词的消息
      pigeon history --json | jq -r .text
      pigeon history --export log.jsonl  # 导出全部，供别处导入
      pigeon history --import log.jsonl --data DIR  # 先停止使用 DIR 的 hub
      pigeon history --backup log.sqlite  # hub 可以直接用来启动的副本

    除 --import 外，都可以在 hub 运行时使用，不会让它等待。只写日期表示一整天：--until 2026-11-21 包含当天。

    JSON 字段：
      time  RFC 3339 时间，精确到微秒
      kind  message（消息）或 gap（缺口）
      position, room  在日志中的位置，所在房间
      from, link, text  消息才有：作者、来源（key, plain, page, ipmsg 或 import）、文本；文本不是 UTF-8 时以 base64 代替 text
      missing  缺口才有：已转发但未能保存的消息数

    导出的文件另有格式，由 --import 读取。

    文件：
      ~/.local/state/pigeon/  本用户各个 hub 的数据，每个 hub 一个目录；指定了 --data 时除外

    环境变量：
      PIGEON_STATE  状态目录，代替 ~/.local/state/pigeon

## chat

help-chat = 不经 hub，直接与其他 UDP 程序聊天
help-chat--peers = 聊天对象：联系人、HOST:PORT、[V6]:PORT，或分开写的 HOST PORT；输入的内容发给第一个
help-chat--bind = 在本机的哪个地址和端口接收消息 [默认：所有地址，端口由系统选择]
help-chat--encoding = 对方没有自己的编码时所用的编码（见 `pigeon contacts`）；auto 能读 UTF-8 和 GB18030，并按对方上次所用的编码发送
help-chat--from = 只接收此网络或地址的陌生人发来的消息；可重复
help-chat--json = 每条消息输出一个 JSON 对象：time、from、to、len、text 或 base64、truncated、name；或 to 和 result：refused、unsent、unreachable（带 error），moved（带 now）
help-chat-more =
    示例：
      pigeon chat 192.168.1.103:8080 --encoding gb2312
      pigeon chat 狗哥 猴哥  # 联系人，各用各的编码
      pigeon chat --bind 8080  # 等待别人发到端口 8080
      echo 你好 | pigeon chat 狗哥  # 发一行，显示 2 秒内的回复，然后离开

    一条消息就是一个纯文本的数据报，所以对方可以是 `nc -u`，也可以是十行 Python。输入的内容发给选中的人；有人发来消息，就会出现在可选的名单里。以 --ipmsg 添加的联系人按 IP Messenger 的协议收发，每一行都会报告是否送达。

    运行中的命令：
      /to NAME|ENDPOINT|NUMBER  选择聊天对象
      /list  列出聊天对象
      quit  结束当前对话；再输入一次则退出
      /help  列出其他命令

    在终端上使用全屏界面，在空行上按 ? 或按 F1 查看按键；--line 则逐行输出。

    文件：
      ~/.config/pigeon/contacts.toml  联系人（`pigeon contacts`）

## contacts

help-contacts = 为端点起名，凡是要写端点的地方都可以写名字
help-contacts-more =
    示例：
      pigeon contacts add 狗哥 192.168.1.103:8080 --encoding gb2312
      pigeon contacts add 老王 192.168.1.7 --ipmsg  # IP Messenger、飞秋或 iptux 的用户
      pigeon contacts list
      pigeon contacts rename 狗哥 dog
      pigeon send 狗哥 你好  # 以狗哥能读的 GB2312 发送

    可以直接编辑这个文件，注释和顺序会保留。

    文件：
      ~/.config/pigeon/contacts.toml  联系人（设置了 $XDG_CONFIG_HOME 时，以它代替 ~/.config）

    环境变量：
      PIGEON_CONTACTS  改用另一个文件保存联系人
help-contacts-add = 添加联系人，或更改同一端点的联系人的编码
help-contacts-add--name = 名字：任何文字，不含空格，最多 32 个字符，不区分大小写
help-contacts-add--endpoint = 所在的端点：HOST:PORT、[V6]:PORT，或分开写的 HOST PORT
help-contacts-add--port = 端口，单独写成一个参数时使用
help-contacts-add--encoding = 对方读写的编码，或 auto [默认：各命令的 --encoding，否则为 utf-8]
help-contacts-add--ipmsg = 标为 IP Messenger、飞秋或 iptux 的用户：chat 和 send 按该协议与其收发，未指定端口时用 2425
help-contacts-add-more =
    示例：
      pigeon contacts add 狗哥 192.168.1.103:8080 --encoding gb2312
help-contacts-list = 列出联系人
help-contacts-list--json = 每个联系人输出一个 JSON 对象：name、endpoint、encoding、ipmsg
help-contacts-list-more =
    示例：
      pigeon contacts list --json
help-contacts-remove = 删除联系人
help-contacts-remove--name = 联系人的名字
help-contacts-remove-more =
    示例：
      pigeon contacts remove 狗哥
help-contacts-rename = 给联系人改名
help-contacts-rename--old = 联系人的名字
help-contacts-rename--new = 新的名字
help-contacts-rename-more =
    示例：
      pigeon contacts rename 狗哥 dog

## send

help-send = 发送数据报：TEXT 作为一个，或 stdin 的每一行各作一个
help-send--endpoint = 发往哪里：HOST:PORT、[V6]:PORT、分开写的 HOST PORT、联系人，或 hub:HOST[:PORT]（消息由 hub 保存）
help-send--stored = hub 保存了每条消息之后才返回 0（用 hub:HOST 时总是如此）；在 --wait（默认 30s）内没有保存的，留在发件箱里由下一次命令发送
help-send--text = 数据报的文本；多个词以空格相连，- 表示读取 stdin
help-send--empty = 发送一个空数据报
help-send--framing = 怎样把 stdin 分成数据报：line（每行一个，不含换行）、keep（每行一个，保留换行）、whole（整个一个）、size:N（每 N 字节一个）、hex-lines（每行十六进制一个）
help-send--count = TEXT 发送几次 [默认：一次；用 --every 或 --rate 时直到停止]；读取 stdin 时为最多发几个数据报
help-send--every = 两个数据报之间的间隔，例如 100ms
help-send--rate = 每秒发送的数据报数，例如 10k/s
help-send--source = 从哪个地址和端口发送；端口 0 由系统选择
help-send--ttl = 数据报可以经过几个路由器 [默认：由系统决定；组播不过路由器]
help-send--broadcast = 允许发往广播地址
help-send--ipmsg = 把 TEXT 或整个 stdin 作为一条消息，以对方能读的编码发给 IP Messenger、飞秋或 iptux 的用户，端口 2425；得到确认则返回 0，否则返回 1
help-send--wait = 最后一个数据报发出后，继续显示回复这么久；回复来自 ENDPOINT 以外时显示其地址；没有回复则返回 1
help-send-more =
    示例：
      pigeon send 127.0.0.1:9999 hello
      pigeon send 127.0.0.1 9999 hello there  # 主机和端口可以分开写
      seq 3 | pigeon send 127.0.0.1:9999  # 三个数据报
      pigeon send 127.0.0.1:7000 ping --wait 2s  # 显示收到的回复
      pigeon send 192.168.1.103:8080 你好 --encoding gb2312
      pigeon send hub:192.168.1.20 'backup done' --nick cron  # hub 保存之后才返回 0
      pigeon send --ipmsg 192.168.1.7 'the build is done'  # 发给 IP Messenger 用户
      pigeon send 239.1.2.3:5000 tick --every 1s --count 10 --ttl 4
      pigeon send 127.0.0.1:9999 beat --every 10s  # 直到按 Ctrl-C
      pigeon send 192.168.1.9:23 'AT\r\n' --escapes  # 控制字符
      pigeon send 192.168.1.9:9 --hex 'ff ff ff ff ff ff # Wake-on-LAN'

    某一行无法发送时，会报告行号，其余的照常发送。

    退出状态：
      0  全部发出；用 --wait 时，收到了回复
      1  有数据报没有发出或被拒绝；用 --wait 时，没有收到回复

## listen

help-listen = 显示收到的每个数据报：时间、发送者、长度、文本
help-listen--listen = 监听地址：只写端口表示所有地址，端口 0 由系统选择；hub:HOST[:PORT] 表示跟随 hub 的一个房间
help-listen--after = 从这条消息之后开始，以其 JSON 中的 `at` 表示 [默认：上次输出的最后一条]
help-listen--last = 首次跟随这个房间时，先输出多少条较早的消息
help-listen--count = 收到这么多数据报后停止
help-listen--for = 运行多久后停止；什么也没收到则返回 1
help-listen--from = 只显示来自此网络或地址的数据报；可重复
help-listen--join = 加入组播组；可重复
help-listen--multicast-interface = 只在此网卡上加入组播组：网卡名，或它的一个地址 [默认：所有网卡]
help-listen--share = 与允许共用端口的其他程序共用该端口：只能收到组播和广播，因为内核只把单播交给一个程序
help-listen--reply = 以此文本回复每个显示出来的数据报
help-listen--per-source = 每秒最多回复同一来源几次 [默认：1k/s]
help-listen--open = 哪些网络可以得到比请求更长的回复 [默认：本机和私有网络]
help-listen--json = 每个数据报输出一个 JSON 对象：time、from、to、len、text 或 base64、truncated
help-listen--raw = 把负载原样写出，中间不加任何内容
help-listen--hexdump = 显示每个数据报的字节：偏移、十六进制、文本
help-listen--buffer = 内核接收缓冲区的大小 [默认：系统允许的最大值]
help-listen--write = 同时把数据报写入新的 pcapng 文件；写成 - 则写到 stdout，且不再输出其他内容
help-listen-more =
    示例：
      pigeon listen 9999  # 所有地址，IPv4 和 IPv6
      pigeon listen 127.0.0.1:9999 --json  # 每行一个对象，供脚本使用
      pigeon listen 9999 --count 1  # 等待一个数据报
      pigeon listen 5000 --join 239.1.2.3  # 在所有网卡上接收组播
      pigeon listen 239.1.2.3:5000  # 同上
      pigeon listen 5353 --join 224.0.0.251 --share  # 与其他监听者共用，例如 avahi
      pigeon listen 8080 --encoding gb2312 --from 192.168.1.0/24
      pigeon listen 5000 --write lab.pcapng  # 抓包，供 Wireshark 分析
      pigeon listen 5000 --write - | tshark -r -  # 边收边交给另一个程序
      pigeon listen 5000 --hexdump  # 偏移、十六进制和文本，同 xxd
      pigeon listen 5000 --reply OK  # 回复每个数据报
      pigeon listen hub:192.168.1.20 --json  # hub 的一个房间：从上次的位置起，每条消息输出一次

    组播组在所有网卡上加入，包括以后才启用的；指定了 ADDR 时，只在拥有该地址的网卡上加入。链路本地的组可以注明网卡：--join ff02::fb%eth0。指定了 ADDR 时收不到广播，因为广播发往的是网络的广播地址。

    退出状态：
      0  已停止，或收够了 --count 个数据报
      1  在 --for 的时间内什么也没收到，或端口已被占用

## ask

help-ask = 发送请求并显示回复；没有回复就再问
help-ask--endpoint = 请求发给谁：HOST:PORT、[V6]:PORT、分开写的 HOST PORT，或联系人；可以是一台主机、组播组或广播地址
help-ask--text = 请求的文本；多个词以空格相连，不写则为空数据报，- 表示读取 stdin
help-ask--first = 第一次发出后等待回复多久
help-ask--max = 最长等待多久；下一次等待会超过它时就放弃
help-ask--attempts = 最多问几次 [默认：--max 允许的次数]
help-ask--source = 从哪个地址和端口发问；端口 0 由系统选择
help-ask--json = 输出一个 JSON 对象：result、attempts、elapsed，以及 text 或 base64
help-ask-more =
    示例：
      pigeon ask 127.0.0.1:7000 'how long is this?'
      pigeon ask 127.0.0.1 9000 '%H:%M'  # 主机和端口可以分开写
      pigeon ask 127.0.0.1:7000 ping --json  # 回复、次数和耗时，供脚本使用
      pigeon ask 224.0.0.251:5353 - < query  # 组播组：任何人的第一个回复
      pigeon ask 192.168.1.1:520 --source 0.0.0.0:520 --hex 010200000000000000000000000000000000000000000010  # 以 RIP 询问全部路由

    先等 0.1 秒，没有回复就再问，每次等待加倍：0.2、0.4、0.8、1.6 秒；下一次等待会超过 2 秒时放弃。可用 --first、--max 和 --attempts 更改。

    退出状态：
      0  收到了回复
      1  没有回复，或请求被拒绝

## serve

help-serve = 运行小型服务：echo、upper、size、time、discard、daytime、sntp
help-serve--services = 运行什么服务、在哪里监听：只写端口表示仅限本机，* 表示所有地址，端口 0 由系统选择
help-serve--open = 哪些网络可以得到比请求更长的回复 [默认：本机和私有网络]
help-serve--per-source = 每秒最多回复同一来源几次 [默认：1k/s；对本机只限制 echo 和 upper]
help-serve--verbose = 每个数据报输出一行
help-serve--json = 每个服务每秒输出一个 JSON 对象：service、address 和累计的各项计数
help-serve-more =
    服务：
      echo  原样返回数据报
      upper  转成 ASCII 大写后返回
      size  返回 `Your data was N bytes`
      time  按请求中的 strftime 格式返回本地时间；空请求等同于 `%Y-%m-%d %X`；不含 % 的文本不予回复，因为它可能是另一个服务的回复
      daytime  返回日期和时间（RFC 867）
      sntp  向 NTP 客户端返回时间
      discard  只计数，不回复

    示例：
      pigeon serve echo:7000  # 只供本机的程序使用
      pigeon serve echo:7000 time:9000  # 同时运行几个
      pigeon serve 'time:*:9000'  # 供局域网使用
      pigeon serve size:7000 --verbose  # 每个数据报一行

    本身就是回复的数据报不予回复；同一来源每秒最多得到 --per-source 个回复；--open 以外的来源，得到的回复不会比请求长。

## time

help-time = 向时间服务或 NTP 服务器查询时间
help-time--endpoint = 向谁查询：HOST:PORT、分开写的 HOST PORT，或联系人；用 --sntp 时端口默认为 123
help-time--format = 时间的格式，写法同 strftime [默认：`%Y-%m-%d %X`]
help-time--sntp = 查询 NTP 服务器（RFC 5905），显示时钟偏差和时延
help-time--json = 输出一个 JSON 对象
help-time-more =
    示例：
      pigeon time 127.0.0.1:9000  # 例如 `pigeon serve time:9000` 提供的服务
      pigeon time 127.0.0.1:9000 '%H:%M on %A'  # 以 strftime 格式
      pigeon time --sntp ntp.example.org  # NTP 服务器：本机时钟差多少

    退出状态：
      0  收到了回复
      1  没有回复，或请求被拒绝

## discover

help-discover = 在本机所在的各个网络上，寻找 hub 或应答某个端口的主机
help-discover--port = 向哪个端口发问 [默认：9999，且只找 hub]
help-discover--text = 发送的文本；多个词以空格相连，不写则为空数据报
help-discover--for = 等待应答多久
help-discover--group = 只问此组播组，不发广播；可重复
help-discover--source = 从哪个端口发问（有些协议对此有要求，例如 RIP 用 520），或从哪个地址发问 [默认：所有地址，端口由系统选择]
help-discover--ipmsg = 列出 IP Messenger、飞秋和 iptux 的用户，附主机、程序和编码；至少等待 3s
help-discover--json = 每个地址输出一个 JSON 对象：from、interface、rtt、rtt_exact、text 或 base64；hub 还有 name、members、secure_port、id（同一个 hub 的 id 相同）、port、format
help-discover-more =
    示例：
      pigeon discover  # 本机所在网络上的 hub
      pigeon discover 7000 'who is there?'  # 在端口 7000 上应答这句话的主机
      pigeon discover 5000 --for 3s --group 239.1.2.3
      pigeon discover --ipmsg  # IP Messenger、飞秋和 iptux 的用户
      pigeon discover 5000 --source 192.168.1.5:5000
      pigeon discover 520 --source 520 --group 224.0.0.9 --hex 010200000000000000000000000000000000000000000010  # RIP 路由器及其路由
      pigeon discover --json  # 每个应答者一个对象，供脚本使用

    在每个网卡上发送受限广播和定向广播，并发送组播：找 hub 时用 239.255.99.99 和 ff02::9999，其他用 ff02::1。在 --for 的时间内问三次，每个应答的地址只显示一次，并附往返时延。hub 最多等 0.2 秒才应答，往返时延包含这段等待。

    退出状态：
      0  有应答
      1  没有应答

## sockets

help-sockets = 列出本机的 UDP 套接字：谁占用了端口，是否丢包
help-sockets--port = 只列出绑定在此端口的套接字
help-sockets--json = 每个套接字输出一个 JSON 对象
help-sockets--watch = 持续运行并显示变化：新建、关闭的套接字，以及丢失的数据报
help-sockets-more =
    示例：
      pigeon sockets  # 全部 UDP 套接字，按端口排列
      pigeon sockets :9999  # 谁占用了端口 9999？
      pigeon sockets :9999 --watch  # 之后显示每个变化：新增、关闭、丢失
      pigeon sockets --json | jq -c 'select(.drops > 0)'

    各列：
      RECV-Q  等待程序读取的字节数，含内核的开销
      SEND-Q  等待发送的字节数，同上
      DROPS  套接字打开以来丢弃的数据报数，多半是因为 RECV-Q 已满：程序读得太慢，或接收缓冲区太小

    --watch 每秒查看两次，可能错过存在不到半秒的套接字。其他用户的程序占用的套接字不显示进程，root 除外。

    JSON 字段：
      family  IPv4 或 IPv6
      local, remote  IP:PORT；未连接时 remote 为 null
      pid, process  pid 最小的进程及其 pid；看不到时为 null
      other_pids  其他进程，以空格分隔；没有时为 null
      user, uid  所属用户；uid 没有名字时 user 为 null
      inode, receive_queue, send_queue, drops  数值
      time, event, lost  用 --watch 时才有：event 为 open（启动时已有）、new、gone 或 lost；lost 是自上次查看以来丢弃的数量

    退出状态：
      0  已列出
      1  没有绑定在 :PORT 的套接字

## relay

help-relay = 在程序之间模拟不可靠的网络：丢包、时延、抖动、乱序、限速、MTU
help-relay--listen = 客户端发往哪里：只写端口表示仅限本机，* 表示所有地址，端口 0 由系统选择
help-relay--target = 数据报转发到哪里：HOST:PORT，或联系人
help-relay--target-port = TARGET 的端口，单独写成一个参数时使用
help-relay--seed = 随机数种子：同样的流量会得到同样的结果 [默认：每次不同，并显示出来]
help-relay--scenario = 按 TOML 文件描述的场景，随时间改变网络条件
help-relay--max-clients = 客户端数上限；超出的被拒绝，直到有客户端空闲
help-relay--idle = 客户端双向都没有数据报多久后，关闭它的套接字
help-relay--follow = 目标主机换端口应答时（例如 TFTP 服务器）是否跟随：跟随则该客户端的数据报改发往那里；off 则丢弃这样的应答，开销更小
help-relay--record = 把到达的数据报写入新的 pcapng 文件或 stdout（-）；可用 `pigeon replay` 重放
help-relay--json = 每秒输出一个 JSON 对象，含累计的各项计数
help-relay--loss = 丢弃这个比例的数据报，各自独立；5%:4 表示成串丢弃，平均每串 4 个
help-relay--delay = 每个数据报延迟多久
help-relay--jitter = 时延的变化幅度，均匀分布；10ms:normal 和 10ms:pareto（长尾）则以它为标准差
help-relay--reorder = 把这个比例的数据报扣留 10ms，让后来的先走；5%:20ms 可指定扣留多久
help-relay--duplicate = 把这个比例的数据报送达两次
help-relay--corrupt = 把这个比例的数据报翻转一个比特
help-relay--rate = 限制速率，只计负载：10Mbit/s、64KiB/s
help-relay--queue = 因 --rate 而排队的数据上限，超出则丢弃 [默认：64KiB]
help-relay--mtu = 丢弃大于此值的负载
help-relay--up = 只用于客户端到目标方向的网络条件，覆盖上面的设置：KNOB=VALUE,…
help-relay--down = 只用于目标到客户端方向的网络条件，同上：KNOB=VALUE,…
help-relay-more =
    示例：
      pigeon relay 5000 127.0.0.1:9999 --loss 1% --delay 50ms --jitter 10ms
      pigeon relay 5000 127.0.0.1:9999 --loss 5%:4 --jitter 10ms:pareto --delay 30ms --seed 7
      pigeon relay 5000 server:9999 --rate 2Mbit/s --down rate=20Mbit/s,delay=20ms
      pigeon relay 5000 127.0.0.1:9999 --scenario scenarios/wifi-edge.toml --record run.pcapng

    客户端不发往 TARGET，而是发往 LISTEN。每个客户端到 TARGET 各有一个套接字，两个方向的网络条件由所有客户端共用。不设任何条件时，relay 原样转发。

    运行中的命令：
      loss 5%  设置两个方向的条件
      up delay 20ms  只设置一个方向：up 或 down
      clear  取消所有条件
      show, stats, clients  显示条件、统计、客户端
      handover  让所有客户端改用新的套接字
      help, quit  列出命令，停止

## replay

help-replay = 按原来的时间间隔，重放抓包文件里的数据报
help-replay--file = 抓包文件；- 表示读取 stdin
help-replay--target = 发往哪里：HOST:PORT，或联系人
help-replay--target-port = TARGET 的端口，单独写成一个参数时使用
help-replay--speed = 重放的速度：2x、0.5x，或 max
help-replay--max-pause = 两个数据报之间的最长间隔
help-replay--both = 服务器发出的数据报也发送
help-replay--from = 只发送来自这里的数据报：地址、网络，或 ADDR:PORT
help-replay--to = 只发送发往这里的数据报：地址、网络，或 ADDR:PORT
help-replay--port = 只发送发往此端口的数据报
help-replay--json = 结束时输出一个 JSON 对象：发送了什么、迟了多少、略去了什么
help-replay-more =
    示例：
      pigeon replay run.pcapng 127.0.0.1:9999  # 按原速
      pigeon replay run.pcapng 127.0.0.1:9999 --speed 2x  # 两倍速
      pigeon replay run.pcapng 127.0.0.1:9999 --speed max  # 不留间隔
      pigeon replay run.pcapng 127.0.0.1:9999 --max-pause 5s  # 缩短长的间隔
      pigeon replay day.pcap 127.0.0.1:514 --port 514 --from 192.168.1.0/24
      tcpdump -i eth0 -U -w - udp port 514 | pigeon replay - 10.0.0.9:514
      pigeon relay 5000 127.0.0.1:9999 --record run.pcapng  # 录制抓包文件

    可以读取 Wireshark、tcpdump 和 `pigeon relay --record` 写出的 pcapng 和 pcap，也可以边写边从管道读取。负载发往 TARGET，每个原发送者各用一个套接字。TARGET 扮演服务器，因此服务器发出的数据报会略去，除非 --both、--from 或 --to 把它们包括进来；先发言的一方是客户端，对方是服务器。分片会重组。不是完整 UDP 数据报的内容会略去并计数，发送得迟了的也会计数。

    能在以太网（VLAN、QinQ、MPLS、PPPoE、802.3）、Linux cooked v1 和 v2、裸 IP、环回、NFLOG、PFLOG、PPP、Cisco HDLC、帧中继、MPLS、PKTAP 和未加密的 802.11 中找到 IP，但不解析隧道。

    退出状态：
      0  全部发出
      1  有数据报没有发出，或被拒绝

## bench

help-bench = 测量一条路径：吞吐量、丢包、乱序、重复、抖动、往返时延
help-bench--endpoint = 测量的对端：bench server，或用 --ping 时的 echo 服务；写作 HOST:PORT、[V6]:PORT、分开写的 HOST PORT，或联系人
help-bench--port = ENDPOINT 的端口，单独写成一个参数时使用
help-bench--for = 发送多久
help-bench--rate = 每秒的数据报数，例如 10k/s，或每秒的负载比特数，例如 10Mbit/s 或 10M；用 --ping 时还可以是 unlimited：上一个回来就发下一个
help-bench--size = 每个数据报的负载字节数，至少 40
help-bench--flows = 分担速率的源端口数
help-bench--omit = 汇总时略去开头的这段时间，它不计入 --for；须为统计间隔（--interval）的整数倍
help-bench--bind = 从本机的哪个地址发送，可带端口；多条流时依次使用后面的端口
help-bench--dscp = 请求路由器按此服务等级转发：EF、AF41、CS6，或 0 到 63 的数字
help-bench--reverse = 测量从对端到本机的方向
help-bench--both = 同时测量两个方向，各按同样的速率
help-bench--ping = 测量往返时延，以及两个方向各丢了多少
help-bench--interval = 多久报告一次
help-bench--json = 每个间隔输出一个 JSON 对象，结束时再输出一个
help-bench--csv = 输出逗号分隔的值：每个间隔每个方向一行，最后一行是汇总
help-bench--line = 每个间隔输出一行，在终端上也不画图
help-bench-more =
    示例：
      pigeon bench server 7777  # 对端；供网络使用则写 '*:7777'
      pigeon bench 192.168.1.20:7777 --rate 10k/s  # 从本机到对端
      pigeon bench 192.168.1.20 7777 --reverse  # 从对端到本机
      pigeon bench 192.168.1.20:7777 --ping  # 往返时延及其百分位数
      pigeon bench 127.0.0.1:7777 --size 1400 --flows 4 --for 5s --json
      pigeon bench 192.168.1.20:7777 --rate 10M --size 1200 --dscp EF --omit 2s

    不写 --rate 时，对本机尽快发送，对其他主机为 1k/s。用 --ping 时，对端可以是任何 echo 服务（`pigeon serve echo`，RFC 862）。

    迟到不算丢失：会等待最后的数据报，并且 `sent = received + lost`。程序读得太慢而被内核丢弃的，与途中丢失的分开计数；服务器停止应答之后发出的算作未应答，不算丢失。往返时延从每个数据报应当发出的时刻算起（没有协同遗漏）。

    退出状态：
      0  有数据报到达
      1  没有应答、被拒绝，或什么也没到达
help-bench-server = 运行测量的对端：计数、应答，并按请求发送
help-bench-server--listen = 监听地址：只写端口表示仅限本机，* 表示所有地址，端口 0 由系统选择
help-bench-server--max-rate = 按请求发给其他机器的数据合计每秒最多多少字节
help-bench-server--max-for = 一次测量的最长时间
help-bench-server--max-flows = 同时进行的流数上限
help-bench-server-more =
    示例：
      pigeon bench server 7777  # 只供本机的程序使用
      pigeon bench server '*:7777'  # 供网络使用
      pigeon bench server '*:7777' --max-rate 1MB/s --max-for 30s

    只发往已经证明能收到数据的地址，而且不超过对方请求的数量、--max-rate 和 --max-for；应答不会比收到的数据报长。

## completions

help-completions = 输出 shell 的补全脚本
help-completions--shell = 用于哪种 shell
help-completions-more =
    示例：
      source <(pigeon completions bash)
      pigeon completions fish > ~/.config/fish/completions/pigeon.fish
      pigeon completions zsh > ~/.zfunc/_pigeon  # 在 compinit 之前加 fpath+=~/.zfunc

## man

help-man = 把手册页写入目录
help-man--directory = 写入哪个目录；不存在则创建
help-man-more =
    示例：
      pigeon man /usr/local/share/man/man1 && man pigeon-hub
