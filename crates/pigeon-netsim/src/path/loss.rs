//! Random loss: of single datagrams, or in bursts.

use thiserror::Error;

use super::Probability;
use super::dice::Roll;

/// How a path loses datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// No loss.
    #[default]
    None,
    /// Each with the same probability, independently.
    Random(Probability),
    /// Losses in bursts.
    Bursts(Bursts),
}

/// The Gilbert–Elliott model: a channel with a good and a bad state, each with its own loss
/// probability. A path begins in the good state. For every datagram the channel first may change
/// its state, and then may lose the datagram.
///
/// Source: E. N. Gilbert, "Capacity of a Burst-Noise Channel", Bell System Technical Journal 39
/// (1960), pages 1253–1265, with a good state that loses nothing; E. O. Elliott, "Estimates of
/// Error Rates for Codes on Burst-Noise Channels", Bell System Technical Journal 42 (1963), pages
/// 1977–1997, with a good state that may lose too.
///
/// ```text
///   ┌──────────────┐ ── becomes_bad ──▶ ┌─────────────┐
///   │     good     │                    │     bad     │
///   │ loss_in_good │                    │ loss_in_bad │
///   └──────────────┘ ◀─ becomes_good ── └─────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// The probability of changing from good to bad, per datagram (the literature's *P* or *p*).
    pub becomes_bad: Probability,
    /// The probability of changing from bad to good, per datagram (*p* or *r*).
    pub becomes_good: Probability,
    /// Loss in the good state (*1 − k*).
    pub loss_in_good: Probability,
    /// Loss in the bad state (*1 − h*).
    pub loss_in_bad: Probability,
}

/// Why no channel has the requested means.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BurstsError {
    /// A burst has at least one datagram.
    #[error("a mean burst of {0} datagrams is not possible: a burst is one datagram at least")]
    BurstTooShort(f64),
    /// Between two bursts at least one datagram arrives, which limits the mean loss.
    #[error(
        "a mean loss of {loss} in bursts of {burst} datagrams is not possible: \
         at least one datagram must arrive between two bursts"
    )]
    LossTooHigh {
        /// The requested mean loss.
        loss: Probability,
        /// The requested mean length of a burst, in datagrams.
        burst: f64,
    },
}

impl Bursts {
    /// A channel with this mean loss and this mean number of datagrams lost in a row. It loses
    /// nothing in the good state and everything in the bad one.
    ///
    /// The burst length is geometric with mean `1 / becomes_good`, and the mean loss is
    /// `becomes_bad / (becomes_bad + becomes_good)`.
    pub fn from_means(loss: Probability, burst: f64) -> Result<Self, BurstsError> {
        // Rejects NaN, too.
        if !(burst >= 1.0 && burst.is_finite()) {
            return Err(BurstsError::BurstTooShort(burst));
        }
        let becomes_good = 1.0 / burst;
        let becomes_bad = becomes_good * loss.share() / (1.0 - loss.share());
        let too_high = |_| BurstsError::LossTooHigh { loss, burst };
        Ok(Bursts {
            becomes_bad: Probability::new(becomes_bad).map_err(too_high)?,
            becomes_good: Probability::new(becomes_good).map_err(too_high)?,
            loss_in_good: Probability::NEVER,
            loss_in_bad: Probability::ALWAYS,
        })
    }
}

/// A channel's state.
#[derive(Default)]
pub(super) struct Channel {
    is_bad: bool,
}

impl Channel {
    /// Whether the next datagram is lost.
    pub(super) fn loses(&mut self, loss: &Loss, roll: &Roll) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(probability) => probability.hits(roll.loss),
            Loss::Bursts(bursts) => {
                let change = if self.is_bad { bursts.becomes_good } else { bursts.becomes_bad };
                self.is_bad ^= change.hits(roll.change);
                let lost = if self.is_bad { bursts.loss_in_bad } else { bursts.loss_in_good };
                lost.hits(roll.loss)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(share: f64) -> Probability {
        Probability::new(share).unwrap()
    }

    #[test]
    fn means_that_no_channel_has_are_refused() {
        assert_eq!(Bursts::from_means(share(0.1), 0.5), Err(BurstsError::BurstTooShort(0.5)));
        assert!(Bursts::from_means(share(0.1), f64::NAN).is_err());
        assert!(Bursts::from_means(share(0.1), f64::INFINITY).is_err());
        assert!(Bursts::from_means(share(1.0), 3.0).is_err());
        // A loss of nine in ten needs bursts of nine, with one datagram in between.
        assert!(Bursts::from_means(share(0.9), 8.9).is_err());
        assert!(Bursts::from_means(share(0.9), 9.1).is_ok());
        assert!(Bursts::from_means(Probability::NEVER, 1.0).is_ok());
    }
}
