//! Frames from hubs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::{self, said, text_of};
use super::{FrameError, parse, write};
use crate::words::Words;
use crate::{
    Entry, Gap, Identity, Language, LinkKind, Message, Name, Notice, Position, Reason, Refusal,
    RoomName, Seen, Subject, sentence,
};

/// A frame from a hub to its client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HubFrame {
    /// The bytes to sign: the answer to `hello`.
    Challenge {
        /// The protocol version of the hub.
        #[serde(with = "field::number")]
        version: u64,
        /// The hub's name.
        hub: Box<str>,
        /// A nonce, unique to this connection.
        nonce: Box<str>,
        /// The SHA-256 of the hub's public key, in hexadecimal.
        fingerprint: Box<str>,
    },
    /// The client is a member.
    Welcome {
        /// The client's author id.
        #[serde(with = "field::author")]
        author: u128,
        /// The client's name, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// The client's room.
        room: RoomName,
        /// Whether messages are stored. If not, they are only relayed.
        stores: bool,
        /// Maximum bytes of a message's text.
        #[serde(with = "field::number")]
        max_text: u64,
    },
    /// The number that the outbox continues with: the hub has stored the number before and nothing
    /// after. Sent for each outbox that the client names, and when a number is missing.
    Expect {
        /// The outbox.
        #[serde(with = "field::outbox")]
        outbox: u64,
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// Everything up to this number is on the hub's disk.
    Stored {
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// Everything up to this number was relayed by a hub that stores nothing.
    Relayed {
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// A message was neither stored nor relayed.
    Refused(Refused),
    /// Another message with this number is stored. This one is neither stored nor relayed.
    Conflict {
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// A message of a followed room.
    Message(Arc<Message>),
    /// Missing messages of a followed room: they were relayed but could not be stored.
    Gap(Gap),
    /// The hub does not hold the message named in `follow`.
    Reset {
        /// The room.
        room: RoomName,
        /// Entries continue after this message. `None`: from the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Seen>,
        /// Whether later messages were deleted: the client removes its copies.
        #[serde(default)]
        forgotten: bool,
        /// The newest deletion, for the next `follow`.
        #[serde(default, skip_serializing_if = "Position::is_start")]
        deletion: Position,
    },
    /// The client has everything up to this position; live messages follow.
    Live {
        /// The room.
        room: RoomName,
        /// The position.
        position: Position,
    },
    /// The client reads a room too slowly to stay live.
    Behind {
        /// The room.
        room: RoomName,
    },
    /// Messages were deleted: the client removes its copies.
    Forgot {
        /// The room that lost messages; `None`: all rooms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The name of the senders of these messages; `None`: all senders.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Box<str>>,
    },
    /// A notice of the hub.
    Notice {
        /// The control line without its prefix, for programs.
        line: Box<str>,
        /// The notice as a sentence.
        text: Box<str>,
    },
    /// The answer to `read` and `search`.
    Entries {
        /// The request's id.
        #[serde(with = "field::number")]
        id: u64,
        /// The room.
        room: RoomName,
        /// The entries, oldest first. Those of a search are messages.
        entries: Vec<Entry>,
        /// The next request continues before this position. `None`: there is nothing earlier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<Position>,
    },
    /// The members of a watched room, and the rooms.
    Here(Here),
    /// All hubs with the same rooms, this one among them: a client goes on there if this hub is away.
    Hubs {
        /// The hubs.
        hubs: Vec<OtherHub>,
    },
    /// The hub closes the connection.
    Bye {
        /// The reason.
        reason: ByeReason,
        /// The reason as a sentence.
        #[serde(default)]
        text: Box<str>,
    },
    /// An unknown type, which is ignored.
    #[serde(other)]
    Unknown,
}

/// The members of a room, and the rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// The room.
    pub room: RoomName,
    /// The number of people in the room, who come first in `members`.
    #[serde(with = "field::number")]
    pub people: u64,
    /// The number of other members: programs that only send.
    #[serde(with = "field::number")]
    pub senders: u64,
    /// As many members as fit.
    pub members: Vec<Present>,
    /// The rooms with the most members.
    pub rooms: Vec<RoomCount>,
}

/// A hub with the same rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherHub {
    /// Its addresses for members with a key.
    pub addresses: Vec<SocketAddr>,
    /// The SHA-256 of its public key, in hexadecimal.
    pub fingerprint: Box<str>,
    /// The address of its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Box<str>>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// The member's name, or its label without one.
    pub name: Box<str>,
    /// The member's link.
    pub link: LinkKind,
}

/// A room and its number of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCount {
    /// The room.
    pub room: RoomName,
    /// The number of its members.
    #[serde(with = "field::number")]
    pub members: u64,
}

/// A refused message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The message's number.
    #[serde(with = "field::number")]
    pub number: u64,
    /// The word for the reason.
    pub reason: Box<str>,
    /// A parameter of the reason, such as the maximum length of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<str>>,
    /// The reason as a sentence.
    #[serde(default)]
    pub text: Box<str>,
    /// Milliseconds after which to send it again. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "field::maybe_number")]
    pub again_ms: Option<u64>,
}

/// Why a hub closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByeReason {
    /// The operator removed the member.
    Kicked,
    /// The operator banned the member.
    Banned,
    /// The hub stops.
    Stopped,
    /// Another connection took over the outbox.
    Replaced,
    /// The client violated the protocol.
    Error,
    /// The hub's password is missing or wrong.
    Password,
    /// The hub is full.
    Full,
    /// An unknown reason.
    Unknown,
}

