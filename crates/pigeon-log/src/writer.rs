//! The writer: one thread with the only writable connection.
//!
//! In each turn it takes the queued items, stores them in one transaction with one sync, and
//! reports. It spends the remaining time on the index, retention and forgetting, in slices of some
//! milliseconds.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use crate::entry::Sql;
use crate::folder::SameFile;
use crate::forget::{Forget, ForgetError, Forgetting, Forgotten, Step, note_forgotten};
use crate::import::{Chunk, ChunkItem};
use crate::index;
use crate::log::Shared;
use crate::lost::Lost;
use crate::queue::{Item, Taken};
use crate::retention::{self, Age, Doomed, Victim};
use crate::schema::{BEGIN_IMPORT, END_IMPORT};
use crate::store::{self, Batch, Positions, Rooms, StoreError};
use crate::{Entry, Numbering, Options, Outcome, Position, Report, Ticket, Trouble};

/// A request to the writer other than storing.
pub(crate) enum Job {
    /// Answered once everything queued before has its outcome.
    Flush(Sender<()>),
    Forget(Forget, ForgetReply),
    NewEpoch(Sender<Result<u64, Trouble>>),
}

type ForgetReply = Sender<Result<Forgotten, ForgetError>>;

/// Messages per slice of indexing or deleting. 256 take about 5 ms.
const SLICE: usize = 256;
/// How long a small backlog of the index waits for more: one message costs nearly as much as many.
const SETTLE: Duration = Duration::from_millis(200);
/// How long the queue must be empty before a slice is indexed.
const PAUSE: Duration = Duration::from_millis(1);
/// The time between retries after a failure. Meanwhile everything is refused at once.
const RETRY: Duration = Duration::from_secs(1);
/// How often sizes and ages are checked while messages are stored.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    options: Options,
    report: Box<dyn FnMut(Report) + Send>,
    files: Vec<SameFile>,
    rooms: Rooms,
    positions: Positions,
    age: Age,
    noted: Duration,
    /// Messages relayed but not stored, for the next successful transaction.
    lost: Lost,
    trouble: Option<Trouble>,
    retry_at: Instant,
    /// Whether commits sync. Index commits do not.
    syncing: bool,
    indexed: Position,
    backlog: usize,
    /// Messages indexed since the last checkpoint during a pause.
    unmoved: usize,
    forgetting: Vec<(Forgetting, Option<ForgetReply>)>,
    retention: Retention,
    /// Whether the import's index exists.
    importing: bool,
}

/// Retention's state.
#[derive(Default)]
struct Retention {
    due: bool,
    looked: Option<Instant>,
    /// Whether the last slice left work.
    more: bool,
    /// Bytes of messages still to be deleted by size.
    excess: u64,
    victim: Option<Victim>,
    tidied: Duration,
}

impl Writer {
    /// Needs a writable connection. Called before the thread starts.
    pub(crate) fn new(
        connection: Connection,
        files: Vec<SameFile>,
        shared: Arc<Shared>,
        options: Options,
        report: Box<dyn FnMut(Report) + Send>,
        positions: Positions,
    ) -> rusqlite::Result<Writer> {
        let (age, wall) = retention::noted_age(&connection)?;
        let indexed = index::indexed(&connection)?;
        let backlog: i64 = connection.query_row(
            "SELECT count(*) FROM messages WHERE position > ?1",
            [indexed.sql()],
            |row| row.get(0),
        )?;
        let unfinished = Forgetting::unfinished(&connection)?;
        let now = (options.clock)();
        Ok(Writer {
            connection,
            shared,
            options,
            report,
            files,
            rooms: Rooms::default(),
            positions,
            age: Age::resume(age, wall, now),
            noted: age,
            lost: Lost::default(),
            trouble: None,
            retry_at: Instant::now(),
            syncing: true,
            indexed,
            backlog: usize::try_from(backlog).unwrap_or(0),
            unmoved: 0,
            forgetting: unfinished.into_iter().map(|it| (it, None)).collect(),
            retention: Retention { due: true, ..Retention::default() },
            importing: false,
        })
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        // Even if the report callback panics, nothing may wait for a stopped writer.
        let shared = Arc::clone(&self.shared);
        let _closing = scopeguard(|| shared.queue.close());
        loop {
            let taken = self.shared.queue.take(self.patience());
            let closed = taken.closed;
            let idle = taken.items.is_empty() && taken.chunk.is_none();
            let group = taken.items.len();
            self.turn(taken);
            if closed {
                break;
            }
            if self.trouble.is_none()
                && let Err(error) = self.maintain(idle, group)
            {
                self.fail(&error);
            }
        }
        self.close();
    }

