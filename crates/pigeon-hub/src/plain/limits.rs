//! Limits on members' messages: rates, sizes and work. A member is notified once of a limit, until
//! it has kept within it again.

use pigeon_datagram::{Instant, MAX_PAYLOAD_V4, Received};
use pigeon_guard::Origin;
use pigeon_proto::{Reason, Subject};
use pigeon_text::{Charset, Encoding};

use super::costs::{BASE, PATIENCE, READ, READER};
use super::members::Flag;
use super::run::Style;
use super::turns::Held;
use super::{Plain, render};
use crate::core::id::{RoomId, Slot};
use crate::core::input::Source;
use crate::core::message::{Caller, Entry};
use crate::core::state::Core;
use crate::event::Remark;
use crate::statistics::Dropped;

impl Plain {
    /// Lets a datagram wait while others are served, if its address has its part of the batch already.
    /// `None`: it need not, as this host's own programs, whose work nobody limits.
    pub(crate) fn hold(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Option<Result<(), Dropped>> {
        let sources = &core.config().sources;
        let ip = sources.counted_as(datagram.from.ip());
        if sources.origin(ip) == Origin::Loopback
            || !self.turns.must_wait(now, ip, self.delivery.is_on_its_way())
        {
            return None;
        }
        if self.turns.hold(ip, datagram) {
            core.statistics_mut().held += 1;
            return Some(Ok(()));
        }
        let member = self.members.find(datagram.socket, datagram.from);
        let refused = |slot| self.warn(core, slot, Dropped::WorkLimited);
        Some(Err(member.map_or(Dropped::WorkLimited, refused)))
    }

    /// The next datagram that has waited long enough.
    pub(crate) fn next_held(&mut self) -> Option<Held> {
        if self.delivery.is_on_its_way() { None } else { self.turns.next() }
    }

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
        self.members.touch(slot, now, datagram.local);
        let (length, origin) = (datagram.payload.len(), self.members.origin(slot));
        let source = Source { ip: datagram.from.ip(), origin };
        // A member without the password has its notice, and heartbeats must not reset that.
        if self.members.has(slot, Flag::Warned)
            && core.room_of(slot).is_some()
            && self.members.is_rested(slot)
            && core.is_rate_full(now, origin)
            && core.is_work_rested(now, source)
        {
            self.members.set(slot, Flag::Warned, false);
        }
        if !self.members.may_spend(slot, now, *core.config().rate.get(origin), length) {
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        let nanos = self.work(core, slot, datagram.payload);
        if !core.take_work(now, source, nanos) {
            return Err(self.warn(core, slot, Dropped::WorkLimited));
        }
        self.turns.served(now, core.config().sources.counted_as(source.ip), nanos);
        if self.members.charset(slot) == Charset::default() {
            return Ok(());
        }
        if render::is_too_long(datagram.payload, core.config().most_text(self.members.format(slot)))
        {
            self.spend(core, slot, now, length)?;
            let text = datagram.payload.trim_ascii().len();
            return Err(self.not_sent(core, slot, Dropped::TextTooLong, text));
        }
        Ok(())
    }

    /// An upper bound of a message's or command's cost in nanoseconds: reading, rendering in every
    /// style of its room, and sending to all its members.
    fn work(&self, core: &Core, slot: Slot, payload: &[u8]) -> u64 {
        let most = core.config().most_text(self.members.format(slot));
        let own = self.members.style(slot);
        let is_plain = render::is_plain(payload);
        let (mut renderings, mut readers) = (0, 0);
        if let Some(room) = core.room_of(slot) {
            renderings = self.delivery.renderings(room.id(), is_plain);
            let [first, more] = READER;
            let each = if self.delivery.is_silent(room.id()) { first } else { more };
            readers = room.len() * each + room.len() * payload.len() / 8;
        }
        // A text that is too long is trimmed and refused.
        let text = payload.len().min(most);
        let each = render::weight(own, is_plain) + renderings;
        let nanos = BASE + READ * payload.len() + each * text;
        let times = (nanos / (PATIENCE / 10)).max(10);
        (nanos * times * times / 100 + readers) as u64
    }

    /// Checks whether a text fits a datagram after rendering, and fits the batch.
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

    /// Charges a message to the member's rate and the hub's.
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
        if !self.members.may_spend(slot, now, rate, bytes) {
            return Err(self.warn(core, slot, Dropped::RateLimited));
        }
        if !core.take_rate(now, origin, bytes) {
            return Err(self.warn(core, slot, Dropped::HubRateLimited));
        }
        self.members.spend(slot, rate, bytes);
        Ok(())
    }

    /// Notifies a member of an exceeded limit: once, until it has kept within it again.
    pub(super) fn warn(&mut self, core: &mut Core, slot: Slot, reason: Dropped) -> Dropped {
        if !self.members.has(slot, Flag::Warned) {
            self.members.set(slot, Flag::Warned, true);
            let rate = *core.config().rate.get(self.members.origin(slot));
            let why = match reason {
                Dropped::NoPassword => Reason::Password,
                Dropped::RateLimited => {
                    Reason::Rate { messages: rate.messages.map(u64::from), bytes: rate.bytes }
                }
                Dropped::WorkLimited => Reason::Work,
                _ => Reason::HubRate,
            };
            core.refuse(core.id(slot), Subject::Say, why);
            core.remark(slot, Remark::Limited(reason));
        }
        reason
    }

    /// Notifies a member that its text was not sent, with the reason.
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
