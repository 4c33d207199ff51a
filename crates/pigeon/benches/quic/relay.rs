//! What both servers do with a message: pass it to all members as it is, or as a frame, which has the
//! fields and the length of a real one and says the same every time.

use bytes::{Bytes, BytesMut};

/// Makes frames of the lines that arrive together.
pub(crate) struct Relay {
    /// Whether messages become frames.
    as_frames: bool,
    /// The beginning of a line whose end has not come.
    unread: BytesMut,
    /// Frames for everyone.
    frames: Vec<u8>,
}

const BEFORE: &str = r#"{"type":"message","position":1099511627776,"room":"lobby","author":"0123456789abcdef0123456789abcdef","outbox":"0123456789abcdef","number":123456,"name":"somebody","link":"key","time":1795780000000,"text":""#;

impl Relay {
    /// `frames`, or as it is.
    pub(crate) fn new(how: &str) -> Relay {
        let (unread, frames) = (BytesMut::new(), Vec::new());
        Relay { as_frames: how == "frames", unread, frames }
    }

    /// Takes in what a member said.
    pub(crate) fn take(&mut self, said: &[u8]) {
        self.unread.extend_from_slice(said);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line = self.unread.split_to(end + 1);
            if self.as_frames {
                self.frames.extend_from_slice(BEFORE.as_bytes());
                self.frames.extend_from_slice(&line[..end]);
                self.frames.extend_from_slice(b"\"}\n");
            } else {
                self.frames.extend_from_slice(&line);
            }
        }
    }

    /// The frames since the last call.
    pub(crate) fn frames(&mut self) -> Option<Bytes> {
        (!self.frames.is_empty()).then(|| std::mem::take(&mut self.frames).into())
    }
}

/// The length of the frame of a message.
pub(crate) fn frame_length(text: usize) -> usize {
    BEFORE.len() + text + "\"}\n".len()
}
