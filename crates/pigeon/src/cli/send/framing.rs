//! Splits a stream of bytes into datagrams.

use std::io::{self, BufRead, Read};

use anyhow::bail;

use crate::base::length::check_length;
use crate::base::payload::{Unwritable, read_hex};
use crate::base::quantity;
use crate::ui::lines::{Input, next_line, next_line_with_end};
use crate::words::say;

/// Where a datagram ends in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// At the end of each line, excluding the line ending. An empty line is an empty datagram.
    Line,
    /// At the end of each line, including the line ending.
    Keep,
    /// At the end of the stream.
    Whole,
    /// After this many bytes.
    Size(usize),
    /// One datagram per line of hexadecimal.
    HexLines,
}

impl std::str::FromStr for Framing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || say!("tools-framing");
        match text {
            "line" => Ok(Framing::Line),
            "keep" => Ok(Framing::Keep),
            "whole" => Ok(Framing::Whole),
            "hex-lines" => Ok(Framing::HexLines),
            text => match text.strip_prefix("size:").map(quantity::size) {
                Some(Ok(size)) if size > 0 => Ok(Framing::Size(size)),
                _ => Err(wrong()),
            },
        }
    }
}

impl Framing {
    /// The unit shown to people.
    pub(super) fn unit(self) -> Unit {
        match self {
            Framing::Line | Framing::Keep | Framing::HexLines => Unit::Line,
            Framing::Whole | Framing::Size(_) => Unit::Datagram,
        }
    }
}

/// The unit shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Line,
    Datagram,
}

impl Unit {
    /// `line 3`.
    pub(super) fn said(self, number: u64) -> String {
        match self {
            Unit::Line => say!("tools-line", number = number),
            Unit::Datagram => say!("tools-datagram", number = number),
        }
    }
}

/// Converts a part of the stream to the bytes of a datagram.
type MakeBytes = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, Unwritable> + Send>;

/// The datagrams of a stream. An invalid one does not end it.
pub(super) struct Frames<R> {
    from: R,
    framing: Framing,
    read: MakeBytes,
    /// Maximum payload for the destination.
    most: usize,
    number: u64,
    over: bool,
}

/// The next item of a stream.
#[derive(Debug)]
pub(super) enum Frame {
    /// A datagram and its number, which counts invalid ones too.
    Datagram(u64, Box<[u8]>),
    /// The datagram or line with this number is invalid.
    Bad(u64, anyhow::Error),
    /// The stream cannot be read.
    Unreadable(io::ErrorKind),
}

impl<R: BufRead> Frames<R> {
    /// `read` converts a part of the stream to bytes.
    pub(super) fn new(
        from: R,
        framing: Framing,
        read: impl Fn(&[u8]) -> Result<Vec<u8>, Unwritable> + Send + 'static,
        most: usize,
    ) -> Self {
        Frames { from, framing, read: Box::new(read), most, number: 0, over: false }
    }

    /// The next item; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Frame> {
        loop {
            if self.over {
                return None;
            }
            let written = match self.read_written() {
                Ok(written) => written?,
                Err(kind) => {
                    self.over = true;
                    return Some(Frame::Unreadable(kind));
                }
            };
            self.number += 1;
            if self.framing == Framing::HexLines && is_comment(written.as_deref()) {
                continue;
            }
            return Some(match self.payload(written) {
                Ok(payload) => Frame::Datagram(self.number, payload),
                Err(error) => Frame::Bad(self.number, error),
            });
        }
    }

    /// The next part of the stream; `Some(None)` if it is too long to be kept.
    fn read_written(&mut self) -> Result<Option<Option<Vec<u8>>>, io::ErrorKind> {
        let line = match self.framing {
            Framing::Line | Framing::HexLines => next_line(&mut self.from),
            Framing::Keep => next_line_with_end(&mut self.from),
            Framing::Whole => {
                self.over = true;
                // Text may shrink when it is encoded, hexadecimal always does.
                return Ok(Some(Some(self.take(8 * self.most + 1)?)));
            }
            Framing::Size(size) => {
                let bytes = self.take(size)?;
                return Ok((!bytes.is_empty()).then_some(Some(bytes)));
            }
        };
        match line {
            Input::Line(line) => Ok(Some(Some(line))),
            Input::End => Ok(None),
            Input::Unreadable(kind) => Err(kind),
            _ => Ok(Some(None)),
        }
    }

    fn payload(&self, written: Option<Vec<u8>>) -> anyhow::Result<Box<[u8]>> {
        let Some(written) = written else { bail!(say!("errors-longer-than-any")) };
        let payload = match self.framing {
            Framing::HexLines => read_hex(&written)?,
            _ => (self.read)(&written)?,
        };
        check_length(payload.len(), self.most)?;
        Ok(payload.into())
    }

    fn take(&mut self, most: usize) -> Result<Vec<u8>, io::ErrorKind> {
        let mut bytes = Vec::new();
        let read = self.from.by_ref().take(most as u64).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|error| error.kind())
    }
}

