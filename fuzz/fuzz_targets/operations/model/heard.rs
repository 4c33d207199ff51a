//! What addresses have heard from the hub and may send back: lines, proofs, the words that take a name
//! back. Nobody's text is dropped for being an echo; only a member that is proved to answer by itself
//! is held.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use pigeon_proto::Notice;

/// More words than this make no new meetings.
const MAX_WORDS: usize = 64;

/// What the hub has sent, by recipient.
#[derive(Default)]
pub(super) struct Heard {
    last: BTreeMap<SocketAddr, Vec<u8>>,
    proofs: BTreeMap<SocketAddr, Vec<u8>>,
    words: Vec<Vec<u8>>,
    /// Addresses that ever asked for another encoding.
    foreign: BTreeSet<SocketAddr>,
    /// Addresses that were ever proved to answer by themselves.
    proved: BTreeSet<SocketAddr>,
    /// Whose texts were dropped for that since the events were last collected.
    held: BTreeSet<SocketAddr>,
}

impl Heard {
    /// An address has got a line.
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

    /// An address may read another encoding from now on.
    pub(super) fn is_foreign(&mut self, address: SocketAddr) {
        self.foreign.insert(address);
    }

    /// Whether an address has written nothing but UTF-8.
    pub(super) fn writes_utf8(&self, address: SocketAddr) -> bool {
        !self.foreign.contains(&address)
    }

    /// The last line this address got, or nothing.
    pub(super) fn last(&self, address: SocketAddr) -> &[u8] {
        self.last.get(&address).map_or(&b""[..], |line| line)
    }

    /// What this address was last asked to send back, or nothing.
    pub(super) fn proof(&self, address: SocketAddr) -> &[u8] {
        self.proofs.get(&address).map_or(&b""[..], |proof| proof)
    }

    /// A word that takes back some member's name; as long as there is none, one that the hub never
    /// gave.
    pub(super) fn resume_word(&self, which: u8) -> &[u8] {
        let count = self.words.len().max(1);
        self.words.get(usize::from(which) % count).map_or(&b"1-a"[..], |word| word)
    }

    /// A member is proved to answer by itself.
    pub(super) fn is_proved(&mut self, address: SocketAddr) {
        self.proved.insert(address);
    }

    /// The hub dropped a text because its sender answers by itself.
    pub(super) fn is_held(&mut self, address: SocketAddr) {
        self.held.insert(address);
    }

    /// All events have been heard: nobody is held that is not proved.
    pub(super) fn check_held(&mut self) {
        for address in std::mem::take(&mut self.held) {
            assert!(self.proved.contains(&address), "{address} is held, and nothing is proved");
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