    fn patience(&self) -> Option<Duration> {
        if self.trouble.is_some() {
            return Some(self.retry_at.saturating_duration_since(Instant::now()).max(PAUSE));
        }
        if self.backlog >= self.options.index_lag || self.has_slices() {
            return Some(Duration::ZERO);
        }
        match self.backlog {
            0 if self.retention.due => Some(LOOK),
            0 => None,
            SLICE.. => Some(PAUSE),
            _ => Some(SETTLE),
        }
    }

    fn has_slices(&self) -> bool {
        !self.forgetting.is_empty() || self.retention.more
    }

    fn turn(&mut self, taken: Taken) {
        let Taken { items, lost, chunk, jobs, .. } = taken;
        let waits = self.trouble.is_some() && Instant::now() < self.retry_at;
        let probing = self.trouble.is_some() || !self.lost.is_empty();
        if waits {
            self.refuse(items, lost);
        } else if !items.is_empty() || !lost.is_empty() || probing {
            self.store(items, lost);
        }
        if let Some(chunk) = chunk {
            self.store_chunk(chunk);
        }
        for job in jobs {
            self.start(job);
        }
    }

    /// Stores a group, or refuses it.
    fn store(&mut self, items: Vec<(Ticket, Item)>, lost: Lost) {
        if self.trouble.is_some()
            && let Err(error) = self.recover()
        {
            self.fail(&error);
            return self.refuse(items, lost);
        }
        // Kept to count messages that moved into a failed transaction.
        let mut losable = Lost::default();
        items.iter().for_each(|(_, item)| count_losable(item, &mut losable));
        let tickets: Vec<Ticket> = items.iter().map(|(ticket, _)| *ticket).collect();
        let before = std::mem::take(&mut self.lost);
        let done = self.transaction(|batch| {
            batch.mark_gaps(&before)?;
            let mut outcomes = Vec::with_capacity(items.len());
            for (ticket, item) in items {
                let outcome = match item {
                    Item::Message(append) => batch.append(append)?,
                    Item::Change(change) => {
                        batch.change(&change)?;
                        Outcome::Kept
                    }
                    Item::Decided(appends, change) => batch.decided(appends, &change)?,
                };
                outcomes.push((ticket, outcome));
            }
            batch.mark_gaps(&lost)?;
            Ok(outcomes)
        });
        match done {
            Ok((outcomes, entries)) => {
                self.stored(entries);
                let marked = before.total() + lost.total();
                if self.trouble.take().is_some() || marked > 0 {
                    (self.report)(Report::Healed { lost: marked });
                }
                let durable = self.shared.durable();
                (self.report)(Report::Settled { durable, outcomes });
            }
            Err(error) => {
                self.fail(&error);
                self.lost = before;
                self.lost.merge(losable);
                self.lost.merge(lost);
                self.settle_refused(tickets);
            }
        }
    }

