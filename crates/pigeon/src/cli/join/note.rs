//! Notes about the session, shown beside the messages.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LineError;
use pigeon_proto::{
    Format, Gone, Language, Name, Notice, Reason, Refusal, RoomName, Subject, sentence,
};

use super::forward::Trouble;
use super::gate::Delivery;
use crate::base::cause::Cause;
use crate::ui::span::roughly;
use crate::words::say_in;
use pigeon_text::escape;

/// The characters of a refused text that are shown.
const BEGINNING: usize = 60;

/// A note about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The server is a pigeon hub. `members` is 0 if they are shown elsewhere. `is_in`: the hub has
    /// admitted the session and does not wait for a password.
    Joined {
        name: Option<Name>,
        members: u64,
        format: Option<Format>,
        secure_port: Option<u16>,
        is_in: bool,
    },
    /// The session has no name and requested none: others see this address, or this key.
    NoName { seen_as: String },
    /// The server was heard, and answers no heartbeats, because of `--plain` or because it cannot.
    JoinedPlainly { asked: bool },
    /// Another window of this user is the same member.
    SameMember,
    /// Another window has renamed or moved the member.
    Elsewhere { name: Option<Name>, room: RoomName },
    /// The name is not requested, because the server would send the request to everyone.
    NameKept { name: Name, asked: bool },
    /// Nothing was received so far.
    Unheard,
    /// The system reports that nothing arrives at the hub.
    CutOff { why: Why },
    /// The hub was heard again after such a report.
    Reached,
    /// The system did not send a line.
    Unsent { cause: Cause },
    /// A problem of a forwarding target.
    Forward(Trouble),
    /// No program listens on the hub's port, and none was heard before. `is_here`: on this host.
    NobodyListens { is_here: bool },
    /// The session ends, and nothing was ever received from the hub.
    NeverHeard,
    /// No program listens on the hub's port any more.
    Refused,
    /// The hub no longer answers.
    Silent { since: String, ago: Duration },
    /// The hub is back. `was_removed`: it had removed the session and admits it again.
    Again { after: Duration, was_removed: bool },
    /// The hub's name has a new address.
    Moved { from: SocketAddr },
    /// The hub has ended the membership.
    Gone(Gone),
    /// The hub does not admit the session.
    NotAdmitted(Refusal),
    /// A line was sent while the hub is away.
    IntoSilence,
    /// A line was sent to a hub that has removed the session.
    NotDelivered(Gone),
    /// A line was sent, and nothing was ever received.
    NobodyAnswers { said: String },
    /// A line was sent just before the hub went away.
    Lost { said: String },
    /// An unknown command was not sent; this one is probably meant.
    Meant { command: String },
    /// A line was not sent, and why.
    NotSent(LineError),
    /// The session continues over an encrypted, reliable member with a key. `is_first`: first
    /// contact with the hub's key.
    Secure { fingerprint: String, is_first: bool },
    /// The hub's announced port for members with a key does not work.
    NotSecure { error: String },
    /// A change of delivery.
    Delivery(Delivery),
    /// The state for the next session cannot be stored.
    NotKept { error: String },
    /// A line was sent, and its copy did not arrive.
    NoCopy { said: String, may_be_raw: bool },
}

/// A change of delivery in words.
fn delivery_words(delivery: &Delivery, language: Language) -> String {
    match delivery {
        Delivery::Stored { text, is_kept } => {
            let said = escape(text).to_string();
            match is_kept {
                true => say_in!(language, "join-stored", said = said),
                false => say_in!(language, "join-relayed", said = said),
            }
        }
        Delivery::KeepsNothing => say_in!(language, "join-keeps-nothing"),
        Delivery::Refused { text, why } => {
            let why = match &why.why {
                Some(reason) => {
                    let refusal = Refusal::new(Subject::Say, reason.clone());
                    sentence::of(&Notice::Refused(refusal), language)
                }
                None => escape(&why.text).to_string(),
            };
            match text {
                Some(text) => {
                    say_in!(language, "join-not-stored", said = beginning(text), why = why)
                }
                None => say_in!(language, "join-not-stored-earlier", why = why),
            }
        }
        Delivery::Waits => say_in!(language, "join-waits"),
        Delivery::Back { elsewhere: None } => say_in!(language, "join-connected-again"),
        Delivery::Back { elsewhere: Some(hub) } => {
            say_in!(language, "join-connected-elsewhere", hub = hub)
        }
        Delivery::NotTheHub => say_in!(language, "join-not-the-hub"),
        Delivery::DiskFailed => say_in!(language, "join-disk-failed"),
        Delivery::LeftWaiting(count) => say_in!(language, "join-left-waiting", count = *count),
    }
}

