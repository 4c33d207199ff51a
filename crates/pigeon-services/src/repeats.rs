//! Finds loops that no rate bounds. Where the operator lifts the rate, two echoes that were set upon
//! each other would keep a CPU busy for ever, unseen; so would a typed service on loopback and a
//! program that answers it with requests.
//!
//! A loop shows as one source that sends the same bytes again and again, faster than anybody types.
//! Looking at every request would cost as much as answering it, so one in [`STRIDE`] is compared
//! with the one before: memory and work are constant.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;

/// One request in so many is looked at.
const STRIDE: u32 = 1_024;

/// So many looks in a row must find the same.
const LOOKS: u32 = 4;

/// Slower repetition is somebody's heartbeat and no loop. The default bound of a source elsewhere.
const A_SECOND: u64 = 1_000;

/// The bytes that are compared.
const PREFIX: usize = 64;

/// How often the operator is told of a loop that goes on.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    until_look: u32,
    seen: Option<Seen>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    from: SocketAddr,
    length: usize,
    prefix: [u8; PREFIX],
    since: Instant,
    looks: u32,
}

impl Repeats {
    /// Takes note of a request that no rate bounds. Returns how many a second came alike if it
    /// looks like a loop that the operator has not lately been told of.
    pub(crate) fn observe(
        &mut self,
        now: Instant,
        from: SocketAddr,
        payload: &[u8],
    ) -> Option<u64> {
        if let Some(left) = self.until_look.checked_sub(1) {
            self.until_look = left;
            return None;
        }
        self.until_look = STRIDE - 1;
        let mut prefix = [0; PREFIX];
        let kept = payload.len().min(PREFIX);
        prefix[..kept].copy_from_slice(&payload[..kept]);
        let length = payload.len();
        let alike =
            |seen: &&mut Seen| (seen.from, seen.length, seen.prefix) == (from, length, prefix);
        let Some(seen) = self.seen.as_mut().filter(alike) else {
            self.seen = Some(Seen { from, length, prefix, since: now, looks: 0 });
            return None;
        };
        seen.looks = seen.looks.saturating_add(1);
        let nanos = (now - seen.since).as_nanos().max(1);
        let requests = u128::from(seen.looks) * u128::from(STRIDE);
        let a_second = u64::try_from(requests * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        if seen.looks < LOOKS || a_second <= A_SECOND {
            return None;
        }
        // The next judgement is about what comes from here on.
        (seen.since, seen.looks) = (now, 0);
        if self.told.is_some_and(|told| now - told < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(a_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    /// How often a source that sends `payload(n)` every so many microseconds is taken for a loop.
    fn told(requests: u64, micros: u64, payload: impl Fn(u64) -> Vec<u8>) -> Vec<u64> {
        let mut repeats = Repeats::default();
        let observed = (0..requests).filter_map(|n| {
            let now = Instant::ORIGIN + Duration::from_micros(n * micros);
            repeats.observe(now, port(7), &payload(n))
        });
        observed.collect()
    }

    #[test]
    fn the_same_bytes_again_and_again_are_told_once_a_minute() {
        assert_eq!(told(3_000_000, 50, |_| b"hello".to_vec()), [20_000; 3]);
    }

    #[test]
    fn what_changes_or_comes_slowly_is_no_loop() {
        assert!(told(100_000, 50, |n| n.to_be_bytes().to_vec()).is_empty());
        assert!(told(100_000, 2_000, |_| b"hello".to_vec()).is_empty());
        assert!(told(4_000, 50, |_| b"hello".to_vec()).is_empty());
    }

    #[test]
    fn several_sources_that_say_the_same_are_no_loop() {
        let mut repeats = Repeats::default();
        // 1,024 is even: looked at is another source each time only if their number divides it not.
        let told = (0..100_000_u64).filter_map(|n| {
            let now = Instant::ORIGIN + Duration::from_micros(n * 50);
            repeats.observe(now, port((n % 3) as u16), b"hello")
        });
        assert_eq!(told.count(), 0);
    }
}
