//! Permanent deletion.
//!
//! 1. The request is stored, so that it resumes after a crash.
//! 2. Messages are deleted in slices. SQLite zeroes the bytes of deleted rows (`secure_delete`).
//! 3. Index partitions that contained them are rebuilt, and the old ones dropped.
//! 4. Free pages, which still contain old data, are cut off the file.
//! 5. The write-ahead log is merged into the file and truncated.
//!
//! Connected followers delete their copies when the deletion is reported. For absent followers the
//! log stores the range of positions that lost messages, but not a list of them: such a list would
//! reveal something about the deleted messages.

use pigeon_proto::{RoomName, fold};
use rusqlite::{Connection, OptionalExtension, params};
use thiserror::Error;

use crate::entry::Sql;
use crate::retention::{Doomed, SCAN};
use crate::store::{bytes_of, find_room};
use crate::{Position, Trouble};

/// What to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// All messages in a room.
    Room(RoomName),
    /// All messages under a name, in every room, regardless of capitals.
    Speaker(Box<str>),
}

/// The result of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The request.
    pub what: Forget,
    /// The newest position that the request covers.
    pub up_to: Position,
    /// The number of messages deleted.
    pub messages: u64,
}

/// Why a deletion failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgetError {
    /// The log is closed. A stored request resumes at the next start.
    #[error("cannot forget: the log is closed")]
    Closed,
    /// The log cannot be written now. Nothing was deleted.
    #[error("cannot forget, and nothing was deleted: {0}")]
    Unable(Trouble),
}

/// A request in progress.
pub(crate) struct Forgetting {
    pub(crate) id: i64,
    pub(crate) what: Forget,
    pub(crate) up_to: Position,
    /// The mark of the deletion, once something is deleted.
    mark: Option<Position>,
    pub(crate) cursor: Position,
    pub(crate) deleted: u64,
    pub(crate) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Delete,
    Rebuild,
    CutOff,
    Truncate,
}

/// Maximum number of ranges stored. Beyond it, the oldest are merged into one.
const MAX_STRETCHES: i64 = 64;

/// Stores a range of deleted messages; `first` is the oldest of them.
pub(crate) fn note_forgotten(
    connection: &Connection,
    up_to: Position,
    first: Position,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO forgotten (up_to, first) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET first = min(first, excluded.first)",
        )?
        .execute(params![up_to.sql(), first.sql()])?;
    let oldest: Option<(i64, i64)> = connection
        .prepare_cached("SELECT up_to, first FROM forgotten ORDER BY up_to DESC LIMIT 1 OFFSET ?1")?
        .query_row([MAX_STRETCHES], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((oldest, first)) = oldest {
        connection
            .prepare_cached(
                "UPDATE forgotten SET first = min(first, ?2)
                 WHERE up_to = (SELECT min(up_to) FROM forgotten WHERE up_to > ?1)",
            )?
            .execute([oldest, first])?;
        connection.prepare_cached("DELETE FROM forgotten WHERE up_to <= ?1")?.execute([oldest])?;
    }
    Ok(())
}

/// The position of the first message deleted after a follower saw its last one, and which it may
/// still have. It has carried out the deletions up to `deletion`.
pub(crate) fn first_forgotten(
    connection: &Connection,
    seen: Position,
    deletion: Position,
) -> rusqlite::Result<Option<Position>> {
    let first: Option<i64> = connection
        .prepare_cached(
            "SELECT min(first) FROM forgotten WHERE up_to >= ?1 AND first <= ?1 AND up_to > ?2",
        )?
        .query_row([seen.sql(), deletion.sql()], |row| row.get(0))?;
    Ok(first.map(Position::from_sql))
}

/// The mark of the newest deletion. [`Position::START`] while one is under way: what a follower reads
/// now may be deleted yet, so it must hear of that one again.
pub(crate) fn newest_deletion(connection: &Connection) -> rusqlite::Result<Position> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(up_to) FROM forgotten WHERE NOT EXISTS (SELECT 1 FROM forgetting)",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(newest.map_or(Position::START, Position::from_sql))
}

