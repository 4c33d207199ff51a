//! The log as a reliable link reads it while it sends.

use pigeon_proto::{Entry, Position, RoomName};

/// The newest stored entries, in memory. Reading them must not wait for a disk.
pub trait RoomLog {
    /// The position of the newest entry that is on the disk.
    fn newest(&self) -> Position;

    /// Entries after a position, the oldest first, of one room or of all. `None` where some of them
    /// are no longer in memory: [`Read::After`](super::Read::After) asks the disk then.
    fn tail(&self, after: Position, room: Option<&RoomName>, limit: usize) -> Option<Vec<Entry>>;
}
