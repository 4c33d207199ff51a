//! Messages that are relayed only after they are stored, from members that number their messages.
//!
//! ```text
//!   admit ─▶ Message ─▶ the log stores it ─▶ relay ─▶ plain members
//! ```
//!
//! A message that is refused or cannot be stored is relayed to no one, so its author's status is
//! correct for everyone.

use pigeon_proto::{Format, Identity, RoomName};

use super::Core;
use crate::core::id::Slot;
use crate::core::input::Context;
use crate::core::members::Trait;
use crate::core::message::{Caller, Message, Speaker, Speech};
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::statistics::Dropped;

impl Core {
    /// Decides whether a member may send, and returns the message to store. A refusal costs nothing
    /// but the rates.
    pub(crate) fn admit(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        room: &RoomName,
        text: &[u8],
        identity: Identity,
    ) -> Result<Message, Dropped> {
        let own = self.room_of(slot).ok_or(Dropped::NoPassword)?;
        let open = self.rooms.find(room).and_then(|id| self.rooms.get(id));
        let is_raw = open.unwrap_or(own).is_raw();
        let room = open.map_or(room, Room::name).clone();
        let format = if is_raw { Format::Raw } else { Format::Chat };
        if text.is_empty() || is_raw && pigeon_proto::is_control_line(text) {
            return Err(Dropped::Reply);
        }
        if text.len() > self.config.most_text(format) {
            return Err(Dropped::TextTooLong);
        }
        if self.members.has(slot, Trait::Muted) {
            return Err(Dropped::Muted);
        }
        self.take_guest_rate(cx, slot, text.len())?;
        let wait = self.mutes.wait_in(&room);
        if !wait.is_zero() && !self.mutes.speaks(cx.now, slot, wait) {
            return Err(Dropped::TooSoon);
        }
        self.tallies.said(cx.now, slot);
        let speaker = self.speaker(Some(slot), Caller::Name);
        let (speaker, label, link) = (speaker.member, speaker.name.into(), speaker.link);
        let wall = self.wall.read(cx.now);
        let text = text.into();
        Ok(Message { room, speaker, label, link, wall, text, identity, is_raw, is_stored: false })
    }

    /// Relays a stored message to the plain members of its room. False if the room is closed or the
    /// batch is full; reliable members read the message from the log anyway.
    pub(crate) fn relay(&mut self, message: Message) -> bool {
        let room = self.rooms.find(&message.room);
        let (Some(room), true) = (room, self.batch.fits(message.text.len())) else { return false };
        let Message { ref label, link, ref text, identity, wall, .. } = message;
        let member = message.speaker.filter(|&id| self.members.find(id).is_some());
        let speaker = Speaker { member, name: label, caller: Caller::Name, link };
        let number = self.batch.push(&Speech { speaker, room, text, identity, wall });
        if self.wants_messages(message.is_raw) {
            self.reported.push_back(Message { is_stored: true, ..message });
        }
        self.messages += 1;
        self.statistics.messages += 1;
        self.outputs.push_back(Output::Message { room, number });
        true
    }

    /// Charges a message to the rate of its member and the total rate of its origin.
    fn take_guest_rate(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        bytes: usize,
    ) -> Result<(), Dropped> {
        let Some(guest) = self.guests.get_mut(slot) else { return Err(Dropped::NotMember) };
        let origin = guest.source.origin;
        let rate = *self.config.rate.get(origin);
        if !guest.said.take(cx.now, rate, bytes) {
            return Err(Dropped::RateLimited);
        }
        match self.take_rate(cx.now, origin, bytes) {
            true => Ok(()),
            false => Err(Dropped::HubRateLimited),
        }
    }
}
