//! News of the session itself: what a person reads beside the messages, in English and Chinese.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LineError;
use pigeon_proto::{Format, Gone, Language, Name, Notice, Refusal, sentence};

use super::forward::Trouble;
use crate::base::count::count;
use crate::base::quantity::roughly;

/// Something to say about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The server is a pigeon hub. `members` is 0 where they are counted beside it.
    Joined { name: Option<Name>, members: u64, format: Option<Format>, secure_port: Option<u16> },
    /// The hub has no name for the person, and none was asked for: others see this address.
    NoName { address: SocketAddr },
    /// The server was heard, and answers no heartbeats; as asked, or because it cannot.
    JoinedPlainly { asked: bool },
    /// The name is not asked for, since the server would send the wish to everyone.
    NameKept { name: Name, asked: bool },
    /// Nothing was heard so far.
    Unheard,
    /// The system says that nothing gets there.
    CutOff { error: String },
    /// The hub was heard again after the system had said that nothing gets there.
    Reached,
    /// The system did not send a line.
    Unsent { error: String },
    /// News of a program to which messages are forwarded.
    Forward(Trouble),
    /// Nobody listens at the hub's port, and never did. `is_here`: the host is this one.
    NobodyListens { is_here: bool },
    /// The session ends, and nothing was heard.
    NeverHeard,
    /// Nobody listens any more.
    Refused,
    /// The hub does not answer any more.
    Silent { since: String, ago: Duration },
    /// The hub is back. `was_removed`: it was there, and admits the person again.
    Again { after: Duration, was_removed: bool },
    /// The hub's name stands for another address than this one now.
    Moved { from: SocketAddr },
    /// The hub has ended the membership.
    Gone(Gone),
    /// The hub does not let the session in.
    NotAdmitted(Refusal),
    /// A line went out while the hub is away.
    IntoSilence,
    /// A line went to a hub that has removed the session.
    NotDelivered(Gone),
    /// A line was sent, and nothing was ever heard.
    NobodyAnswers { said: String },
    /// A line was sent just before the hub went away.
    Lost { said: String },
    /// A command that no hub knows was not sent; this one is probably meant.
    Meant { command: String },
    /// A line was not sent.
    NotSent(LineError),
    /// The name and its word cannot be kept for the next session.
    NotKept { error: String },
    /// A line was sent, and its copy did not come back.
    NoCopy { said: String, may_be_raw: bool },
}

impl Note {
    /// Whether it says why the session failed.
    pub(super) fn is_failure(&self) -> bool {
        matches!(
            self,
            Note::NobodyListens { .. }
                | Note::NeverHeard
                | Note::NotSent(_)
                | Note::Forward(Trouble::Loop { .. })
        )
    }

    /// Whether all is well: then `--quiet` leaves it out.
    pub(super) fn is_remark(&self) -> bool {
        use Note::{Again, Joined, JoinedPlainly, NameKept, NoName, Reached};
        matches!(
            self,
            Joined { .. }
                | NoName { .. }
                | JoinedPlainly { .. }
                | NameKept { .. }
                | Again { .. }
                | Reached
        )
    }

    /// The note in words.
    pub(super) fn words(&self, hub: SocketAddr, language: Language) -> String {
        match language {
            Language::English => self.english(hub),
            Language::Chinese => self.chinese(hub),
        }
    }

