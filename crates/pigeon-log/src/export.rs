//! Export as JSON lines, and backup as a file.
//!
//! ```text
//! {"position":7,"room":"lobby","from":"狗哥","link":"plain","unix_ms":1795824000000,"text":"你好",
//!  "author":"00…2a","outbox":"0000000000000000","number":7}
//! {"position":8,"room":"lobby","unix_ms":1795824000000,"missing":3,"after":7}
//! ```
//!
//! Bytes that are not UTF-8 appear as `base64` instead of `text`. Authors and outboxes are
//! hexadecimal, because JSON parsers round large numbers.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pigeon_proto::RoomName;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use thiserror::Error;

use crate::entry::millis;
use crate::{Entry, Position, ReadError, Reader, folder};

/// Why an export stopped early. All lines written are whole, except the last.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log could not be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The lines could not be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
}

/// Why a backup failed. No file was left behind.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file exists already; it was left unchanged.
    #[error("{} exists and is left as it is; choose another name", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The file could not be written.
    #[error("cannot write the backup {}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("cannot back up to {}: {source}", file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

/// Entries per read. Between two reads SQLite can reset the write-ahead log; one long read would
/// prevent that until the disk is full.
const AT_ONCE: usize = 512;

impl Reader {
    /// Writes all entries after a position, up to the newest at the call, of one room or of all.
    /// The hub keeps running. Returns the number of lines.
    pub fn export(
        &self,
        after: Position,
        room: Option<&RoomName>,
        mut out: impl Write,
    ) -> Result<u64, ExportError> {
        let end = self.newest(room)?;
        let (mut position, mut lines) = (after, 0);
        while position < end {
            let entries = self.after(position, room, AT_ONCE)?;
            let Some(last) = entries.last() else { break };
            position = last.position();
            for entry in entries.iter().filter(|entry| entry.position() <= end) {
                writeln!(out, "{}", line_of(entry))?;
                lines += 1;
            }
        }
        out.flush()?;
        Ok(lines)
    }

    /// Copies the log to a new file while the hub keeps running. A log opened from the copy begins
    /// a new epoch, so that followers notice.
    ///
    /// The copy is a single step. In several steps, SQLite would restart after every message stored
    /// meanwhile, and might never finish.
    pub fn backup(&self, file: &Path) -> Result<(), BackupError> {
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { file: file.to_owned() },
            _ => BackupError::Write { file: file.to_owned(), source },
        };
        if file.exists() {
            return Err(BackupError::Exists { file: file.to_owned() });
        }
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        folder::create_file(&part).map_err(refused)?;
        let copied = self
            .copy_to(&part)
            .map_err(|source| BackupError::Sqlite { file: file.to_owned(), source })
            .and_then(|()| folder::put_in_place(&part, file).map_err(refused));
        if copied.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        copied
    }

    fn copy_to(&self, part: &Path) -> rusqlite::Result<()> {
        let mut target = Connection::open_with_flags(
            part,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let step = Backup::new(&self.connection, &mut target)?.step(-1)?;
        if step != StepResult::Done {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None));
        }
        crate::store::set(&target, "restored", 1)?;
        // Closing merges the write-ahead log into the file.
        target.close().map_err(|(_, error)| error)
    }
}

/// An entry as a line of JSON, without the newline.
pub(crate) fn line_of(entry: &Entry) -> Value {
    match entry {
        Entry::Gap(gap) => json!({
            "position": gap.position.get(),
            "room": gap.room.as_str(),
            "unix_ms": millis(gap.wall),
            "missing": gap.count,
            "after": gap.after.get(),
        }),
        Entry::Message(message) => {
            let (name, text) = match std::str::from_utf8(&message.text) {
                Ok(text) => ("text", text.to_owned()),
                Err(_) => ("base64", STANDARD.encode(&message.text)),
            };
            json!({
                "position": message.position.get(),
                "room": message.room.as_str(),
                "from": message.speaker,
                "link": message.link.word(),
                "unix_ms": millis(message.wall),
                name: text,
                "author": format!("{:032x}", message.identity.author),
                "outbox": format!("{:016x}", message.identity.outbox),
                "number": message.identity.number,
            })
        }
    }
}
