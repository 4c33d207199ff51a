//! What a link hands to the core: who did what, and what the core must know of where it came from.

use std::net::IpAddr;

use pigeon_datagram::Instant;
use pigeon_guard::Origin;
use pigeon_proto::{Command, Format, Identity, Label};

use super::id::{RoomId, Slot};

/// What a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// It says something to its room.
    Say {
        /// UTF-8, or in a raw room any bytes.
        text: &'a [u8],
        /// Which message it is, of a member that numbers its messages itself. Without it the hub
        /// draws one.
        identity: Option<Identity>,
    },
    /// It asks for something.
    Command(Command<'a>),
    /// It is there, and somebody may be reading.
    Alive,
    /// It leaves of its own accord.
    Leave,
}

/// Where a member is, for limits and bans that hold for all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address.
    pub ip: IpAddr,
    /// The kind of network it is in.
    pub origin: Origin,
}

/// What the plain link knows of its members and the core does not. The plain link has a table of
/// its own for it; of members of other links the core keeps it itself.
pub(crate) trait PlainMembers {
    /// What a member is called that has no name.
    fn label(&self, slot: Slot) -> Label;

    /// Where it is.
    fn source(&self, slot: Slot) -> Source;

    /// When it was last heard.
    fn heard(&self, slot: Slot) -> Instant;

    /// Whether its latest heartbeat was padded: it reads control lines, in whatever room.
    fn is_padded(&self, slot: Slot) -> bool;

    /// The member that is at the address `label`.
    fn find(&self, label: &str) -> Option<Slot>;
}

/// What comes with every call on behalf of a member.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    /// The room that the member's door leads to.
    pub(crate) home: RoomId,
    /// How that door writes messages.
    pub(crate) format: Format,
    pub(crate) plain: &'a dyn PlainMembers,
}
