//! Opening a socket: to which address, with which options, and what happens when the system says
//! no.
//!
//! Never `SO_REUSEADDR` or `SO_REUSEPORT`: for UDP they let any process of the same user take a
//! share of the port's datagrams, or all of them, unnoticed (socket(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Type};

use crate::address::canonical;
use crate::interfaces::Interfaces;
use crate::options::{BufferSize, SocketOptions};
use crate::path::Path;
use crate::socket::Socket;

/// A socket could not be opened. Nothing stays open, no port stays taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {address}")]
pub struct OpenError {
    /// What was attempted.
    pub operation: Operation,
    /// On which address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A step of opening a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating it, with the address family of the address.
    Create,
    /// Setting the option of this name.
    Configure(&'static str),
    /// Binding it to a local address.
    Bind,
    /// Connecting it to a peer.
    Connect,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operation::Create => f.write_str("create a UDP socket for"),
            Operation::Configure(option) => write!(f, "set {option} on the socket for"),
            Operation::Bind => f.write_str("bind to"),
            Operation::Connect => f.write_str("connect to"),
        }
    }
}

impl Socket {
    /// A socket for many peers, bound to one address. Port 0 lets the system choose.
    ///
    /// An IPv6 address means IPv6 only, `[::]` too; [`bind_any`](Socket::bind_any) takes both.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> Result<Socket, OpenError> {
        open(address, None, IpFamilies::One, options)
    }

    /// A socket for many peers on every local address of both families: one dual-stack `[::]`
    /// socket, on which IPv4 peers look like IPv4 peers; `0.0.0.0` where the host has no IPv6.
    pub fn bind_any(port: u16, options: &SocketOptions) -> Result<Socket, OpenError> {
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match open(v6, None, IpFamilies::Both, options) {
            // A port that is taken is the answer, and not a reason to try for half of it.
            Err(error) if lacks_ipv6(&error) => {
                Socket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), options)
            }
            result => result,
        }
    }

    /// A socket for one peer: it receives from no other, sends to no other, and learns when the
    /// peer's port is closed. Without `local` the system chooses address and port.
    pub fn connect(
        to: SocketAddr,
        local: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> Result<Socket, OpenError> {
        let to = canonical(to);
        let unspecified = match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        open(local.unwrap_or(unspecified), Some(to), IpFamilies::One, options)
    }

    /// A socket towards one host, any port of which may answer: it leaves from the address that the
    /// route to `to` begins at, and is not connected. Other hosts' datagrams arrive too.
    pub fn bind_towards(to: SocketAddr, options: &SocketOptions) -> Result<Socket, OpenError> {
        let to = canonical(to);
        let failed = |operation| move |source| OpenError { operation, address: to, source };
        // Connecting sends nothing: the system chooses the route and with it the address.
        let probe = socket2::Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed(Operation::Create))?;
        probe.connect(&to.into()).map_err(failed(Operation::Connect))?;
        let mut local = UdpSocket::from(probe).local_addr().map_err(failed(Operation::Bind))?;
        local.set_port(0);
        open(local, None, IpFamilies::One, options)
    }
}

impl Socket {
    /// Joins a multicast group on every interface of this host that can (`IP_ADD_MEMBERSHIP`,
    /// ip(7); `IPV6_JOIN_GROUP`, ipv6(7)). Returns on how many; 0 also where the group's family is
    /// not the socket's.
    pub fn join_group(&self, group: IpAddr, interfaces: &Interfaces) -> usize {
        let socket = SockRef::from(&self.udp);
        match group {
            IpAddr::V4(group) => interfaces
                .iter()
                .filter_map(|local| match local.address {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                })
                .filter(|address| socket.join_multicast_v4(&group, address).is_ok())
                .count(),
            IpAddr::V6(group) => interfaces
                .indexes()
                .filter(|&index| socket.join_multicast_v6(&group, index).is_ok())
                .count(),
        }
    }
}

/// Which families a socket serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IpFamilies {
    One,
    Both,
}

