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
//! What is remembered of a line is a hash. A datagram may end in a line of any length, and to try
//! them all would cost the more the longer it is, which is its sender's choice. So a line is looked
//! for in steps:
//!
//! 1. by its last eight bytes; nothing more is done for a datagram that ends like no line;
//! 2. by its larger half, the last 8, 16, 32… bytes that it has: many lines with different contents
//!    end alike (`. from 10.0.0.1:5000`), and few of them in their larger half;
//! 3. whole, at the lengths that lines with this half had, [`MAX_LENGTHS`] at the most.
//!
//! A datagram is hashed from the end, once for all lengths. The worst that somebody can prepare takes
//! four such passes: for its room and for its address, in two generations.
//!
//! Memory does not depend on members, only on lines: two generations of [`MAX_LINES`] at the most;
//! when the newer is full the older is forgotten before its time. Likewise, where lines with the
//! same half have more lengths than are kept, the oldest is forgotten. Both are counted. An
//! attacker who causes either on purpose lets echoes pass while it goes on, at most one for each
//! line.

use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use ahash::{AHasher, RandomState};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use pigeon_datagram::Instant;

use crate::core::id::{MemberId, RoomId};

/// How long a line can come back as an echo.
const MEMORY: Duration = Duration::from_secs(2);

/// The shortest line that is remembered: anybody may say "ok".
const MIN_LINE: usize = 8;

/// The most lines in one generation.
const MAX_LINES: usize = 65_536;

/// The most lengths of lines with the same larger half. A room that says one thing in chorus has one
/// for each length of its names.
const MAX_LENGTHS: usize = 24;

/// What `Ack TEXT. from` ends in at the most: an address with its scope, or a name of 32 characters.
const MAX_SPEAKER: usize = 128;

/// Who was sent a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Room(RoomId),
    Address(SocketAddr),
}

/// Lines lately sent.
pub(crate) struct Echoes {
    hasher: RandomState,
    young: Generation,
    old: Generation,
    /// Lines forgotten before their time: times when a generation, or the lengths of one end, were
    /// full.
    pub(crate) forgotten: u64,
}

/// Keys are hashes already, so the tables use them as they are.
#[derive(Default)]
struct Generation {
    since: Instant,
    ends: HashTable<End>,
    halves: HashTable<Half>,
    lines: HashTable<Sent>,
}

impl Generation {
    fn line(&self, key: u64) -> Option<&Sent> {
        #[cfg(test)]
        tests::work(1, 0);
        self.lines.find(key, |line| line.key == key)
    }

    fn half(&self, key: u64) -> Option<&Half> {
        #[cfg(test)]
        tests::work(1, 0);
        self.halves.find(key, |half| half.key == key)
    }

    fn end(&self, key: u64) -> Option<&End> {
        #[cfg(test)]
        tests::work(1, 0);
        self.ends.find(key, |end| end.key == key)
    }
}

/// A line that was sent.
#[derive(Clone, Copy)]
struct Sent {
    /// Hash of the target and the line.
    key: u64,
    at: Instant,
    /// Who had said it and got no copy: what it says again is no echo.
    not_to: Option<MemberId>,
}

/// Lines that were sent to one target with the same last eight bytes.
struct End {
    /// Hash of the target and these bytes.
    key: u64,
    /// How long their larger halves were: bit n for 2^n bytes.
    halves: u16,
}

/// Lines that were sent to one target with the same larger half.
struct Half {
    /// Hash of the target and that half.
    key: u64,
    /// How many lengths have been noted; the newest overwrites the oldest.
    noted: u32,
    /// Zero where no length has been noted yet.
    lengths: [u16; MAX_LENGTHS],
}

impl Half {
    fn new(key: u64) -> Self {
        Half { key, noted: 0, lengths: [0; MAX_LENGTHS] }
    }

    fn sorted_lengths(&self) -> [u16; MAX_LENGTHS] {
        let mut lengths = self.lengths;
        lengths.sort_unstable();
        lengths
    }