/// The beginning of a text.
fn beginning(text: &str) -> String {
    shortened(&escape(text).to_string())
}

/// The beginning of an escaped text: a long one would fill the screen, and hide the reason behind
/// it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(BEGINNING) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why nothing arrives at the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    System(Cause),
    /// No socket could be opened for a new address.
    Socket(String),
}

impl Why {
    /// The note for the user, in the process's language; `Display` is for programs.
    fn said(&self) -> String {
        match self {
            Why::System(cause) => cause.said(),
            Why::Socket(error) => error.clone(),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::System(cause) => cause.fmt(f),
            Why::Socket(error) => f.write_str(error),
        }
    }
}

impl Note {
    /// Whether the note explains a failure of the session.
    pub(super) fn is_failure(&self) -> bool {
        matches!(
            self,
            Note::NobodyListens { .. }
                | Note::NeverHeard
                | Note::NotSent(_)
                | Note::Delivery(Delivery::NotTheHub | Delivery::LeftWaiting(_))
                | Note::Forward(Trouble::Loop { .. })
        )
    }

    /// Whether the note is only informative, so that `--quiet` hides it.
    pub(super) fn is_remark(&self) -> bool {
        use Note::{Again, Joined, JoinedPlainly, NameKept, NoName, Reached, SameMember, Secure};
        matches!(
            self,
            Joined { .. }
                | NoName { .. }
                | SameMember
                | JoinedPlainly { .. }
                | NameKept { .. }
                | Again { .. }
                | Reached
                | Secure { .. }
                | Note::Delivery(Delivery::Back { .. } | Delivery::Stored { .. })
        )
    }

    /// Whether the hub requires a password.
    pub(super) fn asks_for_password(&self) -> bool {
        matches!(self, Note::NotAdmitted(Refusal { why: Reason::Password, .. }))
    }

