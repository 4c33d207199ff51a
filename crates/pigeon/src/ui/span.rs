//! Durations for quick reading.

use std::time::Duration;

use pigeon_proto::Language;

use crate::words::say_in;

/// `830 ms`, `12 s`, `3 min`, `2 h`: rounded for quick reading.
pub(crate) fn roughly(language: Language, duration: Duration) -> String {
    match duration.as_secs() {
        0 => say_in!(language, "screen-span-milliseconds", n = duration.subsec_millis()),
        seconds @ 1..120 => say_in!(language, "screen-span-seconds", n = seconds),
        seconds @ 120..7200 => say_in!(language, "screen-span-minutes", n = seconds / 60),
        seconds => say_in!(language, "screen-span-hours", n = seconds / 3600),
    }
}

/// Whole seconds below a minute, so that the value changes once per second.
pub(crate) fn in_seconds(language: Language, duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => say_in!(language, "screen-span-seconds", n = seconds),
        _ => roughly(language, duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_shown_each_second_are_whole_seconds() {
        let of = |millis| {
            let time = Duration::from_millis(millis);
            Language::ALL.map(|language| in_seconds(language, time))
        };
        assert_eq!(of(300), ["0 s", "0 秒"]);
        assert_eq!(of(3_900), ["3 s", "3 秒"]);
        assert_eq!(of(150_000), ["2 min", "2 分钟"]);
        assert_eq!(roughly(Language::English, Duration::from_millis(830)), "830 ms");
        assert_eq!(roughly(Language::English, Duration::from_secs(7_200)), "2 h");
    }
}
