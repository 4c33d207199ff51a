//! The UDP sockets of this host with their processes: shows which process holds a port, and whether
//! datagrams are dropped there.
//!
//! Reads procfs rather than a netlink socket (sock_diag(7)): both have the same data, and procfs
//! does not need the `udp_diag` module.
//!
//! - `entry`: one socket.
//! - `proc_net`: the sockets, from `/proc/net/udp` and `/proc/net/udp6`.
//! - `holders`: the processes, from `/proc/PID/fd`.

mod entry;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(any(target_os = "linux", test))]
mod proc_net;

use std::io;

pub use entry::{Holder, SocketEntry};

/// The UDP sockets of this host at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketTable {
    /// Every bound socket in this process's network namespace (network_namespaces(7)), IPv4 and
    /// IPv6, in the system's order. Unbound sockets are in no table.
    pub sockets: Vec<SocketEntry>,
    /// Whether some processes did not let this user inspect their files (ptrace(2),
    /// `PTRACE_MODE_READ_FSCREDS`), or were not listed (proc(5), `hidepid`). If false, a socket
    /// without holders belongs to the kernel, or to a process outside this PID namespace.
    pub processes_hidden: bool,
}

impl SocketTable {
    /// The current table, from `/proc/net/udp`, `/proc/net/udp6` and `/proc/PID/fd`
    /// (proc_pid_net(5), proc_pid_fd(5)).
    #[cfg(target_os = "linux")]
    pub fn read() -> io::Result<SocketTable> {
        let mut sockets = proc_net::sockets()?;
        let processes_hidden = holders::find(&mut sockets)?;
        Ok(SocketTable { sockets, processes_hidden })
    }

    /// Other systems have no such table without special rights: [`io::ErrorKind::Unsupported`].
    #[cfg(not(target_os = "linux"))]
    pub fn read() -> io::Result<SocketTable> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "it needs Linux"))
    }
}
