//! A UDP socket that receives and sends in batches. Opening it stands in `open.rs`, its two
//! directions in `receive.rs` and `send.rs`.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::counters::Stats;
use crate::options::Capabilities;
use crate::path::Path;
use crate::send::Sender;

/// A non-blocking UDP socket: bound, and perhaps connected to one peer.
#[derive(Debug)]
pub struct Socket {
    /// mio's, because on Windows only its own calls keep readiness events coming.
    pub(crate) udp: mio::net::UdpSocket,
    pub(crate) path: Path,
    pub(crate) sender: Sender,
    pub(crate) stats: Stats,
    pub(crate) peer: Option<SocketAddr>,
    /// How many bytes of a datagram are kept.
    pub(crate) keep: usize,
    local: SocketAddr,
    pub(crate) capabilities: Capabilities,
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
        Ok(Socket { udp, path, sender, stats: Stats::default(), peer, keep, local, capabilities })
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
}

/// The address with an IPv4-mapped IPv6 one (RFC 4291 section 2.5.5.2) turned into its IPv4 one.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        // Only a real IPv6 address keeps its scope.
        IpAddr::V6(_) => address,
        v4 => SocketAddr::new(v4, address.port()),
    }
}