fn open(
    address: SocketAddr,
    peer: Option<SocketAddr>,
    families: IpFamilies,
    options: &SocketOptions,
) -> Result<Socket, OpenError> {
    let failed = |operation| move |source| OpenError { operation, address, source };
    let configure = |option| failed(Operation::Configure(option));

    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed(Operation::Create))?;
    socket.set_nonblocking(true).map_err(configure("O_NONBLOCK"))?;
    if address.is_ipv6() {
        socket.set_only_v6(families == IpFamilies::One).map_err(configure("IPV6_V6ONLY"))?;
    }
    if options.broadcast {
        socket.set_broadcast(true).map_err(configure("SO_BROADCAST"))?;
    }
    if let Some(ttl) = options.ttl {
        if address.is_ipv6() {
            socket.set_unicast_hops_v6(ttl).map_err(configure("IPV6_UNICAST_HOPS"))?;
            socket.set_multicast_hops_v6(ttl).map_err(configure("IPV6_MULTICAST_HOPS"))?;
        }
        if address.is_ipv4() || families == IpFamilies::Both {
            socket.set_ttl_v4(ttl).map_err(configure("IP_TTL"))?;
            socket.set_multicast_ttl_v4(ttl).map_err(configure("IP_MULTICAST_TTL"))?;
        }
    }
    if let Some(dscp) = options.dscp {
        // The two lower bits are for congestion notification (RFC 3168).
        let class = u32::from(dscp) << 2;
        if address.is_ipv4() || families == IpFamilies::Both {
            socket.set_tos_v4(class).map_err(configure("IP_TOS"))?;
        }
        #[cfg(target_os = "linux")]
        if address.is_ipv6() {
            socket.set_tclass_v6(class).map_err(configure("IPV6_TCLASS"))?;
        }
    }
    match options.multicast_interface {
        Some((_, index)) if address.is_ipv6() => {
            socket.set_multicast_if_v6(index).map_err(configure("IPV6_MULTICAST_IF"))?;
        }
        Some((Some(ip), _)) => {
            socket.set_multicast_if_v4(&ip).map_err(configure("IP_MULTICAST_IF"))?;
        }
        _ => {}
    }
    let socket_ref = SockRef::from(&socket);
    size_buffer(&socket_ref, Direction::Receive, options.receive_buffer)
        .map_err(configure("SO_RCVBUF"))?;
    size_buffer(&socket_ref, Direction::Send, options.send_buffer)
        .map_err(configure("SO_SNDBUF"))?;

    // Everything the kernel adds to a datagram is asked for before the first can arrive.
    let any = peer.is_none() && address.ip().is_unspecified();
    let (path, mut capabilities) = Path::open(&socket, address.is_ipv6(), any, options);
    capabilities.receive_buffer = granted(socket_ref.recv_buffer_size());
    capabilities.send_buffer = granted(socket_ref.send_buffer_size());

    socket.bind(&address.into()).map_err(failed(Operation::Bind))?;
    if let Some(to) = peer {
        socket.connect(&to.into()).map_err(|source| OpenError {
            operation: Operation::Connect,
            address: to,
            source,
        })?;
    }
    Socket::new(UdpSocket::from(socket), path, capabilities, options.receive_size)
        .map_err(failed(Operation::Bind))
}

/// Whether the host has no IPv6: no such family (EAFNOSUPPORT, at creation), or no such address
/// (IPv6 switched off by sysctl).
fn lacks_ipv6(error: &OpenError) -> bool {
    error.operation == Operation::Create
        || (error.operation == Operation::Bind
            && error.source.kind() == io::ErrorKind::AddrNotAvailable)
}

#[derive(Clone, Copy)]
enum Direction {
    Receive,
    Send,
}

/// Sizes a kernel buffer. "Largest" descends from 64 MiB, because some systems refuse what is
/// over their limit where Linux grants the limit; it never fails, as any buffer is one.
fn size_buffer(socket: &SockRef<'_>, direction: Direction, size: BufferSize) -> io::Result<()> {
    match size {
        BufferSize::Bytes(bytes) => set_buffer(socket, direction, bytes),
        BufferSize::Largest => {
            let sizes = (16..=26).rev().map(|power| 1 << power);
            let _granted = { sizes }.find(|bytes| set_buffer(socket, direction, *bytes).is_ok());
            Ok(())
        }
    }
}

fn set_buffer(socket: &SockRef<'_>, direction: Direction, bytes: usize) -> io::Result<()> {
    // The option is a C `int`: of 4 GiB it would keep the lower half, which is zero.
    let bytes = bytes.min(i32::MAX as usize);
    // With CAP_NET_ADMIN Linux lets the size pass net.core.rmem_max and wmem_max (socket(7)).
    #[cfg(target_os = "linux")]
    if crate::linux::force_buffer_size(socket, matches!(direction, Direction::Receive), bytes) {
        return Ok(());
    }
    match direction {
        Direction::Receive => socket.set_recv_buffer_size(bytes),
        Direction::Send => socket.set_send_buffer_size(bytes),
    }
}

/// The size in the unit it was asked for: Linux doubles it for its own bookkeeping and reports
/// the double (socket(7)).
fn granted(reported: io::Result<usize>) -> usize {
    let reported = reported.unwrap_or(0);
    if cfg!(target_os = "linux") { reported / 2 } else { reported }
}
