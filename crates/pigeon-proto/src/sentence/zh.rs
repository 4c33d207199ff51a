//! Chinese sentences.

use pigeon_text::Charset;

use super::{Marks, Sentences, list, named_by_link};
use crate::command::Verb;
use crate::language::Language;
use crate::name::{MAX_NAME_CHARS, NameError};
use crate::notice::{Change, Gone, LinkKind, Notice, Roster, Setting};
use crate::refusal::{Reason, Refusal, Subject};

pub(super) struct Chinese;

const HELP: &str = "/nick 名字 · /who 查看成员 · /join 房间 · /leave 回到大厅 · /rooms 查看房间 · \
                    /msg 名字 内容（私聊）· /encoding 编码 · /language zh|en · \
                    /quiet on|off（关闭或打开进出提示）· /resume 口令 · /pass 密码 · /history 条数 · /search 要找的字 · quit 退出 · \
                    以 // 开头可发送以 / 开头的文字 · 其他内容都发到当前房间";

impl Sentences for Chinese {
    const MARKS: Marks = Marks { names: "、", becomes: " 改名为 ", parts: "；" };

    fn notice(&self, notice: &Notice) -> String {
        match notice {
            Notice::Name { name: Some(name), room, word: Some(word) } => format!(
                "你的名字是 {name}，在房间 {room}；换了地址后，用 /resume {word} 可以取回这个名字"
            ),
            Notice::Name { name: Some(name), room, word: None } => {
                format!("你的名字是 {name}，在房间 {room}")
            }
            Notice::Name { name: None, room, .. } => {
                format!("你在房间 {room}，还没有名字；用 /nick 名字 取一个")
            }
            Notice::Roster(roster) => self.roster(roster),
            Notice::Rooms { from, total, rooms } => {
                let names: Vec<String> =
                    rooms.iter().map(|(name, count)| format!("{name}（{count} 人）")).collect();
                let more = u64::from(*total).saturating_sub(u64::from(*from) + names.len() as u64);
                let listed = names.join("、");
                match more {
                    0 => format!("共 {total} 个房间：{listed}"),
                    more => format!("共 {total} 个房间：{listed}，还有 {more} 个"),
                }
            }
            Notice::Set(Setting::Encoding(Charset::Auto)) => {
                "自动识别你发来的 UTF-8 或 GB18030，并用你最近用过的编码发给你".to_string()
            }
            Notice::Set(Setting::Encoding(charset)) => format!("你的收发编码是 {charset}"),
            Notice::NotUtf8 => "你发来的内容不是 UTF-8，别人会看到 \\xNN；用 /encoding gbk（或别的\
                                编码）说明你用的编码"
                .to_string(),
            Notice::Set(Setting::Language(Language::English)) => "以后用英文提示你".to_string(),
            Notice::Set(Setting::Language(Language::Chinese)) => "以后用中文提示你".to_string(),
            Notice::Set(Setting::Quiet(true)) => "不再提示谁进来、谁离开".to_string(),
            Notice::Set(Setting::Quiet(false)) => "会提示谁进来、谁离开".to_string(),
            // A space before the bracket: names have none, so no member's line looks like this.
            Notice::MsgFrom { name, text } => format!("{name} (对你说): {}", text.as_str()),
            Notice::MsgTo { name, text } => format!("你 (对 {name} 说): {}", text.as_str()),
            Notice::Said { link, name, text, .. } => {
                format!("{name} ({}): {}", link_name(*link), text.as_str())
            }
            Notice::Set(Setting::Cluster(true)) => "已重新连上其他 hub".to_string(),
            Notice::Set(Setting::Cluster(false)) => {
                "连不上其他 hub：现在只有这个 hub 上的人能看到你的消息".to_string()
            }
            Notice::Set(Setting::History(true)) => "聊天记录恢复保存".to_string(),
            Notice::Set(Setting::History(false)) => {
                "现在说的话不会保存：hub 写不进聊天记录".to_string()
            }
            Notice::Missing { count, .. } => format!("这段时间有 {count} 条消息没有保存"),
            Notice::Earlier { position } => format!("用 /history 20 {position} 查看更早的消息"),
            Notice::Gone(Gone::Kicked) => "你被管理员移出，十分钟内不能再加入".to_string(),
            Notice::Gone(Gone::Banned) => "你被管理员封禁".to_string(),
            Notice::Gone(Gone::Moved) => "你的名字已被另一个地址取回".to_string(),
            Notice::Gone(Gone::TimedOut) => {
                "你太久没有动静，已不再是成员；随便发点什么就能重新加入".to_string()
            }
            Notice::Gone(Gone::Stopped) => "Bye!".to_string(),
            Notice::Help => HELP.to_string(),
            Notice::Probe(nonce) => format!("给程序的探测：{nonce}"),
            Notice::Probed(nonce) => format!("程序的回答：{nonce}"),
            // `notice_in` handles these two.
            Notice::Refused(_) | Notice::News(_) => String::new(),
        }
    }

