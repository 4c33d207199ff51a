//! What fan-out costs a server: one message, many copies. Servers take turns under the same load, and
//! their deliveries are counted where members read them, for each second that the server's CPU was
//! busy.
//!
//! - [`load`]: what members say. [`members`]: how they hear it, whatever they speak.
//! - [`turns`]: who works when, and which turns count. [`comparison`]: what they came to.
//! - [`brokers`]: members of NATS, over TLS too, and of MQTT brokers.

pub mod brokers;
pub mod comparison;
pub mod load;
pub mod members;
pub mod turns;

pub use brokers::{Protocol, Subscribers};
pub use comparison::{confidence, interval, ratio, table};
pub use load::{Burst, Load, Sizes};
pub use members::{Collected, Members, collect_in_turn};
pub use turns::{Contender, Turn, rounds};