    /// The note in words.
    pub(super) fn words(&self, hub: SocketAddr, language: Language) -> String {
        let hub = &hub;
        let notice = |notice| sentence::of(&notice, language);
        let span = |duration: &Duration| roughly(language, *duration);
        match self {
            Note::Joined { name, members, format, is_in, .. } => {
                let hub = match name {
                    Some(name) => say_in!(language, "join-hub-with-name", name = name, hub = hub),
                    None => hub.to_string(),
                };
                if !is_in {
                    return say_in!(language, "join-found-hub", hub = &hub);
                }
                let format = format.unwrap_or(Format::Chat).word();
                say_in!(language, "join-joined", hub = &hub, members = *members, format = format)
            }
            Note::NoName { seen_as } => say_in!(language, "join-no-name", address = seen_as),
            Note::SameMember => say_in!(language, "join-same-member"),
            Note::Elsewhere { name: Some(name), room } => {
                say_in!(language, "join-elsewhere", name = name, room = room)
            }
            Note::Elsewhere { name: None, room } => {
                say_in!(language, "join-elsewhere-room", room = room)
            }
            Note::JoinedPlainly { asked: true } => {
                say_in!(language, "join-plainly-asked", hub = hub)
            }
            Note::JoinedPlainly { asked: false } => say_in!(language, "join-plainly", hub = hub),
            Note::NameKept { name, asked: true } => {
                say_in!(language, "join-name-kept-plain", name = name)
            }
            Note::NameKept { name, asked: false } => {
                say_in!(language, "join-name-kept", name = name)
            }
            Note::Unheard => say_in!(language, "join-unheard", hub = hub),
            Note::CutOff { why } => {
                say_in!(language, "join-cut-off", hub = hub, error = why.said())
            }
            Note::Reached => say_in!(language, "join-reached", hub = hub),
            Note::Unsent { cause } => say_in!(language, "join-unsent", error = cause.said()),
            Note::Forward(trouble) => trouble_words(trouble, language),
            Note::NobodyListens { is_here: true } => {
                say_in!(language, "join-refused-here", hub = hub)
            }
            Note::NobodyListens { is_here: false } => {
                say_in!(language, "join-refused-there", hub = hub)
            }
            Note::NeverHeard => say_in!(language, "join-never-heard", hub = hub),
            Note::Refused => say_in!(language, "join-gone", hub = hub),
            Note::Silent { since, ago } => {
                say_in!(language, "join-silent", since = since, ago = span(ago))
            }
            Note::Again { after, was_removed: true } => {
                say_in!(language, "join-let-in-again", hub = hub, after = span(after))
            }
            Note::Again { after, was_removed: false } => {
                say_in!(language, "join-back", hub = hub, after = span(after))
            }
            Note::Moved { from } => say_in!(language, "join-moved", hub = hub, from = from),
            Note::Gone(Gone::Stopped) => say_in!(language, "join-stopped"),
            Note::Gone(gone @ (Gone::Kicked | Gone::Banned)) => {
                say_in!(language, "join-removed", why = notice(Notice::Gone(*gone)))
            }
            Note::Gone(Gone::Moved) => {
                say_in!(language, "join-name-taken-back", why = notice(Notice::Gone(Gone::Moved)))
            }
            Note::Gone(Gone::TimedOut) => say_in!(language, "join-timed-out"),
            Note::NotAdmitted(_) if self.asks_for_password() => {
                say_in!(language, "join-needs-password")
            }
            Note::NotAdmitted(refusal) => {
                let why = notice(Notice::Refused(refusal.clone()));
                say_in!(language, "join-not-admitted", why = why)
            }
            Note::IntoSilence => say_in!(language, "join-into-silence"),
            Note::Meant { command } => say_in!(language, "join-meant", command = command),
            Note::NotDelivered(gone) => {
                say_in!(language, "join-not-delivered", why = notice(Notice::Gone(*gone)))
            }
            Note::NobodyAnswers { said } => {
                say_in!(language, "join-nobody-answers", said = shortened(said))
            }
            Note::Lost { said } => say_in!(language, "join-lost", said = shortened(said)),
            Note::NotSent(error) => line_error(error, language),
            Note::Secure { fingerprint, is_first: true } => {
                say_in!(language, "join-secure-first", fingerprint = fingerprint)
            }
            Note::Secure { .. } => say_in!(language, "join-secure"),
            Note::NotSecure { error } => say_in!(language, "join-not-secure", error = error),
            Note::Delivery(delivery) => delivery_words(delivery, language),
            Note::NotKept { error } => say_in!(language, "join-not-kept", error = error),
            Note::NoCopy { said, may_be_raw: false } => {
                say_in!(language, "join-no-copy", said = shortened(said))
            }
            Note::NoCopy { said, may_be_raw: true } => {
                say_in!(language, "join-no-copy-maybe-none", said = shortened(said))
            }
        }
    }
}

fn trouble_words(trouble: &Trouble, language: Language) -> String {
    match trouble {
        Trouble::Refused { to } => say_in!(language, "join-forward-refused", to = to),
        Trouble::CutOff { to, cause } => {
            say_in!(language, "join-forward-cut-off", to = to, error = cause.said())
        }
        Trouble::Repeats { to } => say_in!(language, "join-forward-repeats", to = to),
        Trouble::Loop { to } => say_in!(language, "join-forward-loop", to = to),
    }
}

fn line_error(error: &LineError, language: Language) -> String {
    match error {
        LineError::TooLong { length, most } => {
            say_in!(language, "join-line-too-long", length = *length, most = *most)
        }
        LineError::Control => say_in!(language, "join-line-control"),
        LineError::Reserved => say_in!(language, "join-line-reserved"),
        LineError::Raw(verb) => say_in!(language, "join-line-raw", command = verb.word()),
        LineError::Moved => say_in!(language, "join-line-moved"),
        LineError::Path => say_in!(language, "join-line-path"),
    }
}

