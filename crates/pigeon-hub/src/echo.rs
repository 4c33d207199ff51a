//! The guard against loops: what comes back as it was sent is an echo, and goes no further.
//!
//! A service that returns what it is sent, another hub, an upper-casing gadget: as a member, each
//! would start a conversation without end with one forged datagram. So the hub remembers, for two
//! seconds, every line of eight bytes or more that it sent to a room or to one address; a datagram
//! that equals such a line or ends in one (the far side may put a name before it), whatever the
//! case of its ASCII letters, is an echo.
//!
//! People who repeat one another's words are not caught: the line that was sent to them began with
//! a name, and they type only the words.
//!
//! What is remembered of a line is a hash. The hash is a polynomial over the bytes from the end, so
//! that all suffixes of a datagram are hashed in one pass; lengths that no line had are not looked
//! up. Memory does not depend on members, only on lines: two generations of [`MAX_LINES`] at the
//! most; when the newer is full the older is forgotten before its time, and that is counted.

use std::net::SocketAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::Instant;

use crate::members::Slot;
use crate::rooms::RoomId;

/// How long a line can come back as an echo.
const MEMORY: Duration = Duration::from_secs(2);

/// The shortest line that is remembered: anybody may say "ok".
const MIN_LINE: usize = 8;

/// The most lines in one generation.
const MAX_LINES: usize = 65_536;

/// The prime 2^61 − 1: products of two residues fit 128 bits, and the remainder is two shifts.
const PRIME: u64 = (1 << 61) - 1;

/// Who was sent a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Room(RoomId),
    Address(SocketAddr),
}

/// Lines lately sent.
pub(crate) struct Echoes {
    hasher: RandomState,
    base: u64,
    young: Generation,
    old: Generation,
    /// Generations forgotten before their time, because they were full.
    pub(crate) forgotten: u64,
}

struct Generation {
    since: Instant,
    lines: HashMap<u64, Sent, RandomState>,
    lengths: Lengths,
}

/// A line that was sent.
#[derive(Clone, Copy)]
struct Sent {
    at: Instant,
    /// Who had said it and got no copy: what it says again is no echo.
    not_to: Option<Slot>,
}

/// Who may be echoing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) address: SocketAddr,
    /// Where it sits, if it is a member.
    pub(crate) member: Option<(Slot, RoomId)>,
}

