//! The time of day before each line, from the wall clock: it is for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::log::{Kind, Line};

/// Local midnight, found anew each minute: a time zone is not looked up for every line.
#[derive(Default)]
pub(crate) struct Midnight {
    seconds: i64,
    until: i64,
}

impl Midnight {
    /// The time of day, in local seconds since midnight.
    pub(crate) fn time(&mut self) -> u32 {
        let now = Timestamp::now().as_second();
        if now >= self.until || now < self.until - 60 {
            let time = TimeZone::system().to_datetime(Timestamp::now()).time();
            let today = i64::from(time.hour()) * 3600
                + i64::from(time.minute()) * 60
                + i64::from(time.second());
            (self.seconds, self.until) = (now - today, now - today % 60 + 60);
        }
        u32::try_from((now - self.seconds).rem_euclid(86_400)).unwrap_or(0)
    }

    /// A line of now.
    pub(crate) fn line(&mut self, kind: Kind, sender: &str, text: &str) -> Line {
        Line { time: self.time(), kind, sender: sender.into(), text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_day() {
        let line = Midnight::default().line(Kind::Said, "a", "b");
        let now = crate::output::wall::local(None);
        let seconds = now.hour() as u32 * 3600 + now.minute() as u32 * 60 + now.second() as u32;
        assert!((seconds + 86_400 - line.time) % 86_400 < 5, "{} {seconds}", line.time);
    }
}
