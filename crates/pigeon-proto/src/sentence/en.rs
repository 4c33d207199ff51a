//! English sentences.

use pigeon_text::Charset;

use super::{Marks, Sentences, list, named_by_link};
use crate::command::Verb;
use crate::language::Language;
use crate::name::{MAX_NAME_CHARS, NameError};
use crate::notice::{Change, Gone, LinkKind, Notice, Roster, Setting};
use crate::refusal::{Reason, Refusal, Subject};

pub(super) struct English;

const HELP: &str = "/nick NAME · /who · /join ROOM · /leave (back to the lobby) · /rooms · \
                    /msg NAME TEXT (to one member) · /encoding LABEL · /language en|zh · \
                    /quiet on|off (notices) · /resume WORD · /pass SECRET · /history N · /search WORDS · quit · //… says a text \
                    that begins with / · anything else goes to the room";

impl Sentences for English {
    const MARKS: Marks = Marks { names: ", ", becomes: " is now ", parts: "; " };

    fn notice(&self, notice: &Notice) -> String {
        match notice {
            Notice::Name { name: Some(name), room, word: Some(word) } => format!(
                "you are {name}, in {room}; /resume {word} takes the name back from another address"
            ),
            Notice::Name { name: Some(name), room, word: None } => {
                format!("you are {name}, in {room}")
            }
            Notice::Name { name: None, room, .. } => {
                format!("you are in {room}, without a name; /nick NAME gives you one")
            }
            Notice::Roster(roster) => self.roster(roster),
            Notice::Rooms { from, total, rooms } => {
                let names: Vec<String> =
                    rooms.iter().map(|(name, count)| format!("{name} ({count})")).collect();
                let more = u64::from(*total).saturating_sub(u64::from(*from) + names.len() as u64);
                format!("{}: {}", count(u64::from(*total), "room"), list(self, &names, more))
            }
            Notice::Set(Setting::Encoding(Charset::Auto)) => {
                "the hub reads UTF-8 or GB18030 from you and writes what you used last".to_string()
            }
            Notice::Set(Setting::Encoding(charset)) => format!("you read and write {charset}"),
            Notice::NotUtf8 => "what you send is not UTF-8, so others see \\xNN in it; /encoding \
                                gbk (or another label) says what you write"
                .to_string(),
            Notice::Set(Setting::Language(Language::English)) => {
                "the hub speaks English to you".to_string()
            }
            Notice::Set(Setting::Language(Language::Chinese)) => {
                "the hub speaks Chinese to you".to_string()
            }
            Notice::Set(Setting::Quiet(true)) => "you get no notices".to_string(),
            Notice::Set(Setting::Quiet(false)) => "you get notices".to_string(),
            Notice::MsgFrom { name, text } => format!("{name} (to you): {}", text.as_str()),
            Notice::MsgTo { name, text } => format!("you (to {name}): {}", text.as_str()),
            Notice::Said { link, name, text, .. } => {
                format!("{name} ({}): {}", link_name(*link), text.as_str())
            }
            Notice::Set(Setting::Cluster(true)) => {
                "the other hubs can be reached again".to_string()
            }
            Notice::Set(Setting::Cluster(false)) => {
                "the other hubs cannot be reached: only people at this hub hear you now".to_string()
            }
            Notice::Set(Setting::History(true)) => "what is said is kept again".to_string(),
            Notice::Set(Setting::History(false)) => {
                "what is said now is not kept: the hub cannot write its history".to_string()
            }
            Notice::Missing { count: 1, .. } => "a message of this time was not kept".to_string(),
            Notice::Missing { count, .. } => {
                format!("{count} messages of this time were not kept")
            }
            Notice::Earlier { position } => {
                format!("/history 20 {position} shows what was said before this")
            }
            Notice::Gone(Gone::Kicked) => {
                "you were removed by the operator, for ten minutes".to_string()
            }
            Notice::Gone(Gone::Banned) => "you were banned by the operator".to_string(),
            Notice::Gone(Gone::Moved) => {
                "your name was taken back from another address".to_string()
            }
            Notice::Gone(Gone::TimedOut) => {
                "you were silent for too long and are not a member any \
                                             more; whatever you send makes you one again"
                    .to_string()
            }
            Notice::Gone(Gone::Stopped) => "Bye!".to_string(),
            Notice::Help => HELP.to_string(),
            Notice::Probe(nonce) => format!("a question to programs: {nonce}"),
            Notice::Probed(nonce) => format!("a program's answer: {nonce}"),
            // `notice_in` handles these two.
            Notice::Refused(_) | Notice::News(_) => String::new(),
        }
    }

