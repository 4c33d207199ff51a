//! The index, updated after the writer in its own transactions: the messages of each room, the size
//! of each speaker's messages, and the grams of the full-text index.
//!
//! The full-text index consists of partitions, one table per range of positions. Deleting a message
//! does not touch its partition: a search skips candidates that are no longer stored. A partition
//! that has lost many of its messages is rebuilt slice by slice, and the old one is dropped. A
//! single table was rejected: deleting from it costs about as much as inserting, it grows before it
//! shrinks, and deleted text stays readable until merges reach it.
//!
//! Index transactions are not synced. The next transaction with messages syncs the same write-ahead
//! log. A power cut before that loses a part of the index, which is then rebuilt.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::Position;
use crate::entry::Sql;
use crate::grams::{self, folded, push_grams};
use crate::store::{bytes_of, get, set};

/// Messages per partition. The largest usual log has a few partitions, and each is rebuilt in
/// seconds.
const PARTITION_ROWS: i64 = 65_536;

/// A message's size in `usage` besides its strings.
pub(crate) const ROW_BYTES: i64 = 48;

/// Sizes by room and speaker.
pub(crate) type Usage = BTreeMap<(i64, Box<str>), (i64, i64)>;

/// The newest indexed position.
pub(crate) fn indexed(connection: &Connection) -> rusqlite::Result<Position> {
    Ok(Position::from_sql(get(connection, "indexed")?.unwrap_or(0)))
}

/// The name of a partition's table.
pub(crate) fn table(partition: i64) -> String {
    format!("grams_{partition}")
}

/// Indexes the next messages, up to a limit. Must run within a transaction. Returns the newest
/// indexed position and the number of messages added.
pub(crate) fn index_slice(
    connection: &Connection,
    after: Position,
    limit: usize,
) -> rusqlite::Result<(Position, usize)> {
    let mut usage = Usage::new();
    let mut partition = Open::newest(connection)?;
    let mut rows = 0;
    let mut last = after;
    {
        let mut by_room = connection
            .prepare_cached("INSERT OR IGNORE INTO by_room (room, position) VALUES (?1, ?2)")?;
        let mut statement = connection.prepare_cached(SELECT_AFTER)?;
        let mut found = statement.query(params![after.sql(), Position::END.sql(), limit as i64])?;
        let mut grams = String::new();
        while let Some(row) = found.next()? {
            let position: i64 = row.get(0)?;
            let room: i64 = row.get(1)?;
            let speaker = bytes_of(row.get_ref(2)?).unwrap_or_default();
            let text = bytes_of(row.get_ref(3)?);
            if partition.as_ref().is_none_or(|it| it.rows + rows >= PARTITION_ROWS) {
                if let Some(full) = partition.take() {
                    full.grow(connection, last, rows)?;
                }
                rows = 0;
                partition = Some(Open::create(connection, position, position)?);
            }
            if let Some(partition) = &partition {
                partition.insert(connection, position, room, text, &mut grams)?;
            }
            by_room.execute(params![room, position])?;
            let speaker = String::from_utf8_lossy(speaker).into();
            let sum = usage.entry((room, speaker)).or_default();
            *sum = (sum.0 + 1, sum.1 + row_bytes(text));
            rows += 1;
            last = Position::from_sql(position);
        }
    }
    let total = usage.values().map(|(messages, _)| *messages as usize).sum();
    if let Some(partition) = partition
        && rows > 0
    {
        partition.grow(connection, last, rows)?;
    }
    add_usage(connection, &usage)?;
    set(connection, "indexed", last.sql())?;
    Ok((last, total))
}

/// Adds to the table of usage; sums may be negative.
pub(crate) fn add_usage(connection: &Connection, usage: &Usage) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO usage (room, speaker, messages, bytes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET
             messages = messages + excluded.messages, bytes = bytes + excluded.bytes",
    )?;
    for ((room, speaker), (messages, bytes)) in usage {
        statement.execute(params![room, speaker, messages, bytes])?;
    }
    if usage.values().any(|(messages, _)| *messages < 0) {
        connection.prepare_cached("DELETE FROM usage WHERE messages <= 0")?.execute([])?;
    }
    Ok(())
}

/// A message's size in `usage`.
pub(crate) fn row_bytes(text: Option<&[u8]>) -> i64 {
    text.map_or(0, <[u8]>::len) as i64 + ROW_BYTES
}

/// Records that indexed messages were deleted, and drops partitions without any left.
pub(crate) fn bury(connection: &Connection, positions: &[Position]) -> rusqlite::Result<()> {
    let mut note = connection.prepare_cached(
        "UPDATE partitions SET dead = dead + ?2
         WHERE id = (SELECT id FROM partitions WHERE first <= ?1 ORDER BY first DESC LIMIT 1)",
    )?;
    for position in positions {
        note.execute(params![position.sql(), 1])?;
    }
    let empty: Vec<i64> = connection
        .prepare_cached("SELECT id FROM partitions WHERE dead >= rows")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for partition in empty {
        drop_partition(connection, partition)?;
    }
    Ok(())
}

