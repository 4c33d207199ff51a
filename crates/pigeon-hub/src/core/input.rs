//! Input from a link: a member's action, and its source.

use std::net::IpAddr;

use pigeon_datagram::Instant;
use pigeon_guard::Origin;
use pigeon_proto::{Command, Format, Identity, Label};

use super::id::{RoomId, Slot};

/// An action of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Sends a message to its room.
    Say {
        /// UTF-8, or in a raw room any bytes.
        text: &'a [u8],
        /// The identity, if the member numbers its messages itself. Otherwise the hub assigns one.
        identity: Option<Identity>,
    },
    /// Sends a command.
    Command(Command<'a>),
    /// Shows that the member is present, and may have a reader.
    Alive,
    /// Leaves.
    Leave,
}

/// A member's source, for limits and bans that apply to all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The sender's address.
    pub ip: IpAddr,
    /// The kind of network it is in.
    pub origin: Origin,
}

/// The plain link's data about its members. The plain link has its own table; for members of other
/// links the core stores these itself.
pub(crate) trait PlainMembers {
    /// A member's label without a name.
    fn label(&self, slot: Slot) -> Label;

    /// A member's source.
    fn source(&self, slot: Slot) -> Source;

    /// When the member was last heard.
    fn heard(&self, slot: Slot) -> Instant;

    /// Whether the member's latest heartbeat was padded: then the member reads control lines in any
    /// room.
    fn is_padded(&self, slot: Slot) -> bool;

    /// The member with the address `label`.
    fn find(&self, label: &str) -> Option<Slot>;
}

/// The parameters of every call for a member.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    /// The first room at the member's listening socket.
    pub(crate) home: RoomId,
    /// The message format of that socket.
    pub(crate) format: Format,
    pub(crate) plain: &'a dyn PlainMembers,
}
