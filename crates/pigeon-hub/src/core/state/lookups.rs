//! Earlier messages, which the log looks up for members.

use pigeon_datagram::Instant;
use pigeon_proto::{LinkKind, Notice, Reason, RoomName, Setting, Subject, Verb};

use super::Core;
use crate::core::history::{Found, Lookup, Wanted};
use crate::core::id::Slot;
use crate::core::members::Trait;
use crate::core::output::Output;
use crate::core::rooms::{MAX_ROOMS, Room};

impl Core {
    /// Requests earlier messages of a member's room. The answer follows later. Fails if the room is
    /// not stored, or the member has reached its limit for now.
    pub(crate) fn look_up(
        &mut self,
        now: Instant,
        slot: Slot,
        verb: Option<Verb>,
        (wanted, most): (Wanted, u16),
    ) -> Result<(), Reason> {
        let room = self.room_of(slot).ok_or(Reason::Password)?;
        if !self.keeps_messages(room.is_raw()) {
            return Err(Reason::NoHistory);
        }
        let room = room.name().clone();
        self.askers.ask(now, slot)?;
        let member = self.members.id(slot);
        self.outputs.push_back(Output::Lookup(Lookup { member, room, wanted, most, verb }));
        Ok(())
    }

    /// Shows the backlog to a member that has taken a name, once. A member that follows the log
    /// reads the backlog there.
    pub(crate) fn greet(&mut self, now: Instant, slot: Slot) {
        if matches!(self.link_kind(slot), LinkKind::Key | LinkKind::Page | LinkKind::PageHttp) {
            return;
        }
        let most = self.config.history.map_or(0, |history| history.backlog);
        if most > 0 && !self.members.has(slot, Trait::Greeted) {
            self.members.set(slot, Trait::Greeted, true);
            // The member has reached its limit, or its room is not stored: ignored.
            let _ = self.look_up(now, slot, None, (Wanted::Before(None), most));
        }
    }

    /// Shows a member that timed out what was said in its room since, up to the backlog. `before`:
    /// the number of messages when it left.
    pub(super) fn show_missed(&mut self, now: Instant, slot: Slot, before: u64) {
        let most = self.config.history.map_or(0, |history| history.backlog);
        let said = self.room_of(slot).map_or(0, |room| room.said);
        let missed = u16::try_from(said.saturating_sub(before)).unwrap_or(u16::MAX).min(most);
        if missed > 0 {
            self.members.set(slot, Trait::Greeted, true);
            // The member has reached its limit, or its room is not stored: ignored.
            let _ = self.look_up(now, slot, None, (Wanted::Before(None), missed));
        }
    }

    /// Sends found messages to their reader, as many as it may get now. `None`: the search failed.
    pub(crate) fn found(&mut self, lookup: Lookup, found: Option<Found>) {
        let Lookup { member, verb, .. } = lookup;
        let Some(slot) = self.members.find(member) else { return };
        let is_found = found.is_some();
        let cut = self.askers.answer(slot, found.unwrap_or_default());
        if let (Some(verb), true) = (verb, cut.lines.is_empty()) {
            let why = if is_found { Reason::NothingSaid } else { Reason::Overloaded };
            self.refuse(member, Subject::Command(verb), why);
        }
        if let Some(position) = cut.earlier {
            self.reply(member, Notice::Earlier { position });
        }
        for line in cut.lines {
            let (notice, when) = (line.notice, line.when);
            self.outputs.push_back(Output::Said { to: member, notice, when });
        }
    }

    /// Records that a room is stored up to this position. For rooms that do not exist, only a
    /// limited number of positions is kept; the others appear empty until their next message.
    pub(crate) fn set_newest(&mut self, name: &RoomName, position: u64) {
        let folded = name.folded();
        if let Some(room) = self.rooms.find(name).and_then(|id| self.rooms.get_mut(id)) {
            room.newest = position;
        }
        if self.newest.len() < MAX_ROOMS || self.newest.contains_key(&folded) {
            self.newest.insert(folded, position);
        }
    }

    /// Notifies the members of stored rooms, whether messages are stored now or whether other hubs
    /// can be reached.
    pub(crate) fn announce(&mut self, setting: Setting) {
        let keeps = |room: &&Room| {
            self.keeps_messages(room.is_raw()) && room.len() <= self.config.notices_up_to
        };
        let readers: Vec<Slot> =
            self.rooms.iter().filter(keeps).flat_map(Room::roster).copied().collect();
        for slot in readers {
            let member = self.members.id(slot);
            self.reply(member, Notice::Set(setting));
        }
    }
}
