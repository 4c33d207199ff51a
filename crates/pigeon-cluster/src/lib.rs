//! One hub among several that share rooms.
//!
//! The hubs share a stream: brokers keep its records, give each a sequence, and deliver them to
//! every hub in that order. Brokers may lose what they have acknowledged, deliver again, or be
//! replaced by empty ones; each hub's log is the authority, and the stream can be restored from the
//! logs.
//!
//! - [`Order`]: one hub's part in the order of messages. Its module says how.
//! - [`Record`]: what is in the stream. [`Held`]: what the hub's log holds; [`Saved`]: the hub's
//!   place in the stream, which is stored with it.
//!
//! Both are pure: time is passed in, and the driver publishes, reads and stores. Call any number of
//! methods, then drain [`Order::poll_output`], then wait until [`Order::poll_timeout`].
#![forbid(unsafe_code)]

mod chain;
mod held;
mod hex;
mod memory;
mod order;
mod peers;
mod publishing;
mod record;
#[cfg(test)]
mod testing;

pub use held::{Found, Held, Read, Resume, Rewind, Round, Saved};
pub use memory::MemoryLog;
pub use order::{Order, Outcome, Output, State, Statistics, Stream, Waiting};
pub use peers::{LEASE, RENEW};
pub use record::{Again, Numbered, Outbox, RECORD, Record, Said, Stamp, hash, largest};
