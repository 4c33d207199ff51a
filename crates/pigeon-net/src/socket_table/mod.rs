//! The UDP sockets of this host and the processes that hold them, so that a person can see who
//! holds a port and whether data is lost there.
//!
//! Read from procfs and not from a netlink socket (sock_diag(7)): the kernel fills both from the
//! same fields, and procfs is also there where its `udp_diag` module is not.
//!
//! - `proc_net`: the sockets, from `/proc/net/udp` and `/proc/net/udp6`.
//! - `holders`: the processes, from `/proc/PID/fd`.

#[cfg(target_os = "linux")]
mod holders;
#[cfg(any(target_os = "linux", test))]
mod proc_net;

use std::io;
use std::net::SocketAddr;

/// The UDP sockets of this host, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketTable {
    /// Every bound socket of this process's network namespace (network_namespaces(7)), IPv4 and
    /// IPv6, in the system's order. One that is not bound is in no table.
    pub sockets: Vec<SocketEntry>,
    /// Whether there were processes that did not let this user see what they hold (ptrace(2),
    /// `PTRACE_MODE_READ_FSCREDS`), or were not even listed (proc(5), `hidepid`). If not, a socket
    /// without holders is the kernel's own, or that of a process outside this PID namespace.
    pub processes_hidden: bool,
}

/// One UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEntry {
    /// The address it is bound to. An IPv6 socket may hold a mapped IPv4 one, and is shown so.
    pub local: SocketAddr,
    /// The address it is connected to, if it is.
    pub remote: Option<SocketAddr>,
    /// Whose it is: the effective user when it was made.
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

impl SocketTable {
    /// The table as it is now, from `/proc/net/udp`, `/proc/net/udp6` and `/proc/PID/fd`
    /// (proc_pid_net(5), proc_pid_fd(5)).
    #[cfg(target_os = "linux")]
    pub fn read() -> io::Result<SocketTable> {
        let mut sockets = proc_net::sockets()?;
        let processes_hidden = holders::find(&mut sockets)?;
        Ok(SocketTable { sockets, processes_hidden })
    }

    /// Other systems have no such table that could be read without special rights:
    /// [`io::ErrorKind::Unsupported`].
    #[cfg(not(target_os = "linux"))]
    pub fn read() -> io::Result<SocketTable> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the table of sockets needs Linux"))
    }
}
