//! C's `strftime` (C11 section 7.27.3.5) for formats from the network, with glibc's results in the
//! C locale.
//!
//! - Conversions: `%a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R %s %S
//!   %t %T %u %U %V %w %W %x %X %y %Y %z %Z %%`.
//! - After the `%`, glibc's flags in any number: `_` pads a number with spaces, `0` with zeros, `-`
//!   not at all; `^` writes capitals, `#` the other case. Widths are not supported: they would turn
//!   short requests into long replies.
//! - Then `E` or `O`, where C allows them. They select a locale's own eras and digits, which the C
//!   locale lacks.
//!
//! jiff computes the date and the zone; the formatting is here. `jiff::fmt::strtime` (0.2.43,
//! lenient, `PosixCustom`) differs from glibc 2.36:
//!
//! - All 41 conversions without a flag are equal.
//! - jiff writes all 22 with `E` or `O` as literal text.
//! - With one flag, 8 of 205 differ: `%#a %#A %#b %#B %#h %^P %-z %_z`.
//! - With two flags, 901 of 1,025 differ: jiff writes the pair as text, or applies only one of
//!   them.
//! - jiff writes a bad conversion as text instead of reporting it, so formats would have to be
//!   parsed here anyway.
//!
//! The test `tests/services/strftime.rs` compares this code with glibc on the same formats: none
//! differs.

use std::fmt::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Maximum number of bytes of a result.
pub const MAX_OUTPUT: usize = 1_024;

pub(crate) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Why formatting failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A conversion is unknown or unfinished.
    #[error("bad format at character {character}")]
    Bad {
        /// The position of the conversion's `%`, in characters from 1.
        character: usize,
    },
    /// The result is longer than [`MAX_OUTPUT`] bytes.
    #[error("result longer than {MAX_OUTPUT} bytes")]
    TooLong,
    /// The format is not UTF-8.
    #[error("format is not UTF-8")]
    NotUtf8,
}

/// Formats a time, given since the Unix epoch, as local time in `zone`, and appends it to `out`.
///
/// Times after the year 9999 become its last moment. Appends nothing if it fails.
pub fn format(
    format: &[u8],
    unix: Duration,
    zone: &TimeZone,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let format = str::from_utf8(format).map_err(|_| FormatError::NotUtf8)?;
    let start = out.len();
    let mut output = Bounded { end: start + MAX_OUTPUT, bytes: out };
    let outcome = Local::new(unix, zone).write(format, &mut output);
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}

/// Whether a format contains any conversion besides literal text.
pub(crate) fn asks_for_time(format: &str) -> bool {
    let is_text = |piece| match piece {
        Ok(Piece::Text(_)) => true,
        Ok(Piece::Conversion(conversion)) => matches!(conversion.letter, '%' | 'n' | 't'),
        // A bad format gets an error as its reply.
        Err(_) => false,
    };
    !Pieces::new(format).all(is_text)
}

/// A part of a format.
enum Piece<'a> {
    Text(&'a str),
    Conversion(Conversion),
}

#[derive(Clone, Copy)]
struct Conversion {
    pad: Option<Pad>,
    /// The `^` flag.
    upper: bool,
    /// The `#` flag.
    swap: bool,
    letter: char,
    /// The position of the conversion's `%`, in characters from 1.
    character: usize,
}

#[derive(Clone, Copy)]
enum Pad {
    Zeros,
    Spaces,
    Nothing,
}

/// Splits a format into pieces; an error is the last item.
struct Pieces<'a> {
    rest: &'a str,
    /// The number of characters already split off.
    before: usize,
}

impl<'a> Pieces<'a> {
    fn new(format: &'a str) -> Self {
        Pieces { rest: format, before: 0 }
    }

    fn text(&mut self) -> &'a str {
        let (text, rest) = self.rest.split_at(self.rest.find('%').unwrap_or(self.rest.len()));
        self.rest = rest;
        self.before += text.chars().count();
        text
    }

    /// Parses the conversion at the start of the rest. `None` if it is unfinished, or if its letter
    /// does not allow the modifier.
    fn conversion(&mut self) -> Option<Conversion> {
        let mut conversion = Conversion {
            pad: None,
            upper: false,
            swap: false,
            letter: '%',
            character: self.before + 1,
        };
        let mut modifier = None;
        let mut characters = self.rest.chars();
        let mut count = 0;
        conversion.letter = loop {
            let character = characters.next()?;
            count += 1;
            match character {
                '%' if count == 1 => {}
                'E' | 'O' if modifier.is_none() => modifier = Some(character),
                // Modifiers follow flags.
                _ if modifier.is_some() => break character,
                '_' => conversion.pad = Some(Pad::Spaces),
                '0' => conversion.pad = Some(Pad::Zeros),
                '-' => conversion.pad = Some(Pad::Nothing),
                '^' => conversion.upper = true,
                '#' => conversion.swap = true,
                _ => break character,
            }
        };
        self.rest = characters.as_str();
        self.before += count;
        let takes = match modifier {
            None => return Some(conversion),
            Some('E') => "cCxXyY",
            Some(_) => "bBdehHImMSuUVwWy",
        };
        takes.contains(conversion.letter).then_some(conversion)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if !self.rest.starts_with('%') {
            return Some(Ok(Piece::Text(self.text())));
        }
        let character = self.before + 1;
        let conversion = self.conversion();
        if conversion.is_none() {
            self.rest = "";
        }
        Some(conversion.map(Piece::Conversion).ok_or(FormatError::Bad { character }))
    }
}

