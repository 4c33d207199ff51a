//! Measuring a path: both ends of the protocol behind `pigeon bench`, as state machines. Pure: no
//! clock, no socket, no randomness of its own.
//!
//! - [`Client`]: one flow of a measurement as a [`Plan`] says it; several flows are several clients.
//!   [`Snapshot`] is what it knows, [`ClientEvent`] what it reports.
//! - [`Server`]: the far end, for many clients at once.
//! - [`Pace`]: when each datagram is due. [`OneWay`], [`Figures`]: what was counted.
//! - [`Endpoint`]: what both are told by their driver beside what every machine is told.
//! - [`Kind`], [`Header`]: the datagrams; the exchange is drawn in `wire.rs`.
#![forbid(unsafe_code)]

mod arrivals;
mod client;
mod figures;
mod pace;
mod plan;
mod server;
mod stream;
mod wire;

use std::net::SocketAddr;

use pigeon_datagram::{Instant, Machine};

pub use client::{Client, ClientEvent, Failure, FarEnd};
pub use figures::{Figures, OneWay, Snapshot};
pub use pace::Pace;
pub use plan::{Mode, Plan, PlanError};
pub use server::{Ignored, Server, ServerConfig, ServerEvent};
pub use wire::{Declined, HEADER, Header, Kind, Unreadable};

/// Either end, as its driver sees it: beside the contract of every machine it is told what became
/// of datagrams at its own host, so that this is not taken for loss on the way.
pub trait Endpoint: Machine {
    /// How many datagrams the kernel has dropped at the socket since it was opened. To be told when
    /// nothing waits to be received any more; with each datagram comes the count of its own time.
    fn kernel_drops(&mut self, drops: u64);

    /// Whether something is about to come back, so that its driver should stay awake: to wake up takes
    /// as long as a round trip within a host, and would be measured with it.
    fn awaits(&self, now: Instant) -> bool {
        let _ = now;
        false
    }

    /// So many test datagrams to this address never left the host.
    fn unsent(&mut self, to: SocketAddr, datagrams: u64);
}
