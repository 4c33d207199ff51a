//! The datagrams that addresses got and may return: lines, proofs, resume tokens. No text may be
//! dropped as an echo; only a member proved to answer automatically is held.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use pigeon_proto::Notice;

/// More tokens yield no further interactions.
const MAX_WORDS: usize = 64;

/// The hub's datagrams, by recipient.
#[derive(Default)]
pub(super) struct Heard {
    last: BTreeMap<SocketAddr, Vec<u8>>,
    proofs: BTreeMap<SocketAddr, Vec<u8>>,
    words: Vec<Vec<u8>>,
    /// Addresses that have set another encoding.
    foreign: BTreeSet<SocketAddr>,
    /// Addresses proved to answer automatically.
    proved: BTreeSet<SocketAddr>,
    /// Addresses with texts dropped as automatic since the events were last collected.
    held: BTreeSet<SocketAddr>,
}

impl Heard {
    /// Records a line to an address.
    pub(super) fn learn(&mut self, to: SocketAddr, bytes: &[u8]) {
        if bytes.starts_with(b"/prove ") {
            self.proofs.insert(to, bytes.to_vec());
        }
        let word = find(bytes, b"; /resume ").map(|at| &bytes[at + 10..]);
        if let Some(word) = word.filter(|_| bytes.starts_with(b"* you are ")) {
            let end = word.iter().position(|byte| *byte == b' ').unwrap_or(word.len());
            self.keep(&word[..end]);
        }
        if let Some(Notice::Name { word: Some(word), .. }) = Notice::parse(bytes) {
            self.keep(word.as_bytes());
        }
        self.last.insert(to, bytes.to_vec());
    }

    fn keep(&mut self, word: &[u8]) {
        if self.words.len() < MAX_WORDS {
            self.words.push(word.to_vec());
        }
    }

    /// Records that an address may use another encoding from now on.
    pub(super) fn is_foreign(&mut self, address: SocketAddr) {
        self.foreign.insert(address);
    }

    /// Whether an address has only used UTF-8.
    pub(super) fn writes_utf8(&self, address: SocketAddr) -> bool {
        !self.foreign.contains(&address)
    }

    /// The last line to this address, or an empty one.
    pub(super) fn last(&self, address: SocketAddr) -> &[u8] {
        self.last.get(&address).map_or(&b""[..], |line| line)
    }

    /// The last request for proof to this address, or an empty one.
    pub(super) fn proof(&self, address: SocketAddr) -> &[u8] {
        self.proofs.get(&address).map_or(&b""[..], |proof| proof)
    }

    /// Any resume token; without one, an invalid token.
    pub(super) fn resume_word(&self, which: u8) -> &[u8] {
        let count = self.words.len().max(1);
        self.words.get(usize::from(which) % count).map_or(&b"1-a"[..], |word| word)
    }

    /// Records a member proved to answer automatically.
    pub(super) fn is_proved(&mut self, address: SocketAddr) {
        self.proved.insert(address);
    }

    /// Records a text dropped as automatic.
    pub(super) fn is_held(&mut self, address: SocketAddr) {
        self.held.insert(address);
    }

    /// Asserts that the hub holds only messages of members proved to answer automatically. Call it
    /// after all events are collected.
    pub(super) fn check_held(&mut self) {
        for address in std::mem::take(&mut self.held) {
            assert!(self.proved.contains(&address), "{address} is held, and nothing is proved");
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
