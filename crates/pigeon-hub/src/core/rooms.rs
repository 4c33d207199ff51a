//! Rooms: names and members, with people before programs that only send.
//!
//! A room exists while it has members. The rooms of listening sockets always exist.

use std::collections::BTreeSet;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;
use pigeon_proto::RoomName;

use super::id::{RoomId, Slot};
use super::members::{Members, Trait};
use super::presence::Presence;

/// Maximum number of rooms. Each takes a few hundred bytes even with one member.
pub(crate) const MAX_ROOMS: usize = 10_000;

pub(crate) struct Room {
    name: RoomName,
    id: RoomId,
    /// The members, people first.
    roster: Vec<Slot>,
    people: usize,
    version: u64,
    is_permanent: bool,
    is_raw: bool,
    /// The position of the newest stored message, or 0.
    pub(crate) newest: u64,
    /// The number of messages since it was opened.
    pub(crate) said: u64,
    /// The time between two messages of one member (slow mode).
    pub(crate) wait: Duration,
    /// Changes not yet sent to its members.
    pub(crate) presence: Presence,
}

impl Room {
    pub(crate) fn name(&self) -> &RoomName {
        &self.name
    }

    pub(crate) fn id(&self) -> RoomId {
        self.id
    }

    pub(crate) fn len(&self) -> usize {
        self.roster.len()
    }

    /// The number of people among its members.
    pub(crate) fn people(&self) -> usize {
        self.people
    }

    /// All members, people first.
    pub(crate) fn roster(&self) -> &[Slot] {
        &self.roster
    }

    /// Increases with every change of the member list, and is never reused while the hub runs.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether the room carries raw data.
    pub(crate) fn is_raw(&self) -> bool {
        self.is_raw
    }

    fn add(&mut self, members: &mut Members, slot: Slot) {
        members.set_place(slot, self.roster.len());
        self.roster.push(slot);
        if members.has(slot, Trait::Person) {
            self.add_person(members, slot);
        }
    }

    /// Moves a member to the end of the people.
    fn add_person(&mut self, members: &mut Members, slot: Slot) {
        self.swap(members, members.place(slot) as usize, self.people);
        self.people += 1;
    }

    fn take_out(&mut self, members: &mut Members, slot: Slot) {
        let mut place = members.place(slot) as usize;
        if place < self.people {
            self.people -= 1;
            self.swap(members, place, self.people);
            place = self.people;
        }
        self.swap(members, place, self.roster.len() - 1);
        self.roster.pop();
    }

    fn swap(&mut self, members: &mut Members, a: usize, b: usize) {
        self.roster.swap(a, b);
        members.set_place(self.roster[a], a);
        members.set_place(self.roster[b], b);
    }
}

pub(crate) struct Rooms {
    rooms: Vec<Option<Room>>,
    by_name: HashMap<Box<str>, u16, RandomState>,
    free: Vec<u16>,
    /// Shared by all rooms, so that no version is used twice.
    versions: u64,
    /// The generation of the next room.
    generations: u32,
    /// Rooms with pending changes, by due time; removed together with the room.
    news: BTreeSet<(Instant, RoomId)>,
}

