//! A reliable member of a hub: for bots, shells and the client.
//!
//! What it says waits on its disk until the hub has stored it, and what others say comes once and in
//! order, whatever happens to either end or to the network between.
//!
//! - [`Hub`]: a member on a thread of its own, for programs that wait. Begin here.
//! - [`open`], [`Member`]: the same as a state machine, for programs with a loop.
//! - [`Folder`]: the member's key, the hubs it has met, and what waits.
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
mod machine;
mod open;

pub use folder::{Folder, FolderError};
pub use hub::{Hub, NotSaid, Said};
pub use machine::{Event, Member};
pub use open::{NoHub, OpenMemberError, Opened, Options, connect, meet, open};
