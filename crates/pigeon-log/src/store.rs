//! One transaction of messages and facts: insertion, and detection of repeated and wrongly numbered
//! messages.

use std::collections::HashMap;
use std::sync::Arc;

use pigeon_proto::{LinkKind, RoomName};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::entry::{Sql, link_code, millis, wall_of};
use crate::import::ImportedGap;
use crate::lost::Lost;
use crate::state::Change;
use crate::{Append, Entry, Gap, Identity, Message, Numbering, Outcome, Position, Trouble};

/// Positions are reserved in blocks of this size. A reservation is written with the first message
/// that needs it, so most transactions write no counter, and `kill -9` never causes a position to
/// be assigned twice. It skips the rest of a block; 2^24 blocks last longer than any disk.
const RESERVE: u64 = 1 << 16;

/// The source of positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub(crate) last: Position,
    /// The last position that may be assigned before the next reservation.
    pub(crate) reserved: Position,
}

/// Room ids by the name that members used. A bounded cache of the file's rows.
#[derive(Default)]
pub(crate) struct Rooms {
    /// `None` if the room's stored name is the same.
    known: HashMap<RoomName, (i64, Option<RoomName>)>,
}

const MAX_KNOWN_ROOMS: usize = 4_096;

/// The contents of a transaction. If the transaction fails, both are dropped.
pub(crate) struct Batch<'a> {
    connection: &'a Connection,
    rooms: &'a mut Rooms,
    positions: &'a mut Positions,
    /// The last position reserved before this transaction.
    reserved: Position,
    newest: Position,
    age: i64,
    outboxes: Vec<Outbox>,
    /// Indices of outboxes in the batch.
    places: HashMap<(u128, u64), usize>,
    /// The outbox used last, and its index. A cache, because messages of one author often follow
    /// each other.
    recent: Option<((u128, u64), usize)>,
    /// Cached for the whole group: looking it up takes a third of its running time.
    insert: Option<CachedStatement<'a>>,
    /// Inserted entries, in order.
    pub(crate) entries: Vec<Entry>,
}

struct Outbox {
    id: i64,
    last: i64,
    position: Position,
    changed: bool,
}

/// Why a transaction failed.
pub(crate) enum StoreError {
    Sqlite(rusqlite::Error),
    NoPositions,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Sqlite(error)
    }
}

impl StoreError {
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            StoreError::Sqlite(error) => Trouble::of(error),
            StoreError::NoPositions => Trouble::NoPositions,
        }
    }
}

const INSERT: &str =
    "INSERT INTO messages (position, room, speaker, link, wall, text, outbox, number)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