    fn refusal(&self, refusal: &Refusal) -> String {
        let why = self.reason(refusal);
        match refusal.what {
            Subject::Say => format!("没有发出：{why}"),
            Subject::Member | Subject::Unknown | Subject::Command(_) => why,
        }
    }

    fn name_error(&self, error: NameError) -> String {
        match error {
            NameError::Empty => "名字至少要有一个字".to_string(),
            NameError::TooLong => format!("名字最多 {MAX_NAME_CHARS} 个字"),
            NameError::Reserved(c) if c.is_whitespace() => "名字里不能有空白".to_string(),
            NameError::Reserved(c) => format!("名字里不能有“{c}”"),
            NameError::Begins(c) => format!("名字不能以“{c}”开头"),
            NameError::Unprintable => "里面有无法显示的字符".to_string(),
            NameError::Invisible(c) => format!("里面有看不见的字符 U+{:04X}", u32::from(c)),
            NameError::Address => "看上去像一个地址".to_string(),
            NameError::Dash => "单独一个“-”不能作名字".to_string(),
        }
    }

    fn news(&self, change: Change, who: &str) -> String {
        match change {
            Change::Joined => format!("{who} 进来了"),
            Change::Left => format!("{who} 离开了"),
            Change::TimedOut => format!("{who} 掉线了"),
            Change::Kicked => format!("{who} 被管理员移出"),
            Change::Banned => format!("{who} 被管理员封禁"),
            Change::Moved => format!("{who} 换了地址"),
            Change::Renamed => who.to_string(),
            Change::Other => format!("{who} 进来或离开"),
        }
    }

    fn left_out(&self) -> &'static str {
        "* 有一条消息没有显示：用你的编码写出来超过了一个数据报的长度\n"
    }

    fn more(&self, names: &str, more: u64) -> String {
        match names {
            "" => format!("另有 {more} 人"),
            names => format!("{names} 和另外 {more} 人"),
        }
    }
}

impl Chinese {
    fn roster(&self, roster: &Roster) -> String {
        let Roster { room, people, senders, from, names, .. } = roster;
        let (people, senders) = (u64::from(*people), u64::from(*senders));
        let here = match (people, senders) {
            (people, 0) => format!("{people} 人"),
            (0, senders) => format!("{senders} 个只发送的程序"),
            (people, senders) => format!("{people} 人、{senders} 个只发送的程序"),
        };
        let listed = u64::from(*from) + names.len() as u64;
        let names: Vec<String> = roster.members().map(named_by_link).collect();
        let more = (people + senders).saturating_sub(listed);
        format!("房间 {room} 里有 {here}：{}", list(self, &names, more))
    }

