//! Interarrival jitter, as RTP defines it.

/// How much the time on the way varies from datagram to datagram, smoothed (RFC 3550 section
/// 6.4.1): `J += (|D| - J) / 16`, where D is the difference between the transits of two datagrams
/// that arrived one after the other.
///
/// A transit is the time of arrival less the time of sending, in nanoseconds. The two clocks need
/// not agree: their difference cancels out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    before: Option<i64>,
    /// Sixteen times the estimate, as in the integer form of RFC 3550 appendix A.8.
    scaled: u128,
}

impl Jitter {
    /// A jitter of zero, before any arrival.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a datagram's transit in nanoseconds.
    pub fn observe(&mut self, nanos: i64) {
        let Some(before) = self.before.replace(nanos) else { return };
        let difference = u128::from(before.abs_diff(nanos));
        self.scaled = self.scaled + difference - ((self.scaled + 8) >> 4);
    }

    /// The sender restarted, perhaps with another clock: the next transit has no predecessor.
    pub fn restart(&mut self) {
        self.before = None;
    }

    /// The estimate in nanoseconds; 0 until two datagrams have arrived.
    pub fn nanos(&self) -> u64 {
        u64::try_from(self.scaled >> 4).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_path_has_none_whatever_the_clocks_say() {
        for offset in [0, -5_000_000_000, i64::MAX, i64::MIN] {
            let mut jitter = Jitter::new();
            (0..1_000).for_each(|_| jitter.observe(offset));
            assert_eq!(jitter.nanos(), 0);
        }
    }

    #[test]
    fn it_follows_the_formula_of_the_standard() {
        let mut jitter = Jitter::new();
        let mut exact = 0.0_f64;
        let transits = (0..500_i64).map(|n| n * 7_919 % 104_729);
        let mut before = None;
        for transit in transits {
            jitter.observe(transit);
            if let Some(before) = before.replace(transit) {
                let difference: i64 = transit - before;
                exact += (difference.abs() as f64 - exact) / 16.0;
                assert!((jitter.nanos() as f64 - exact).abs() < 2.0, "{jitter:?}, not {exact}");
            }
        }
        assert!(exact > 1_000.0);
    }

    #[test]
    fn the_widest_swing_does_not_overflow() {
        let mut jitter = Jitter::new();
        for n in 0..10_000 {
            jitter.observe(if n % 2 == 0 { i64::MAX } else { i64::MIN });
        }
        assert!(jitter.nanos() > u64::MAX / 16 * 15);
    }

    #[test]
    fn a_new_clock_is_no_jitter() {
        let mut jitter = Jitter::new();
        jitter.observe(5);
        jitter.restart();
        jitter.observe(1_000_000);
        assert_eq!(jitter.nanos(), 0);
    }
}
