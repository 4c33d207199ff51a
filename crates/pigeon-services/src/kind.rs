//! The kinds of services.

use std::fmt;
use std::str::FromStr;

/// A service. The table shows one request and reply of each.
///
/// ```text
///   echo      hello        ▶ hello
///   upper     hello        ▶ HELLO
///   size      hello        ▶ Your data was 5 bytes
///   time      %H:%M        ▶ 21:04
///   time      (empty)      ▶ 2026-11-20 21:04:05
///   time      %Y-%m-%Q     ▶ error: bad format at character 7
///   daytime   anything     ▶ Friday, November 20, 2026 21:04:05-CST
///   sntp      48 bytes     ▶ 48 bytes
///   discard   anything     ▶
///   fixed     anything     ▶ the configured text
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Returns each datagram (RFC 862).
    Echo,
    /// Returns the bytes with ASCII letters in capitals.
    Upper,
    /// Replies with the number of bytes received.
    Size,
    /// Takes the request as a [`strftime`](crate::strftime) format and returns local time in it.
    /// Not RFC 868: its four bytes run out in 2036.
    Time,
    /// Counts, and never replies (RFC 863).
    Discard,
    /// The date and time in one line, whatever the request says (RFC 867).
    Daytime,
    /// Serves network time (RFC 4330, RFC 5905); see [`sntp`](crate::sntp).
    Sntp,
    /// Replies with [`Config::reply`](crate::Config::reply), whatever the request says.
    Fixed,
}

impl Kind {
    /// Every service that needs no argument.
    pub const ALL: [Kind; 7] =
        [Kind::Echo, Kind::Upper, Kind::Size, Kind::Time, Kind::Discard, Kind::Daytime, Kind::Sntp];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Upper => "upper",
            Kind::Size => "size",
            Kind::Time => "time",
            Kind::Discard => "discard",
            Kind::Daytime => "daytime",
            Kind::Sntp => "sntp",
            Kind::Fixed => "fixed",
        }
    }

    /// Whether a reply may be arbitrary bytes, and so look like a request.
    pub(crate) fn is_untyped(self) -> bool {
        matches!(self, Kind::Echo | Kind::Upper | Kind::Fixed)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown service name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such service; there are echo, upper, size, time, discard, daytime and sntp")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Kind, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert!(UnknownKind.to_string().contains(kind.name()));
        }
        assert_eq!("Echo".parse::<Kind>(), Err(UnknownKind));
    }
}