impl ByeReason {
    /// Every reason.
    pub const ALL: [ByeReason; 8] = [
        ByeReason::Kicked,
        ByeReason::Banned,
        ByeReason::Stopped,
        ByeReason::Replaced,
        ByeReason::Error,
        ByeReason::Password,
        ByeReason::Full,
        ByeReason::Unknown,
    ];

    /// The reason's word in frames.
    pub fn word(self) -> &'static str {
        match self {
            ByeReason::Kicked => "kicked",
            ByeReason::Banned => "banned",
            ByeReason::Stopped => "stopped",
            ByeReason::Replaced => "replaced",
            ByeReason::Error => "error",
            ByeReason::Password => "password",
            ByeReason::Full => "full",
            ByeReason::Unknown => "unknown",
        }
    }
}

impl HubFrame {
    /// Parses a line. An unknown type becomes [`HubFrame::Unknown`]. Fails if the line is not a
    /// valid frame.
    pub fn parse(line: &[u8]) -> Result<HubFrame, FrameError> {
        parse(line)
    }

    /// Appends the frame and its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

impl Refused {
    /// A refusal in its reader's language.
    pub fn new(number: u64, why: &Reason, again_ms: Option<u64>, language: Language) -> Refused {
        let (reason, detail) = why.fields();
        let refusal = Refusal::new(Subject::Say, why.clone());
        Refused {
            number,
            reason: reason.into(),
            detail: (!detail.is_empty()).then(|| detail.into()),
            text: sentence::of(&Notice::Refused(refusal), language).into(),
            again_ms,
        }
    }

    /// The reason as a value. `None` if this version does not know it.
    pub fn why(&self) -> Option<Reason> {
        let detail = self.detail.as_deref().unwrap_or_default();
        Reason::parse(&mut Words::of(&format!("{} {detail}", self.reason)))
    }
}

#[derive(Deserialize)]
struct MessageFields {
    position: Position,
    room: RoomName,
    #[serde(with = "field::author")]
    author: u128,
    #[serde(with = "field::outbox")]
    outbox: u64,
    #[serde(with = "field::number")]
    number: u64,
    name: Box<str>,
    link: LinkKind,
    #[serde(with = "field::millis")]
    time: Duration,
    text: Option<String>,
    base64: Option<String>,
}

impl TryFrom<MessageFields> for Message {
    type Error = &'static str;

    fn try_from(fields: MessageFields) -> Result<Message, &'static str> {
        let MessageFields { position, room, author, outbox, number, name, link, time, .. } = fields;
        let identity = Identity { author, outbox, number };
        let text = text_of(fields.text, fields.base64)?;
        Ok(Message { position, room, speaker: name, link, wall: time, text, identity })
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = MessageFields::deserialize(deserializer)?;
        fields.try_into().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Author(#[serde(with = "field::author")] u128);
        #[derive(Serialize)]
        struct Outbox(#[serde(with = "field::outbox")] u64);
        #[derive(Serialize)]
        struct Time(#[serde(with = "field::millis")] Duration);
        let mut fields = serializer.serialize_struct("Message", 9)?;
        fields.serialize_field("position", &self.position)?;
        fields.serialize_field("room", &self.room)?;
        fields.serialize_field("author", &Author(self.identity.author))?;
        fields.serialize_field("outbox", &Outbox(self.identity.outbox))?;
        fields.serialize_field("number", &self.identity.number)?;
        fields.serialize_field("name", &self.speaker)?;
        fields.serialize_field("link", &self.link)?;
        fields.serialize_field("time", &Time(self.wall))?;
        let (field, text) = said(&self.text);
        fields.serialize_field(field, &text)?;
        fields.end()
    }
}

#[derive(Serialize, Deserialize)]
struct GapFields {
    position: Position,
    room: RoomName,
    after: Position,
    #[serde(with = "field::number")]
    count: u64,
    #[serde(with = "field::millis")]
    time: Duration,
}

impl<'de> Deserialize<'de> for Gap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let GapFields { position, room, after, count, time } =
            GapFields::deserialize(deserializer)?;
        Ok(Gap { position, room, after, count, wall: time })
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Gap { position, room, after, count, wall } = self.clone();
        GapFields { position, room, after, count, time: wall }.serialize(serializer)
    }
}

/// An entry as the frame that would carry it alone.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum EntryFrame<'a> {
    Message(&'a Message),
    Gap(&'a Gap),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum OwnedEntryFrame {
    Message(Arc<Message>),
    Gap(Gap),
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Entry::Message(message) => EntryFrame::Message(message).serialize(serializer),
            Entry::Gap(gap) => EntryFrame::Gap(gap).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OwnedEntryFrame::deserialize(deserializer)? {
            OwnedEntryFrame::Message(message) => Entry::Message(message),
            OwnedEntryFrame::Gap(gap) => Entry::Gap(gap),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct SeenFields {
    position: Position,
    #[serde(with = "field::author")]
    author: u128,
    #[serde(with = "field::outbox")]
    outbox: u64,
    #[serde(with = "field::number")]
    number: u64,
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SeenFields { position, author, outbox, number } =
            SeenFields::deserialize(deserializer)?;
        Ok(Seen { position, identity: Identity { author, outbox, number } })
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Seen { position, identity: Identity { author, outbox, number } } = *self;
        SeenFields { position, author, outbox, number }.serialize(serializer)
    }
}

impl Serialize for ByeReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for ByeReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = ByeReason::ALL.into_iter().find(|reason| reason.word() == word);
        Ok(known.unwrap_or(ByeReason::Unknown))
    }
}
