//! The WebSocket protocol of a server (RFC 6455), without extensions: its handshake and its frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Maximum bytes of a client's message, in all its fragments.
pub(crate) const MAX_MESSAGE: u64 = 131_072;

/// Maximum payload of a control frame (section 5.5).
const MAX_CONTROL: usize = 125;

/// Maximum bytes of a client's frame before its payload: two, an extended length, a mask.
const MAX_HEAD: usize = 14;

/// The answer to `Sec-WebSocket-Key` (section 4.2.2).
pub(crate) fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Whether a text may be a `Sec-WebSocket-Key`: 16 bytes in base64.
pub(crate) fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Why a server closes a connection (section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// Everything was said.
    Normal,
    /// The client broke the protocol.
    Protocol,
    /// The client sent a binary message.
    NotText,
    /// The client's message is too long.
    TooLong,
}

impl CloseCode {
    fn number(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::Protocol => 1002,
            CloseCode::NotText => 1003,
            CloseCode::TooLong => 1009,
        }
    }
}

/// What frames from a server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Text = 1,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// The bytes of a server's frame before its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; 10],
    length: u8,
}

impl Head {
    /// The head of a text message of this length in one frame.
    pub(crate) fn text(length: usize) -> Head {
        Head::new(Opcode::Text, length)
    }

    fn new(opcode: Opcode, length: usize) -> Head {
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | opcode as u8;
        let length = match length {
            0..126 => {
                bytes[1] = length as u8;
                2
            }
            126..0x1_0000 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        Head { bytes, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A whole control frame.
fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    [Head::new(opcode, payload.len()).bytes(), payload].concat()
}

/// A ping, whose answer has the same payload.
pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    control(Opcode::Ping, payload)
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    control(Opcode::Pong, payload)
}

/// The last frame of a connection.
pub(crate) fn close(code: CloseCode) -> Vec<u8> {
    control(Opcode::Close, &code.number().to_be_bytes())
}

/// A part of what a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Bytes of a text message. They were not checked to be UTF-8.
    Text(&'a [u8]),
    /// The message is complete.
    End,
    /// A ping, to be answered.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong(Vec<u8>),
    /// The client closes the connection.
    Close,
}

/// Reads a client's frames from a byte stream that arrives in pieces. It passes payloads on as they
/// come, and holds no more than a head and a control frame.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    head: [u8; MAX_HEAD],
    /// Bytes of `head` that have arrived.
    have: usize,
    /// The frame being read, once its head is complete.
    frame: Option<Frame>,
    /// Bytes of the message so far, in earlier frames. `None` between messages.
    message: Option<u64>,
    control: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    kind: Kind,
    is_last: bool,
    mask: [u8; 4],
    /// Bytes of the payload that have been read, and all.
    read: u64,
    length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Close,
    Ping,
    Pong,
}

impl Decoder {
    /// The next part of `input`, of which it takes the front. `None` when everything was taken.
    /// Fails if the client broke the protocol; the connection then ends with the code.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Part<'a>>, CloseCode> {
        loop {
            if self.frame.is_none() {
                match self.read_head(input)? {
                    true => {}
                    false => return Ok(None),
                }
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            let rest = frame.length - frame.read;
            let count = usize::try_from(rest).unwrap_or(usize::MAX).min(input.len());
            if count == 0 && rest > 0 {
                return Ok(None);
            }
            let (payload, after) = std::mem::take(input).split_at_mut(count);
            *input = after;
            unmask(payload, frame.mask, frame.read);
            frame.read += count as u64;
            let is_complete = frame.read == frame.length;
            if frame.kind != Kind::Text {
                self.control.extend_from_slice(payload);
                if is_complete {
                    return self.control_frame().map(Some);
                }
                continue;
            }
            if count > 0 {
                // An empty payload is complete in the next call.
                if is_complete {
                    frame.length = frame.read;
                }
                return Ok(Some(Part::Text(payload)));
            }
            let is_last = frame.is_last;
            self.end_frame();
            if is_last {
                self.message = None;
                return Ok(Some(Part::End));
            }
        }
    }

    fn end_frame(&mut self) {
        self.frame = None;
        self.have = 0;
    }

