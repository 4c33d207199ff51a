//! How a stream of bytes becomes datagrams.

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
    /// At the end of each line, which is not part of it. An empty line is an empty datagram.
    Line,
    /// At the end of each line, with what ends it.
    Keep,
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
    /// What a datagram is made of, for people.
    pub(super) fn unit(self) -> Unit {
        match self {
            Framing::Line | Framing::Keep | Framing::HexLines => Unit::Line,
            Framing::Whole | Framing::Size(_) => Unit::Datagram,
        }
    }
}

/// What is counted, for people.
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

/// Makes the bytes of a datagram of what stands in the stream.
type MakeBytes = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, Unwritable> + Send>;

/// The datagrams of a stream, one by one. One that cannot be sent does not end it.
pub(super) struct Frames<R> {
    from: R,
    framing: Framing,
    read: MakeBytes,
    /// The most bytes a datagram carries to where it goes.
    most: usize,
    number: u64,
    over: bool,
}

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Frame {
    /// The datagram of this number, which counts those that cannot be sent.
    Datagram(u64, Box<[u8]>),
    /// Datagram or line of this number cannot be sent.
    Bad(u64, anyhow::Error),
    /// The stream cannot be read.
    Unreadable(io::ErrorKind),
}

impl<R: BufRead> Frames<R> {
    /// `read` makes bytes of what stands in the stream.
    pub(super) fn new(
        from: R,
        framing: Framing,
        read: impl Fn(&[u8]) -> Result<Vec<u8>, Unwritable> + Send + 'static,
        most: usize,
    ) -> Self {
        Frames { from, framing, read: Box::new(read), most, number: 0, over: false }
    }

    /// The next one; `None` at the end.
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

    /// The bytes that a datagram is to be made of; `Some(None)` if they are too many to be kept.
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

/// Whether a line of hexadecimal has nothing but a comment: it is not an empty datagram.
fn is_comment(line: Option<&[u8]>) -> bool {
    line.is_some_and(|line| line.trim_ascii_start().starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::payload::PayloadFormat;

    /// The datagrams, and what is wrong with the others.
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
