//! The small services: a request, and at most one reply, as a pure state machine. No clock, no
//! socket, no randomness of its own.
//!
//! Read [`Service`] first: its `answer` is the life of one request. Then:
//!
//! - [`Kind`]: which services there are, and what each answers.
//! - `guard`: who is answered at all, how often, and how much: **every rule against loops and
//!   amplification stands there.** `sources` counts what each source has had, `rate` is a bucket.
//! - `repeats`: loops among what no rate bounds, for the operator to know.
//! - `texts`: what the services that speak text reply, and how such replies are recognised.
//! - [`strftime`]: C's `strftime` for formats that come from the network.
//! - [`sntp`]: network time, the server's side and the client's.
//! - `replies`: what is about to be sent; equal replies to one peer become a train.
//! - [`WallClock`]: what time it is, supplied by the driver.
//! - [`Config`], [`Statistics`], [`Event`]: what goes in beside datagrams, and what can be seen.
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