    fn control_frame<'a>(&mut self) -> Result<Part<'a>, CloseCode> {
        let kind = self.frame.as_ref().map(|frame| frame.kind);
        self.end_frame();
        let payload = std::mem::take(&mut self.control);
        Ok(match kind {
            Some(Kind::Ping) => Part::Ping(payload),
            Some(Kind::Close) if payload.len() == 1 => return Err(CloseCode::Protocol),
            Some(Kind::Close) => Part::Close,
            _ => Part::Pong(payload),
        })
    }

    /// Reads a frame's head. Returns whether it is complete.
    fn read_head(&mut self, input: &mut &mut [u8]) -> Result<bool, CloseCode> {
        loop {
            let need = self.needed();
            if self.have >= 2 {
                // Before the rest arrives, so that nothing waits for a frame that is refused.
                self.check()?;
            }
            if self.have == need {
                break;
            }
            if input.is_empty() {
                return Ok(false);
            }
            let count = (need - self.have).min(input.len());
            let (taken, after) = std::mem::take(input).split_at_mut(count);
            *input = after;
            self.head[self.have..self.have + count].copy_from_slice(taken);
            self.have += count;
        }
        let length = match self.head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            127 => self.head[2..10].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
            short => u64::from(short),
        };
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[self.have - 4..self.have]);
        let kind = self.kind()?;
        if kind == Kind::Text {
            let sum = self.message.unwrap_or(0).saturating_add(length);
            if sum > MAX_MESSAGE {
                return Err(CloseCode::TooLong);
            }
            self.message = Some(sum);
        }
        let is_last = self.head[0] & 0x80 != 0;
        self.frame = Some(Frame { kind, is_last, mask, read: 0, length });
        Ok(true)
    }

    /// Bytes of the head, as far as it is known.
    fn needed(&self) -> usize {
        match (self.have, self.head[1] & 0x7f) {
            (0..2, _) => 2,
            (_, 126) => 2 + 2 + 4,
            (_, 127) => MAX_HEAD,
            _ => 2 + 4,
        }
    }

    /// Checks the first two bytes (section 5.2).
    fn check(&self) -> Result<(), CloseCode> {
        let [first, second] = [self.head[0], self.head[1]];
        let kind = self.kind()?;
        let is_control = kind != Kind::Text;
        let is_control_allowed = first & 0x80 != 0 && usize::from(second & 0x7f) <= MAX_CONTROL;
        match first & 0x70 == 0 && second & 0x80 != 0 && (!is_control || is_control_allowed) {
            true => Ok(()),
            false => Err(CloseCode::Protocol),
        }
    }

    fn kind(&self) -> Result<Kind, CloseCode> {
        match (self.head[0] & 0x0f, self.message.is_some()) {
            (0, true) | (1, false) => Ok(Kind::Text),
            (2, false) => Err(CloseCode::NotText),
            (8, _) => Ok(Kind::Close),
            (9, _) => Ok(Kind::Ping),
            (10, _) => Ok(Kind::Pong),
            _ => Err(CloseCode::Protocol),
        }
    }
}

/// Removes the mask from a payload that begins `offset` bytes into its frame (section 5.3).
fn unmask(payload: &mut [u8], mut mask: [u8; 4], offset: u64) {
    mask.rotate_left((offset % 4) as usize);
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        let plain = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        word.copy_from_slice(&(plain ^ u32::from_ne_bytes(mask)).to_ne_bytes());
    }
    words.into_remainder().iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// For the fuzzer.
