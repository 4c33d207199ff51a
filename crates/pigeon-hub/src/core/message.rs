//! A message as data: who said what, where, and which one it is.
//!
//! What is said is written once, into the [`Batch`] that the driver's next drain will send. Links
//! make of it what their members receive.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use pigeon_proto::{Identity, LinkKind, RoomName};

use super::id::{MemberId, RoomId};

/// The most bytes of text in one batch. A driver that drains after every 64 receive buffers of
/// 64 KiB stays below.
pub(crate) const MAX_BATCH_BYTES: usize = 32 << 20;

/// How a link calls one of its members: what stands in a line where there is no name, and in the
/// classic format always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// By its address.
    Address(SocketAddr),
    /// By its name alone.
    Name,
}

/// Who speaks, as it was called at the time.
pub(crate) struct Speaker<'a> {
    /// `None` for the operator.
    pub(crate) member: Option<MemberId>,
    /// The name, or the link's label of a member without one; empty where the address says it.
    pub(crate) name: &'a str,
    pub(crate) caller: Caller,
    pub(crate) link: LinkKind,
}

/// What was said, as it is handed to a batch.
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

/// A message for those outside: a console, a log, another link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The room in which it was said.
    pub room: RoomName,
    /// Who said it. `None` for the operator.
    pub speaker: Option<MemberId>,
    /// What the speaker was called at the time.
    pub label: Box<str>,
    /// By which link it came.
    pub link: LinkKind,
    /// The time since the Unix epoch.
    pub wall: Duration,
    /// What was said, in UTF-8; in a raw room the payload.
    pub text: Box<[u8]>,
    /// Which message it is.
    pub identity: Identity,
    /// Whether the room carries raw data.
    pub is_raw: bool,
    /// Whether the log holds it already: see [`Hub::relay`](crate::Hub::relay).
    pub is_stored: bool,
}

/// The messages between two drains, one behind the other.
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

/// The most memory a batch keeps for the next one.
const KEEP_BYTES: usize = 1 << 20;

impl Batch {
    /// Whether a text of so many bytes still fits.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= MAX_BATCH_BYTES
    }

    /// Takes a message and returns its number in the batch.
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
            // It came as text.
            name: std::str::from_utf8(name).unwrap_or_default(),
            caller: head.caller,
            text: self.bytes.get(head.text.clone()).unwrap_or_default(),
        })
    }

    /// Forgets everything. To be called when every link has what it needs.
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
