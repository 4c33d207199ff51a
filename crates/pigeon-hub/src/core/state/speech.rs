//! Messages: whether a member may send one, and its place in the order.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Identity, LinkKind};

use super::Core;
use crate::core::id::{RoomId, Slot};
use crate::core::input::Context;
use crate::core::members::Trait;
use crate::core::message::{Caller, Message, Speaker, Speech};
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::statistics::Dropped;

impl Core {
    /// Sends a message of a member, or of the operator (`None`), to a room. Fails without a change,
    /// with the reason.
    pub(crate) fn say(
        &mut self,
        cx: &Context<'_>,
        (slot, caller): (Option<Slot>, Caller),
        room: RoomId,
        text: &[u8],
        identity: Option<Identity>,
    ) -> Result<(), Dropped> {
        if text.len() > self.config.most_text(cx.format) {
            return Err(Dropped::TextTooLong);
        }
        if !self.batch.fits(text.len()) {
            return Err(Dropped::BatchFull);
        }
        // A raw room adds nothing before the text, so a member could forge a control line.
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        if is_raw && pigeon_proto::is_control_line(text) {
            return Err(Dropped::Reply);
        }
        if let Some(slot) = slot {
            self.may_speak(cx.now, slot, room)?;
            self.tallies.said(cx.now, slot);
        }
        let mut batch = std::mem::take(&mut self.batch);
        let speaker = self.speaker(slot, caller);
        let identity = identity.unwrap_or(self.next_identity());
        let wall = self.wall.read(cx.now);
        let speech = Speech { speaker, room, text, identity, wall };
        let report = self.wants_messages(is_raw).then(|| self.message(cx, &speech, is_raw));
        // The batch is moved out meanwhile, because the name in `speech` borrows from the tables.
        let number = batch.push(&speech);
        self.batch = batch;
        self.reported.extend(report.flatten());
        self.messages += 1;
        self.statistics.messages += 1;
        if let Some(room) = self.rooms.get_mut(room) {
            room.said += 1;
        }
        self.outputs.push_back(Output::Message { room, number });
        Ok(())
    }

    /// Checks mutes and slow mode.
    fn may_speak(&mut self, now: Instant, slot: Slot, room: RoomId) -> Result<(), Dropped> {
        if self.members.has(slot, Trait::Muted) {
            return Err(Dropped::Muted);
        }
        let wait = self.rooms.get(room).map_or(Duration::ZERO, |room| room.wait);
        if !wait.is_zero() && !self.mutes.speaks(now, slot, wait) {
            return Err(Dropped::TooSoon);
        }
        Ok(())
    }

    /// The speaker of a message: a member, or the operator.
    pub(super) fn speaker(&self, slot: Option<Slot>, caller: Caller) -> Speaker<'_> {
        let Some(slot) = slot else {
            let name = self.config.name.as_str();
            return Speaker { member: None, name, caller, link: LinkKind::Plain };
        };
        let name = match (self.name(slot), self.guests.get(slot)) {
            (Some(name), _) => name.as_str(),
            (None, Some(guest)) => guest.label().as_str(),
            (None, None) => "",
        };
        let link = self.link_kind(slot).of_messages();
        Speaker { member: Some(self.members.id(slot)), name, caller, link }
    }

    /// The identity of the next message from a member without a key.
    fn next_identity(&self) -> Identity {
        Identity { author: self.config.run, outbox: 0, number: self.messages + 1 }
    }

    pub(super) fn wants_messages(&self, is_raw: bool) -> bool {
        self.config.report_messages || self.links.len() > 1 || self.keeps_messages(is_raw)
    }

    /// Whether messages of such a room are stored.
    pub(super) fn keeps_messages(&self, is_raw: bool) -> bool {
        self.config.history.is_some_and(|history| history.keeps_raw || !is_raw)
    }

    /// A message for the driver.
    pub(super) fn message(
        &self,
        cx: &Context<'_>,
        speech: &Speech<'_>,
        is_raw: bool,
    ) -> Option<Message> {
        let Speech { ref speaker, room, text, identity, wall } = *speech;
        let label = match (speaker.name, speaker.member) {
            ("", Some(member)) => self.label(cx, member.slot()).to_string().into(),
            (name, _) => name.into(),
        };
        Some(Message {
            room: self.rooms.get(room)?.name().clone(),
            speaker: speaker.member,
            label,
            link: speaker.link,
            wall,
            text: text.into(),
            identity,
            is_raw,
            is_stored: false,
        })
    }
}
