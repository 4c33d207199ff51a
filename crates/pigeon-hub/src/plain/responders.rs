//! Detection of members that answer automatically: an echo service, a `size` service, another hub.
//! One forged datagram would make such a member start an endless conversation.
//!
//! Neither the text nor the frequency of messages proves this, and a hub that guessed could be
//! tricked into silencing others. So a member that [`watch`](super::watch) finds suspect is tested
//! by a [`trial`](super::trial), and only a proved one is held, to one text a second for a minute.
//! Nothing else is lost, and only the suspect's own lines are delayed.
//!
//! Two members that answer only each other, as in a raw room, and with words of their own, are
//! limited only by their rates.

use pigeon_datagram::{Instant, Received};
use pigeon_proto::{Format, Label, Notice, Reason, Subject};

use super::Plain;
use super::members::Flag;
use super::trial::{Chance, Step};
use super::watch::Heard;
use crate::core::id::{MemberId, Slot};
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::{Event, Events};
use crate::statistics::Dropped;

/// The first byte hashed for a nonce and other random values.
const PROBE: u8 = 4;

impl Plain {
    /// Handles a message or command of a member.
    pub(super) fn watch(
        &mut self,
        core: &mut Core,
        events: &mut Events,
        now: Instant,
        slot: Slot,
        datagram: &Received<'_>,
    ) -> Result<(), Dropped> {
        let member = core.id(slot);
        self.hear_on_trial(core, events, now, slot, datagram.payload, true);
        let Some(room) = core.room_of(slot).map(Room::id) else { return Ok(()) };
        let is_raw = self.members.format(slot) == Format::Raw;
        let lines = self.delivery.sent(room);
        match self.watches.hear(now, member, lines, !is_raw) {
            Heard::Fine => {}
            Heard::Suspect(_) if !self.delivery.trials().have_place() => {
                core.statistics_mut().trials_put_off += 1;
            }
            Heard::Suspect(pace) => {
                self.watches.rest(now, member);
                self.members.set(slot, Flag::OnTrial, true);
                let chance = draw(core, &mut self.drawn);
                let step = self.delivery.trials().begin(now, member, pace, is_raw, chance);
                self.follow(core, events, now, member, step);
            }
            Heard::Held => {
                self.members.touch(slot, now, datagram.local);
                return Err(Dropped::AnswersByItself);
            }
        }
        Ok(())
    }

    /// Handles a datagram that only hubs send, or a copy of the hub's own.
    pub(super) fn hear_control_line(
        &mut self,
        core: &mut Core,
        events: &mut Events,
        now: Instant,
        slot: Slot,
        payload: &[u8],
    ) {
        if self.hear_on_trial(core, events, now, slot, payload, false) {
            return;
        }
        // Another hub tests whether this hub answers automatically, which it does.
        if let Some(Notice::Probe(nonce)) = Notice::parse(payload)
            && self.members.may_answer(slot)
        {
            let route = self.members.route(slot);
            self.send(core, route, |bytes| Notice::Probed(nonce).write(bytes));
        }
    }

    /// Passes a datagram to its sender's trial, and returns whether there is one.
    fn hear_on_trial(
        &mut self,
        core: &mut Core,
        events: &mut Events,
        now: Instant,
        slot: Slot,
        payload: &[u8],
        is_text: bool,
    ) -> bool {
        if !self.members.has(slot, Flag::OnTrial) {
            return false;
        }
        let (member, drawn) = (core.id(slot), &mut self.drawn);
        let chance = || draw(core, drawn);
        let step = self.delivery.trials().hear(now, member, payload, is_text, chance);
        self.follow(core, events, now, member, step);
        step != Step::Wait
    }

    /// Continues the trials with a due step.
    pub(super) fn go_on_with_trials(&mut self, core: &mut Core, events: &mut Events, now: Instant) {
        loop {
            let drawn = &mut self.drawn;
            let next = self.delivery.trials().go_on(now, || draw(core, drawn));
            let Some((member, step)) = next else { return };
            self.follow(core, events, now, member, step);
        }
    }

    /// Performs a trial's next step.
    fn follow(
        &mut self,
        core: &mut Core,
        events: &mut Events,
        now: Instant,
        member: MemberId,
        step: Step,
    ) {
        let slot = member.slot();
        match step {
            Step::Wait => {}
            Step::Ask(nonce) => {
                core.statistics_mut().probes += 1;
                let nonce = String::from_utf8_lossy(&nonce).into();
                let route = self.members.route(slot);
                self.send(core, route, |bytes| Notice::Probe(nonce).write(bytes));
            }
            Step::Cleared => self.end_trial(core, slot),
            Step::Proved => {
                self.end_trial(core, slot);
                self.watches.hold(now, member);
                core.statistics_mut().proved_to_answer += 1;
                let (label, name) = (self.members.address(slot), core.name(slot).cloned());
                events.report(Event::AnswersByItself { label: Label::from(label), name });
                core.refuse(member, Subject::Say, Reason::AnswersByItself);
            }
        }
    }

    /// Ends a member's trial, if any, and sends the lines held back.
    pub(super) fn end_trial(&mut self, core: &mut Core, slot: Slot) {
        if self.members.has(slot, Flag::OnTrial) {
            self.members.set(slot, Flag::OnTrial, false);
            let lines = self.delivery.trials().end(core.id(slot));
            self.delivery.send_lines(core.statistics_mut(), self.members.route(slot), &lines);
        }
    }

    pub(super) fn end_trials(&mut self, core: &mut Core) {
        while let Some(member) = self.delivery.trials().first() {
            self.end_trial(core, member.slot());
        }
    }
}

/// Draws unpredictable values.
fn draw(core: &Core, drawn: &mut u64) -> Chance {
    let mut code = || {
        *drawn += 1;
        core.token_key().code(PROBE, &drawn.to_be_bytes())
    };
    Chance { nonce: code().letters(), number: code().number() }
}
