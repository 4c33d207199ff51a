//! What the fuzz targets share. A target feeds a machine or a function anything, and panics where
//! a promise is broken; the promises are those of the crates' documentation and `docs/protocol.md`.
//!
//! - [`addresses`]: a small world of senders.
//! - [`drain`]: everything a machine sends, held to what every driver relies on.
//! - [`logs`]: room logs on disk.
//! - [`shown`]: what a line may contain that somebody will see.

pub mod addresses;
pub mod drain;
pub mod ipmsg;
pub mod logs;
pub mod shown;
