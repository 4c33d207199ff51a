//! The contract every state machine keeps, said once.

use std::net::SocketAddr;

use crate::{Instant, Received, Transmit};

/// A protocol as a pure state machine: datagrams and time go in, datagrams and events come out.
///
/// **The driver's side, in one sentence:** call any number of `handle_*` methods, then drain
/// [`poll_transmit`](Machine::poll_transmit) and [`poll_event`](Machine::poll_event) until both
/// say `None`, then sleep until [`poll_timeout`](Machine::poll_timeout) or the next datagram.
///
/// ```text
///   datagrams ─▶ handle_datagram ─┐              ┌─▶ poll_transmit ─▶ the socket
///   the clock ─▶ handle_timeout  ─┼─ the machine ┼─▶ poll_event    ─▶ logs, screens, other links
///   ICMP      ─▶ handle_refused  ─┘              └─▶ poll_timeout  ─▶ how long to sleep
/// ```
///
/// Several `handle_*` calls before one drain are what makes fan-out cheap: a hub that was handed
/// sixty-four messages can send each member one train of sixty-four segments.
///
/// A machine reads no clock, opens no socket and draws no randomness of its own; it never panics
/// on any input, and everything in it that can grow has a bound.
pub trait Machine {
    /// What the machine reports to those around it.
    type Event;

    /// A datagram arrived.
    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>);

    /// The network said that nobody listens at the far side (ICMP port unreachable) of a connected
    /// socket.
    fn handle_refused(&mut self, now: Instant) {
        let _ = now;
    }

    /// The same of a socket for many peers: nobody listens at `peer`. Told only where the socket was
    /// opened to ask for it, and the system can tell. Such a message can be forged, so it is news
    /// of a peer and never proof.
    fn handle_refused_by(&mut self, now: Instant, peer: SocketAddr) {
        let _ = (now, peer);
    }

    /// The deadline of [`poll_timeout`](Machine::poll_timeout) has come. Calling this early is
    /// harmless.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to send, if any. Its bytes stand in [`outbox`](Machine::outbox).
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// The bytes that transmits point into. They stay where they are until both polls are drained
    /// and the machine is then called to do something, by a `handle_*` or a method of its own. So a
    /// driver can gather many transmits and send them in one system call.
    fn outbox(&self) -> &[u8];

    /// The next event, if any.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Machine::handle_timeout), if ever. There is one deadline;
    /// which timer it stands for is the machine's affair.
    fn poll_timeout(&self) -> Option<Instant>;
}
