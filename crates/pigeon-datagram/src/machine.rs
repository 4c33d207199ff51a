//! The contract between a state machine and its driver.

use std::net::SocketAddr;

use crate::{Instant, Received, SocketId, Transmit};

/// A protocol as a pure state machine: datagrams and time go in, datagrams and events come out.
///
/// **The driver's side, in one sentence:** call any number of `handle_*` methods, then drain
/// [`poll_transmit`](Machine::poll_transmit) and [`poll_event`](Machine::poll_event) until both say
/// `None`, then sleep until [`poll_timeout`](Machine::poll_timeout) or the next datagram.
///
/// ```text
///   datagrams ─▶ handle_datagram ─┐              ┌─▶ poll_transmit ─▶ the sockets
///   the clock ─▶ handle_timeout  ─┼─ the machine ┼─▶ poll_event    ─▶ logs, screens, other links
///   ICMP      ─▶ handle_refused  ─┘              └─▶ poll_timeout  ─▶ how long to sleep
/// ```
///
/// Calling `handle_*` several times before a drain makes fan-out cheap: after sixty-four messages,
/// a hub sends each member one train of sixty-four segments.
///
/// # The order of a drain
///
/// 1. The driver polls all transmits, and sends them.
/// 2. It polls all events. The receiver of an event may call the machine, for example to report
///    that a socket is open.
/// 3. After any event it repeats from step 1.
///
/// So every polled transmit has been sent before the next call. A machine that must not send until
/// an event has been handled (a socket has to be opened first) returns `None` from `poll_transmit`
/// until then. Polling events first would suit such a machine but break all others: a call made for
/// an event could change bytes that polled transmits still need.
///
/// # Sockets
///
/// A machine may have several sockets. [`Received::socket`] is the receiving socket,
/// [`Transmit::socket`] the sending one. The machine and its host agree on which sockets exist; the
/// driver drops and reports a transmit for a socket that does not exist.
///
/// # Duties of a machine
///
/// A machine reads no clock, opens no socket and draws no randomness. It never panics on any input,
/// and bounds all of its memory.
pub trait Machine {
    /// What the machine reports to its host.
    type Event;

    /// Handles one incoming datagram.
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>);

    /// Handles datagrams of one sender that the kernel joined: the payload holds datagrams of
    /// `segment` bytes in sequence, the last perhaps shorter. The driver passes single datagrams
    /// here too; only a single one may be truncated.
    ///
    /// The default splits them and calls [`handle_datagram`](Machine::handle_datagram) for each. A
    /// machine that forwards them as a train overrides this, because splitting costs more than
    /// forwarding.
    fn handle_joined(&mut self, now: Instant, joined: &Received<'_>, segment: usize) {
        for datagram in joined.datagrams(segment) {
            self.handle_datagram(now, &datagram);
        }
    }

    /// The peer of a connected `socket` has no open port (ICMP port unreachable).
    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        let _ = (now, socket);
    }

    /// `peer`, one of many peers of `socket`, has no open port (ICMP port unreachable). Reported
    /// only if the socket was opened with error reports and the system supports them. ICMP messages
    /// can be forged: treat this as a hint, never as proof.
    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        let _ = (now, socket, peer);
    }

    /// A datagram to `peer` left this host and failed on its way (ICMP): no route, or a firewall
    /// rejects it. `passing`: a soft error that may clear up soon (RFC 1122). ICMP messages can be
    /// forged. The driver's counters record the system's error code.
    fn handle_undelivered(
        &mut self,
        now: Instant,
        socket: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        let _ = (now, socket, peer, passing);
    }

    /// Reports that this many datagrams of a transmit never left the host. `transmit` is one that
    /// [`poll_transmit`](Machine::poll_transmit) returned in this drain. The driver calls this in
    /// the middle of a drain, so the machine may count but must not touch its outbox.
    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        let _ = (now, transmit, datagrams);
    }

    /// Reports that the kernel has dropped `total` datagrams at `socket` since it was opened,
    /// because the receive buffer was full. The driver, if configured to, calls this once the
    /// socket has nothing left to receive; each datagram also carries the total at its arrival
    /// ([`Received::kernel_drops`]).
    fn handle_kernel_drops(&mut self, now: Instant, socket: SocketId, total: u64) {
        let _ = (now, socket, total);
    }

    /// Handles the deadline of [`poll_timeout`](Machine::poll_timeout). Calling this early is
    /// harmless.
    ///
    /// The driver first handles the datagrams that arrived before the deadline, up to a bound: a
    /// process that was stopped for a minute must not take its peers for silent.
    fn handle_timeout(&mut self, now: Instant);

    /// The next datagram or train to send. A machine with much to send may say `None` earlier, with a
    /// [`poll_timeout`](Machine::poll_timeout) that is due: the driver then hands over what has arrived meanwhile
    /// before it goes on. Its bytes are in [`outbox_of`](Machine::outbox_of) its
    /// socket.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// The bytes that transmits point into. They stay unchanged until both polls are drained and
    /// the next `handle_*` or other method is called. So a driver can send many transmits in one
    /// system call, and an event may refer to bytes.
    fn outbox(&self) -> &[u8];

    /// The bytes that transmits of `socket` point into: those of [`outbox`](Machine::outbox),
    /// unless the machine keeps an outbox for each socket.
    fn outbox_of(&self, socket: SocketId) -> &[u8] {
        let _ = socket;
        self.outbox()
    }

    /// The next event, if any.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Machine::handle_timeout), if ever: the earliest deadline of
    /// all the machine's timers.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Whether a reply is expected so soon that the driver should spin rather than sleep. Waking up
    /// takes as long as a round trip within a host, and would distort a measurement.
    fn awaits(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}
