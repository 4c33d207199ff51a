//! Measuring a path: both ends of the protocol behind `pigeon bench`, as state machines. Pure: no
//! clock, no socket, no randomness of its own.
//!
//! - [`Client`]: one flow of a measurement, configured by a [`Plan`]; several flows need several
//!   clients. [`Snapshot`] has its figures, [`ClientEvent`] its events.
//! - [`Server`]: the far end, for many clients at once.
//! - [`Pace`]: when each datagram is due. [`OneWay`], [`Figures`]: the counters.
//!
//! Both ends count datagrams dropped at their own host, so these do not count as loss on the path:
//! `handle_unsent` for datagrams that never left, `handle_kernel_drops` for those dropped on
//! arrival.
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
