//! The time before each line, from the wall clock: for display only.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

use super::log::{Kind, Line};

/// Seconds per day. Changes of daylight saving time do not matter here: only the shown time counts.
const DAY: i64 = 86_400;

/// The origin of day numbers.
const EPOCH: Date = date(1970, 1, 1);

/// A local time, in seconds since 1970 by the local clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WallTime(pub(crate) i64);

impl WallTime {
    fn of(time: DateTime) -> WallTime {
        let (date, time) = (time.date(), time.time());
        let days = EPOCH.until(date).map_or(0, |span| i64::from(span.get_days()));
        let seconds = i64::from(time.hour()) * 3600
            + i64::from(time.minute()) * 60
            + i64::from(time.second());
        WallTime(days * DAY + seconds)
    }

    /// The number of the day since 1970.
    pub(crate) fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    pub(crate) fn time_of_day(self) -> (i64, i64, i64) {
        let seconds = self.0.rem_euclid(DAY);
        (seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    pub(crate) fn date(self) -> (i16, i8, i8) {
        let days = jiff::Span::new().try_days(self.day()).unwrap_or_default();
        let date = EPOCH.saturating_add(days);
        (date.year(), date.month(), date.day())
    }
}

/// The wall clock. Its offset from UTC is cached for a minute, so that lines need no lookup of the
/// time zone.
#[derive(Default)]
pub(crate) struct WallClock {
    ahead: i64,
    until: i64,
}

impl WallClock {
    /// The current time.
    pub(crate) fn time(&mut self) -> WallTime {
        let now = Timestamp::now().as_second();
        if now >= self.until || now < self.until - 60 {
            self.ahead = WallClock::at(now).0 - now;
            self.until = now - now.rem_euclid(60) + 60;
        }
        WallTime(now + self.ahead)
    }

    /// The local time of a Unix time.
    pub(crate) fn at(unix: i64) -> WallTime {
        let time = Timestamp::from_second(unix).unwrap_or_default();
        WallTime::of(TimeZone::system().to_datetime(time))
    }

    /// A line with the current time.
    pub(crate) fn line(&mut self, kind: Kind, sender: &str, text: &str) -> Line {
        let (time, sender, text) = (self.time(), sender.into(), text.into());
        Line { time, kind, sender, text, position: None, link: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_day() {
        let line = WallClock::default().line(Kind::Said, "a", "b");
        let now = WallTime::of(crate::output::wall::local(None).datetime());
        assert!((0..5).contains(&(now.0 - line.time.0)), "{line:?} {now:?}");
    }

    #[test]
    fn a_time_has_a_date() {
        let time = WallTime::of(date(2026, 11, 28).at(5, 41, 16, 0));
        assert_eq!((time.date(), time.time_of_day()), ((2026, 11, 28), (5, 41, 16)));
        let before = WallTime(-1);
        assert_eq!((before.date(), before.time_of_day()), ((1969, 12, 31), (23, 59, 59)));
        assert_eq!(WallClock::at(i64::MAX), WallClock::at(0));
    }
}
