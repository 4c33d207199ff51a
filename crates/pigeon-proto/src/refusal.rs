//! Refusals: what was not done, and why: `^hb^ refused COMMAND|say|member REASON [DETAIL]`.

use std::fmt;

use pigeon_text::escape;

use crate::command::Verb;
use crate::name::{Name, NameError};
use crate::words::{Words, or_none};

/// A user's text on one line: escaped, with single spaces, and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail(Box<str>);

/// The longest detail, in characters.
const MAX_DETAIL: usize = 64;

impl Detail {
    /// Makes a detail from any bytes.
    pub fn of(bytes: &[u8]) -> Detail {
        // A character has at most four bytes, and the rest need not be escaped.
        let head = bytes.get(..4 * MAX_DETAIL).unwrap_or(bytes);
        let shown = escape(head).to_string();
        let words: Vec<&str> = shown.split_whitespace().collect();
        let mut cut: String = words.join(" ").chars().take(MAX_DETAIL).collect();
        // The cut may separate a joiner from its emoji, which would then be escaped.
        while cut.ends_with(' ') || escape(&cut).to_string() != cut {
            cut.pop();
        }
        Detail(cut.into())
    }

    /// The detail as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Sending a message to the room.
    Say,
    /// Becoming or staying a member.
    Member,
    /// A command.
    Command(Verb),
    /// An unknown command.
    Unknown,
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Subject::Say => "say",
            Subject::Member => "member",
            Subject::Command(verb) => verb.word(),
            Subject::Unknown => "command",
        }
    }

    fn parse(word: &str) -> Option<Subject> {
        Some(match word {
            "say" => Subject::Say,
            "member" => Subject::Member,
            "command" => Subject::Unknown,
            word => Subject::Command(Verb::parse(word)?),
        })
    }
}

/// The reason for a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A missing or invalid argument.
    Usage,
    /// The text is not a valid name.
    Name(NameError),
    /// A member or the hub has this name, or a confusable one.
    InUse(Name),
    /// The name, or a confusable one, is reserved for its last holder for a while.
    Kept(Name),
    /// The command does not exist.
    Unknown(Detail),
    /// No member has this name.
    Nobody(Detail),
    /// The encoding does not exist.
    NoEncoding(Detail),
    /// The encoding does not contain ASCII, so commands would be unreadable.
    NotAscii(Detail),
    /// The room already uses as many encodings as it may.
    TooManyEncodings,
    /// The hub requires its password first.
    Password,
    /// The password is wrong.
    WrongPassword,
    /// Too many wrong passwords were tried recently.
    Guesses,
    /// The word is not a resume token of this hub.
    NotAWord,
    /// The resume token has expired.
    Expired,
    /// The name has a new holder.
    Taken(Name),
    /// The member exceeds its rate. `None` is no limit.
    Rate {
        /// The limit in messages per second.
        messages: Option<u64>,
        /// The limit in bytes per second.
        bytes: Option<u64>,
    },
    /// All members together exceed the hub's rate.
    HubRate,
    /// The hub spends as much work on the sender's address as it may while others wait.
    Work,
    /// The sender was found to answer automatically: it may send one message a second for a minute.
    AnswersByItself,
    /// The text is too long.
    TooLong {
        /// The text's length in bytes.
        length: u64,
        /// The limit in bytes.
        most: u64,
    },
    /// The text does not fit a datagram after escaping and with the name in front.
    Wrapped,
    /// The hub's send queue is full.
    Overloaded,
    /// The hub has its maximum of members.
    HubFull,
    /// The room has its maximum of members.
    RoomFull,
    /// The hub has its maximum of rooms.
    TooManyRooms,
    /// The room carries raw data and the member reads lines, or the reverse, also for a private
    /// message.
    RawRoom,
    /// Members use as many of the hub's addresses as it can distinguish.
    TooManyAddresses,
    /// The sender's address has its maximum of members.
    AddressFull,
    /// The sender's network is banned. Plain datagrams from there get no answer at all.
    Banned,
    /// The operator removed the sender less than ten minutes ago.
    Kicked,
    /// This hub stores no history.
    NoHistory,
    /// The member has received its maximum of history for now.
    Wait {
        /// Seconds until it may request more.
        seconds: u64,
    },
    /// The operator has muted the member.
    Muted,
    /// The room is in slow mode.
    Slow {
        /// Seconds between two messages of one member.
        seconds: u64,
    },
    /// There are no earlier messages, or none that match.
    NothingSaid,
    /// The hub's disk is full or fails, so the message was not stored.
    NotStored,
    /// The message may have been stored and deleted since. It cannot be stored under its number.
    Deleted,
}

/// A refused request and the reason. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request.
    pub what: Subject,
    /// The reason.
    pub why: Reason,
}

impl Refusal {
    /// A refusal.
    pub fn new(what: Subject, why: Reason) -> Refusal {
        Refusal { what, why }
    }

    /// The fields of the control line.
    pub(crate) fn fields(&self) -> String {
        let (word, detail) = self.why.fields();
        let what = self.what.word();
        match detail.is_empty() {
            true => format!("{what} {word}"),
            false => format!("{what} {word} {detail}"),
        }
    }

    pub(crate) fn parse(words: &mut Words<'_>) -> Option<Refusal> {
        Some(Refusal { what: Subject::parse(words.word()?)?, why: Reason::parse(words)? })
    }
}

