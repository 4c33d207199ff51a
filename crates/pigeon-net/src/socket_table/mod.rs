//! The UDP sockets of this host and the processes that hold them, so that a person can see who
//! holds a port and whether data is lost there.
//!
//! Read from procfs and not from a netlink socket (sock_diag(7)): the kernel fills both from the
//! same fields, and procfs is also there where its `udp_diag` module is not.
//!
//! - `entry`: what is known of one socket.
//! - `proc_net`: the sockets, from `/proc/net/udp` and `/proc/net/udp6`.
//! - `holders`: the processes, from `/proc/PID/fd`.

mod entry;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(any(target_os = "linux", test))]
mod proc_net;

use std::io;

pub use entry::{Holder, SocketEntry};

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
