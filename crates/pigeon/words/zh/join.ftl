### `pigeon join`：寻找 hub，以及显示在消息之间的会话状况。

## 要加入哪个 hub。

join-looking-for = 正在局域网里寻找名为 { $name } 的 hub
join-no-hub-named = 没有名为 { $name } 的 hub 应答
join-hubs-share-name = 有 { $hubs } 个 hub 都叫 { $name }
join-looking = 本机没有 hub；正在局域网里寻找
join-no-hub = 本机没有 hub，局域网里也没有 hub 应答。知道地址时用 `pigeon join 地址` 加入；`pigeon discover` 显示找过哪些地方；`pigeon hub` 在本机启动一个
join-found = 找到 { $name }，地址 { $hub }
# 在 hub 的列表里。
join-members = { $members } 个成员
join-several = 有几个 hub 应答；请写明要加入哪一个
join-which = 加入哪一个？（1 到 { $hubs }）
join-none-chosen = 没有选择 hub

## 命令行里的错误。

join-bad-nick = --nick 的名字不能用：{ $why }
join-password-unreadable = 无法读取密码文件 { $file }：{ $error }
# `place` 是文件或环境变量。
join-password-empty = { $place } 里的密码是空的
join-password-too-long = { $place } 里的密码超过 { $most } 字节
join-raw-terminal = --raw 按原样输出字节，其中有些会被终端当作控制命令，而现在 stdout 就是终端；请重定向，例如 `> 文件` 或 `| ffplay -`
join-forward-hub = --forward { $to } 就是这个 hub：转发到那里的消息会不停地绕回来；请写播放器或其他程序的端口
join-forward-self = --forward { $to } 是本程序自己的端口：转发到那里的消息会不停地绕回来；请写播放器或其他程序的端口
join-state-unusable = 无法使用 { $folder }
join-state-unwritable = 无法写入 { $file }：{ $error }

## 会话状况。

# `hub` 是地址，或者下一条。
join-joined = 已加入 { $hub }：pigeon hub{ $members ->
    [0] {""}
   *[other] ，{ $members } 个成员
}{ $format ->
    [raw] ，raw 格式：输入的内容都作为数据发送
    [classic] ，classic 格式
   *[chat] {""}
}
# 它还在等密码。
join-found-hub = { $hub } 是 pigeon hub
join-hub-with-name = { $name }（{ $hub }）
join-no-name = 你还没有名字，别人看到的是 { $address }；用 /nick 名字 取一个
join-same-member = 你在另一个窗口里也加入了：对 hub 来说，两个窗口是同一个成员，共用一个名字。要作为另一个人加入，请用 `pigeon join --nick 另一个名字`
join-elsewhere = 你在另一个窗口里改了名字或换了房间：现在你是 { $name }，在房间 { $room }
join-elsewhere-room = 你在另一个窗口里换了房间：现在在房间 { $room }
join-plainly-asked = 已按普通方式（--plain）加入 { $hub }
join-plainly = 已按普通方式加入 { $hub }：它不应答心跳（可能不是 pigeon hub），以后它断开时这里看不出来
join-name-kept-plain = 没有使用名字 { $name }：指定了 --plain，不知道服务器会怎样处理命令
join-name-kept = 没有使用名字 { $name }：这个服务器会把命令发给所有人
join-unheard = 还没有收到 { $hub } 的应答：地址可能不对。请向开 hub 的人（老师）核对；只输入 `pigeon join` 会自动寻找 hub
join-cut-off = 无法到达 { $hub }：{ $error }
join-reached = 又能到达 { $hub } 了
join-unsent = 没有发出：{ $error }
join-forward-refused = { $to } 还没有程序在监听；在它启动之前，转发到那里的数据报都会丢失
join-forward-cut-off = 无法转发到 { $to }：{ $error }
join-forward-repeats = 相同的内容每秒出现 2,000 次以上，没有全部转发到 { $to }：它可能又通回这个房间
join-forward-loop = { $to } 又通回这个房间，不再转发到那里。请写播放器或其他程序的端口
join-refused-here = { $hub } 拒绝连接：那里没有程序在监听。`pigeon hub` 可以启动一个 hub
join-refused-there = { $hub } 拒绝连接：那里没有程序在监听。请向开 hub 的人（老师）核对地址和端口；只输入 `pigeon join` 会自动寻找 hub
join-never-heard = 没有收到 { $hub } 的任何应答
join-gone = { $hub } 拒绝连接：hub 已停止；正在等它恢复
join-silent = 从 { $since } 起没有收到任何数据（已有 { $ago }）；正在重新连接
join-let-in-again = { $hub } 在 { $after }后又让你加入了
join-back = { $hub } 在 { $after }后恢复了
join-secure = 已加密；hub 存储后会告知
join-secure-first = 已加密；hub 存储后会告知。首次连接这个 hub，其指纹为 { $fingerprint }，应与 hub 启动时显示的一致
join-not-secure = hub 提供加密，但无法使用：{ $error }。继续以明文通信
join-stored = 已存储：{ $said }
join-relayed = 已转发，未存储：{ $said }
join-keeps-nothing = 这个 hub 不保存聊天记录：你说的话会转发给在场的人，但不会存储
join-not-stored = 未存储，也没有人收到：{ $said }（{ $why }）
join-not-stored-earlier = 上次会话中有一条消息未存储，也没有人收到（{ $why }）
join-left-waiting = hub 还没有存储 { $count } 条消息；它们存在本机，下次对这个 hub 使用 `pigeon join` 或 `pigeon send` 时发送
join-waits = 与 hub 的连接已断开；你说的话先存在本机，恢复后自动发送
join-connected-again = 已重新连接；先前等待的消息已发出
join-connected-elsewhere = 已重新连接，现在在另一个 hub（{ $hub }），房间不变；先前等待的消息已发出
join-not-the-hub = 那里应答的是另一个 hub：密钥与以前的不同，没有向它发送任何内容。如果 hub 是重新安装的，请从状态目录下 member 文件夹的 hubs 文件中删除对应的行
join-disk-failed = 本机磁盘已满或出错：如果现在断电，你说的话会丢失
join-moved = hub 的名字现在指向 { $hub }，不再是 { $from }；正在那里加入。以前输入的密码不会自动发过去，需要时请再输入一次
join-stopped = hub 已停止（Bye!）；正在等它恢复
# `why` 是 hub 的话。
join-removed = { $why }；程序每分钟会自动再试一次
join-name-taken-back = { $why }；你下次发言时会把它取回来
join-timed-out = 你太久没有动静；正在重新加入
join-not-admitted = 没有加入：{ $why }
join-needs-password = 这个 hub 需要密码：请输入 /pass 密码
join-into-silence = hub 不在线；刚才那一行多半没有送到
join-not-delivered = 没有送达：{ $why }
join-nobody-answers = 还没有收到任何应答，多半没有人看到：{ $said }
join-lost = hub 不在线，多半没有送到：{ $said }
join-meant = 没有发出：是不是想用 { $command }？（要说以 / 开头的话，请以 // 开头）
join-not-kept = 无法为下次保存你的名字：{ $error }
join-no-copy = 已发出，但没有收到回送：{ $said }
join-no-copy-maybe-none = 已发出，但没有收到回送：{ $said }（有的服务器不回送给发言者）
join-lines-lost = 输出太慢，有 { $lines } 行没有显示
# 在 hub 对 /help 的回答之后。
join-help-me = /me 动作 会发送 *动作*