/// A moment in a time zone.
struct Local<'a> {
    time: DateTime,
    zone: &'a TimeZone,
    timestamp: Timestamp,
}

impl<'a> Local<'a> {
    fn new(unix: Duration, zone: &'a TimeZone) -> Self {
        let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
        let timestamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        Local { time: zone.to_datetime(timestamp), zone, timestamp }
    }

    fn write(&self, format: &str, out: &mut Bounded<'_>) -> Result<(), FormatError> {
        for piece in Pieces::new(format) {
            match piece? {
                Piece::Text(text) => out.write_str(text)?,
                Piece::Conversion(conversion) => self.convert(conversion, out)?,
            }
        }
        Ok(())
    }

    fn convert(&self, conversion: Conversion, out: &mut Bounded<'_>) -> Result<(), FormatError> {
        use Pad::{Spaces, Zeros};

        let Conversion { letter, character, .. } = conversion;
        let (date, clock) = (self.time.date(), self.time.time());
        let year = i64::from(date.year());
        let weekday = date.weekday().to_sunday_zero_offset();
        let hour = i64::from(clock.hour());
        let half_day_hour = (hour + 11) % 12 + 1;
        // The week number: full weeks up to the last Sunday or Monday.
        let week =
            |first_day: i8| (date.day_of_year() + 6 - i16::from((weekday - first_day + 7) % 7)) / 7;
        let mut number = |value: i64, digits, pad| conversion.number(value, digits, pad, out);
        match letter {
            'C' => number(year / 100, 2, Zeros)?,
            'd' => number(date.day().into(), 2, Zeros)?,
            'e' => number(date.day().into(), 2, Spaces)?,
            'g' => number(i64::from(date.iso_week_date().year()) % 100, 2, Zeros)?,
            'G' => number(date.iso_week_date().year().into(), 4, Zeros)?,
            'H' => number(hour, 2, Zeros)?,
            'I' => number(half_day_hour, 2, Zeros)?,
            'j' => number(date.day_of_year().into(), 3, Zeros)?,
            'k' => number(hour, 2, Spaces)?,
            'l' => number(half_day_hour, 2, Spaces)?,
            'm' => number(date.month().into(), 2, Zeros)?,
            'M' => number(clock.minute().into(), 2, Zeros)?,
            's' => number(self.timestamp.as_second(), 1, Zeros)?,
            'S' => number(clock.second().into(), 2, Zeros)?,
            'u' => number(date.weekday().to_monday_one_offset().into(), 1, Zeros)?,
            'U' => number(week(0).into(), 2, Zeros)?,
            'V' => number(date.iso_week_date().week().into(), 2, Zeros)?,
            'w' => number(weekday.into(), 1, Zeros)?,
            'W' => number(week(1).into(), 2, Zeros)?,
            'y' => number(year % 100, 2, Zeros)?,
            'Y' => number(year, 4, Zeros)?,
            'z' => {
                let offset = self.zone.to_offset(self.timestamp).seconds();
                out.write_char(if offset < 0 { '-' } else { '+' })?;
                let minutes = i64::from(offset.abs() / 60);
                conversion.number(minutes / 60 * 100 + minutes % 60, 4, Zeros, out)?;
            }
            'a' | 'A' | 'b' | 'B' | 'h' => {
                let name = match letter {
                    'a' | 'A' => WEEKDAYS.get(usize::from(weekday.unsigned_abs())),
                    _ => MONTHS.get(usize::from(date.month().unsigned_abs()) - 1),
                };
                let name = name.copied().unwrap_or_default();
                let is_whole = letter.is_ascii_uppercase();
                let name = if is_whole { name } else { name.get(..3).unwrap_or(name) };
                out.cased(|out| out.write_str(name), conversion.swap || conversion.upper, false)?;
            }
            'p' | 'P' => {
                let half = if hour < 12 { "AM" } else { "PM" };
                out.cased(|out| out.write_str(half), false, letter == 'P' || conversion.swap)?;
            }
            'Z' => {
                let info = self.zone.to_offset_info(self.timestamp);
                let write = |out: &mut Bounded<'_>| out.write_str(info.abbreviation());
                out.cased(write, conversion.upper && !conversion.swap, conversion.swap)?;
            }
            'n' => out.write_char('\n')?,
            't' => out.write_char('\t')?,
            '%' => out.write_char('%')?,
            _ => {
                let parts = composed_of(letter).ok_or(FormatError::Bad { character })?;
                out.cased(|out| self.write(parts, out), conversion.upper, false)?;
            }
        }
        Ok(())
    }
}

