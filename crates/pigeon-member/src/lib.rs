//! A reliable member of a hub: for bots, shells and the client.
//!
//! Its messages wait on disk until the hub has stored them, and messages of others arrive once and
//! in order, across crashes of either end and network failures.
//!
//! - [`Hub`]: a member in its own thread, for programs that wait. Start here.
//! - [`open()`], [`Member`]: the same as a state machine, for programs with a loop.
//! - [`Folder`]: the member's key, known hubs, and outboxes.
//!
//! ```no_run
//! use std::time::Duration;
//! use pigeon_member::{Hub, Options};
//! use pigeon_proto::RoomName;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("192.168.1.20:10000".parse()?, "/var/lib/bot");
//! let mut hub = Hub::connect(options)?;
//! let lobby = RoomName::lobby();
//! // Returns once the hub has it on its disk.
//! hub.say(&lobby, "the build is green")?.wait(Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod file;
mod folder;
mod hub;
mod hubs;
mod machine;
#[cfg(test)]
mod moving;
mod open;
mod race;

pub use folder::{Folder, FolderError};
pub use hub::{Hub, NotSaid, Said};
pub use machine::{Event, Member};
pub use open::{NoHub, OpenMemberError, Opened, Options, connect, meet, open, open_with};
