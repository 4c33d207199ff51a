//! Retention: deletes messages by age and size, in slices between which the writer stores messages.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::Position;
use crate::entry::Sql;
use crate::index::{Usage, add_usage, bury, row_bytes};
use crate::store::bytes_of;

/// How long outbox rows outlive their messages. Without them, an absent member's repeated messages
/// would count as new.
const OUTBOX_OUTLIVES: Duration = Duration::from_secs(90 * 86_400);

/// Maximum number of outboxes without messages. The least recently used are removed first.
const MAX_IDLE_OUTBOXES: i64 = 100_000;

/// The age of the log: the total time in which messages were stored. A message's age is how much
/// the log's age has grown since.
///
/// The log's age advances with the times of messages, so a hub that is off or silent deletes
/// nothing. It advances no faster than the monotonic clock, so a jumping wall clock deletes
/// nothing. Across a restart there is no monotonic clock, so it advances by a week at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    age: Duration,
    wall: Duration,
    since: Duration,
    allowance: Duration,
}

const ACROSS_RESTARTS: Duration = Duration::from_secs(7 * 86_400);
/// The largest delay between sending a message and storing it.
const SLACK: Duration = Duration::from_secs(1);

impl Age {
    /// The age at a restart, from the stored age and wall clock. `now` is monotonic.
    pub(crate) fn resume(age: Duration, wall: Duration, now: Duration) -> Age {
        // A log without messages has no stored wall clock to compare with.
        let wall = if wall.is_zero() { Duration::MAX } else { wall };
        Age { age, wall, since: now, allowance: ACROSS_RESTARTS }
    }

    /// Advances to the time of the newest stored message, and returns the age.
    pub(crate) fn advance(&mut self, wall: Duration, now: Duration) -> Duration {
        let elapsed = now.saturating_sub(self.since);
        let step = wall.saturating_sub(self.wall);
        self.age += step.min(elapsed + self.allowance);
        (self.wall, self.since, self.allowance) = (wall, now, SLACK);
        self.age
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.age.as_secs() as i64
    }

    pub(crate) fn age(&self) -> Duration {
        self.age
    }
}

/// The resolution of stored ages: a hundredth of the retention time, at most an hour.
pub(crate) fn grain(keep: Option<Duration>) -> Duration {
    let hour = Duration::from_secs(3_600);
    keep.map_or(hour, |keep| (keep / 100).clamp(Duration::from_secs(1), hour))
}

/// Stores the newest position at an age.
pub(crate) fn note_age(
    connection: &Connection,
    age: &Age,
    newest: Position,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO ages (age, position) VALUES (?1, ?2)")?
        .execute(params![age.seconds(), newest.sql()])?;
    crate::store::set(connection, "age_wall", crate::entry::millis(age.wall))
}

/// The last stored age, and its wall clock.
pub(crate) fn noted_age(connection: &Connection) -> rusqlite::Result<(Duration, Duration)> {
    let age: Option<i64> =
        connection.query_row("SELECT max(age) FROM ages", [], |row| row.get(0))?;
    let wall = crate::store::get(connection, "age_wall")?.unwrap_or(0);
    let age = Duration::from_secs(age.and_then(|age| age.try_into().ok()).unwrap_or(0));
    Ok((age, crate::entry::wall_of(wall)))
}

/// The newest position beyond the retention time.
pub(crate) fn expired(
    connection: &Connection,
    age: &Age,
    keep: Duration,
) -> rusqlite::Result<Position> {
    let Some(limit) = age.age.checked_sub(keep) else { return Ok(Position::START) };
    let position = connection
        .prepare_cached("SELECT max(position) FROM ages WHERE age <= ?1")?
        .query_row([limit.as_secs() as i64], |row| row.get::<_, Option<i64>>(0))?;
    Ok(position.map_or(Position::START, Position::from_sql))
}

/// A message to delete.
pub(crate) struct Doomed {
    pub(crate) position: Position,
    pub(crate) room: i64,
    pub(crate) speaker: Box<str>,
    pub(crate) bytes: i64,
}

impl Doomed {
    pub(crate) const COLUMNS: &str = "m.position, m.room, m.speaker, m.text";

