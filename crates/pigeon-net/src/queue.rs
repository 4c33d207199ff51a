//! The transmits of one send call, and an iterator over them for both I/O paths.

use std::num::NonZeroU16;
use std::ops::Range;

use pigeon_datagram::Transmit;

use crate::trains::TrainMemory;

/// The transmits to send.
pub(crate) struct Queue<'a> {
    pub(crate) outbox: &'a [u8],
    pub(crate) transmits: &'a [Transmit],
    /// Destinations that reject trains; `None` if trains are unsupported.
    pub(crate) trains: Option<&'a TrainMemory>,
}

/// A position in a queue: a transmit, and the bytes of it that are done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) transmit: usize,
    pub(crate) offset: usize,
}

/// The result of sending a part of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// The first unsent message.
    pub(crate) next: Cursor,
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) trains: u64,
}

/// One message for the kernel: a datagram or a train.
pub(crate) struct Step<'a> {
    pub(crate) transmit: &'a Transmit,
    /// The position of the bytes, which is within the outbox.
    pub(crate) range: Range<usize>,
    /// The size of each datagram of a train; `None` for a single datagram.
    pub(crate) segment: Option<NonZeroU16>,
    pub(crate) datagrams: u64,
    /// The cursor after this step.
    pub(crate) next: Cursor,
}

impl Cursor {
    pub(crate) fn next_transmit(self) -> Cursor {
        Cursor { transmit: self.transmit + 1, offset: 0 }
    }
}

impl<'a> Queue<'a> {
    /// The message at a position; `None` at the end, or if a transmit's range is outside the
    /// outbox.
    pub(crate) fn step(&self, at: Cursor) -> Option<Step<'a>> {
        let transmit = self.transmits.get(at.transmit)?;
        let range = transmit.range.start.checked_add(at.offset)?..transmit.range.end;
        let length = self.outbox.get(range.clone())?.len();
        let cut = transmit.segment.filter(|segment| length > usize::from(segment.get()));
        let whole = |segment, datagrams| {
            let (range, next) = (range.clone(), at.next_transmit());
            Some(Step { transmit, range, segment, datagrams, next })
        };
        let Some(segment) = cut else { return whole(None, 1) };
        let size = usize::from(segment.get());
        // A train that was sent in part continues as it began.
        if at.offset == 0 && self.takes_trains(transmit, segment) {
            return whole(Some(segment), length.div_ceil(size) as u64);
        }
        let range = range.start..range.start + size;
        let next = Cursor { offset: at.offset + size, ..at };
        Some(Step { transmit, range, segment: None, datagrams: 1, next })
    }

    /// The bytes of a message.
    pub(crate) fn payload(&self, range: &Range<usize>) -> &'a [u8] {
        self.outbox.get(range.clone()).unwrap_or_default()
    }

    fn takes_trains(&self, transmit: &Transmit, segment: NonZeroU16) -> bool {
        self.trains.is_some_and(|trains| trains.allows(transmit.to.ip(), segment))
    }
}

#[cfg(test)]
mod tests {
    use pigeon_datagram::SocketId;

    use super::*;

    const OUTBOX: &[u8] = b"aabbc";

    fn transmit(segment: u16) -> Transmit {
        let (socket, to) = (SocketId::FIRST, ([127, 0, 0, 1], 9).into());
        Transmit { socket, to, from: None, range: 0..5, segment: NonZeroU16::new(segment) }
    }

    /// The payloads that a path would get, and the number of datagrams in each.
    fn walk(queue: &Queue<'_>) -> Vec<(&'static [u8], u64)> {
        let first = queue.step(Cursor::default());
        std::iter::successors(first, |step| queue.step(step.next))
            .map(|step| (&OUTBOX[step.range], step.datagrams))
            .collect()
    }

    #[test]
    fn a_train_goes_whole_or_cut() {
        let transmits = [transmit(2), transmit(0), transmit(5)];
        let memory = TrainMemory::default();
        let mut queue = Queue { outbox: OUTBOX, transmits: &transmits, trains: Some(&memory) };
        assert_eq!(walk(&queue), [(OUTBOX, 3), (OUTBOX, 1), (OUTBOX, 1)]);
        queue.trains = None;
        assert_eq!(
            walk(&queue),
            [(&b"aa"[..], 1), (b"bb", 1), (b"c", 1), (OUTBOX, 1), (OUTBOX, 1)]
        );
    }
}
