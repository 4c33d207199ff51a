//! What a session's file holds.

use std::time::Duration;

/// The contents of a session's file.
#[derive(Debug, Default)]
pub struct Store {}

impl Store {
    /// Reads a file back. What a crash has cut off at its end is passed over, and the session writes
    /// the file anew before it appends. `wall` is the time since the Unix epoch.
    pub fn load(file: &[u8], wall: Duration) -> Store {
        let _ = (file, wall);
        Store {}
    }
}
