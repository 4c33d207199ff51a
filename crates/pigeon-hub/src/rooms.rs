//! Rooms: who is in each, and what they are about to be sent.
//!
//! A room is there for as long as somebody is in it, but for two: the lobby, where everyone begins,
//! and the porch, where whoever has not given the hub's password waits and hears nothing.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::{Instant, Outbox};
use pigeon_text::Encoding;

use crate::Name;
use crate::members::{Members, Slot};
use crate::notices::Notices;
use crate::run::{Audience, Run, Train};

/// The most rooms at once. Each holds a few hundred bytes even if one member sits in it.
const MAX_ROOMS: usize = 10_000;

/// Which room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomId(u16);

/// Where everyone begins.
pub(crate) const LOBBY: RoomId = RoomId(0);

/// Where those wait who have not given the password.
pub(crate) const PORCH: RoomId = RoomId(1);

impl RoomId {
    pub(crate) fn number(self) -> u16 {
        self.0
    }
}

/// The top bit of a member's place: it joined in mid-batch.
const ARRIVING: u32 = 1 << 31;

/// One room.
pub(crate) struct Room {
    pub(crate) name: Name,
    /// Members that get every message of the current batch.
    present: Vec<Slot>,
    /// Members that joined after the batch's first message, with how many messages they missed.
    arriving: Vec<(Slot, usize)>,
    /// How many members read each encoding other than UTF-8. A handful at the most.
    encodings: Vec<(Encoding, u32)>,
    pub(crate) run: Run,
    pub(crate) notices: Notices,
}

impl Room {
    fn new(name: Name) -> Self {
        Room {
            name,
            present: Vec::new(),
            arriving: Vec::new(),
            encodings: Vec::new(),
            run: Run::default(),
            notices: Notices::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.present.len() + self.arriving.len()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.present.iter().copied().chain(self.arriving.iter().map(|&(slot, _)| slot))
    }

    fn enter(&mut self, members: &mut Members, slot: Slot) {
        self.count_encoding(members.encoding(slot), true);
        match self.run.len() {
            0 => {
                members.set_place(slot, self.present.len() as u32);
                self.present.push(slot);
            }
            missed => {
                members.set_place(slot, self.arriving.len() as u32 | ARRIVING);
                self.arriving.push((slot, missed));
            }
        }
    }

    fn exit(&mut self, members: &mut Members, slot: Slot) {
        self.run.forget(slot);
        self.count_encoding(members.encoding(slot), false);
        let place = members.place(slot);
        let index = (place & !ARRIVING) as usize;
        let moved = if place & ARRIVING == 0 {
            self.present.swap_remove(index);
            self.present.get(index).copied()
        } else {
            self.arriving.swap_remove(index);
            self.arriving.get(index).map(|&(slot, _)| slot)
        };
        if let Some(moved) = moved {
            members.set_place(moved, place);
        }
    }

    /// Whether a message of so many bytes still fits into the batch, in every encoding that is read
    /// here; text may grow threefold in one.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.run.has_room(bytes, 1 + 3 * self.encodings.len())
    }

    /// Where the messages of the current batch stand that a member has not been sent yet.
    pub(crate) fn waiting(&self, members: &Members, slot: Slot) -> Vec<Range<usize>> {
        let place = members.place(slot);
        let arrived = self.arriving.get((place & !ARRIVING) as usize);
        let missed = match place & ARRIVING {
            0 => 0,
            _ => arrived.map_or(0, |&(_, missed)| missed),
        };
        self.run.messages_for(slot, missed)
    }

    /// The next member's next train of the current batch.
    fn poll(
        &mut self,
        members: &Members,
        outbox: &mut Outbox,
        text: &mut String,
    ) -> Option<(Slot, Train)> {
        let Room { present, arriving, encodings, run, .. } = self;
        run.poll(&Audience { members, present, arriving, encodings }, outbox, text)
    }

    /// Notes that one more member, or one less, reads this encoding.
    pub(crate) fn count_encoding(&mut self, encoding: Encoding, more: bool) {
        if encoding == Encoding::UTF_8 {
            return;
        }
        let found = self.encodings.iter().position(|&(known, _)| known == encoding);
        match (found, more) {
            (Some(index), true) => self.encodings[index].1 += 1,
            (None, true) => self.encodings.push((encoding, 1)),
            (Some(index), false) => {
                self.encodings[index].1 -= 1;
                if self.encodings[index].1 == 0 {
                    self.encodings.swap_remove(index);
                }
            }
            (None, false) => {}
        }
    }

