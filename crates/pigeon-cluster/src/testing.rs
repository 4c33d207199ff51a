//! Messages for tests.

use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};

pub(crate) fn message(author: u128, outbox: u64, number: u64, text: &str) -> Message {
    Message {
        position: Position::START,
        room: RoomName::lobby(),
        speaker: "somebody".into(),
        link: LinkKind::Key,
        wall: std::time::Duration::ZERO,
        text: text.as_bytes().into(),
        identity: Identity { author, outbox, number },
    }
}
