//! Opening a socket: address, options, and the system's errors.
//!
//! A unicast address is bound without `SO_REUSEADDR` and `SO_REUSEPORT`: with them, any process (or
//! any of the same user) could receive a share of the port's datagrams, or all of them, unnoticed
//! (socket(7)). Groups and broadcast addresses can be shared ([`SocketOptions::share`]): there each
//! socket gets its own copy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Type};

use crate::address::canonical;
use crate::interfaces::{Interfaces, local_addresses};
use crate::options::{BufferSize, SocketOptions};
use crate::path::Path;
use crate::socket::Socket;

/// Opening a socket failed. Nothing stays open, and no port stays taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {address}")]
pub struct OpenError {
    /// The failed step.
    pub operation: Operation,
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    pub source: io::Error,
}

/// A step of opening a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating the socket, with the address family of the address.
    Create,
    /// Setting the option of this name.
    Configure(&'static str),
    /// Binding the socket to a local address.
    Bind,
    /// Connecting the socket to the peer.
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
    /// An IPv6 address means IPv6 only, even `[::]`; [`bind_any`](Socket::bind_any) serves both
    /// families.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> Result<Socket, OpenError> {
        open_alone(address, IpFamilies::One, options)
    }

    /// A socket for many peers on every local address of both families: one dual-stack `[::]`
    /// socket, on which IPv4 peers have IPv4 addresses; `0.0.0.0` if the host has no IPv6.
    pub fn bind_any(port: u16, options: &SocketOptions) -> Result<Socket, OpenError> {
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match open_alone(v6, IpFamilies::Both, options) {
            // A taken port is an error: `0.0.0.0` would only serve half of it.
            Err(error) if lacks_ipv6(&error) => {
                Socket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), options)
            }
            result => result,
        }
    }

    /// A socket for one peer: it sends to and receives from no other, and is notified when the
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

    /// An unconnected socket for one host, which may answer from any port. It is bound to the local
    /// address of the route to `to`. Datagrams from other hosts arrive too.
    pub fn bind_towards(to: SocketAddr, options: &SocketOptions) -> Result<Socket, OpenError> {
        let to = canonical(to);
        let failed = |operation| move |source| OpenError { operation, address: to, source };
        // Connecting sends nothing: it only makes the system choose a route, and so the local
        // address.
        let probe = socket2::Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed(Operation::Create))?;
        probe.connect(&to.into()).map_err(failed(Operation::Connect))?;
        let mut local = UdpSocket::from(probe).local_addr().map_err(failed(Operation::Bind))?;
        local.set_port(0);
        open(local, None, IpFamilies::One, options)
    }
}

/// The result of joining a multicast group on several interfaces.
#[derive(Debug, Default)]
pub struct Joins {
    /// The interfaces on which the group was newly joined.
    pub joined: Vec<String>,
    /// The number of interfaces on which it had been joined before.
    pub before: usize,
    /// The interfaces on which joining failed, with the system's error.
    pub failed: Vec<(String, io::Error)>,
}

impl Socket {
    /// Whether the socket can reach addresses of the family of `ip`.
    pub fn serves(&self, ip: IpAddr) -> bool {
        let own = self.local_addr().ip();
        let is_dual =
            || own.is_unspecified() && SockRef::from(&self.udp).only_v6().is_ok_and(|v| !v);
        own.is_ipv4() == ip.is_ipv4() || (own.is_ipv6() && is_dual())
    }

    /// Joins a multicast group on each of these interfaces that has an address of its family
    /// (`IP_ADD_MEMBERSHIP`, ip(7); `IPV6_JOIN_GROUP`, ipv6(7)). Identifies interfaces by index,
    /// because two may have the same address.
    pub fn join_group(&self, group: IpAddr, interfaces: &Interfaces) -> Joins {
        let socket = SockRef::from(&self.udp);
        let mut joins = Joins::default();
        for (name, index) in interfaces.with_family_of(group) {
            let joined = match group {
                IpAddr::V4(group) => {
                    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
                }
                IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
            };
            match joined {
                Ok(()) => joins.joined.push(name.to_string()),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => joins.before += 1,
                Err(error) => joins.failed.push((name.to_string(), error)),
            }
        }
        joins
    }

