### `pigeon chat`：不经过 hub，直接与其他 UDP 程序对话。

# `bound` 是带端口的地址，或者下一条。
chat-listening = 接收地址：{ $bound }；/help 列出可用的命令
chat-port = 端口 { $port }
chat-without-contacts = 没有使用通讯录：{ $error }
chat-ipmsg-alone = { $word } 用飞鸽传书：请单独与它对话
chat-ipmsg-ipv4 = { $to } 不是 IPv4 地址，而飞鸽传书只用 IPv4

## 发出的行和各个对话的结果。

chat-goes-to = 以后输入的内容发给 { $peer }
chat-goes-to-in = 以后输入的内容发给 { $peer }，编码 { $charset }
chat-writes = { $peer } 发来消息；用 /to { $number } 回答
chat-refused = { $peer } 拒绝：那里没有程序在监听，消息已丢失
chat-unsent = { $peer }：没有发出：{ $error }
chat-undelivered = { $peer }：消息已丢失：{ $error }
chat-moved = 名字现在指向另一个地址：原来发给 { $from } 的，现在发给 { $to }
chat-left = 已离开与 { $peer } 的对话；再输入一次 quit 退出程序
chat-left-others = 已离开与 { $peer } 的对话；再输入一次 quit 退出程序，/list 列出其他对话
chat-encoding = 这个对话的收发编码是 { $charset }
chat-no-conversations = 还没有对话；用 /to 名字 或 /to 主机:端口 开始一个
# /list 的一行：`mark` 是星号或空格。
chat-row = { $mark } { $number }  { $peer }  { $charset }{ $refused ->
    [yes] ，对方拒绝
   *[no] {""}
}{ $unread ->
    [0] {""}
   *[other] ，{ $unread } 条未读
}

## 没有起作用的行。

chat-nobody-chosen = 没有发出：还没有选择对方；用 /to 名字 或 /to 主机:端口 选择，/list 列出对话
chat-too-long = 没有发出：内容有 { $length } 字节，一个数据报最多 { $most } 字节
chat-unmappable = 没有发出：{ $charset } 里没有 { $character }（第 { $position } 个字）
chat-not-utf8 = 没有发出：第 { $byte } 个字节不是 UTF-8，无法转换成 { $charset }
chat-unknown-command = 没有 /{ $word } 这个命令；/help 列出命令，以 // 开头可发送以 / 开头的文字
chat-no-number = 没有编号为 { $number } 的对话；/list 列出对话
chat-to-whom = 发给谁？/to 名字、/to 主机:端口，或 /list 里的编号
# `family` 是 IPv4 或 IPv6。
chat-other-family = 无法发给 { $peer }：这次对话只用 { $family }
chat-no-port = 无法发给 { $peer } 的端口 0
chat-full = 已有 { $most } 个对话；请先用 /quit 离开一个

## 结束时：没有显示的内容。

chat-filtered = 来自其他网络、没有显示的消息：{ $count }
chat-crowded-out = 对话太多、没有显示的消息：{ $count }
chat-forgotten = 为给别人腾出位置而删去的陌生人：{ $count }
chat-lost = 输出太慢、没有显示的行：{ $count }

## 全屏界面的状态栏。

chat-status-nobody = 还没有选择对方（用 /to 名字 或 /to 主机:端口），接收地址：{ $bound }
chat-status = { $charset }，{ $heard }，接收地址：{ $bound }
chat-status-refused = 对方拒绝：那里没有程序在监听，{ $charset }，{ $heard }，接收地址：{ $bound }
chat-heard = { $ago }前收到消息
chat-unheard = 还没有收到消息

## 飞鸽传书。

chat-ipmsg-goes-to = 以后输入的内容用飞鸽传书发给 { $peer }（{ $to }）；quit 退出
chat-ipmsg-too-long = 没有发出：内容有 { $length } 字节，飞鸽传书最多接收 { $most } 字节
chat-ipmsg-unsent = 没有发出
chat-ipmsg-delivered = 已送达：{ $text }
chat-ipmsg-refused = 没有送达：{ $text }（对方没有运行飞鸽传书）
chat-ipmsg-silent = 没有送达：{ $text }（{ $peer } 的 UDP 端口 { $port } 没有应答）
chat-ipmsg-offers = ［文件 { $file }］

## /help 列出的命令，| 之后是它的作用。命令本身不翻译。

chat-commands =
    /to 名字、主机:端口或编号 | 发给谁
    /list | 有哪些对话
    /encoding 编码 | 与对方收发用的编码
    /quit, quit | 离开这个对话；再一次退出程序
    //内容 | 发送以 / 开头的文字
    /help | 显示帮助
# 只在全屏界面，排在最后。
chat-commands-of-screen =
    /search 要找的字 | 在屏幕上的消息里查找
