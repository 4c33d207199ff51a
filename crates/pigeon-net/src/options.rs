//! How a socket is to be opened ([`SocketOptions`]), and what the system granted
//! ([`Capabilities`]).

use std::net::Ipv4Addr;

/// Which system calls a socket uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoPath {
    /// The best this system has: on Linux recvmmsg and sendmmsg, with GRO and GSO where the kernel
    /// knows them.
    #[default]
    Best,
    /// Batches without GRO and GSO: what a kernel before 4.18 does. On other systems than Linux
    /// the same as `Portable`.
    NoOffload,
    /// One recvfrom or sendto a datagram, as on any system.
    Portable,
}

/// The size of a kernel buffer of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferSize {
    /// As large as the system allows, up to 64 MiB. The kernel takes the memory only when
    /// datagrams queue up, so asking for much costs nothing.
    #[default]
    Largest,
    /// This many bytes. A system limit may make it smaller: see [`Capabilities`].
    Bytes(usize),
}

/// How to open a [`Socket`](crate::Socket).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Which system calls to use.
    pub path: IoPath,
    /// How many bytes of a datagram are kept; what is longer arrives truncated, with its true
    /// length. The default of 65,536 takes the largest.
    pub receive_size: usize,
    /// The kernel's receive buffer (`SO_RCVBUF`, socket(7)).
    pub receive_buffer: BufferSize,
    /// The kernel's send buffer (`SO_SNDBUF`, socket(7)).
    pub send_buffer: BufferSize,
    /// Whether broadcast addresses may be sent to (`SO_BROADCAST`, socket(7)).
    pub broadcast: bool,
    /// How many hops a datagram may travel (`IP_TTL` and `IP_MULTICAST_TTL`, ip(7);
    /// `IPV6_UNICAST_HOPS` and `IPV6_MULTICAST_HOPS`, ipv6(7)); `None` leaves it to the system,
    /// which lets multicast go one hop.
    pub ttl: Option<u32>,
    /// The class of service that datagrams ask for, from 0 to 63 (`IP_TOS`, ip(7); `IPV6_TCLASS`,
    /// ipv6(7)); RFC 2474. Linux only for IPv6.
    pub dscp: Option<u8>,
    /// The interface that multicast leaves by: its IPv4 address (`IP_MULTICAST_IF`, ip(7)) and its
    /// index (`IPV6_MULTICAST_IF`, ipv6(7)). `None` leaves it to the routing table.
    pub multicast_interface: Option<(Option<Ipv4Addr>, u32)>,
    /// Whether the address may be shared with sockets that allow it too (`SO_REUSEADDR`,
    /// `SO_REUSEPORT`, socket(7)). Each of them gets every datagram to a group or a broadcast address,
    /// but one alone gets a datagram to a host, so share only addresses that are no host's.
    pub share: bool,
    /// Whether to ask the kernel when each datagram arrived (`SO_TIMESTAMPNS`, socket(7)). Linux
    /// only.
    pub timestamps: bool,
    /// Whether to hear which of many peers refuses (`IP_RECVERR`, ip(7); `IPV6_RECVERR`, ipv6(7)),
    /// for [`Machine::handle_refused_by`](pigeon_datagram::Machine::handle_refused_by). Linux only.
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

/// Bytes that hold any UDP payload: its length field has 16 bits (RFC 768).
pub(crate) const LARGEST_DATAGRAM: usize = 65_536;

/// The most messages of one receiving call. With GRO each may hold many datagrams.
pub(crate) const RECEIVE_BATCH: usize = 64;

/// What a socket can do here, for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The kernel joins datagrams of one sender before handing them over (`UDP_GRO`, udp(7)).
    pub gro: bool,
    /// The kernel cuts trains into datagrams (`UDP_SEGMENT`, udp(7)).
    pub gso: bool,
    /// One system call moves many datagrams (recvmmsg(2), sendmmsg(2)).
    pub batches: bool,
    /// The socket is bound to every address, or to no host's, and each datagram says where it came.
    pub local_address: bool,
    /// The kernel reports how many datagrams it dropped because the receive buffer was full.
    pub kernel_drops: bool,
    /// The kernel reports when each datagram arrived.
    pub timestamps: bool,
    /// The kernel reports which of many peers refused.
    pub refusals: bool,
    /// The bytes of receive buffer granted.
    pub receive_buffer: usize,
    /// The bytes of send buffer granted.
    pub send_buffer: usize,
}