/// The conversions that a composite one stands for, in the C locale.
fn composed_of(letter: char) -> Option<&'static str> {
    Some(match letter {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'r' => "%I:%M:%S %p",
        'R' => "%H:%M",
        'T' | 'X' => "%H:%M:%S",
        _ => return None,
    })
}

impl Conversion {
    /// Writes a number with at least `digits` digits, padded as the flags say, or else with `pad`.
    fn number(self, value: i64, digits: usize, pad: Pad, out: &mut Bounded<'_>) -> fmt::Result {
        match self.pad.unwrap_or(pad) {
            Pad::Zeros => write!(out, "{value:0digits$}"),
            Pad::Spaces => write!(out, "{value:digits$}"),
            Pad::Nothing => write!(out, "{value}"),
        }
    }
}

/// An output with a maximum length.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    /// Maximum number of bytes that the output may have.
    end: usize,
}

impl Bounded<'_> {
    /// Runs `write`, and converts its output to upper or lower case if requested.
    fn cased<E>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), E>,
        upper: bool,
        lower: bool,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        write(self)?;
        let written = self.bytes.get_mut(start..).unwrap_or_default();
        if upper {
            written.make_ascii_uppercase();
        } else if lower {
            written.make_ascii_lowercase();
        }
        Ok(())
    }
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.bytes.len() + text.len() > self.end {
            return Err(fmt::Error);
        }
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Only a full output fails.
impl From<fmt::Error> for FormatError {
    fn from(_: fmt::Error) -> Self {
        FormatError::TooLong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> Result<String, FormatError> {
        // 2026-01-01 01:00:00 in Berlin.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut out = b"before ".to_vec();
        let result = format(text.as_bytes(), Duration::from_secs(1_767_225_600), &zone, &mut out);
        let out = String::from_utf8(out).unwrap();
        let out = out.strip_prefix("before ").unwrap().to_owned();
        assert!(result.is_ok() || out.is_empty());
        result.map(|()| out)
    }

    #[test]
    fn conversions_read_as_in_the_c_locale() {
        for (format, expected) in [
            ("", ""),
            ("狗哥 %H 点", "狗哥 01 点"),
            ("%Y-%m-%d %X", "2026-01-01 01:00:00"),
            ("%c", "Thu Jan  1 01:00:00 2026"),
            ("%x %D %F %T %R %r", "01/01/26 01/01/26 2026-01-01 01:00:00 01:00 01:00:00 AM"),
            ("%a %A %b %B %h", "Thu Thursday Jan January Jan"),
            ("%C %y %G %g %V %U %W %j %u %w", "20 26 2026 26 01 00 00 001 4 4"),
            ("%e|%k|%l|%I|%p|%P", " 1| 1| 1|01|AM|am"),
            ("%s %Z %z", "1767225600 CET +0100"),
            ("%n%t%%", "\n\t%"),
            ("%-e %_m %0k %^a %#a %#p %#Z %^c", "1  1 01 THU THU am cet THU JAN  1 01:00:00 2026"),
            ("%_z %-z %-_d %_-d %#^Z", "+ 100 +100  1 1 cet"),
            ("%Ec %EY %Od %OB", "Thu Jan  1 01:00:00 2026 2026 01 January"),
        ] {
            assert_eq!(formatted(format).as_deref(), Ok(expected), "{format}");
        }
    }

    #[test]
    fn a_bad_conversion_is_told_by_its_place() {
        for (format, character) in [
            ("%Y-%m-%Q", 7),
            ("%", 1),
            ("时间 %H:%", 7),
            ("%-", 1),
            ("%5d", 1),
            ("%+", 1),
            ("%EH", 1),
            ("%OY", 1),
            ("%E", 1),
            ("%EOy", 1),
            ("%E-y", 1),
            ("%-狗 %H", 1),
            ("%%%", 3),
            ("%_0^E%", 1),
            ("%f", 1),
            ("%:z", 1),
        ] {
            assert_eq!(formatted(format), Err(FormatError::Bad { character }), "{format}");
        }
    }

    #[test]
    fn the_output_is_bounded() {
        assert_eq!(formatted(&"x".repeat(1_024)).map(|out| out.len()), Ok(1_024));
        assert_eq!(formatted(&"x".repeat(1_025)), Err(FormatError::TooLong));
        assert_eq!(formatted(&"%c".repeat(42)).map(|out| out.len()), Ok(1_008));
        assert_eq!(formatted(&"%c".repeat(43)), Err(FormatError::TooLong));
    }

    #[test]
    fn every_moment_there_is_can_be_told() {
        let zone = TimeZone::fixed(jiff::tz::offset(14));
        for (unix, expected) in
            [(Duration::ZERO, "1970-01-01 14:00:00"), (Duration::MAX, "9999-12-31 12:00:00")]
        {
            let mut out = Vec::new();
            format(b"%F %T", unix, &zone, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
