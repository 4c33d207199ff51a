//! What a hub says.

use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::{self, said, text_of};
use super::{FrameError, parse, write};
use crate::words::Words;
use crate::{
    Gap, Identity, Language, LinkKind, Message, Name, Notice, Position, Reason, Refusal, RoomName,
    Seen, Subject, sentence,
};

/// A frame from a hub to its client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HubFrame {
    /// What the client has to sign: the answer to `hello`.
    Challenge {
        /// The version of the protocol that the hub speaks.
        #[serde(with = "field::number")]
        version: u64,
        /// What the hub is called.
        hub: Box<str>,
        /// A word that no other connection gets.
        nonce: Box<str>,
        /// The SHA-256 of the hub's public key, in hexadecimal.
        fingerprint: Box<str>,
    },
    /// The client is a member.
    Welcome {
        /// The client as the author of messages.
        #[serde(with = "field::author")]
        author: u128,
        /// Its name, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// Its room.
        room: RoomName,
        /// Whether messages are stored. Without, they are relayed.
        stores: bool,
        /// The most bytes of a message's text.
        #[serde(with = "field::number")]
        max_text: u64,
    },
    /// The outbox goes on with this number: the hub has stored the number before and nothing beyond.
    /// Sent for each outbox that the client names, and where a number is missing.
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
    /// Everything up to this number was relayed, by a hub that stores nothing.
    Relayed {
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// A message was not stored and not relayed.
    Refused(Refused),
    /// Another message with this number is stored. This one is neither stored nor relayed.
    Conflict {
        /// The number.
        #[serde(with = "field::number")]
        number: u64,
    },
    /// A message of a room that the client follows.
    Message(Arc<Message>),
    /// Messages of a followed room that are missing: they were relayed but could not be stored.
    Gap(Gap),
    /// The hub does not hold the message that the client named in `follow`.
    Reset {
        /// The room.
        room: RoomName,
        /// What follows comes after this message. Without: from the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Seen>,
        /// Whether messages after it were forgotten: the client removes its copies.
        #[serde(default)]
        forgotten: bool,
    },
    /// The client has everything up to here; what follows is said from now on.
    Live {
        /// The room.
        room: RoomName,
        /// The place.
        position: Position,
    },
    /// The client reads a room so slowly that it is no longer live.
    Behind {
        /// The room.
        room: RoomName,
    },
    /// Messages were forgotten: the client removes its copies.
    Forgot {
        /// Of this room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Of speakers with this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Box<str>>,
    },
    /// What the hub says of its own.
    Notice {
        /// The control line without its prefix, for programs.
        line: Box<str>,
        /// The same as a sentence.
        text: Box<str>,
    },
    /// The hub closes the connection.
    Bye {
        /// Why.
        reason: ByeReason,
        /// The same as a sentence.
        #[serde(default)]
        text: Box<str>,
    },
    /// A type that is not known. It is passed over.
    #[serde(other)]
    Unknown,
}

/// A message that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which one.
    #[serde(with = "field::number")]
    pub number: u64,
    /// The word for the reason.
    pub reason: Box<str>,
    /// What belongs to the reason, such as how long a text may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<str>>,
    /// The reason as a sentence.
    #[serde(default)]
    pub text: Box<str>,
    /// In how many milliseconds the client should say it again. Without: never.
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
    /// Another connection goes on with the same outbox.
    Replaced,
    /// The client did not keep to the protocol.
    Error,
    /// The hub's password is missing, or another.
    Password,
    /// The hub has no place for one more.
    Full,
    /// A reason that is not known.
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

    /// The word for it.
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
    /// Reads a line. A frame of a type that is not known is [`HubFrame::Unknown`].
    ///
    /// # Errors
    /// The line is not such a frame.
    pub fn parse(line: &[u8]) -> Result<HubFrame, FrameError> {
        parse(line)
    }

    /// Appends the frame and its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

impl Refused {
    /// A refusal in words of its reader's.
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

    /// The reason as a value. `None` where this version does not know it.
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
