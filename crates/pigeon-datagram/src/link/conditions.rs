//! The conditions of one direction of a path: every knob, and which settings make no sense.

use std::time::Duration;

use thiserror::Error;

use super::{Loss, Probability};

/// What a link does to datagrams. The default is a perfect link: nothing, and at once.
///
/// ```
/// # use std::time::Duration;
/// # use pigeon_datagram::link::{Conditions, Loss, Probability};
/// let mobile = Conditions {
///     loss: Loss::Random("1%".parse::<Probability>()?),
///     delay: Duration::from_millis(40),
///     ..Conditions::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// How long the way takes, after the bottleneck if there is one. With jitter, the mean.
    pub delay: Duration,
    /// How the delay varies.
    pub jitter: Jitter,
    /// Which datagrams take longer, so that later ones overtake them.
    pub reorder: Reorder,
    /// How likely a datagram arrives twice.
    pub duplicate: Probability,
    /// How likely one bit of a datagram flips. An empty one has none.
    pub corrupt: Probability,
    /// The bottleneck, if there is one.
    pub rate: Option<Rate>,
    /// The largest payload carried, in bytes; larger ones are dropped. Payload only: an Ethernet
    /// of 1,500 bytes carries 1,472 over IPv4 and 1,452 over IPv6 (RFC 791, RFC 8200, RFC 768).
    pub mtu: Option<usize>,
}

/// How the delay of each datagram varies around its mean, each drawn by itself. So datagrams sent
/// closer together than the delay varies may also arrive in another order.
///
/// Other distributions become variants here, and need [`Jitter::spread`] and a way to turn one
/// draw into a delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// It does not.
    #[default]
    None,
    /// Evenly from the mean less this to the mean plus this, to the nanosecond, ends included.
    Uniform(Duration),
}

/// Which datagrams are held back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reorder {
    /// How likely one is.
    pub probability: Probability,
    /// For how long, in addition to its delay. The order changes if others are sent meanwhile.
    pub by: Duration,
}

/// A bottleneck and the queue before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes of payload a second; headers are not counted.
    pub bytes_per_second: u64,
    /// The most bytes that wait, the one being sent included; what does not fit is dropped. An
    /// idle line takes any datagram.
    pub queue_bytes: usize,
}

/// Why conditions cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConditionsError {
    /// A datagram would arrive before it left.
    #[error(
        "a jitter of {jitter:?} exceeds the delay of {delay:?}: \
         datagrams would arrive before they left"
    )]
    JitterExceedsDelay {
        /// How far the delay would vary.
        jitter: Duration,
        /// Its mean.
        delay: Duration,
    },
    /// Reordering was asked for, but not by how much.
    #[error("to be reordered, a datagram must be held back for longer than zero")]
    HeldBackForNothing,
    /// Nothing would ever leave.
    #[error("a rate of zero bytes a second carries nothing; use a loss of 100% instead")]
    RateZero,
    /// Only empty datagrams would pass.
    #[error("an MTU of zero carries nothing but empty datagrams")]
    MtuZero,
}

impl Conditions {
    /// Says what about these conditions makes no sense, if anything. A link refuses such ones.
    pub fn check(&self) -> Result<(), ConditionsError> {
        let (jitter, delay) = (self.jitter.spread(), self.delay);
        if jitter > delay {
            return Err(ConditionsError::JitterExceedsDelay { jitter, delay });
        }
        if !self.reorder.probability.is_never() && self.reorder.by.is_zero() {
            return Err(ConditionsError::HeldBackForNothing);
        }
        if self.rate.is_some_and(|rate| rate.bytes_per_second == 0) {
            return Err(ConditionsError::RateZero);
        }
        if self.mtu == Some(0) {
            return Err(ConditionsError::MtuZero);
        }
        Ok(())
    }
}

impl Jitter {
    /// How far a delay may be from its mean.
    pub fn spread(&self) -> Duration {
        match *self {
            Jitter::None => Duration::ZERO,
            Jitter::Uniform(spread) => spread,
        }
    }

    /// The delay that `draw`, uniform over 64 bits, stands for.
    pub(super) fn around(&self, mean: Duration, draw: u64) -> Duration {
        match *self {
            Jitter::None => mean,
            Jitter::Uniform(spread) => {
                let shortest = nanos(mean.saturating_sub(spread));
                let longest = nanos(mean.saturating_add(spread));
                let count = u128::from(longest - shortest) + 1;
                // At most (2^64 - 1) * 2^64, so it fits, and the quotient is below `count`.
                let above = (u128::from(draw) * count) >> 64;
                Duration::from_nanos(shortest + above as u64)
            }
        }
    }
}

/// Whole nanoseconds, saturating as [`Instant`](crate::Instant) does.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_perfect_and_sound() {
        assert_eq!(Conditions::default().check(), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let ms = Duration::from_millis;
        let perfect = Conditions::default;
        for (conditions, error) in [
            (
                Conditions { jitter: Jitter::Uniform(ms(3)), delay: ms(2), ..perfect() },
                ConditionsError::JitterExceedsDelay { jitter: ms(3), delay: ms(2) },
            ),
            (
                Conditions {
                    reorder: Reorder { probability: Probability::ALWAYS, by: ms(0) },
                    ..perfect()
                },
                ConditionsError::HeldBackForNothing,
            ),
            (
                Conditions {
                    rate: Some(Rate { bytes_per_second: 0, queue_bytes: 1 }),
                    ..perfect()
                },
                ConditionsError::RateZero,
            ),
            (Conditions { mtu: Some(0), ..perfect() }, ConditionsError::MtuZero),
        ] {
            assert_eq!(conditions.check(), Err(error));
        }
    }

    #[test]
    fn jitter_reaches_both_ends_and_no_further() {
        let jitter = Jitter::Uniform(Duration::from_nanos(5));
        let mean = Duration::from_nanos(100);
        assert_eq!(jitter.around(mean, 0), Duration::from_nanos(95));
        assert_eq!(jitter.around(mean, u64::MAX), Duration::from_nanos(105));
        let endless = Jitter::Uniform(Duration::MAX);
        assert_eq!(endless.around(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
