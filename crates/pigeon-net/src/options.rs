//! Options for opening a socket ([`SocketOptions`]), and the features that the system granted
//! ([`Capabilities`]).

use std::net::Ipv4Addr;

/// The system calls that a socket uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoPath {
    /// The fastest on this system: on Linux recvmmsg and sendmmsg, with GRO and GSO if the kernel
    /// supports them.
    #[default]
    Best,
    /// Batches without GRO and GSO, as with a kernel before 4.18. Outside Linux the same as
    /// `Portable`.
    NoOffload,
    /// One recvfrom or sendto per datagram, on any system.
    Portable,
}

/// The size of a kernel buffer of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferSize {
    /// As large as the system allows, up to 64 MiB. The kernel allocates memory only for queued
    /// datagrams, so a large size costs nothing.
    #[default]
    Largest,
    /// This many bytes. A system limit may reduce it: see [`Capabilities`].
    Bytes(usize),
}

/// Options for opening a [`Socket`](crate::Socket).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Which system calls to use.
    pub path: IoPath,
    /// The bytes kept of a datagram; a longer one is truncated but reports its original length. The
    /// default of 65,536 fits any datagram.
    pub receive_size: usize,
    /// The kernel's receive buffer (`SO_RCVBUF`, socket(7)).
    pub receive_buffer: BufferSize,
    /// The kernel's send buffer (`SO_SNDBUF`, socket(7)).
    pub send_buffer: BufferSize,
    /// Whether sending to broadcast addresses is allowed (`SO_BROADCAST`, socket(7)).
    pub broadcast: bool,
    /// Maximum number of hops of a datagram (`IP_TTL` and `IP_MULTICAST_TTL`, ip(7);
    /// `IPV6_UNICAST_HOPS` and `IPV6_MULTICAST_HOPS`, ipv6(7)). `None` means the system's default,
    /// which is one hop for multicast.
    pub ttl: Option<u32>,
    /// The class of service of sent datagrams (DSCP), from 0 to 63 (`IP_TOS`, ip(7); `IPV6_TCLASS`,
    /// ipv6(7)); RFC 2474. For IPv6 on Linux only.
    pub dscp: Option<u8>,
    /// The outgoing interface of multicast: its IPv4 address (`IP_MULTICAST_IF`, ip(7)) and its
    /// index (`IPV6_MULTICAST_IF`, ipv6(7)). `None` leaves it to the routing table.
    pub multicast_interface: Option<(Option<Ipv4Addr>, u32)>,
    /// Whether to share the address with other sockets that allow it (`SO_REUSEADDR`,
    /// `SO_REUSEPORT`, socket(7)). Each gets a copy of a datagram to a group or broadcast address,
    /// but only one gets a datagram to a host, so never share unicast addresses.
    pub share: bool,
    /// Whether to ask the kernel when each datagram arrived (`SO_TIMESTAMPNS`, socket(7)). Linux
    /// only.
    pub timestamps: bool,
    /// Whether to report which of many peers refused (`IP_RECVERR`, ip(7); `IPV6_RECVERR`,
    /// ipv6(7)), for [`Machine::handle_refused_by`](pigeon_datagram::Machine::handle_refused_by).
    /// Linux only.
    pub refusals: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            path: IoPath::default(),
            receive_size: LARGEST_DATAGRAM,
            receive_buffer: BufferSize::default(),
            send_buffer: BufferSize::default(),
            broadcast: false,
            ttl: None,
            dscp: None,
            multicast_interface: None,
            share: false,
            timestamps: true,
            refusals: false,
        }
    }
}

/// A size that fits any UDP payload: its length field has 16 bits (RFC 768).
pub(crate) const LARGEST_DATAGRAM: usize = 65_536;

/// Maximum number of messages of one receive call. With GRO each may hold many datagrams.
pub(crate) const RECEIVE_BATCH: usize = 64;

/// The features of a socket on this system, for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The kernel joins datagrams of one sender (`UDP_GRO`, udp(7)).
    pub gro: bool,
    /// The kernel splits trains into datagrams (`UDP_SEGMENT`, udp(7)).
    pub gso: bool,
    /// One system call moves many datagrams (recvmmsg(2), sendmmsg(2)).
    pub batches: bool,
    /// The socket is bound to a wildcard or shared address, and each datagram reports its
    /// destination.
    pub local_address: bool,
    /// The kernel reports how many datagrams it dropped because the receive buffer was full.
    pub kernel_drops: bool,
    /// The kernel reports when each datagram arrived.
    pub timestamps: bool,
    /// The kernel reports which of many peers refused.
    pub refusals: bool,
    /// The granted receive buffer in bytes.
    pub receive_buffer: usize,
    /// The granted send buffer in bytes.
    pub send_buffer: usize,
}