/// The hub's answer about the name without the resume token: others may see the screen, and the
/// next session reads the token from its stored state.
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

    use super::super::gate::Refused;

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
        let joined =
            Note::Joined { name, members: 0, format: None, secure_port: None, is_in: true };
        let words = joined.words(hub, Language::Chinese);
        assert_eq!(words, "已加入 图书馆（10.0.0.1:9999）：pigeon hub");
    }

    #[test]
    fn the_word_for_the_name_is_not_shown() {
        let notice = Notice::parse("^hb^ name 小明 lobby 7-abc".as_bytes()).unwrap();
        let shown = sentence::line(&without_word(&notice), Language::Chinese);
        assert_eq!(shown, "* 你的名字是 小明，在房间 lobby");
    }

    #[test]
    fn of_a_long_refused_text_the_beginning_is_shown_and_the_reason() {
        let why = Reason::TooLong { length: 12_600, most: 8_192 };
        let why = super::super::gate::Refused { why: Some(why), text: "".into() };
        let text = Some("长".repeat(4_200));
        let words = delivery_words(&Delivery::Refused { text, why }, Language::Chinese);
        assert!(words.chars().count() < 160 && words.contains("长…（"), "{words}");
    }

    /// Notes must not promise what does not happen.
    #[test]
    fn every_note_has_words_in_both_languages() {
        let hub = SocketAddr::from(([127, 0, 0, 1], 9999));
        let name = || Name::parse("狗哥".as_bytes()).unwrap();
        let second = Duration::from_secs(1);
        let cause = || Cause::unconnected(hub, &std::io::Error::from_raw_os_error(113));
        let mut notes = vec![
            Note::Joined {
                name: Some(name()),
                members: 1,
                format: Some(Format::Raw),
                secure_port: None,
                is_in: true,
            },
            Note::Joined {
                name: None,
                members: 0,
                format: Some(Format::Chat),
                secure_port: None,
                is_in: false,
            },
            Note::NoName { seen_as: hub.to_string() },
            Note::JoinedPlainly { asked: true },
            Note::JoinedPlainly { asked: false },
            Note::NameKept { name: name(), asked: true },
            Note::NameKept { name: name(), asked: false },
            Note::Unheard,
            Note::CutOff { why: Why::System(cause()) },
            Note::NobodyListens { is_here: true },
            Note::NobodyListens { is_here: false },
            Note::NeverHeard,
            Note::Refused,
            Note::Silent { since: "21:04:05".into(), ago: second },
            Note::Again { after: second, was_removed: true },
            Note::Again { after: second, was_removed: false },
            Note::Moved { from: hub },
            Note::NotAdmitted(Refusal::new(Subject::Member, Reason::HubFull)),
            Note::NotAdmitted(Refusal::new(Subject::Member, Reason::Password)),
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
            Note::Unsent { cause: cause() },
            Note::Forward(Trouble::Refused { to: hub }),
            Note::Forward(Trouble::CutOff { to: hub, cause: cause() }),
            Note::Forward(Trouble::Repeats { to: hub }),
            Note::Forward(Trouble::Loop { to: hub }),
            Note::NoCopy { said: "hi".into(), may_be_raw: true },
            Note::NotKept { error: "disk full".into() },
            Note::Secure { fingerprint: "ab12".into(), is_first: true },
            Note::Secure { fingerprint: "ab12".into(), is_first: false },
            Note::NotSecure { error: "silent".into() },
            Note::Delivery(Delivery::Waits),
            Note::Delivery(Delivery::Back { elsewhere: None }),
            Note::Delivery(Delivery::Back { elsewhere: Some(([127, 0, 0, 1], 9999).into()) }),
            Note::Delivery(Delivery::KeepsNothing),
            Note::Delivery(Delivery::Stored { text: "hi".into(), is_kept: false }),
            Note::Delivery(Delivery::NotTheHub),
            Note::Delivery(Delivery::DiskFailed),
            Note::Delivery(Delivery::Stored { text: "hi".into(), is_kept: true }),
            Note::Delivery(Delivery::LeftWaiting(1)),
            Note::Delivery(Delivery::LeftWaiting(2)),
            Note::Delivery(Delivery::Refused {
                text: None,
                why: Refused { why: Some(Reason::Password), text: String::new() },
            }),
        ];
        notes.extend(Gone::ALL.map(Note::Gone));
        for note in notes {
            let [english, chinese] = Language::ALL.map(|language| note.words(hub, language));
            assert!(!english.is_empty() && english != chinese, "{note:?}");
            assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{chinese}");
        }
    }
}
