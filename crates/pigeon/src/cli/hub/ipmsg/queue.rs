use std::net::SocketAddr;
use std::sync::Arc;

use pigeon_proto::{Label, RoomName};
use pigeon_text::Encoding;

/// A message from the hub to the link.
pub(super) enum ToLink {
    /// A message to everyone in the room except its sender.
    Line { room: RoomName, text: Arc<str>, except: Option<SocketAddr> },
    /// A text for one contact.
    Tell { to: SocketAddr, text: Arc<str> },
    /// A contact is now in this room.
    Room { of: SocketAddr, room: RoomName },
    /// A contact is no longer a member; `is_removed`: by the operator.
    Left { who: SocketAddr, is_removed: bool },
    /// A contact chose an encoding.
    Encoding { of: SocketAddr, encoding: Encoding },
    /// The new greeting for new contacts, if any.
    Greeting(Option<Arc<str>>),
    /// The hub stops.
    Stop,
}

/// A message from the link to the hub.
pub(super) enum FromLink {
    /// A contact is reachable. `label`: its name.
    Here { who: SocketAddr, label: Label },
    /// A contact wrote.
    Says { who: SocketAddr, label: Label, text: String },
    /// A contact changed its name.
    Renamed { who: SocketAddr, label: Label },
    /// A contact has left.
    Gone { who: SocketAddr },
}
