//! Shared code of the fuzz targets. A target passes random input to a machine or a function, and
//! panics if it breaks a promise of the crates' documentation or of `docs/protocol.md`.
//!
//! - [`addresses`]: a small set of senders.
//! - [`drain`]: drains a machine, and checks its contract.
//! - [`logs`]: room logs on disk.
//! - [`shown`]: checks that a line is safe to show.

pub mod addresses;
pub mod drain;
pub mod ipmsg;
pub mod logs;
pub mod shown;
