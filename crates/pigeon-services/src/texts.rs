//! The replies of text services, and their recognition, so that no service answers another's reply.
//! Both are in one file, because each depends on the other.

use std::io::Write;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::strftime::{self, MONTHS, WEEKDAYS};

/// The format of an empty `time` request.
const DEFAULT_FORMAT: &[u8] = b"%Y-%m-%d %X";

/// The syntax that RFC 867 calls popular, with its seconds: `Tuesday, February 22, 1982
/// 17:37:43-PST`. The reply is one line, so it ends with a line break.
const DAYTIME_FORMAT: &[u8] = b"%A, %B %d, %Y %H:%M:%S-%Z\r\n";

const SIZE: &str = "Your data was ";
const ERROR: &str = "error: ";
const BAD_FORMAT: &str = "error: bad format at character ";

/// The longest datagram that is searched for a reply. Even with a name in front, the longest reply
/// is much shorter.
const MAX_REPLY: usize = 512;

pub(crate) fn size(length: usize, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{SIZE}{length} bytes");
}

/// Appends the time in the requested format, or an error text if the format is invalid.
pub(crate) fn time(request: &[u8], unix: Duration, zone: &TimeZone, out: &mut Vec<u8>) {
    let format = if request.trim_ascii().is_empty() { DEFAULT_FORMAT } else { request };
    if let Err(error) = strftime::format(format, unix, zone, out) {
        let _ = write!(out, "{ERROR}{error}");
    }
}

/// The date and time, the same for everyone (RFC 867).
pub(crate) fn daytime(unix: Duration, zone: &TimeZone, out: &mut Vec<u8>) {
    // The format is valid and its result short.
    let _ = strftime::format(DAYTIME_FORMAT, unix, zone, out);
}

/// Whether a `time` request contains a conversion. Without one it is plain text, like the service's
/// own replies, which must not be answered.
///
/// White space asks for the default format, like an empty datagram: `nc` cannot send less than a
/// line.
pub(crate) fn asks_for_time(request: &[u8]) -> bool {
    request.trim_ascii().is_empty() || str::from_utf8(request).map_or(true, strftime::asks_for_time)
}

/// Whether this is a reply of `size`, `time` or `daytime`.
///
/// Ignores case, because `upper` may have returned the reply. Searches for distinctive texts
/// anywhere, because a hub puts a name before a message. Accepts a bare date only as the whole
/// payload, because people write dates.
pub(crate) fn is_reply(payload: &[u8]) -> bool {
    if payload.len() > MAX_REPLY {
        return false;
    }
    let is_error = || after(payload, BAD_FORMAT).any(|rest| rest.first().is_some_and(is_digit));
    is_size(payload) || is_error() || is_daytime(payload) || is_date_and_time(payload.trim_ascii())
}

/// `Your data was N bytes`
fn is_size(payload: &[u8]) -> bool {
    after(payload, SIZE).any(|rest| {
        let digits = rest.iter().take_while(|byte| is_digit(byte)).count();
        digits > 0 && starts_with(&rest[digits..], " bytes")
    })
}

/// `Tuesday, February 22, …`
fn is_daytime(payload: &[u8]) -> bool {
    WEEKDAYS.iter().flat_map(|day| after(payload, day)).any(|rest| {
        let month = rest.strip_prefix(b", ").unwrap_or_default();
        MONTHS.iter().any(|name| starts_with(month, name))
    })
}

/// `2026-11-20 21:04:05`
fn is_date_and_time(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"0000-00-00 00:00:00";
    let fits =
        |(byte, shape): (&u8, &u8)| if *shape == b'0' { is_digit(byte) } else { byte == shape };
    text.len() == SHAPE.len() && text.iter().zip(SHAPE).all(fits)
}

/// The text after each occurrence of `words`.
fn after<'a>(payload: &'a [u8], words: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let rests = (0..payload.len()).map(|start| &payload[start..]);
    rests.filter(move |rest| starts_with(rest, words)).map(|rest| &rest[words.len()..])
}

fn starts_with(payload: &[u8], words: &str) -> bool {
    let start = payload.get(..words.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(words.as_bytes()))
}

fn is_digit(byte: &u8) -> bool {
    byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_recognised_however_they_come_back() {
        let (unix, zone) = (Duration::from_secs(1_795_208_645), TimeZone::UTC);
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut reply = Vec::new();
            write(&mut reply);
            reply
        };
        for reply in [
            written(&|out| size(0, out)),
            written(&|out| size(65_527, out)),
            written(&|out| time(b"", unix, &zone, out)),
            written(&|out| time(b"%Y-%m-%Q", unix, &zone, out)),
            written(&|out| daytime(unix, &zone, out)),
        ] {
            assert!(is_reply(&reply), "{}", reply.escape_ascii());
            assert!(is_reply(&reply.to_ascii_uppercase()));
            assert!(is_reply(&[&reply[..], b"\r\n"].concat()));
            if !is_date_and_time(&reply) {
                let through_hub = [b"10.0.0.1:7000: ", &reply[..], b". from 10.0.0.2:9"].concat();
                assert!(is_reply(&through_hub), "{}", through_hub.escape_ascii());
            }
        }
    }

    #[test]
    fn what_people_write_is_no_reply() {
        for text in [
            "",
            "hello",
            "Your data was good",
            "Your data was 5 apples",
            "error: bad format at character",
            "error: disk full",
            "Tuesday, Feb",
            "on Tuesday, shopping",
            "2026-11-20 21:04:05 started",
            "2026-11-20 21:04:0x",
            "2026/11/20 21:04:05",
            "%Y-%m-%d %X",
        ] {
            assert!(!is_reply(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn only_a_conversion_asks_for_the_time() {
        for (request, expected) in [
            (&b""[..], true),
            (b"\n", true),
            (b" \r\n", true),
            (b"%H", true),
            (b"at %H\n", true),
            (b"%Q", true),
            (b"100 %", true),
            (b"\xff", true),
            (b"hello", false),
            (b"100 %%", false),
            (b"%n%t%%", false),
            (b"2026-11-20 21:04:05", false),
            (b"error: bad format at character 7", false),
            (b"error: format is not UTF-8", false),
            (b"error: result longer than 1024 bytes", false),
        ] {
            assert_eq!(asks_for_time(request), expected, "{}", request.escape_ascii());
        }
    }
}