    fn english(&self, hub: SocketAddr) -> String {
        let notice = |notice| sentence::of(&notice, Language::English);
        match self {
            Note::Joined { name, members, format, .. } => {
                let name = name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
                let members = match members {
                    0 => String::new(),
                    members => format!(", {}", count(*members, "member")),
                };
                let format = match format {
                    Some(Format::Raw) => ", raw: what is said is data",
                    Some(Format::Classic) => ", classic",
                    Some(Format::Chat) | None => "",
                };
                format!("joined {hub}: {name}a pigeon hub{members}{format}")
            }
            Note::NoName { address } => {
                format!("you speak as {address}; /nick NAME takes a name")
            }
            Note::JoinedPlainly { asked: true } => format!("joined {hub} plainly, as asked"),
            Note::JoinedPlainly { asked: false } => format!(
                "joined {hub} plainly: it answers no padded heartbeats (not a pigeon hub?), so \
                 nobody can tell when it goes away"
            ),
            Note::NameKept { name, asked: true } => {
                format!("not asked for the name {name}: --plain cannot know what the server is")
            }
            Note::NameKept { name, asked: false } => {
                format!("not asked for the name {name}: such a server would publish it")
            }
            Note::Unheard => format!(
                "nothing heard from {hub} yet: the address may be wrong. Check it with the person \
                 who runs the hub; `pigeon join` alone looks for hubs"
            ),
            Note::CutOff { error } => format!("nothing gets to {hub}: {error}"),
            Note::Reached => format!("{hub} is reached again"),
            Note::Unsent { error } => format!("that line was not sent: {error}"),
            Note::Forward(Trouble::Refused { to }) => format!(
                "nobody listens at {to} so far; what is forwarded there is lost until somebody does"
            ),
            Note::Forward(Trouble::CutOff { to, cause }) => {
                format!("nothing is forwarded to {to}: {cause}")
            }
            Note::Forward(Trouble::Repeats { to }) => format!(
                "the same bytes come more than 2,000 times a second; not all are forwarded to {to}, \
                 which may lead back into the room"
            ),
            Note::Forward(Trouble::Loop { to }) => format!(
                "{to} leads back into the room: nothing more is forwarded there. Name the port of a \
                 player or another program"
            ),
            Note::NobodyListens { is_here: true } => {
                format!("{hub} refused: nobody listens there. `pigeon hub` starts a hub")
            }
            Note::NobodyListens { is_here: false } => format!(
                "{hub} refused: nobody listens there. Check address and port with the person who \
                 runs the hub; `pigeon join` alone looks for hubs"
            ),
            Note::NeverHeard => format!("nothing was heard from {hub}"),
            Note::Refused => {
                format!("{hub} refused: the hub is gone; waiting for it to come back")
            }
            Note::Silent { since, ago } => {
                format!("nothing heard since {since} ({} ago); still trying", roughly(*ago))
            }
            Note::Again { after, was_removed: true } => {
                format!("{hub} lets you in again after {}", roughly(*after))
            }
            Note::Again { after, was_removed: false } => {
                format!("{hub} is back after {}; a member again", roughly(*after))
            }
            Note::Moved { from } => format!(
                "the hub's name stands for {hub} now, no longer for {from}; joining there (a password \
                 given before is not sent there by itself)"
            ),
            Note::Gone(Gone::Stopped) => {
                "the hub says Bye!; waiting for it to come back".to_string()
            }
            Note::Gone(gone @ (Gone::Kicked | Gone::Banned)) => format!(
                "{}; this program tries again by itself, once a minute",
                notice(Notice::Gone(*gone))
            ),
            Note::Gone(Gone::Moved) => {
                format!("{}; your next line asks for it", notice(Notice::Gone(Gone::Moved)))
            }
            Note::Gone(Gone::TimedOut) => "you were silent for too long; joining again".to_string(),
            Note::NotAdmitted(refusal) => {
                format!("not a member: {}", notice(Notice::Refused(refusal.clone())))
            }
            Note::IntoSilence => {
                "the hub is away; that line was sent, but is probably lost".to_string()
            }
            Note::Meant { command } => {
                format!("not sent: is {command} meant? (// begins a text with /)")
            }
            Note::NotDelivered(gone) => {
                format!("not delivered: {}", notice(Notice::Gone(*gone)))
            }
            Note::NobodyAnswers { said } => {
                format!("nobody has answered yet; probably nobody reads: {said}")
            }
            Note::Lost { said } => format!("the hub is away; probably lost: {said}"),
            Note::NotSent(error) => error.to_string(),
            Note::NotKept { error } => {
                format!("the name will not come back by itself the next time: {error}")
            }
            Note::NoCopy { said, may_be_raw: false } => {
                format!("sent, but no copy came back: {said}")
            }
            Note::NoCopy { said, may_be_raw: true } => format!(
                "sent, but no copy came back: {said} (a server may send none to who speaks)"
            ),
        }
    }