    /// Runs a synced transaction, and returns its result only if the data is on disk and readers
    /// can find the file.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Vec<Entry>), Failure> {
        self.check_files()?;
        self.set_syncing(true)?;
        let newest = self.shared.durable();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if self.trouble.is_some() {
            // Writes something, because an empty transaction would succeed on a full disk.
            store::set(&transaction, "reserved", self.positions.reserved.sql())?;
        }
        let mut batch = Batch::new(
            &transaction,
            &mut self.rooms,
            &mut self.positions,
            newest,
            self.age.seconds(),
        );
        let result = work(&mut batch)?;
        let (entries, reserved) = batch.finish()?;
        let last = entries.iter().rev().filter_map(Entry::message);
        let last = last.into_iter().find(|message| message.link != pigeon_proto::LinkKind::Import);
        let mut age = self.age;
        if let Some(message) = last {
            age.advance(message.wall, (self.options.clock)());
        }
        let note = age.age() >= self.noted + retention::grain(self.options.keep)
            || (self.noted.is_zero() && newest == Position::START);
        if let Some(last) = entries.last()
            && note
        {
            retention::note_age(&transaction, &age, last.position())?;
        }
        transaction.commit()?;
        self.positions.reserved = reserved;
        self.age = age;
        if note {
            self.noted = age.age();
        }
        self.check_files()?;
        Ok((result, entries))
    }

    fn stored(&mut self, entries: Vec<Entry>) {
        let Some(last) = entries.last().map(Entry::position) else { return };
        self.backlog += entries.len();
        self.retention.due = true;
        self.shared.note_newest(&entries);
        self.shared.tail.push(entries);
        self.shared.set_durable(last);
    }

    fn refuse(&mut self, items: Vec<(Ticket, Item)>, lost: Lost) {
        items.iter().for_each(|(_, item)| count_losable(item, &mut self.lost));
        self.lost.merge(lost);
        self.settle_refused(items.into_iter().map(|(ticket, _)| ticket).collect());
    }

    fn settle_refused(&mut self, tickets: Vec<Ticket>) {
        if !tickets.is_empty() {
            let durable = self.shared.durable();
            let outcomes = tickets.into_iter().map(|ticket| (ticket, Outcome::NotStored)).collect();
            (self.report)(Report::Settled { durable, outcomes });
        }
    }

    fn store_chunk(&mut self, chunk: Chunk) {
        let Chunk { items, reply } = chunk;
        if let Some(trouble) = &self.trouble {
            let _ = reply.send(Err(trouble.clone()));
            return;
        }
        let wants_index = !items.is_empty();
        if self.importing != wants_index {
            let statement = if wants_index { BEGIN_IMPORT } else { END_IMPORT };
            if let Err(error) = self.unsynced(|c| c.execute_batch(statement)) {
                self.fail(&error);
                let _ = reply.send(Err(error.trouble));
                return;
            }
            self.importing = wants_index;
        }
        let done = self.transaction(|batch| {
            let mut outcomes = Vec::with_capacity(items.len());
            for item in items {
                outcomes.push(match item {
                    ChunkItem::Message(append) => batch.append(append)?,
                    ChunkItem::Gap(gap) => batch.import_gap(&gap)?,
                });
            }
            Ok(outcomes)
        });
        let answer = match done {
            Ok((outcomes, entries)) => {
                self.stored(entries);
                let durable = self.shared.durable();
                (self.report)(Report::Settled { durable, outcomes: Vec::new() });
                Ok(outcomes)
            }
            Err(error) => {
                self.fail(&error);
                Err(error.trouble)
            }
        };
        let _ = reply.send(answer);
    }

    fn start(&mut self, job: Job) {
        match job {
            Job::Flush(reply) => {
                let _ = reply.send(());
            }
            Job::Forget(what, reply) => {
                let up_to = self.shared.durable();
                let begun = match &self.trouble {
                    Some(trouble) => Err(trouble.clone()),
                    None => self.begin_forgetting(what, up_to).map_err(|error| {
                        self.fail(&error);
                        error.trouble
                    }),
                };
                match begun {
                    Ok(forgetting) => self.forgetting.push((forgetting, Some(reply))),
                    Err(trouble) => {
                        let _ = reply.send(Err(ForgetError::Unable(trouble)));
                    }
                }
            }
            Job::NewEpoch(reply) => {
                let answer = match &self.trouble {
                    Some(trouble) if trouble.heals() => Err(trouble.clone()),
                    _ => self.begin_epoch().map_err(|error| error.trouble),
                };
                let _ = reply.send(answer);
            }
        }
    }

    fn begin_epoch(&mut self) -> Result<u64, Failure> {
        let epoch = self.positions.last.epoch() + 1;
        let first = Position::at(epoch, 0).ok_or(StoreError::NoPositions)?;
        self.check_files()?;
        self.set_syncing(true)?;
        store::set(&self.connection, "reserved", first.sql())?;
        self.positions = Positions { last: first, reserved: first };
        if self.trouble == Some(Trouble::NoPositions) {
            self.retry_at = Instant::now();
        }
        Ok(epoch)
    }

    fn begin_forgetting(&mut self, what: Forget, up_to: Position) -> Result<Forgetting, Failure> {
        self.check_files()?;
        self.set_syncing(true)?;
        Ok(Forgetting::begin(&self.connection, what, up_to)?)
    }

    /// Runs one slice of each kind of work that is due.
    fn maintain(&mut self, idle: bool, group: usize) -> Result<(), Failure> {
        if self.backlog >= self.options.index_lag {
            // Proportional to the stored messages: otherwise the index would never catch up.
            self.index(group.saturating_mul(2).max(4 * SLICE))?;
        } else if idle && self.backlog > 0 {
            // A large slice costs less per message, and a large backlog justifies a longer one.
            self.index(if self.backlog > 16 * SLICE { 4 * SLICE } else { SLICE })?;
        }
        if !self.forgetting.is_empty() {
            self.forget()?;
        }
        self.retain()
    }

    fn index(&mut self, limit: usize) -> Result<(), Failure> {
        let after = self.indexed;
        let (indexed, added) = self.unsynced(|c| index::index_slice(c, after, limit))?;
        self.indexed = indexed;
        // Fewer may be left than counted, because some were deleted.
        self.backlog = if added < limit { 0 } else { self.backlog.saturating_sub(added) };
        self.unmoved += added;
        if self.backlog == 0 && self.unmoved >= 4 * SLICE {
            // Only during a pause: otherwise the next messages would wait for it. A reader may
            // delay moving some pages to the next checkpoint.
            self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            self.unmoved = 0;
        }
        self.shared.set_indexed(indexed);
        Ok(())
    }

    fn forget(&mut self) -> Result<(), Failure> {
        let Some((current, _)) = self.forgetting.first_mut() else { return Ok(()) };
        match current.step {
            Step::Delete => {
                let Some((doomed, looked)) = current.next(&self.connection, SLICE)? else {
                    return self.forgotten_rows();
                };
                let mark = current.mark(&self.connection, self.positions.last)?;
                self.delete(&doomed, Some(mark))?;
                if let Some((current, _)) = self.forgetting.first_mut() {
                    current.cursor = looked;
                    current.deleted += doomed.len() as u64;
                }
            }
            Step::Rebuild => {
                if !self.unsynced(|c| index::rebuild_slice(c, i64::MAX >> 20, SLICE))? {
                    self.next_step(Step::CutOff);
                }
            }
            Step::CutOff => {
                if self.cut_off(0)? {
                    self.next_step(Step::Truncate);
                }
            }
            Step::Truncate => {
                if self.truncate()? {
                    self.finish_forgetting()?;
                }
            }
        }
        Ok(())
    }

    /// Deletes messages for retention, or for a request to forget with this mark.
    fn delete(&mut self, doomed: &[Doomed], forgotten: Option<Position>) -> Result<(), Failure> {
        let indexed = self.indexed;
        self.unsynced(|c| {
            if let (Some(mark), Some(first)) = (forgotten, doomed.first()) {
                note_forgotten(c, mark, first.position)?;
            }
            retention::delete(c, doomed, indexed)
        })?;
        let positions: Vec<Position> = doomed.iter().map(|it| it.position).collect();
        self.shared.tail.remove(&positions);
        Ok(())
    }

    fn next_step(&mut self, step: Step) {
        if let Some((current, _)) = self.forgetting.first_mut() {
            current.step = step;
        }
    }

    fn forgotten_rows(&mut self) -> Result<(), Failure> {
        self.unsynced(retention::delete_empty_rooms)?;
        self.rooms.clear();
        self.next_step(Step::Rebuild);
        if let Some((current, _)) = self.forgetting.first() {
            (self.report)(Report::Forgotten(current.done()));
        }
        Ok(())
    }

    fn finish_forgetting(&mut self) -> Result<(), Failure> {
        let Some((current, _)) = self.forgetting.first() else { return Ok(()) };
        let id = current.id;
        self.set_syncing(true)?;
        self.connection.prepare_cached("DELETE FROM forgetting WHERE id = ?1")?.execute([id])?;
        // The request itself contains a name.
        self.truncate()?;
        let (current, reply) = self.forgetting.remove(0);
        if let Some(reply) = reply {
            let _ = reply.send(Ok(current.done()));
        }
        Ok(())
    }

    /// Returns some free pages to the file system. Returns true when few are left.
    fn cut_off(&mut self, left: i64) -> Result<bool, Failure> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        if free <= left {
            return Ok(true);
        }
        self.unsynced(|c| {
            let mut statement = c.prepare(&format!("PRAGMA incremental_vacuum({SLICE})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        })?;
        Ok(false)
    }

    /// Truncates the write-ahead log. Returns false while a reader uses it.
    fn truncate(&mut self) -> Result<bool, Failure> {
        // The writer must not block.
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy: Result<i64, _> =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        self.connection.busy_timeout(Duration::from_millis(250))?;
        let busy = busy?;
        if busy != 0 {
            std::thread::yield_now();
        }
        Ok(busy == 0)
    }

    /// Runs one slice of retention, if it is due.
    fn retain(&mut self) -> Result<(), Failure> {
        let waits = self.retention.looked.is_some_and(|looked| looked.elapsed() < LOOK);
        if !self.retention.more && (!self.retention.due || waits) {
            return Ok(());
        }
        self.retention.more = self.retain_slice()?;
        if !self.retention.more {
            self.retention.looked = Some(Instant::now());
            self.retention.due = false;
        }
        Ok(())
    }

    /// Deletes by age, then by size, then frees space. Returns false if there was nothing to do.
    fn retain_slice(&mut self) -> Result<bool, Failure> {
        if self.retention.excess > 0 {
            self.shrink()?;
            return Ok(true);
        }
        if let Some(keep) = self.options.keep {
            let up_to = retention::expired(&self.connection, &self.age, keep)?;
            let doomed = retention::oldest(&self.connection, up_to.min(self.indexed), SLICE)?;
            if !doomed.is_empty() {
                self.delete(&doomed, None)?;
                return Ok(true);
            }
        }
        if self.is_too_large()? || self.unsynced(|c| index::rebuild_slice(c, 4, SLICE))? {
            return Ok(true);
        }
        if self.age.age() >= self.retention.tidied + retention::grain(self.options.keep) {
            self.tidy()?;
        }
        // A few free pages are soon reused.
        Ok(!self.cut_off(1_024)?)
    }

    /// Returns whether anything was done about the size. Deleted messages leave grams in the index
    /// until partitions are rebuilt, so rebuilding comes first.
    fn is_too_large(&mut self) -> Result<bool, Failure> {
        let Some(keep) = self.options.keep_size else { return Ok(false) };
        let (used, counted) = retention::sizes(&self.connection)?;
        if used <= keep || counted == 0 {
            return Ok(false);
        }
        if self.unsynced(|c| index::rebuild_slice(c, 10, SLICE))? {
            return Ok(true);
        }
        // Scaled, because pages and index belong to the messages.
        let excess = used - keep / 100 * 97;
        let share = excess as f64 / used as f64;
        self.retention.excess = (counted as f64 * share).ceil() as u64;
        Ok(true)
    }

    /// Deletes a slice by size. Chooses the victim only a few times per run, because choosing looks
    /// at every speaker.
    fn shrink(&mut self) -> Result<(), Failure> {
        let before = self.retention.victim.take();
        let mut victim = match before {
            Some(before) if before.quota > 0 => before,
            before => {
                let Some(mut victim) = retention::largest(&self.connection)? else {
                    self.retention.excess = 0;
                    return Ok(());
                };
                if let Some(before) = before
                    && (before.room, &before.speaker) == (victim.room, &victim.speaker)
                {
                    victim.cursor = before.cursor;
                }
                victim.quota = (self.retention.excess / 16).max(64 << 10).cast_signed();
                victim
            }
        };
        let indexed = self.indexed;
        let found = retention::oldest_of(&self.connection, &victim, indexed, SLICE)?;
        let Some((doomed, looked)) = found else {
            if victim.cursor == Position::START {
                // The usage table counts messages that do not exist, so deleting cannot reduce it
                // further.
                self.retention.excess = 0;
            }
            return Ok(());
        };
        let freed: i64 = doomed.iter().map(|it| it.bytes).sum();
        self.delete(&doomed, None)?;
        self.retention.excess = self.retention.excess.saturating_sub(freed.unsigned_abs());
        victim.cursor = looked;
        victim.quota -= freed;
        self.retention.victim = Some(victim);
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), Failure> {
        let oldest: Option<i64> =
            self.connection
                .query_row("SELECT min(position) FROM messages", [], |row| row.get(0))?;
        let oldest = oldest.map_or(self.shared.durable(), Position::from_sql);
        let (age, keep) = (self.age, self.options.keep);
        self.unsynced(|c| retention::tidy(c, &age, keep, oldest))?;
        self.rooms.clear();
        self.retention.tidied = age.age();
        Ok(())
    }

    /// Runs a transaction without a sync, for data that can be rebuilt.
    fn unsynced<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.set_syncing(false)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    fn set_syncing(&mut self, sync: bool) -> Result<(), Failure> {
        if self.syncing != sync {
            let mode = if sync { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.syncing = sync;
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), Failure> {
        if self.files.iter().all(SameFile::is_there) {
            Ok(())
        } else {
            Err(Failure { trouble: Trouble::Gone, error: "a file is no longer there".into() })
        }
    }

    /// Recovers before the first transaction after a failure.
    ///
    /// A failed sync may have dropped pages that a later sync reports as written. Everything after
    /// them in the write-ahead log depends on them, so the log must be restarted.
    fn recover(&mut self) -> Result<(), Failure> {
        if let Some(trouble) = &self.trouble
            && !trouble.heals()
            && Instant::now() < self.retry_at
        {
            return Err(Failure { trouble: trouble.clone(), error: trouble.to_string().into() });
        }
        if self.trouble == Some(Trouble::Damaged) {
            let error = "the file is damaged".into();
            return Err(Failure { trouble: Trouble::Damaged, error });
        }
        self.check_files()?;
        self.rooms.clear();
        self.set_syncing(true)?;
        if self.truncate()? {
            Ok(())
        } else {
            Err(Failure { trouble: Trouble::Busy, error: "a reader is in the middle".into() })
        }
    }

    /// Records a failure, and reports it if it is new.
    fn fail(&mut self, failure: &Failure) {
        self.retry_at = Instant::now() + RETRY;
        self.rooms.clear();
        if self.trouble.as_ref() != Some(&failure.trouble) {
            self.trouble = Some(failure.trouble.clone());
            let error = failure.error.clone();
            (self.report)(Report::Unable { trouble: failure.trouble.clone(), error });
        }
    }

    fn close(mut self) {
        for (_, reply) in self.forgetting.drain(..) {
            if let Some(reply) = reply {
                let _ = reply.send(Err(ForgetError::Closed));
            }
        }
        if self.trouble.is_none() && self.check_files().is_ok() && self.set_syncing(true).is_ok() {
            // After a clean shutdown, the rest of the reserved block is not skipped.
            let _ = store::set(&self.connection, "reserved", self.positions.last.sql());
        }
    }
}

/// Why a transaction failed, with SQLite's message.
pub(crate) struct Failure {
    trouble: Trouble,
    error: Box<str>,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure { trouble: Trouble::of(&error), error: error.to_string().into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let trouble = error.trouble();
        let error = match error {
            StoreError::Sqlite(error) => error.to_string().into(),
            StoreError::NoPositions => trouble.to_string().into(),
        };
        Failure { trouble, error }
    }
}

/// Counts a relayed message that is not stored.
fn count_losable(item: &Item, lost: &mut Lost) {
    if let Item::Message(append) = item
        && append.numbering == Numbering::ByHub
    {
        lost.add(&append.room, append.wall);
    }
}

/// Calls a function when it is dropped.
fn scopeguard<F: FnMut()>(function: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(function)
}
