//! Outputs and events of a reliable session.

use std::sync::Arc;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_proto::frame::{ByeReason, OtherHub, Refused};
use pigeon_proto::{Gap, Message, Name, Position, RoomName, Seen};

/// The identity of a message sent from here: its outbox and its number. The identity never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The outbox.
    pub outbox: u64,
    /// The number.
    pub number: u64,
}

/// Identifies a sync until the disk has finished it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncId(pub(super) u64);

/// An output of a [`Session`](super::Session); outputs must be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection, and report [`connected`](super::Session::connected) or
    /// [`disconnected`](super::Session::disconnected).
    Connect,
    /// Send these bytes over the connection.
    Send(Bytes),
    /// Close the connection after everything queued has been sent. Do not report it.
    Close,
    /// Change the file.
    Disk(Disk),
    /// An event for the application.
    Event(Event),
}

/// A change of the session's file; changes must be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Append these bytes.
    Append(Vec<u8>),
    /// Sync everything so far to disk, and report [`synced`](super::Session::synced) or
    /// [`sync_failed`](super::Session::sync_failed).
    Sync(SyncId),
    /// Write these bytes to a new file, sync it, and rename it over the old one; report as for a
    /// sync. Also follows a failed sync, after which the cached content of the old file cannot be
    /// trusted.
    Replace(SyncId, Vec<u8>),
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state of the session has changed.
    State(State),
    /// The hub has accepted the client as a member.
    Welcome(Welcome),
    /// The status of an own message has changed.
    Status(MessageId, Status),
    /// An own message has a new identity, because another message has its first one: two copies of
    /// the client run with the same file.
    Renumbered {
        /// The old identity.
        from: MessageId,
        /// The new identity.
        to: MessageId,
    },
    /// A message of a followed room. Call [`processed`](super::Session::processed) when it need not
    /// be reported again.
    Message(Arc<Message>),
    /// Messages of a followed room are missing: the hub relayed them but could not store them.
    Gap(Gap),
    /// The hub's log is not the one that the room was followed from, such as a restored backup.
    /// Messages that the client has are not reported again.
    Reset {
        /// The room.
        room: RoomName,
        /// The last common message.
        last: Option<Seen>,
        /// Whether later messages were deleted. The application removes its copies of them; the
        /// remaining ones are reported again.
        forgotten: bool,
    },
    /// Everything up to this position was reported; live messages follow.
    Live {
        /// The room.
        room: RoomName,
        /// The position.
        position: Position,
    },
    /// The client reads too slowly to stay live.
    Behind {
        /// The room.
        room: RoomName,
    },
    /// Messages were deleted: the application removes its copies.
    Forgot {
        /// The room that lost messages; `None`: all rooms.
        room: Option<RoomName>,
        /// The name of the senders of these messages; `None`: all senders.
        name: Option<Box<str>>,
    },
    /// All hubs that share the rooms. The transport moves to one of them if this hub is away.
    Hubs(Vec<OtherHub>),
    /// A notice of the hub.
    Notice {
        /// The control line without its prefix.
        line: Box<str>,
        /// As a sentence, which may contain any text: escape it for display.
        text: Box<str>,
    },
    /// The hub closed the connection.
    Bye {
        /// The reason.
        reason: ByeReason,
        /// As a sentence, which may contain any text: escape it for display.
        text: Box<str>,
    },
    /// The disk fails. New messages wait until it works again.
    DiskFailed,
    /// The disk works again.
    DiskHealed,
    /// The hub violated the protocol. The session reconnects.
    Broken(Box<str>),
}

/// The client's membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The author of the client's messages.
    pub author: u128,
    /// The client's name, if any.
    pub name: Option<Name>,
    /// The client's room.
    pub room: RoomName,
    /// Whether the hub stores messages.
    pub stores: bool,
    /// Maximum bytes of a message's text.
    pub max_text: u64,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not connected.
    Connecting {
        /// When the next attempt starts. `None`: it is running.
        again: Option<Instant>,
    },
    /// Connected; the hub has not accepted the client yet.
    Proving,
    /// A member; some followed room has messages that the client does not have yet.
    CatchingUp,
    /// A member that has every message.
    Live,
    /// The session has ended and does not reconnect.
    Ended,
}

/// The status of an own message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for the client's disk, for a connection, or for earlier messages.
    Waiting,
    /// On the client's disk, and being sent.
    Sending,
    /// On the hub's disk.
    Stored,
    /// Relayed by a hub that stores nothing.
    Relayed,
    /// The hub neither stored nor relayed the message, and it is not sent again. Reported at each
    /// start until the application says that it has [`heard`](super::Session::heard) it.
    Refused(Refused),
}
