//! The cost of fan-out for a server: one message, many copies. Servers take turns under the same
//! load. Deliveries are counted at the members, per second of the server's CPU time.
//!
//! - [`load`]: the load. [`members`]: members of any protocol.
//! - [`turns`]: the order of turns, and which count. [`comparison`]: results.
//! - [`brokers`]: members of NATS, also over TLS, and of MQTT brokers.

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