impl Echoes {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let hasher = RandomState::with_seeds(d, c, b, a);
        let generation = || Generation {
            since: Instant::ORIGIN,
            lines: HashMap::with_hasher(hasher.clone()),
            lengths: Lengths::default(),
        };
        let (young, old) = (generation(), generation());
        let base = hasher.hash_one("base") % (PRIME - 1_000) + 500;
        Echoes { hasher, base, young, old, forgotten: 0 }
    }

    /// Remembers a line that is being sent, to all of the target but `not_to`.
    pub(crate) fn sent(&mut self, now: Instant, to: Target, not_to: Option<Slot>, line: &[u8]) {
        let line = line.trim_ascii();
        if line.len() < MIN_LINE {
            return;
        }
        self.age(now);
        let hash = self.suffixes(line).last().map_or(0, |(_, hash)| hash);
        let key = self.key(to, line.len(), hash);
        self.young.lines.insert(key, Sent { at: now, not_to });
        self.young.lengths.insert(line.len());
    }

    /// Whether a datagram is an echo of what its sender was sent.
    pub(crate) fn is_echo(&self, now: Instant, from: Suspect, payload: &[u8]) -> bool {
        let payload = payload.trim_ascii();
        let heard = |text: &[u8]| {
            let shortest = self.young.lengths.shortest.min(self.old.lengths.shortest);
            if text.len() < shortest {
                return false;
            }
            self.suffixes(text).any(|(length, hash)| {
                let generations = [&self.young, &self.old];
                generations.into_iter().filter(|g| g.lengths.contains(length)).any(|generation| {
                    let sent_to = |target, member: Option<Slot>| {
                        let sent = generation.lines.get(&self.key(target, length, hash));
                        sent.is_some_and(|sent| {
                            now - sent.at <= MEMORY && (member.is_none() || sent.not_to != member)
                        })
                    };
                    from.member.is_some_and(|(slot, room)| sent_to(Target::Room(room), Some(slot)))
                        || sent_to(Target::Address(from.address), None)
                })
            })
        };
        // A classic hub writes behind the line too.
        heard(payload) || classic_text(payload).is_some_and(heard)
    }

    /// The length and hash of every suffix that is long enough, shortest first.
    fn suffixes<'a>(&self, text: &'a [u8]) -> impl Iterator<Item = (usize, u64)> + use<'a> {
        let base = self.base;
        let (mut hash, mut power) = (0, 1);
        let hashes = text.iter().rev().enumerate().map(move |(n, byte)| {
            // Plus one, so that a NUL counts.
            hash = reduce(hash + multiply(u64::from(byte.to_ascii_lowercase()) + 1, power));
            power = multiply(power, base);
            (n + 1, hash)
        });
        hashes.skip(MIN_LINE - 1)
    }

    fn key(&self, target: Target, length: usize, hash: u64) -> u64 {
        match target {
            Target::Room(room) => self.hasher.hash_one((room.number(), length, hash)),
            Target::Address(address) => self.hasher.hash_one((address, length, hash)),
        }
    }

    /// Begins a new generation when the young one is old enough, or full.
    fn age(&mut self, now: Instant) {
        let full = self.young.lines.len() >= MAX_LINES;
        if now - self.young.since < MEMORY && !full {
            return;
        }
        if full && now - self.old.since < MEMORY * 2 {
            self.forgotten += 1;
        }
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.since = now;
        self.young.lines.clear();
        self.young.lengths = Lengths::default();
    }
}

/// `TEXT` of `Ack TEXT. from IP:PORT`.
fn classic_text(payload: &[u8]) -> Option<&[u8]> {
    let (ack, rest) = payload.split_at_checked(4)?;
    if !ack.eq_ignore_ascii_case(b"ack ") {
        return None;
    }
    let end = rest.windows(7).rposition(|window| window.eq_ignore_ascii_case(b". from "))?;
    Some(&rest[..end])
}

/// `a × b` modulo [`PRIME`].
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    reduce((product as u64 & PRIME) + (product >> 61) as u64)
}

/// Brings a sum of two residues back below [`PRIME`].
fn reduce(sum: u64) -> u64 {
    if sum >= PRIME { sum - PRIME } else { sum }
}

/// Which lengths lines had, up to 1,023 each and longer ones together.
struct Lengths {
    shortest: usize,
    bits: [u64; 16],
}

impl Default for Lengths {
    fn default() -> Self {
        Lengths { shortest: usize::MAX, bits: [0; 16] }
    }
}

impl Lengths {
    fn insert(&mut self, length: usize) {
        self.shortest = self.shortest.min(length);
        let bit = length.min(1_023);
        self.bits[bit / 64] |= 1 << (bit % 64);
    }

