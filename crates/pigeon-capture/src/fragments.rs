//! Fragments of IP packets, put together again (RFC 791 section 3.2, RFC 8200 section 4.5): datagrams
//! larger than a link's MTU are in a capture as fragments.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::Skip;
use crate::ip::Fragment;

/// The most packets that are waited for; the oldest is given up for another.
const MAX_PARTIAL: usize = 64;

/// How long a packet's fragments belong together: numbers come round again. As Linux has it, and for
/// IPv6 RFC 8200.
fn lifetime(of: IpAddr) -> Duration {
    Duration::from_secs(if of.is_ipv4() { 30 } else { 60 })
}

/// The largest content of an IP packet.
const LARGEST: usize = 65_535;

/// Packets of which some fragments are here, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fragments(VecDeque<Partial>);

/// What fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    from: IpAddr,
    to: IpAddr,
    id: u32,
}

#[derive(Debug)]
struct Partial {
    key: Key,
    began: Option<Duration>,
    /// How many fragments came before.
    count: u64,
    bytes: Vec<u8>,
    /// The end of each piece by its beginning. They do not overlap.
    pieces: BTreeMap<usize, usize>,
    /// How many bytes are here.
    held: usize,
    /// Where the last one ends.
    end: Option<usize>,
    /// What the first one says the whole begins with.
    next: u8,
}

/// A packet's content, whole again.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: u8,
    /// How many fragments came before the last.
    pub(crate) earlier: u64,
}

impl Fragments {
    /// Adds a fragment. It is [`Skip::Fragment`] until the last is here.
    pub(crate) fn add(
        &mut self,
        time: Option<Duration>,
        [from, to]: [IpAddr; 2],
        fragment: &Fragment<'_>,
    ) -> Result<Whole, Skip> {
        let end = fragment.offset + fragment.body.held.len();
        if fragment.body.is_cut {
            return Err(Skip::Cut);
        }
        if end == fragment.offset || end > LARGEST || fragment.more && !end.is_multiple_of(8) {
            return Err(Skip::Malformed);
        }
        let at = self.partial(Key { from, to, id: fragment.id }, time);
        let Some(partial) = self.0.get_mut(at) else { return Err(Skip::Fragment) };
        match partial.insert(fragment, end) {
            Ok(false) => Err(Skip::Fragment),
            Ok(true) => {
                let Partial { bytes, next, count, .. } = self.0.remove(at).ok_or(Skip::Fragment)?;
                Ok(Whole { bytes, next, earlier: count - 1 })
            }
            // No receiver puts these together: overlaps are an attack (RFC 5722).
            Err(skip) => {
                self.0.remove(at);
                Err(skip)
            }
        }
    }

    /// The place of a packet, which is new if none of its fragments is here.
    fn partial(&mut self, key: Key, time: Option<Duration>) -> usize {
        let is_over = |began: Option<Duration>| {
            began.zip(time).is_some_and(|(began, time)| time.abs_diff(began) > lifetime(key.from))
        };
        self.0.retain(|partial| partial.key != key || !is_over(partial.began));
        if let Some(at) = self.0.iter().position(|partial| partial.key == key) {
            return at;
        }
        if self.0.len() == MAX_PARTIAL {
            self.0.pop_front();
        }
        self.0.push_back(Partial {
            key,
            began: time,
            count: 0,
            bytes: Vec::new(),
            pieces: BTreeMap::new(),
            held: 0,
            end: None,
            next: 0,
        });
        self.0.len() - 1
    }
}

impl Partial {
    /// Adds a piece, and says whether all are here.
    fn insert(&mut self, fragment: &Fragment<'_>, end: usize) -> Result<bool, Skip> {
        let begin = fragment.offset;
        self.count += 1;
        let before = self.pieces.range(..=begin).next_back().map(|(_, end)| *end);
        if before.is_some_and(|before| before >= end) {
            // It came twice.
            return Ok(false);
        }
        let is_behind = |at: usize| self.end.is_some_and(|end| at > end);
        let overlaps = before.is_some_and(|before| before > begin)
            || self.pieces.range(begin..end).next().is_some();
        let ends_early = !fragment.more && (self.end.is_some() || self.bytes.len() > end);
        if overlaps || is_behind(end) || ends_early {
            return Err(Skip::Malformed);
        }
        if !fragment.more {
            self.end = Some(end);
        }
        if begin == 0 {
            self.next = fragment.next;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(begin..end) {
            place.copy_from_slice(fragment.body.held);
        }
        self.pieces.insert(begin, end);
        self.held += end - begin;
        Ok(self.end == Some(self.held))
    }
}
