//! Reading beside the writer. Readers see whole transactions, and neither wait for the writer nor
//! block it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pigeon_proto::RoomName;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use thiserror::Error;

use crate::entry::{Sql, link_of, wall_of, weight_of};
use crate::folder::FILE;
use crate::log::Shared;
use crate::store::{bytes_of, find_room, room_of};
use crate::{
    Entry, Follow, Gap, Identity, Message, OpenError, Position, Query, Seen, forget, index, schema,
};

/// A reader with its own connection, for one thread.
pub struct Reader {
    pub(crate) connection: Connection,
    file: PathBuf,
    /// In-memory state of the writer in the same process.
    shared: Option<Arc<Shared>>,
}

/// The result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The matches, newest first.
    pub messages: Vec<Arc<Message>>,
    /// The search continues before this position. `None`: the search is complete. If fewer messages
    /// than requested were found, the search stopped at its cost limit.
    pub more: Option<Position>,
}

/// Why reading failed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file is damaged.
    #[error("cannot {doing} {}: the file is damaged ({what}); restore a backup", file.display())]
    Damaged {
        /// The attempted operation.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// The damage.
        what: String,
    },
    /// SQLite failed for another reason.
    #[error("cannot {doing} {}: {}", file.display(), schema::in_a_line(source))]
    Sqlite {
        /// The attempted operation.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

/// An invalid row of [`SELECT`].
struct Nonsense(String);

pub(crate) enum RowError {
    Sqlite(rusqlite::Error),
    Nonsense(String),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> RowError {
        RowError::Sqlite(error)
    }
}

impl From<Nonsense> for RowError {
    fn from(Nonsense(what): Nonsense) -> RowError {
        RowError::Nonsense(what)
    }
}

const SELECT: &str = "SELECT m.position, r.name, m.speaker, m.link, m.wall, m.text,
     o.author, o.outbox, m.number, g.after, g.count FROM";
const BY_ROOM: &str = "by_room b CROSS JOIN";
const JOINS: &str = "messages m LEFT JOIN rooms r ON r.id = m.room
     LEFT JOIN outboxes o ON o.id = m.outbox LEFT JOIN gaps g ON g.position = m.position";

/// Rows that a search scans before it uses the index. A word found in most messages is found among
/// the newest ones; the index would be slowest for it.
const SCAN: usize = 1_024;

/// The approximate cost limit of one search, in bytes read.
const SEARCH_BYTES: usize = 4 << 20;
/// The approximate limit of one read, in bytes of entries.
const READ_BYTES: usize = 4 << 20;
/// The cost of a row besides its text, in bytes.
const ROW_COST: usize = 128;
/// The cost of looking up one gram in one partition, in bytes.
const GRAM_COST: usize = 16 << 10;

/// The remaining cost limit. The last expense may exceed it, so that every call makes some
/// progress.
pub(crate) struct Budget(usize);

impl Budget {
    /// The limit of one read.
    pub(crate) fn of_read() -> Budget {
        Budget(READ_BYTES)
    }

    fn is_spent(&self) -> bool {
        self.0 == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
}

/// Why scanning the newest rows ended.
enum Scan {
    /// No rows are left.
    End,
    /// The index covers the rows before this position.
    Index(i64),
    /// Found enough, or reached the cost limit. The search continues before this position.
    Stopped(i64),
}

impl Reader {
    /// Opens the log of a folder for reading, with or without a running hub.
    pub fn open(folder: &Path) -> Result<Reader, OpenError> {
        Reader::new(folder, None)
    }

    pub(crate) fn beside(folder: &Path, shared: Arc<Shared>) -> Result<Reader, OpenError> {
        Reader::new(folder, Some(shared))
    }

    fn new(folder: &Path, shared: Option<Arc<Shared>>) -> Result<Reader, OpenError> {
        let connection = schema::open_for_reading(folder)?;
        Ok(Reader { connection, file: folder.join(FILE), shared })
    }

    /// The next entries after a position, of one room or of all. Returns fewer than `limit` if they
    /// are large, and none at the end.
    pub fn after(
        &self,
        position: Position,
        room: Option<&RoomName>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.reading("read", || {
            let Some(room) = self.room(room)? else { return Ok(Vec::new()) };
            let name = room.as_ref().map(|(_, name)| name);
            if let Some(shared) = &self.shared
                && let Some(entries) = shared.tail.after(position, name, limit)
            {
                return Ok(entries);
            }
            let entries = match room {
                None => self.entries(
                    "",
                    "m.position > ?1 ORDER BY m.position LIMIT ?2",
                    params![position.sql(), limit as i64],
                    &mut Budget(READ_BYTES),
                )?,
                Some((room, _)) => self.after_in(room, position, limit)?,
            };
            // In a damaged file rows may be out of order. Continuing from the last one could then
            // loop for ever.
            let positions = [position].into_iter().chain(entries.iter().map(Entry::position));
            if !positions.is_sorted_by(|a, b| a < b) {
                return Err(Nonsense(format!("what follows {position} is out of order")).into());
            }
            Ok(entries)
        })
    }

    /// The last entries before a position, oldest first. [`Position::END`] is after all entries.
    /// Returns fewer than `limit` if they are large, and none at the start.
    pub fn before(
        &self,
        position: Position,
        room: Option<&RoomName>,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.reading("read", || {
            let mut entries = match self.room(room)? {
                None => return Ok(Vec::new()),
                Some(None) => self.entries(
                    "",
                    "m.position < ?1 ORDER BY m.position DESC LIMIT ?2",
                    params![position.sql(), limit as i64],
                    &mut Budget(READ_BYTES),
                )?,
                Some(Some((room, _))) => self.before_in(room, position, limit)?,
            };
            entries.reverse();
            Ok(entries)
        })
    }

    /// The newest messages before a position that contain every word, newest first. For more,
    /// search again before [`Found::more`]. One search takes at most some tens of milliseconds.
    pub fn search(
        &self,
        query: &Query,
        room: Option<&RoomName>,
        limit: usize,
        before: Position,
    ) -> Result<Found, ReadError> {
        self.reading("search", || {
            let Some(room) = self.room(room)? else { return Ok(Found::default()) };
            let room = room.map(|(room, _)| room);
            // One snapshot: otherwise the index could advance between two statements.
            let _transaction = self.connection.unchecked_transaction()?;
            let mut budget = Budget(SEARCH_BYTES);
            let mut found = Vec::new();
            let more = match self.scan(query, room, limit, before, &mut found, &mut budget)? {
                Scan::End => None,
                Scan::Stopped(at) => Some(at),
                Scan::Index(at) => {
                    self.ask_index(query, room, limit, at, &mut found, &mut budget)?
                }
            };
            if more.is_some_and(|more| limit > 0 && more >= before.sql()) {
                // Continuing there would loop for ever.
                return Err(Nonsense(format!("what precedes {before} is out of order")).into());
            }
            let mut messages = Vec::with_capacity(found.len());
            for position in found {
                if let Some(Entry::Message(message)) = self.entry(position)? {
                    messages.push(message);
                }
            }
            Ok(Found { messages, more: more.map(Position::from_sql) })
        })
    }

    /// The last number of an outbox that was stored; 0 where nothing of it was. It outlives the
    /// messages themselves.
    pub fn last_number(&self, author: u128, outbox: u64) -> Result<u64, ReadError> {
        self.reading("read the outboxes of", || {
            let last = self
                .connection
                .prepare_cached(
                    "SELECT last_number FROM outboxes WHERE author = ?1 AND outbox = ?2",
                )?
                .query_row(params![author.to_be_bytes(), outbox as i64], |row| row.get::<_, i64>(0))
                .optional()?;
            Ok(last.map_or(0, i64::unsigned_abs))
        })
    }

    /// Where a follower continues after its last seen message, if it has carried out the deletions up
    /// to this one.
    pub fn follow(&self, seen: Option<Seen>, deletion: Position) -> Result<Follow, ReadError> {
        self.reading("follow", || {
            let Some(seen) = seen else { return Ok(Follow::From(Position::START)) };
            let _transaction = self.connection.unchecked_transaction()?;
            let forgotten = forget::first_forgotten(&self.connection, seen.position, deletion)?;
            let held = self.entry(seen.position.sql())?;
            let is_held = held.as_ref().and_then(Entry::message).map(|held| held.identity)
                == Some(seen.identity);
            if is_held && forgotten.is_none() {
                return Ok(Follow::From(seen.position));
            }
            let before = forgotten.unwrap_or(seen.position).min(seen.position);
            let common = self.entries(
                "",
                "m.position < ?1 AND m.link > 0 ORDER BY m.position DESC LIMIT 1",
                params![before.sql()],
                &mut Budget(READ_BYTES),
            )?;
            let last_common = common
                .first()
                .and_then(Entry::message)
                .map(|message| Seen { position: message.position, identity: message.identity });
            let forgotten = match forgotten {
                Some(_) => Some(forget::newest_deletion(&self.connection)?),
                None => None,
            };
            Ok(Follow::Reset { last_common, forgotten })
        })
    }

    /// The position of the newest entry, of one room or of all.
    pub fn newest(&self, room: Option<&RoomName>) -> Result<Position, ReadError> {
        let newest = self.before(Position::END, room, 1)?;
        Ok(newest.first().map_or(Position::START, Entry::position))
    }

    /// The rooms with entries, by name.
    pub fn rooms(&self) -> Result<Vec<RoomName>, ReadError> {
        self.reading("list the rooms of", || {
            let mut statement = self.connection.prepare_cached(
                "SELECT name FROM rooms r
                 WHERE EXISTS (SELECT 1 FROM by_room b WHERE b.room = r.id)
                 OR id IN (SELECT room FROM messages WHERE position > ?1) ORDER BY folded",
            )?;
            let mut rows = statement.query([index::indexed(&self.connection)?.sql()])?;
            let mut names = Vec::new();
            while let Some(row) = rows.next()? {
                names.extend(room_of(row.get_ref(0)?));
            }
            Ok(names)
        })
    }

    /// Scans the newest rows: all that are not indexed, and some more.
    fn scan(
        &self,
        query: &Query,
        room: Option<i64>,
        limit: usize,
        before: Position,
        found: &mut Vec<i64>,
        budget: &mut Budget,
    ) -> Result<Scan, RowError> {
        let indexed = index::indexed(&self.connection)?.sql();
        let indexable = query.expression(None).is_some();
        let mut looked = 0;
        let mut look = |rows: &mut rusqlite::Rows<'_>| -> Result<Scan, RowError> {
            while let Some(row) = rows.next()? {
                let position: i64 = row.get(0)?;
                if found.len() >= limit || budget.is_spent() {
                    return Ok(Scan::Stopped(position.saturating_add(1)));
                }
                if looked >= SCAN && position <= indexed && indexable {
                    return Ok(Scan::Index(position.saturating_add(1)));
                }
                looked += 1;
                if matches(query, row.get_ref(1)?, budget) {
                    found.push(position);
                }
            }
            Ok(Scan::End)
        };
        let Some(room) = room else {
            let mut newest = self.connection.prepare_cached(
                "SELECT position, text FROM messages WHERE position < ?1 ORDER BY position DESC",
            )?;
            return look(&mut newest.query([before.sql()])?);
        };
        let mut behind = self.connection.prepare_cached(
            "SELECT position, text FROM messages WHERE position < ?1 AND position > ?3 AND room = ?2
             ORDER BY position DESC",
        )?;
        if let Scan::Stopped(at) = look(&mut behind.query(params![before.sql(), room, indexed])?)? {
            return Ok(Scan::Stopped(at));
        }
        let mut of_room = self.connection.prepare_cached(
            "SELECT m.position, text FROM by_room b CROSS JOIN messages m ON m.position = b.position
             WHERE b.room = ?2 AND b.position < ?1 ORDER BY b.position DESC",
        )?;
        look(&mut of_room.query(params![before.sql(), room])?)
    }

    /// Takes candidates from the index, newest first, and keeps those that match. Returns where it
    /// stopped, or `None` at the end.
    fn ask_index(
        &self,
        query: &Query,
        room: Option<i64>,
        limit: usize,
        before: i64,
        found: &mut Vec<i64>,
        budget: &mut Budget,
    ) -> Result<Option<i64>, RowError> {
        let Some((expression, grams)) = query.expression(room) else { return Ok(None) };
        let of_room = if room.is_some() { "room = ?2" } else { "?2 IS NULL" };
        let mut text = self.connection.prepare_cached(&format!(
            "SELECT text FROM messages WHERE position = ?1 AND {of_room}"
        ))?;
        for (partition, first, last) in index::partitions(&self.connection)? {
            let last = last.min(before.saturating_sub(1));
            if first > last {
                continue;
            }
            if found.len() >= limit || budget.is_spent() {
                return Ok(Some(last.saturating_add(1)));
            }
            budget.spend(grams * GRAM_COST);
            let table = index::table(partition);
            let mut candidates = self.connection.prepare_cached(&format!(
                "SELECT rowid FROM {table} WHERE {table} MATCH ?1 AND rowid >= ?2 AND rowid <= ?3
                 ORDER BY rowid DESC"
            ))?;
            let mut rows = candidates.query(params![expression, first, last])?;
            let mut looked = 0;
            while let Some(row) = rows.next()? {
                let position: i64 = row.get(0)?;
                if found.len() >= limit || (budget.is_spent() && looked > 0) {
                    return Ok(Some(position.saturating_add(1)));
                }
                looked += 1;
                // Deleted messages stay in the index for a while.
                let mut texts = text.query(params![position, room])?;
                let Some(row) = texts.next()? else {
                    budget.spend(ROW_COST);
                    continue;
                };
                if matches(query, row.get_ref(0)?, budget) {
                    found.push(position);
                }
            }
        }
        Ok(None)
    }

    /// The room's row: `None` if the room does not exist, `Some(None)` for all rooms.
    fn room(&self, room: Option<&RoomName>) -> Result<Option<Option<(i64, RoomName)>>, RowError> {
        let Some(room) = room else { return Ok(Some(None)) };
        Ok(find_room(&self.connection, room)?.map(Some))
    }

    fn entry(&self, position: i64) -> Result<Option<Entry>, RowError> {
        let one = &mut Budget(READ_BYTES);
        Ok(self.entries("", "m.position = ?1", params![position], one)?.pop())
    }

    /// The next entries of a room: indexed ones, then those not yet indexed.
    fn after_in(
        &self,
        room: i64,
        position: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, RowError> {
        // One snapshot: otherwise the index could advance between two statements.
        let transaction = self.connection.unchecked_transaction()?;
        let indexed = index::indexed(&transaction)?;
        let mut budget = Budget(READ_BYTES);
        let mut entries = self.entries(
            BY_ROOM,
            "m.position = b.position AND b.room = ?3 AND b.position > ?1 ORDER BY b.position LIMIT ?2",
            params![position.sql(), limit as i64, room],
            &mut budget,
        )?;
        let rest = limit - entries.len();
        if rest > 0 && !budget.is_spent() {
            entries.extend(self.entries(
                "",
                "m.position > ?1 AND m.room = ?3 ORDER BY m.position LIMIT ?2",
                params![position.max(indexed).sql(), rest as i64, room],
                &mut budget,
            )?);
        }
        Ok(entries)
    }

    /// The last entries of a room, newest first.
    fn before_in(
        &self,
        room: i64,
        position: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, RowError> {
        let transaction = self.connection.unchecked_transaction()?;
        let indexed = index::indexed(&transaction)?;
        let mut budget = Budget(READ_BYTES);
        let mut entries = self.entries(
            "",
            "m.position < ?1 AND m.position > ?4 AND m.room = ?3 ORDER BY m.position DESC LIMIT ?2",
            params![position.sql(), limit as i64, room, indexed.sql()],
            &mut budget,
        )?;
        let rest = limit - entries.len();
        if rest > 0 && !budget.is_spent() {
            entries.extend(self.entries(
                BY_ROOM,
                "m.position = b.position AND b.room = ?3 AND b.position < ?1 ORDER BY b.position DESC LIMIT ?2",
                params![position.sql(), rest as i64, room],
                &mut budget,
            )?);
        }
        Ok(entries)
    }

    pub(crate) fn entries(
        &self,
        from: &str,
        condition: &str,
        parameters: impl rusqlite::Params,
        budget: &mut Budget,
    ) -> Result<Vec<Entry>, RowError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} {from} {JOINS} WHERE {condition}"))?;
        let mut rows = statement.query(parameters)?;
        let mut entries = Vec::new();
        while !budget.is_spent()
            && let Some(row) = rows.next()?
        {
            let entry = entry_of(row)?;
            budget.spend(entry.message().map_or(ROW_COST, |message| weight_of(message)));
            entries.push(entry);
        }
        Ok(entries)
    }

    pub(crate) fn reading<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce() -> Result<T, RowError>,
    ) -> Result<T, ReadError> {
        read().map_err(|error| {
            let file = self.file.clone();
            match error {
                RowError::Nonsense(what) => ReadError::Damaged { doing, file, what },
                RowError::Sqlite(source) => ReadError::of(doing, &file, source),
            }
        })
    }
}

