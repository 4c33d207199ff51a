//! The server's features, from its answers to heartbeats.

use pigeon_proto::{Answer, Format};

/// The server's features. Without an answer it is not known to be a pigeon hub: its datagrams do
/// not change the session, and only the user's commands are sent to it.
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

    /// Whether lines that begin with `^hb^` are the hub's own. A hub that reports its format relays
    /// none from members; an older one may.
    pub(super) fn has_control_lines(&self) -> bool {
        self.format().is_some()
    }

    /// Whether the hub executes commands. In the raw format members would receive them as data.
    pub(super) fn takes_commands(&self) -> bool {
        self.format().is_some_and(|format| format != Format::Raw)
    }
}
