//! One direction of a network path as a pure, seeded model: what may happen to a datagram on the
//! way. Knows no socket: [`simulation`](crate::simulation) runs it between machines.
//!
//! # What happens to a datagram, in this order
//!
//! 1. **MTU.** The sender's own interface refuses what is too large, before it costs anything.
//! 2. **Rate.** It waits for the bottleneck, or finds its queue full.
//! 3. **Loss.** Beyond the bottleneck, so a lost datagram has used its share of the rate, as a
//!    frame lost on a radio has.
//! 4. **Room.** The model itself holds a bounded number of datagrams ([`InFlightLimit`]).
//! 5. **Corruption.** One bit flips. (With the UDP checksum on, a real receiver's kernel would
//!    drop such a datagram; it sees one where the checksum is off or was computed too late.)
//! 6. **Duplication.** After corruption, so both copies are damaged alike: networks repeat frames
//!    they received. The copy uses none of the rate.
//! 7. **Delay, jitter, reordering.** Drawn for each copy by itself: each found its own way.
//!
//! Statistics count the outcome of every step in [`PathCounters`], and at any moment
//! `sent + duplicated = delivered + lost + dropped + in flight`.
//!
//! [`Timeline`] changes conditions at given times.
//!
//! # Randomness
//!
//! Every knob has a generator of its own, derived from the seed, and each draws the same count of
//! numbers for every datagram sent, whether the knob is turned on or not and whatever became of
//! the datagram. So draw *n* of a knob belongs to datagram *n*: turning duplication on changes
//! nothing about which datagrams are lost, and at the same seed a higher random loss loses all
//! that a lower one lost, and more. The generator (PCG XSL RR 128/64) and the arithmetic on
//! its numbers are the same on every machine, so a seed means the same everywhere.

mod conditions;
mod datagram;
mod dice;
mod fate;
mod jitter;
mod line;
mod loss;
mod probability;
mod timeline;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use dice::{Dice, Journey, Roll, below};
use line::Line;
use loss::Channel;
use pigeon_datagram::Instant;

pub use conditions::{Conditions, ConditionsError, Rate, Reorder};
pub use datagram::Datagram;
pub use fate::{DropReason, Fate, PathCounters};
pub use jitter::Jitter;
pub use loss::{Bursts, BurstsError, Loss};
pub use probability::{Probability, ProbabilityError};
pub use timeline::{Timeline, TimelineError};

/// One direction of a path, carrying items `T` that hold a datagram's payload ([`Datagram`],
/// `Vec<u8>`, an array).
///
/// A caller [`send`](Path::send)s, sleeps until [`poll_timeout`](Path::poll_timeout), and takes
/// out what has arrived with [`poll`](Path::poll) until that says `None`.
pub struct Path<T> {
    conditions: Conditions,
    /// What [`Conditions::are_perfect`] says of them: it is asked for every datagram.
    perfect: bool,
    limit: InFlightLimit,
    dice: Dice,
    channel: Channel,
    line: Line,
    in_flight: BinaryHeap<InFlight<T>>,
    bytes_in_flight: usize,
    /// How many items have ever been put in flight: the order among those due at one instant.
    next_order: u64,
    counters: PathCounters,
}

/// How much a path holds at once, whatever its conditions. What would exceed either bound is
/// dropped as it enters, and counted ([`DropReason::InFlightFull`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightLimit {
    /// Datagrams, copies included.
    pub datagrams: usize,
    /// Bytes of payload.
    pub bytes: usize,
}

impl Default for InFlightLimit {
    /// 262,144 datagrams and 64 MiB: half a second of 64-byte datagrams as fast as one core sends
    /// them, or of a gigabit of large ones.
    fn default() -> Self {
        InFlightLimit { datagrams: 1 << 18, bytes: 64 << 20 }
    }
}

impl<T: Clone + AsRef<[u8]> + AsMut<[u8]>> Path<T> {
    /// A path with generators seeded from `rng`. It takes from `rng` a fixed count of numbers, so
    /// several paths may be made from one generator.
    pub fn new(conditions: Conditions, rng: &mut impl Rng) -> Result<Self, ConditionsError> {
        conditions.check()?;
        Ok(Path {
            perfect: conditions.are_perfect(),
            conditions,
            limit: InFlightLimit::default(),
            dice: Dice::new(rng),
            channel: Channel::default(),
            line: Line::default(),
            in_flight: BinaryHeap::new(),
            bytes_in_flight: 0,
            next_order: 0,
            counters: PathCounters::default(),
        })
    }

    /// A path that does the same for the same seed, on any machine.
    pub fn seeded(conditions: Conditions, seed: u64) -> Result<Self, ConditionsError> {
        Path::new(conditions, &mut Pcg64::seed_from_u64(seed))
    }