    fn refusal(&self, refusal: &Refusal) -> String {
        let why = self.reason(refusal);
        match refusal.what {
            Subject::Say => format!("not sent: {why}"),
            Subject::Member | Subject::Unknown | Subject::Command(_) => why,
        }
    }

    fn name_error(&self, error: NameError) -> String {
        match error {
            NameError::Empty => "a name has at least one character".to_string(),
            NameError::TooLong => format!("a name has at most {MAX_NAME_CHARS} characters"),
            NameError::Reserved(c) if c.is_whitespace() => "a name is one word".to_string(),
            NameError::Reserved(c) => format!("a name must not contain '{c}'"),
            NameError::Begins(c) => format!("a name must not begin with '{c}'"),
            NameError::Unprintable => "it holds characters that do not display".to_string(),
            NameError::Invisible(c) => {
                format!("it holds U+{:04X}, a character that nobody sees", u32::from(c))
            }
            NameError::Address => "it looks like an address".to_string(),
            NameError::Dash => "'-' alone is not a name".to_string(),
        }
    }

    fn news(&self, change: Change, who: &str) -> String {
        match change {
            Change::Joined => format!("{who} joined"),
            Change::Left => format!("{who} left"),
            Change::TimedOut => format!("{who} timed out"),
            Change::Kicked => format!("{who} removed by the operator"),
            Change::Banned => format!("{who} banned by the operator"),
            Change::Moved => format!("{who} moved to another address"),
            Change::Renamed => who.to_string(),
            Change::Other => format!("{who} came or went"),
        }
    }

    fn left_out(&self) -> &'static str {
        "* a message was left out: too long for a datagram in your encoding\n"
    }

    fn more(&self, names: &str, more: u64) -> String {
        match names {
            "" => format!("{more} more"),
            names => format!("{names} and {more} more"),
        }
    }
}

impl English {
    fn roster(&self, roster: &Roster) -> String {
        let Roster { room, people, senders, from, names, .. } = roster;
        let (people, senders) = (u64::from(*people), u64::from(*senders));
        let here = match (people, senders) {
            (1, 0) => "1 person".to_string(),
            (people, 0) => format!("{people} people"),
            (0, senders) => count(senders, "sender"),
            (1, senders) => format!("1 person, {}", count(senders, "sender")),
            (people, senders) => format!("{people} people, {}", count(senders, "sender")),
        };
        let listed = u64::from(*from) + names.len() as u64;
        let names: Vec<String> = roster.members().map(named_by_link).collect();
        let more = (people + senders).saturating_sub(listed);
        format!("{here} in {room}: {}", list(self, &names, more))
    }

