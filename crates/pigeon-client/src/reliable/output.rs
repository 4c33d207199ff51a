//! What a reliable session wants done, and what it reports.

use std::sync::Arc;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_proto::frame::{ByeReason, Refused};
use pigeon_proto::{Gap, Message, Name, Position, RoomName, Seen};

/// Which of one's own messages: its outbox and its number there. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The outbox.
    pub outbox: u64,
    /// The number.
    pub number: u64,
}

/// Stands for a sync until the disk has done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncId(pub(super) u64);

/// What a [`Session`](super::Session) wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection, and answer with [`connected`](super::Session::connected) or
    /// [`disconnected`](super::Session::disconnected).
    Connect,
    /// Send these bytes over the connection.
    Send(Bytes),
    /// Close the connection once everything before is sent. It is not to be reported.
    Close,
    /// Do something to the file.
    Disk(Disk),
    /// Something happened.
    Event(Event),
}

/// What is to be done to the session's file, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Append these bytes.
    Append(Vec<u8>),
    /// Put everything so far on the disk, and answer with [`synced`](super::Session::synced) or
    /// [`sync_failed`](super::Session::sync_failed).
    Sync(SyncId),
    /// Write these bytes to a new file, put it on the disk, and rename it over the old one; answer as
    /// for a sync. Also follows a sync that failed: what the system holds of the old file cannot be
    /// relied upon then.
    Replace(SyncId, Vec<u8>),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session is in another state.
    State(State),
    /// The hub has made the client a member.
    Welcome(Welcome),
    /// One's own message is in another state.
    Status(MessageId, Status),
    /// One's own message goes on under another identity, because another message has its first one:
    /// two copies of the client run with the same memory.
    Renumbered {
        /// What it was.
        from: MessageId,
        /// What it is from now on.
        to: MessageId,
    },
    /// A message of a followed room. [`processed`](super::Session::processed) says when it need not
    /// come again.
    Message(Arc<Message>),
    /// Messages of a followed room are missing: the hub relayed but could not store them.
    Gap(Gap),
    /// The hub's log is not the one from which the room was followed, such as a restored backup. What
    /// the client has already does not come again.
    Reset {
        /// The room.
        room: RoomName,
        /// The last message that both have.
        last: Option<Seen>,
        /// Whether messages after it were forgotten. The application removes its copies of them; those
        /// that are left come again.
        forgotten: bool,
    },
    /// Everything up to here was reported; what follows is said from now on.
    Live {
        /// The room.
        room: RoomName,
        /// The place.
        position: Position,
    },
    /// The client reads so slowly that it is no longer live.
    Behind {
        /// The room.
        room: RoomName,
    },
    /// Messages were forgotten: the application removes its copies.
    Forgot {
        /// Of this room.
        room: Option<RoomName>,
        /// Of speakers with this name.
        name: Option<Box<str>>,
    },
    /// What the hub says of its own.
    Notice {
        /// The control line without its prefix.
        line: Box<str>,
        /// As a sentence, which may hold anything.
        text: Box<str>,
    },
    /// The hub closed the connection.
    Bye {
        /// Why.
        reason: ByeReason,
        /// As a sentence, which may hold anything.
        text: Box<str>,
    },
    /// The disk does not store. What is said meanwhile waits, and the disk is tried again.
    DiskFailed,
    /// The disk stores again.
    DiskHealed,
    /// The hub does not keep to the protocol. The connection is closed and opened again.
    Broken(Box<str>),
}

/// Who the client is at its hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The author of its messages.
    pub author: u128,
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Its room.
    pub room: RoomName,
    /// Whether the hub stores messages.
    pub stores: bool,
    /// The most bytes of a message's text.
    pub max_text: u64,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no connection; another is opened at this time, if it is not being opened.
    Connecting {
        /// When. `None`: it is being opened.
        again: Option<Instant>,
    },
    /// There is a connection; the hub does not know the client yet.
    Proving,
    /// The client is a member; some followed room has messages that it does not have yet.
    CatchingUp,
    /// The client has everything.
    Live,
    /// The session has ended and does not connect again.
    Ended,
}

/// Where one's own message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for the client's disk, for a connection, or for its turn.
    Waiting,
    /// It is on the client's disk, and on the way to the hub.
    Sending,
    /// It is on the hub's disk.
    Stored,
    /// The hub has relayed it, and stores nothing.
    Relayed,
    /// It was neither stored nor relayed, and is not sent again.
    Refused(Refused),
}
