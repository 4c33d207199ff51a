//! Measuring a path: both ends of the protocol behind `pigeon bench`, as state machines. Pure: no
//! clock, no socket, no randomness of its own.
//!
//! - [`Client`]: one flow of a measurement as a [`Plan`] says it; several flows are several clients.
//!   [`Snapshot`] is what it knows, [`ClientEvent`] what it reports.
//! - [`Server`]: the far end, for many clients at once.
//! - [`Pace`]: when each datagram is due. [`OneWay`], [`Figures`]: what was counted.
//!
//! Both ends count datagrams dropped at their own host, so these are not counted as loss on the
//! path: `handle_unsent` takes those that never left the host, `handle_kernel_drops` those that the
//! kernel dropped on arrival.
//!
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

pub use client::{Client, ClientEvent, Failure, FarEnd};
pub use figures::{Figures, OneWay, Snapshot};
pub use pace::Pace;
pub use plan::{Mode, Plan, PlanError};
pub use server::{Ignored, Server, ServerConfig, ServerEvent};
pub use wire::{Declined, HEADER, Header, Kind, Unreadable};
