//! The form of notices to each member: control lines after a padded heartbeat, otherwise sentences,
//! and none in raw rooms.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pigeon_fuzz::shown::is_control_line;
use pigeon_proto::{Format, Notice, heartbeat};

use super::places::Places;

/// The form for each member.
#[derive(Default)]
pub(super) struct Words {
    /// Members that sent a padded heartbeat last.
    programs: BTreeSet<SocketAddr>,
    /// Members that were in `programs` at any time in this batch, and other senders of a padded
    /// heartbeat.
    lately: BTreeSet<SocketAddr>,
    /// Members that were not in `programs` at some time in this batch.
    not_always: BTreeSet<SocketAddr>,
    /// The messages of this batch.
    payloads: BTreeSet<Vec<u8>>,
}

impl Words {
    pub(super) fn is_program(&self, address: SocketAddr) -> bool {
        self.programs.contains(&address)
    }

    /// Members changed: one that returns starts over.
    pub(super) fn are_members(&mut self, places: &Places) {
        let gone = self.programs.iter().filter(|address| !places.contains_key(address));
        self.not_always.extend(gone);
        self.programs.retain(|address| places.contains_key(address));
    }

    /// Records a datagram that the hub has handled, and the members since.
    pub(super) fn heard(&mut self, from: SocketAddr, payload: &[u8], places: &Places) {
        self.payloads.insert(payload.to_vec());
        if payload.trim_ascii() == heartbeat::PLAIN {
            let is_padded = payload.len() >= heartbeat::ANSWERED_FROM;
            if is_padded {
                self.lately.insert(from);
            }
            let was_one = self.programs.remove(&from);
            if is_padded && places.contains_key(&from) {
                self.programs.insert(from);
            }
            if !was_one {
                self.not_always.insert(from);
            }
        }
        if !self.programs.contains(&from) {
            self.not_always.insert(from);
        }
    }

    /// Records a message of the operator.
    pub(super) fn says(&mut self, text: &str) {
        self.payloads.insert(text.as_bytes().to_vec());
    }

    /// Checks a datagram of this batch.
    pub(super) fn check(&self, to: SocketAddr, format: Format, bytes: &[u8]) {
        // Members that may answer by themselves are tested in every format.
        if matches!(Notice::parse(bytes), Some(Notice::Probe(_))) {
            return;
        }
        if !self.lately.contains(&to) {
            assert!(!is_control_line(bytes), "{to} never asked for {bytes:?}");
            if format == Format::Raw {
                let is_asked_for =
                    [&b"/prove "[..], b"/here "].iter().any(|start| bytes.starts_with(start));
                assert!(is_asked_for || self.payloads.contains(bytes), "{to} gets {bytes:?}");
            }
        }
        // The replacement of a message too long in an encoding is shared by its readers.
        let is_left_out = bytes.starts_with(b"* a message was left out");
        if self.programs.contains(&to) && !self.not_always.contains(&to) && !is_left_out {
            let is_sentence = format != Format::Raw && bytes.starts_with(b"* ");
            assert!(
                !is_sentence && bytes != b"Bye!",
                "{to} reads control lines, and gets {bytes:?}"
            );
        }
    }

    pub(super) fn begin(&mut self) {
        self.lately.clone_from(&self.programs);
        self.not_always.clear();
        self.payloads.clear();
    }
}