/// Rebuilds a slice of the partition that has lost the largest share of its messages, if that share
/// exceeds a limit. Must run within a transaction. Returns false if there is nothing to do.
///
/// The new partition takes messages from the front of the old one, so each message always belongs
/// to exactly one partition's range.
pub(crate) fn rebuild_slice(
    connection: &Connection,
    one_of: i64,
    limit: usize,
) -> rusqlite::Result<bool> {
    let old = connection
        .prepare_cached(
            "SELECT id, first, last, rows, dead FROM partitions
             WHERE dead > 0 AND dead * ?1 >= rows ORDER BY dead * 1.0 / rows DESC, first LIMIT 1",
        )?
        .query_row([one_of], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })
        .optional()?;
    let old = match get(connection, "rebuilding")? {
        // One partition at a time.
        Some(id) if id > 0 => connection
            .prepare_cached("SELECT id, first, last, rows FROM partitions WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?,
        _ => old,
    };
    let Some((id, first, last, rows)) = old else {
        set(connection, "rebuilding", 0)?;
        return Ok(false);
    };
    set(connection, "rebuilding", id)?;
    // The new partition, which ends where the old one begins, if it exists already.
    let target = connection
        .prepare_cached("SELECT id, rows FROM partitions WHERE last = ?1 - 1 AND id > ?2")?
        .query_row([first, id], |row| Ok(Open { id: row.get(0)?, rows: row.get(1)? }))
        .optional()?;
    let mut moved = 0;
    let mut cursor = first;
    let mut target = target.filter(|it| it.rows < PARTITION_ROWS);
    {
        let mut statement = connection.prepare_cached(SELECT_AFTER)?;
        let mut found = statement.query(params![first - 1, last, limit as i64])?;
        let mut grams = String::new();
        while let Some(row) = found.next()? {
            let position: i64 = row.get(0)?;
            let partition = match &target {
                Some(target) => target,
                None => target.insert(Open::create(connection, first, first - 1)?),
            };
            partition.insert(
                connection,
                position,
                row.get(1)?,
                bytes_of(row.get_ref(3)?),
                &mut grams,
            )?;
            cursor = position + 1;
            moved += 1;
        }
    }
    if let Some(target) = target
        && moved > 0
    {
        target.grow(connection, Position::from_sql(cursor - 1), moved)?;
    }
    if (moved as usize) < limit || cursor > last {
        drop_partition(connection, id)?;
        set(connection, "rebuilding", 0)?;
    } else {
        connection
            .prepare_cached(
                "UPDATE partitions SET first = ?2, rows = max(?3, 1), dead = max(dead, 1) WHERE id = ?1",
            )?
            .execute(params![id, cursor, rows - moved])?;
    }
    Ok(true)
}

/// The partitions, newest first: id, first and last position.
pub(crate) fn partitions(connection: &Connection) -> rusqlite::Result<Vec<(i64, i64, i64)>> {
    connection
        .prepare_cached("SELECT id, first, last FROM partitions ORDER BY first DESC")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

const SELECT_AFTER: &str = "SELECT position, room, speaker, text FROM messages
     WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3";

/// A partition that still accepts messages.
struct Open {
    id: i64,
    rows: i64,
}

impl Open {
    /// The newest partition, unless it is being rebuilt.
    fn newest(connection: &Connection) -> rusqlite::Result<Option<Open>> {
        let rebuilding = get(connection, "rebuilding")?.unwrap_or(0);
        connection
            .prepare_cached("SELECT id, rows FROM partitions ORDER BY first DESC LIMIT 1")?
            .query_row([], |row| Ok(Open { id: row.get(0)?, rows: row.get(1)? }))
            .optional()
            .map(|newest| newest.filter(|it| it.id != rebuilding))
    }

    fn create(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<Open> {
        connection
            .prepare_cached(
                "INSERT INTO partitions (first, last, rows, dead) VALUES (?1, ?2, 0, 0)",
            )?
            .execute(params![first, last])?;
        let id = connection.last_insert_rowid();
        let table = table(id);
        connection.execute_batch(&grams::create_table(&table))?;
        // Merging later, at more segments, writes each gram less often. A partition has few
        // segments.
        connection.execute_batch(&format!(
            "INSERT INTO {table} ({table}, rank) VALUES ('automerge', 8)"
        ))?;
        Ok(Open { id, rows: 0 })
    }

    fn insert(
        &self,
        connection: &Connection,
        position: i64,
        room: i64,
        text: Option<&[u8]>,
        grams: &mut String,
    ) -> rusqlite::Result<()> {
        // Payloads that are not text match no word.
        let Some(text) = text.and_then(|text| std::str::from_utf8(text).ok()) else {
            return Ok(());
        };
        grams.clear();
        push_grams(&folded(text), grams);
        connection
            .prepare_cached(&format!(
                "INSERT INTO {} (rowid, body, room) VALUES (?1, ?2, ?3)",
                table(self.id)
            ))?
            .execute(params![position, &*grams, grams::room_gram(room)])?;
        Ok(())
    }

    fn grow(&self, connection: &Connection, last: Position, rows: i64) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE partitions SET last = ?2, rows = rows + ?3 WHERE id = ?1")?
            .execute(params![self.id, last.sql(), rows])?;
        Ok(())
    }
}

/// The table cannot be dropped while its statements are cached.
fn drop_partition(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.flush_prepared_statement_cache();
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", table(id)))?;
    connection.prepare_cached("DELETE FROM partitions WHERE id = ?1")?.execute([id])?;
    Ok(())
}
