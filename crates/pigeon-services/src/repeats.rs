//! Detects loops that no rate limits: two echoes answering each other after the operator lifted the
//! rate, or a service on loopback and a program that answers it with requests. Such a loop keeps a
//! CPU busy for ever, unseen.
//!
//! A loop looks like one source that repeats the same bytes faster than a person types. Comparing
//! every request would cost as much as answering it, so only one in [`STRIDE`] is compared with the
//! one before: memory and work are constant.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;

/// One request in this many is compared.
const STRIDE: u32 = 1_024;

/// The number of equal samples in a row that count as a loop.
const LOOKS: u32 = 4;

/// The lowest rate of a loop, in requests per second. Slower repetition may be a program's
/// heartbeat. Equals the default rate per source.
const A_SECOND: u64 = 1_000;

/// The number of bytes compared.
const PREFIX: usize = 64;

/// How often a continuing loop is reported to the operator.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The last sample.
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
    /// Samples a request that no rate limits. Returns the repetitions per second if they look like
    /// a loop and none was reported lately.
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
        // Starts a new observation.
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

    /// The rates reported for a source that sends `payload(n)` every `micros` microseconds.
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
        // With three sources, samples contain different ones. A number that divides the stride
        // would put the same source in every sample.
        let told = (0..100_000_u64).filter_map(|n| {
            let now = Instant::ORIGIN + Duration::from_micros(n * 50);
            repeats.observe(now, port((n % 3) as u16), b"hello")
        });
        assert_eq!(told.count(), 0);
    }
}
