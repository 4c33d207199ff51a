//! The commands of members: `/nick NAME`, `/who` and the rest, as values.
//!
//! ```text
//!   a member                          the hub
//!     │ ── /nick 狗哥 ───────────────▶ │  Command::parse → Command::Nick
//!     │ ◀── ^hb^ name 狗哥 lobby W ─── │  Notice::Name, or Notice::Refused with the reason
//! ```

use std::fmt;

use pigeon_text::Charset;

use crate::label::MAX_LABEL;
use crate::language::Language;
use crate::name::{Name, RoomName};
use crate::refusal::{Detail, Reason, Refusal, Subject};

/// The longest command in bytes, excluding the text of `/msg`.
const MAX_COMMAND: usize = 1_024;

/// A command's verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `/nick [NAME]`: sets the member's name, or shows it.
    Nick,
    /// `/resume WORD`: reclaims a name.
    Resume,
    /// `/pass SECRET`: gives the hub's password.
    Pass,
    /// `/join ROOM`: moves to a room.
    Join,
    /// `/leave`: returns to the first room of the member's listening address.
    Leave,
    /// `/who [FROM]`: lists the room's members, starting after FROM.
    Who,
    /// `/rooms [FROM]`: lists the rooms.
    Rooms,
    /// `/msg NAME TEXT`: sends a private message.
    Msg,
    /// `/history [N [BEFORE]]`: requests the last N messages, or the last N before a position.
    History,
    /// `/search WORDS`: requests the messages that contain the words.
    Search,
    /// `/encoding LABEL|auto`: sets the member's encoding.
    Encoding,
    /// `/language zh|en`: sets the language of the hub's notices.
    Language,
    /// `/quiet on|off`: turns notices off or on.
    Quiet,
    /// `/help`: lists the commands.
    Help,
}

impl Verb {
    /// Every command.
    pub const ALL: [Verb; 14] = [
        Verb::Nick,
        Verb::Resume,
        Verb::Pass,
        Verb::Join,
        Verb::Leave,
        Verb::Who,
        Verb::Rooms,
        Verb::Msg,
        Verb::History,
        Verb::Search,
        Verb::Encoding,
        Verb::Language,
        Verb::Quiet,
        Verb::Help,
    ];

