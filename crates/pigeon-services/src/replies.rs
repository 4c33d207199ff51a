//! The queue of replies. Consecutive replies of equal size to one peer become a train, so requests
//! that came as a train get their replies as one.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::Range;

use pigeon_datagram::{MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Outbox, Transmit};

use crate::Ignored;

/// Maximum number of bytes of replies in one batch: four times the bytes of one receive call.
const MAX_BYTES: usize = 16 << 20;

/// Maximum number of transmits in one batch.
const MAX_TRANSMITS: usize = 65_536;

/// Replies in the order of their requests.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    outbox: Outbox,
    /// The train being built: the last reply and those before it that can travel with it. It
    /// follows everything in the outbox's queue.
    train: Option<Train>,
}

#[derive(Debug)]
struct Train {
    to: SocketAddr,
    from: Option<IpAddr>,
    range: Range<usize>,
    /// The size of the first reply, in bytes.
    segment: usize,
    count: usize,
}

impl Replies {
    /// Clears the bytes of sent replies. Call it first in every `handle_*`.
    pub(crate) fn reset_if_drained(&mut self) {
        if self.train.is_none() {
            self.outbox.reset_if_drained();
        }
    }

    /// Queues the reply that `write` appends, if it is at most `most` bytes long. Returns its
    /// length in bytes.
    pub(crate) fn push(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        most: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<usize, Ignored> {
        let range = self.outbox.append(write);
        let is_full =
            self.outbox.bytes().len() > MAX_BYTES || self.outbox.queued() >= MAX_TRANSMITS;
        if is_full || range.len() > most {
            self.outbox.truncate(range.start);
            return Err(if is_full { Ignored::BatchFull } else { Ignored::LongerThanRequest });
        }
        let length = range.len();
        if !self.train.as_mut().is_some_and(|train| train.join(to, from, length)) {
            self.end_train();
            self.train = Some(Train { to, from, range, segment: length, count: 1 });
        }
        Ok(length)
    }

    pub(crate) fn poll(&mut self) -> Option<Transmit> {
        if self.outbox.is_drained() {
            self.end_train();
        }
        self.outbox.poll()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn end_train(&mut self) {
        if let Some(Train { to, from, range, segment, count }) = self.train.take() {
            // Always fits: a train of two or more stays within 65,507 bytes.
            let segment = u16::try_from(segment).ok().filter(|_| count > 1);
            self.outbox.queue_train(to, from, range, segment.and_then(NonZeroU16::new));
        }
    }
}

impl Train {
    /// Extends the train by the reply that follows it in the buffer, if possible: only the last
    /// reply of a train may be shorter than the first, and none may be empty.
    fn join(&mut self, to: SocketAddr, from: Option<IpAddr>, length: usize) -> bool {
        let joins = self.to == to
            && self.from == from
            && (1..=self.segment).contains(&length)
            && self.range.len() == self.count * self.segment
            && self.count < MAX_TRAIN_SEGMENTS
            && self.range.len() + length <= MAX_PAYLOAD_V4;
        if joins {
            self.range.end += length;
            self.count += 1;
        }
        joins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    /// Pushes replies, given as port and text, and returns the datagrams of each transmit.
    fn transmits(replies: &mut Replies, given: &[(u16, &str)]) -> Vec<(u16, Vec<String>)> {
        for &(port, text) in given {
            let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
            assert_eq!(replies.push(peer(port), None, usize::MAX, write), Ok(text.len()));
        }
        let transmits: Vec<_> = std::iter::from_fn(|| replies.poll()).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let datagrams = |transmit: &Transmit| {
            assert_eq!(transmit.count(), transmit.datagrams(replies.bytes()).count());
            transmit.datagrams(replies.bytes()).map(text).collect()
        };
        transmits.iter().map(|transmit| (transmit.to.port(), datagrams(transmit))).collect()
    }

    #[test]
    fn equal_replies_to_one_peer_travel_together() {
        let mut replies = Replies::default();
        let given =
            [(1, "aa"), (1, "bb"), (1, "c"), (1, "d"), (2, "e"), (2, ""), (2, ""), (1, "f")];
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected: Vec<(u16, Vec<String>)> = vec![
            (1, owned(&["aa", "bb", "c"])),
            (1, owned(&["d"])),
            (2, owned(&["e"])),
            (2, owned(&[""])),
            (2, owned(&[""])),
            (1, owned(&["f"])),
        ];
        assert_eq!(transmits(&mut replies, &given), expected);
        replies.reset_if_drained();
        assert!(replies.bytes().is_empty());
    }

    #[test]
    fn trains_keep_within_their_bounds() {
        let mut replies = Replies::default();
        let long = "x".repeat(30_000);
        let given: Vec<_> = (0..100).map(|_| (1, "hello")).chain([(2, long.as_str()); 5]).collect();
        let counts: Vec<_> =
            transmits(&mut replies, &given).iter().map(|(_, datagrams)| datagrams.len()).collect();
        assert_eq!(counts, [64, 36, 2, 2, 1]);
    }

    #[test]
    fn a_reply_that_may_not_be_leaves_nothing_behind() {
        let mut replies = Replies::default();
        let long = |out: &mut Vec<u8>| out.extend_from_slice(b"too long");
        let short = |out: &mut Vec<u8>| out.extend_from_slice(b"ok");
        assert_eq!(replies.push(peer(1), None, 2, short), Ok(2));
        assert_eq!(replies.push(peer(1), None, 2, long), Err(Ignored::LongerThanRequest));
        assert_eq!(replies.push(peer(1), None, 2, short), Ok(2));
        assert_eq!(replies.bytes(), b"okok");
        let big = |out: &mut Vec<u8>| out.resize(out.len() + 60_000, 0);
        let pushed = (0..1_000).map_while(|_| replies.push(peer(1), None, 60_000, big).ok());
        assert_eq!(pushed.count(), MAX_BYTES / 60_000);
        assert_eq!(replies.push(peer(1), None, 60_000, big), Err(Ignored::BatchFull));
    }
}
