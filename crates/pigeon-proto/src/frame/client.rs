//! Frames from clients.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::field::{self, said, text_of};
use super::{FrameError, parse, write};
use crate::{Language, Position, RoomName, Seen};

/// A frame from a client to its hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientFrame {
    /// The first frame: `{"type":"hello","version":1,"client":"pigeon 0.1.0"}`.
    Hello {
        /// The newest protocol version that the client supports.
        #[serde(with = "field::number")]
        version: u64,
        /// The client's program, for the hub's log.
        #[serde(default)]
        client: Box<str>,
    },
    /// The client's key: the answer to the challenge.
    Prove(Box<Prove>),
    /// The following messages are from this outbox. The hub answers with `expect`.
    Outbox {
        /// The outbox.
        #[serde(with = "field::outbox")]
        outbox: u64,
    },
    /// A message.
    Say(Say),
    /// A command such as `/who`.
    Command {
        /// The command, as a plain member writes it.
        line: Box<str>,
    },
    /// Subscribes to a room from a position on.
    Follow {
        /// The room.
        room: RoomName,
        /// The last message that the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Seen>,
        /// Without `after`: the number of newest messages to start with.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "field::maybe_number")]
        last: Option<u64>,
        /// The newest deletion that the client has carried out in this room: the `deletion` of a
        /// `reset`.
        #[serde(default, skip_serializing_if = "Position::is_start")]
        deletion: Position,
    },
    /// Unsubscribes from a room.
    Unfollow {
        /// The room.
        room: RoomName,
    },
    /// Requests earlier entries of a room. The hub answers with `entries`.
    Read {
        /// Identifies the answer.
        #[serde(with = "field::number")]
        id: u64,
        /// The room.
        room: RoomName,
        /// Only entries before this position.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Position>,
        /// Maximum number of entries.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "field::maybe_number")]
        limit: Option<u64>,
    },
    /// Requests the messages of a room that contain words. The hub answers with `entries`.
    Search {
        /// Identifies the answer.
        #[serde(with = "field::number")]
        id: u64,
        /// The room.
        room: RoomName,
        /// The words, all of which a message contains.
        words: Box<str>,
        /// Only messages before this position.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Position>,
        /// Maximum number of messages.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "field::maybe_number")]
        limit: Option<u64>,
    },
    /// Requests the member list of a room, and the rooms, now and after changes. Replaces an earlier
    /// request.
    Watch {
        /// The room.
        room: RoomName,
    },
    /// The client leaves.
    Quit {},
    /// An unknown type, which is ignored.
    #[serde(other)]
    Unknown,
}

/// A client's proof that it has its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prove {
    /// The public key: an uncompressed P-256 point.
    #[serde(with = "field::bytes")]
    pub key: [u8; 65],
    /// The signature of [`challenge_text`](super::challenge_text), as r and s.
    #[serde(with = "field::bytes")]
    pub signature: [u8; 64],
    /// The outbox that the client continues with.
    #[serde(with = "field::outbox")]
    pub outbox: u64,
    /// The requested name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// The resume token, which reclaims the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<Box<str>>,
    /// The requested room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The hub's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Box<str>>,
    /// The language of the hub's notices.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "field::language")]
    pub language: Option<Language>,
}

/// A message to the hub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SayFields")]
pub struct Say {
    /// The message's number in the outbox, starting at 1.
    pub number: u64,
    /// The number of the preceding message. The numbers between were refused permanently.
    pub after: u64,
    /// The room.
    pub room: RoomName,
    /// The payload.
    pub text: Box<[u8]>,
}

#[derive(Deserialize)]
struct SayFields {
    #[serde(with = "field::number")]
    number: u64,
    #[serde(default, with = "field::maybe_number")]
    after: Option<u64>,
    room: RoomName,
    text: Option<String>,
    base64: Option<String>,
}

impl ClientFrame {
    /// Parses a line. An unknown type becomes [`ClientFrame::Unknown`]. Fails if the line is not a
    /// valid frame.
    pub fn parse(line: &[u8]) -> Result<ClientFrame, FrameError> {
        parse(line)
    }

    /// Appends the frame and its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

impl std::fmt::Debug for Prove {
    /// Hides tokens and passwords from logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Prove { outbox, name, room, language, .. } = self;
        f.debug_struct("Prove")
            .field("outbox", outbox)
            .field("name", name)
            .field("room", room)
            .field("language", language)
            .finish_non_exhaustive()
    }
}

impl TryFrom<SayFields> for Say {
    type Error = &'static str;

    fn try_from(fields: SayFields) -> Result<Say, &'static str> {
        let SayFields { number, after, room, text, base64 } = fields;
        let before = number.checked_sub(1).ok_or("the first number is 1")?;
        let after = after.unwrap_or(before);
        if after > before {
            return Err("after must be less than number");
        }
        if number > field::LAST_SAID {
            return Err("no number follows this one in an outbox");
        }
        Ok(Say { number, after, room, text: text_of(text, base64)? })
    }
}

impl Serialize for Say {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let skips = self.after + 1 != self.number;
        let mut fields = serializer.serialize_struct("Say", 4)?;
        fields.serialize_field("number", &self.number)?;
        match skips {
            true => fields.serialize_field("after", &self.after)?,
            false => fields.skip_field("after")?,
        }
        fields.serialize_field("room", &self.room)?;
        let (field, text) = said(&self.text);
        fields.serialize_field(field, &text)?;
        fields.end()
    }
}
