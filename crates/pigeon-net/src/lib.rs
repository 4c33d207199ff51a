//! Sockets, batches, and the loop that drives a [`Machine`](pigeon_datagram::Machine). The machine
//! decides what to send; this crate only moves bytes.
//!
//! - [`Driver`]: the loop that moves bytes between a machine and its sockets. [`Host`] is the
//!   machine's environment, [`Io`] the host's access to the loop, [`Waker`] wakes the loop from
//!   other threads, [`Timing`] configures its delays.
//! - [`Socket`]: a UDP socket that receives and sends in batches. [`SocketOptions`] configures it,
//!   [`OpenError`] is a failure to open it, [`Capabilities`] are the features that the system
//!   granted.
//! - [`Sockets`]: the sockets of one loop.
//! - [`Stats`]: received, sent and dropped datagrams.
//! - [`Clock`]: the monotonic clock, the source of the machines' time.
//! - [`Interfaces`]: the addresses of this host. [`SocketTable`]: its UDP sockets and their
//!   processes.
//! - On Windows, `on_console_event`: Ctrl-C and the console's end.
//!
//! Every system call goes through one of two paths with the same interface:
//!
//! ```text
//!                       ┌─ linux/     recvmmsg + GRO in, sendmmsg + GSO trains out
//!   Socket ── path.rs ──┤
//!                       └─ portable   recvfrom and sendto, on any system
//! ```
//!
//! The portable path is compiled everywhere, and [`IoPath::Portable`] selects it, so that Linux
//! tests cover both. This is the only crate of pigeon with `unsafe`, in one small file per
//! family of system calls, all below `linux/` and `windows/`.

mod address;
mod alarm;
mod clock;
mod counters;
mod driver;
mod host;
mod interfaces;
#[cfg(target_os = "linux")]
mod linux;
mod open;
mod options;
mod path;
mod portable;
mod queue;
mod receive;
mod send;
mod socket;
mod socket_errors;
mod socket_table;
mod sockets;
mod trains;
mod wait;
mod waker;
#[cfg(windows)]
mod windows;

pub use clock::Clock;
pub use counters::{
    DropCounts, DropReason, ReceiveCounters, SendCounters, SendFailure, Stats, Undelivered,
};
pub use driver::{DriveError, Driver, Timing, first_event};
pub use host::{Host, Io};
pub use interfaces::{Interfaces, LocalAddress, local_addresses};
pub use open::{Joins, OpenError, Operation};
pub use options::{BufferSize, Capabilities, IoPath, SocketOptions};
pub use receive::Receipt;
pub use send::SendReport;
pub use socket::Socket;
pub use socket_table::{Holder, SocketEntry, SocketTable};
pub use sockets::Sockets;
pub use waker::Waker;
#[cfg(windows)]
pub use windows::{ConsoleEvent, on_console_event};
