//! Both servers encode each message as one frame for all members. The frame has the fields and
//! length of a real one, with constant content.

use bytes::{Bytes, BytesMut};

/// Combines lines that arrive together into frames.
#[derive(Default)]
pub(crate) struct Relay {
    /// The start of an incomplete line.
    unread: BytesMut,
    /// Frames for everyone.
    frames: Vec<u8>,
}

const BEFORE: &str = r#"{"type":"message","position":1099511627776,"room":"lobby","author":"0123456789abcdef0123456789abcdef","outbox":"0123456789abcdef","number":123456,"name":"somebody","link":"key","time":1795780000000,"text":""#;

impl Relay {
    /// Adds a member's bytes.
    pub(crate) fn take(&mut self, said: &[u8]) {
        self.unread.extend_from_slice(said);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line = self.unread.split_to(end + 1);
            self.frames.extend_from_slice(BEFORE.as_bytes());
            self.frames.extend_from_slice(&line[..end]);
            self.frames.extend_from_slice(b"\"}\n");
        }
    }

    /// The frames since the last call.
    pub(crate) fn frames(&mut self) -> Option<Bytes> {
        (!self.frames.is_empty()).then(|| std::mem::take(&mut self.frames).into())
    }
}
