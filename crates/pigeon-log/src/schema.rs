//! The file: creating, examining, upgrading and opening it.
//!
//! The examination uses a read-only connection before any other is opened. So a rejected file stays
//! unchanged byte for byte: a writable connection would merge the write-ahead log into the file
//! when it closes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::Position;
use crate::folder::{self, FILE};

/// "pglg", in the header of every log file.
pub(crate) const APPLICATION_ID: i32 = 0x7067_6c67;

/// The schema changes of each version. A new file gets all steps; an older one those it lacks.
///
/// A released step must never be edited: existing files have applied the original.
pub(crate) const STEPS: [&str; 4] = [
    // 1: messages and their lookup tables. A message refers to its outbox's row, which saves 32
    // bytes in every message and in its index.
    "CREATE TABLE rooms (
         id INTEGER PRIMARY KEY, folded TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
     CREATE TABLE outboxes (
         id INTEGER PRIMARY KEY, author BLOB NOT NULL, outbox INTEGER NOT NULL,
         last_number INTEGER NOT NULL, last_position INTEGER NOT NULL, last_used INTEGER NOT NULL,
         UNIQUE (author, outbox));
     CREATE TABLE messages (
         position INTEGER PRIMARY KEY, room INTEGER NOT NULL, speaker TEXT NOT NULL,
         link INTEGER NOT NULL, wall INTEGER NOT NULL, text, outbox INTEGER, number INTEGER);
     CREATE INDEX messages_by_room ON messages (room);
     CREATE UNIQUE INDEX messages_by_identity ON messages (outbox, number) WHERE outbox IS NOT NULL;
     CREATE TABLE gaps (
         position INTEGER PRIMARY KEY, after INTEGER NOT NULL, count INTEGER NOT NULL);
     CREATE TABLE facts (
         kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
         PRIMARY KEY (kind, key)) WITHOUT ROWID;
     CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
    // 2: the index, retention and forgetting. `usage` covers the messages that `indexed` covers, so
    // an older file's messages are counted while they are indexed.
    //
    // `by_room` is filled after the writer, like the index. As an SQLite index it dirtied a page
    // per room in every transaction, which took a third of the writer's speed.
    "DROP INDEX messages_by_room;
     CREATE TABLE by_room (
         room INTEGER NOT NULL, position INTEGER NOT NULL,
         PRIMARY KEY (room, position)) WITHOUT ROWID;
     CREATE TABLE partitions (
         id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
         rows INTEGER NOT NULL, dead INTEGER NOT NULL);
     CREATE TABLE usage (
         room INTEGER NOT NULL, speaker TEXT NOT NULL, messages INTEGER NOT NULL,
         bytes INTEGER NOT NULL, PRIMARY KEY (room, speaker)) WITHOUT ROWID;
     CREATE TABLE ages (age INTEGER PRIMARY KEY, position INTEGER NOT NULL);
     CREATE TABLE forgetting (
         id INTEGER PRIMARY KEY, room TEXT, speaker TEXT, up_to INTEGER NOT NULL);",
    // 3: ranges of forgotten messages, for absent followers. They contain no names.
    "CREATE TABLE forgotten (
         up_to INTEGER PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;",
    // 4: the hub never repeats its own numbers (links 2 and 4), so these identities need no index.
    // It took a third of the writer's time. An import, which may repeat them, creates an index
    // temporarily.
    "DROP INDEX messages_by_identity;
     CREATE UNIQUE INDEX messages_by_identity ON messages (outbox, number)
         WHERE link NOT IN (2, 4);",
];

/// Creates the index for finding repeated entries in an import. Not unique: a damaged file must
/// fail in reading, not here.
pub(crate) const BEGIN_IMPORT: &str =
    "CREATE INDEX IF NOT EXISTS import_by_identity ON messages (outbox, number)
     WHERE outbox IS NOT NULL";

/// Drops that index, at the end of an import or at the next start after a crash.
pub(crate) const END_IMPORT: &str = "DROP INDEX IF EXISTS import_by_identity";

