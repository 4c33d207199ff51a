### `pigeon join` 和 `pigeon chat` 的全屏界面，以及正在输入的一行。

## 左侧：对话和人。

screen-people = { $people } 人
# 只发送、不收听的程序，例如传感器。
screen-senders = { $senders } 个只发送的程序
# F2 列出所有人。
screen-more-people = 另有 { $more } 人：F2
# F2 所列名单的末尾。
screen-more-unnamed = 另有 { $more } 人
# 还不知道名字的房间。
screen-room-here = 当前房间
screen-room-not-joined = 尚未加入
# `pigeon chat` 还没有选择对方时的对话。
screen-nobody = 未选择
# 作为说话人的自己。
screen-you = 你

## 消息上方。

# 所加入的 hub。
screen-title = hub { $hub }
screen-not-in-room = （你不在这个房间）
screen-unread-elsewhere = （别处有 { $unread } 条未读：Alt-A）
screen-hits = 含“{ $query }”的消息有 { $hits } 条（Esc 返回）
screen-everybody = { $room } 里有 { $people }

## 消息之间。

screen-new-since = 以下是上次离开后的新消息
screen-nothing-older = 没有更早的消息了
screen-not-here = 没有发出：你现在在 { $here }；要在这里说话，先输入 /join { $room }
screen-line-too-long = 没有粘贴：内容有 { $length } 字节，一行最多 { $most } 字节
screen-paste-too-long = 没有粘贴：内容超过 { $most } 字节
screen-paste-dropped = 粘贴的内容没有发出，因为你继续打字了；需要的话请再粘贴一次
screen-whisper-from = { $name } → 你（私聊）：{ $text }
screen-whisper-to = 你 → { $name }（私聊）：{ $text }
screen-ignoring-nobody = 没有屏蔽任何人；/ignore 名字 可以屏蔽一个人
# `names` 是名单。
screen-ignoring = 已屏蔽 { $names }；再输入一次 /ignore 名字 可以取消
# 两个名字之间。
screen-names-separator = 、
screen-bell-on = 有人提到你时会响铃
screen-bell-off = 已关闭响铃
screen-bell-usage = 请输入 /bell on 或 /bell off
screen-not-closed = 只能关闭与一个人的对话；离开房间用 /leave

## 消息下方。

screen-below = 下面还有 { $messages } 条
screen-rows-below = 下面还有 { $rows } 行：PageDown
# 屏幕不再保存的旧消息。
screen-gone = 已移除 { $messages } 条旧消息
screen-lost = 来得太快，漏掉 { $messages } 条
# 只显示消息、便于复制时的最后一行。
screen-bare = F3 返回   PageUp、PageDown 翻页   可用鼠标选取
screen-help = ? 帮助

# 在要查找的字之前。
screen-search = 查找：
screen-search-nothing = 没有找到：
# 显示的消息里没有；/search 还会查找 hub 保存的消息。
screen-search-hub = 屏幕上没有（/search 查找 hub）：

screen-more-lines = … 还有 { $lines } 行
# 怎样处理粘贴的几行；屏幕窄时用下面两条。
screen-pasted = 粘贴了 { $lines } 行：s 发送 { $messages } 条，j 合成一行，Esc 取消
screen-pasted-short = { $messages } 条：s 发送，j 合并，Esc 取消
screen-pasted-many = { $lines } 行，太多：j 合并，Esc 取消

## 状态栏里的时间长度。

screen-span-milliseconds = { $n } 毫秒
screen-span-seconds = { $n } 秒
screen-span-minutes = { $n } 分钟
screen-span-hours = { $n } 小时

## 帮助：每行一个键，| 之后是它的作用。命令本身不翻译。

screen-help-commands = 命令
screen-help-keys = 按键
screen-keys =
    Enter | 发送这一行
    Tab | 补全名字或命令；再按换下一个
    Up, Down | 以前输入过的行
    Esc | 清空这一行；按 Up 可以找回来
    PageUp, PageDown | 翻页（也可用鼠标滚轮）
    Ctrl-Home, Ctrl-End | 到第一行、最后一行
    F2, Alt-N | 房间里的所有人
    F3, Alt-L | 只显示消息，便于用鼠标复制；再按返回
    Alt-PageUp, Alt-PageDown | 滚动名单
    Ctrl-N, Ctrl-P | 下一个、上一个对话（也可用 F6、F5）
    Alt-1 … Alt-9 | 按编号选择对话
    Alt-A | 下一个有未读消息的对话
    Ctrl-F, Ctrl-R | 查找：Up 往前，Down 往后，Enter 停住，Esc 返回
    Ctrl-A, Ctrl-E | 到行首、行尾（也可用 Home、End）
    Ctrl-Left, Ctrl-Right | 按词移动（也可用 Alt-B、Alt-F）
    Ctrl-W | 剪切光标前的词
    Ctrl-U, Ctrl-K | 剪切光标之前、之后的内容
    Ctrl-Y | 粘贴剪切的内容
    Ctrl-L | 重画屏幕
    Ctrl-Z | 回到 shell；输入 `fg` 再回来
    Ctrl-D, Ctrl-C | 退出（Ctrl-D 须在空行上）
    ?, F1 | 帮助（? 须在空行上）；按 Esc 或打字关闭

## 正在输入的一行，不用全屏时也适用。

screen-input-not-utf8 = 忽略了一个键：终端发来的不是 UTF-8；请把终端的编码设为 UTF-8
screen-input-too-long = 没有发出：这一行太长，一个数据报装不下
screen-input-too-long-command = 这一行太长，不是命令
# 在没有发出的原因之后。
screen-input-brought-back = { $why }；按上方向键可以取回这一行
screen-input-unreadable = 无法读取 stdin：{ $error }
screen-output-unwritable = 无法写入 stdout：{ $error }
