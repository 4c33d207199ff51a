//! A reliable client: its outboxes, all that it has said, and what it has received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pigeon_datagram::Instant;
use pigeon_proto::{Identity, Position};

/// Messages in flight.
const WINDOW: u64 = 16;

pub struct Client {
    pub author: u128,
    pub outbox: u64,
    /// The last number said in each outbox.
    pub said: BTreeMap<u64, u64>,
    pub acknowledged: BTreeSet<Identity>,
    /// Outboxes from before restarts, oldest first, and the current one.
    pub outboxes: VecDeque<u64>,
    pub link: Option<Link>,
    /// Received messages in order.
    pub ledger: Vec<(Position, Identity)>,
    pub known: BTreeSet<Identity>,
    pub seen: Option<(Position, Identity)>,
    pub links: u64,
    /// Since when it waits for a hub to read as far as another one.
    pub waits: Option<Instant>,
    /// The event that is due next for this client; earlier ones are void.
    pub due: u64,
    pub wants: u64,
}

pub struct Link {
    pub id: u64,
    pub hub: usize,
    pub outbox: u64,
    pub next: u64,
    pub flying: u64,
    /// Everything up to here is read.
    pub cursor: Position,
    /// The last position read at another hub.
    pub came_from: Position,
    pub progress: Instant,
}

impl Client {
    pub fn new(author: u128, wants: u64) -> Client {
        let outbox = author as u64 * 1_000 + 1;
        Client {
            author,
            outbox,
            said: BTreeMap::from([(outbox, 0)]),
            acknowledged: BTreeSet::new(),
            outboxes: VecDeque::from([outbox]),
            link: None,
            ledger: Vec::new(),
            known: BTreeSet::new(),
            seen: None,
            links: 0,
            waits: None,
            due: 0,
            wants,
        }
    }

    pub fn total(&self) -> u64 {
        self.said.values().sum()
    }

    /// Says one more, on its disk.
    pub fn compose(&mut self) {
        if self.total() < self.wants {
            *self.said.entry(self.outbox).or_default() += 1;
        }
    }

    /// The process restarts: what waits keeps its outbox, the rest is said in a new one.
    pub fn restart(&mut self) {
        self.link = None;
        self.outbox += 1;
        self.said.insert(self.outbox, 0);
        self.outboxes.push_back(self.outbox);
    }

    pub fn is_settled(&self) -> bool {
        self.total() >= self.wants && self.acknowledged.len() as u64 >= self.total()
    }

    /// The oldest outbox with messages that are not acknowledged.
    pub fn current(&self) -> u64 {
        let all = self.outboxes.iter();
        let open = all.filter(|outbox| self.first_open(**outbox) <= self.said[outbox]);
        open.copied().next().unwrap_or(self.outbox)
    }

    /// The first number of an outbox that is not acknowledged.
    pub fn first_open(&self, outbox: u64) -> u64 {
        let identity = |number| Identity { author: self.author, outbox, number };
        (1..).find(|number| !self.acknowledged.contains(&identity(*number))).unwrap_or(0)
    }

    /// The next message to send.
    pub fn next(&mut self) -> Option<Identity> {
        let last = self.said[&self.link.as_ref()?.outbox];
        let link = self.link.as_mut()?;
        if link.next > last || link.flying >= WINDOW {
            return None;
        }
        link.flying += 1;
        link.next += 1;
        Some(Identity { author: self.author, outbox: link.outbox, number: link.next - 1 })
    }

    pub fn receive(&mut self, position: Position, identity: Identity) {
        self.seen = Some((position, identity));
        if self.known.insert(identity) {
            self.ledger.push((position, identity));
        }
    }
}

pub fn text_of(identity: &Identity) -> Vec<u8> {
    format!("{} {} {}", identity.author, identity.outbox, identity.number).into_bytes()
}
