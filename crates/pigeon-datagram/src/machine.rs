//! The contract every state machine keeps, said once.

use std::net::SocketAddr;

use crate::{Instant, Received, SocketId, Transmit};

/// A protocol as a pure state machine: datagrams and time go in, datagrams and events come out.
///
/// **The driver's side, in one sentence:** call any number of `handle_*` methods, then drain
/// [`poll_transmit`](Machine::poll_transmit) and [`poll_event`](Machine::poll_event) until both
/// say `None`, then sleep until [`poll_timeout`](Machine::poll_timeout) or the next datagram.
///
/// ```text
///   datagrams ─▶ handle_datagram ─┐              ┌─▶ poll_transmit ─▶ the sockets
///   the clock ─▶ handle_timeout  ─┼─ the machine ┼─▶ poll_event    ─▶ logs, screens, other links
///   ICMP      ─▶ handle_refused  ─┘              └─▶ poll_timeout  ─▶ how long to sleep
/// ```
///
/// Several `handle_*` calls before one drain are what makes fan-out cheap: a hub that was handed
/// sixty-four messages can send each member one train of sixty-four segments.
///
/// # The order of a drain
///
/// 1. The driver polls transmits until there are none, and sends them.
/// 2. It polls events until there are none. The receiver of an event may call the machine, for
///    example to feed it, or to say that a socket is open.
/// 3. If there was an event, it begins again at 1.
///
/// So no call ever meets a transmit that was polled and not sent. A machine that must not send
/// before an event has been handled (a socket has to be opened first) returns `None` from
/// `poll_transmit` until then. Events before transmits would serve such a machine better and all
/// others worse: a call from an event could change bytes that polled transmits still need.
///
/// # Sockets
///
/// A machine may have several sockets. [`Received::socket`] names the one that received,
/// [`Transmit::socket`] the one to send from. Which sockets exist is agreed between the machine and
/// its host; the driver drops and reports a transmit for a socket that does not exist.
///
/// A machine reads no clock, opens no socket and draws no randomness of its own; it never panics
/// on any input, and everything in it that can grow has a bound.
pub trait Machine {
    /// What the machine reports to those around it.
    type Event;

    /// A datagram arrived.
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>);

    /// Datagrams of one sender arrived together, joined by the kernel: the payload holds datagrams
    /// of `segment` bytes one behind the other, the last perhaps shorter. A single datagram comes
    /// this way too; only a single one may be truncated.
    ///
    /// By default each goes to [`handle_datagram`](Machine::handle_datagram). A machine that sends
    /// them on as a train overrides this: to cut them apart would be the larger work.
    fn handle_joined(&mut self, now: Instant, joined: &Received<'_>, segment: usize) {
        for datagram in joined.datagrams(segment) {
            self.handle_datagram(now, &datagram);
        }
    }

    /// Nobody listens at the peer of a connected `socket` (ICMP port unreachable).
    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        let _ = (now, socket);
    }

    /// Nobody listens at `peer`, one of many peers of `socket` (ICMP port unreachable). Reported
    /// only where the socket was opened to ask for it and the system supports it. Such a message
    /// can be forged: it is a hint, never proof.
    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        let _ = (now, socket, peer);
    }

    /// A datagram to `peer` left and met an error on its way (ICMP): a firewall that rejects it, no
    /// route. `passing`: the way may be back in a moment (a soft error, RFC 1122). Like a refusal it
    /// can be forged. The driver's counters have the system's own word.
    fn handle_undelivered(
        &mut self,
        now: Instant,
        socket: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        let _ = (now, socket, peer, passing);
    }

    /// This many datagrams of a transmit never left the host; `transmit` is one that
    /// [`poll_transmit`](Machine::poll_transmit) returned in this drain. It comes in the middle of
    /// a drain, so the machine may count and must not touch its outbox.
    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        let _ = (now, transmit, datagrams);
    }

    /// The kernel has dropped `total` datagrams at `socket` since it was opened, because the
    /// receive buffer was full. Reported when nothing waits to be received any more, if the driver
    /// was asked to; each datagram carries the total of its own time besides
    /// ([`Received::kernel_drops`]).
    fn handle_kernel_drops(&mut self, now: Instant, socket: SocketId, total: u64) {
        let _ = (now, socket, total);
    }

    /// The deadline of [`poll_timeout`](Machine::poll_timeout) has come. Calling this early is
    /// harmless.
    ///
    /// Datagrams that arrived before the deadline were handled before this call, as far as a bound
    /// allows: a process that was stopped for a minute must not take its peers for silent.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to send, if any. A machine with much to send may say `None` earlier, with a
    /// [`poll_timeout`](Machine::poll_timeout) that is due: the driver then hands over what has arrived meanwhile
    /// before it goes on. Its bytes stand in [`outbox_of`](Machine::outbox_of) its
    /// socket.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// The bytes that transmits point into. They stay where they are until both polls are drained
    /// and the machine is then called to do something, by a `handle_*` or a method of its own. So a
    /// driver can gather many transmits and send them in one system call, and an event may name
    /// bytes.
    fn outbox(&self) -> &[u8];

    /// The bytes that transmits of `socket` point into: those of [`outbox`](Machine::outbox),
    /// unless the machine keeps an outbox for each socket.
    fn outbox_of(&self, socket: SocketId) -> &[u8] {
        let _ = socket;
        self.outbox()
    }

    /// The next event, if any.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Machine::handle_timeout), if ever. There is one deadline;
    /// the machine knows which timer it stands for.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether an answer is about to arrive, so that the driver should look for it and not sleep:
    /// to wake up takes as long as a round trip within a host, and a measurement would include it.
    fn awaits(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}
