//! Sockets, batches, and the loop that drives a state machine. Decides nothing and knows no hub:
//! what to send is the business of a [`Machine`](pigeon_datagram::Machine).
//!
//! - [`Driver`]: the one loop that moves bytes between a machine and its sockets; [`Host`] is what
//!   stands around the machine, [`Io`] the loop as the host sees it, [`Waker`] how other threads
//!   reach it, [`Timing`] how it spends time.
//! - [`Socket`]: a UDP socket that receives and sends in batches. [`SocketOptions`] says how to
//!   open it, [`OpenError`] why it could not, [`Capabilities`] what the system granted.
//! - [`Sockets`]: the sockets of one loop.
//! - [`Stats`]: what went in, what went out, and what was dropped for which reason.
//! - [`Clock`]: the monotonic clock that machines get their time from.
//! - [`Interfaces`]: the addresses of this host. [`SocketTable`]: its UDP sockets and who holds them.
//!
//! Inside, every call goes through one of two paths that share one interface:
//!
//! ```text
//!                       ┌─ linux/     recvmmsg + GRO in, sendmmsg + GSO trains out
//!   Socket ── path.rs ──┤
//!                       └─ portable   recvfrom and sendto, on any system
//! ```
//!
//! The portable path is compiled everywhere and can be asked for with [`IoPath::Portable`], so
//! that it is tested where the other one runs. This is the only crate of pigeon with `unsafe`, one
//! small file a family of system calls, all of them below `linux/`.

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
