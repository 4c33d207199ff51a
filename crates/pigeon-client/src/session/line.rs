//! Parses input lines before they are sent.

use std::borrow::Cow;
use std::net::SocketAddr;

use pigeon_datagram::max_payload;
use pigeon_proto::{Command, Verb};

use super::event::LineError;

/// A slash as produced by Chinese input methods.
const FULL_WIDTH_SLASH: &[u8] = "／".as_bytes();

/// A parsed input line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The line is only white space.
    Nothing,
    /// `quit` or `/quit`.
    Quit,
    /// A command: the datagram, including the slash.
    Command(Cow<'a, [u8]>),
    /// A message: the datagram. Includes `//…`.
    Message(Cow<'a, [u8]>),
}

impl<'a> Line<'a> {
    /// Parses a line for `hub`.
    pub(super) fn parse(hub: SocketAddr, typed: &'a [u8]) -> Result<Line<'a>, LineError> {
        let (length, most) = (typed.len(), max_payload(hub));
        if length > most {
            return Err(LineError::TooLong { length, most });
        }
        let line = with_ascii_slashes(typed);
        let text = line.trim_ascii();
        if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"^hb^")) {
            return Err(LineError::Control);
        }
        Ok(match text {
            b"" => Line::Nothing,
            b"quit" | b"/quit" => Line::Quit,
            [b'/', b'/', ..] => Line::Message(line),
            [b'/', ..] => match action(text) {
                Some(action) => Line::Message(action.into()),
                None => Line::Command(line),
            },
            _ => Line::Message(line),
        })
    }
}

/// The command in a datagram. `None` for verbs that only a newer hub may know.
pub(super) fn command(datagram: &[u8]) -> Option<Command<'_>> {
    Command::parse(datagram.trim_ascii().strip_prefix(b"/")?).ok()
}

/// The verb of a datagram, whatever follows it.
pub(super) fn verb(datagram: &[u8]) -> Option<Verb> {
    let line = datagram.trim_ascii().strip_prefix(b"/")?;
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    Verb::parse(std::str::from_utf8(line.get(..end)?).ok()?)
}

/// The text of `/me TEXT`: `*TEXT*`. Not `* NAME TEXT`, which is the form of a hub's own lines.
pub fn action(line: &[u8]) -> Option<Vec<u8>> {
    let line = with_ascii_slashes(line);
    let rest = line.trim_ascii().strip_prefix(b"/me")?;
    let text = rest.trim_ascii();
    let is_action = rest.first().is_some_and(u8::is_ascii_whitespace) && !text.is_empty();
    is_action.then(|| [b"*", text, b"*"].concat())
}

/// Whether a command's word contains another slash, like `/dev/ttyUSB0`. No command does.
pub(super) fn is_path(datagram: &[u8]) -> bool {
    let text = datagram.trim_ascii();
    let word = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    matches!(word, [b'/', rest @ ..] if !rest.starts_with(b"/") && rest.contains(&b'/'))
}

/// Replaces one or two full-width slashes at the start of a line.
fn with_ascii_slashes(typed: &[u8]) -> Cow<'_, [u8]> {
    let Some(rest) = typed.trim_ascii().strip_prefix(FULL_WIDTH_SLASH) else {
        return Cow::Borrowed(typed);
    };
    match rest.strip_prefix(FULL_WIDTH_SLASH) {
        Some(rest) => Cow::Owned([b"//", rest].concat()),
        None => Cow::Owned([b"/", rest].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Line<'_>, LineError> {
        Line::parse(SocketAddr::from(([127, 0, 0, 1], 9999)), line.as_bytes())
    }

    #[test]
    fn a_line_is_a_message_a_command_or_an_end() {
        let message = |text: &str| Ok(Line::Message(text.as_bytes().to_vec().into()));
        let command = |text: &str| Ok(Line::Command(text.as_bytes().to_vec().into()));
        assert_eq!(parse("hi there "), message("hi there "));
        assert_eq!(parse("//dev/null"), message("//dev/null"));
        assert_eq!(parse(" /who"), command(" /who"));
        for quit in ["quit", " /quit ", "／quit"] {
            assert_eq!(parse(quit), Ok(Line::Quit));
        }
        assert_eq!(parse(" \t"), Ok(Line::Nothing));
        assert_eq!(parse("quit now"), message("quit now"));
        for (line, said) in [("/me waves", "*waves*"), (" ／me  挥手 ", "*挥手*")] {
            assert_eq!(parse(line), message(said));
        }
        for other in ["/me", "/me ", "/mean x"] {
            assert!(matches!(parse(other), Ok(Line::Command(_))), "{other}");
        }
    }

    #[test]
    fn a_full_width_slash_is_a_slash_at_the_beginning_alone() {
        assert_eq!(parse(" ／nick 狗哥"), Ok(Line::Command("/nick 狗哥".as_bytes().into())));
        assert_eq!(parse("／／x／"), Ok(Line::Message("//x／".as_bytes().into())));
        assert_eq!(parse("a／b"), Ok(Line::Message("a／b".as_bytes().into())));
    }

    #[test]
    fn a_line_that_is_no_message_is_refused_with_the_reason() {
        for line in ["^hb^", " ^hb^ gone kicked", "^HB^x"] {
            assert_eq!(parse(line), Err(LineError::Control), "{line}");
        }
        let (length, most) = (65_508, 65_507);
        assert_eq!(parse(&"x".repeat(length)), Err(LineError::TooLong { length, most }));
    }

    #[test]
    fn the_word_of_a_command_is_known_whatever_follows() {
        assert_eq!(verb(b"/nick a:b"), Some(Verb::Nick));
        assert_eq!(verb(b"/join"), Some(Verb::Join));
        assert_eq!(verb(b"/dev/null"), None);
        for (line, path) in [("/dev/null", true), (" /a/b c", true), ("//dev/null", false)] {
            assert_eq!(is_path(line.as_bytes()), path, "{line}");
        }
        assert!(!is_path(b"/who a/b") && !is_path(b"/") && !is_path(b"a/b"));
        assert_eq!(command(b"/nick a:b"), None);
        assert_eq!(command(b" /who 7 "), Some(Command::Who { from: 7 }));
    }
}
