//! The file: how it is made, examined, brought up to date and opened.
//!
//! Examination happens on a connection that cannot write, before any other is opened. So a file that
//! is refused stays as it was, byte for byte: a connection that may write would move the
//! write-ahead log into the file when it closes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::Position;
use crate::folder::{self, FILE};

/// "pglg", in the header of every file of this kind.
pub(crate) const APPLICATION_ID: i32 = 0x7067_6c67;

/// What each version adds. A new file takes all steps; an older one those it lacks.
///
/// A step that was released is never edited: files in the field have taken it as it was.
pub(crate) const STEPS: [&str; 4] = [
    // 1: messages and what finds them. An identity is found through its outbox's row, which keeps 32 bytes out of every
    // message and its index.
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
    // 2: the index, retention and forgetting. What `indexed` covers is counted in `usage`, so the
    // messages of an older file are counted while they are indexed.
    //
    // `by_room` is made behind the writer too. As an index of the table it dirtied a page for each
    // room in every transaction and took a third of the writer's speed.
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
    // 3: where messages were forgotten, for followers that were away. It names nobody.
    "CREATE TABLE forgotten (
         up_to INTEGER PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;",
    // 4: what the hub numbers itself (links 2 and 4) comes once, so its identities need not be found. They
    // cost a third of the writer's time. An import, which may bring them again, makes an index for itself.
    "DROP INDEX messages_by_identity;
     CREATE UNIQUE INDEX messages_by_identity ON messages (outbox, number)
         WHERE link NOT IN (2, 4);",
];

/// Makes the index by which an import finds what is there already. Not unique, so that a damaged file
/// fails where it is read and not here.
pub(crate) const BEGIN_IMPORT: &str =
    "CREATE INDEX IF NOT EXISTS import_by_identity ON messages (outbox, number)
     WHERE outbox IS NOT NULL";

/// Drops it. One that a crash left behind is dropped when the log is opened.
pub(crate) const END_IMPORT: &str = "DROP INDEX IF EXISTS import_by_identity";

/// The version this program writes.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// Why a log was not opened. Nothing was changed, except by an upgrade that was completed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by {}; stop that hub, or choose another folder", folder.display(), process(*by))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, if its id could be read.
        by: Option<u32>,
    },
    /// The folder or a file could not be created or read.
    #[error("cannot {doing} {}: {source}; check its owner and mode, or choose another folder", path.display())]
    Folder {
        /// What was attempted.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no log there.
    #[error("there is no log in {}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The file is something else.
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
        /// What was found.
        what: String,
    },
    /// A newer program wrote the file.
    #[error("{} has version {found}, and this program knows versions up to {VERSION}; use a newer pigeon", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
    },
    /// An older program wrote the file, and it can be upgraded only by a hub.
    #[error("{} has version {found}; start the hub once to upgrade it", file.display())]
    Older {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
    },
    /// SQLite failed for a reason other than damage.
    #[error("cannot {doing} {}: {}", file.display(), in_a_line(source))]
    Sqlite {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// What SQLite said, in one line and without the statement that it said it of.
pub(crate) fn in_a_line(error: &rusqlite::Error) -> String {
    let said = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn process(id: Option<u32>) -> String {
    id.map_or("another process".into(), |id| format!("process {id}"))
}

/// Opens the file of a folder for the writer, after it was created, examined or upgraded.
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

/// Opens the file of a folder for reading, beside the writer.
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

/// Examines a file and changes nothing, not even its write-ahead log. Damage in the middle is found
/// by `thorough` alone, which reads the whole file.
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
            // Above the last line it names the database, of which there is one.
            return Err(damaged(verdict.lines().last().unwrap_or_default().to_owned()));
        }
    }
    match check_contents(&connection) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(damaged(what)),
        Err(source) => Err(failed(source)),
    }
}

/// Compares the tables with those that a new file of this version has. SQLite's own examination does
/// not read the text that defines them, and errors of statements would be the first to show it.
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

/// What the newest message must agree with, which is what damage and a split transaction break.
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

/// Looks at the header without SQLite, which would create files beside one that is not its own.
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

/// Makes a new file under another name and puts it in place when it is whole. So the log's name
/// never stands for half a file, and an empty one is known to be damaged.
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
    // A group is written in half as many pages as in SQLite's default of 4,096 bytes, each of which
    // costs two calls. Larger ones make a single message dearer.
    connection.pragma_update(None, "page_size", 8_192)?;
    // Retention gives space back in slices; a whole VACUUM would stall the writer.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    // Before the file gets its name: changing the mode later goes through a rollback journal, which
    // the connection that examines could not roll back after a power cut.
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    upgrade(&mut connection)?;
    connection.close().map_err(|(_, error)| error)
}

/// Takes the steps a file lacks, all or none.
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
    // Zeroes what is deleted where that costs no further writes. `forget` takes care of the rest.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "cache_size", -16_384)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Readers and the writer do not wait for each other. This is for programs beside the hub, such
    // as SQLite's shell.
    connection.busy_timeout(Duration::from_millis(250))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else SQLite plans a statement anew for each value of a parameter, which takes longer than most of
    // them run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A damaged or hostile file must not run code or lead beyond its pages.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Why a file could not be examined. The statements are right, so it is damage where SQLite finds an
/// error in one: a table is missing, or its definition cannot be read.
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

/// One thread uses a connection, so SQLite's own mutexes are not needed.
fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// An error of SQLite as one of opening: damage is told apart, since it asks for other acts.
fn sqlite_error(doing: &'static str, file: &Path, source: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match crate::Trouble::of(&source) {
        crate::Trouble::Damaged => OpenError::Damaged { file, what: in_a_line(&source) },
        _ => OpenError::Sqlite { doing, file, source },
    }
}

/// Examines the log of a folder, reads all of it, and changes nothing.
pub fn check(folder: &Path) -> Result<(), OpenError> {
    examine(&folder.join(FILE), true)
}
