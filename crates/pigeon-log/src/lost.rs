//! Counts messages that were relayed but could not be stored, until a gap can be stored for them.

use std::collections::BTreeMap;
use std::time::Duration;

use pigeon_proto::RoomName;

/// Maximum number of rooms counted separately. Messages of further rooms only count in the total.
const MAX_ROOMS: usize = 256;

/// The number of lost messages per room.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    rooms: BTreeMap<RoomName, LostOfRoom>,
    total: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LostOfRoom {
    pub(crate) count: u64,
    /// The time of the first lost message.
    pub(crate) first: Duration,
}

impl Lost {
    pub(crate) fn add(&mut self, room: &RoomName, wall: Duration) {
        self.add_many(room, LostOfRoom { count: 1, first: wall });
    }

    pub(crate) fn merge(&mut self, other: Lost) {
        let counted: u64 = other.rooms.values().map(|room| room.count).sum();
        for (room, lost) in other.rooms {
            self.add_many(&room, lost);
        }
        self.total += other.total - counted;
    }

    fn add_many(&mut self, room: &RoomName, lost: LostOfRoom) {
        self.total += lost.count;
        if let Some(known) = self.rooms.get_mut(room) {
            known.count += lost.count;
        } else if self.rooms.len() < MAX_ROOMS {
            self.rooms.insert(room.clone(), lost);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The total of all rooms.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&RoomName, &LostOfRoom)> {
        self.rooms.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_beyond_the_bound_are_counted_in_the_total_alone() {
        let mut lost = Lost::default();
        for room in 0..300 {
            let name = RoomName::parse(format!("room{room}").as_bytes()).unwrap();
            lost.add(&name, Duration::from_secs(room));
            lost.add(&name, Duration::from_secs(room + 1));
        }
        let mut all = Lost::default();
        all.add(&RoomName::lobby(), Duration::ZERO);
        all.merge(lost);
        assert_eq!(all.total(), 601);
        assert_eq!(all.rooms().count(), MAX_ROOMS);
        let first = all.rooms().find(|(room, _)| room.as_str() == "room7").unwrap();
        assert_eq!((first.1.count, first.1.first), (2, Duration::from_secs(7)));
    }
}
