//! The conditions of one direction of a path: every knob, and which settings make no sense.

use std::time::Duration;

use thiserror::Error;

use super::{Jitter, Loss, Probability};

/// What a path does to datagrams. The default is a perfect path: nothing, and at once.
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
    /// The largest payload carried, in bytes; larger ones are dropped. Payload only: an Ethernet of
    /// 1,500 bytes carries 1,472 over IPv4 and 1,452 over IPv6 (RFC 791, RFC 8200, RFC 768). The
    /// caller learns it from the fate at once ([`DropReason::Mtu`](super::DropReason::Mtu)), and
    /// may report it to the sender as a router would.
    pub mtu: Option<usize>,
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
    /// Says what about these conditions makes no sense, if anything. A path refuses such ones.
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

    /// Whether every datagram arrives once, at once and as it was sent.
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