    fn reason(&self, refusal: &Refusal) -> String {
        let what = refusal.what;
        match &refusal.why {
            Reason::Usage => format!("用法：{}", usage(what)),
            Reason::Name(error) if what == Subject::Command(Verb::Join) => {
                format!("房间名不对：{}", self.name_error(*error))
            }
            Reason::Name(error) => format!("名字没有改：{}", self.name_error(*error)),
            Reason::InUse(holder) => {
                format!("名字没有改：{holder} 有人在用，你要的名字与它相同或看上去一样")
            }
            Reason::Kept(holder) => format!(
                "名字没有改：{holder} 给上次用它的人最多保留十分钟；如果就是你，用 /resume 口令 取回"
            ),
            Reason::Unknown(word) => format!(
                "没有 /{word} 这个命令；/help 列出所有命令，以 // 开头可发送以 / 开头的文字"
            ),
            Reason::Nobody(name) => format!("这里没有人叫 {name}；/who 查看谁在这里"),
            Reason::NoEncoding(label) => format!(
                "编码没有改：没有叫 {label} 的编码；可用 utf-8、gb2312、gbk、gb18030、big5、\
                 shift_jis、euc-kr、latin1 等"
            ),
            Reason::NotAscii(label) => format!("编码没有改：{label} 不含 ASCII，命令无法识别"),
            Reason::TooManyEncodings => {
                "这个房间里用的编码太多；/encoding utf-8 总是可用".to_string()
            }
            Reason::Password if what == Subject::Member => {
                "需要密码才能加入：/pass 密码".to_string()
            }
            Reason::Password => "请先输入密码：/pass 密码".to_string(),
            Reason::WrongPassword => "密码不对".to_string(),
            Reason::Guesses => "输错密码的次数太多，请过一分钟再试".to_string(),
            Reason::NotAWord => "这不是本 hub 给出的口令；用 /nick 名字 另取一个名字".to_string(),
            Reason::Expired => "这个口令已经失效；用 /nick 名字 另取一个名字".to_string(),
            Reason::Taken(name) => format!("{name} 已经有别人在用；用 /nick 名字 另取一个名字"),
            Reason::Rate { messages, bytes } => {
                format!("超过了每秒 {} 的上限", rate(*messages, *bytes))
            }
            Reason::HubRate => "所有成员发送的总量超过了 hub 能转发的上限".to_string(),
            Reason::Work => "来自你的地址的内容让 hub 忙不过来".to_string(),
            Reason::AnswersByItself => "这个地址在自动应答，一分钟内每秒只转发一条".to_string(),
            Reason::TooLong { length, most } => {
                format!("内容有 {length} 字节，最多 {most} 字节")
            }
            Reason::Wrapped => "加上名字并转义之后超过了一个数据报的长度".to_string(),
            Reason::Overloaded => "hub 忙不过来".to_string(),
            Reason::HubFull => "hub 的成员已满".to_string(),
            Reason::RoomFull if what == Subject::Member => "大厅已满".to_string(),
            Reason::RoomFull => "你还在原来的房间：那个房间已满".to_string(),
            Reason::TooManyRooms => "你还在原来的房间：房间太多，不能再开新的".to_string(),
            Reason::RawRoom if what == Subject::Command(Verb::Msg) => {
                "没有发出：对方只接收原始数据".to_string()
            }
            Reason::RawRoom => "你还在原来的房间：那个房间传的是原始数据".to_string(),
            Reason::TooManyAddresses => "hub 用到的本机地址太多；请换一个地址连接".to_string(),
            Reason::AddressFull => "来自你这个地址的成员太多".to_string(),
            Reason::Banned => "你所在的网络已被管理员封禁".to_string(),
            Reason::Kicked => "你被管理员移出，十分钟后才能再加入".to_string(),
            Reason::NoHistory => "这个 hub 不保存历史消息".to_string(),
            Reason::Wait { seconds } => format!("刚才取了很多历史消息，请过 {seconds} 秒再试"),
            Reason::Muted => "你已被管理员禁言".to_string(),
            Reason::Slow { seconds } => format!("这个房间里每人每 {seconds} 秒只能发一条"),
            Reason::NothingSaid if what == Subject::Command(Verb::Search) => {
                "这个房间里没有含这些字的消息".to_string()
            }
            Reason::NothingSaid => "在那之前，这个房间里没有消息".to_string(),
            Reason::NotStored => "hub 的磁盘已满或出错，没有存下，也没有转发".to_string(),
            Reason::Deleted => "可能早已存下、后来被删除，不再发送".to_string(),
        }
    }
}

fn usage(what: Subject) -> &'static str {
    let Subject::Command(verb) = what else { return "命令不完整" };
    match verb {
        Verb::Nick => "/nick 名字",
        Verb::Resume => "/resume 口令（取得名字时给出的那个）",
        Verb::Pass => "/pass 密码",
        Verb::Join => "/join 房间；/rooms 列出房间",
        Verb::Leave => "/leave",
        Verb::Who => "/who，或 /who 起始序号",
        Verb::Rooms => "/rooms，或 /rooms 起始序号",
        Verb::Msg => "/msg 名字 内容",
        Verb::History => "/history，或 /history 条数",
        Verb::Search => "/search 要找的字",
        Verb::Encoding => "/encoding 编码，例如 /encoding gbk，或 /encoding auto",
        Verb::Language => "/language zh 或 /language en",
        Verb::Quiet => "/quiet on 或 /quiet off",
        Verb::Help => "/help",
    }
}

fn rate(messages: Option<u64>, bytes: Option<u64>) -> String {
    match (messages, bytes) {
        (Some(messages), Some(bytes)) => format!("{messages} 条消息或 {bytes} 字节"),
        (Some(messages), None) => format!("{messages} 条消息"),
        (None, bytes) => format!("{} 字节", bytes.unwrap_or_default()),
    }
}

pub(super) fn link_name(link: LinkKind) -> &'static str {
    match link {
        LinkKind::Key => "密钥",
        LinkKind::Plain => "明文",
        LinkKind::Page => "网页",
        LinkKind::PageHttp => "网页，http",
        LinkKind::IpMessenger => "飞鸽",
        LinkKind::Import => "导入",
    }
}
