//! What a member may say: how much in a second, and how long a text. It learns of a rate once, until
//! it has kept within it again.

use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, Received};
use pigeon_proto::{Reason, Subject};
use pigeon_text::{Charset, Encoding};

use super::members::Flag;
use super::run::Style;
use super::{Plain, render};
use crate::core::id::{RoomId, Slot};
use crate::core::message::{Caller, Entry};
use crate::core::state::Core;
use crate::statistics::Dropped;

impl Plain {
    /// Rejects over-limit datagrams before they are decoded or compared with what was sent.
    pub(super) fn refuse_unread(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
        member: Option<Slot>,
    ) -> Result<(), Dropped> {
        let Some(slot) = member else {
            return self.may_join(core, now, datagram);
        };
        let length = datagram.payload.len();
        let rate = *core.config().rate.get(self.members.origin(slot));
        if !self.members.may_spend(slot, now, rate, length) {
            self.members.touch(slot, now, datagram.local);
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        if self.members.charset(slot) == Charset::default() {
            return Ok(());
        }
        if render::is_too_long(datagram.payload, core.config().most_text(self.members.format(slot)))
        {
            self.members.touch(slot, now, datagram.local);
            self.spend(core, slot, now, length)?;
            let text = datagram.payload.trim_ascii().len();
            return Err(self.not_sent(core, slot, Dropped::TextTooLong, text));
        }
        Ok(())
    }

    /// Whether a text fits a datagram once it is wrapped, and the batch.
    pub(super) fn check_size(
        &mut self,
        core: &Core,
        slot: Slot,
        room: RoomId,
        text: &[u8],
    ) -> Result<(), Dropped> {
        let format = self.members.format(slot);
        if text.len() > core.config().most_text(format) {
            return Err(Dropped::TextTooLong);
        }
        if !render::fits(text, format) {
            let name = core.name(slot).map_or("", |name| name.as_str());
            let caller = Caller::Address(self.members.address(slot));
            let entry = Entry { member: None, name, caller, text };
            let style = Style { format, encoding: Encoding::UTF_8 };
            if self.delivery.length(&entry, style) > MAX_PAYLOAD_V4 {
                return Err(Dropped::TextTooLong);
            }
        }
        if self.delivery.fits(room, text, format) { Ok(()) } else { Err(Dropped::BatchFull) }
    }

    /// Takes a message out of the member's rate and the hub's.
    pub(super) fn spend(
        &mut self,
        core: &mut Core,
        slot: Slot,
        now: Instant,
        bytes: usize,
    ) -> Result<(), Dropped> {
        let origin = self.members.origin(slot);
        let config = core.config();
        let (rate, hub_rate) = (*config.rate.get(origin), *config.hub_rate.get(origin));
        if rate.is_unlimited() && hub_rate.is_unlimited() {
            return Ok(());
        }
        // Without the password it has its line, and heartbeats do not make the hub forget that.
        let is_in = core.room_of(slot).is_some();
        if is_in && self.members.is_rested(slot) && core.is_rate_full(now, origin) {
            self.members.set(slot, Flag::Warned, false);
        }
        if !self.members.may_spend(slot, now, rate, bytes) {
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        if !core.take_rate(now, origin, bytes) {
            return Err(self.warn(core, slot, Dropped::HubRateLimited));
        }
        self.members.spend(slot, rate, bytes);
        Ok(())
    }

    /// Says to a member which limit it has run into: once, until it has kept within it again.
    pub(super) fn warn(&mut self, core: &mut Core, slot: Slot, reason: Dropped) -> Dropped {
        if !self.members.has(slot, Flag::Warned) {
            self.members.set(slot, Flag::Warned, true);
            let rate = *core.config().rate.get(self.members.origin(slot));
            let why = match reason {
                Dropped::NoPassword => Reason::Password,
                Dropped::RateLimited => {
                    Reason::Rate { messages: rate.messages.map(u64::from), bytes: rate.bytes }
                }
                _ => Reason::HubRate,
            };
            core.refuse(core.id(slot), Subject::Say, why);
        }
        reason
    }

    /// Says to a member that its text was not sent, and why.
    pub(super) fn not_sent(
        &mut self,
        core: &mut Core,
        slot: Slot,
        reason: Dropped,
        length: usize,
    ) -> Dropped {
        let most = core.config().most_text(self.members.format(slot));
        let why = match reason {
            Dropped::TextTooLong if length > most => {
                Reason::TooLong { length: length as u64, most: most as u64 }
            }
            Dropped::TextTooLong => Reason::Wrapped,
            Dropped::NoPassword => Reason::Password,
            Dropped::Muted => Reason::Muted,
            Dropped::TooSoon => core.wait_of(core.id(slot)),
            _ => Reason::Overloaded,
        };
        core.refuse(core.id(slot), Subject::Say, why);
        reason
    }
}
