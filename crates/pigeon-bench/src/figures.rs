//! Figures of one direction, and of the round trip.

use std::time::Duration;

/// A receiver's figures of one direction: those of its
/// [`Sequence`](pigeon_netsim::sequence::Sequence), and some more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Distinct datagrams received.
    pub received: u64,
    /// Missing datagrams among those known to have been sent.
    pub lost: u64,
    /// How many of the missing the receiver's kernel dropped because its receive buffer was full.
    pub kernel: u64,
    /// Arrivals of a datagram that had arrived before.
    pub duplicated: u64,
    /// Datagrams that arrived after a later one (RFC 4737 section 3.3). They are not lost.
    pub reordered: u64,
    /// The greatest reordering extent, in arrivals (RFC 4737 section 4.2.1).
    pub max_extent: u64,
    /// Arrivals too late to know whether they are duplicates.
    pub beyond_window: u64,
    /// Arrivals with a damaged header; they count as lost.
    pub damaged: u64,
    /// Payload bytes of all arrivals.
    pub bytes: u64,
    /// Interarrival jitter in nanoseconds (RFC 3550 section 6.4.1).
    pub jitter: u64,
}

impl Figures {
    /// The number of integers in the wire format.
    pub(crate) const WORDS: usize = 10;

    pub(crate) fn words(&self) -> [u64; Self::WORDS] {
        [
            self.received,
            self.lost,
            self.kernel,
            self.duplicated,
            self.reordered,
            self.max_extent,
            self.beyond_window,
            self.damaged,
            self.bytes,
            self.jitter,
        ]
    }

    pub(crate) fn from_words(words: [u64; Self::WORDS]) -> Figures {
        let [received, lost, kernel, duplicated, reordered, max_extent, ..] = words;
        let [.., beyond_window, damaged, bytes, jitter] = words;
        Figures {
            received,
            lost,
            kernel,
            duplicated,
            reordered,
            max_extent,
            beyond_window,
            damaged,
            bytes,
            jitter,
        }
    }
}

/// Figures of one direction from both ends: `sent = received + lost + unanswered`, and `lost =
/// lost_in_kernel + lost_on_way`, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneWay {
    /// Datagrams that the sender's kernel accepted.
    pub sent: u64,
    /// Datagrams that the sender's host did not send; no other figure includes them.
    pub unsent: u64,
    /// Distinct datagrams received.
    pub received: u64,
    /// Datagrams not received. During a measurement, only those known to be overdue.
    pub lost: u64,
    /// How many of the lost the receiver's kernel dropped.
    pub lost_in_kernel: u64,
    /// How many of the lost disappeared on the path.
    pub lost_on_way: u64,
    /// Datagrams with an unknown outcome: sent after the last report of a far end that stopped
    /// answering.
    pub unanswered: u64,
    /// The receiver's other figures.
    pub seen: Figures,
}

impl OneWay {
    /// Figures during a measurement: datagrams in flight do not count as lost.
    pub(crate) fn running(sent: u64, unsent: u64, seen: Figures) -> OneWay {
        OneWay::of(sent, unsent, seen.lost.saturating_sub(unsent), seen)
    }

    /// Final figures. If the sender died or its last report was lost, its total is from an earlier
    /// report; everything that the receiver has since seen or missed counts as sent, too.
    pub(crate) fn settled(sent: u64, unsent: u64, seen: Figures) -> OneWay {
        let sent = sent.max(seen.received + seen.lost.saturating_sub(unsent));
        OneWay::of(sent, unsent, sent - seen.received, seen)
    }

    /// Figures if the far end stopped answering: only datagrams covered by its reports.
    pub(crate) fn cut_off(sent: u64, unsent: u64, seen: Figures) -> OneWay {
        let lost = seen.lost.saturating_sub(unsent);
        let sent = sent.max(seen.received + lost);
        OneWay { unanswered: sent - seen.received - lost, ..OneWay::of(sent, unsent, lost, seen) }
    }

