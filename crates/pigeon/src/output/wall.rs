//! Times of day for display. Timers never use them: the wall clock jumps.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A moment in local time; the current time if unknown.
pub(crate) fn local(since_epoch: Option<Duration>) -> Zoned {
    let timestamp = since_epoch.and_then(|since| {
        Timestamp::new(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos().cast_signed())
            .ok()
    });
    timestamp.unwrap_or_else(Timestamp::now).to_zoned(TimeZone::system())
}

/// A moment since the Unix epoch; the current time if unknown.
pub(crate) fn since_epoch(known: Option<Duration>) -> Duration {
    known.unwrap_or_else(|| {
        let now = Timestamp::now();
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        Duration::new(seconds, now.subsec_nanosecond().unsigned_abs())
    })
}

/// `2026-11-20 21:04:05.123`
pub(crate) fn date_and_millis(time: &Zoned) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// `2026-11-20 21:04:05`
pub(crate) fn date_and_seconds(time: &Zoned) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `21:04:05`
pub(crate) fn time_of_day(time: &Zoned) -> String {
    time.strftime("%H:%M:%S").to_string()
}

/// `2026-11-20T21:04:05.123456+08:00`, for JSON (RFC 3339).
pub(crate) fn rfc3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string()
}
