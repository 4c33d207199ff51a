//! Which datagram is served next while several addresses speak.
//!
//! The kernel takes long to send a message to a large room. So an address that has something in the
//! present batch waits in a queue of its own, once the batch holds [`MOST_WORK`] or is on its way;
//! other addresses are served at once. When all is sent, the queues give one datagram each in turn.
//! A single speaker does not wait: many messages in one batch are what makes fan-out cheap.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Received};

/// How long an address counts as speaking after a message or a command.
const LATELY: Duration = Duration::from_secs(10);

/// The estimated work of a batch, in nanoseconds, after which an address that has something in it waits:
/// four messages to 256 readers, thirty to forty. In trains of four a message costs half of what it costs
/// alone, so a smaller bound would take much from a video.
const MOST_WORK: u64 = 700_000;

/// How many bytes of one address may wait, and of all together. Beyond that the newest datagram is refused,
/// as too much work.
const MOST_BYTES: [usize; 2] = [256 << 10, 4 << 20];

/// The memory that a waiting datagram takes besides its payload.
const OVERHEAD: usize = 256;

/// Maximum number of addresses that wait, and of those noted as served. Further ones do not wait.
const ADDRESSES: usize = 256;

/// Maximum number of datagrams that leave the queues for one batch: refused ones add no work to it.
const MOST_AT_ONCE: usize = 64;

/// A datagram that waits.
pub(crate) struct Held {
    /// Without the payload.
    datagram: Received<'static>,
    payload: Box<[u8]>,
}

impl Held {
    fn of(datagram: &Received<'_>) -> Held {
        let payload = datagram.payload.into();
        Held { datagram: Received { payload: &[], ..*datagram }, payload }
    }

    /// As it arrived.
    pub(crate) fn datagram(&self) -> Received<'_> {
        Received { payload: &self.payload, ..self.datagram }
    }

    fn cost(&self) -> usize {
        self.payload.len() + OVERHEAD
    }
}

/// The datagrams of one address that wait.
struct Queue {
    ip: IpAddr,
    held: VecDeque<Held>,
    bytes: usize,
}

/// The addresses with datagrams in the present batch, and those that wait for the next.
#[derive(Default)]
pub(super) struct Turns {
    /// The two addresses heard most recently, the latest first.
    heard: [Option<(IpAddr, Instant)>; 2],
    served: Vec<IpAddr>,
    nanos: u64,
    queues: VecDeque<Queue>,
    bytes: usize,
    /// How many have left the queues for this batch.
    released: usize,
}

impl Turns {
    /// Whether more than one address has been heard lately.
    pub(super) fn are_shared(&self, now: Instant) -> bool {
        self.heard.iter().all(|heard| heard.is_some_and(|(_, at)| at + LATELY > now))
    }

    /// Whether a datagram waits.
    pub(super) fn is_somebody_waiting(&self) -> bool {
        !self.queues.is_empty()
    }

    /// A message or a command of an address has become part of the batch.
    pub(super) fn served(&mut self, now: Instant, ip: IpAddr, nanos: u64) {
        self.nanos = self.nanos.saturating_add(nanos);
        if self.heard[0].is_some_and(|(last, _)| last != ip) {
            self.heard[1] = self.heard[0];
        }
        self.heard[0] = Some((ip, now));
        if self.served.last() != Some(&ip)
            && self.served.len() < ADDRESSES
            && !self.served.contains(&ip)
        {
            self.served.push(ip);
        }
    }

    /// Whether a datagram that has just arrived waits. `is_leaving`: the batch is already on its way.
    pub(super) fn must_wait(&self, now: Instant, ip: IpAddr, is_leaving: bool) -> bool {
        if self.queues.iter().any(|queue| queue.ip == ip) {
            return true;
        }
        (is_leaving || self.nanos >= MOST_WORK)
            && self.queues.len() < ADDRESSES
            && self.are_shared(now)
            && self.served.contains(&ip)
    }

    /// Lets a datagram wait. Returns false if too many bytes or datagrams of its address, or of all
    /// addresses, wait already.
    pub(super) fn hold(&mut self, ip: IpAddr, datagram: &Received<'_>) -> bool {
        let at = self.queues.iter().position(|queue| queue.ip == ip);
        let [most, most_of_all] = MOST_BYTES;
        let cost = datagram.payload.len() + OVERHEAD;
        let own = at.map_or(0, |at| self.queues[at].bytes);
        if own + cost > most || self.bytes + cost > most_of_all {
            return false;
        }
        let at = at.unwrap_or_else(|| {
            self.queues.push_back(Queue { ip, held: VecDeque::new(), bytes: 0 });
            self.queues.len() - 1
        });
        self.queues[at].held.push_back(Held::of(datagram));
        self.queues[at].bytes += cost;
        self.bytes += cost;
        true
    }

    /// The next datagram for a batch that has not begun to leave, until there is enough in it.
    pub(super) fn next(&mut self) -> Option<Held> {
        if self.nanos >= MOST_WORK || self.released >= MOST_AT_ONCE {
            return None;
        }
        let mut queue = self.queues.pop_front()?;
        let held = queue.held.pop_front()?;
        queue.bytes -= held.cost();
        self.bytes -= held.cost();
        self.released += 1;
        if !queue.held.is_empty() {
            self.queues.push_back(queue);
        }
        Some(held)
    }

    /// Everything of the batch has left.
    pub(super) fn end_batch(&mut self) {
        self.served.clear();
        (self.nanos, self.released) = (0, 0);
    }
}
