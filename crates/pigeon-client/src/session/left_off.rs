//! The saved state of a session, for the user's next one.

use pigeon_proto::{Name, RoomName};

/// A member's name and room, and the token that reclaims them, even from a member that seems to
/// hold them still, such as a killed client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOff {
    /// The name.
    pub name: Name,
    /// The room; `None` for the address's default.
    pub room: Option<RoomName>,
    /// The hub's resume token. It is as good as a password: store it privately.
    pub word: Box<str>,
}
