//! Windows calls that neither `std` nor `socket2` has: the console's events and the adapters'
//! addresses. Sockets use the portable path.

mod adapters;
mod console;

pub(crate) use adapters::adapter_addresses;
pub use console::{ConsoleEvent, on_console_event};
