//! Parses a time: a date, a date and a time, or an age.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::base::quantity;
use crate::words::say;

/// A period since the Unix epoch, end excluded: a day, a minute, a second, or a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When {
    pub(super) start: Duration,
    pub(super) end: Duration,
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        parse(text, Timestamp::now(), &TimeZone::system())
    }
}

fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<When, String> {
    if let Ok(ago) = quantity::duration(text) {
        let moment = since_epoch(now).saturating_sub(ago);
        return Ok(When { start: moment, end: moment });
    }
    let text = text.replacen('T', " ", 1);
    let named = if let Ok(date) = Date::strptime("%Y-%m-%d", &text) {
        Some((date.at(0, 0, 0, 0), 1.day()))
    } else if let Ok(minute) = DateTime::strptime("%Y-%m-%d %H:%M", &text) {
        Some((minute, 1.minute()))
    } else {
        DateTime::strptime("%Y-%m-%d %H:%M:%S", &text).ok().map(|second| (second, 1.second()))
    };
    let (start, end) = named
        .and_then(|(start, length)| Some((start, start.checked_add(length).ok()?)))
        .ok_or_else(|| say!("history-time"))?;
    let moment = |time: DateTime| {
        let time = zone.to_timestamp(time).map_err(|error| error.to_string())?;
        Ok::<_, String>(since_epoch(time))
    };
    Ok(When { start: moment(start)?, end: moment(end)? })
}

fn since_epoch(time: Timestamp) -> Duration {
    // No message is older than 1970.
    Duration::try_from(time.as_duration()).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_local_and_whole() {
        let zone = TimeZone::posix("CST-8").unwrap();
        let now: Timestamp = "2026-11-20T13:04:05Z".parse().unwrap();
        let of = |text: &str| {
            let When { start, end } = parse(text, now, &zone).unwrap();
            let shown = |at: Duration| Timestamp::from_second(at.as_secs() as i64).unwrap();
            format!("{} {}", shown(start), shown(end))
        };
        assert_eq!(of("2026-11-20"), "2026-11-19T16:00:00Z 2026-11-20T16:00:00Z");
        assert_eq!(of("2026-11-20 21:04"), "2026-11-20T13:04:00Z 2026-11-20T13:05:00Z");
        assert_eq!(of("2026-11-20T21:04:05"), "2026-11-20T13:04:05Z 2026-11-20T13:04:06Z");
        assert_eq!(of("2h"), "2026-11-20T11:04:05Z 2026-11-20T11:04:05Z");
        assert_eq!(of("3d"), "2026-11-17T13:04:05Z 2026-11-17T13:04:05Z");
        assert_eq!(of("1960-01-01"), "1970-01-01T00:00:00Z 1970-01-01T00:00:00Z");
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-20 25:00", "9999-12-31", "-1h", "3"] {
            assert!(parse(wrong, now, &zone).is_err(), "{wrong}");
        }
    }
}
