//! The encodings of members that timed out, for when they are heard again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;
use pigeon_datagram::{Instant, SocketId};
use pigeon_text::Charset;

/// The encodings of members that timed out.
pub(super) struct LeftEncodings {
    by_place: HashMap<Place, (Instant, Charset), RandomState>,
    /// Places in the order of storing; skips entries taken since.
    order: VecDeque<(Instant, Place)>,
}

/// A listening socket and an address.
type Place = (SocketId, SocketAddr);

/// How long an encoding is kept, as for names.
const KEPT: Duration = Duration::from_secs(600);

/// Maximum number of entries; the oldest are dropped.
const MOST: usize = 4_096;

impl LeftEncodings {
    pub(super) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys;
        let by_place = HashMap::with_hasher(RandomState::with_seeds(c, a, d, b));
        LeftEncodings { by_place, order: VecDeque::new() }
    }

    pub(super) fn keep(&mut self, now: Instant, place: Place, charset: Charset) {
        while let Some(&(at, oldest)) = self.order.front()
            && (self.order.len() >= MOST || now - at > KEPT)
        {
            self.order.pop_front();
            if self.by_place.get(&oldest).is_some_and(|(since, _)| *since == at) {
                self.by_place.remove(&oldest);
            }
        }
        self.order.push_back((now, place));
        self.by_place.insert(place, (now, charset));
    }

    /// The encoding at a place. The caller must remove it once the member is back.
    pub(super) fn get(&self, now: Instant, place: Place) -> Option<Charset> {
        if self.by_place.is_empty() {
            return None;
        }
        self.by_place.get(&place).filter(|(at, _)| now - *at <= KEPT).map(|(_, charset)| *charset)
    }

    pub(super) fn take(&mut self, now: Instant, place: Place) -> Option<Charset> {
        let charset = self.get(now, place);
        if charset.is_some() {
            self.by_place.remove(&place);
        }
        charset
    }
}
