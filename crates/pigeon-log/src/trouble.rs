//! Kinds of SQLite failures.

use std::fmt;

use rusqlite::ErrorCode;

/// Why the log cannot store, now or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk is full.
    Full,
    /// The file or its folder is not writable.
    ReadOnly,
    /// The disk failed to read or write.
    Io,
    /// The files were removed or replaced. SQLite would continue to write to files without a name,
    /// which could not be opened again.
    Gone,
    /// Another program holds the file's lock.
    Busy,
    /// The file is damaged. The log stops writing to it.
    Damaged,
    /// The epoch has no positions left.
    NoPositions,
    /// Something else.
    Other,
}

impl Trouble {
    /// Classifies an SQLite error.
    pub fn of(error: &rusqlite::Error) -> Trouble {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Trouble::ReadOnly,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Trouble::Io,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
            _ => Trouble::Other,
        }
    }

    /// Whether the log retries automatically.
    pub fn heals(&self) -> bool {
        !matches!(self, Trouble::Damaged | Trouble::NoPositions)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Full => "the disk is full; free some space",
            Trouble::ReadOnly => "the folder or file is read-only; make it writable",
            Trouble::Io => "the disk fails to read or write; look into the system's log",
            Trouble::Gone => "the log's files were moved or removed; put them back, or restart",
            Trouble::Busy => "another program holds the log's lock; end it",
            Trouble::Damaged => "the log is damaged; stop the hub and restore a backup",
            Trouble::NoPositions => "the epoch has no positions left; begin a new epoch",
            Trouble::Other => "SQLite reports an error",
        })
    }
}
