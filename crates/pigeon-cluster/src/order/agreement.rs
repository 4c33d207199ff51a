//! Agreement in a new epoch: what each log holds, and what the others lack.

use pigeon_datagram::Instant;
use pigeon_proto::Position;

use super::{Have, Order, Phase};
use crate::held::Held;
use crate::publishing::{Allows, Item, Missing};
use crate::record::{Again, Numbered, Outbox, Said};

/// Maximum messages read from the log at once to be said again.
const PART: usize = 256;

/// Maximum hubs with a kept `have`.
const HAVES: usize = 64;

impl Order {
    pub(super) fn is_live(&self) -> bool {
        self.is_connected && self.phase == Phase::Reading && self.chain.saved.cursor >= self.live_at
    }

    pub(super) fn is_in_order(&self) -> bool {
        self.is_live() && self.chain.saved.released
    }

    /// Says what the log holds, once everything read of reliable members is on disk.
    pub(super) fn say_have(&mut self, now: Instant, held: &dyn Held) {
        let is_due = !self.said_have
            && !self.chain.saved.released
            && self.is_live()
            && now >= self.listened_at;
        let batch = self.batch.iter().flat_map(|(batch, _)| batch);
        let mut read = self.ready.iter().chain(batch);
        if !is_due || read.any(|ready| ready.said.numbered == Numbered::Author) {
            return;
        }
        self.said_have = true;
        let joined = Position::new(self.chain.saved.joined).unwrap_or_default();
        self.publishing.push_have(held.outboxes(joined));
        let whole: Vec<u128> =
            self.haves.iter().filter(|(_, have)| have.is_whole).map(|(hub, _)| *hub).collect();
        whole.into_iter().for_each(|hub| self.answer(hub, held));
    }

    /// What this hub holds is in the stream: the hubs that are alive answer it.
    pub(super) fn haved(&mut self) {
        self.is_have_read = true;
        self.undone = self.peers.alive();
    }

    /// Followers may read the epoch once this hub has what the others hold, and has said again what
    /// they lack: a follower from another hub may lack that too.
    pub(super) fn release(&mut self) {
        let is_released = self.chain.saved.released;
        if self.is_have_read && self.undone.is_empty() && !is_released && self.has_answered() {
            self.chain.saved.released = true;
            self.save_at = Some(Instant::ORIGIN);
        }
    }

    /// Whether everything that other hubs lack is in the stream.
    pub(super) fn has_answered(&self) -> bool {
        let is_answered = |have: &Have| !have.is_whole || have.is_answered;
        self.publishing.has_said_again() && self.haves.values().all(is_answered)
    }

    pub(super) fn take_have(
        &mut self,
        hub: u128,
        outboxes: Vec<Outbox>,
        joined: u64,
        last: bool,
        held: &dyn Held,
    ) {
        if self.haves.len() >= HAVES {
            let alive = self.peers.alive();
            self.haves.retain(|hub, _| alive.contains(hub));
        }
        let have = self.haves.entry(hub).or_default();
        if have.is_whole {
            *have = Have::default();
        }
        have.joined = Position::new(joined).unwrap_or_default();
        have.outboxes.extend(outboxes.iter().map(|it| ((it.author, it.outbox), it.last)));
        have.is_whole = last;
        // What this hub will hold counts too, so it answers once it has read everything.
        if last && (self.said_have || self.chain.saved.released) {
            self.answer(hub, held);
        }
    }

    /// Says again what another hub lacks, then `done`.
    fn answer(&mut self, hub: u128, held: &dyn Held) {
        let Some(have) = self.haves.get_mut(&hub) else { return };
        let theirs = std::mem::take(&mut have.outboxes);
        have.is_answered = true;
        for Outbox { author, outbox, last } in held.outboxes(have.joined) {
            let after = theirs.get(&(author, outbox)).copied().unwrap_or(0);
            if after < last {
                let joined = have.joined;
                let missing = Missing { author, outbox, after, joined, is_cut: false };
                self.publishing.push_again(Item::Missing(missing));
            }
        }
        self.publishing.push_again(Item::Done { have: hub });
    }

    /// Whether another hub waits for this one.
    pub(super) fn owes(&self) -> bool {
        !self.has_answered() || !self.chain.saved.released
    }

    pub(super) fn allows(&self) -> Allows {
        let heard_all = || {
            let is_whole = |hub: &u128| self.haves.get(hub).is_some_and(|have| have.is_whole);
            self.peers.alive().iter().all(is_whole)
        };
        // Plain members' messages belong to no chain. But they wait for the release: a follower's last
        // message must not be one that precedes what is said again.
        let plain = self.is_in_order();
        let new =
            plain && self.publishing.has_said_again() && (self.barrier_at.is_none() || heard_all());
        Allows { new, plain }
    }
}

/// Reads a part of what another hub lacks. The last item stands for the rest. Messages that exceed a
/// limit are left out; the number is how many.
pub(super) fn read_missing(missing: Missing, limit: usize, held: &dyn Held) -> (Vec<Item>, u64) {
    let Missing { author, outbox, after, joined, mut is_cut } = missing;
    let mut before = held.number_before(author, outbox, after + 1);
    let messages = held.of_outbox(author, outbox, after, PART);
    let is_whole = messages.len() < PART;
    let (mut items, mut last, mut too_large) = (Vec::new(), after, 0);
    for message in messages {
        last = message.identity.number;
        if message.position <= joined {
            before = None;
            continue;
        }
        let is_oldest = before.is_none() || is_cut;
        let after = before.replace(last).unwrap_or(0);
        let again = if is_oldest { Again::Oldest } else { Again::Yes };
        let said = Said { message, after, numbered: Numbered::Author, again };
        is_cut = said.exceeds(limit).is_some();
        match is_cut {
            true => too_large += 1,
            false => items.push(Item::Again(said)),
        }
    }
    if !is_whole {
        items.push(Item::Missing(Missing { author, outbox, after: last, joined, is_cut }));
    }
    (items, too_large)
}
