//! Sending: a list of transmits goes out whole, and what cannot go is dropped with its reason.
//!
//! This file walks the list, waits, falls back from trains to single datagrams and counts. The
//! system calls stand behind [`Path::send`](crate::path::Path::send).

use std::io;
use std::num::NonZeroU16;
use std::ops::Range;
use std::time::{Duration, Instant};

use pigeon_datagram::Transmit;

use crate::Socket;
use crate::counters::{DropReason, SendCounters, SendFailure};
use crate::path::Path;
use crate::socket_errors::{OnSend, on_send};
use crate::trains::TrainMemory;

/// What one call of [`Socket::send`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Datagrams the kernel took.
    pub sent: u64,
    /// Datagrams that were dropped; [`SendCounters`] has the reasons.
    pub dropped: u64,
    /// The peer of a connected socket does not listen (ICMP port unreachable).
    pub refused: bool,
    /// How long the call waited for room in the send buffer.
    pub waited: Duration,
}

impl Socket {
    /// Sends all `transmits`, whose bytes stand in `outbox`. On a connected socket everything goes
    /// to the peer, whatever its destination says.
    ///
    /// Where the send buffer is full the call waits for room, `patience` in all; after that it
    /// drops the rest. It cannot fail: what one destination does is no reason not to send to the
    /// others, and a socket that is broken altogether says so when it receives.
    pub fn send(
        &mut self,
        outbox: &[u8],
        transmits: &[Transmit],
        patience: Duration,
    ) -> SendReport {
        let counters = &mut self.stats.sent;
        let before = *counters;
        let mut run = Run {
            udp: &self.udp,
            connected: self.peer.is_some(),
            late: self.peer.is_some() || self.capabilities.refusals,
            counters,
            patience,
            report: SendReport::default(),
        };
        self.sender.send_all(&mut self.path, &mut run, outbox, transmits);
        let mut report = run.report;
        counters.forgotten = self.sender.trains.forgotten();
        report.sent = counters.datagrams - before.datagrams;
        report.dropped = counters.dropped.total() - before.dropped.total();
        report
    }

    /// Counts transmits that will not be sent at all, as the sender has no more time.
    pub(crate) fn abandon(&mut self, transmit: &Transmit) {
        let counters = &mut self.stats.sent;
        drop_datagrams(counters, transmit, transmit.count() as u64, DropReason::Congested, None);
    }
}

/// What is remembered from one call to the next.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Whether the kernel cuts trains at all.
    offload: bool,
    trains: TrainMemory,
}

/// One call of `send`: where it sends, how long it may still wait, what it has counted.
struct Run<'a> {
    udp: &'a mio::net::UdpSocket,
    connected: bool,
    /// Whether errors of datagrams sent before may come with this one: the peer's, or of many where
    /// they are asked for. An unconnected socket that does not ask is told of none.
    late: bool,
    counters: &'a mut SendCounters,
    patience: Duration,
    report: SendReport,
}

impl Sender {
    pub(crate) fn new(offload: bool) -> Self {
        Sender { offload, trains: TrainMemory::default() }
    }

    fn send_all(
        &mut self,
        path: &mut Path,
        run: &mut Run<'_>,
        outbox: &[u8],
        transmits: &[Transmit],
    ) {
        let mut at = Cursor::default();
        // The datagram at `at` has met an earlier one's error already.
        let mut met_before = false;
        while let Some(transmit) = transmits.get(at.transmit) {
            let queue = Queue { outbox, transmits, trains: self.offload.then_some(&self.trains) };
            let Some(step) = queue.step(at) else {
                // The machine's range lies outside its outbox.
                let count = transmit.count() as u64;
                drop_datagrams(run.counters, transmit, count, DropReason::Invalid, None);
                at = at.next_transmit();
                continue;
            };
            let (datagrams, segment, next) = (step.datagrams, step.segment, step.next);
            let error = match path.send(run.udp, &queue, at, run.connected) {
                Ok(progress) => {
                    run.counters.datagrams += progress.datagrams;
                    run.counters.bytes += progress.bytes;
                    run.counters.trains += progress.trains;
                    at = progress.next;
                    met_before = false;
                    continue;
                }
                Err(error) => error,
            };
            let reason = match (on_send(&error, segment.is_some()), segment) {
                (OnSend::Again, _) => continue,
                (OnSend::Wait, _) if run.wait() => continue,
                (OnSend::Wait, _) => {
                    run.drop_rest(&queue, at);
                    return;
                }
                // It may be an earlier datagram's, which the kernel tells once; one of this datagram
                // comes again.
                (OnSend::Drop(_) | OnSend::Split, _) if run.late && !met_before => {
                    met_before = true;
                    continue;
                }
                (OnSend::Split, Some(segment)) => {
                    // The queue now yields the same bytes as single datagrams.
                    self.trains.refuse(transmit.to.ip(), segment, &error);
                    run.counters.fallbacks += 1;
                    continue;
                }
                // Only trains are split.
                (OnSend::Split, None) => DropReason::Other,
                (OnSend::Refused, _) => {
                    run.report.refused |= run.connected;
                    if !met_before {
                        met_before = true;
                        continue;
                    }
                    DropReason::Refused
                }
                (OnSend::Drop(reason), _) => reason,
            };
            if reason == DropReason::Invalid && transmit.segment.is_some() {
                // The kernel minds the destination or the source, at any size.
                self.trains.forget(transmit.to.ip());
            }
            drop_datagrams(run.counters, transmit, datagrams, reason, Some(&error));
            at = next;
            met_before = false;
        }
    }
}

