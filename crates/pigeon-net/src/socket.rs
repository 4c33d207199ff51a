//! A UDP socket that receives and sends in batches. See `open.rs`, `receive.rs` and `send.rs` for
//! the operations.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use pigeon_datagram::{SocketId, Transmit};

use crate::address::canonical;
use crate::counters::{DropReason, Stats, Undelivered};
use crate::options::Capabilities;
use crate::path::Path;
use crate::send::{Call, SendReport, Sender, Unsent, drop_datagrams};

/// A non-blocking UDP socket, bound and optionally connected.
#[derive(Debug)]
pub struct Socket {
    /// From mio: on Windows only its own calls keep readiness events coming.
    pub(crate) udp: mio::net::UdpSocket,
    /// The owner's number for it, reported with each datagram.
    pub(crate) id: SocketId,
    pub(crate) path: Path,
    pub(crate) sender: Sender,
    pub(crate) stats: Stats,
    pub(crate) peer: Option<SocketAddr>,
    /// The bytes kept of a datagram.
    pub(crate) keep: usize,
    local: SocketAddr,
    pub(crate) capabilities: Capabilities,
    /// Whether the last receive call emptied the socket.
    pub(crate) exhausted: bool,
    /// The last unreported error of a connected socket's earlier datagrams.
    pub(crate) undelivered: Option<Undelivered>,
}

impl Socket {
    pub(crate) fn new(
        udp: UdpSocket,
        path: Path,
        capabilities: Capabilities,
        keep: usize,
    ) -> io::Result<Socket> {
        let local = udp.local_addr()?;
        let peer = udp.peer_addr().ok().map(canonical);
        let udp = mio::net::UdpSocket::from_std(udp);
        let sender = Sender::new(capabilities.gso);
        Ok(Socket {
            udp,
            id: SocketId::FIRST,
            path,
            sender,
            stats: Stats::default(),
            peer,
            keep,
            local,
            capabilities,
            exhausted: false,
            undelivered: None,
        })
    }

    /// The bound address, with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The peer, if the socket is connected.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The socket's features on this system, for logs.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Shares the receive buffers of `other` from now on, so that a thousand sockets in one loop
    /// need no more memory than one. Does nothing if those buffers are smaller, or if the two use
    /// different system calls.
    pub fn share_buffers(&mut self, other: &Socket) {
        self.path.share(&other.path);
    }

    /// The number of datagrams that the kernel has dropped so far because the receive buffer was
    /// full. Always 0 if [`Capabilities::kernel_drops`] is false.
    pub fn kernel_drops(&mut self) -> u64 {
        self.path.kernel_drops(&self.udp)
    }

    /// The totals since the socket was opened.
    pub fn stats(&mut self) -> Stats {
        self.stats.kernel_drops = self.kernel_drops();
        self.stats
    }

    /// Sends all `transmits`; `outbox` holds their bytes. On a connected socket everything goes to
    /// the peer, whatever its destination. Ignores the transmits' socket ids.
    ///
    /// If the send buffer is full, the call waits for space up to `patience` in total, then drops
    /// the rest. It never fails: a failing destination must not affect the others, and a broken
    /// socket reports an error when it receives.
    pub fn send(
        &mut self,
        outbox: &[u8],
        transmits: &[Transmit],
        patience: Duration,
    ) -> SendReport {
        let call = Call {
            udp: &self.udp,
            connected: self.peer.is_some(),
            late_errors: self.hears_errors(),
            outbox,
            transmits,
            patience,
        };
        let report = self.sender.send(&mut self.path, call, &mut self.stats.sent);
        if let Some(os_error) = report.undelivered {
            self.note_undelivered(&io::Error::from_raw_os_error(os_error));
        }
        report
    }

    /// The drops of the last [`send`](Socket::send).
    pub(crate) fn unsent(&self) -> &[Unsent] {
        self.sender.unsent()
    }

    /// Counts a transmit as dropped for lack of time.
    pub(crate) fn abandon(&mut self, transmit: &Transmit) {
        let (counters, datagrams) = (&mut self.stats.sent, transmit.count() as u64);
        drop_datagrams(counters, transmit, datagrams, DropReason::Congested, None);
    }

    /// Whether calls may report ICMP errors of earlier datagrams. An unconnected socket gets none
    /// unless it enables them (udp(7), "Error handling").
    pub(crate) fn hears_errors(&self) -> bool {
        self.peer.is_some() || self.capabilities.refusals
    }
}
