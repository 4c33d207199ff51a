//! The times of heartbeats and their answers, and the round trip they measure.
//!
//! ```text
//!   regular   again    again   given up     regular: after the interval, up to a fifth earlier
//!   0         2 s      4 s     6 s          the waits grow with the round trip
//! ```

use std::time::Duration;

use pigeon_datagram::Instant;
use rand_core::Rng;

/// How long to wait for an answer before a heartbeat is repeated, unless the path is known to be
/// longer. RFC 8085 section 3.1.1 requires at least a second for an unknown path.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The number of consecutive unanswered heartbeats after which the hub counts as away.
const UNANSWERED: u32 = 3;

/// The least time between a heartbeat triggered by the hub and the previous one. Without it, forged
/// control lines could make a session send far more than the forger.
const HURRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Heartbeats<R> {
    interval: Duration,
    rng: R,
    next: Option<Instant>,
    /// When the last heartbeat counts as unanswered; `None` if no answer is expected.
    due: Option<Instant>,
    last: Option<Instant>,
    /// The number of consecutive unanswered heartbeats.
    missed: u32,
    path: Path,
    may_prove: bool,
}

/// The round trip measured from answers.
///
/// An answer does not identify its heartbeat. So only a heartbeat that was sent once measures the
/// round trip (RFC 6298 section 3, Karn's algorithm); the answer to a repeated one yields an upper
/// bound.
#[derive(Debug, Default)]
struct Path {
    measured: Option<Duration>,
    /// The round trip that waits are based on: the last measurement or upper bound.
    assumed: Duration,
    /// The first heartbeat since the last answer, and how many were sent since.
    first: Option<Instant>,
    sent: u32,
    /// Until when answers to repeated heartbeats may still arrive.
    doubt_until: Option<Instant>,
}

impl Path {
    fn sent(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.sent = self.sent.saturating_add(1);
    }

    fn answered(&mut self, now: Instant, last: Instant, most: Duration) {
        let Some(first) = self.first.take() else { return };
        let in_doubt = self.doubt_until.is_some_and(|until| first < until);
        match std::mem::take(&mut self.sent) {
            1 if !in_doubt => {
                self.measured = Some(now - first);
                self.assumed = now - first;
            }
            1 => {}
            _ => {
                self.assumed = (now - first).min(most);
                self.doubt_until = Some(last + self.assumed);
            }
        }
    }
}

impl<R: Rng> Heartbeats<R> {
    pub(super) fn new(interval: Duration, rng: R) -> Self {
        Heartbeats {
            interval,
            rng,
            next: None,
            due: None,
            last: None,
            missed: 0,
            path: Path::default(),
            may_prove: false,
        }
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.path.measured
    }

    /// Whether the last heartbeat went unanswered.
    pub(super) fn is_missing(&self) -> bool {
        self.missed > 0
    }

    /// How long to wait for an answer: twice the last round trip, if that is long, but at most
    /// until the next heartbeat.
    pub(super) fn patience(&self) -> Duration {
        ANSWER_WITHIN.max(2 * self.path.assumed).min(self.interval)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.next.into_iter().chain(self.due).min()
    }

    // State changes.

    /// A heartbeat was sent. The next follows after `wait`, or after the interval; the answer
    /// counts as missing after `within`.
    pub(super) fn sent(&mut self, now: Instant, wait: Option<Duration>, within: Option<Duration>) {
        self.last = Some(now);
        self.may_prove = true;
        self.path.sent(now);
        self.next = Some(now + wait.unwrap_or_else(|| self.jittered()));
        if let Some(within) = within {
            self.due.get_or_insert(now + within);
        }
    }

    /// An answer has arrived.
    pub(super) fn answered(&mut self, now: Instant) {
        let most = self.interval.max(ANSWER_WITHIN);
        self.path.answered(now, self.last.unwrap_or(now), most);
        self.heard();
    }

    /// The hub was heard: no answer is expected any more.
    pub(super) fn heard(&mut self) {
        self.due = None;
        self.missed = 0;
    }

    /// The answer is late. Returns true if the heartbeat should be repeated, false if the hub
    /// counts as away.
    pub(super) fn miss(&mut self) -> bool {
        self.due = None;
        self.missed += 1;
        self.missed < UNANSWERED
    }