    /// Ends a batch: whoever joined during it gets every message of the next.
    fn settle(&mut self, members: &mut Members) {
        for (slot, _) in self.arriving.drain(..) {
            members.set_place(slot, self.present.len() as u32);
            self.present.push(slot);
        }
    }
}

/// All rooms.
pub(crate) struct Rooms {
    rooms: Vec<Option<Room>>,
    by_name: HashMap<Box<str>, RoomId, RandomState>,
    free: Vec<RoomId>,
    /// Rooms whose current batch has messages, in the order of their first.
    speaking: VecDeque<RoomId>,
    /// Rooms with news and when it is due: one entry a room, gone with the room.
    news: BTreeSet<(Instant, RoomId)>,
    /// A message on its way to another encoding.
    text: String,
}

impl Rooms {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let mut rooms = Rooms {
            rooms: Vec::new(),
            by_name: HashMap::with_hasher(RandomState::with_seeds(a, b, c, d)),
            free: Vec::new(),
            speaking: VecDeque::new(),
            news: BTreeSet::new(),
            text: String::new(),
        };
        rooms.open(Name::lobby());
        rooms.open(Name::porch());
        // The porch is no room that anybody could name.
        rooms.by_name.remove(Name::porch().as_str());
        rooms
    }

    pub(crate) fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(usize::from(id.0))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(usize::from(id.0))?.as_mut()
    }

    pub(crate) fn find(&self, name: &Name) -> Option<RoomId> {
        self.by_name.get(&name.folded()).copied()
    }

    /// Every room but the porch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> + '_ {
        let rooms = self.rooms.iter().enumerate();
        rooms.filter(|&(n, _)| n != usize::from(PORCH.0)).filter_map(|(_, room)| room.as_ref())
    }

    /// Every room there is, the porch too.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RoomId> + use<> {
        (0..self.rooms.len() as u16).map(RoomId)
    }

    /// Makes a room. `None` if there are too many.
    pub(crate) fn open(&mut self, name: Name) -> Option<RoomId> {
        let folded = name.folded();
        let room = Some(Room::new(name));
        let id = match self.free.pop() {
            Some(id) => {
                self.rooms[usize::from(id.0)] = room;
                id
            }
            None if self.rooms.len() < MAX_ROOMS => {
                self.rooms.push(room);
                RoomId(self.rooms.len() as u16 - 1)
            }
            None => return None,
        };
        self.by_name.insert(folded, id);
        Some(id)
    }

    /// Puts a member into a room.
    pub(crate) fn enter(&mut self, members: &mut Members, slot: Slot, id: RoomId) {
        members.set_room(slot, id);
        if let Some(room) = self.get_mut(id) {
            room.enter(members, slot);
        }
    }

    /// Takes a member out of its room, which closes behind the last one.
    pub(crate) fn exit(&mut self, members: &mut Members, slot: Slot) {
        let id = members.room(slot);
        let Some(room) = self.get_mut(id) else { return };
        room.exit(members, slot);
        if room.len() == 0 && id != LOBBY && id != PORCH {
            let (folded, due) = (room.name.folded(), room.notices.due());
            self.by_name.remove(&folded);
            due.map(|due| self.news.remove(&(due, id)));
            self.rooms[usize::from(id.0)] = None;
            self.free.push(id);
        }
    }

    /// Appends a message, which stands at `range` in the outbox, to a room's batch.
    pub(crate) fn say(&mut self, id: RoomId, range: Range<usize>, except: Option<Slot>) {
        let Some(room) = self.get_mut(id) else { return };
        let first = room.run.is_empty();
        room.run.push(range, except);
        if first {
            self.speaking.push_back(id);
        }
    }

    /// Whether every room has sent what it had to send.
    pub(crate) fn are_silent(&self) -> bool {
        self.speaking.is_empty()
    }

    /// The next train of the current batch, room by room.
    pub(crate) fn poll(
        &mut self,
        members: &mut Members,
        outbox: &mut Outbox,
    ) -> Option<(Slot, Train)> {
        while let Some(&id) = self.speaking.front() {
            if let Some(room) = self.rooms.get_mut(usize::from(id.0)).and_then(Option::as_mut) {
                if let Some(train) = room.poll(members, outbox, &mut self.text) {
                    return Some(train);
                }
                room.settle(members);
            }
            self.speaking.pop_front();
        }
        None
    }

    /// Notes that a room has news, if it was the first.
    pub(crate) fn has_news(&mut self, due: Instant, id: RoomId) {
        self.news.insert((due, id));
    }

    /// When the next news is due.
    pub(crate) fn news_due(&self) -> Option<Instant> {
        self.news.first().map(|&(due, _)| due)
    }

    /// The next room whose news is due.
    pub(crate) fn take_news(&mut self, now: Instant) -> Option<RoomId> {
        let (_, id) = self.news.first().copied().filter(|(due, _)| *due <= now)?;
        self.news.pop_first();
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    fn member(members: &mut Members, rooms: &mut Rooms, port: u16, room: RoomId) -> Slot {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let slot = members.insert(address, Instant::ORIGIN, room, None);
        rooms.enter(members, slot, room);
        slot
    }

    #[test]
    fn a_room_lasts_as_long_as_somebody_is_in_it() {
        let (mut members, mut rooms) = (Members::new([0; 4]), Rooms::new([0; 4]));
        let id = rooms.open(name("Ops")).unwrap();
        let slots = [1, 2].map(|port| member(&mut members, &mut rooms, port, id));
        assert_eq!(rooms.find(&name("ops")), Some(id));
        rooms.exit(&mut members, slots[0]);
        assert_eq!(rooms.get(id).unwrap().len(), 1);
        rooms.exit(&mut members, slots[1]);
        assert!(rooms.get(id).is_none() && rooms.find(&name("ops")).is_none());
        assert_eq!(rooms.open(name("next")), Some(id));
    }

    #[test]
    fn places_survive_any_order_of_leaving() {
        let (mut members, mut rooms) = (Members::new([0; 4]), Rooms::new([0; 4]));
        let mut slots = Vec::new();
        for port in 0..60 {
            if port == 30 {
                rooms.say(LOBBY, 0..1, None);
            }
            slots.push(member(&mut members, &mut rooms, port, LOBBY));
        }
        for slot in slots.iter().step_by(3) {
            rooms.exit(&mut members, *slot);
        }
        while rooms.poll(&mut members, &mut Outbox::new()).is_some() {}
        let room = rooms.get(LOBBY).unwrap();
        assert_eq!(room.len(), 40);
        for (index, &slot) in room.present.iter().enumerate() {
            assert_eq!(members.place(slot) as usize, index);
        }
    }

    #[test]
    fn rooms_are_bounded() {
        let mut rooms = Rooms::new([0; 4]);
        let opened = (0..20_000).filter(|n| rooms.open(name(&format!("r{n}"))).is_some()).count();
        assert_eq!(opened, MAX_ROOMS - 2);
    }

    #[test]
    fn news_of_rooms_that_are_gone_is_forgotten() {
        let (mut members, mut rooms) = (Members::new([0; 4]), Rooms::new([0; 4]));
        let now = Instant::ORIGIN;
        let slot = member(&mut members, &mut rooms, 1, LOBBY);
        for n in 0..1_000 {
            let id = rooms.open(name(&format!("r{n}"))).unwrap();
            rooms.exit(&mut members, slot);
            rooms.enter(&mut members, slot, id);
            let notices = &mut rooms.get_mut(id).unwrap().notices;
            notices.joined(now, members.address(slot));
            let due = notices.due().unwrap();
            rooms.has_news(due, id);
        }
        assert_eq!(rooms.news.len(), 1);
        let due = rooms.news_due().unwrap();
        assert_eq!(rooms.take_news(now), None);
        assert_eq!(rooms.take_news(due), Some(members.room(slot)));
        assert_eq!(rooms.news_due(), None);
    }

    #[test]
    fn nobody_can_name_the_porch() {
        let rooms = Rooms::new([0; 4]);
        assert!(rooms.find(&Name::porch()).is_none());
    }
}
