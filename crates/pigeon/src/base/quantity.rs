//! Numbers, and durations and sizes with units, as arguments and in output.

use crate::words::say;
use std::fmt::Display;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;
use std::time::Duration;

/// Parses an integer in a range, such as `1..=256` or `1_u64..`. Replaces clap's parser, because
/// its errors suit programmers.
pub(crate) fn whole<T>(
    range: impl RangeBounds<T> + Clone,
) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr<Err = ParseIntError> + PartialOrd + Display,
{
    move |text| {
        let endless = matches!(range.end_bound(), Bound::Unbounded);
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Err(error) if endless && *error.kind() == IntErrorKind::PosOverflow => {
                Err(say!("errors-number-too-large"))
            }
            _ => Err(expected(&range)),
        }
    }
}

/// `, at least 1`, or ` from 1 to 256`.
fn expected<T: Display>(range: &impl RangeBounds<T>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => {
            say!("errors-number-from-to", least = least, most = most)
        }
        (Bound::Included(least), _) => say!("errors-number-at-least", least = least),
        _ => say!("errors-number"),
    }
}

/// Parses `250ms`, `3s`, `2m`. Rejects a bare number: half of all tools take it for seconds, the
/// others for milliseconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| say!("errors-duration"))
}

/// Parses a duration above zero.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(say!("errors-not-zero")),
        duration => Ok(duration),
    }
}

/// Parses an interval between heartbeats, at least a tenth of a second.
pub(crate) fn heartbeat(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        short if short < Duration::from_millis(100) => Err(say!("errors-heartbeat")),
        duration => Ok(duration),
    }
}

/// A rate of events per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PerSecond(pub(crate) Option<u32>);

/// Parses `20/s`, `10k/s`, or `unlimited`.
pub(crate) fn per_second(text: &str) -> Result<PerSecond, String> {
    if text == "unlimited" {
        return Ok(PerSecond(None));
    }
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let (number, scale) = match number.strip_suffix('k') {
        Some(number) => (number, 1_000),
        None => (number, 1),
    };
    let rate = number.parse::<u32>().ok().and_then(|n| n.checked_mul(scale)).filter(|&n| n > 0);
    let rate = rate.ok_or_else(|| say!("errors-rate"))?;
    Ok(PerSecond(Some(rate)))
}

/// A rate of bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BytesPerSecond(pub(crate) Option<u64>);

/// Parses `64KiB/s`, or `unlimited`. Rejects a bare number, because half of all tools mean bits.
pub(crate) fn bytes_per_second(text: &str) -> Result<BytesPerSecond, String> {
    if text == "unlimited" {
        return Ok(BytesPerSecond(None));
    }
    let amount = text.strip_suffix("/s").unwrap_or(text);
    let bare = amount.bytes().all(|byte| byte.is_ascii_digit());
    match size(amount) {
        Ok(bytes) if bytes > 0 && !bare => Ok(BytesPerSecond(Some(bytes as u64))),
        _ => Err(say!("errors-byte-rate")),
    }
}

/// Parses `8192`, `8KiB`, `64kB`, `1MiB` as bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: usize = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(say!("errors-size")),
    };
    let bytes = number.parse::<usize>().ok().and_then(|n| n.checked_mul(scale));
    bytes.ok_or_else(|| say!("errors-size"))
}

/// Parses a size above zero.
pub(crate) fn length(text: &str) -> Result<usize, String> {
    match size(text)? {
        0 => Err(say!("errors-not-zero")),
        bytes => Ok(bytes),
    }
}

/// `830 ms`, `12 s`, `3 min`, `2 h`: rounded for quick reading.
pub(crate) fn roughly(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_bounds() {
        let read = whole(1_u16..=256);
        assert_eq!((read("1"), read("256")), (Ok(1), Ok(256)));
        for bad in ["0", "257", "70000", "-1", "1.5", "x", ""] {
            let error = "must be a whole number from 1 to 256".to_string();
            assert_eq!(read(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn an_end_that_nobody_chose_is_not_told() {
        let read = whole(1_u32..);
        assert_eq!((read("1"), read("4294967295")), (Ok(1), Ok(u32::MAX)));
        for bad in ["0", "-1", "1.5", "x", ""] {
            assert_eq!(read(bad), Err("must be a whole number, at least 1".to_string()), "{bad}");
        }
        assert_eq!(read("4294967296"), Err("is too large a number".to_string()));
    }

    #[test]
    fn durations_carry_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("30").is_err());
        assert!(duration("-1s").is_err());
        assert!(interval("0s").is_err());
    }

    #[test]
    fn rates_are_a_number_a_second() {
        assert_eq!(per_second("10k/s"), Ok(PerSecond(Some(10_000))));
        assert_eq!(per_second("20"), Ok(PerSecond(Some(20))));
        assert_eq!(per_second("unlimited"), Ok(PerSecond(None)));
        assert_eq!(bytes_per_second("64KiB/s"), Ok(BytesPerSecond(Some(65_536))));
        for bad in ["10", "10/s", "0B/s"] {
            assert!(bytes_per_second(bad).is_err(), "{bad}");
        }
        for bad in ["0/s", "-1", "10/m", "9999999k", ""] {
            assert!(per_second(bad).is_err() && bytes_per_second(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_carry_units_or_are_bytes() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("1 MB"), Ok(1_000_000));
        for bad in ["", "KiB", "-1", "1.5KiB", "8k/s", "99999999999999999999"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