    /// Allows sockets of the same user to bind to groups and broadcast addresses at this wildcard
    /// socket's port (`SO_REUSEPORT`, socket(7)). They must set [`SocketOptions::share`]. A second
    /// wildcard socket is still refused unless it sets it, too. Fails if the system does not
    /// support the option.
    pub fn let_groups_share(&self) -> io::Result<()> {
        #[cfg(unix)]
        return SockRef::from(&self.udp).set_reuse_port(true);
        #[cfg(not(unix))]
        return Ok(());
    }
}

/// The address families that a socket serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IpFamilies {
    One,
    Both,
}

/// Opens a socket with exclusive use of its address. Other programs' sockets for a group or
/// broadcast address at the port do not count, although a wildcard address would collide with them.
fn open_alone(
    address: SocketAddr,
    families: IpFamilies,
    options: &SocketOptions,
) -> Result<Socket, OpenError> {
    let failed = match open(address, None, families, options) {
        Err(error) if error.source.kind() == io::ErrorKind::AddrInUse => error,
        opened => return opened,
    };
    // On Windows groups do not collide with a wildcard, and `SO_REUSEADDR` takes the port from its
    // holder.
    let collides = !cfg!(windows) && address.ip().is_unspecified();
    if options.share || !collides || is_held(address, families) {
        return Err(failed);
    }
    let socket = open(address, None, families, &SocketOptions { share: true, ..options.clone() })?;
    let alone = SockRef::from(&socket.udp);
    let stop_sharing = alone.set_reuse_address(false);
    #[cfg(unix)]
    let stop_sharing = stop_sharing.and_then(|()| alone.set_reuse_port(false));
    let configure = Operation::Configure("SO_REUSEADDR");
    let failed = |source| OpenError { operation: configure, address, source };
    stop_sharing.map_err(failed).map(|()| socket)
}

/// Whether another program's socket has, or may have, the port at a unicast address of this host.
fn is_held(wildcard: SocketAddr, families: IpFamilies) -> bool {
    let Ok(interfaces) = local_addresses() else { return true };
    interfaces.iter().any(|local| {
        let address = match local.address {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(ip, wildcard.port(), 0, local.index).into()
            }
            ip => SocketAddr::new(ip, wildcard.port()),
        };
        let is_meant = families == IpFamilies::Both || wildcard.is_ipv4() == address.is_ipv4();
        let held = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
        is_meant && UdpSocket::bind(address).is_err_and(held)
    })
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
    if options.share {
        socket.set_reuse_address(true).map_err(configure("SO_REUSEADDR"))?;
        #[cfg(unix)]
        socket.set_reuse_port(true).map_err(configure("SO_REUSEPORT"))?;
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

    // All kernel reports are enabled before the first datagram can arrive.
    let ip = address.ip();
    let any = peer.is_none() && (ip.is_unspecified() || ip.is_multicast() || options.share);
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

/// Whether the host lacks IPv6: no such family (EAFNOSUPPORT, at creation), or no such address
/// (IPv6 disabled by sysctl).
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

/// Sets a kernel buffer's size. "Largest" tries sizes from 64 MiB downwards, because some systems
/// reject sizes above their limit instead of capping them as Linux does. It never fails: the
/// default size is acceptable.
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
    // The option is a C `int`: 4 GiB would become its lower half, zero.
    let bytes = bytes.min(i32::MAX as usize);
    // With CAP_NET_ADMIN Linux allows sizes above net.core.rmem_max and wmem_max (socket(7)).
    #[cfg(target_os = "linux")]
    if crate::linux::force_buffer_size(socket, matches!(direction, Direction::Receive), bytes) {
        return Ok(());
    }
    match direction {
        Direction::Receive => socket.set_recv_buffer_size(bytes),
        Direction::Send => socket.set_send_buffer_size(bytes),
    }
}

/// Converts a reported size to the requested unit: Linux doubles sizes for its bookkeeping
/// (socket(7)).
fn granted(reported: io::Result<usize>) -> usize {
    let reported = reported.unwrap_or(0);
    if cfg!(target_os = "linux") { reported / 2 } else { reported }
}
