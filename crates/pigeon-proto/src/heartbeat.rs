//! The heartbeat, and a hub's answer to a padded one.
//!
//! ```text
//!   a member                                              the hub
//!     │ ── ^hb^ ─────────────────────────────────────────▶ │  no answer
//!     │ ── ^hb^ and spaces, 64 bytes or more ────────────▶ │
//!     │ ◀─ ^hb^ pigeon/1 3 0 chat 狗哥 lobby 17 0 ──────── │  never longer than the request
//! ```

use std::fmt::Display;
use std::io::Write;

use crate::format::Format;
use crate::name::{Name, RoomName};
use crate::words::{NONE, Words, maybe};

/// A heartbeat without padding. It keeps the sender a member, and gets no answer.
pub const PLAIN: &[u8] = b"^hb^";

/// The least length of a heartbeat that gets an answer.
pub const ANSWERED_FROM: usize = 64;

/// The length of padded heartbeats from `pigeon join`: every word of an answer fits.
pub const PADDED_TO: usize = 336;

/// A heartbeat with space for every word of the answer. A server that trims its input sees a plain
/// one.
pub const PADDED: &[u8; PADDED_TO] = &{
    let mut padded = [b' '; PADDED_TO];
    let mut at = 0;
    while at < PLAIN.len() {
        padded[at] = PLAIN[at];
        at += 1;
    }
    padded
};

/// The protocol and its version in answers.
const VERSION: &str = "pigeon/1";

/// The hub's view of the member that sent the heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct You {
    /// The member's name.
    pub name: Option<Name>,
    /// The member's room. `None` until it has sent the password.
    pub room: Option<RoomName>,
}

/// The optional words of an answer, borrowed because a hub answers many heartbeats a second.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// See [`Answer::format`].
    pub format: Option<Format>,
    /// The member's name and room.
    pub you: Option<(Option<&'a Name>, Option<&'a RoomName>)>,
    /// See [`Answer::version`].
    pub version: Option<u64>,
    /// See [`Answer::last`].
    pub last: Option<u64>,
}

/// Appends the answer to a heartbeat of `most` bytes, with as many words as fit. Allocates nothing
/// besides.
pub fn write_answer(
    members: u64,
    secure_port: Option<u16>,
    details: Details<'_>,
    most: usize,
    out: &mut Vec<u8>,
) {
    let (start, port) = (out.len(), secure_port.unwrap_or(0));
    let mut end = start;
    // Returns false to end the answer: the word is missing, or does not fit. Writing to a vector
    // cannot fail.
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

/// A hub's answer: `^hb^ pigeon/1 MEMBERS SECUREPORT FORMAT NAME ROOM VERSION LAST`.
///
/// The answer ends before the first word that does not fit, so later fields may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The hub's number of members, including this one.
    pub members: u64,
    /// The port of encrypted links; `None` if the hub has none.
    pub secure_port: Option<u16>,
    /// The message format at this listening address.
    pub format: Option<Format>,
    /// The member's name and room, if both words fit.
    pub you: Option<You>,
    /// The version of the room's member list. It increases with every change.
    pub version: Option<u64>,
    /// The room's newest stored position; 0 if nothing is stored.
    pub last: Option<u64>,
}

impl Answer {
    /// Appends the answer to a heartbeat of `most` bytes, with as many words as fit.
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

    /// Parses an answer. `None` for anything else, or another version.
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

    /// Parses the optional words, up to the first missing one.
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
