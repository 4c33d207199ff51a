//! What the server has shown of itself.

use pigeon_proto::{Answer, Format};

/// The server as its answers to heartbeats describe it. A server that has given none is not known
/// to be a pigeon hub: nothing it says changes the session, and it gets no commands that nobody
/// typed.
#[derive(Debug, Default)]
pub(super) struct Hub {
    answer: Option<Answer>,
}

impl Hub {
    pub(super) fn answered(&mut self, answer: &Answer) {
        self.answer = Some(answer.clone());
    }

    pub(super) fn members(&self) -> Option<u64> {
        self.answer.as_ref().map(|answer| answer.members)
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.answer.as_ref().and_then(|answer| answer.format)
    }

    /// Whether lines that begin with `^hb^` are the hub's own. A hub that names its format relays
    /// none from members; one that does not may.
    pub(super) fn has_control_lines(&self) -> bool {
        self.format().is_some()
    }

    /// Whether a command is obeyed. In the raw format members would receive it as data.
    pub(super) fn takes_commands(&self) -> bool {
        self.format().is_some_and(|format| format != Format::Raw)
    }
}
