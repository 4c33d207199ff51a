//! Joining, leaving, moving from room to room, and names.

use pigeon_datagram::Received;
use pigeon_guard::Code;

use crate::echo::Target;
use crate::hub::Hub;
use crate::members::{Flag, Named, Slot};
use crate::notices;
use crate::rooms::{LOBBY, PORCH, RoomId};
use crate::wire::PROVABLE;
use crate::{Dropped, Event, Format, Left, Name, NameError, Origin, admission};

impl Hub {
    /// Makes a sender a member, or says why not.
    pub(crate) fn admit(&mut self, datagram: &Received<'_>) -> Result<Slot, Dropped> {
        self.may_join(datagram)?;
        self.join(datagram)
    }

    /// Asks a sender to prove its address, if it must.
    pub(crate) fn may_join(&mut self, datagram: &Received<'_>) -> Result<(), Dropped> {
        match self.config.sources.origin(datagram.from.ip()) {
            Origin::Beyond => {
                self.ask_for_proof(datagram);
                Err(Dropped::Unproved)
            }
            Origin::Loopback | Origin::Open => Ok(()),
        }
    }

    /// `/prove TOKEN`: nothing is remembered of whoever is asked.
    fn ask_for_proof(&mut self, datagram: &Received<'_>) {
        if datagram.payload.len() < PROVABLE {
            return;
        }
        self.statistics.proofs_asked += 1;
        let proof = self.seal.proof(self.now, datagram.from, &[]);
        self.send(datagram.from, datagram.local, |bytes| {
            bytes.extend_from_slice(b"/prove ");
            bytes.extend_from_slice(&proof.letters());
        });
    }

    /// Somebody sends back what it was asked to prove itself with.
    pub(crate) fn prove(
        &mut self,
        datagram: &Received<'_>,
        member: Option<Slot>,
        word: &[u8],
    ) -> Result<(), Dropped> {
        let proved = |proof: Code| proof.has_letters(word);
        if !self.seal.proofs(self.now, datagram.from, &[]).any(proved) {
            return Err(Dropped::BadProof);
        }
        let slot = match member {
            Some(slot) => slot,
            None => self.join(datagram)?,
        };
        self.members.touch(slot, self.now, datagram.local);
        Ok(())
    }

    fn join(&mut self, datagram: &Received<'_>) -> Result<Slot, Dropped> {
        let from = datagram.from;
        let first_room = if self.config.password.is_some() { PORCH } else { LOBBY };
        admission::check_room(&self.config, &self.members, datagram)
            .and_then(|()| self.check_room(first_room))
            .inspect_err(|&reason| self.refuse(datagram, reason))?;

        let counted = admission::counted_as(&self.config, from.ip());
        let slot = self.members.insert(from, self.now, first_room, counted);
        match self.config.sources.origin(from.ip()) {
            Origin::Loopback => {}
            Origin::Open => self.members.set(slot, Flag::Open, true),
            Origin::Beyond => self.members.set(slot, Flag::Beyond, true),
        }
        self.rooms.enter(&mut self.members, slot, first_room);
        self.members.touch(slot, self.now, datagram.local);
        self.statistics.joined += 1;
        self.report(Event::Joined { address: from });
        match first_room {
            PORCH => self.tell(slot, "this hub asks for a password: /pass SECRET"),
            room => self.note_joined(slot, room),
        }
        Ok(slot)
    }

    /// Whether a room takes one more.
    fn check_room(&self, room: RoomId) -> Result<(), Dropped> {
        let here = self.rooms.get(room).map_or(0, |room| room.len());
        match self.config.max_per_room {
            Some(most) if room != PORCH && here >= most => Err(Dropped::RoomFull),
            _ => Ok(()),
        }
    }

    /// Tells a sender why it is no member: in one line never longer than what it sent.
    fn refuse(&mut self, datagram: &Received<'_>, reason: Dropped) {
        let line = self.line(match reason {
            Dropped::HubFull => "the hub is full",
            Dropped::RoomFull => "the lobby is full",
            Dropped::LocalsFull => "too many of the hub's addresses are in use; speak to another",
            _ => "too many members from your address",
        });
        if line.len() <= datagram.payload.len() {
            // Two full hubs would refuse each other's refusals for ever.
            self.echoes.sent(self.now, Target::Address(datagram.from), None, line.as_bytes());
            self.send(datagram.from, datagram.local, |bytes| {
                bytes.extend_from_slice(line.as_bytes());
            });
        }
    }