impl Reason {
    /// The word of a reason, and its detail.
    pub(crate) fn fields(&self) -> (&'static str, String) {
        let word = |word| (word, String::new());
        let point = |c: &char| format!("U+{:04X}", u32::from(*c));
        match self {
            Reason::Usage => word("usage"),
            Reason::Name(NameError::Empty) => word("name-empty"),
            Reason::Name(NameError::TooLong) => word("name-too-long"),
            Reason::Name(NameError::Reserved(c)) => ("name-reserved", point(c)),
            Reason::Name(NameError::Begins(c)) => ("name-begins", point(c)),
            Reason::Name(NameError::Unprintable) => word("name-unprintable"),
            Reason::Name(NameError::Invisible(c)) => ("name-invisible", point(c)),
            Reason::Name(NameError::Address) => word("name-address"),
            Reason::Name(NameError::Dash) => word("name-dash"),
            Reason::InUse(holder) => ("in-use", holder.to_string()),
            Reason::Kept(holder) => ("kept", holder.to_string()),
            Reason::Unknown(detail) => ("unknown", detail.to_string()),
            Reason::Nobody(detail) => ("nobody", detail.to_string()),
            Reason::NoEncoding(detail) => ("no-encoding", detail.to_string()),
            Reason::NotAscii(detail) => ("not-ascii", detail.to_string()),
            Reason::TooManyEncodings => word("encodings"),
            Reason::Password => word("password"),
            Reason::WrongPassword => word("wrong-password"),
            Reason::Guesses => word("guesses"),
            Reason::NotAWord => word("not-a-word"),
            Reason::Expired => word("expired"),
            Reason::Taken(name) => ("taken", name.to_string()),
            Reason::Rate { messages, bytes } => {
                ("rate", format!("{} {}", or_none(*messages), or_none(*bytes)))
            }
            Reason::HubRate => word("hub-rate"),
            Reason::Work => word("work"),
            Reason::AnswersByItself => word("answers-by-itself"),
            Reason::TooLong { length, most } => ("too-long", format!("{length} {most}")),
            Reason::Wrapped => word("wrapped"),
            Reason::Overloaded => word("overloaded"),
            Reason::HubFull => word("hub-full"),
            Reason::RoomFull => word("room-full"),
            Reason::TooManyRooms => word("rooms"),
            Reason::RawRoom => word("raw-room"),
            Reason::TooManyAddresses => word("addresses"),
            Reason::AddressFull => word("address-full"),
            Reason::Banned => word("banned"),
            Reason::Kicked => word("kicked"),
            Reason::NoHistory => word("no-history"),
            Reason::Wait { seconds } => ("wait", seconds.to_string()),
            Reason::Muted => word("muted"),
            Reason::Slow { seconds } => ("slow", seconds.to_string()),
            Reason::NothingSaid => word("nothing-said"),
            Reason::NotStored => word("not-stored"),
            Reason::Deleted => word("deleted"),
        }
    }

    pub(crate) fn parse(words: &mut Words<'_>) -> Option<Reason> {
        fn limit(words: &mut Words<'_>) -> Option<Option<u64>> {
            crate::words::maybe(words.word()?, |word| Words::of(word).number())
        }
        let point = |words: &mut Words<'_>| {
            let digits = words.word()?.strip_prefix("U+")?;
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        };
        let detail = |words: &mut Words<'_>| Detail::of(words.rest().as_bytes());
        Some(match words.word()? {
            "usage" => Reason::Usage,
            "name-empty" => Reason::Name(NameError::Empty),
            "name-too-long" => Reason::Name(NameError::TooLong),
            "name-reserved" => Reason::Name(NameError::Reserved(point(words)?)),
            "name-begins" => Reason::Name(NameError::Begins(point(words)?)),
            "name-unprintable" => Reason::Name(NameError::Unprintable),
            "name-invisible" => Reason::Name(NameError::Invisible(point(words)?)),
            "name-address" => Reason::Name(NameError::Address),
            "name-dash" => Reason::Name(NameError::Dash),
            "in-use" => Reason::InUse(Name::parse(words.word()?.as_bytes()).ok()?),
            "kept" => Reason::Kept(Name::parse(words.word()?.as_bytes()).ok()?),
            "unknown" => Reason::Unknown(detail(words)),
            "nobody" => Reason::Nobody(detail(words)),
            "no-encoding" => Reason::NoEncoding(detail(words)),
            "not-ascii" => Reason::NotAscii(detail(words)),
            "encodings" => Reason::TooManyEncodings,
            "password" => Reason::Password,
            "wrong-password" => Reason::WrongPassword,
            "guesses" => Reason::Guesses,
            "not-a-word" => Reason::NotAWord,
            "expired" => Reason::Expired,
            "taken" => Reason::Taken(Name::parse(words.word()?.as_bytes()).ok()?),
            "rate" => Reason::Rate { messages: limit(words)?, bytes: limit(words)? },
            "hub-rate" => Reason::HubRate,
            "work" => Reason::Work,
            "answers-by-itself" => Reason::AnswersByItself,
            "too-long" => Reason::TooLong { length: words.number()?, most: words.number()? },
            "wrapped" => Reason::Wrapped,
            "overloaded" => Reason::Overloaded,
            "hub-full" => Reason::HubFull,
            "room-full" => Reason::RoomFull,
            "rooms" => Reason::TooManyRooms,
            "raw-room" => Reason::RawRoom,
            "addresses" => Reason::TooManyAddresses,
            "address-full" => Reason::AddressFull,
            "banned" => Reason::Banned,
            "kicked" => Reason::Kicked,
            "no-history" => Reason::NoHistory,
            "wait" => Reason::Wait { seconds: words.number()? },
            "muted" => Reason::Muted,
            "slow" => Reason::Slow { seconds: words.number()? },
            "nothing-said" => Reason::NothingSaid,
            "not-stored" => Reason::NotStored,
            "deleted" => Reason::Deleted,
            _ => return None,
        })
    }
}
