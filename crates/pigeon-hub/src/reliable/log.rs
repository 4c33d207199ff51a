//! The log as seen by a reliable link that sends.

use pigeon_proto::{Entry, Position, RoomName};

/// The newest stored entries, in memory. Reading them must not wait for a disk.
pub trait RoomLog {
    /// The position of the newest entry on disk.
    fn newest(&self) -> Position;

    /// Entries after a position, oldest first, of one room or of all. `None` if some are not in
    /// memory any more: use [`Read::After`](super::Read::After) instead.
    fn tail(&self, after: Position, room: Option<&RoomName>, limit: usize) -> Option<Vec<Entry>>;
}