    /// Schedules the next one after `wait`, and expects no answer.
    pub(super) fn slow_down(&mut self, now: Instant, wait: Duration) {
        self.next = Some(now + wait);
        self.heard();
        self.path.first = None;
        self.path.sent = 0;
    }

    /// The hub's address has changed: discards the measured round trip.
    pub(super) fn forget_path(&mut self) {
        self.path = Path::default();
        self.heard();
    }

    /// Stops sending heartbeats.
    pub(super) fn stop(&mut self) {
        self.next = None;
        self.heard();
        self.may_prove = false;
    }

    /// Makes the next one due at once, but not too soon after the last.
    pub(super) fn hurry(&mut self, now: Instant) {
        let soonest = self.last.map_or(now, |last| now.max(last + HURRY));
        self.next = self.next.map(|next| next.min(soonest));
    }

    /// The port is open again: regular heartbeats.
    pub(super) fn resume(&mut self, now: Instant) {
        self.heard();
        self.next = Some(now + self.jittered());
    }

    /// Whether to answer a request to prove our address: once per heartbeat, so that forged
    /// requests cannot make the session send more.
    pub(super) fn may_prove(&mut self) -> bool {
        std::mem::take(&mut self.may_prove)
    }

    /// A proof and another heartbeat were sent: the request answered the previous one.
    pub(super) fn proved(&mut self, now: Instant) {
        if self.path.sent == 1 {
            self.path.first = Some(now);
        }
    }

    /// The interval, shortened by up to a fifth.
    fn jittered(&mut self) -> Duration {
        let fifth = u64::try_from((self.interval / 5).as_nanos()).unwrap_or(u64::MAX);
        let earlier = match fifth {
            0 => 0,
            fifth => self.rng.next_u64() % fifth,
        };
        self.interval - Duration::from_nanos(earlier)
    }
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn heartbeats() -> Heartbeats<Pcg64> {
        Heartbeats::new(INTERVAL, Pcg64::new(1, 0))
    }

    #[test]
    fn only_a_heartbeat_sent_once_measures() {
        let mut heartbeats = heartbeats();
        heartbeats.sent(at(0), None, Some(ANSWER_WITHIN));
        heartbeats.answered(at(80));
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_millis(80)));
        heartbeats.sent(at(10_000), None, Some(ANSWER_WITHIN));
        assert!(heartbeats.is_late(at(12_000)) && heartbeats.miss());
        heartbeats.sent(at(12_000), None, Some(ANSWER_WITHIN));
        heartbeats.answered(at(12_100));
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_millis(80)));
        heartbeats.sent(at(22_000), None, None);
        heartbeats.answered(at(22_100));
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn late_answers_to_repeated_heartbeats_measure_nothing() {
        let mut heartbeats = heartbeats();
        // The path takes seven seconds.
        for sent in [0, 2_000, 4_000] {
            heartbeats.sent(at(sent), None, Some(ANSWER_WITHIN));
        }
        heartbeats.answered(at(7_000));
        assert_eq!((heartbeats.round_trip(), heartbeats.patience()), (None, INTERVAL));
        heartbeats.answered(at(9_000));
        heartbeats.sent(at(9_500), None, None);
        heartbeats.answered(at(11_000));
        assert_eq!(heartbeats.round_trip(), None);
        heartbeats.sent(at(18_500), None, None);
        heartbeats.answered(at(25_500));
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn three_in_a_row_are_silence() {
        let mut heartbeats = heartbeats();
        assert!(heartbeats.miss() && heartbeats.miss());
        assert!(!heartbeats.miss());
        heartbeats.heard();
        assert!(heartbeats.miss());
    }

    #[test]
    fn words_of_the_hub_hurry_one_heartbeat_a_second() {
        let mut heartbeats = heartbeats();
        heartbeats.sent(at(0), None, None);
        heartbeats.hurry(at(100));
        assert_eq!(heartbeats.timeout(), Some(at(1_000)));
        heartbeats.stop();
        heartbeats.hurry(at(200));
        assert_eq!(heartbeats.timeout(), None);
    }

    #[test]
    fn a_heartbeat_is_answered_by_one_proof() {
        let mut heartbeats = heartbeats();
        assert!(!heartbeats.may_prove());
        heartbeats.sent(at(0), None, None);
        assert!(heartbeats.may_prove() && !heartbeats.may_prove());
    }
}