/// Whether a line of hexadecimal is only a comment, which is not an empty datagram.
fn is_comment(line: Option<&[u8]>) -> bool {
    line.is_some_and(|line| line.trim_ascii_start().starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::payload::PayloadFormat;

    /// The datagrams, and the errors of the others.
    fn frames(text: &[u8], framing: &str, most: usize) -> (Vec<Vec<u8>>, Vec<String>) {
        let framing = framing.parse().unwrap();
        let format = PayloadFormat::utf8();
        let mut frames = Frames::new(text, framing, move |text| format.read(text), most);
        let (mut read, mut bad) = (Vec::new(), Vec::new());
        loop {
            match frames.next() {
                None => return (read, bad),
                Some(Frame::Datagram(_, payload)) => read.push(payload.to_vec()),
                Some(Frame::Bad(number, error)) => bad.push(format!("{number}: {error:#}")),
                Some(Frame::Unreadable(kind)) => bad.push(kind.to_string()),
            }
        }
    }

    #[test]
    fn each_framing_ends_datagrams_in_its_own_place() {
        assert_eq!(frames(b"a\n\nb", "line", 9).0, [b"a".to_vec(), vec![], b"b".to_vec()]);
        assert_eq!(
            frames(b"a\r\n\nb", "keep", 9).0,
            [b"a\r\n".to_vec(), b"\n".to_vec(), b"b".to_vec()]
        );
        assert_eq!(frames(b"a\n\nb", "whole", 9).0, [b"a\n\nb".to_vec()]);
        assert_eq!(frames(b"", "whole", 9).0, [b"".to_vec()]);
        assert_eq!(
            frames(b"abcde", "size:2", 9).0,
            [b"ab".to_vec(), b"cd".to_vec(), b"e".to_vec()]
        );
        let hex = b"00ff # two\n# none\n\n7e\n";
        assert_eq!(frames(hex, "hex-lines", 9).0, [vec![0, 255], vec![], vec![126]]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_place_and_the_rest_goes_on() {
        let (read, bad) = frames(b"ab\nabcdef\nx", "line", 3);
        assert_eq!(read, [b"ab".to_vec(), b"x".to_vec()]);
        assert_eq!(bad, ["2: not sent: 6 bytes, and a datagram there carries at most 3"]);
        assert!(frames(b"abcdef", "whole", 3).1[0].starts_with("1: not sent"));
        let (read, bad) = frames(b"xyz\n7e", "hex-lines", 9);
        assert_eq!(read, [vec![126]]);
        assert!(bad[0].contains("hexadecimal"), "{bad:?}");
        let endless = [&vec![b'x'; 2 << 20][..], b"\nnext"].concat();
        let (read, bad) = frames(&endless, "line", 9);
        assert_eq!(
            (read, &bad[..]),
            (vec![b"next".to_vec()], &["1: not sent: longer than any datagram".to_string()][..])
        );
        assert!("size:0".parse::<Framing>().is_err() && "lines".parse::<Framing>().is_err());
    }
}