    fn contains(&self, length: usize) -> bool {
        let bit = length.min(1_023);
        self.bits[bit / 64] & (1 << (bit % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rooms::{LOBBY, PORCH};

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn member() -> SocketAddr {
        "10.0.0.1:7".parse().unwrap()
    }

    fn suspect(room: RoomId) -> Suspect {
        let mut members = crate::members::Members::new([0; 4]);
        let slot = members.insert(member(), at(0), room, false);
        Suspect { address: member(), member: Some((slot, room)) }
    }

    fn echoes() -> Echoes {
        let mut echoes = Echoes::new([1, 2, 3, 4]);
        echoes.sent(at(0), Target::Room(LOBBY), None, "狗哥: hello there\n".as_bytes());
        echoes.sent(at(0), Target::Address(member()), None, b"* you are dog\n");
        echoes
    }

    fn caught(echoes: &Echoes, payload: &str) -> bool {
        echoes.is_echo(at(10), suspect(LOBBY), payload.as_bytes())
    }

    #[test]
    fn what_equals_or_ends_in_a_line_is_an_echo() {
        let echoes = echoes();
        for echo in [
            "狗哥: hello there\n",
            "狗哥: hello there",
            "狗哥: HELLO THERE\r\n",
            "10.0.0.9:9999: 狗哥: hello there\n",
            "Ack 狗哥: HELLO THERE. from 10.0.0.9:9999",
            "10.0.0.9:1: Ack 狗哥: hello there",
            "* you are dog",
        ] {
            assert!(caught(&echoes, echo), "{echo}");
        }
    }

    #[test]
    fn people_who_repeat_words_are_not_echoes() {
        let echoes = echoes();
        for words in ["hello there", "猴哥: hello there", "狗哥: hello there!", "", "you are dog"]
        {
            assert!(!caught(&echoes, words), "{words}");
        }
    }

    #[test]
    fn only_what_was_sent_there_and_lately_counts() {
        let echoes = echoes();
        let line = "狗哥: hello there".as_bytes();
        assert!(!echoes.is_echo(at(10), suspect(PORCH), line));
        assert!(!echoes.is_echo(
            at(10),
            Suspect { address: "10.0.0.2:7".parse().unwrap(), member: None },
            b"* you are dog"
        ));
        assert!(echoes.is_echo(at(2_000), suspect(LOBBY), line));
        assert!(!echoes.is_echo(at(2_001), suspect(LOBBY), line));
    }

    #[test]
    fn who_got_no_copy_may_say_it_again() {
        let mut echoes = Echoes::new([0; 4]);
        let speaker = suspect(LOBBY);
        let slot = speaker.member.map(|(slot, _)| slot);
        echoes.sent(at(0), Target::Room(LOBBY), slot, b"temp=21.5 C");
        assert!(!echoes.is_echo(at(10), speaker, b"temp=21.5 C"));
        echoes.sent(at(20), Target::Room(LOBBY), None, b"temp=21.5 C");
        assert!(echoes.is_echo(at(30), speaker, b"temp=21.5 C"));
    }

    #[test]
    fn short_lines_are_nobodys() {
        let mut echoes = echoes();
        echoes.sent(at(0), Target::Room(LOBBY), None, b"a: okay");
        assert!(!caught(&echoes, "a: okay"));
    }

    #[test]
    fn memory_is_bounded_and_renewed() {
        let mut echoes = Echoes::new([0; 4]);
        for n in 0..300_000 {
            echoes.sent(at(1), Target::Room(LOBBY), None, format!("line number {n}").as_bytes());
        }
        assert!(echoes.young.lines.len() + echoes.old.lines.len() <= 2 * MAX_LINES);
        assert!(echoes.forgotten > 0);
        assert!(caught(&echoes, "line number 299999") && !caught(&echoes, "line number 5"));
        let before = echoes.forgotten;
        for second in 1..20 {
            echoes.sent(at(second * 1_500), Target::Room(LOBBY), None, b"once in a while");
        }
        assert_eq!(echoes.forgotten, before);
    }

    proptest! {
        #[test]
        fn exactly_the_suffixes_are_found(
            line in prop::collection::vec(any::<u8>(), 0..60),
            other in prop::collection::vec(any::<u8>(), 0..80),
            before in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            let mut echoes = Echoes::new([5, 6, 7, 8]);
            echoes.sent(at(0), Target::Room(LOBBY), None, &line);
            let trimmed = line.trim_ascii();
            let is_echo = |payload: &[u8]| echoes.is_echo(at(0), suspect(LOBBY), payload);
            let echo = [before.as_slice(), trimmed].concat();
            prop_assert_eq!(is_echo(&echo), trimmed.len() >= MIN_LINE);
            let ends = other.trim_ascii().to_ascii_lowercase().ends_with(&trimmed.to_ascii_lowercase());
            prop_assert_eq!(is_echo(&other), ends && trimmed.len() >= MIN_LINE);
        }
    }
}