#[doc(hidden)]
pub mod fuzzing {
    /// Decodes bytes in pieces of these lengths, and returns the messages: the same for every cut.
    pub fn messages(bytes: &[u8], cuts: &mut dyn Iterator<Item = usize>) -> (Vec<Vec<u8>>, bool) {
        let mut decoder = super::Decoder::default();
        let (mut messages, mut message) = (Vec::new(), Vec::new());
        let mut rest = bytes;
        while !rest.is_empty() {
            let cut = cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let mut piece = rest[..cut].to_vec();
            rest = &rest[cut..];
            let mut input = &mut piece[..];
            loop {
                match decoder.next(&mut input) {
                    Ok(None) => break,
                    Ok(Some(super::Part::Text(text))) => message.extend_from_slice(text),
                    Ok(Some(super::Part::End)) => messages.push(std::mem::take(&mut message)),
                    Ok(Some(_)) => {}
                    Err(_) => return (messages, false),
                }
            }
            assert!(message.len() as u64 <= super::MAX_MESSAGE, "an unbounded message");
        }
        (messages, true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Head::new(Opcode::Text, payload.len()).bytes().to_vec();
        bytes[0] = first;
        bytes[1] |= 0x80;
        let mask = [1, 2, 3, 4];
        bytes.extend(mask);
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        unmask(&mut bytes[start..], mask, 0);
        bytes
    }

    fn parts(bytes: &[u8]) -> Result<Vec<Part<'static>>, CloseCode> {
        let (mut decoder, mut bytes) = (Decoder::default(), bytes.to_vec());
        let mut input = &mut bytes[..];
        let mut parts = Vec::new();
        while let Some(part) = decoder.next(&mut input)? {
            parts.push(match part {
                Part::Text(text) => Part::Text(text.to_vec().leak()),
                Part::End => Part::End,
                Part::Ping(payload) => Part::Ping(payload),
                Part::Pong(payload) => Part::Pong(payload),
                Part::Close => Part::Close,
            });
        }
        Ok(parts)
    }

    #[test]
    fn the_handshake_is_that_of_the_standard() {
        // Section 1.3.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key("") && !is_key("dGhl") && !is_key("dGhlIHNhbXBsZSBub25jZQ==x"));
    }

    #[test]
    fn the_frames_of_the_standard_are_read() {
        // Section 5.7.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(parts(&hello), Ok(vec![Part::Text(b"Hello"), Part::End]));
        let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(parts(&unmasked), Err(CloseCode::Protocol));
    }

    #[test]
    fn control_frames_come_between_fragments() {
        let all = [
            frame(0x01, b"one "),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x80, b"two"),
            frame(0x8a, b""),
            frame(0x88, b"\x03\xe8bye"),
        ];
        let expected = [
            Part::Text(b"one "),
            Part::Ping(b"ping".to_vec()),
            Part::Text(b"two"),
            Part::End,
            Part::Pong(Vec::new()),
            Part::Close,
        ];
        assert_eq!(parts(&all.concat()), Ok(expected.to_vec()));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused_by_its_head_alone() {
        let long = [b'x'; 126];
        for (frames, code) in [
            (frame(0x82, b"x"), CloseCode::NotText),
            (frame(0x80, b"x"), CloseCode::Protocol),
            (frame(0xc1, b"x"), CloseCode::Protocol),
            (frame(0x83, b"x"), CloseCode::Protocol),
            (frame(0x09, b"x"), CloseCode::Protocol),
            (frame(0x89, &long), CloseCode::Protocol),
            (frame(0x88, b"x"), CloseCode::Protocol),
            ([frame(0x01, b"x"), frame(0x81, b"x")].concat(), CloseCode::Protocol),
            (vec![0x81, 0xff, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4], CloseCode::TooLong),
            (
                vec![0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4],
                CloseCode::TooLong,
            ),
        ] {
            assert_eq!(parts(&frames), Err(code), "{frames:?}");
        }
        let most = vec![b'x'; MAX_MESSAGE as usize];
        assert!(parts(&frame(0x81, &most)).is_ok());
        let more = [frame(0x01, &most), frame(0x80, b"x")].concat();
        assert_eq!(parts(&more), Err(CloseCode::TooLong));
    }

    #[test]
    fn heads_have_the_length_of_their_payload() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 255, 255]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(Head::text(length).bytes(), head);
        }
        assert_eq!(close(CloseCode::Normal), [0x88, 2, 3, 232]);
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_the_stream_is_cut(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5),
            cuts in prop::collection::vec(1..40_usize, 1..20),
        ) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| {
                let half = text.len() / 2;
                [frame(0x01, &text[..half]), frame(0x80, &text[half..])].concat()
            }).collect();
            let mut cuts = cuts.into_iter().cycle();
            prop_assert_eq!(fuzzing::messages(&stream, &mut cuts), (texts, true));
        }
    }
}
