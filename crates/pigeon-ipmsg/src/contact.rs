//! One contact: who it is, what it may get, and what is on its way to it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_guard::Bucket;

use crate::entry::{Entry, Program};

/// How many numbers of received texts are remembered, and for how long. Every program has stopped
/// sending a text again by then; iptux counts from 1 when it is started again.
const SEEN: usize = 128;
const SEEN_FOR: Duration = Duration::from_secs(30);

/// How long a program sends a text again: IP Messenger 4.5 s, which is the longest.
const SENT_AGAIN: Duration = Duration::from_secs(6);

/// The most acknowledgements that wait for a contact that has not shown that it receives. Others come
/// when their texts are sent again: so nothing draws more than two packets.
const MAX_OWED: usize = 1;

/// The most packets that such a contact is still owed: what it sent, less what it was sent.
const MAX_CREDIT: u8 = 8;

/// A text that was queued, for the reports about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u64);

/// Whether a contact gets more than it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Its address may be forged: it gets at most one packet for each that came.
    Unproved {
        /// How many more it may get.
        credit: u8,
    },
    /// It has acknowledged the number of a text.
    Proved,
    /// The user named its address.
    Named,
}

/// A text on its way.
pub(crate) struct InFlight {
    pub(crate) number: u32,
    /// As they are sent.
    pub(crate) bytes: Vec<u8>,
    /// Whether they are said to be UTF-8.
    pub(crate) is_labelled: bool,
    pub(crate) ids: Vec<MessageId>,
    /// How often it was sent, or could have been.
    pub(crate) tries: u32,
    pub(crate) next_try: Instant,
}

/// A text that came, for [`Messenger::accept`](crate::Messenger::accept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    /// Of its bytes: a program that was started again may use a number again.
    pub(crate) hash: u64,
    pub(crate) at: Instant,
    pub(crate) is_accepted: bool,
}

pub(crate) struct Contact {
    pub(crate) entry: Entry,
    /// Which of our addresses it wrote to, where that is known.
    pub(crate) local: Option<IpAddr>,
    pub(crate) trust: Trust,
    /// When it was first heard.
    pub(crate) met: Instant,
    /// When it was last heard.
    pub(crate) heard: Instant,
    /// The number of its latest entry, and when that came.
    pub(crate) entered: Option<(u64, Instant)>,
    /// When its entry is answered.
    pub(crate) answer_at: Option<Instant>,
    /// When it was last sent an entry or an answer to one.
    pub(crate) answered: Option<Instant>,
    /// Whether it was sent an entry, or has answered one.
    pub(crate) was_asked: bool,
    /// Whether nothing is known of it but its address, which the user has named.
    pub(crate) is_blank: bool,
    /// How often it was asked in vain whether it is still there, and when it is asked next.
    pub(crate) probes: u32,
    pub(crate) probe_at: Instant,
    /// Texts that it sent lately.
    seen: VecDeque<Seen>,
    /// Numbers that are to be acknowledged.
    pub(crate) owed: VecDeque<u64>,
    /// What is left of the texts that it may send.
    pub(crate) says: Bucket,
    pub(crate) last_number: u32,
    pub(crate) queue: VecDeque<(MessageId, Arc<str>)>,
    pub(crate) queued_bytes: usize,
    pub(crate) in_flight: Option<InFlight>,
    /// When the next text may be sent.
    pub(crate) next_text: Instant,
    /// Texts in a row that it did not acknowledge.
    pub(crate) failures: u32,
    /// The deadline that stands in the schedule.
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

    /// Whether one more packet may go to it now.
    pub(crate) fn may_get(&self) -> bool {
        !matches!(self.trust, Trust::Unproved { credit: 0 })
    }

    /// Counts a packet to it. False: it may not get one.
    pub(crate) fn spend(&mut self) -> bool {
        let may = self.may_get();
        if let Trust::Unproved { credit } = &mut self.trust {
            *credit = credit.saturating_sub(1);
        }
        may
    }

    /// Counts a packet from it.
    pub(crate) fn earn(&mut self) {
        if let Trust::Unproved { credit } = &mut self.trust {
            *credit = MAX_CREDIT.min(*credit + 1);
        }
    }

    /// How often a text is sent, and how long it is waited for in between. What each program does
    /// itself.
    pub(crate) fn retries(&self) -> (u32, Duration) {
        match self.entry.program {
            Program::IpMessenger => (6, Duration::from_millis(750)),
            Program::Iptux | Program::FeiQ | Program::Pigeon | Program::Other => {
                (4, Duration::from_secs(1))
            }
        }
    }

    /// A text that came before.
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

    /// Forgets the texts of before: the program was started again. Those that may still be sent again
    /// stay, since an entry may arrive after a text that was sent behind it.
    pub(crate) fn forget_older(&mut self, now: Instant) {
        self.seen.retain(|seen| now - seen.at < SENT_AGAIN);
    }

    /// Notes that a number is to be acknowledged.
    pub(crate) fn owe(&mut self, number: u64) {
        if self.owed.len() < MAX_OWED && !self.owed.contains(&number) {
            self.owed.push_back(number);
        }
    }
}
