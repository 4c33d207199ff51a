//! A UDP socket of this host, and the processes that hold it.

use std::net::SocketAddr;

/// One UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEntry {
    /// The bound address. IPv4-mapped addresses are shown as such.
    pub local: SocketAddr,
    /// The address that the socket is connected to.
    pub remote: Option<SocketAddr>,
    /// The socket's owner: the effective user at its creation.
    pub uid: u32,
    /// The owner's name, if any (getpwuid(3)).
    pub user: Option<String>,
    /// The kernel's inode number. 0: the process has closed the socket already.
    pub inode: u64,
    /// Bytes waiting to be read, including the kernel's overhead, as in the receive buffer's size
    /// (socket(7), `SO_RCVBUF`).
    pub receive_queue: u64,
    /// Bytes waiting to be sent, including the kernel's overhead.
    pub send_queue: u64,
    /// Datagrams dropped since the socket's creation: mostly for a full receive buffer, else for a
    /// bad checksum or by a filter.
    pub drops: u64,
    /// The processes that hold it, by pid, as far as this user may see. There are several after a
    /// fork(2).
    pub holders: Vec<Holder>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// The name that the process chose itself, any bytes (proc_pid_comm(5)): escape it for display.
    pub name: Vec<u8>,
}
