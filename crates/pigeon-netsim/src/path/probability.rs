//! A probability, checked at construction.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A number from 0 to 1, written `0.01` or `1%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// Why a value is not a probability.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProbabilityError {
    /// The text is not a number.
    #[error("{0:?} is not a number; write a share such as 0.01, or a percentage such as 1%")]
    NotANumber(String),
    /// A number, but below 0 or above 1.
    #[error("{0:?} is not between 0 and 1 (0% and 100%)")]
    OutOfRange(String),
    /// Above 1, and valid as a percentage if a percent sign follows.
    #[error("{0:?} is not between 0 and 1; {0} in a hundred is written {0}%")]
    NoPercentSign(String),
}

impl Probability {
    /// Probability 0.
    pub const NEVER: Probability = Probability(0.0);
    /// Probability 1.
    pub const ALWAYS: Probability = Probability(1.0);

    /// A probability from 0 to 1, both included.
    pub fn new(share: f64) -> Result<Self, ProbabilityError> {
        if share.is_nan() {
            Err(ProbabilityError::NotANumber(share.to_string()))
        } else if (0.0..=1.0).contains(&share) {
            // Adding zero turns a negative zero into zero.
            Ok(Probability(share + 0.0))
        } else {
            Err(ProbabilityError::OutOfRange(share.to_string()))
        }
    }

    /// The share, from 0 to 1.
    pub const fn share(self) -> f64 {
        self.0
    }

    /// Whether the probability is 0.
    pub fn is_never(self) -> bool {
        self.0 == 0.0
    }

    /// Whether a draw, uniform over 64 bits, falls within the probability.
    ///
    /// The upper 53 bits become a multiple of 2^-53 in 0..1. That is exact in an `f64`, so the
    /// result is the same on every machine; 0 never hits and 1 always does.
    pub(super) fn hits(self, draw: u64) -> bool {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        ((draw >> 11) as f64) * STEP < self.0
    }
}

impl FromStr for Probability {
    type Err = ProbabilityError;

    fn from_str(text: &str) -> Result<Self, ProbabilityError> {
        let (number, scale) = match text.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (text, 1.0),
        };
        let not_a_number = || ProbabilityError::NotANumber(text.to_owned());
        let value: f64 = number.parse().map_err(|_| not_a_number())?;
        Probability::new(value / scale).map_err(|error| match error {
            ProbabilityError::NotANumber(_) => not_a_number(),
            _ if scale == 1.0 && (1.0..=100.0).contains(&value) => {
                ProbabilityError::NoPercentSign(text.to_owned())
            }
            _ => ProbabilityError::OutOfRange(text.to_owned()),
        })
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shares_and_percentages() {
        for (text, share) in
            [("0", 0.0), ("1", 1.0), ("0.01", 0.01), ("1%", 0.01), ("100%", 1.0), ("-0", 0.0)]
        {
            assert_eq!(text.parse(), Ok(Probability(share)), "{text}");
        }
        assert!(!"-0".parse::<Probability>().unwrap().share().is_sign_negative());
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("", "\"\" is not a number; write a share such as 0.01, or a percentage such as 1%"),
            (
                "nan%",
                "\"nan%\" is not a number; write a share such as 0.01, or a percentage such as 1%",
            ),
            ("5", "\"5\" is not between 0 and 1; 5 in a hundred is written 5%"),
            ("500", "\"500\" is not between 0 and 1 (0% and 100%)"),
            ("-1%", "\"-1%\" is not between 0 and 1 (0% and 100%)"),
            ("inf", "\"inf\" is not between 0 and 1 (0% and 100%)"),
        ] {
            let error = text.parse::<Probability>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for share in [0.0, 0.01, 1.0 / 3.0, 1.0] {
            let probability = Probability::new(share).unwrap();
            assert_eq!(probability.to_string().parse(), Ok(probability));
        }
    }

    #[test]
    fn the_ends_are_never_and_always() {
        for draw in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Probability::NEVER.hits(draw));
            assert!(Probability::ALWAYS.hits(draw));
        }
    }
}