impl ReadError {
    pub(crate) fn of(doing: &'static str, file: &Path, source: rusqlite::Error) -> ReadError {
        let file = file.to_owned();
        match crate::Trouble::of(&source) {
            crate::Trouble::Damaged => ReadError::Damaged { doing, file, what: source.to_string() },
            _ => ReadError::Sqlite { doing, file, source },
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Whether a text contains every word. Payloads that are not text match no word.
fn matches(query: &Query, text: ValueRef<'_>, budget: &mut Budget) -> bool {
    let text = bytes_of(text).unwrap_or_default();
    budget.spend(text.len() + ROW_COST);
    std::str::from_utf8(text).is_ok_and(|text| query.matches(text))
}

fn entry_of(row: &Row<'_>) -> Result<Entry, RowError> {
    let number = |at| row.get_ref(at).ok().and_then(|value| value.as_i64().ok());
    let position = Position::from_sql(number(0).unwrap_or(0));
    let nonsense = |what| Nonsense(format!("message {position} has {what}"));
    let room = room_of(row.get_ref(1)?).ok_or_else(|| nonsense("no room"))?;
    let link = number(3).ok_or_else(|| nonsense("no link"))?;
    let wall = wall_of(number(4).unwrap_or(0));
    if link == 0 {
        let after = Position::from_sql(number(9).unwrap_or(0));
        let count = number(10).unwrap_or(0).unsigned_abs();
        return Ok(Entry::Gap(Gap { position, room, after, count, wall }));
    }
    let author = bytes_of(row.get_ref(6)?).and_then(|bytes| bytes.try_into().ok());
    let author = u128::from_be_bytes(author.ok_or_else(|| nonsense("no author"))?);
    let (outbox, sent) = (number(7), number(8));
    let outbox = outbox.ok_or_else(|| nonsense("no outbox"))? as u64;
    let speaker = bytes_of(row.get_ref(2)?).unwrap_or_default();
    Ok(Entry::Message(Arc::new(Message {
        position,
        room,
        speaker: String::from_utf8_lossy(speaker).into(),
        link: link_of(link).ok_or_else(|| nonsense("an unknown link"))?,
        wall,
        text: bytes_of(row.get_ref(5)?).unwrap_or_default().into(),
        identity: Identity {
            author,
            outbox,
            number: sent.ok_or_else(|| nonsense("no number"))?.unsigned_abs(),
        },
    })))
}