    fn chinese(&self, hub: SocketAddr) -> String {
        let notice = |notice| sentence::of(&notice, Language::Chinese);
        match self {
            Note::Joined { name, members, format, .. } => {
                let name = name.as_ref().map(|name| format!("{name}，")).unwrap_or_default();
                let format = match format {
                    Some(Format::Raw) => "，raw 格式：所说的都是数据",
                    Some(Format::Classic) => "，classic 格式",
                    Some(Format::Chat) | None => "",
                };
                let members = match members {
                    0 => String::new(),
                    members => format!("，{members} 个成员"),
                };
                format!("已加入 {hub}：{name}pigeon hub{members}{format}")
            }
            Note::NoName { address } => {
                format!("你还没有名字，别人看到的是 {address}；用 /nick 名字 取一个")
            }
            Note::JoinedPlainly { asked: true } => format!("已按要求以普通方式加入 {hub}"),
            Note::JoinedPlainly { asked: false } => format!(
                "已以普通方式加入 {hub}：它不回答心跳（不是 pigeon hub？），所以它离开时没有人知道"
            ),
            Note::NameKept { name, asked: true } => {
                format!("没有要求使用名字 {name}：--plain 时无法知道对方是什么服务器")
            }
            Note::NameKept { name, asked: false } => {
                format!("没有要求使用名字 {name}：这样的服务器会把它发给所有人")
            }
            Note::Unheard => format!(
                "还没有收到 {hub} 的任何回答：地址可能不对。请向开 hub 的人（老师）核对；只输入 \
                 `pigeon join` 会寻找附近的 hub"
            ),
            Note::CutOff { error } => format!("什么都到不了 {hub}：{error}"),
            Note::Reached => format!("又能到达 {hub} 了"),
            Note::Unsent { error } => format!("那一行没有发出：{error}"),
            Note::Forward(Trouble::Refused { to }) => {
                format!("{to} 还没有程序在监听；在它监听之前，转发到那里的都会丢失")
            }
            Note::Forward(Trouble::CutOff { to, cause }) => {
                format!("什么都转发不到 {to}：{cause}")
            }
            Note::Forward(Trouble::Repeats { to }) => format!(
                "同样的内容每秒出现超过 2,000 次；没有全部转发到 {to}，它可能又通回这个房间"
            ),
            Note::Forward(Trouble::Loop { to }) => {
                format!("{to} 又通回这个房间：不再转发到那里。请写播放器或其他程序的端口")
            }
            Note::NobodyListens { is_here: true } => {
                format!("{hub} 拒绝：那里没有程序在监听。`pigeon hub` 可以启动一个 hub")
            }
            Note::NobodyListens { is_here: false } => format!(
                "{hub} 拒绝：那里没有程序在监听。请向开 hub 的人（老师）核对地址和端口；只输入 \
                 `pigeon join` 会寻找附近的 hub"
            ),
            Note::NeverHeard => format!("没有收到 {hub} 的任何消息"),
            Note::Refused => format!("{hub} 拒绝：hub 已经不在；等待它回来"),
            Note::Silent { since, ago } => {
                format!("从 {since} 起没有收到任何消息（{}）；仍在尝试", roughly(*ago))
            }
            Note::Again { after, was_removed: true } => {
                format!("过了 {}，{hub} 又让你加入了", roughly(*after))
            }
            Note::Again { after, was_removed: false } => {
                format!("{hub} 过了 {} 又回来了；已重新加入", roughly(*after))
            }
            Note::Moved { from } => format!(
                "hub 的名字现在指向 {hub}，不再是 {from}；正在加入（以前给的密码不会自动发到那里）"
            ),
            Note::Gone(Gone::Stopped) => "hub 说 Bye!；等待它回来".to_string(),
            Note::Gone(gone @ (Gone::Kicked | Gone::Banned)) => {
                format!("{}；程序每分钟会自动再试一次", notice(Notice::Gone(*gone)))
            }
            Note::Gone(Gone::Moved) => {
                format!("{}；你下次发言时会把它要回来", notice(Notice::Gone(Gone::Moved)))
            }
            Note::Gone(Gone::TimedOut) => "你太久没有动静；正在重新加入".to_string(),
            Note::NotAdmitted(refusal) => {
                format!("没有加入：{}", notice(Notice::Refused(refusal.clone())))
            }
            Note::IntoSilence => "hub 不在；那一行发出去了，但多半已丢失".to_string(),
            Note::Meant { command } => {
                format!("没有发出：想用的是 {command} 吗？（要说以 / 开头的话，请以 // 开头）")
            }
            Note::NotDelivered(gone) => format!("没有送达：{}", notice(Notice::Gone(*gone))),
            Note::NobodyAnswers { said } => {
                format!("还没有人回答过，多半没有人看到：{said}")
            }
            Note::Lost { said } => format!("hub 不在；多半已丢失：{said}"),
            Note::NotSent(LineError::TooLong { length, most }) => {
                format!("没有发出：有 {length} 字节，一个数据报最多 {most} 字节")
            }
            Note::NotSent(LineError::Control) => {
                "没有发出：以 ^hb^ 开头的是心跳，不是消息".to_string()
            }
            Note::NotSent(LineError::Raw(verb)) => {
                format!("没有发出：在 raw 格式里，/{} 会作为数据发给所有人", verb.word())
            }
            Note::NotSent(LineError::Reserved) => {
                "没有发出：hub 会把这些字节当作心跳或告别，而不是数据".to_string()
            }
            Note::NotSent(LineError::Moved) => {
                "没有发出：hub 的地址在这期间变了；信任它的话请再输入一次".to_string()
            }
            Note::NotSent(LineError::Path) => {
                "没有发出：以 / 开头的是命令；要说这句话，请以 // 开头".to_string()
            }
            Note::NotKept { error } => format!("下次不能自动取回名字：{error}"),
            Note::NoCopy { said, may_be_raw: false } => format!("已发出，但没有收到回送：{said}"),
            Note::NoCopy { said, may_be_raw: true } => {
                format!("已发出，但没有收到回送：{said}（服务器可能不回送给发言者）")
            }
        }
    }
}

