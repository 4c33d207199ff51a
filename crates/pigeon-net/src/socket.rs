//! A UDP socket that receives and sends in batches. Opening it stands in `open.rs`, receiving in
//! `receive.rs`; what sending does stands in `send.rs`.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use pigeon_datagram::{SocketId, Transmit};

use crate::address::canonical;
use crate::counters::{DropReason, Stats, Undelivered};
use crate::options::Capabilities;
use crate::path::Path;
use crate::send::{Call, SendReport, Sender, Unsent, drop_datagrams};

/// A non-blocking UDP socket: bound, and perhaps connected to one peer.
#[derive(Debug)]
pub struct Socket {
    /// mio's, because on Windows only its own calls keep readiness events coming.
    pub(crate) udp: mio::net::UdpSocket,
    /// What its owner calls it; each datagram says so.
    pub(crate) id: SocketId,
    pub(crate) path: Path,
    pub(crate) sender: Sender,
    pub(crate) stats: Stats,
    pub(crate) peer: Option<SocketAddr>,
    /// How many bytes of a datagram are kept.
    pub(crate) keep: usize,
    local: SocketAddr,
    pub(crate) capabilities: Capabilities,
    /// Whether the last receiving call took all that waited.
    pub(crate) exhausted: bool,
    /// What a connected socket has yet to report: the last error that an earlier datagram met.
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

    /// The address the socket is bound to, with the port the system chose if it was left to it.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The peer, if the socket is connected.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// What the socket can do here, for logs.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Receives into the buffers of `other` from now on: what many sockets of one loop do, so that a
    /// thousand of them cost no more memory than one. Does nothing where `other` keeps less of a
    /// datagram, or the two use different system calls.
    pub fn share_buffers(&mut self, other: &Socket) {
        self.path.share(&other.path);
    }

    /// How many datagrams the kernel has dropped so far because the receive buffer was full, up to
    /// this moment. Always 0 where [`Capabilities::kernel_drops`] is false.
    pub fn kernel_drops(&mut self) -> u64 {
        self.path.kernel_drops(&self.udp)
    }

    /// The totals since the socket was opened.
    pub fn stats(&mut self) -> Stats {
        self.stats.kernel_drops = self.kernel_drops();
        self.stats
    }

    /// Sends all `transmits`; `outbox` holds their bytes. On a connected socket everything goes to
    /// the peer, whatever its destination says; which socket a transmit names does not matter here.
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

    /// What the last [`send`](Socket::send) dropped.
    pub(crate) fn unsent(&self) -> &[Unsent] {
        self.sender.unsent()
    }

    /// Counts a transmit that will not be sent, as the sender has no more time.
    pub(crate) fn abandon(&mut self, transmit: &Transmit) {
        let (counters, datagrams) = (&mut self.stats.sent, transmit.count() as u64);
        drop_datagrams(counters, transmit, datagrams, DropReason::Congested, None);
    }

    /// Whether a call may report an error (ICMP) that an earlier datagram caused. An unconnected
    /// socket that does not ask for such errors gets none (udp(7), "Error handling").
    pub(crate) fn hears_errors(&self) -> bool {
        self.peer.is_some() || self.capabilities.refusals
    }
}
