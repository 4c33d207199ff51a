//! Tools that the benches, and the tests that count allocations, measure with. Not a part of any
//! program.
//!
//! A bench's `main` starts with [`begin!`], chooses its [`parts`], and ends with [`report::end`].
//! In between:
//!
//! - [`process`] starts and ends programs; [`server`] starts servers, above all `pigeon hub`.
//! - [`cpu`] pins them to CPUs and counts CPU time; [`drops`] counts what the kernel dropped.
//! - [`bare`] is the system calls that a floor is made of. A floor does the same work with nothing but
//!   those calls, so the ratio to it is the cost of everything else.
//! - [`fanout`] puts servers under one load in turns, each with its members.
//! - [`spread`] sums up several measurements of one figure; [`report`] prints the table, judges the
//!   targets and writes the file.
//! - [`websocket`] is a client for tests and loads.
//! - [`allocations`] counts what a thread allocates, for tests.
//!
//! A failed measurement ends the program: there is nothing to recover. Times are in seconds and
//! sizes in bytes unless a name says otherwise. Apart from `allocations` this is for Linux: it
//! reads `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails ends its program"
)]

pub mod allocations;
#[cfg(target_os = "linux")]
pub mod bare;
#[cfg(target_os = "linux")]
pub mod cargo;
#[cfg(target_os = "linux")]
pub mod cpu;
#[cfg(target_os = "linux")]
pub mod drops;
#[cfg(target_os = "linux")]
pub mod fanout;
#[cfg(target_os = "linux")]
pub mod parts;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod report;
#[cfg(target_os = "linux")]
pub mod server;
#[cfg(target_os = "linux")]
pub mod spread;
pub mod websocket;

use std::net::{IpAddr, Ipv4Addr};

/// The n-th of many addresses of this host: 127.0.0.1 and up, without those that end in 0 or 255.
pub fn loopback_ip(n: usize) -> IpAddr {
    let n = u32::try_from(n).expect("there are four billion");
    Ipv4Addr::from(0x7f00_0001 + (n / 254) * 256 + n % 254).into()
}
