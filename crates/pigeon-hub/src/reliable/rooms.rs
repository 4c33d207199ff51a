//! Followed rooms, and their messages as frames.

use std::collections::BTreeMap;

use bytes::Bytes;
use pigeon_proto::frame::HubFrame;
use pigeon_proto::{Entry, Position, RoomName};

use super::output::ConnId;

/// Maximum bytes of entries per piece.
const MOST_PIECE: usize = 64 << 10;

/// All followed rooms by folded name.
#[derive(Default)]
pub(super) struct Rooms {
    by_name: BTreeMap<Box<str>, Room>,
}

pub(super) struct Room {
    pub(super) name: RoomName,
    /// Connections with a live follower of this room.
    pub(super) live: Vec<ConnId>,
    /// Connections that are behind and have not been told.
    pub(super) slow: Vec<ConnId>,
    /// Messages and bytes sent to live followers.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    followers: usize,
}

impl Rooms {
    pub(super) fn get(&self, room: &str) -> Option<&Room> {
        self.by_name.get(room)
    }

    pub(super) fn get_mut(&mut self, room: &str) -> Option<&mut Room> {
        self.by_name.get_mut(room)
    }

    /// Adds a follower of a room.
    pub(super) fn enter(&mut self, name: &RoomName) -> Box<str> {
        let key = name.folded();
        let fresh = || Room {
            name: name.clone(),
            live: Vec::new(),
            slow: Vec::new(),
            messages: 0,
            bytes: 0,
            followers: 0,
        };
        self.by_name.entry(key.clone()).or_insert_with(fresh).followers += 1;
        key
    }

    /// Removes a follower of a room.
    pub(super) fn leave(&mut self, key: &str, conn: ConnId) {
        let Some(room) = self.by_name.get_mut(key) else { return };
        room.live.retain(|live| *live != conn);
        room.slow.retain(|slow| *slow != conn);
        room.followers -= 1;
        if room.followers == 0 {
            self.by_name.remove(key);
        }
    }

    /// Whether no follower is live.
    pub(super) fn nobody_is_live(&self) -> bool {
        self.by_name.values().all(|room| room.live.is_empty())
    }

    /// The rooms with live followers.
    pub(super) fn live_rooms(&self) -> impl Iterator<Item = Box<str>> + '_ {
        self.by_name.iter().filter(|(_, room)| !room.live.is_empty()).map(|(key, _)| key.clone())
    }
}

/// Appends an entry's frame.
pub(super) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let frame = match entry {
        Entry::Message(message) => HubFrame::Message(message.clone()),
        Entry::Gap(gap) => HubFrame::Gap(gap.clone()),
    };
    frame.write(out);
}

/// Entries encoded as frames.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) last: Position,
    pub(super) count: u64,
}

impl Piece {
    /// As many entries as fit one piece for connections with this window, at least one. `None` if there
    /// are none.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>, window: usize) -> Option<Piece> {
        let (mut bytes, mut last, mut count) = (Vec::new(), None, 0);
        for entry in entries {
            let start = bytes.len();
            write_entry(entry, &mut bytes);
            if start > 0 && bytes.len() > MOST_PIECE.min(window) {
                bytes.truncate(start);
                break;
            }
            (last, count) = (Some(entry.position()), count + 1);
        }
        Some(Piece { bytes: bytes.into(), last: last?, count })
    }
}