    /// Notes a length. True if another was forgotten for it.
    fn note(&mut self, length: u16) -> bool {
        if self.lengths.contains(&length) {
            return false;
        }
        self.lengths[self.noted as usize % MAX_LENGTHS] = length;
        self.noted = self.noted.wrapping_add(1);
        self.noted as usize > MAX_LENGTHS
    }
}

/// Who may be echoing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect {
    pub(crate) address: SocketAddr,
    /// Who it is, if it is a member.
    pub(crate) member: Option<MemberId>,
    /// Its room, if it is in one.
    pub(crate) room: Option<RoomId>,
}

impl Suspect {
    /// The room and the address to which lines were sent that it may have got.
    fn targets(self) -> impl Iterator<Item = Target> {
        let room = self.room.map(Target::Room);
        room.into_iter().chain([Target::Address(self.address)])
    }
}

impl Echoes {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        Echoes {
            hasher: RandomState::with_seeds(d, c, b, a),
            young: Generation::default(),
            old: Generation::default(),
            forgotten: 0,
        }
    }

    /// Remembers a line that is being sent, to all of the target but `not_to`.
    pub(crate) fn sent(&mut self, now: Instant, to: Target, not_to: Option<MemberId>, line: &[u8]) {
        let line = line.trim_ascii();
        let (Some(end), Ok(length)) = (last_bytes(line), u16::try_from(line.len())) else {
            return;
        };
        self.age(now);
        let bit = length.ilog2();
        let mut suffixes = Suffixes::new(&self.hasher, line);
        let half = self.key(to, 1 << bit, suffixes.hash(1 << bit));
        let end = self.key(to, 0, end);
        let key = self.key(to, line.len(), suffixes.hash(line.len()));
        let sent = Sent { key, at: now, not_to };

        let Generation { ends, halves, lines, .. } = &mut self.young;
        let ends = ends.entry(end, |known| known.key == end, |known| known.key);
        ends.or_insert_with(|| End { key: end, halves: 0 }).into_mut().halves |= 1 << bit;
        let halves = halves.entry(half, |known| known.key == half, |known| known.key);
        let half = halves.or_insert_with(|| Half::new(half)).into_mut();
        self.forgotten += u64::from(half.note(length));
        match lines.entry(key, |known| known.key == key, |known| known.key) {
            Entry::Occupied(mut known) => *known.get_mut() = sent,
            Entry::Vacant(vacant) => drop(vacant.insert(sent)),
        }
    }

    /// Whether a datagram is an echo of what its sender was sent.
    pub(crate) fn is_echo(&self, now: Instant, from: Suspect, payload: &[u8]) -> bool {
        let payload = payload.trim_ascii();
        let heard = |text| self.ends_in_line(now, from, text);
        // A classic hub writes behind the line too.
        heard(payload) || classic_text(payload).is_some_and(heard)
    }

    fn ends_in_line(&self, now: Instant, from: Suspect, text: &[u8]) -> bool {
        let Some(end) = last_bytes(text) else { return false };
        let counts = |sent: &Sent| {
            now - sent.at <= MEMORY && (sent.not_to.is_none() || sent.not_to != from.member)
        };
        from.targets().any(|to| {
            let key = self.key(to, 0, end);
            [&self.young, &self.old].into_iter().any(|generation| {
                let known = generation.end(key);
                known.is_some_and(|end| self.any_line(generation, to, end, text, counts))
            })
        })
    }

    /// Whether a text ends in a line that counts, of those of one generation to one target that end
    /// as it does.
    fn any_line(
        &self,
        generation: &Generation,
        to: Target,
        end: &End,
        text: &[u8],
        counts: impl Fn(&Sent) -> bool,
    ) -> bool {
        // Shorter halves first, and of each the shorter lines: hashing goes from the end.
        let mut suffixes = Suffixes::new(&self.hasher, text);
        let bits = (0..u16::BITS).filter(|bit| end.halves & 1 << bit != 0);
        let mut halves = bits.map(|bit| 1 << bit).take_while(|&half| half <= text.len());
        halves.any(|half| {
            let key = self.key(to, half, suffixes.hash(half));
            let lengths = generation.half(key).map(Half::sorted_lengths).unwrap_or_default();
            let known = lengths.into_iter().map(usize::from).filter(|&length| length > 0);
            known.take_while(|&length| length <= text.len()).any(|length| {
                let key = self.key(to, length, suffixes.hash(length));
                generation.line(key).is_some_and(&counts)
            })
        })
    }

    fn key(&self, target: Target, length: usize, hash: u64) -> u64 {
        match target {
            Target::Room(room) => self.hasher.hash_one((room, length, hash)),
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
        self.young.ends.clear();
        self.young.halves.clear();
        self.young.lines.clear();
    }
}