impl<'a> Batch<'a> {
    /// Starts a batch; must be called within a transaction. `newest` is the newest stored position,
    /// and `age` the log's age in seconds.
    pub(crate) fn new(
        connection: &'a Connection,
        rooms: &'a mut Rooms,
        positions: &'a mut Positions,
        newest: Position,
        age: i64,
    ) -> Batch<'a> {
        let reserved = positions.reserved;
        Batch {
            connection,
            rooms,
            positions,
            reserved,
            newest,
            age,
            outboxes: Vec::new(),
            places: HashMap::new(),
            recent: None,
            insert: None,
            entries: Vec::new(),
        }
    }

    /// Stores a message, or returns why not.
    pub(crate) fn append(&mut self, append: Append) -> Result<Outcome, StoreError> {
        let Identity { author, outbox, number } = append.identity;
        let Ok(number) = i64::try_from(number) else {
            return Ok(Outcome::Gap { expected: 1 });
        };
        let key = (author, outbox);
        let place = self.outbox(key)?;
        let Outbox { id, last, .. } = self.outboxes[place];
        let decided = match append.numbering {
            Numbering::Decided { .. } if number <= last => {
                return Ok(Outcome::Again { position: None });
            }
            Numbering::Decided { position } if position <= self.latest() => {
                return Ok(Outcome::NotStored);
            }
            Numbering::Decided { position } => Some(position),
            Numbering::ByAuthor { .. } | Numbering::ByHub => None,
        };
        let imported = append.link == pigeon_proto::LinkKind::Import;
        if number <= last {
            let found = self.find_again(&append, id, number)?;
            // An import restores messages that retention or `forget` deleted; otherwise a
            // repetition must not be stored again.
            if !(imported && found == (Outcome::Again { position: None })) {
                return Ok(found);
            }
        } else if let Numbering::ByAuthor { after } = append.numbering
            && after != last.unsigned_abs()
        {
            return Ok(Outcome::Gap { expected: last.unsigned_abs() + 1 });
        }
        let (room, name) = self.rooms.find_or_insert(self.connection, append.room)?;
        let position = match decided {
            Some(position) => {
                self.positions.last = self.positions.last.max(position);
                position
            }
            None => self.draw()?,
        };
        let wall = millis(append.wall);
        let insert = match &mut self.insert {
            Some(insert) => insert,
            None => self.insert.insert(self.connection.prepare_cached(INSERT)?),
        };
        insert.execute(params![
            position.sql(),
            room,
            append.speaker,
            link_code(append.link),
            wall,
            text_to_sql(&append.text),
            id,
            number,
        ])?;
        let outbox = &mut self.outboxes[place];
        if number > last {
            (outbox.last, outbox.position) = (number, position);
        }
        outbox.changed = true;
        self.entries.push(Entry::Message(Arc::new(Message {
            position,
            room: name,
            speaker: append.speaker,
            link: append.link,
            wall: wall_of(wall),
            text: append.text,
            identity: append.identity,
        })));
        Ok(Outcome::Stored { position })
    }

    /// Stores messages at their positions, then the fact that they are. A message whose position is
    /// not after every stored one cannot be stored, and the fact is not true then.
    pub(crate) fn decided(
        &mut self,
        appends: Vec<Append>,
        change: &Change,
    ) -> Result<Outcome, StoreError> {
        for append in appends {
            if self.append(append)? == Outcome::NotStored {
                return Ok(Outcome::NotStored);
            }
        }
        self.change(change)?;
        Ok(Outcome::Kept)
    }

    /// The newest position in the file.
    fn latest(&self) -> Position {
        self.newest.max(self.entries.last().map_or(Position::START, Entry::position))
    }

    /// Stores a gap marker for each room that lost messages.
    pub(crate) fn mark_gaps(&mut self, lost: &Lost) -> Result<(), StoreError> {
        for (name, of_room) in lost.rooms() {
            let (room, name) = self.rooms.find_or_insert(self.connection, name.clone())?;
            self.insert_gap(room, name, of_room.count, millis(of_room.first))?;
        }
        Ok(())
    }

    /// Stores a gap marker from another log, unless it exists.
    pub(crate) fn import_gap(&mut self, gap: &ImportedGap) -> Result<Outcome, StoreError> {
        let (room, name) = self.rooms.find_or_insert(self.connection, gap.room.clone())?;
        let wall = millis(gap.wall);
        let known = self
            .connection
            .prepare_cached(
                "SELECT m.position FROM gaps g JOIN messages m ON m.position = g.position
             WHERE m.room = ?1 AND m.wall = ?2 AND g.count = ?3",
            )?
            .query_row(params![room, wall, gap.count as i64], |row| row.get(0))
            .optional()?;
        if let Some(position) = known {
            return Ok(Outcome::Again { position: Some(Position::from_sql(position)) });
        }
        let position = self.insert_gap(room, name, gap.count, wall)?;
        Ok(Outcome::Stored { position })
    }

    /// Stores or removes a fact.
    pub(crate) fn change(&mut self, change: &Change) -> Result<(), StoreError> {
        match &change.value {
            Some(value) => self
                .connection
                .prepare_cached(
                    "INSERT INTO facts (kind, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                )?
                .execute(params![change.kind, change.key, value])?,
            None => self
                .connection
                .prepare_cached("DELETE FROM facts WHERE kind = ?1 AND key = ?2")?
                .execute(params![change.kind, change.key])?,
        };
        Ok(())
    }

    /// Writes the collected rows. Must be called before the commit; the reservation takes effect
    /// after it.
    pub(crate) fn finish(mut self) -> Result<(Vec<Entry>, Position), StoreError> {
        for outbox in self.outboxes.iter().filter(|outbox| outbox.changed) {
            self.connection.prepare_cached(
                "UPDATE outboxes SET last_number = ?2, last_position = ?3, last_used = ?4 WHERE id = ?1",
            )?.execute(params![outbox.id, outbox.last, outbox.position.sql(), self.age])?;
        }
        if self.positions.last > self.reserved {
            self.reserved = self.positions.last.ahead(RESERVE);
            set(self.connection, "reserved", self.reserved.sql())?;
        }
        Ok((self.entries, self.reserved))
    }

    fn insert_gap(
        &mut self,
        room: i64,
        name: RoomName,
        count: u64,
        wall: i64,
    ) -> Result<Position, StoreError> {
        let after = self.latest();
        let position = self.draw()?;
        self.connection.prepare_cached(
            "INSERT INTO messages (position, room, speaker, link, wall) VALUES (?1, ?2, '', 0, ?3)",
        )?.execute(params![position.sql(), room, wall])?;
        self.connection
            .prepare_cached("INSERT INTO gaps (position, after, count) VALUES (?1, ?2, ?3)")?
            .execute(params![position.sql(), after.sql(), count as i64])?;
        let wall = wall_of(wall);
        self.entries.push(Entry::Gap(Gap { position, room: name, after, count, wall }));
        Ok(position)
    }

    fn draw(&mut self) -> Result<Position, StoreError> {
        // A failed transaction does not return its positions.
        self.positions.last = self.positions.last.next().ok_or(StoreError::NoPositions)?;
        Ok(self.positions.last)
    }

    /// An outbox's index in the batch; loads the outbox on first use.
    fn outbox(&mut self, key: (u128, u64)) -> Result<usize, StoreError> {
        if let Some((recent, place)) = self.recent
            && recent == key
        {
            return Ok(place);
        }
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let outbox = self.load_outbox(key)?;
                self.outboxes.push(outbox);
                self.places.insert(key, self.outboxes.len() - 1);
                self.outboxes.len() - 1
            }
        };
        self.recent = Some((key, place));
        Ok(place)
    }

    fn load_outbox(&self, key: (u128, u64)) -> Result<Outbox, StoreError> {
        let (author, outbox) = (key.0.to_be_bytes(), key.1 as i64);
        let known = self.connection.prepare_cached(
            "SELECT id, last_number, last_position FROM outboxes WHERE author = ?1 AND outbox = ?2",
        )?.query_row(params![author, outbox], |row| {
            Ok(Outbox {
                id: row.get(0)?,
                last: row.get(1)?,
                position: Position::from_sql(row.get(2)?),
                changed: false,
            })
        }).optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO outboxes (author, outbox, last_number, last_position, last_used)
                 VALUES (?1, ?2, 0, 0, ?3)",
            )?
            .execute(params![author, outbox, self.age])?;
        let id = self.connection.last_insert_rowid();
        Ok(Outbox { id, last: 0, position: Position::START, changed: false })
    }

    /// Compares a message with the stored one of the same identity. Ignores speaker and time: the
    /// author may have changed names before repeating it.
    fn find_again(&self, append: &Append, outbox: i64, number: i64) -> Result<Outcome, StoreError> {
        // Each link has its own index: see `schema`.
        let indexed = match append.link {
            LinkKind::Import => "INDEXED BY import_by_identity",
            _ => "INDEXED BY messages_by_identity",
        };
        let which = match append.link {
            LinkKind::Import => "m.outbox IS NOT NULL",
            _ => "m.link NOT IN (2, 4)",
        };
        let found = self
            .connection
            .prepare_cached(&format!(
                "SELECT m.position, r.folded = ?3, m.text FROM messages m {indexed}
             JOIN rooms r ON r.id = m.room WHERE m.outbox = ?1 AND m.number = ?2 AND {which}",
            ))?
            .query_row(params![outbox, number, append.room.folded()], |row| {
                let same =
                    row.get::<_, bool>(1)? && bytes_of(row.get_ref(2)?) == Some(&*append.text);
                Ok((Position::from_sql(row.get(0)?), same))
            })
            .optional()?;
        Ok(match found {
            Some((position, true)) => Outcome::Again { position: Some(position) },
            Some((position, false)) => Outcome::Conflict { position },
            None => Outcome::Again { position: None },
        })
    }
}

