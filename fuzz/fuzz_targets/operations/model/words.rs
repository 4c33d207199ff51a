//! In which form the hub speaks to whom: control lines to members whose latest heartbeat was padded,
//! sentences to the others, and in raw rooms nothing to those.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pigeon_fuzz::shown::is_control_line;
use pigeon_proto::{Format, heartbeat};

use super::places::Places;

/// Who reads what.
#[derive(Default)]
pub(super) struct Words {
    /// Members whose latest heartbeat was padded.
    programs: BTreeSet<SocketAddr>,
    /// Those that were so at any time in this batch, or asked while they were no members.
    lately: BTreeSet<SocketAddr>,
    /// Those that were not so at some time in this batch.
    not_always: BTreeSet<SocketAddr>,
    /// What was said in this batch.
    payloads: BTreeSet<Vec<u8>>,
}

impl Words {
    /// Whether a member reads control lines.
    pub(super) fn is_program(&self, address: SocketAddr) -> bool {
        self.programs.contains(&address)
    }

    /// Members came or went: who comes again begins anew.
    pub(super) fn are_members(&mut self, places: &Places) {
        let gone = self.programs.iter().filter(|address| !places.contains_key(address));
        self.not_always.extend(gone);
        self.programs.retain(|address| places.contains_key(address));
    }

    /// The hub has heard a datagram, and these are its members now.
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

    /// The operator speaks.
    pub(super) fn says(&mut self, text: &str) {
        self.payloads.insert(text.as_bytes().to_vec());
    }

    /// Somebody gets a datagram of this batch.
    pub(super) fn check(&self, to: SocketAddr, format: Format, bytes: &[u8]) {
        if !self.lately.contains(&to) {
            assert!(!is_control_line(bytes), "{to} never asked for {bytes:?}");
            if format == Format::Raw {
                let is_asked_for =
                    [&b"/prove "[..], b"/here "].iter().any(|start| bytes.starts_with(start));
                assert!(is_asked_for || self.payloads.contains(bytes), "{to} gets {bytes:?}");
            }
        }
        // What a room's readers of one encoding get in place of a message that is too long in it is
        // one line for all of them.
        let is_left_out = bytes.starts_with(b"* a message was left out");
        if self.programs.contains(&to) && !self.not_always.contains(&to) && !is_left_out {
            let is_sentence = format != Format::Raw && bytes.starts_with(b"* ");
            assert!(
                !is_sentence && bytes != b"Bye!",
                "{to} reads control lines, and gets {bytes:?}"
            );
        }
    }

    /// The next batch begins.
    pub(super) fn begin(&mut self) {
        self.lately.clone_from(&self.programs);
        self.not_always.clear();
        self.payloads.clear();
    }
}
