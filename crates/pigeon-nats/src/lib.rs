//! The link between hubs: `pigeon-cluster` over NATS JetStream.
//!
//! [`Link`] is a thread with an asynchronous runtime of its own, around an
//! [`Order`](pigeon_cluster::Order). The hub hands it [`Input`]s and gets [`Event`]s.
//!
//! ```text
//!   hub ── Input ──▶ ┌──────┐ ── publish ────▶ stream  pigeon-NAME: pigeon.NAME.log, .epoch
//!                    │ Link │ ◀── deliver ──── an ephemeral consumer, from a sequence
//!   hub ◀─ Event ─── └──────┘ ◀─▶ leases ───── pigeon.NAME.lease and .tell, not stored
//! ```
//!
//! `settings`: brokers and the stream's configuration. `connection`: what is asked of the brokers.
//! `credentials`: how a hub proves itself with a file. `trouble`: what is reported of them. `link`: the
//! thread.
#![forbid(unsafe_code)]

mod connection;
mod credentials;
mod link;
mod settings;
mod trouble;

pub use link::{Event, Input, Inputs, Link};
pub use settings::{Credentials, Settings};