impl Rooms {
    /// A room's id and first name; inserts the room if it is new.
    fn find_or_insert(
        &mut self,
        connection: &Connection,
        room: RoomName,
    ) -> rusqlite::Result<(i64, RoomName)> {
        if let Some((id, first)) = self.known.get(&room) {
            return Ok((*id, first.clone().unwrap_or(room)));
        }
        let (id, first) = match find_room(connection, &room)? {
            Some(found) => found,
            None => {
                connection
                    .prepare_cached("INSERT INTO rooms (folded, name) VALUES (?1, ?2)")?
                    .execute(params![room.folded(), room.as_str()])?;
                (connection.last_insert_rowid(), room.clone())
            }
        };
        if self.known.len() >= MAX_KNOWN_ROOMS {
            self.known.clear();
        }
        let other = (first != room).then(|| first.clone());
        self.known.insert(room, (id, other));
        Ok((id, first))
    }

    /// Clears the cache. Must be called after a failed transaction, and after rooms were deleted.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}

/// The id and name of a stored room.
pub(crate) fn find_room(
    connection: &Connection,
    room: &RoomName,
) -> rusqlite::Result<Option<(i64, RoomName)>> {
    connection
        .prepare_cached("SELECT id, name FROM rooms WHERE folded = ?1")?
        .query_row([room.folded()], |row| {
            Ok((row.get(0)?, room_of(row.get_ref(1)?).unwrap_or_else(|| room.clone())))
        })
        .optional()
}

pub(crate) fn room_of(value: ValueRef<'_>) -> Option<RoomName> {
    RoomName::parse(bytes_of(value)?).ok()
}

/// Reads a number from the settings table.
pub(crate) fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Writes a number to the settings table.
pub(crate) fn set(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![name, value])?;
    Ok(())
}

/// Stores UTF-8 as text, so that SQLite's shell shows it.
fn text_to_sql(text: &[u8]) -> ToSqlOutput<'_> {
    match std::str::from_utf8(text) {
        // Some SQLite functions end a text at NUL.
        Ok(text) if !text.contains('\0') => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        _ => ToSqlOutput::Borrowed(ValueRef::Blob(text)),
    }
}

/// The bytes of a text or blob.
pub(crate) fn bytes_of(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}
