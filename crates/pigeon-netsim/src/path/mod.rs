//! One direction of a network path as a pure, seeded model. [`simulation`](crate::simulation) and
//! [`relay`](crate::relay) run it.
//!
//! # The steps of a datagram, in this order
//!
//! 1. **MTU.** The sender's own interface refuses a datagram that is too large, before it uses any
//!    capacity.
//! 2. **Rate.** It waits for the bottleneck, or is dropped if the queue is full.
//! 3. **Loss.** After the bottleneck, so a lost datagram has used its share of the rate, like a
//!    frame lost on a radio link.
//! 4. **Capacity.** The model itself holds a bounded number of datagrams ([`InFlightLimit`]).
//! 5. **Corruption.** One bit flips. (With the UDP checksum on, a real receiver's kernel would drop
//!    such a datagram; an application sees one only without the checksum, or if it was computed too
//!    late.)
//! 6. **Duplication.** After corruption, so both copies have the same damage: networks repeat
//!    frames as they received them. The copy uses none of the rate.
//! 7. **Delay, jitter, reordering.** Drawn separately for each copy, as if each took another route.
//!
//! Statistics count the outcome of every step in [`PathCounters`], and at any moment `sent +
//! duplicated = delivered + lost + dropped + in flight`.
//!
//! [`Timeline`] changes conditions at given times.
//!
//! # Randomness
//!
//! Every setting has its own generator, derived from the seed. Each draws the same number of values
//! for every datagram, even if the setting is off or the datagram was dropped. So draw *n* of a
//! setting belongs to datagram *n*: enabling duplication does not change which datagrams are lost,
//! and at the same seed a higher random loss loses all the datagrams that a lower one loses, and
//! more. The generator (PCG XSL RR 128/64) and its arithmetic are the same on every machine, so a
//! seed gives the same results everywhere.

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
/// The caller [`send`](Path::send)s, sleeps until [`poll_timeout`](Path::poll_timeout), and takes
/// arrived items with [`poll`](Path::poll) until it returns `None`.
pub struct Path<T> {
    conditions: Conditions,
    /// Cached result of [`Conditions::are_perfect`], which is needed for every datagram.
    perfect: bool,
    limit: InFlightLimit,
    dice: Dice,
    channel: Channel,
    line: Line,
    in_flight: BinaryHeap<InFlight<T>>,
    bytes_in_flight: usize,
    /// The number of items ever put in flight; orders items that are due at the same instant.
    next_order: u64,
    counters: PathCounters,
}

/// The maximum that a path holds at once, whatever its conditions. A datagram beyond either limit
/// is dropped as it enters, and counted ([`DropReason::InFlightFull`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightLimit {
    /// Datagrams, copies included.
    pub datagrams: usize,
    /// Payload bytes.
    pub bytes: usize,
}

impl Default for InFlightLimit {
    /// 262,144 datagrams and 64 MiB: half a second of 64-byte datagrams as fast as one core sends
    /// them, or of large ones at a gigabit per second.
    fn default() -> Self {
        InFlightLimit { datagrams: 1 << 18, bytes: 64 << 20 }
    }
}

impl<T: Clone + AsRef<[u8]> + AsMut<[u8]>> Path<T> {
    /// A path with generators seeded from `rng`. It draws a fixed number of values, so several
    /// paths can share one generator.
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

    /// A path that behaves the same for the same seed, on any machine.
    pub fn seeded(conditions: Conditions, seed: u64) -> Result<Self, ConditionsError> {
        Path::new(conditions, &mut Pcg64::seed_from_u64(seed))
    }

    /// Replaces the limit on datagrams in flight.
    pub fn with_in_flight_limit(mut self, limit: InFlightLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The conditions in force.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// The counters.
    pub fn statistics(&self) -> &PathCounters {
        &self.counters
    }

    /// The number of datagrams in flight, copies and those waiting for the bottleneck included.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Changes the conditions for datagrams sent from `now` on; invalid conditions change nothing.
    ///
    /// Datagrams in flight keep their arrival times, so later ones may overtake them, as after a
    /// change of route. For later datagrams, the bytes in the bottleneck's queue leave at the new
    /// rate.
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

    /// Sends a datagram into the path at `now`, and returns its fate, which is decided at once.
    pub fn send(&mut self, now: Instant, datagram: T) -> Fate {
        let roll = self.dice.roll();
        self.counters.sent += 1;
        match self.admit(now, datagram.as_ref().len(), &roll) {
            Ok(departure) => self.carry(departure, datagram, &roll),
            Err(reason) => self.drop(reason),
        }
    }

    /// Whether the path changes nothing now: conditions are perfect and nothing is in flight. The
    /// caller may then forward a datagram without sending it, and count it with
    /// [`pass`](Path::pass).
    pub fn is_transparent(&self) -> bool {
        self.perfect && self.in_flight.is_empty()
    }

    /// Counts datagrams that bypassed a [transparent](Path::is_transparent) path. They count as
    /// sent and delivered, and use up their draws, as if they had been sent.
    pub fn pass(&mut self, datagrams: u64) {
        self.dice.skip(datagrams);
        self.counters.sent += datagrams;
        self.counters.delivered += datagrams;
    }

    /// The next datagram due by `now`: in order of arrival time, then in order of sending.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        if self.poll_timeout()? > now {
            return None;
        }
        let arrived = self.in_flight.pop()?.item;
        self.bytes_in_flight -= arrived.as_ref().len();
        self.counters.delivered += 1;
        Some(arrived)
    }

    /// When the next datagram in flight is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.peek().map(|next| next.due)
    }

    /// Steps 1 to 4. Returns when the datagram leaves the bottleneck, or why it is dropped.
    fn admit(&mut self, now: Instant, length: usize, roll: &Roll) -> Result<Instant, DropReason> {
        // The channel's state advances with every datagram, even one that was dropped earlier.
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

    /// Flips one bit of some datagrams; an empty one has none.
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

    /// Puts an item in flight. Returns its arrival time, and whether it was held back.
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

/// An item in flight. The order is reversed, because `BinaryHeap` yields the greatest item and the
/// earliest must come first.
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
