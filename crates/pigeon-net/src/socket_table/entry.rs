//! What is known of one UDP socket and of the processes that hold it.

use std::net::SocketAddr;

/// One UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEntry {
    /// The address it is bound to. An IPv6 socket may hold a mapped IPv4 one, and is shown so.
    pub local: SocketAddr,
    /// The address it is connected to, if it is.
    pub remote: Option<SocketAddr>,
    /// Its owner: the effective user when it was made.
    pub uid: u32,
    /// That user's name, if it has one (getpwuid(3)).
    pub user: Option<String>,
    /// What the kernel knows it by. 0: its process has closed it already.
    pub inode: u64,
    /// What waits to be read, in bytes with the kernel's overhead, as the receive buffer is
    /// counted (socket(7), `SO_RCVBUF`).
    pub receive_queue: u64,
    /// What waits to leave, in bytes with the kernel's overhead.
    pub send_queue: u64,
    /// How many datagrams came for it and were thrown away since it was made: most often the
    /// receive buffer was full, else a checksum was wrong or a filter said no.
    pub drops: u64,
    /// The processes that hold it, lowest pid first, as far as this user may see. After a fork(2)
    /// there are several.
    pub holders: Vec<Holder>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name as it chose it itself, any bytes (proc_pid_comm(5)): escape it at the display.
    pub name: Vec<u8>,
}
