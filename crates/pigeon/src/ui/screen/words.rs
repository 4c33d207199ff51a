//! What the screen itself says, in English and Chinese.

use pigeon_proto::Language;

use crate::base::count::count;

/// The screen's own words in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Language);

impl Words {
    fn pick<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self.0 {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    fn is_chinese(self) -> bool {
        self.0 == Language::Chinese
    }

    // The left side.

    pub(super) fn people(self, people: u64) -> String {
        match self.0 {
            Language::English if people == 1 => "1 person".into(),
            Language::English => format!("{people} people"),
            Language::Chinese => format!("{people} 人"),
        }
    }

    pub(super) fn senders(self, senders: usize) -> String {
        match self.0 {
            Language::English => count(senders, "sender").to_string(),
            Language::Chinese => format!("{senders} 个只发送的程序"),
        }
    }

    pub(super) fn more_people(self, more: u64) -> String {
        match self.0 {
            Language::English => format!("and {more} more: F2"),
            Language::Chinese => format!("另有 {more} 人：F2"),
        }
    }

    pub(super) fn unnamed(self, more: u64) -> String {
        match self.0 {
            Language::English => format!("and {more} more"),
            Language::Chinese => format!("另有 {more} 人"),
        }
    }

    pub(super) fn unnamed_room(self, is_in: bool) -> &'static str {
        match is_in {
            true => self.pick("here", "这里"),
            false => self.pick("not joined", "还没有加入"),
        }
    }

