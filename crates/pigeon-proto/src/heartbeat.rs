//! The heartbeat, and what a hub answers to a padded one.
//!
//! ```text
//!   a member                                              the hub
//!     │ ── ^hb^ ─────────────────────────────────────────▶ │  no answer
//!     │ ── ^hb^ and spaces, 64 bytes or more ────────────▶ │
//!     │ ◀─ ^hb^ pigeon/1 3 0 chat 狗哥 lobby 17 0 ──────── │  never longer than the question
//! ```

use std::fmt::Display;
use std::io::Write;

use crate::format::Format;
use crate::name::{Name, RoomName};
use crate::words::{NONE, Words, maybe};

/// A heartbeat as any program sends it. It keeps the sender a member, and is not answered.
pub const PLAIN: &[u8] = b"^hb^";

/// A heartbeat of at least this many bytes is answered.
pub const ANSWERED_FROM: usize = 64;

/// The length to which `pigeon join` pads: every word of an answer fits.
pub const PADDED_TO: usize = 336;

/// A heartbeat that every word of the answer fits into. A server that trims what it receives sees a
/// plain one.
pub const PADDED: &[u8; PADDED_TO] = &{
    let mut padded = [b' '; PADDED_TO];
    let mut at = 0;
    while at < PLAIN.len() {
        padded[at] = PLAIN[at];
        at += 1;
    }
    padded
};

/// The protocol and its version, in answers.
const VERSION: &str = "pigeon/1";

/// How a hub sees the member that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct You {
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Its room. `None` until it has given the password.
    pub room: Option<RoomName>,
}

/// The words of an answer that may be missing, borrowed: a hub answers many heartbeats a second.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// As [`Answer::format`].
    pub format: Option<Format>,
    /// The member's name and room.
    pub you: Option<(Option<&'a Name>, Option<&'a RoomName>)>,
    /// As [`Answer::version`].
    pub version: Option<u64>,
    /// As [`Answer::last`].
    pub last: Option<u64>,
}

/// Appends the answer to a heartbeat of `most` bytes, as many words as fit, and allocates nothing
/// but the bytes.
pub fn write_answer(
    members: u64,
    secure_port: Option<u16>,
    details: Details<'_>,
    most: usize,
    out: &mut Vec<u8>,
) {
    let (start, port) = (out.len(), secure_port.unwrap_or(0));
    let mut end = start;
    // False ends the answer: the word is missing, or does not fit. Writing to a vector cannot fail.
    let mut word = |out: &mut Vec<u8>, word: Option<&dyn Display>| {
        let Some(word) = word else { return false };
        let space = if end > start { " " } else { "" };
        let _ = write!(out, "{space}{word}");
        if out.len() - start > most {
            out.truncate(end);
            return false;
        }
        end = out.len();
        true
    };
    fn some<T: Display>(field: &Option<T>) -> Option<&dyn Display> {
        field.as_ref().map(|field| field as &dyn Display)
    }
    let Details { format, you, version, last } = details;
    let name = you.map(|(name, _)| name.map_or(NONE, Name::as_str));
    let room = you.map(|(_, room)| room.map_or(NONE, RoomName::as_str));
    let _ = word(out, Some(&format_args!("^hb^ {VERSION} {members} {port}")))
        && word(out, some(&format))
        && word(out, some(&name))
        && word(out, some(&room))
        && word(out, some(&version))
        && word(out, some(&last));
}

/// What a hub answers:
/// `^hb^ pigeon/1 MEMBERS SECUREPORT FORMAT NAME ROOM VERSION LAST`.
///
/// The answer ends before the first word that does not fit, so later fields may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many members the hub has, the asking one included.
    pub members: u64,
    /// The port of the hub's encrypted side; `None` if it has none.
    pub secure_port: Option<u16>,
    /// How this door writes messages.
    pub format: Option<Format>,
    /// The member's name and room, where both words fit.
    pub you: Option<You>,
    /// The version of the room's roster. It grows with every change of who is in the room.
    pub version: Option<u64>,
    /// The room's newest stored position; 0 where nothing is stored.
    pub last: Option<u64>,
}

impl Answer {
    /// Appends the answer to a heartbeat of `most` bytes: as many words as fit.
    pub fn write(&self, most: usize, out: &mut Vec<u8>) {
        let you = self.you.as_ref();
        let words = Details {
            format: self.format,
            you: you.map(|you| (you.name.as_ref(), you.room.as_ref())),
            version: self.version,
            last: self.last,
        };
        write_answer(self.members, self.secure_port, words, most, out);
    }

    /// Reads an answer. `None` if it is something else, or of another version.
    pub fn parse(payload: &[u8]) -> Option<Answer> {
        let text = std::str::from_utf8(payload).ok()?.trim_ascii_end();
        let mut words = Words::of(text.strip_prefix(crate::words::PREFIX)?);
        if words.word()? != VERSION {
            return None;
        }
        let (members, port) = (words.number()?, words.number::<u16>()?);
        let secure_port = (port != 0).then_some(port);
        let mut answer =
            Answer { members, secure_port, format: None, you: None, version: None, last: None };
        answer.read_details(&mut words);
        Some(answer)
    }

    /// Reads the words that may be missing, up to the first that is.
    fn read_details(&mut self, words: &mut Words<'_>) -> Option<()> {
        self.format = Some(Format::parse(words.word()?)?);
        let name = maybe(words.word()?, |word| Name::parse(word.as_bytes()).ok())?;
        let room = maybe(words.word()?, |word| RoomName::parse(word.as_bytes()).ok())?;
        self.you = Some(You { name, room });
        self.version = Some(words.number()?);
        self.last = Some(words.number()?);
        Some(())
    }
}