    pub(crate) fn of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Doomed> {
        let speaker = bytes_of(row.get_ref(2)?).unwrap_or_default();
        Ok(Doomed {
            position: Position::from_sql(row.get(0)?),
            room: row.get(1)?,
            speaker: String::from_utf8_lossy(speaker).into(),
            bytes: row_bytes(bytes_of(row.get_ref(3)?)),
        })
    }
}

/// Deletes messages, and updates their counts. Must run within a transaction.
pub(crate) fn delete(
    connection: &Connection,
    doomed: &[Doomed],
    indexed: Position,
) -> rusqlite::Result<()> {
    let mut message = connection.prepare_cached("DELETE FROM messages WHERE position = ?1")?;
    let mut by_room =
        connection.prepare_cached("DELETE FROM by_room WHERE room = ?1 AND position = ?2")?;
    let mut gap = connection.prepare_cached("DELETE FROM gaps WHERE position = ?1")?;
    let mut usage = Usage::new();
    let mut buried = Vec::new();
    for it in doomed {
        message.execute([it.position.sql()])?;
        gap.execute([it.position.sql()])?;
        if it.position <= indexed {
            by_room.execute(params![it.room, it.position.sql()])?;
            buried.push(it.position);
            let sum = usage.entry((it.room, it.speaker.clone())).or_default();
            *sum = (sum.0 - 1, sum.1 - it.bytes);
        }
    }
    drop((message, gap, by_room));
    add_usage(connection, &usage)?;
    bury(connection, &buried)
}