impl Rooms {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        Rooms {
            rooms: Vec::new(),
            by_name: HashMap::with_hasher(RandomState::with_seeds(a, b, c, d)),
            free: Vec::new(),
            versions: 0,
            generations: 0,
            news: BTreeSet::new(),
        }
    }

    pub(crate) fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id.index())?.as_ref().filter(|room| room.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.index())?.as_mut().filter(|room| room.id == id)
    }

    /// The version of the room that changed last.
    pub(crate) fn version(&self) -> u64 {
        self.versions
    }

    /// The room at this index.
    pub(crate) fn at(&self, index: u16) -> Option<&Room> {
        self.rooms.get(usize::from(index))?.as_ref()
    }

    pub(crate) fn find(&self, name: &RoomName) -> Option<RoomId> {
        self.find_folded(&name.folded())
    }

    pub(crate) fn find_folded(&self, folded: &str) -> Option<RoomId> {
        let index = self.by_name.get(folded)?;
        self.at(*index).map(Room::id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> + '_ {
        self.rooms.iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Creates a room. `None` if there are too many.
    pub(crate) fn open(&mut self, name: RoomName) -> Option<RoomId> {
        let folded = name.folded();
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.rooms.len() < MAX_ROOMS => {
                self.rooms.push(None);
                self.rooms.len() as u16 - 1
            }
            None => return None,
        };
        self.generations = self.generations.wrapping_add(1);
        let id = RoomId::new(index, self.generations);
        self.rooms[usize::from(index)] = Some(Room {
            name,
            id,
            roster: Vec::new(),
            people: 0,
            version: self.versions,
            is_permanent: false,
            is_raw: false,
            newest: 0,
            said: 0,
            wait: Duration::ZERO,
            presence: Presence::default(),
        });
        self.by_name.insert(folded, index);
        Some(id)
    }

    /// Creates a listening socket's room, which always exists.
    pub(crate) fn open_for_door(&mut self, name: RoomName, is_raw: bool) -> Option<RoomId> {
        let id = self.find(&name).or_else(|| self.open(name))?;
        if let Some(room) = self.get_mut(id) {
            room.is_permanent = true;
            room.is_raw |= is_raw;
        }
        Some(id)
    }

    /// Adds a member to a room.
    pub(crate) fn enter(&mut self, members: &mut Members, slot: Slot, id: RoomId) {
        let version = self.next_version();
        if let Some(room) = self.get_mut(id) {
            members.set_room(slot, Some(id.number()));
            room.add(members, slot);
            room.version = version;
        }
    }

    /// Removes a member from its room, which closes when empty.
    pub(crate) fn exit(&mut self, members: &mut Members, slot: Slot) {
        let version = self.next_version();
        let Some(index) = members.room(slot) else { return };
        let Some(room) = self.rooms.get_mut(usize::from(index)).and_then(Option::as_mut) else {
            return;
        };
        room.take_out(members, slot);
        room.version = version;
        members.set_room(slot, None);
        if room.len() == 0 && !room.is_permanent {
            let (id, folded, due) = (room.id, room.name.folded(), room.presence.due());
            self.by_name.remove(&folded);
            due.map(|due| self.news.remove(&(due, id)));
            self.rooms[usize::from(index)] = None;
            self.free.push(index);
        }
    }

    /// A member of a room has become a person.
    pub(crate) fn promote(&mut self, members: &mut Members, slot: Slot) {
        let version = self.next_version();
        let index = members.room(slot).map(usize::from);
        if let Some(room) = index.and_then(|index| self.rooms.get_mut(index)?.as_mut()) {
            room.add_person(members, slot);
            room.version = version;
        }
    }

    /// A member of this room has another name.
    pub(crate) fn renamed(&mut self, id: RoomId) {
        let version = self.next_version();
        if let Some(room) = self.get_mut(id) {
            room.version = version;
        }
    }

    fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// Updates a room's changes, and when they are due.
    pub(crate) fn note(&mut self, id: RoomId, change: impl FnOnce(&mut Presence)) {
        let Some(room) = self.get_mut(id) else { return };
        let before = room.presence.due();
        change(&mut room.presence);
        if let (None, Some(due)) = (before, room.presence.due()) {
            self.news.insert((due, id));
        }
    }

    /// When a room's collected joins, leaves and renames must next be sent.
    pub(crate) fn news_due(&self) -> Option<Instant> {
        self.news.first().map(|&(due, _)| due)
    }

    /// The next room with due changes.
    pub(crate) fn take_news(&mut self, now: Instant) -> Option<RoomId> {
        let (_, id) = self.news.first().copied().filter(|(due, _)| *due <= now)?;
        self.news.pop_first();
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::LinkId;
    use super::*;

    fn name(text: &str) -> RoomName {
        RoomName::parse(text.as_bytes()).unwrap()
    }

    fn rooms() -> (Members, Rooms, RoomId) {
        let mut rooms = Rooms::new([0; 4]);
        let lobby = rooms.open_for_door(RoomName::lobby(), false).unwrap();
        (Members::new(), rooms, lobby)
    }

    fn member(members: &mut Members, rooms: &mut Rooms, room: RoomId) -> Slot {
        let slot = members.insert(LinkId::PLAIN).slot();
        rooms.enter(members, slot, room);
        slot
    }

    #[test]
    fn a_room_lasts_as_long_as_somebody_is_in_it() {
        let (mut members, mut rooms, lobby) = rooms();
        let id = rooms.open(name("Ops")).unwrap();
        let slots = [0; 2].map(|_| member(&mut members, &mut rooms, id));
        assert_eq!(rooms.find(&name("ops")), Some(id));
        rooms.exit(&mut members, slots[0]);
        assert_eq!(rooms.get(id).unwrap().len(), 1);
        rooms.exit(&mut members, slots[1]);
        assert!(rooms.get(id).is_none() && rooms.find(&name("ops")).is_none());
        let next = rooms.open(name("next")).unwrap();
        assert!(next != id && next.index() == id.index(), "its place is used again");
        assert!(rooms.get(id).is_none(), "and its id is not");
        assert!(rooms.get(lobby).is_some());
    }

    #[test]
    fn rosters_survive_any_order_of_coming_going_and_becoming_a_person() {
        let (mut members, mut rooms, lobby) = rooms();
        let mut slots: Vec<Slot> =
            (0..60).map(|_| member(&mut members, &mut rooms, lobby)).collect();
        for (n, &slot) in slots.iter().enumerate() {
            if n % 4 == 1 {
                members.set(slot, Trait::Person, true);
                rooms.promote(&mut members, slot);
            }
        }
        let mut versions = BTreeSet::new();
        for n in (0..20).rev() {
            let slot = slots.remove(n * 3);
            rooms.exit(&mut members, slot);
            members.remove(slot);
            assert!(versions.insert(rooms.get(lobby).unwrap().version()));
        }
        let room = rooms.get(lobby).unwrap();
        assert_eq!(room.len(), 40);
        let people = slots.iter().filter(|&&slot| members.has(slot, Trait::Person)).count();
        assert_eq!(room.people(), people);
        for (place, &slot) in room.roster().iter().enumerate() {
            assert_eq!(members.place(slot) as usize, place);
            assert_eq!(members.has(slot, Trait::Person), place < room.people());
        }
    }

    #[test]
    fn rooms_are_bounded() {
        let (_, mut rooms, _) = rooms();
        let opened = (0..20_000).filter(|n| rooms.open(name(&format!("r{n}"))).is_some()).count();
        assert_eq!(opened, MAX_ROOMS - 1);
        assert_eq!(rooms.len(), MAX_ROOMS);
    }

    #[test]
    fn news_of_rooms_that_are_gone_is_forgotten() {
        let (mut members, mut rooms, lobby) = rooms();
        let slot = member(&mut members, &mut rooms, lobby);
        let who = members.id(slot);
        for n in 0..1_000 {
            let id = rooms.open(name(&format!("r{n}"))).unwrap();
            rooms.exit(&mut members, slot);
            rooms.enter(&mut members, slot, id);
            let label = pigeon_proto::Label::parse("x").unwrap();
            rooms.note(id, |news| news.joined(Instant::ORIGIN, who, || label));
        }
        assert_eq!(rooms.news.len(), 1);
        let due = rooms.news_due().unwrap();
        assert_eq!(rooms.take_news(Instant::ORIGIN), None);
        assert_eq!(rooms.take_news(due).map(RoomId::number), members.room(slot));
        assert_eq!(rooms.news_due(), None);
    }
}