/// The version that this program writes.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// Why a log was not opened. The file is unchanged, unless an upgrade was completed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the log open.
    #[error("{} is in use by {}; stop that hub, or choose another folder", folder.display(), process(*by))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process's id, if readable.
        by: Option<u32>,
    },
    /// The folder or a file could not be created or read.
    #[error("cannot {doing} {}: {source}; check its owner and mode, or choose another folder", path.display())]
    Folder {
        /// The attempted operation.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The folder contains no log.
    #[error("there is no log in {}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is not a log.
    #[error("{} is not a pigeon log and is left as it is; choose another folder", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged ({what}) and is left as it is; put a backup in its place, or move the folder \
         away to begin an empty log and export what can still be read from the old one", file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The damage.
        what: String,
    },
    /// A newer program wrote the file.
    #[error("{} has version {found}, and this program knows versions up to {VERSION}; use a newer pigeon", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The file's version.
        found: i64,
    },
    /// An older program wrote the file, and only a hub can upgrade it.
    #[error("{} has version {found}; start the hub once to upgrade it", file.display())]
    Older {
        /// The file.
        file: PathBuf,
        /// The file's version.
        found: i64,
    },
    /// SQLite failed for a reason other than damage.
    #[error("cannot {doing} {}: {}", file.display(), in_a_line(source))]
    Sqlite {
        /// The attempted operation.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

/// SQLite's error message in one line, without the SQL statement.
pub fn in_a_line(error: &rusqlite::Error) -> String {
    let said = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn process(id: Option<u32>) -> String {
    id.map_or("another process".into(), |id| format!("process {id}"))
}

/// Opens a folder's file for the writer; creates, examines or upgrades it first.
pub(crate) fn open_for_writing(folder: &Path, thorough: bool) -> Result<Connection, OpenError> {
    let file = folder.join(FILE);
    match file.try_exists() {
        Ok(true) => examine(&file, thorough)?,
        Ok(false) => create(folder, &file)?,
        Err(source) => return Err(OpenError::Folder { doing: "find", path: file, source }),
    }
    let failed = |doing| {
        let file = file.clone();
        move |source| sqlite_error(doing, &file, source)
    };
    let mut connection =
        Connection::open_with_flags(&file, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))
            .map_err(failed("open"))?;
    configure_writer(&connection).map_err(failed("open"))?;
    upgrade(&mut connection).map_err(failed("upgrade"))?;
    connection.execute_batch(END_IMPORT).map_err(failed("open"))?;
    Ok(connection)
}

/// Opens a folder's file for reading, beside the writer.
pub(crate) fn open_for_reading(folder: &Path) -> Result<Connection, OpenError> {
    let file = folder.join(FILE);
    check_header(&file)?;
    let connection = open_read_only(&file)?;
    match version(&connection).map_err(|e| sqlite_error("read", &file, e))? {
        VERSION => {
            check_schema(&connection, &file, VERSION)?;
            Ok(connection)
        }
        found if found < VERSION => Err(OpenError::Older { file, found }),
        found => Err(OpenError::Newer { file, found }),
    }
}

/// Examines a file without changing it or its write-ahead log. Only a `thorough` examination, which
/// reads the whole file, finds damage in the middle.
pub(crate) fn examine(file: &Path, thorough: bool) -> Result<(), OpenError> {
    check_header(file)?;
    let damaged = |what: String| OpenError::Damaged { file: file.to_owned(), what };
    let failed = |source| reading_error(file, source);
    let connection = open_read_only(file)?;
    let found = version(&connection).map_err(failed)?;
    if found > VERSION {
        return Err(OpenError::Newer { file: file.to_owned(), found });
    }
    if found < 1 {
        return Err(damaged(format!("it has version {found}")));
    }
    check_schema(&connection, file, found)?;
    if thorough {
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if verdict != "ok" {
            // The lines before the last only name the database.
            return Err(damaged(verdict.lines().last().unwrap_or_default().to_owned()));
        }
    }
    match check_contents(&connection) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(damaged(what)),
        Err(source) => Err(failed(source)),
    }
}

/// Compares the tables with those of a new file of this version. SQLite's own check does not read
/// the table definitions, so damage there would only show in later statements.
fn check_schema(connection: &Connection, file: &Path, version: i64) -> Result<(), OpenError> {
    let failed = |source| reading_error(file, source);
    let differs = || -> rusqlite::Result<Option<String>> {
        let model = Connection::open_in_memory()?;
        for step in STEPS.iter().take(usize::try_from(version).unwrap_or(0)) {
            model.execute_batch(step)?;
        }
        let mut expected =
            model.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
        let mut found = connection.prepare("SELECT sql FROM sqlite_schema WHERE name = ?1")?;
        let words = |sql: &str| sql.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut rows = expected.query([])?;
        while let Some(row) = rows.next()? {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            let found: Option<Option<String>> =
                found.query([&name])?.next()?.map(|row| row.get(0)).transpose()?;
            if found.flatten().is_none_or(|found| words(&found) != words(&sql)) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    };
    match differs().map_err(failed)? {
        None => Ok(()),
        Some(name) => {
            let what = format!("the definition of {name} is not what it was");
            Err(OpenError::Damaged { file: file.to_owned(), what })
        }
    }
}

/// Checks that the newest message agrees with its outbox and counters: damage and split
/// transactions break that.
fn check_contents(connection: &Connection) -> rusqlite::Result<Option<String>> {
    for table in ["rooms", "gaps", "facts", "settings"] {
        connection.query_row(&format!("SELECT count(*) FROM {table} LIMIT 1"), [], |_| Ok(()))?;
    }
    let mut newest = connection.prepare(
        "SELECT m.position, m.room IN (SELECT id FROM rooms), m.outbox IS NULL, o.last_number >= m.number
         FROM messages m LEFT JOIN outboxes o ON o.id = m.outbox
         ORDER BY m.position DESC LIMIT 1",
    )?;
    let mut rows = newest.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let position: i64 = row.get(0)?;
    if u64::try_from(position).ok().and_then(Position::new).is_none() {
        return Ok(Some(format!("a message has the position {position}")));
    }
    let (room, gap): (bool, bool) = (row.get(1)?, row.get(2)?);
    let counted: Option<bool> = row.get(3)?;
    if !room {
        return Ok(Some(format!("message {position} is in no room")));
    }
    if !gap && counted != Some(true) {
        return Ok(Some(format!("message {position} is missing in its outbox")));
    }
    Ok(None)
}

/// Checks the header without SQLite, which would create files beside a foreign one.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let folder = || path.parent().unwrap_or(path).to_owned();
    let mut header = [0; 100];
    let mut file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { folder: folder() },
        _ => OpenError::Folder { doing: "read", path: path.to_owned(), source },
    })?;
    if let Err(source) = file.read_exact(&mut header) {
        return Err(match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                OpenError::Damaged { file: path.to_owned(), what: "it ends in its header".into() }
            }
            _ => OpenError::Folder { doing: "read", path: path.to_owned(), source },
        });
    }
    if header.get(..16) != Some(b"SQLite format 3\0")
        || header.get(68..72) != Some(&APPLICATION_ID.to_be_bytes())
    {
        return Err(OpenError::Foreign { file: path.to_owned() });
    }
    Ok(())
}

