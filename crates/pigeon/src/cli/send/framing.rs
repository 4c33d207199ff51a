//! How a stream of bytes becomes datagrams.

use std::io::{self, BufRead, Read};

use anyhow::Context;

use crate::base::length::check_length;
use crate::base::payload::{PayloadFormat, read_hex};
use crate::base::quantity;
use crate::base::status::UsageError;
use crate::ui::lines::{Input, next_line};

/// Where a datagram ends in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// At the end of each line, which is not part of it. An empty line is an empty datagram.
    Line,
    /// At the end of the stream.
    Whole,
    /// After so many bytes.
    Size(usize),
    /// Lines of hexadecimal.
    HexLines,
}

impl std::str::FromStr for Framing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "one of line, whole, size:N (as size:512), hex-lines".to_string();
        match text {
            "line" => Ok(Framing::Line),
            "whole" => Ok(Framing::Whole),
            "hex-lines" => Ok(Framing::HexLines),
            text => match text.strip_prefix("size:").map(quantity::size) {
                Some(Ok(size)) if size > 0 => Ok(Framing::Size(size)),
                _ => Err(wrong()),
            },
        }
    }
}

/// The datagrams of a stream, one by one.
pub(super) struct Frames<R> {
    from: R,
    framing: Framing,
    format: PayloadFormat,
    /// The most bytes a datagram carries to where it goes.
    most: usize,
    number: u64,
    over: bool,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(from: R, framing: Framing, format: PayloadFormat, most: usize) -> Self {
        Frames { from, framing, format, most, number: 0, over: false }
    }

    /// The next datagram; `None` at the end. After an error there is no next one.
    pub(super) fn next(&mut self) -> Option<anyhow::Result<Box<[u8]>>> {
        if self.over {
            return None;
        }
        self.number += 1;
        let unit = match self.framing {
            Framing::Line | Framing::HexLines => "line",
            Framing::Whole | Framing::Size(_) => "datagram",
        };
        let payload = self.read().transpose()?;
        let payload = payload.with_context(|| format!("{unit} {}", self.number));
        self.over |= payload.is_err();
        Some(payload)
    }

    fn read(&mut self) -> anyhow::Result<Option<Box<[u8]>>> {
        let written = match self.framing {
            Framing::Line | Framing::HexLines => match next_line(&mut self.from) {
                Input::Line(line) => line,
                Input::End => return Ok(None),
                Input::Unreadable(kind) => return Err(unreadable(kind)),
                _ => {
                    let error = "not sent: longer than any datagram".to_string();
                    return Err(UsageError(error).into());
                }
            },
            Framing::Whole => {
                self.over = true;
                // Text may shrink when it is encoded, hexadecimal always does.
                self.take(8 * self.most + 1)?
            }
            Framing::Size(size) => match self.take(size)? {
                bytes if bytes.is_empty() => return Ok(None),
                bytes => bytes,
            },
        };
        let payload = match self.framing {
            Framing::HexLines => read_hex(&written)?,
            _ => self.format.read(&written)?,
        };
        check_length(payload.len(), self.most)?;
        Ok(Some(payload.into()))
    }

    fn take(&mut self, most: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.from
            .by_ref()
            .take(most as u64)
            .read_to_end(&mut bytes)
            .map_err(|error: io::Error| unreadable(error.kind()))?;
        Ok(bytes)
    }
}

fn unreadable(kind: io::ErrorKind) -> anyhow::Error {
    UsageError(format!("cannot read stdin: {kind}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &[u8], framing: &str, most: usize) -> (Vec<Vec<u8>>, Option<String>) {
        let framing = framing.parse().unwrap();
        let mut frames = Frames::new(text, framing, PayloadFormat::utf8(), most);
        let mut read = Vec::new();
        loop {
            match frames.next() {
                None => return (read, None),
                Some(Ok(payload)) => read.push(payload.to_vec()),
                Some(Err(error)) => return (read, Some(format!("{error:#}"))),
            }
        }
    }

    #[test]
    fn each_framing_ends_datagrams_in_its_own_place() {
        assert_eq!(frames(b"a\n\nb", "line", 9).0, [b"a".to_vec(), vec![], b"b".to_vec()]);
        assert_eq!(frames(b"a\n\nb", "whole", 9).0, [b"a\n\nb".to_vec()]);
        assert_eq!(frames(b"", "whole", 9).0, [b"".to_vec()]);
        assert_eq!(
            frames(b"abcde", "size:2", 9).0,
            [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]
        );
        assert_eq!(frames(b"00ff\n7e\n", "hex-lines", 9).0, [vec![0, 255], vec![126]]);
    }

    #[test]
    fn what_cannot_be_sent_whole_is_refused_with_its_place() {
        let error = frames(b"ab\nabcdef\nx", "line", 3).1.unwrap();
        assert_eq!(error, "line 2: not sent: 6 bytes, and a datagram there carries at most 3");
        assert!(frames(b"abcdef", "whole", 3).1.unwrap().starts_with("datagram 1: not sent"));
        assert!(frames(b"xyz", "hex-lines", 9).1.unwrap().contains("hexadecimal"));
        assert!("size:0".parse::<Framing>().is_err() && "lines".parse::<Framing>().is_err());
    }
}