/// The mark of a new deletion: the last position that was drawn, which ends its range. It is greater
/// than the mark of each earlier one, so that followers can tell them apart.
fn mark(connection: &Connection, last: Position) -> rusqlite::Result<Position> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(up_to) FROM forgotten")?
        .query_row([], |row| row.get(0))?;
    Ok(newest.map_or(last, |newest| last.max(Position::from_sql(newest).ahead(1))))
}

impl Forgetting {
    /// Stores a request.
    pub(crate) fn begin(
        connection: &Connection,
        what: Forget,
        up_to: Position,
    ) -> rusqlite::Result<Forgetting> {
        let (room, speaker) = match &what {
            Forget::Room(room) => (Some(room.as_str()), None),
            Forget::Speaker(speaker) => (None, Some(&**speaker)),
        };
        connection
            .prepare_cached("INSERT INTO forgetting (room, speaker, up_to) VALUES (?1, ?2, ?3)")?
            .execute(params![room, speaker, up_to.sql()])?;
        Ok(Forgetting::new(connection.last_insert_rowid(), what, up_to))
    }

    /// Requests interrupted by a crash.
    pub(crate) fn unfinished(connection: &Connection) -> rusqlite::Result<Vec<Forgetting>> {
        let mut statement =
            connection.prepare("SELECT id, room, speaker, up_to FROM forgetting ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let room = crate::store::room_of(row.get_ref(1)?);
            let what = match (room, row.get::<_, Option<Box<str>>>(2)?) {
                (Some(room), _) => Forget::Room(room),
                (None, Some(speaker)) => Forget::Speaker(speaker),
                (None, None) => continue,
            };
            found.push(Forgetting::new(row.get(0)?, what, Position::from_sql(row.get(3)?)));
        }
        Ok(found)
    }

    fn new(id: i64, what: Forget, up_to: Position) -> Forgetting {
        let (cursor, step) = (Position::START, Step::Delete);
        Forgetting { id, what, up_to, mark: None, cursor, deleted: 0, step }
    }

    /// The mark of the deletion. After a restart it has another one, which does no harm.
    pub(crate) fn mark(
        &mut self,
        connection: &Connection,
        last: Position,
    ) -> rusqlite::Result<Position> {
        let mark = match self.mark {
            Some(mark) => mark,
            None => mark(connection, last)?,
        };
        self.mark = Some(mark);
        Ok(mark)
    }

    pub(crate) fn done(&self) -> Forgotten {
        Forgotten { what: self.what.clone(), up_to: self.up_to, messages: self.deleted }
    }

    /// The next messages to delete, and the position searched so far. `None` at the end.
    pub(crate) fn next(
        &self,
        connection: &Connection,
        limit: usize,
    ) -> rusqlite::Result<Option<(Vec<Doomed>, Position)>> {
        let room = match &self.what {
            Forget::Room(room) => match find_room(connection, room)? {
                Some((room, _)) => Some(room),
                None => return Ok(None),
            },
            Forget::Speaker(_) => None,
        };
        let speaker = match &self.what {
            Forget::Speaker(speaker) => Some(fold(speaker)),
            Forget::Room(_) => None,
        };
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {} FROM messages m WHERE position > ?1 AND position <= ?2
             ORDER BY position LIMIT ?3",
            Doomed::COLUMNS
        ))?;
        let mut rows =
            statement.query(params![self.cursor.sql(), self.up_to.sql(), SCAN as i64])?;
        let mut found = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            last = Some(Position::from_sql(row.get(0)?));
            let of_room = room.is_none() || room == Some(row.get(1)?);
            let matches = of_room
                && match &speaker {
                    Some(folded) => bytes_of(row.get_ref(2)?)
                        .and_then(|bytes| std::str::from_utf8(bytes).ok())
                        .is_some_and(|label| fold(label) == *folded),
                    None => true,
                };
            if matches {
                found.push(Doomed::of_row(row)?);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(last.map(|last| (found, last)))
    }
}