/// Creates a new file under another name, and renames it when complete. So a crash never leaves an
/// incomplete file under the log's name, and an empty file there is damaged.
fn create(folder: &Path, file: &Path) -> Result<(), OpenError> {
    let wal = folder.join(format!("{FILE}-wal"));
    if wal.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        let what = "it is missing, but its write-ahead log is there".into();
        return Err(OpenError::Damaged { file: file.to_owned(), what });
    }
    let part = folder.join(format!("{FILE}.new"));
    let refused = |source| OpenError::Folder { doing: "create", path: file.to_owned(), source };
    if let Err(source) = std::fs::remove_file(&part)
        && source.kind() != io::ErrorKind::NotFound
    {
        return Err(refused(source));
    }
    folder::create_file(&part).map_err(refused)?;
    build(&part).map_err(|source| sqlite_error("create", file, source))?;
    folder::put_in_place(&part, file).map_err(refused)
}

fn build(part: &Path) -> rusqlite::Result<()> {
    let mut connection =
        Connection::open_with_flags(part, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    // With pages twice SQLite's default of 4,096 bytes, a group needs half as many, at two system
    // calls each. Larger pages make a single message more expensive.
    connection.pragma_update(None, "page_size", 8_192)?;
    // Retention frees space in slices; a whole VACUUM would stall the writer.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    // Set before the file gets its name. Changing the mode later uses a rollback journal, which the
    // read-only examination could not roll back after a power cut.
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    upgrade(&mut connection)?;
    connection.close().map_err(|(_, error)| error)
}

/// Applies the missing steps, all or none.
pub(crate) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = version(connection)?;
    if found >= VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn open_read_only(file: &Path) -> Result<Connection, OpenError> {
    let failed = |source| sqlite_error("open", file, source);
    let connection = Connection::open_with_flags(file, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))
        .map_err(failed)?;
    configure(&connection).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    Ok(connection)
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    configure(connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Zeroes deleted bytes where that needs no extra writes. `forget` takes care of the rest.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "cache_size", -16_384)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // For other programs, such as SQLite's shell: our readers and the writer never wait for each
    // other.
    connection.busy_timeout(Duration::from_millis(250))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Without this, SQLite plans a statement again for each parameter value, which takes longer
    // than most of them run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A damaged or hostile file must not run code or refer to pages beyond its end.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Converts an error of the examination. Our statements are valid, so an SQL error means damage: a
/// table is missing, or its definition is unreadable.
fn reading_error(file: &Path, source: rusqlite::Error) -> OpenError {
    let is_of_statement = match &source {
        rusqlite::Error::SqlInputError { .. } => true,
        other => other.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown),
    };
    match is_of_statement {
        true => OpenError::Damaged { file: file.to_owned(), what: in_a_line(&source) },
        false => sqlite_error("read", file, source),
    }
}

/// Only one thread uses a connection, so SQLite's mutexes are unnecessary.
fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Converts an SQLite error, and separates damage, which needs other measures.
fn sqlite_error(doing: &'static str, file: &Path, source: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match crate::Trouble::of(&source) {
        crate::Trouble::Damaged => OpenError::Damaged { file, what: in_a_line(&source) },
        _ => OpenError::Sqlite { doing, file, source },
    }
}

/// Examines the whole log of a folder without changing it.
pub fn check(folder: &Path) -> Result<(), OpenError> {
    examine(&folder.join(FILE), true)
}
