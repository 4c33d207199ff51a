//! The messages between the two loops.

use std::net::SocketAddr;
use std::sync::Arc;

use pigeon_proto::{Label, RoomName};
use pigeon_text::Encoding;

/// A message from the hub to the link.
pub(super) enum ToLink {
    /// Somebody spoke. To everybody in the room but one contact: who said it.
    Line { room: RoomName, text: Arc<str>, except: Option<SocketAddr> },
    /// For one contact.
    Tell { to: SocketAddr, text: Arc<str> },
    /// A contact is in this room now.
    Room { of: SocketAddr, room: RoomName },
    /// A contact is a member no more; and whether the operator removed it.
    Left { who: SocketAddr, is_removed: bool },
    /// A contact chose an encoding.
    Encoding { of: SocketAddr, encoding: Encoding },
    /// What newcomers are sent from now on, if anything.
    Greeting(Option<Arc<str>>),
    /// The hub stops.
    Stop,
}

/// A message from the link to the hub.
pub(super) enum FromLink {
    /// A contact receives what it is sent. `label`: what it is called.
    Here { who: SocketAddr, label: Label },
    /// A contact wrote.
    Says { who: SocketAddr, label: Label, text: String },
    /// A contact is called something else.
    Renamed { who: SocketAddr, label: Label },
    /// A contact has gone.
    Gone { who: SocketAddr },
}
