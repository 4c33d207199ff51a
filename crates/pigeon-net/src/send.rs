//! Sending a list of transmits. Datagrams that cannot be sent are dropped with a reason.
//!
//! This file waits, falls back from trains to single datagrams, and counts. `queue.rs` iterates
//! over the list; [`Path::send`](crate::path::Path::send) makes the system calls.

use std::io;
use std::time::{Duration, Instant};

use pigeon_datagram::Transmit;

use crate::counters::{DropReason, SendCounters, SendFailure};
use crate::path::Path;
use crate::queue::{Cursor, Queue};
use crate::socket_errors::{OnSend, may_be_earlier, on_send};
use crate::trains::TrainMemory;

/// The result of one call of `Socket::send`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Datagrams that the kernel accepted.
    pub sent: u64,
    /// Dropped datagrams; [`SendCounters`] has the reasons.
    pub dropped: u64,
    /// The port of a connected socket's peer is closed (ICMP port unreachable).
    pub refused: bool,
    /// The system's number of another error, caused by an earlier datagram.
    pub undelivered: Option<i32>,
    /// How long the call waited for space in the send buffer.
    pub waited: Duration,
}

/// Dropped datagrams of one transmit: the transmit's index in the list, and their number.
pub(crate) type Unsent = (usize, u64);

/// State kept between calls.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Whether the kernel splits trains.
    offload: bool,
    trains: TrainMemory,
    /// The last call's drops, in the order of its transmits. Reused.
    unsent: Vec<Unsent>,
}

/// The parameters of a call: data, socket and time limit.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) udp: &'a mio::net::UdpSocket,
    pub(crate) connected: bool,
    /// Whether `send` may report an ICMP error caused by an earlier datagram: on a connected
    /// socket, and with [`SocketOptions::refusals`](crate::SocketOptions).
    pub(crate) late_errors: bool,
    pub(crate) outbox: &'a [u8],
    pub(crate) transmits: &'a [Transmit],
    pub(crate) patience: Duration,
}

/// A call in progress: its remaining time and its counts.
struct Run<'a> {
    call: Call<'a>,
    counters: &'a mut SendCounters,
    unsent: &'a mut Vec<Unsent>,
    report: SendReport,
}

impl Sender {
    pub(crate) fn new(offload: bool) -> Self {
        Sender { offload, trains: TrainMemory::default(), unsent: Vec::new() }
    }

    /// Sends all transmits of a call, and counts the results.
    pub(crate) fn send(
        &mut self,
        path: &mut Path,
        call: Call<'_>,
        counters: &mut SendCounters,
    ) -> SendReport {
        let before = *counters;
        let mut unsent = std::mem::take(&mut self.unsent);
        unsent.clear();
        let report = SendReport::default();
        let mut run = Run { call, counters, unsent: &mut unsent, report };
        self.send_all(path, &mut run);
        let mut report = run.report;
        self.unsent = unsent;
        counters.forgotten = self.trains.forgotten();
        report.sent = counters.datagrams - before.datagrams;
        report.dropped = counters.dropped.total() - before.dropped.total();
        report
    }

    /// The last call's drops.
    pub(crate) fn unsent(&self) -> &[Unsent] {
        &self.unsent
    }

    fn send_all(&mut self, path: &mut Path, run: &mut Run<'_>) {
        let Call { udp, connected, late_errors, outbox, transmits, .. } = run.call;
        let mut at = Cursor::default();
        // An error returned for the datagram at `at` that an earlier datagram may have caused.
        let mut met_before: Option<io::Error> = None;
        while let Some(transmit) = transmits.get(at.transmit) {
            let queue = Queue { outbox, transmits, trains: self.offload.then_some(&self.trains) };
            let Some(step) = queue.step(at) else {
                // The machine's range is outside its outbox.
                run.drop(at, transmit.count() as u64, DropReason::Invalid, None);
                at = at.next_transmit();
                continue;
            };
            let (datagrams, segment, next) = (step.datagrams, step.segment, step.next);
            let error = match path.send(udp, &queue, at, connected) {
                Ok(progress) => {
                    run.counters.datagrams += progress.datagrams;
                    run.counters.bytes += progress.bytes;
                    run.counters.trains += progress.trains;
                    at = progress.next;
                    // The error did not recur, so an earlier datagram caused it.
                    run.note_earlier(met_before.take());
                    continue;
                }
                Err(error) => error,
            };
            let reason = match (on_send(&error, segment.is_some()), segment) {
                (OnSend::Again, _) => continue,
                (OnSend::Wait, _) if run.wait() => continue,
                (OnSend::Wait, _) => {
                    run.drop_rest(at);
                    return;
                }
                // The error may be an earlier datagram's, which the kernel reports once; an error
                // of this datagram recurs. An error that cannot be an earlier one's is not retried,
                // because a rejecting local firewall would answer a retry with a refusal.
                (OnSend::Drop(_) | OnSend::Split, _)
                    if late_errors && met_before.is_none() && may_be_earlier(&error) =>
                {
                    met_before = Some(error);
                    continue;
                }
                (OnSend::Split, Some(segment)) => {
                    // The queue now yields the same bytes as single datagrams.
                    self.trains.refuse(transmit.to.ip(), segment, &error);
                    run.counters.fallbacks += 1;
                    continue;
                }
                // A single datagram cannot be split.
                (OnSend::Split, None) => DropReason::Other,
                (OnSend::Refused, _) => {
                    run.report.refused |= connected;
                    if met_before.is_none() {
                        met_before = Some(error);
                        continue;
                    }
                    DropReason::Refused
                }
                (OnSend::Drop(reason), _) => reason,
            };
            if reason == DropReason::Invalid && transmit.segment.is_some() {
                // The kernel rejects the destination or the source at any size.
                self.trains.forget(transmit.to.ip());
            }
            run.drop(at, datagrams, reason, Some(&error));
            at = next;
            let met = met_before.take();
            run.note_earlier(met.filter(|met| met.raw_os_error() != error.raw_os_error()));
        }
    }
}

