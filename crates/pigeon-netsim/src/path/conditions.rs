//! The conditions of one direction of a path: every setting, and the check for contradictions.

use std::time::Duration;

use thiserror::Error;

use super::{Jitter, Loss, Probability};

/// The conditions that a path applies to datagrams. The default is a perfect path: it delivers
/// every datagram unchanged and at once.
///
/// ```
/// # use std::time::Duration;
/// # use pigeon_netsim::path::{Conditions, Loss, Probability};
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
    /// The propagation delay, added after the bottleneck if there is one. With jitter, the mean.
    pub delay: Duration,
    /// The variation of the delay.
    pub jitter: Jitter,
    /// Which datagrams are delayed further, so that later ones overtake them.
    pub reorder: Reorder,
    /// The probability that a datagram arrives twice.
    pub duplicate: Probability,
    /// The probability that one bit of a datagram flips. An empty datagram has no bits.
    pub corrupt: Probability,
    /// The bottleneck.
    pub rate: Option<Rate>,
    /// The largest payload carried, in bytes; larger ones are dropped. Headers do not count: an
    /// Ethernet MTU of 1,500 bytes carries 1,472 over IPv4 and 1,452 over IPv6 (RFC 791, RFC 8200,
    /// RFC 768). The fate returned to the caller says so
    /// ([`DropReason::Mtu`](super::DropReason::Mtu)); the caller may report it to the sender as a
    /// router would.
    pub mtu: Option<usize>,
}

/// Which datagrams are held back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reorder {
    /// The probability for each datagram.
    pub probability: Probability,
    /// The time, in addition to the normal delay. The order changes if other datagrams are sent
    /// meanwhile.
    pub by: Duration,
}

/// A bottleneck with its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Payload bytes per second; headers are not counted.
    pub bytes_per_second: u64,
    /// The queue's size in bytes, including the datagram being sent; a datagram that does not fit
    /// is dropped. An idle line accepts a datagram of any size.
    pub queue_bytes: usize,
}

/// Why conditions are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConditionsError {
    /// Some datagrams would arrive before they left.
    #[error(
        "a jitter of {jitter:?} exceeds the delay of {delay:?}: \
         datagrams would arrive before they left"
    )]
    JitterExceedsDelay {
        /// The variation.
        jitter: Duration,
        /// The mean delay.
        delay: Duration,
    },
    /// Reordering has a probability but no time.
    #[error("to be reordered, a datagram must be held back for longer than zero")]
    HeldBackForNothing,
    /// Nothing would ever be sent.
    #[error("a rate of zero bytes a second carries nothing; use a loss of 100% instead")]
    RateZero,
    /// Only empty datagrams would pass.
    #[error("an MTU of zero carries nothing but empty datagrams")]
    MtuZero,
}

impl Conditions {
    /// Returns an error if the conditions are invalid. A path rejects such conditions.
    pub fn check(&self) -> Result<(), ConditionsError> {
        let (jitter, delay) = (self.jitter.by(), self.delay);
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

    /// Whether every datagram arrives exactly once, at once and unchanged.
    pub fn are_perfect(&self) -> bool {
        let lossless = match self.loss {
            Loss::None => true,
            Loss::Random(probability) => probability.is_never(),
            Loss::Bursts(_) => false,
        };
        let travel = self.delay.is_zero() && self.reorder.probability.is_never();
        let copies = self.duplicate.is_never() && self.corrupt.is_never();
        lossless && travel && copies && self.rate.is_none() && self.mtu.is_none()
    }
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
}
