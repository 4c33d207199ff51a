//! News of the session itself: what a person reads beside the messages, in English and Chinese.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LineError;
use pigeon_proto::{Format, Gone, Language, Name, Notice, Refusal, sentence};

use crate::base::count::count;
use crate::base::quantity::roughly;

/// Something to say about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The server is a pigeon hub. `members` is 0 where they are counted beside it.
    Joined { members: u64, format: Option<Format>, secure_port: Option<u16> },
    /// The server was heard, and answers no heartbeats; as asked, or because it cannot.
    JoinedPlainly { asked: bool },
    /// The name is not asked for, since the server would send the wish to everyone.
    NameKept { name: Name, asked: bool },
    /// Nothing was heard so far.
    Unheard,
    /// The system says that nothing gets there.
    CutOff { error: String },
    /// Nobody listens at the hub's port, and never did.
    NobodyListens,
    /// The session ends, and nothing was heard.
    NeverHeard,
    /// Nobody listens any more.
    Refused,
    /// The hub does not answer any more.
    Silent { since: String, ago: Duration },
    /// The hub is back.
    Again { after: Duration },
    /// The hub has ended the membership.
    Gone(Gone),
    /// The hub does not let the session in.
    NotAdmitted(Refusal),
    /// A line went out while the hub is away.
    IntoSilence,
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
        matches!(self, Note::NobodyListens | Note::NeverHeard | Note::NotSent(_))
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
            Note::Joined { members, format, .. } => {
                let members = match members {
                    0 => String::new(),
                    members => format!(", {}", count(*members, "member")),
                };
                let format = match format {
                    Some(Format::Raw) => ", raw: what is said is data",
                    Some(Format::Classic) => ", classic",
                    Some(Format::Chat) | None => "",
                };
                format!("joined {hub}: a pigeon hub{members}{format}")
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
            Note::Unheard => format!("nothing heard from {hub} yet"),
            Note::CutOff { error } => format!("nothing gets to {hub}: {error}"),
            Note::NobodyListens => {
                format!("{hub} refused: nobody listens there. `pigeon hub` starts a hub")
            }
            Note::NeverHeard => format!("nothing was heard from {hub}"),
            Note::Refused => {
                format!("{hub} refused: the hub is gone; waiting for it to come back")
            }
            Note::Silent { since, ago } => {
                format!("nothing heard since {since} ({} ago); still trying", roughly(*ago))
            }
            Note::Again { after } => {
                format!("{hub} is back after {}; a member again", roughly(*after))
            }
            Note::Gone(Gone::Stopped) => {
                "the hub says Bye!; waiting for it to come back".to_string()
            }
            Note::Gone(gone @ (Gone::Kicked | Gone::Banned)) => {
                format!("{}; trying again once a minute", notice(Notice::Gone(*gone)))
            }
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
            Note::Joined { members, format, .. } => {
                let format = match format {
                    Some(Format::Raw) => "，raw 格式：所说的都是数据",
                    Some(Format::Classic) => "，classic 格式",
                    Some(Format::Chat) | None => "",
                };
                let members = match members {
                    0 => String::new(),
                    members => format!("，{members} 个成员"),
                };
                format!("已加入 {hub}：pigeon hub{members}{format}")
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
            Note::Unheard => format!("还没有收到 {hub} 的任何消息"),
            Note::CutOff { error } => format!("什么都到不了 {hub}：{error}"),
            Note::NobodyListens => {
                format!("{hub} 拒绝：那里没有程序在监听。`pigeon hub` 可以启动一个 hub")
            }
            Note::NeverHeard => format!("没有收到 {hub} 的任何消息"),
            Note::Refused => format!("{hub} 拒绝：hub 已经不在；等待它回来"),
            Note::Silent { since, ago } => {
                format!("从 {since} 起没有收到任何消息（{}）；仍在尝试", roughly(*ago))
            }
            Note::Again { after } => format!("{hub} 过了 {} 又回来了；已重新加入", roughly(*after)),
            Note::Gone(Gone::Stopped) => "hub 说 Bye!；等待它回来".to_string(),
            Note::Gone(gone @ (Gone::Kicked | Gone::Banned)) => {
                format!("{}；每分钟再试一次", notice(Notice::Gone(*gone)))
            }
            Note::Gone(Gone::Moved) => {
                format!("{}；你下次发言时会把它要回来", notice(Notice::Gone(Gone::Moved)))
            }
            Note::Gone(Gone::TimedOut) => "你太久没有动静；正在重新加入".to_string(),
            Note::NotAdmitted(refusal) => {
                format!("没有加入：{}", notice(Notice::Refused(refusal.clone())))
            }
            Note::IntoSilence => "hub 不在；那一行发出去了，但多半已丢失".to_string(),
            Note::NotSent(LineError::TooLong { length, most }) => {
                format!("没有发出：有 {length} 字节，一个数据报最多 {most} 字节")
            }
            Note::NotSent(LineError::Control) => {
                "没有发出：以 ^hb^ 开头的是心跳，不是消息".to_string()
            }
            Note::NotSent(LineError::Raw(verb)) => {
                format!("没有发出：在 raw 格式里，/{} 会作为数据发给所有人", verb.word())
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

#[cfg(test)]
mod tests {
    use pigeon_proto::{Reason, Subject, Verb};

    use super::*;

    /// A note that promises something keeps to what happens.
    #[test]
    fn every_note_has_words_in_both_languages() {
        let hub = SocketAddr::from(([127, 0, 0, 1], 9999));
        let name = || Name::parse("狗哥".as_bytes()).unwrap();
        let second = Duration::from_secs(1);
        let mut notes = vec![
            Note::Joined { members: 1, format: Some(Format::Raw), secure_port: None },
            Note::JoinedPlainly { asked: true },
            Note::JoinedPlainly { asked: false },
            Note::NameKept { name: name(), asked: true },
            Note::NameKept { name: name(), asked: false },
            Note::Unheard,
            Note::CutOff { error: "No route to host".into() },
            Note::NobodyListens,
            Note::NeverHeard,
            Note::Refused,
            Note::Silent { since: "21:04:05".into(), ago: second },
            Note::Again { after: second },
            Note::NotAdmitted(Refusal::new(Subject::Member, Reason::HubFull)),
            Note::IntoSilence,
            Note::NotSent(LineError::Control),
            Note::NotSent(LineError::Raw(Verb::Nick)),
            Note::NotSent(LineError::Path),
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
