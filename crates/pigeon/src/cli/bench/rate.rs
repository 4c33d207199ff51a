//! The rate of a measurement: datagrams or bits per second.

use crate::words::say;

/// A send rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Unlimited,
    Datagrams(u32),
    /// Payload bits per second.
    Bits(u64),
}

impl Rate {
    /// Parses `20/s` and `10k/s` as datagrams; `10Mbit/s`, `512kbit/s`, and `10M` (as in `iperf3
    /// -b`) as bits; `unlimited`.
    pub(super) fn parse(text: &str) -> Result<Rate, String> {
        let expected = || say!("tools-bench-rate");
        if text == "unlimited" {
            return Ok(Rate::Unlimited);
        }
        let (amount, a_second) = match text.strip_suffix("/s") {
            Some(amount) => (amount, true),
            None => (text, false),
        };
        let (amount, named) = match amount.strip_suffix("bit") {
            Some(amount) => (amount, true),
            None => (amount, false),
        };
        let scaled = [('k', 1_000), ('M', 1_000_000), ('G', 1_000_000_000)].into_iter();
        let scaled = scaled.map(|(unit, scale)| Some((amount.strip_suffix(unit)?, scale)));
        let scaled = scaled.flatten().next();
        let (number, scale) = scaled.unwrap_or((amount, 1));
        let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
        let number = number.filter(|&number| number > 0).ok_or_else(expected)?;
        match named || scaled.is_some() && !a_second {
            true => Ok(Rate::Bits(number)),
            false => Ok(Rate::Datagrams(u32::try_from(number).map_err(|_| expected())?)),
        }
    }

    /// Datagrams of `size` bytes per second; `None` if unlimited.
    pub(super) fn of(self, size: usize) -> Result<Option<u32>, String> {
        match self {
            Rate::Unlimited => Ok(None),
            Rate::Datagrams(rate) => Ok(Some(rate)),
            Rate::Bits(bits) => {
                let one = 8 * size as u64;
                // Rounds to the nearest integer.
                let rate = bits.saturating_add(one / 2) / one;
                match u32::try_from(rate) {
                    Ok(0) => Err(say!("tools-bench-few-bits", bits = &bits, size = &size)),
                    Ok(rate) => Ok(Some(rate)),
                    Err(_) => Err(say!("tools-bench-many-bits", bits = &bits, size = &size)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_and_bits_are_told_apart() {
        for (text, rate) in [
            ("20", Rate::Datagrams(20)),
            ("20/s", Rate::Datagrams(20)),
            ("10k/s", Rate::Datagrams(10_000)),
            ("1M/s", Rate::Datagrams(1_000_000)),
            ("10M", Rate::Bits(10_000_000)),
            ("64k", Rate::Bits(64_000)),
            ("10Mbit/s", Rate::Bits(10_000_000)),
            ("1Gbit", Rate::Bits(1_000_000_000)),
            ("800bit/s", Rate::Bits(800)),
            ("unlimited", Rate::Unlimited),
        ] {
            assert_eq!(Rate::parse(text), Ok(rate), "{text}");
        }
        for bad in ["", "0/s", "0M", "-1", "10/m", "9999999k/s", "M", "bit/s", "1.5M", "10 M"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bits_are_so_many_datagrams_of_their_size() {
        assert_eq!(Rate::Bits(10_000_000).of(1_250), Ok(Some(1_000)));
        assert_eq!(Rate::Bits(10_000_000).of(1_400), Ok(Some(893)));
        assert!(Rate::Bits(1_000).of(1_400).unwrap_err().contains("fewer than one datagram"));
        assert!(Rate::Bits(u64::MAX).of(40).is_err());
        assert_eq!(Rate::Datagrams(7).of(1_400), Ok(Some(7)));
    }
}