    fn reason(&self, refusal: &Refusal) -> String {
        let what = refusal.what;
        match &refusal.why {
            Reason::Usage => usage(what).to_string(),
            Reason::Name(error) if what == Subject::Command(Verb::Join) => {
                format!("that is not a room's name: {}", self.name_error(*error))
            }
            Reason::Name(error) => format!("you keep your name: {}", self.name_error(*error)),
            Reason::InUse(holder) => format!(
                "you keep your name: {holder} is in use, and that one is the same or looks like it"
            ),
            Reason::Kept(holder) => format!(
                "you keep your name: {holder} is kept for who had it last, for ten minutes at most; if \
                 that is you, /resume WORD takes it back"
            ),
            Reason::Unknown(word) => format!(
                "there is no /{word}; /help lists the commands, and // begins a text with /"
            ),
            Reason::Nobody(name) => format!("nobody here is called {name}; /who lists who is here"),
            Reason::NoEncoding(label) => format!(
                "you keep your encoding: {label} is not an encoding's label; there are utf-8, \
                 gb2312, gbk, gb18030, big5, shift_jis, euc-kr, latin1 and others"
            ),
            Reason::NotAscii(label) => {
                format!("you keep your encoding: {label} does not contain ASCII")
            }
            Reason::TooManyEncodings => {
                "too many encodings are read in this room; /encoding utf-8 always works".to_string()
            }
            Reason::Password if what == Subject::Member => {
                "this hub asks for a password: /pass SECRET".to_string()
            }
            Reason::Password => "first /pass SECRET".to_string(),
            Reason::WrongPassword => "that is not the password".to_string(),
            Reason::Guesses => "too many wrong passwords lately; try again in a minute".to_string(),
            Reason::NotAWord => {
                "that is not a resume word of this hub; /nick NAME asks for a name".to_string()
            }
            Reason::Expired => {
                "that word takes nothing back any more; /nick NAME asks for a name".to_string()
            }
            Reason::Taken(name) => {
                format!("{name} belongs to somebody else by now; /nick NAME asks for a name")
            }
            Reason::Rate { messages, bytes } => {
                format!("more than {} a second", rate(*messages, *bytes))
            }
            Reason::HubRate => "all together say more than the hub relays".to_string(),
            Reason::Work => "what your address sends keeps the hub too busy".to_string(),
            Reason::AnswersByItself => {
                "this address answers by itself; one message a second for a minute".to_string()
            }
            Reason::TooLong { length, most } => format!("{length} bytes of text, at most {most}"),
            Reason::Wrapped => "too long for a datagram once it is wrapped".to_string(),
            Reason::Overloaded => "the hub is overloaded".to_string(),
            Reason::HubFull => "the hub is full".to_string(),
            Reason::RoomFull if what == Subject::Member => "the lobby is full".to_string(),
            Reason::RoomFull => "you stay where you are: that room is full".to_string(),
            Reason::TooManyRooms => {
                "you stay where you are: there are too many rooms to make another".to_string()
            }
            Reason::RawRoom if what == Subject::Command(Verb::Msg) => {
                "not sent: that member receives raw data and nothing else".to_string()
            }
            Reason::RawRoom => "you stay where you are: that room carries raw data".to_string(),
            Reason::TooManyAddresses => {
                "too many of the hub's addresses are in use; speak to another".to_string()
            }
            Reason::AddressFull => "too many members from your address".to_string(),
            Reason::Banned => "the operator has banned your network".to_string(),
            Reason::Kicked => {
                "the operator removed you; you may come back after ten minutes".to_string()
            }
            Reason::NoHistory => "this hub keeps no history".to_string(),
            Reason::Wait { seconds } => {
                format!("you have had much history just now; ask again in {seconds} s")
            }
            Reason::Muted => "the operator has muted you".to_string(),
            Reason::Slow { seconds } => {
                format!("this room takes one message of each member in {seconds} s")
            }
            Reason::NothingSaid if what == Subject::Command(Verb::Search) => {
                "no message in this room contains that".to_string()
            }
            Reason::NothingSaid => "nothing was said in this room before that".to_string(),
            Reason::NotStored => {
                "the hub could not store it: its disk is full or fails; it is not relayed either"
                    .to_string()
            }
            Reason::Deleted => {
                "it may have been stored earlier and deleted since; it is not said again"
                    .to_string()
            }
        }
    }
}

fn usage(what: Subject) -> &'static str {
    let Subject::Command(verb) = what else { return "that is incomplete" };
    match verb {
        Verb::Nick => "/nick NAME",
        Verb::Resume => "/resume WORD, with the word that came with the name",
        Verb::Pass => "/pass SECRET",
        Verb::Join => "/join ROOM; /rooms lists them",
        Verb::Leave => "/leave",
        Verb::Who => "/who, or /who FROM with a number",
        Verb::Rooms => "/rooms, or /rooms FROM with a number",
        Verb::Msg => "/msg NAME TEXT",
        Verb::History => "/history, or /history N",
        Verb::Search => "/search WORDS",
        Verb::Encoding => "/encoding LABEL, such as /encoding gbk, or /encoding auto",
        Verb::Language => "/language en or /language zh",
        Verb::Quiet => "/quiet on or /quiet off",
        Verb::Help => "/help",
    }
}

fn rate(messages: Option<u64>, bytes: Option<u64>) -> String {
    match (messages, bytes) {
        (Some(messages), Some(bytes)) => format!("{messages} messages or {bytes} bytes"),
        (Some(messages), None) => format!("{messages} messages"),
        (None, bytes) => format!("{} bytes", bytes.unwrap_or_default()),
    }
}

pub(super) fn link_name(link: LinkKind) -> &'static str {
    match link {
        LinkKind::Key => "key",
        LinkKind::Plain => "plain",
        LinkKind::Page => "page",
        LinkKind::PageHttp => "page, http",
        LinkKind::IpMessenger => "ipmsg",
        LinkKind::Import => "import",
    }
}

/// `1 member`, `2 members`.
fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
