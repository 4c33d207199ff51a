//! Rooms that clients watch, for their lists of members.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_guard::Bucket;
use pigeon_proto::RoomName;

use super::output::ConnId;

/// Bytes of member lists per second, to all clients together.
const RATE: u64 = 2 << 20;

/// All watched rooms by folded name.
#[derive(Default)]
pub(super) struct Watched {
    rooms: BTreeMap<Box<str>, Room>,
    rate: Bucket,
}

struct Room {
    name: RoomName,
    conns: Vec<ConnId>,
    /// The newest list, as a frame.
    latest: Bytes,
    /// When to send it to all, if it is new.
    due: Option<Instant>,
}

impl Watched {
    /// Adds a connection. Returns whether the room was not watched before.
    pub(super) fn add(&mut self, key: &str, name: &RoomName, conn: ConnId) -> bool {
        let is_new = !self.rooms.contains_key(key);
        let fresh =
            || Room { name: name.clone(), conns: Vec::new(), latest: Bytes::new(), due: None };
        self.rooms.entry(key.into()).or_insert_with(fresh).conns.push(conn);
        is_new
    }

    /// Removes a connection. Returns the room's name if nobody else watches it.
    pub(super) fn remove(&mut self, key: &str, conn: ConnId) -> Option<RoomName> {
        let room = self.rooms.get_mut(key)?;
        room.conns.retain(|other| *other != conn);
        if !room.conns.is_empty() {
            return None;
        }
        self.rooms.remove(key).map(|room| room.name)
    }

    /// A new list.
    pub(super) fn set(&mut self, key: &str, frame: Bytes, now: Instant) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.latest = frame;
            room.due.get_or_insert(now);
        }
    }

    /// The newest list of a room, if there is one.
    pub(super) fn latest(&self, key: &str) -> Option<Bytes> {
        let latest = self.rooms.get(key).map(|room| room.latest.clone());
        latest.filter(|latest| !latest.is_empty())
    }

    /// When the next list is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|room| room.due).min()
    }

    /// The lists to send now, within the rate, each with its readers.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(Bytes, Vec<ConnId>)> {
        let mut lists = Vec::new();
        for room in self.rooms.values_mut().filter(|room| room.due.is_some_and(|at| at <= now)) {
            let bytes = (room.latest.len() * room.conns.len()) as u64;
            let cost = pigeon_guard::cost(bytes, RATE);
            if !self.rate.has_room(now, cost) {
                // A list of more than a second's worth waits until the rate was not used for one.
                room.due = Some(self.rate.full_at().max(now + Duration::from_millis(100)));
                continue;
            }
            self.rate.take(now, cost);
            room.due = None;
            lists.push((room.latest.clone(), room.conns.clone()));
        }
        lists
    }
}