    /// Removes a member; whoever did not ask to leave is told, once.
    pub(crate) fn leave(&mut self, slot: Slot, reason: Left) {
        let (address, room) = (self.members.address(slot), self.members.room(slot));
        self.note_left(slot, room, reason);
        if reason != Left::Quit {
            self.tell_dropped(slot, reason);
        }
        let room_name = self.rooms.get(room).map(|room| room.name.clone());
        self.rooms.exit(&mut self.members, slot);
        let counted = admission::counted_as(&self.config, address.ip());
        let named = self.members.remove(slot, counted);
        self.statistics.count_left(reason);
        let name = named.as_ref().map(|named| named.name.clone());
        if let (Some(named), Some(room)) = (named, room_name) {
            self.grants.leave(self.now, named.grant, named.name, room);
            self.statistics.names_given_up = self.grants.given_up;
        }
        self.report(Event::Left { address, name, reason });
    }

    /// Takes a member to another room. It stays where it is if that one is full.
    pub(crate) fn move_to(&mut self, slot: Slot, room: RoomId) -> Result<(), Dropped> {
        let from = self.members.room(slot);
        if from == room {
            return Ok(());
        }
        self.check_room(room)?;
        self.deliver_now(slot);
        self.note_left(slot, from, Left::Quit);
        self.rooms.exit(&mut self.members, slot);
        self.rooms.enter(&mut self.members, slot, room);
        self.note_joined(slot, room);
        Ok(())
    }

    /// Takes a member to the room of this name, which is made if need be.
    pub(crate) fn move_to_named(&mut self, slot: Slot, name: Name) -> Result<(), Dropped> {
        let room = match self.rooms.find(&name) {
            Some(room) => room,
            None => self.rooms.open(name).ok_or(Dropped::TooManyRooms)?,
        };
        self.move_to(slot, room)
    }

    /// Gives a member a name, and a grant whose word takes it back.
    pub(crate) fn rename(&mut self, slot: Slot, name: Name) -> Result<u32, NameError> {
        let operators = [Name::operator().folded(), self.config.name.folded()];
        if operators.contains(&name.folded()) {
            return Err(NameError::Taken);
        }
        if let Some(named) = self.members.named(slot).filter(|named| named.name == name) {
            return Ok(named.grant);
        }
        if self.members.find_name(name.as_str()).is_some_and(|holder| holder != slot) {
            return Err(NameError::Taken);
        }
        if let Some(named) = self.members.named(slot) {
            self.grants.forget(named.grant);
        }
        let grant = self.grants.make(slot);
        self.take_name(slot, Named { name, grant })?;
        Ok(grant)
    }

    /// Puts a name on a member and tells its room.
    pub(crate) fn take_name(&mut self, slot: Slot, named: Named) -> Result<(), NameError> {
        let (address, before) = (self.members.address(slot), self.label(slot));
        let name = named.name.clone();
        self.members.rename(slot, named)?;
        if before != name.as_str() {
            let room = self.members.room(slot);
            self.note(room, |now, notices| notices.renamed(now, address, before));
            self.report(Event::Renamed { address, name });
        }
        Ok(())
    }

    // News for the room.

    fn note_joined(&mut self, slot: Slot, room: RoomId) {
        let address = self.members.address(slot);
        self.note(room, |now, notices| notices.joined(now, address));
    }

    fn note_left(&mut self, slot: Slot, room: RoomId, reason: Left) {
        if self.config.format == Format::Chat && room != PORCH {
            let (address, label) = (self.members.address(slot), self.label(slot));
            self.note(room, |now, notices| notices.left(now, address, label, reason));
        }
    }

    fn note(
        &mut self,
        room: RoomId,
        news: impl FnOnce(pigeon_datagram::Instant, &mut notices::Notices),
    ) {
        if self.config.format != Format::Chat || room == PORCH {
            return;
        }
        if let Some(notices) = self.rooms.get_mut(room).map(|room| &mut room.notices) {
            let before = notices.due();
            news(self.now, notices);
            if let (None, Some(due)) = (before, notices.due()) {
                self.rooms.has_news(due, room);
            }
        }
    }
}
