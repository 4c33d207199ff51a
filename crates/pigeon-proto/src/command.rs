//! What a member may ask of a hub: `/nick NAME`, `/who` and the rest, as values.
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

/// The longest command in bytes, but for the text of `/msg`.
const MAX_COMMAND: usize = 1_024;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `/nick [NAME]`: takes a name, or asks which one it is.
    Nick,
    /// `/resume WORD`: takes a name back.
    Resume,
    /// `/pass SECRET`: gives the hub's password.
    Pass,
    /// `/join ROOM`: goes to a room.
    Join,
    /// `/leave`: goes back to the door's own room.
    Leave,
    /// `/who [FROM]`: lists the room's members, from the FROMth on.
    Who,
    /// `/rooms [FROM]`: lists the rooms.
    Rooms,
    /// `/msg NAME TEXT`: says something to one member.
    Msg,
    /// `/history [N [BEFORE]]`: asks for the last N messages, or for the last N before a position.
    History,
    /// `/search WORDS`: asks for the messages that contain the words.
    Search,
    /// `/encoding LABEL|auto`: chooses what the member reads and writes.
    Encoding,
    /// `/language zh|en`: chooses the language of the hub's sentences.
    Language,
    /// `/quiet on|off`: chooses whether notices come.
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

    /// The word behind the slash.
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

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// One word without white space, such as a resume word.
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

/// A password: bytes without white space at either end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// White space at the ends is left out. `None` if nothing else is left.
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
    /// A password is never written to a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The text of `/msg`, as the member wrote it: bytes without white space at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whisper<'a>(&'a [u8]);

impl<'a> Whisper<'a> {
    /// White space at the ends is left out. `None` if nothing else is left.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii();
        (!bytes.is_empty()).then_some(Whisper(bytes))
    }

    /// The bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// What `/search` looks for: text without white space at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// White space at the ends is left out. `None` if nothing else is left.
    pub fn new(text: &'a str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then_some(Query(text))
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// A command with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Takes a name; without one asks which it is.
    Nick(Option<Name>),
    /// Takes a name back with the word that came with it.
    Resume(Word<'a>),
    /// Gives the hub's password.
    Pass(Secret<'a>),
    /// Goes to a room.
    Join(RoomName),
    /// Goes back to the door's own room.
    Leave,
    /// Lists the room's members, the `from`th first. They count from 0.
    Who {
        /// How many to pass over.
        from: u32,
    },
    /// Lists the rooms, the `from`th first.
    Rooms {
        /// How many to pass over.
        from: u32,
    },
    /// Says something to one member.
    Msg {
        /// Its name or its `IP:PORT`.
        to: Word<'a>,
        /// What is said.
        text: Whisper<'a>,
    },
    /// Asks for what was said in the room before, the newest messages of it.
    History {
        /// How many messages. `None` leaves the number to the hub.
        count: Option<u16>,
        /// The position before which they stand. `None` is the end of the room.
        before: Option<u64>,
    },
    /// Asks for the room's messages that contain this.
    Search(Query<'a>),
    /// Reads and writes this encoding, which contains ASCII, or whichever the member uses.
    Encoding(Charset),
    /// Wants sentences in this language.
    Language(Language),
    /// Wants no notices, or wants them again.
    Quiet(bool),
    /// Asks which commands there are.
    Help,
}

impl<'a> Command<'a> {
    /// Reads a command, given what stands behind the slash.
    ///
    /// # Errors
    /// The refusal that its sender gets.
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
                // Nobody is called by bytes that are not UTF-8, or by so many that to look for them
                // would cost more than a message.
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

    /// Whether a command is refused for its length, whatever it says: so it need not be decoded.
    pub fn is_too_long(line: &[u8]) -> bool {
        line.len() > MAX_COMMAND && !line.starts_with(Verb::Msg.word().as_bytes())
    }

    /// Which command it is.
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

    /// Writes the datagram that asks for it.
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

    /// The datagram that asks for it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

fn one_word(bytes: &[u8]) -> Option<Word<'_>> {
    std::str::from_utf8(bytes).ok().and_then(Word::new)
}

/// How many entries of a list to pass over; 0 where nothing is said.
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
