//! What the benchmarks share. Each takes its part:
//!
//! - `parts.rs`: which parts of a benchmark are asked for;
//! - `cpu.rs`: the CPU of what is measured and the CPU of everybody else, and how busy they are;
//! - `process.rs`: programs started, listened to and ended; `server.rs`: those that serve at an
//!   address, the hub before all;
//! - `bare.rs`: the calls that the floors are made of; `drops.rs`: what the kernel dropped;
//! - `spread.rs`: several figures as one; `report.rs`: the table, the targets, the file.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each benchmark uses its part; one that fails ends"
)]

#[cfg(not(target_os = "linux"))]
compile_error!("benchmarks are made of Linux's system calls and of what stands in /proc");

pub(crate) mod bare;
pub(crate) mod cpu;
pub(crate) mod drops;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod spread;

use std::net::{IpAddr, Ipv4Addr};

/// The n-th of many addresses of this host: 127.0.0.1 and up, without those that end in 0 or 255.
pub(crate) fn loopback_ip(n: usize) -> IpAddr {
    let n = u32::try_from(n).expect("there are four billion");
    Ipv4Addr::from(0x7f00_0001 + (n / 254) * 256 + n % 254).into()
}
