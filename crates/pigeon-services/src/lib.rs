//! The small services (echo, time, SNTP and others) as a pure state machine: each request gets at
//! most one reply. No clock, no socket, no randomness of its own.
//!
//! Read [`Service`] first: its `answer` is the life of one request. Then:
//!
//! - [`Kind`]: the services and their replies.
//! - `guard`: which requests are answered, how often and at what length: **every rule against loops
//!   and amplification.** `sources` holds the rate of each source.
//! - `repeats`: detects loops that no rate limits, and reports them to the operator.
//! - `texts`: the replies of text services, and how such replies are recognised.
//! - [`strftime`]: C's `strftime` for formats from the network.
//! - [`sntp`]: network time, the server's side and the client's.
//! - `replies`: the queue of replies; equal-sized replies to one peer become a train.
//! - [`WallClock`]: the time of day, supplied by the driver.
//! - [`Config`], [`Statistics`], [`Event`]: the settings, the counters and the reports.
#![forbid(unsafe_code)]

mod config;
mod event;
mod guard;
mod kind;
mod repeats;
mod replies;
mod service;
pub mod sntp;
mod sources;
mod statistics;
pub mod strftime;
mod texts;

pub use config::Config;
pub use event::{Event, Outcome};
pub use guard::Ignored;
pub use kind::{Kind, UnknownKind};
pub use pigeon_datagram::WallClock;
pub use service::Service;
pub use statistics::Statistics;