    pub(super) fn nobody(self) -> &'static str {
        self.pick("nobody", "无人")
    }

    // Above the messages.

    pub(super) fn not_in_room(self) -> &'static str {
        self.pick("  (you are not in this room)", "  （你不在这个房间）")
    }

    pub(super) fn unread_elsewhere(self, unread: u64) -> String {
        match self.0 {
            Language::English => format!("  ({unread} unread elsewhere: Alt-A)"),
            Language::Chinese => format!("  （别处有 {unread} 条未读：Alt-A）"),
        }
    }

    pub(super) fn hits(self, query: &str, hits: usize) -> String {
        match self.0 {
            Language::English => format!("{} with {query}  (Esc: back)", count(hits, "message")),
            Language::Chinese => format!("含 {query} 的消息有 {hits} 条  （Esc 返回）"),
        }
    }

    pub(super) fn everybody(self, people: u64, room: &str) -> String {
        let people = self.people(people);
        match self.0 {
            Language::English => format!("{people} in {room}"),
            Language::Chinese => format!("{room} 里有 {people}"),
        }
    }

    // Among the messages.

    pub(super) fn new_since(self) -> &'static str {
        self.pick("new since your last visit", "上次离开之后的新消息")
    }

    pub(super) fn nothing_older(self) -> &'static str {
        self.pick("nothing older is kept", "没有更早的消息了")
    }

    pub(super) fn not_here(self, here: &str, room: &str) -> String {
        match self.0 {
            Language::English => format!("not sent: you are in {here}; /join {room} to speak here"),
            Language::Chinese => {
                format!("没有发出：你在 {here}；要在这里说话，先 /join {room}")
            }
        }
    }

    pub(super) fn too_long(self, length: usize, most: usize) -> String {
        match self.0 {
            Language::English => {
                format!("not pasted: {length} bytes, and a line holds at most {most}")
            }
            Language::Chinese => format!("没有粘贴：有 {length} 字节，一行最多 {most} 字节"),
        }
    }

    pub(super) fn paste_too_long(self, most: usize) -> String {
        match self.0 {
            Language::English => format!("not pasted: more than {most} bytes"),
            Language::Chinese => format!("没有粘贴：超过 {most} 字节"),
        }
    }

    pub(super) fn not_utf8(self) -> &'static str {
        self.pick(
            "a key was ignored: the terminal sends something else than UTF-8; set it to UTF-8",
            "忽略了一个键：终端发送的不是 UTF-8；请把终端设置成 UTF-8",
        )
    }

    pub(super) fn paste_dropped(self) -> &'static str {
        self.pick(
            "the pasted lines were not sent; paste them again to choose",
            "粘贴的几行没有发出；要选择怎么处理，请再粘贴一次",
        )
    }

    /// `from` or `to` is `None` for the person who reads.
    pub(super) fn whisper(self, from: Option<&str>, to: Option<&str>, text: &str) -> String {
        let you = self.pick("you", "你");
        let (from, to) = (from.unwrap_or(you), to.unwrap_or(you));
        match self.0 {
            Language::English => format!("{from} → {to} (privately): {text}"),
            Language::Chinese => format!("{from} → {to}（悄悄话）: {text}"),
        }
    }

    pub(super) fn ignored(self, names: &[String]) -> String {
        let list = names.join(self.pick(", ", "、"));
        match (names.is_empty(), self.is_chinese()) {
            (true, false) => "you ignore nobody; /ignore NAME hides what NAME says".into(),
            (true, true) => "没有屏蔽任何人；/ignore 名字 可以隐藏那个人说的话".into(),
            (false, false) => format!("you ignore {list}; /ignore NAME once more ends it"),
            (false, true) => format!("已屏蔽 {list}；再用一次 /ignore 名字 可以取消"),
        }
    }

    pub(super) fn bell(self, is_on: bool) -> &'static str {
        match is_on {
            true => self.pick("the bell rings when somebody names you", "有人提到你时会响铃"),
            false => self.pick("the bell is off", "已关闭响铃"),
        }
    }

    pub(super) fn bell_usage(self) -> &'static str {
        self.pick("/bell on or /bell off", "/bell on 或 /bell off")
    }

    pub(super) fn not_closed(self) -> &'static str {
        self.pick(
            "only a conversation with one person can be closed; /leave leaves a room",
            "只能关闭与一个人的对话；/leave 离开房间",
        )
    }

    // Below them.

    pub(super) fn below(self, messages: u64) -> String {
        match self.0 {
            Language::English => format!("{} below", count(messages, "message")),
            Language::Chinese => format!("下面还有 {messages} 条"),
        }
    }

    pub(super) fn rows_below(self, rows: usize) -> String {
        match self.0 {
            Language::English => format!("{} below: PageDown", count(rows, "row")),
            Language::Chinese => format!("下面还有 {rows} 行：PageDown"),
        }
    }

    pub(super) fn gone(self, messages: u64) -> String {
        match self.0 {
            Language::English => format!("{} gone", count(messages, "old message")),
            Language::Chinese => format!("{messages} 条旧消息已不在"),
        }
    }

    pub(super) fn lost(self, messages: u64) -> String {
        match self.0 {
            Language::English => format!("{} lost: too fast", count(messages, "message")),
            Language::Chinese => format!("来得太快，丢了 {messages} 条"),
        }
    }

    /// Below the messages that stand alone.
    pub(super) fn bare(self) -> &'static str {
        self.pick(
            "F3: back   PageUp, PageDown: scroll   the mouse selects",
            "F3 返回   PageUp、PageDown 翻页   可用鼠标选取",
        )
    }

    pub(super) fn keys(self) -> &'static str {
        self.pick("? keys", "? 按键")
    }

    /// Before what is searched for in the lines that are shown. The hub may keep more.
    pub(super) fn search_prompt(self, found: bool, hub_keeps: bool) -> &'static str {
        match (found, hub_keeps) {
            (true, _) => self.pick("search: ", "查找："),
            (false, false) => self.pick("nothing found: ", "没有找到："),
            (false, true) => {
                self.pick("not shown (/search asks the hub): ", "没有找到（/search 找更早的）：")
            }
        }
    }

    pub(super) fn more_lines(self, lines: usize) -> String {
        match self.0 {
            Language::English => format!("… {lines} more lines"),
            Language::Chinese => format!("… 另有 {lines} 行"),
        }
    }

    /// What to do with pasted lines, on a screen of so many columns; `messages` is how many they
    /// would be, if they are not too many to send.
    pub(super) fn pasted(self, lines: usize, messages: Option<u64>, columns: usize) -> String {
        match (messages, columns, self.is_chinese()) {
            (Some(messages), 70.., false) => format!(
                "{lines} lines pasted: s send as {}, j join into one, Esc cancel",
                count(messages, "message")
            ),
            (Some(messages), 70.., true) => {
                format!("粘贴了 {lines} 行：s 发送 {messages} 条，j 合成一行，Esc 取消")
            }
            (Some(messages), 40.., false) => {
                format!("{}: s send, j join, Esc cancel", count(messages, "message"))
            }
            (Some(messages), 40.., true) => format!("{messages} 条：s 发送，j 合并，Esc 取消"),
            (Some(messages), ..) => format!("{messages}: s/j/Esc"),
            (None, 40.., false) => format!("{lines} lines, too many: j join, Esc cancel"),
            (None, 40.., true) => format!("{lines} 行，太多：j 合并，Esc 取消"),
            (None, ..) => format!("{lines}: j/Esc"),
        }
    }
}