/// The last eight bytes, in small letters. `None` if there are not so many.
fn last_bytes(text: &[u8]) -> Option<u64> {
    let mut end: [u8; MIN_LINE] = *text.last_chunk()?;
    end.make_ascii_lowercase();
    Some(u64::from_le_bytes(end))
}

/// The hashes of a text's suffixes, in one pass from the end, whatever the case of ASCII letters.
struct Suffixes<'a> {
    text: &'a [u8],
    hasher: AHasher,
    hashed: usize,
}

impl<'a> Suffixes<'a> {
    fn new(hasher: &RandomState, text: &'a [u8]) -> Self {
        Suffixes { text, hasher: hasher.build_hasher(), hashed: 0 }
    }

    /// The hash of the last `length` bytes. `length` must not exceed the text, and never decreases
    /// between calls. Suffixes of different lengths may share a hash.
    fn hash(&mut self, length: usize) -> u64 {
        #[cfg(test)]
        tests::work(0, length - self.hashed);
        let mut rest = &self.text[self.text.len() - length..self.text.len() - self.hashed];
        while let Some((before, word)) = rest.split_last_chunk() {
            self.hasher.write_u128(in_small_letters(*word));
            self.hashed += WORD;
            rest = before;
        }
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        let mut hasher = self.hasher.clone();
        hasher.write_u128(in_small_letters(word));
        hasher.finish()
    }
}

/// How many bytes are hashed at once.
const WORD: usize = size_of::<u128>();

fn in_small_letters(mut word: [u8; WORD]) -> u128 {
    word.make_ascii_lowercase();
    u128::from_le_bytes(word)
}

