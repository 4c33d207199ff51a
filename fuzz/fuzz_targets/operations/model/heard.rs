//! What addresses have heard from the hub and may send back: lines, which must go no further then;
//! proofs; the words that take a name back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::Notice;

/// How long a line can come back as an echo.
const ECHO_MEMORY: Duration = Duration::from_secs(2);

/// More words than this make no new meetings.
const MAX_WORDS: usize = 64;

/// What the hub has told to whom.
#[derive(Default)]
pub(super) struct Heard {
    last: BTreeMap<SocketAddr, Line>,
    proofs: BTreeMap<SocketAddr, Vec<u8>>,
    words: Vec<Vec<u8>>,
    /// Addresses that ever asked for another encoding.
    foreign: BTreeSet<SocketAddr>,
}

/// The last line that an address got.
struct Line {
    bytes: Vec<u8>,
    /// No later than it was written.
    since: Instant,
    room: Option<String>,
}

impl Heard {
    /// An address, in a room or in none, has got a line of the batch that began at `since`.
    pub(super) fn learn(
        &mut self,
        to: SocketAddr,
        bytes: &[u8],
        since: Instant,
        room: Option<String>,
    ) {
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
        self.last.insert(to, Line { bytes: bytes.to_vec(), since, room });
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
        self.last.get(&address).map_or(&b""[..], |line| &line.bytes)
    }

    /// What this address was last asked to send back, or nothing.
    pub(super) fn proof(&self, address: SocketAddr) -> &[u8] {
        self.proofs.get(&address).map_or(&b""[..], |proof| proof)
    }

    /// A word that takes some name back, whosever; one that nobody was given as long as there is none.
    pub(super) fn resume_word(&self, which: u8) -> &[u8] {
        let count = self.words.len().max(1);
        self.words.get(usize::from(which) % count).map_or(&b"1-a"[..], |word| word)
    }

    /// Whether the last line that `from` got is an echo if it comes back now, with something before
    /// it or not, from where `from` is. Only where that is certain: lines of eight bytes or more,
    /// back within the time, to the room they were said in, in UTF-8.
    pub(super) fn is_echo(
        &self,
        from: SocketAddr,
        before: bool,
        now: Instant,
        place: Option<&Option<String>>,
    ) -> bool {
        let Some(line) = self.last.get(&from) else { return false };
        (!before || line.bytes != b"Bye!")
            && self.writes_utf8(from)
            && line.bytes.trim_ascii().len() >= 8
            && now - line.since <= ECHO_MEMORY
            && place.is_some_and(|room| *room == line.room)
            && is_line(&line.bytes)
    }
}

/// Whether a line is one that the hub remembers: what only programs read is known by itself.
fn is_line(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"/prove ") && !bytes.starts_with(b"^hb^ ") && !bytes.starts_with(b"/here ")
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