    /// The difference from `before`. Jitter and extent are those of the whole.
    pub fn since(self, before: OneWay) -> OneWay {
        let (a, b) = (self.seen, before.seen);
        let sent = self.sent.saturating_sub(before.sent);
        let unanswered = self.unanswered.min(sent);
        let seen = Figures {
            // Datagrams in flight then arrived later, and belong to the earlier total.
            received: a.received.saturating_sub(b.received).min(sent - unanswered),
            lost: a.lost.saturating_sub(b.lost),
            kernel: a.kernel.saturating_sub(b.kernel),
            duplicated: a.duplicated.saturating_sub(b.duplicated),
            reordered: a.reordered.saturating_sub(b.reordered),
            beyond_window: a.beyond_window.saturating_sub(b.beyond_window),
            damaged: a.damaged.saturating_sub(b.damaged),
            bytes: a.bytes.saturating_sub(b.bytes),
            ..a
        };
        let unsent = self.unsent.saturating_sub(before.unsent);
        let lost = sent - unanswered - seen.received;
        let in_kernel = self.lost_in_kernel.saturating_sub(before.lost_in_kernel).min(lost);
        let (lost_in_kernel, lost_on_way) = (in_kernel, lost - in_kernel);
        let all = OneWay::of(sent, unsent, lost, seen);
        OneWay { unanswered, lost_in_kernel, lost_on_way, ..all }
    }

    fn of(sent: u64, unsent: u64, lost: u64, seen: Figures) -> OneWay {
        let lost_in_kernel = seen.kernel.min(lost);
        let (received, lost_on_way) = (seen.received, lost - lost_in_kernel);
        OneWay { sent, unsent, received, lost, lost_in_kernel, lost_on_way, unanswered: 0, seen }
    }

    /// The sum of two flows. The jitter is the mean weighted by arrivals.
    pub fn and(self, other: OneWay) -> OneWay {
        let (a, b) = (self.seen, other.seen);
        let weighed = |figures: Figures| u128::from(figures.jitter) * u128::from(figures.received);
        let received = u128::from(a.received) + u128::from(b.received);
        let jitter = (weighed(a) + weighed(b)).checked_div(received).unwrap_or(0);
        OneWay {
            sent: self.sent + other.sent,
            unsent: self.unsent + other.unsent,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            lost_in_kernel: self.lost_in_kernel + other.lost_in_kernel,
            lost_on_way: self.lost_on_way + other.lost_on_way,
            unanswered: self.unanswered + other.unanswered,
            seen: Figures {
                received: a.received + b.received,
                lost: a.lost + b.lost,
                kernel: a.kernel + b.kernel,
                duplicated: a.duplicated + b.duplicated,
                reordered: a.reordered + b.reordered,
                max_extent: a.max_extent.max(b.max_extent),
                beyond_window: a.beyond_window + b.beyond_window,
                damaged: a.damaged + b.damaged,
                bytes: a.bytes + b.bytes,
                jitter: u64::try_from(jitter).unwrap_or(u64::MAX),
            },
        }
    }

    /// The share of lost datagrams, from 0 to 1.
    pub fn loss_share(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.lost as f64 / self.sent as f64 }
    }

    /// The jitter.
    pub fn jitter(&self) -> Duration {
        Duration::from_nanos(self.seen.jitter)
    }
}

/// A client's figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// From the client to the server; `None` if nothing is sent there. With a plain echo service,
    /// arrivals there are unknown.
    pub up: Option<OneWay>,
    /// From the server to the client. Returned datagrams count as sent when they arrived there.
    pub down: Option<OneWay>,
    /// The round trip, if datagrams are returned.
    pub trip: Option<OneWay>,
}

impl Snapshot {
    /// Figures at one time, completed with the far end's later report of the same time.
    pub fn completed_by(self, later: Snapshot) -> Snapshot {
        let up = self.up.zip(later.up);
        let up = up.map(|(own, far)| OneWay { sent: own.sent, unsent: own.unsent, ..far });
        let down = self.down.zip(later.down);
        let down = down.map(|(own, far)| OneWay { sent: far.sent, unsent: far.unsent, ..own });
        Snapshot { up, down, trip: self.trip }
    }

    /// The difference from `before`.
    pub fn since(self, before: Snapshot) -> Snapshot {
        let since =
            |now: Option<OneWay>, then: Option<OneWay>| Some(now?.since(then.unwrap_or_default()));
        Snapshot {
            up: since(self.up, before.up),
            down: since(self.down, before.down),
            trip: since(self.trip, before.trip),
        }
    }

    /// The sum of two flows.
    pub fn and(self, other: Snapshot) -> Snapshot {
        let and = |one: Option<OneWay>, two: Option<OneWay>| match (one, two) {
            (Some(one), Some(two)) => Some(one.and(two)),
            (one, two) => one.or(two),
        };
        Snapshot {
            up: and(self.up, other.up),
            down: and(self.down, other.down),
            trip: and(self.trip, other.trip),
        }
    }
}