/// `TEXT` of `Ack TEXT. from IP:PORT`.
fn classic_text(payload: &[u8]) -> Option<&[u8]> {
    let (ack, rest) = payload.split_at_checked(4)?;
    if !ack.eq_ignore_ascii_case(b"ack ") {
        return None;
    }
    const FROM: &[u8] = b". from ";
    // Not in all of it: that would be the longest search of all.
    let speaker = rest.len().saturating_sub(FROM.len() + MAX_SPEAKER);
    let mut windows = rest[speaker..].windows(FROM.len());
    let end = windows.rposition(|window| window.eq_ignore_ascii_case(FROM))?;
    Some(&rest[..speaker + end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::id::Slot;

    const LOBBY: RoomId = RoomId::new(0, 1);
    const OTHER: RoomId = RoomId::new(1, 2);

    thread_local! {
        static WORK: std::cell::Cell<(usize, usize)> = const { std::cell::Cell::new((0, 0)) };
    }

    /// Counts look-ups in the tables, and bytes that are hashed.
    pub(super) fn work(look_ups: usize, bytes: usize) {
        WORK.with(|work| work.set((work.get().0 + look_ups, work.get().1 + bytes)));
    }

    /// The work of finding out that this is not an echo.
    fn work_for(echoes: &Echoes, payload: &[u8]) -> (usize, usize) {
        WORK.set((0, 0));
        assert!(!echoes.is_echo(at(10), suspect(LOBBY), payload));
        WORK.get()
    }

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn member() -> SocketAddr {
        "10.0.0.1:7".parse().unwrap()
    }

    fn suspect(room: RoomId) -> Suspect {
        let id = MemberId::new(Slot::new(0), 0);
        Suspect { address: member(), member: Some(id), room: Some(room) }
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
        assert!(!echoes.is_echo(at(10), suspect(OTHER), line));
        assert!(!echoes.is_echo(
            at(10),
            Suspect { address: "10.0.0.2:7".parse().unwrap(), member: None, room: None },
            b"* you are dog"
        ));
        assert!(echoes.is_echo(at(2_000), suspect(LOBBY), line));
        assert!(!echoes.is_echo(at(2_001), suspect(LOBBY), line));
    }

    #[test]
    fn who_got_no_copy_may_say_it_again() {
        let mut echoes = Echoes::new([0; 4]);
        let speaker = suspect(LOBBY);
        echoes.sent(at(0), Target::Room(LOBBY), speaker.member, b"temp=21.5 C");
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

    #[test]
    fn a_datagram_that_ends_like_no_line_costs_the_same_whatever_its_length() {
        let mut echoes = echoes();
        for length in 1..2_000 {
            let line = format!("10.0.0.1:7: {}", "y".repeat(length));
            echoes.sent(at(0), Target::Room(LOBBY), None, line.as_bytes());
        }
        for length in [8, 64, 1_400, 65_507] {
            assert_eq!(work_for(&echoes, &vec![b'x'; length]), (4, 0), "{length}");
            // Nor is a classic hub's line searched for its end.
            let classic = [b"Ack ", &vec![b'x'; length][..]].concat();
            assert_eq!(work_for(&echoes, &classic), (4, 0), "{length}");
        }
    }

    #[test]
    fn the_worst_datagram_is_hashed_and_looked_up_a_bounded_number_of_times() {
        let mut echoes = Echoes::new([0; 4]);
        // A second and a half apart, so that both generations are full of them.
        for (now, length) in (0..1_000).map(|n| (n / 500 * 1_500, 8_000 + n as usize)) {
            let line = [b"name: ", &vec![b'y'; length][..]].concat();
            for to in [Target::Room(LOBBY), Target::Address(member())] {
                echoes.sent(at(now), to, None, &line);
            }
        }
        // Of two targets and two generations each, lines of 4 KiB and more, and of 8 KiB and more.
        let (look_ups, bytes) = work_for(&echoes, &[b'y'; 65_507]);
        assert!(look_ups <= 4 * (1 + 2 + 2 * MAX_LENGTHS), "{look_ups}");
        // The longest line, and a word for each length that is none of whole words.
        assert!(bytes <= 4 * (9_005 + 2 * MAX_LENGTHS * WORD), "{bytes}");
    }

    #[test]
    fn lengths_of_lines_that_end_alike_are_bounded_and_the_newest_are_kept() {
        let mut echoes = Echoes::new([0; 4]);
        let line =
            |length: usize| format!("{}: good morning to all of you, children", "n".repeat(length));
        for length in 1..=MAX_LENGTHS {
            echoes.sent(at(0), Target::Room(LOBBY), None, line(length).as_bytes());
            // The same again, and another of the same length.
            echoes.sent(at(0), Target::Room(LOBBY), None, line(length).as_bytes());
            let other = line(length).replace('n', "m");
            echoes.sent(at(0), Target::Room(LOBBY), None, other.as_bytes());
        }
        assert_eq!(echoes.forgotten, 0);
        assert!((1..=MAX_LENGTHS).all(|length| caught(&echoes, &line(length))));
        echoes.sent(at(0), Target::Room(LOBBY), None, line(MAX_LENGTHS + 1).as_bytes());
        assert_eq!(echoes.forgotten, 1);
        assert!(caught(&echoes, &line(MAX_LENGTHS + 1)) && caught(&echoes, &line(2)));
        assert!(!caught(&echoes, &line(1)));
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