/// What was heard so far of a hub, in the few words of a status line.
pub(super) fn unheard_in_short(hub: SocketAddr, language: Language) -> String {
    match language {
        Language::English => format!("nobody has answered yet: is {hub} the right address?"),
        Language::Chinese => format!("还没有人回答：地址 {hub} 对吗？"),
    }
}

/// The hub's answer about the name without the word that takes it back: others may see the screen,
/// and the next session has the word from its memory.
pub(super) fn without_word(notice: &Notice) -> Cow<'_, Notice> {
    match notice {
        Notice::Name { name, room, word: Some(_) } => {
            Cow::Owned(Notice::Name { name: name.clone(), room: room.clone(), word: None })
        }
        notice => Cow::Borrowed(notice),
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::{Reason, Subject, Verb};

    use super::*;

    #[test]
    fn what_nobody_answers_is_not_said_to_be_sent_to_a_server() {
        let hub = SocketAddr::from(([10, 66, 0, 9], 9999));
        let said = || "有人吗".to_string();
        let chinese = |note: Note| note.words(hub, Language::Chinese);
        assert!(chinese(Note::Unheard).contains("地址可能不对"));
        for note in [Note::NobodyAnswers { said: said() }, Note::Lost { said: said() }] {
            let words = chinese(note);
            assert!(words.contains("有人吗") && !words.contains("服务器"), "{words}");
        }
        let elsewhere = chinese(Note::NobodyListens { is_here: false });
        assert!(!elsewhere.contains("pigeon hub"), "{elsewhere}");
        assert!(chinese(Note::NotDelivered(Gone::Kicked)).contains("你被管理员移出"));
    }

    #[test]
    fn a_hub_that_was_found_by_its_name_is_named() {
        let hub = SocketAddr::from(([10, 0, 0, 1], 9999));
        let name = Name::parse("图书馆".as_bytes()).ok();
        let joined = Note::Joined { name, members: 0, format: None, secure_port: None };
        let words = joined.words(hub, Language::Chinese);
        assert_eq!(words, "已加入 10.0.0.1:9999：图书馆，pigeon hub");
    }

    #[test]
    fn the_word_for_the_name_is_not_shown() {
        let notice = Notice::parse("^hb^ name 小明 lobby 7-abc".as_bytes()).unwrap();
        let shown = sentence::line(&without_word(&notice), Language::Chinese);
        assert_eq!(shown, "* 你的名字是 小明，在房间 lobby");
    }

    /// A note that promises something keeps to what happens.
    #[test]
    fn every_note_has_words_in_both_languages() {
        let hub = SocketAddr::from(([127, 0, 0, 1], 9999));
        let name = || Name::parse("狗哥".as_bytes()).unwrap();
        let second = Duration::from_secs(1);
        let mut notes = vec![
            Note::Joined {
                name: Some(name()),
                members: 1,
                format: Some(Format::Raw),
                secure_port: None,
            },
            Note::NoName { address: hub },
            Note::JoinedPlainly { asked: true },
            Note::JoinedPlainly { asked: false },
            Note::NameKept { name: name(), asked: true },
            Note::NameKept { name: name(), asked: false },
            Note::Unheard,
            Note::CutOff { error: "No route to host".into() },
            Note::NobodyListens { is_here: true },
            Note::NobodyListens { is_here: false },
            Note::NeverHeard,
            Note::Refused,
            Note::Silent { since: "21:04:05".into(), ago: second },
            Note::Again { after: second, was_removed: true },
            Note::Again { after: second, was_removed: false },
            Note::Moved { from: hub },
            Note::NotAdmitted(Refusal::new(Subject::Member, Reason::HubFull)),
            Note::IntoSilence,
            Note::Meant { command: "/who".into() },
            Note::NotDelivered(Gone::Kicked),
            Note::NobodyAnswers { said: "hi".into() },
            Note::Lost { said: "hi".into() },
            Note::NotSent(LineError::Control),
            Note::NotSent(LineError::Raw(Verb::Nick)),
            Note::NotSent(LineError::Path),
            Note::NotSent(LineError::Moved),
            Note::NotSent(LineError::Reserved),
            Note::Reached,
            Note::Unsent { error: "Operation not permitted".into() },
            Note::Forward(Trouble::Refused { to: hub }),
            Note::Forward(Trouble::CutOff { to: hub, cause: "No route to host".into() }),
            Note::Forward(Trouble::Repeats { to: hub }),
            Note::Forward(Trouble::Loop { to: hub }),
            Note::NoCopy { said: "hi".into(), may_be_raw: true },
            Note::NotKept { error: "disk full".into() },
        ];
        notes.extend(Gone::ALL.map(Note::Gone));
        for note in notes {
            let [english, chinese] = Language::ALL.map(|language| note.words(hub, language));
            assert!(!english.is_empty() && english != chinese, "{note:?}");
            assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{chinese}");
        }
    }
}