    /// The same path with another bound on what it holds at once.
    pub fn with_in_flight_limit(mut self, limit: InFlightLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The conditions in force.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What has happened so far.
    pub fn statistics(&self) -> &PathCounters {
        &self.counters
    }

    /// How many datagrams are on the way, copies and those waiting for the bottleneck included.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Changes the conditions for what is sent from `now` on; refused conditions change nothing.
    ///
    /// What is already on the way keeps the time it is due, so later datagrams may overtake it,
    /// as after a change of route. Bytes that wait for the bottleneck wait at the new rate as far
    /// as later datagrams are concerned.
    pub fn set_conditions(
        &mut self,
        now: Instant,
        conditions: Conditions,
    ) -> Result<(), ConditionsError> {
        conditions.check()?;
        self.line.change_rate(now, self.conditions.rate, conditions.rate);
        if !matches!(conditions.loss, Loss::Bursts(_)) {
            self.channel = Channel::default();
        }
        self.perfect = conditions.are_perfect();
        self.conditions = conditions;
        Ok(())
    }

    /// Sends a datagram into the path at `now`. Its fate is decided and returned at once.
    pub fn send(&mut self, now: Instant, datagram: T) -> Fate {
        let roll = self.dice.roll();
        self.counters.sent += 1;
        match self.admit(now, datagram.as_ref().len(), &roll) {
            Ok(departure) => self.carry(departure, datagram, &roll),
            Err(reason) => self.drop(reason),
        }
    }

    /// Whether the path changes nothing at the moment: conditions are perfect and nothing is on the
    /// way. The caller may then hand a datagram on without sending it, and count it with
    /// [`pass`](Path::pass).
    pub fn is_transparent(&self) -> bool {
        self.perfect && self.in_flight.is_empty()
    }

    /// So many datagrams were handed on past a [transparent](Path::is_transparent) path. They count
    /// as sent and delivered, and have their draws, as if they had been put in.
    pub fn pass(&mut self, datagrams: u64) {
        self.dice.skip(datagrams);
        self.counters.sent += datagrams;
        self.counters.delivered += datagrams;
    }

    /// The next datagram that is due by `now`: earliest first, and of those due at one instant
    /// the one that was sent first.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        if self.poll_timeout()? > now {
            return None;
        }
        let arrived = self.in_flight.pop()?.item;
        self.bytes_in_flight -= arrived.as_ref().len();
        self.counters.delivered += 1;
        Some(arrived)
    }

    /// When the next datagram is due, if any is on the way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.peek().map(|next| next.due)
    }

    /// Steps 1 to 4: when a datagram has left the bottleneck, or why it never does.
    fn admit(&mut self, now: Instant, length: usize, roll: &Roll) -> Result<Instant, DropReason> {
        // The channel's state moves on with every datagram, even one that does not get as far.
        let lost = self.channel.loses(&self.conditions.loss, roll);
        if self.conditions.mtu.is_some_and(|mtu| length > mtu) {
            return Err(DropReason::Mtu);
        }
        let departure = match self.conditions.rate {
            Some(rate) => self.line.enqueue(now, rate, length).ok_or(DropReason::QueueFull)?,
            None => now,
        };
        if lost {
            return Err(DropReason::Lost);
        }
        if !self.has_room_for(length) {
            return Err(DropReason::InFlightFull);
        }
        Ok(departure)
    }

    /// Steps 5 to 7, for a datagram that has left the bottleneck at `departure`.
    fn carry(&mut self, departure: Instant, mut datagram: T, roll: &Roll) -> Fate {
        let corrupted_bit = self.corrupt(&mut datagram, roll);
        let copy = self.conditions.duplicate.hits(roll.duplicate).then(|| datagram.clone());
        let (due, held_back) = self.launch(departure, datagram, roll.original);
        let copy_due = copy.and_then(|copy| {
            self.counters.duplicated += 1;
            if self.has_room_for(copy.as_ref().len()) {
                Some(self.launch(departure, copy, roll.copy).0)
            } else {
                self.drop(DropReason::InFlightFull);
                None
            }
        });
        Fate::Carried { due, held_back, corrupted_bit, copy_due }
    }

    /// Flips one bit of some datagrams; an empty one has none to flip.
    fn corrupt(&mut self, datagram: &mut T, roll: &Roll) -> Option<usize> {
        let bytes = datagram.as_mut();
        if bytes.is_empty() || !self.conditions.corrupt.hits(roll.corrupt) {
            return None;
        }
        self.counters.corrupted += 1;
        let byte = below(roll.byte, bytes.len());
        let bit = below(roll.bit, 8);
        bytes[byte] ^= 1 << bit;
        Some(byte * 8 + bit)
    }

    /// Puts an item in flight. Returns when it is due and whether it was held back.
    fn launch(&mut self, departure: Instant, item: T, journey: Journey) -> (Instant, bool) {
        let Conditions { delay, jitter, reorder, .. } = &self.conditions;
        let mut due = departure + jitter.around(*delay, journey.jitter);
        let held_back = reorder.probability.hits(journey.reorder);
        if held_back {
            due = due + reorder.by;
            self.counters.held_back += 1;
        }
        self.bytes_in_flight += item.as_ref().len();
        self.in_flight.push(InFlight { due, order: self.next_order, item });
        self.next_order += 1;
        (due, held_back)
    }

    fn has_room_for(&self, length: usize) -> bool {
        self.in_flight.len() < self.limit.datagrams
            && length <= self.limit.bytes.saturating_sub(self.bytes_in_flight)
    }

    fn drop(&mut self, reason: DropReason) -> Fate {
        self.counters.count_drop(reason);
        Fate::Dropped(reason)
    }
}

/// An item on the way. The greatest is the one due first: `BinaryHeap` gives out its greatest.
struct InFlight<T> {
    due: Instant,
    order: u64,
    item: T,
}

impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for InFlight<T> {}