## 没有发出的行。

join-line-too-long = 没有发出：内容有 { $length } 字节，一个数据报最多 { $most } 字节
join-line-control = 没有发出：以 ^hb^ 开头的是心跳，不是消息
join-line-reserved = 没有发出：hub 会把这些字节当作心跳或告别，而不是数据
join-line-raw = 没有发出：在 raw 格式里，/{ $command } 会作为数据发给所有人
join-line-moved = 没有发出：hub 的地址在这期间变了；信任新地址的话请再输入一次
join-line-path = 没有发出：以 / 开头的是命令；要说这句话，请以 // 开头

## 状态栏。

join-status-asking = 正在询问对方是不是 pigeon hub
join-status-unheard = 还没有应答：地址 { $hub } 对吗？
join-status-heard = 明文：可能丢失，他人可读
join-status-round-trip = 明文：可能丢失，他人可读；往返 { $time }
join-status-plain = { $ago }前收到数据；对方不应答心跳
join-status-silent = 已有 { $ago }没有应答；正在重新连接
join-status-removed = 已被 hub 移出；{ $ago }前收到数据
join-status-stored = 已加密，由 hub 存储；{ $ago }前收到数据
join-status-relayed = 已加密，由 hub 转发但不存储；{ $ago }前收到数据
join-status-sending = 已加密；{ $count } 条消息正在发往 hub
join-status-not-connected = 未连接；你说的话先存在本机
join-status-waiting = 未连接；{ $count } 条消息存在本机等待发送

## ? 和 F1 显示的命令，| 之后是它的作用。命令本身不翻译。

join-commands =
    /nick 名字 | 给自己取名字
    /who | 谁在房间里
    /join 房间 | 进入房间；没有就新开一个
    /leave | 回到大厅
    /rooms | 有哪些房间
    /msg 名字 内容 | 私聊：只发给一个人
    /me 动作 | 说自己在做什么：*动作*
    /history [条数] | hub 保存的旧消息
    /search 要找的字 | 查找含这些字的消息
    /ignore 名字 | 屏蔽一个人；再用一次取消
    /clear | 清空当前对话
    /close | 关闭与一个人的对话
    /bell on|off | 有人提到你时是否响铃
    /quiet on|off | on：不提示谁进来、谁离开
    /encoding 编码 | 你收发用的编码
    /language zh|en | hub 和这个界面的语言
    /pass 密码 | 输入 hub 的密码
    /resume 口令 | 从另一个地址取回名字
    //内容 | 发送以 / 开头的文字
    /help | 显示帮助
    quit | 退出
