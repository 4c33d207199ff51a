//! One contact: its entry, its limits, and the texts in flight to it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_guard::Bucket;

use crate::entry::{Entry, Program};

/// How many numbers of received texts are remembered, and for how long. By then every program has
/// stopped retransmitting. iptux restarts its numbers at 1.
const SEEN: usize = 128;
const SEEN_FOR: Duration = Duration::from_secs(30);

/// How long programs retransmit a text: IP Messenger 4.5 s, which is the longest.
const SENT_AGAIN: Duration = Duration::from_secs(6);

/// Maximum number of queued acknowledgements for an unproved contact; retransmissions request the
/// rest. So no datagram draws more than two packets.
const MAX_OWED: usize = 1;

/// Maximum credit of an unproved contact: packets received from it, minus packets sent to it.
const MAX_CREDIT: u8 = 8;

/// Identifies a queued text in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u64);

/// Whether a contact may get more packets than it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The contact's address may be forged: it gets at most one packet for each it sends.
    Unproved {
        /// How many more packets the contact may get.
        credit: u8,
    },
    /// The contact has acknowledged a text's number, which proves that it receives.
    Proved,
    /// The user entered the contact's address.
    Named,
}

/// A text in flight.
pub(crate) struct InFlight {
    pub(crate) number: u32,
    /// The encoded text.
    pub(crate) bytes: Vec<u8>,
    /// Whether a text is marked as UTF-8.
    pub(crate) is_labelled: bool,
    pub(crate) ids: Vec<MessageId>,
    /// The number of attempts, including those skipped for lack of credit.
    pub(crate) tries: u32,
    pub(crate) next_try: Instant,
}

/// A received text, for [`Messenger::accept`](crate::Messenger::accept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    /// A hash of its bytes: a restarted program may reuse a number.
    pub(crate) hash: u64,
    pub(crate) at: Instant,
    pub(crate) is_accepted: bool,
}

pub(crate) struct Contact {
    pub(crate) entry: Entry,
    /// The local address that the contact writes to, if known.
    pub(crate) local: Option<IpAddr>,
    pub(crate) trust: Trust,
    /// When the contact was first heard.
    pub(crate) met: Instant,
    /// When the contact was last heard.
    pub(crate) heard: Instant,
    /// The number and time of its latest entry.
    pub(crate) entered: Option<(u64, Instant)>,
    /// When to answer the contact's entry.
    pub(crate) answer_at: Option<Instant>,
    /// When an entry or an answer was last sent to the contact.
    pub(crate) answered: Option<Instant>,
    /// Whether an entry was sent to the contact, or the contact has answered one.
    pub(crate) was_asked: bool,
    /// Whether only the address is known, because the user entered the contact.
    pub(crate) is_blank: bool,
    /// How many probes the contact left unanswered, and when the next is due.
    pub(crate) probes: u32,
    pub(crate) probe_at: Instant,
    /// Recently received texts.
    seen: VecDeque<Seen>,
    /// Numbers to acknowledge.
    pub(crate) owed: VecDeque<u64>,
    /// The rate of texts that the contact may send.
    pub(crate) says: Bucket,
    pub(crate) last_number: u32,
    pub(crate) queue: VecDeque<(MessageId, Arc<str>)>,
    pub(crate) queued_bytes: usize,
    pub(crate) in_flight: Option<InFlight>,
    /// When the next text may be sent.
    pub(crate) next_text: Instant,
    /// Consecutive texts that it did not acknowledge.
    pub(crate) failures: u32,
    /// The contact's deadline in the schedule.
    pub(crate) scheduled: Option<Instant>,
}

impl Contact {
    pub(crate) fn new(entry: Entry, trust: Trust, now: Instant) -> Contact {
        Contact {
            entry,
            local: None,
            trust,
            met: now,
            heard: now,
            entered: None,
            answer_at: None,
            answered: None,
            was_asked: false,
            is_blank: false,
            probes: 0,
            probe_at: now,
            seen: VecDeque::new(),
            owed: VecDeque::new(),
            says: Bucket::default(),
            last_number: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            in_flight: None,
            next_text: now,
            failures: 0,
            scheduled: None,
        }
    }

    /// Whether one more packet may be sent to the contact now.
    pub(crate) fn may_get(&self) -> bool {
        !matches!(self.trust, Trust::Unproved { credit: 0 })
    }

    /// Counts a packet to the contact. Returns false if the contact may not get one.
    pub(crate) fn spend(&mut self) -> bool {
        let may = self.may_get();
        if let Trust::Unproved { credit } = &mut self.trust {
            *credit = credit.saturating_sub(1);
        }
        may
    }

    /// Counts a packet from the contact.
    pub(crate) fn earn(&mut self) {
        if let Trust::Unproved { credit } = &mut self.trust {
            *credit = MAX_CREDIT.min(*credit + 1);
        }
    }

    /// The number of attempts for a text, and the time between them, as the program at the other
    /// end does.
    pub(crate) fn retries(&self) -> (u32, Duration) {
        match self.entry.program {
            Program::IpMessenger => (6, Duration::from_millis(750)),
            Program::Iptux | Program::FeiQ | Program::Pigeon | Program::Other => {
                (4, Duration::from_secs(1))
            }
        }
    }

    /// Finds a text among those received before.
    pub(crate) fn seen(&mut self, now: Instant, number: u64, hash: u64) -> Option<&mut Seen> {
        while self.seen.front().is_some_and(|seen| now - seen.at > SEEN_FOR) {
            self.seen.pop_front();
        }
        self.seen.iter_mut().rev().find(|seen| seen.number == number && seen.hash == hash)
    }

    /// Remembers a text.
    pub(crate) fn note(&mut self, seen: Seen) {
        if self.seen.len() == SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }

    /// Forgets a text, so that it may come again.
    pub(crate) fn forget(&mut self, number: u64, hash: u64) {
        self.seen.retain(|seen| (seen.number, seen.hash) != (number, hash));
    }

    /// Forgets earlier texts, because the program was restarted. Keeps texts that may still be
    /// retransmitted: an entry may arrive after a text that was sent later.
    pub(crate) fn forget_older(&mut self, now: Instant) {
        self.seen.retain(|seen| now - seen.at < SENT_AGAIN);
    }

    /// Queues an acknowledgement.
    pub(crate) fn owe(&mut self, number: u64) {
        if self.owed.len() < MAX_OWED && !self.owed.contains(&number) {
            self.owed.push_back(number);
        }
    }
}