impl Run<'_> {
    /// Waits for space in the send buffer. Returns false when the time limit is reached.
    fn wait(&mut self) -> bool {
        if self.call.patience.is_zero() {
            return false;
        }
        let start = Instant::now();
        wait_writable(self.call.udp, self.call.patience);
        // At least a microsecond, so that a poll that always returns at once cannot loop for ever.
        let waited = start.elapsed().max(Duration::from_micros(1));
        self.report.waited += waited;
        self.call.patience = self.call.patience.saturating_sub(waited);
        true
    }

    /// Records an error of an earlier datagram, except a refusal, which is recorded already.
    fn note_earlier(&mut self, error: Option<io::Error>) {
        let refused = io::ErrorKind::ConnectionRefused;
        if let Some(error) = error.filter(|error| error.kind() != refused) {
            self.report.undelivered = error.raw_os_error().or(self.report.undelivered);
        }
    }

    /// Counts unsent datagrams of a transmit as dropped.
    fn drop(&mut self, at: Cursor, datagrams: u64, reason: DropReason, error: Option<&io::Error>) {
        if let Some(transmit) = self.call.transmits.get(at.transmit) {
            drop_datagrams(self.counters, transmit, datagrams, reason, error);
        }
        match self.unsent.last_mut() {
            Some((place, count)) if *place == at.transmit => *count += datagrams,
            _ => self.unsent.push((at.transmit, datagrams)),
        }
    }

    fn drop_rest(&mut self, mut at: Cursor) {
        while let Some(transmit) = self.call.transmits.get(at.transmit) {
            let rest = match transmit.segment {
                Some(size) => transmit.count() - at.offset / usize::from(size.get()),
                None => 1,
            };
            self.drop(at, rest as u64, DropReason::Congested, None);
            at = at.next_transmit();
        }
    }
}

/// Waits until the socket can send or `limit` has passed. The next send shows which.
#[cfg(unix)]
fn wait_writable(udp: &mio::net::UdpSocket, limit: Duration) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    // Rounded up: a limit below poll's millisecond would not wait at all.
    let timeout = limit.as_micros().div_ceil(1000);
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(udp.as_fd(), PollFlags::POLLOUT)], timeout);
}

/// Sleeps briefly. Waiting for one socket would need `unsafe` on each other system, and their send
/// buffers are rarely full.
#[cfg(not(unix))]
fn wait_writable(_: &mio::net::UdpSocket, limit: Duration) {
    std::thread::sleep(limit.min(Duration::from_millis(1)));
}

/// Counts dropped datagrams.
pub(crate) fn drop_datagrams(
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use pigeon_datagram::SocketId;

    use super::*;

    const OUTBOX: &[u8] = b"aabbc";

    fn transmit(segment: u16) -> Transmit {
        let (socket, to) = (SocketId::FIRST, ([127, 0, 0, 1], 9).into());
        Transmit { socket, to, from: None, range: 0..5, segment: NonZeroU16::new(segment) }
    }

    #[test]
    fn what_is_dropped_for_want_of_room_is_counted_to_the_datagram() {
        let udp = mio::net::UdpSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut counters = SendCounters::default();
        let mut unsent = Vec::new();
        let call = Call {
            udp: &udp,
            connected: false,
            late_errors: false,
            outbox: OUTBOX,
            transmits: &[transmit(2), transmit(0), transmit(2)],
            patience: Duration::ZERO,
        };
        let report = SendReport::default();
        let mut run = Run { call, counters: &mut counters, unsent: &mut unsent, report };
        assert!(!run.wait());
        run.drop_rest(Cursor { transmit: 0, offset: 2 });
        assert_eq!(counters.dropped.get(DropReason::Congested), 2 + 1 + 3);
        assert_eq!(unsent, [(0, 2), (1, 1), (2, 3)]);
    }
}