/// The oldest messages up to a position.
pub(crate) fn oldest(
    connection: &Connection,
    up_to: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Doomed>> {
    connection
        .prepare_cached(&format!(
            "SELECT {} FROM messages m WHERE position <= ?1 ORDER BY position LIMIT ?2",
            Doomed::COLUMNS
        ))?
        .query_map(params![up_to.sql(), limit as i64], Doomed::of_row)?
        .collect()
}

/// The room and speaker that lose messages when retention deletes by size.
pub(crate) struct Victim {
    pub(crate) room: i64,
    /// `None`: all speakers of the room.
    pub(crate) speaker: Option<Box<str>>,
    /// The position searched so far.
    pub(crate) cursor: Position,
    /// The bytes to delete before choosing again.
    pub(crate) quota: i64,
}

/// A speaker with this share of a room is its largest.
const ONE_OF: i64 = 16;

/// Chooses the largest room, and its largest speaker. Choosing the largest speaker of all was
/// rejected: it would spare a flooder with many names, and hit a long-standing speaker elsewhere.
/// If no speaker stands out (members may have many names or none), the room's oldest messages go.
pub(crate) fn largest(connection: &Connection) -> rusqlite::Result<Option<Victim>> {
    let room: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT room, sum(bytes) FROM usage GROUP BY room ORDER BY sum(bytes) DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((room, held)) = room else { return Ok(None) };
    let (speaker, bytes): (Box<str>, i64) = connection
        .prepare_cached(
            "SELECT speaker, bytes FROM usage WHERE room = ?1 ORDER BY bytes DESC LIMIT 1",
        )?
        .query_row([room], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let speaker = (bytes >= held / ONE_OF).then_some(speaker);
    Ok(Some(Victim { room, speaker, cursor: Position::START, quota: 0 }))
}

/// The oldest indexed messages of a victim after its cursor, and the position searched so far.
/// `None` at the end of the room. Examines a limited number of messages, because the
/// speaker's messages may come late.
pub(crate) fn oldest_of(
    connection: &Connection,
    victim: &Victim,
    indexed: Position,
    limit: usize,
) -> rusqlite::Result<Option<(Vec<Doomed>, Position)>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM by_room b CROSS JOIN messages m ON m.position = b.position
         WHERE b.room = ?1 AND b.position > ?2 AND b.position <= ?3 ORDER BY b.position LIMIT ?4",
        Doomed::COLUMNS
    ))?;
    let (after, scan) = (victim.cursor.sql(), SCAN as i64);
    let mut rows = statement.query(params![victim.room, after, indexed.sql(), scan])?;
    let mut found = Vec::new();
    let mut last = None;
    while let Some(row) = rows.next()? {
        last = Some(Position::from_sql(row.get(0)?));
        let speaker = bytes_of(row.get_ref(2)?);
        if victim.speaker.as_ref().is_none_or(|victim| speaker == Some(victim.as_bytes())) {
            found.push(Doomed::of_row(row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(last.map(|last| (found, last)))
}

/// Maximum number of messages examined in one slice.
pub(crate) const SCAN: usize = 4_096;

/// The bytes in use, without free pages; and the total size of messages.
pub(crate) fn sizes(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let pragma = |name: &str| -> rusqlite::Result<u64> {
        let number =
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        Ok(number?.unsigned_abs())
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let counted = connection
        .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM usage")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok((pages * pragma("page_size")?, counted.unsigned_abs()))
}

/// Removes outboxes unused for long, and rooms and ages that nothing refers to. Outboxes with
/// messages stay, because messages are found through them.
pub(crate) fn tidy(
    connection: &Connection,
    age: &Age,
    keep: Option<Duration>,
    oldest: Position,
) -> rusqlite::Result<()> {
    const WITHOUT_MESSAGES: &str =
        "NOT EXISTS (SELECT 1 FROM messages m WHERE m.outbox = outboxes.id)";
    if let Some(limit) = keep.and_then(|keep| age.age.checked_sub(keep + OUTBOX_OUTLIVES)) {
        connection
            .prepare_cached(&format!(
                "DELETE FROM outboxes WHERE last_used < ?1 AND {WITHOUT_MESSAGES}"
            ))?
            .execute([limit.as_secs() as i64])?;
    }
    connection
        .prepare_cached(&format!(
            "DELETE FROM outboxes WHERE id IN (
                 SELECT id FROM outboxes WHERE {WITHOUT_MESSAGES}
                 ORDER BY last_used DESC, id DESC LIMIT -1 OFFSET ?1)"
        ))?
        .execute([MAX_IDLE_OUTBOXES])?;
    delete_empty_rooms(connection)?;
    // The newest row stores the age itself.
    connection
        .prepare_cached(
            "DELETE FROM ages WHERE position < ?1 AND age < (SELECT max(age) FROM ages)",
        )?
        .execute([oldest.sql()])?;
    Ok(())
}

/// Removes rooms without entries.
pub(crate) fn delete_empty_rooms(connection: &Connection) -> rusqlite::Result<()> {
    let indexed = crate::index::indexed(connection)?;
    connection
        .prepare_cached(
            "DELETE FROM rooms WHERE NOT EXISTS (SELECT 1 FROM by_room b WHERE b.room = rooms.id)
             AND id NOT IN (SELECT room FROM messages WHERE position > ?1)",
        )?
        .execute([indexed.sql()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_age_follows_messages_and_no_clock_that_jumps() {
        let mut age = Age::resume(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let start = DAY * 20_000;
        assert_eq!(age.advance(start, DAY), Duration::ZERO, "the first message begins it");
        assert_eq!(age.advance(start + DAY, DAY * 2), DAY);
        assert_eq!(age.advance(start + DAY * 4_000, DAY * 2), DAY + SLACK, "ten years ahead");
        assert_eq!(age.advance(start + DAY * 4_001, DAY * 3), DAY * 2 + SLACK);
        assert_eq!(age.advance(start + DAY * 3, DAY * 4), DAY * 2 + SLACK, "and back");
        assert_eq!(age.advance(start + DAY * 4, DAY * 5), DAY * 3 + SLACK);
    }

    #[test]
    fn a_restart_counts_for_a_week_at_most() {
        let mut age = Age::resume(DAY * 5, DAY * 20_000, Duration::ZERO);
        assert_eq!(age.advance(DAY * 20_002, Duration::ZERO), DAY * 7);
        let mut age = Age::resume(DAY * 5, DAY * 20_000, Duration::ZERO);
        assert_eq!(age.advance(DAY * 20_300, Duration::ZERO), DAY * 12);
        let mut age = Age::resume(DAY * 5, DAY * 20_000, Duration::ZERO);
        assert_eq!(age.advance(DAY, Duration::ZERO), DAY * 5, "a clock without a battery");
        assert_eq!(age.advance(DAY * 20_000, Duration::ZERO), DAY * 5 + SLACK);
    }
}
