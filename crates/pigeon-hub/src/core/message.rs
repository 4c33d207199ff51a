//! Messages as data: text, speaker, room and identity.
//!
//! A message is stored once, in the [`Batch`] for the driver's next drain. Links render it for
//! their members.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use pigeon_proto::{Identity, LinkKind, RoomName};

use super::id::{MemberId, RoomId};

/// Maximum number of bytes of text in one batch. A driver that drains after every 64 receive
/// buffers of 64 KiB never reaches it.
pub(crate) const MAX_BATCH_BYTES: usize = 32 << 20;

/// A link's label for a member: used in lines instead of a missing name, and always in the classic
/// format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The address.
    Address(SocketAddr),
    /// The name only.
    Name,
}

/// A message's speaker, as labelled at the time.
pub(crate) struct Speaker<'a> {
    /// `None` for the operator.
    pub(crate) member: Option<MemberId>,
    /// The name, or the link's label for a member without one; empty if the address is used.
    pub(crate) name: &'a str,
    pub(crate) caller: Caller,
    pub(crate) link: LinkKind,
}

/// A message for a batch.
pub(crate) struct Speech<'a> {
    pub(crate) speaker: Speaker<'a>,
    pub(crate) room: RoomId,
    pub(crate) text: &'a [u8],
    pub(crate) identity: Identity,
    pub(crate) wall: Duration,
}

/// One message of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) member: Option<MemberId>,
    pub(crate) name: &'a str,
    pub(crate) caller: Caller,
    pub(crate) text: &'a [u8],
}

/// A message for a console, a log or another link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The room.
    pub room: RoomName,
    /// The speaker. `None` for the operator.
    pub speaker: Option<MemberId>,
    /// The speaker's label at the time.
    pub label: Box<str>,
    /// The link on which the message arrived.
    pub link: LinkKind,
    /// The time since the Unix epoch.
    pub wall: Duration,
    /// The text in UTF-8; in a raw room the payload.
    pub text: Box<[u8]>,
    /// The identity.
    pub identity: Identity,
    /// Whether the room carries raw data.
    pub is_raw: bool,
    /// Whether the log holds it already: see [`Hub::relay`](crate::Hub::relay).
    pub is_stored: bool,
}

/// The messages between two drains, in one buffer.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

struct Head {
    member: Option<MemberId>,
    caller: Caller,
    name: Range<usize>,
    text: Range<usize>,
}

/// Maximum capacity in bytes that a batch keeps.
const KEEP_BYTES: usize = 1 << 20;

impl Batch {
    /// Whether a text of this many bytes fits.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= MAX_BATCH_BYTES
    }

    /// Adds a message and returns its number in the batch.
    pub(crate) fn push(&mut self, speech: &Speech<'_>) -> u32 {
        let name = self.append(speech.speaker.name.as_bytes());
        let text = self.append(speech.text);
        let Speaker { member, caller, .. } = speech.speaker;
        self.heads.push(Head { member, caller, name, text });
        self.heads.len() as u32 - 1
    }

    /// A message by its number.
    pub(crate) fn get(&self, number: u32) -> Option<Entry<'_>> {
        let head = self.heads.get(number as usize)?;
        let name = self.bytes.get(head.name.clone()).unwrap_or_default();
        Some(Entry {
            member: head.member,
            // The name was added as text.
            name: std::str::from_utf8(name).unwrap_or_default(),
            caller: head.caller,
            text: self.bytes.get(head.text.clone()).unwrap_or_default(),
        })
    }

    /// Clears the batch. Call it after every link has rendered it.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}