impl Run<'_> {
    /// Waits until the send buffer has room. False when the patience is used up.
    fn wait(&mut self) -> bool {
        if self.patience.is_zero() {
            return false;
        }
        let start = Instant::now();
        wait_writable(self.udp, self.patience);
        // At least a microsecond, so that a poll that always returns at once ends some day.
        let waited = start.elapsed().max(Duration::from_micros(1));
        self.report.waited += waited;
        self.patience = self.patience.saturating_sub(waited);
        true
    }

    fn drop_rest(&mut self, queue: &Queue<'_>, mut at: Cursor) {
        while let Some(transmit) = queue.transmits.get(at.transmit) {
            let rest = match transmit.segment {
                Some(size) => transmit.count() - at.offset / usize::from(size.get()),
                None => 1,
            };
            drop_datagrams(self.counters, transmit, rest as u64, DropReason::Congested, None);
            at = at.next_transmit();
        }
    }
}

/// Waits until the socket can send, or `limit` has passed. Why it returned, the next send tells.
#[cfg(unix)]
fn wait_writable(udp: &mio::net::UdpSocket, limit: Duration) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    // Rounded up: a limit below poll's millisecond would not wait at all.
    let timeout = limit.as_micros().div_ceil(1000);
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(udp.as_fd(), PollFlags::POLLOUT)], timeout);
}

/// Waits a little. Other systems' ways to wait for one socket are not worth an `unsafe` each:
/// their send buffers are rarely full.
#[cfg(not(unix))]
fn wait_writable(_: &mio::net::UdpSocket, limit: Duration) {
    std::thread::sleep(limit.min(Duration::from_millis(1)));
}

fn drop_datagrams(
    counters: &mut SendCounters,
    transmit: &Transmit,
    datagrams: u64,
    reason: DropReason,
    error: Option<&io::Error>,
) {
    counters.dropped.add(reason, datagrams);
    let os_error = error.and_then(io::Error::raw_os_error);
    counters.last_failure = Some(SendFailure { to: transmit.to, reason, os_error });
}

/// What is to be sent, as both paths walk through it.
pub(crate) struct Queue<'a> {
    outbox: &'a [u8],
    transmits: &'a [Transmit],
    /// Who takes no trains; `None` where nobody does.
    trains: Option<&'a TrainMemory>,
}

/// A place in a queue: a transmit, and how many bytes of it are done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    transmit: usize,
    offset: usize,
}

/// What a path has sent of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// The first that is unsent.
    pub(crate) next: Cursor,
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) trains: u64,
}

/// One message for the kernel: a datagram, or a train of them.
pub(crate) struct Step<'a> {
    pub(crate) transmit: &'a Transmit,
    /// Where its bytes stand in the outbox; they do stand there.
    pub(crate) range: Range<usize>,
    /// The size of each datagram of a train; `None` for a datagram.
    pub(crate) segment: Option<NonZeroU16>,
    pub(crate) datagrams: u64,
    /// What comes after it.
    pub(crate) next: Cursor,
}

impl Cursor {
    fn next_transmit(self) -> Cursor {
        Cursor { transmit: self.transmit + 1, offset: 0 }
    }
}

impl<'a> Queue<'a> {
    /// The message at a place; `None` at the end, and where a transmit's range lies outside the
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
        // A train of which a part has gone already goes on as it began.
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
    use super::*;

    const OUTBOX: &[u8] = b"aabbc";

    fn transmit(segment: u16) -> Transmit {
        let to = ([127, 0, 0, 1], 9).into();
        Transmit { to, from: None, range: 0..5, segment: NonZeroU16::new(segment) }
    }

    /// The payloads a path would be given, and how many datagrams each of them is.
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

    #[test]
    fn what_is_dropped_for_want_of_room_is_counted_to_the_datagram() {
        let udp = mio::net::UdpSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut counters = SendCounters::default();
        let mut run = Run {
            udp: &udp,
            connected: false,
            late: false,
            counters: &mut counters,
            patience: Duration::ZERO,
            report: SendReport::default(),
        };
        assert!(!run.wait());
        let transmits = [transmit(2), transmit(0), transmit(2)];
        let queue = Queue { outbox: OUTBOX, transmits: &transmits, trains: None };
        run.drop_rest(&queue, Cursor { transmit: 0, offset: 2 });
        assert_eq!(counters.dropped.get(DropReason::Congested), 2 + 1 + 3);
    }
}
