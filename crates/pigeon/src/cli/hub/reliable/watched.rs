//! The rooms that a link's clients watch, for their lists of members.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_hub::Hub;
use pigeon_proto::RoomName;
use pigeon_proto::frame::{Here, Present, RoomCount};

/// Time between two lists of a room.
const EVERY: Duration = Duration::from_secs(1);

/// Maximum number of lists made at once. The others follow with the next turn.
const AT_ONCE: usize = 64;

/// Maximum number of members and their bytes in a list, and maximum number of rooms: a list must fit
/// a frame, and a name may have 128 bytes.
const MOST_MEMBERS: usize = 1_000;
const MOST_BYTES: usize = 64 << 10;
const MOST_ROOMS: usize = 200;

/// The watched rooms, by folded name.
#[derive(Default)]
pub(super) struct Watched {
    /// Each room's name and the version that was reported.
    rooms: BTreeMap<Box<str>, (RoomName, Option<u64>)>,
    /// The rooms in the order of their next lists.
    order: VecDeque<Box<str>>,
    /// When to look again.
    next: Option<Instant>,
}

impl Watched {
    /// Adds a room, whose list is made at once.
    pub(super) fn add(&mut self, room: RoomName) {
        let key = room.folded();
        self.rooms.insert(key.clone(), (room, None));
        self.order.retain(|other| *other != key);
        self.order.push_front(key);
    }

    pub(super) fn remove(&mut self, room: &RoomName) {
        let key = room.folded();
        self.rooms.remove(&key);
        self.order.retain(|other| *other != key);
        if self.rooms.is_empty() {
            self.next = None;
        }
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.next
    }

    /// The lists that have changed since the last one.
    pub(super) fn take(&mut self, hub: &Hub, now: Instant) -> Vec<Here> {
        let is_due = self.next.is_none_or(|next| next <= now);
        let version = hub.roster_version();
        let mut rooms = None;
        let mut lists = Vec::new();
        for _ in 0..self.order.len() {
            if lists.len() >= AT_ONCE {
                break;
            }
            let Some(key) = self.order.pop_front() else { break };
            self.order.push_back(key.clone());
            let Some((name, reported)) = self.rooms.get_mut(&key) else { continue };
            let is_new = reported.is_none();
            if !is_new && (!is_due || *reported == Some(version)) {
                continue;
            }
            *reported = Some(version);
            let rooms = rooms.get_or_insert_with(|| fullest(hub));
            lists.push(list(hub, name, rooms));
        }
        if is_due && !self.rooms.is_empty() {
            self.next = Some(now + EVERY);
        }
        lists
    }
}

fn list(hub: &Hub, room: &RoomName, rooms: &[RoomCount]) -> Here {
    let view = hub.roster(room, MOST_MEMBERS);
    let (people, total) = view.as_ref().map_or((0, 0), |view| (view.people, view.total));
    let (mut bytes, mut members) = (0, Vec::new());
    for (label, link) in view.into_iter().flat_map(|view| view.members) {
        bytes += label.as_str().len() + link.word().len() + 24;
        if bytes > MOST_BYTES {
            break;
        }
        members.push(Present { name: label.as_str().into(), link });
    }
    let (people, senders) = (people as u64, (total - people) as u64);
    Here { room: room.clone(), people, senders, members, rooms: rooms.to_vec() }
}

/// The rooms with the most members, by name where the numbers are equal.
fn fullest(hub: &Hub) -> Vec<RoomCount> {
    let count =
        |room: pigeon_hub::RoomView| RoomCount { room: room.name, members: room.members as u64 };
    let mut rooms: Vec<RoomCount> = hub.rooms().map(count).collect();
    rooms.sort_by(|a, b| {
        b.members.cmp(&a.members).then_with(|| a.room.as_str().cmp(b.room.as_str()))
    });
    rooms.truncate(MOST_ROOMS);
    rooms
}
