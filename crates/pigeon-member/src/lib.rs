//! A reliable member of a hub: for bots, shells and the client.
#![forbid(unsafe_code)]

mod folder;
mod journal;

pub use folder::{Folder, FolderError, OutboxError};
