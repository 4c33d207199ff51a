//! Where a session left off, for the next one of the same person.

use pigeon_proto::{Name, RoomName};

/// The name and the room that a member had, and the word that takes them back: from whoever still
/// seems to have them, such as a client that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOff {
    /// The name.
    pub name: Name,
    /// The room; `None` for the door's own.
    pub room: Option<RoomName>,
    /// The hub's resume word. It is as good as a password: keep it where nobody else reads.
    pub word: Box<str>,
}