    /// The word after the slash.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Nick => "nick",
            Verb::Resume => "resume",
            Verb::Pass => "pass",
            Verb::Join => "join",
            Verb::Leave => "leave",
            Verb::Who => "who",
            Verb::Rooms => "rooms",
            Verb::Msg => "msg",
            Verb::History => "history",
            Verb::Search => "search",
            Verb::Encoding => "encoding",
            Verb::Language => "language",
            Verb::Quiet => "quiet",
            Verb::Help => "help",
        }
    }

    /// The verb of a word; `None` if it is unknown.
    pub fn parse(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// One word without white space, such as a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a>(&'a str);

impl<'a> Word<'a> {
    /// `None` if it is empty or more than one word.
    pub fn new(text: &'a str) -> Option<Self> {
        (!text.is_empty() && !text.contains(char::is_whitespace)).then_some(Word(text))
    }

    /// The word as text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// A password: bytes without surrounding white space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Trims white space. `None` if nothing is left.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        (!bytes.is_empty()).then_some(Secret(bytes))
    }

    /// The bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Secret<'_> {
    /// Hides the password, which must never appear in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The text of `/msg` as the member wrote it: bytes without surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whisper<'a>(&'a [u8]);

impl<'a> Whisper<'a> {
    /// Trims white space. `None` if nothing is left.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        (!bytes.is_empty()).then_some(Whisper(bytes))
    }

    /// The bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// The words of `/search`: text without surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Trims white space. `None` if nothing is left.
    pub fn new(text: &'a str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then_some(Query(text))
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// A parsed command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Sets the name, or shows it.
    Nick(Option<Name>),
    /// Reclaims a name with its resume token.
    Resume(Word<'a>),
    /// Gives the hub's password.
    Pass(Secret<'a>),
    /// Moves to a room.
    Join(RoomName),
    /// Returns to the first room of the member's listening address.
    Leave,
    /// Lists the room's members.
    Who {
        /// How many to skip.
        from: u32,
    },
    /// Lists the rooms.
    Rooms {
        /// How many to skip.
        from: u32,
    },
    /// Sends a private message.
    Msg {
        /// The recipient's name or `IP:PORT`.
        to: Word<'a>,
        /// The message.
        text: Whisper<'a>,
    },
    /// Requests the newest earlier messages of the room.
    History {
        /// How many messages. `None` means the hub's default.
        count: Option<u16>,
        /// Only messages before this position. `None` means up to the newest.
        before: Option<u64>,
    },
    /// Requests the room's messages that match.
    Search(Query<'a>),
    /// Sets the member's encoding, which must contain ASCII, or detects it.
    Encoding(Charset),
    /// Sets the language of notices.
    Language(Language),
    /// Turns notices off (`true`) or on.
    Quiet(bool),
    /// Lists the commands.
    Help,
}

impl<'a> Command<'a> {
    /// Parses a command from the text after the slash. Fails with the refusal to send to the
    /// member.
    pub fn parse(line: &'a [u8]) -> Result<Command<'a>, Refusal> {
        let line = line.trim_ascii();
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let Some(verb) = std::str::from_utf8(word).ok().and_then(Verb::parse) else {
            return Err(Refusal::new(Subject::Unknown, Reason::Unknown(Detail::of(word))));
        };
        let refuse = |reason| Refusal::new(Subject::Command(verb), reason);
        if line.len() > MAX_COMMAND && verb != Verb::Msg {
            let (length, most) = (line.len() as u64, MAX_COMMAND as u64);
            return Err(refuse(Reason::TooLong { length, most }));
        }
        let usage = || refuse(Reason::Usage);
        Ok(match verb {
            Verb::Nick if rest.is_empty() => Command::Nick(None),
            Verb::Nick => {
                let name = Name::parse(rest).map_err(|error| refuse(Reason::Name(error)))?;
                Command::Nick(Some(name))
            }
            Verb::Resume => Command::Resume(one_word(rest).ok_or_else(usage)?),
            Verb::Pass => Command::Pass(Secret::new(rest).ok_or_else(usage)?),
            Verb::Join if rest.is_empty() => return Err(usage()),
            Verb::Join => {
                let room = RoomName::parse(rest).map_err(|error| refuse(Reason::Name(error)))?;
                Command::Join(room)
            }
            Verb::Leave => Command::Leave,
            Verb::Who => Command::Who { from: from(rest).ok_or_else(usage)? },
            Verb::Rooms => Command::Rooms { from: from(rest).ok_or_else(usage)? },
            Verb::Msg => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                let (to, text) = rest.split_at(end);
                let text = Whisper::new(text).ok_or_else(usage)?;
                // No label contains bytes that are not UTF-8. Longer text cannot be a label either,
                // and looking it up would cost more than a message.
                let to = Some(to)
                    .filter(|to| to.len() <= MAX_LABEL)
                    .and_then(one_word)
                    .ok_or_else(|| refuse(Reason::Nobody(Detail::of(to))))?;
                Command::Msg { to, text }
            }
            Verb::History => history(rest).ok_or_else(usage)?,
            Verb::Search => {
                let query = std::str::from_utf8(rest).ok().and_then(Query::new);
                Command::Search(query.ok_or_else(usage)?)
            }
            Verb::Encoding if rest.is_empty() => return Err(usage()),
            Verb::Encoding => {
                let label = String::from_utf8_lossy(rest);
                match Charset::for_label(&label) {
                    Ok(charset) if charset.is_ascii_compatible() => Command::Encoding(charset),
                    Ok(charset) => {
                        let name = Detail::of(charset.to_string().as_bytes());
                        return Err(refuse(Reason::NotAscii(name)));
                    }
                    Err(_) => return Err(refuse(Reason::NoEncoding(Detail::of(rest)))),
                }
            }
            Verb::Language => {
                let word = one_word(rest).and_then(|word| Language::parse(word.as_str()));
                Command::Language(word.ok_or_else(usage)?)
            }
            Verb::Quiet => match rest {
                b"on" => Command::Quiet(true),
                b"off" => Command::Quiet(false),
                _ => return Err(usage()),
            },
            Verb::Help => Command::Help,
        })
    }

    /// Whether a command exceeds the length limit, so that it need not be decoded.
    pub fn is_too_long(line: &[u8]) -> bool {
        line.len() > MAX_COMMAND && !line.starts_with(Verb::Msg.word().as_bytes())
    }

    /// The command's verb.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Nick(_) => Verb::Nick,
            Command::Resume(_) => Verb::Resume,
            Command::Pass(_) => Verb::Pass,
            Command::Join(_) => Verb::Join,
            Command::Leave => Verb::Leave,
            Command::Who { .. } => Verb::Who,
            Command::Rooms { .. } => Verb::Rooms,
            Command::Msg { .. } => Verb::Msg,
            Command::History { .. } => Verb::History,
            Command::Search(_) => Verb::Search,
            Command::Encoding(_) => Verb::Encoding,
            Command::Language(_) => Verb::Language,
            Command::Quiet(_) => Verb::Quiet,
            Command::Help => Verb::Help,
        }
    }

    /// Appends the datagram of this command.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'/');
        out.extend_from_slice(self.verb().word().as_bytes());
        let mut word = |text: &[u8]| {
            out.push(b' ');
            out.extend_from_slice(text);
        };
        match self {
            Command::Nick(Some(name)) => word(name.as_str().as_bytes()),
            Command::Resume(resume) => word(resume.as_str().as_bytes()),
            Command::Pass(secret) => word(secret.as_bytes()),
            Command::Join(room) => word(room.as_str().as_bytes()),
            Command::Who { from } | Command::Rooms { from } if *from > 0 => {
                word(from.to_string().as_bytes());
            }
            Command::Msg { to, text } => {
                word(to.as_str().as_bytes());
                word(text.as_bytes());
            }
            Command::History { count: Some(count), before } => {
                word(count.to_string().as_bytes());
                if let Some(before) = before {
                    word(before.to_string().as_bytes());
                }
            }
            Command::Search(query) => word(query.as_str().as_bytes()),
            Command::Encoding(charset) => word(charset.to_string().as_bytes()),
            Command::Language(language) => word(language.word().as_bytes()),
            Command::Quiet(on) => word(if *on { b"on" } else { b"off" }),
            Command::Nick(None)
            | Command::Leave
            | Command::Who { .. }
            | Command::Rooms { .. }
            | Command::History { count: None, .. }
            | Command::Help => {}
        }
    }

    /// The datagram of this command.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

fn one_word(bytes: &[u8]) -> Option<Word<'_>> {
    std::str::from_utf8(bytes).ok().and_then(Word::new)
}

/// How many entries of a list to skip; 0 by default.
fn from(rest: &[u8]) -> Option<u32> {
    match rest {
        [] => Some(0),
        digits if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// `[N [BEFORE]]`.
fn history<'a>(rest: &[u8]) -> Option<Command<'a>> {
    let mut words = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let count = words.next().map(str::parse).transpose().ok()?;
    let before = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then_some(Command::History { count, before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_by_more_than_a_label_holds() {
        let msg = |length: usize| [b"msg ", &vec![b'\x01'; length][..], b" x"].concat();
        for length in [1, MAX_LABEL] {
            assert!(matches!(Command::parse(&msg(length)), Ok(Command::Msg { .. })), "{length}");
        }
        for length in [MAX_LABEL + 1, 65_000] {
            let refusal = Command::parse(&msg(length)).unwrap_err();
            let Reason::Nobody(name) = refusal.why else { panic!("{refusal:?}") };
            assert_eq!(name.as_str().chars().count(), 64);
        }
    }
}
