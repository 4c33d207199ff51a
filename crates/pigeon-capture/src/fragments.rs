//! Reassembles IP fragments (RFC 791 section 3.2, RFC 8200 section 4.5): a datagram larger than the
//! link's MTU is captured as fragments.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::Skip;
use crate::ip::Fragment;

/// Maximum number of incomplete packets kept; the oldest is dropped for a new one.
const MAX_PARTIAL: usize = 64;

/// How long fragments of one packet are kept: packet ids repeat. The values are Linux's, and RFC
/// 8200's for IPv6.
fn lifetime(of: IpAddr) -> Duration {
    Duration::from_secs(if of.is_ipv4() { 30 } else { 60 })
}

/// The largest payload of an IP packet.
const LARGEST: usize = 65_535;

/// Incomplete packets, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fragments(VecDeque<Partial>);

/// Identifies the packet that a fragment belongs to.
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
    /// The number of fragments received.
    count: u64,
    bytes: Vec<u8>,
    /// The end of each piece by its start. Pieces do not overlap.
    pieces: BTreeMap<usize, usize>,
    /// The number of bytes received.
    held: usize,
    /// The end of the last fragment.
    end: Option<usize>,
    /// The protocol number in the first fragment.
    next: u8,
}

/// A reassembled payload.
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: u8,
    /// The number of fragments before the last.
    pub(crate) earlier: u64,
}

impl Fragments {
    /// Adds a fragment. Returns [`Skip::Fragment`] until the packet is complete.
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
            // Receivers drop packets with overlapping fragments, which are an attack (RFC 5722).
            Err(skip) => {
                self.0.remove(at);
                Err(skip)
            }
        }
    }

    /// The index of a fragment's packet; adds it if this is its first fragment.
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
    /// Adds a piece, and returns whether the packet is complete.
    fn insert(&mut self, fragment: &Fragment<'_>, end: usize) -> Result<bool, Skip> {
        let begin = fragment.offset;
        self.count += 1;
        let before = self.pieces.range(..=begin).next_back().map(|(_, end)| *end);
        if before.is_some_and(|before| before >= end) {
            // A duplicate.
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
