//! Measuring a path: both ends of the protocol behind `pigeon bench`, as state machines. Pure: no
//! clock, no socket, no randomness of its own.
//!
//! - [`Client`]: one flow of a measurement as a [`Plan`] says it; several flows are several clients.
//!   [`Snapshot`] is what it knows, [`ClientEvent`] what it reports.
//! - [`Server`]: the far end, for many clients at once.
//! - [`Pace`]: when each datagram is due. [`OneWay`], [`Figures`]: what was counted.
//!
//! Both ends are told what became of datagrams at their own host, so that this is not taken for loss
//! on the way: of what never left it by `handle_unsent`, of what the kernel dropped by
//! `handle_kernel_drops`.
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
