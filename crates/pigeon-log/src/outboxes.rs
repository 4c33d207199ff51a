//! Reading by identity: what the log holds of an outbox.
//!
//! Only messages numbered by their authors have an index: see `schema`.

use rusqlite::{OptionalExtension, params};

use crate::entry::Sql;
use crate::reader::{Budget, RowError};
use crate::store::bytes_of;
use crate::{Identity, Message, Position, ReadError, Reader};

/// An outbox and the last number stored of it, which outlives the messages themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxEnd {
    /// The author.
    pub author: u128,
    /// The outbox.
    pub outbox: u64,
    /// The last number.
    pub last: u64,
}

/// The index of messages numbered by their authors, and its condition.
const INDEX: &str = "messages m INDEXED BY messages_by_identity";
const INDEXED: &str = "m.link NOT IN (2, 4)";

impl Reader {
    /// The message with an identity, if it is still stored.
    pub fn find(&self, identity: Identity) -> Result<Option<Message>, ReadError> {
        let Some(after) = identity.number.checked_sub(1) else { return Ok(None) };
        let found = self.of_outbox(identity.author, identity.outbox, after, 1)?;
        Ok(found.into_iter().find(|message| message.identity == identity))
    }

    /// Messages of an outbox after a number, in the order of numbers. Fewer than `limit` only at the
    /// end.
    pub fn of_outbox(
        &self,
        author: u128,
        outbox: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>, ReadError> {
        let mut messages: Vec<Message> = Vec::new();
        loop {
            let after = messages.last().map_or(after, |last| last.identity.number);
            let limit = limit - messages.len();
            let part = self.part_of_outbox(author, outbox, after, limit)?;
            if part.is_empty() {
                return Ok(messages);
            }
            messages.extend(part);
        }
    }

    /// The same, until the limit of one read.
    fn part_of_outbox(
        &self,
        author: u128,
        outbox: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>, ReadError> {
        self.reading("read an outbox of", || {
            let Some(id) = self.outbox_row(author, outbox)? else { return Ok(Vec::new()) };
            let condition = format!(
                "m.position IN (SELECT m.position FROM {INDEX} WHERE m.outbox = ?1 AND m.number > ?2
                 AND {INDEXED} ORDER BY m.number LIMIT ?3) ORDER BY m.number"
            );
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let entries = self.entries(
                "",
                &condition,
                params![id, after, limit as i64],
                &mut Budget::of_read(),
            )?;
            Ok(entries
                .iter()
                .filter_map(|entry| entry.message().map(|it| Message::clone(it)))
                .collect())
        })
    }

    /// The number of the last stored message of an outbox before a number.
    pub fn number_before(
        &self,
        author: u128,
        outbox: u64,
        number: u64,
    ) -> Result<Option<u64>, ReadError> {
        self.reading("read an outbox of", || {
            let Some(id) = self.outbox_row(author, outbox)? else { return Ok(None) };
            let before = self
                .connection
                .prepare_cached(&format!(
                    "SELECT m.number FROM {INDEX} WHERE m.outbox = ?1 AND m.number < ?2 AND {INDEXED}
                     ORDER BY m.number DESC LIMIT 1"
                ))?
                .query_row(params![id, i64::try_from(number).unwrap_or(i64::MAX)], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()?;
            Ok(before.map(i64::unsigned_abs))
        })
    }

    /// The outboxes numbered by their authors, whose last message came after a position.
    pub fn outboxes(&self, after: Position) -> Result<Vec<OutboxEnd>, ReadError> {
        self.reading("list the outboxes of", || {
            // The hub's own numbering is outbox 0.
            let mut statement = self.connection.prepare_cached(
                "SELECT author, outbox, last_number FROM outboxes
                 WHERE last_position > ?1 AND outbox <> 0 AND last_number > 0",
            )?;
            let mut rows = statement.query([after.sql()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let author = bytes_of(row.get_ref(0)?).and_then(|bytes| bytes.try_into().ok());
                let Some(author) = author.map(u128::from_be_bytes) else { continue };
                let (outbox, last): (i64, i64) = (row.get(1)?, row.get(2)?);
                found.push(OutboxEnd { author, outbox: outbox as u64, last: last.unsigned_abs() });
            }
            Ok(found)
        })
    }

    fn outbox_row(&self, author: u128, outbox: u64) -> Result<Option<i64>, RowError> {
        let row = self
            .connection
            .prepare_cached("SELECT id FROM outboxes WHERE author = ?1 AND outbox = ?2")?
            .query_row(params![author.to_be_bytes(), outbox as i64], |row| row.get(0))
            .optional()?;
        Ok(row)
    }
}
