//! A reliable member of a hub: for bots, shells and the client.
#![forbid(unsafe_code)]

mod file;
mod folder;

pub use folder::{Folder, FolderError};
