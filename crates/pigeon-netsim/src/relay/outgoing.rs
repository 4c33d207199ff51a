//! A relay's outgoing datagrams: consecutive ones of one client and one size become a train.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use pigeon_datagram::{MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, SocketId, Transmit};

/// Maximum capacity in bytes that the buffer keeps between batches.
const KEEP_BYTES: usize = 1 << 20;

/// An outbox that joins neighbouring datagrams into trains.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    queue: VecDeque<Transmit>,
    /// The number of datagrams in the last transmit, and the size of its first.
    last: (usize, usize),
}

impl Outgoing {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Clears the bytes of a drained outbox. Call it first in every `handle_*`.
    pub(super) fn reset_if_drained(&mut self) {
        if self.queue.is_empty() && !self.bytes.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
        }
    }

    pub(super) fn poll(&mut self) -> Option<Transmit> {
        self.queue.pop_front()
    }

    pub(super) fn next_socket(&self) -> Option<SocketId> {
        self.queue.front().map(|transmit| transmit.socket)
    }

    /// Appends a datagram, or several of `segment` bytes in sequence, the last perhaps shorter. A
    /// single one joins the last train if possible.
    pub(super) fn push(
        &mut self,
        socket: SocketId,
        to: SocketAddr,
        from: Option<IpAddr>,
        payload: &[u8],
        segment: usize,
    ) {
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        if payload.len() <= segment {
            if !self.extend_last(socket, to, from, payload.len()) {
                let range = start..self.bytes.len();
                self.queue.push_back(Transmit { socket, to, from, range, segment: None });
                self.last = (1, payload.len());
            }
            return;
        }
        let most = segment * MAX_TRAIN_SEGMENTS.min(MAX_PAYLOAD_V4 / segment).max(1);
        for train in payload.chunks(most) {
            let range = start..start + train.len();
            start = range.end;
            self.last = (train.len().div_ceil(segment), segment);
            let segment = u16::try_from(segment).ok().and_then(NonZeroU16::new);
            self.queue.push_back(Transmit { socket, to, from, range, segment });
        }
    }

    fn extend_last(
        &mut self,
        socket: SocketId,
        to: SocketAddr,
        from: Option<IpAddr>,
        length: usize,
    ) -> bool {
        let (count, size) = self.last;
        let Some(last) = self.queue.back_mut() else { return false };
        let total = last.range.len() + length;
        let same_path = last.socket == socket && last.to == to && last.from == from;
        // Only the last datagram of a train may be shorter than the first, and none may be empty.
        let whole = last.range.len() == count * size;
        let fits = whole && length > 0 && length <= size;
        if !same_path || !fits || count == MAX_TRAIN_SEGMENTS || total > MAX_PAYLOAD_V4 {
            return false;
        }
        last.segment = u16::try_from(size).ok().and_then(NonZeroU16::new);
        last.range.end += length;
        self.last.0 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ([u8; 4], u16) = ([127, 0, 0, 1], 1);
    const B: ([u8; 4], u16) = ([127, 0, 0, 1], 2);

    /// The datagram sizes of each transmit.
    fn trains(datagrams: &[(([u8; 4], u16), usize)]) -> Vec<Vec<usize>> {
        let mut outgoing = Outgoing::default();
        for &(to, length) in datagrams {
            outgoing.push(SocketId::FIRST, to.into(), None, &vec![7; length], length.max(1));
        }
        drained(outgoing)
    }

    fn drained(mut outgoing: Outgoing) -> Vec<Vec<usize>> {
        let mut trains = Vec::new();
        while let Some(transmit) = outgoing.poll() {
            trains.push(transmit.datagrams(outgoing.bytes()).map(<[u8]>::len).collect());
        }
        trains
    }

    #[test]
    fn equal_neighbours_are_a_train_and_a_shorter_one_ends_it() {
        assert_eq!(
            trains(&[(A, 5), (A, 5), (A, 3), (A, 3), (A, 4)]),
            [vec![5, 5, 3], vec![3], vec![4]]
        );
        assert_eq!(trains(&[(A, 5), (B, 5), (A, 5)]), [[5], [5], [5]]);
        assert_eq!(trains(&[(A, 0), (A, 0), (A, 5), (A, 0)]), [vec![0], vec![0], vec![5], vec![0]]);
    }

    #[test]
    fn a_train_is_no_longer_than_the_kernel_takes() {
        assert_eq!(trains(&[(A, 1); 130]).iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 2]);
        assert_eq!(trains(&[(A, 40_000); 2]), [[40_000], [40_000]]);
    }

    #[test]
    fn what_came_joined_goes_joined() {
        let mut outgoing = Outgoing::default();
        let mut push = |length: usize, segment| {
            outgoing.push(SocketId::FIRST, A.into(), None, &vec![7; length], segment);
        };
        push(12, 5);
        push(5, 5);
        push(10, 5);
        push(4, 5);
        push(130, 1);
        push(60_000, 30_000);
        push(65_530, 32_765);
        let trains = drained(outgoing);
        let short: Vec<_> = trains[..3].to_vec();
        assert_eq!(short, [vec![5, 5, 2], vec![5], vec![5, 5, 4]]);
        let counts: Vec<usize> = trains[3..].iter().map(Vec::len).collect();
        assert_eq!(counts, [64, 64, 2, 2, 1, 1]);
    }
}
