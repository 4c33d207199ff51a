//! The hub's handle of a log that is open for writing.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pigeon_proto::RoomName;
use rusqlite::Connection;
use thiserror::Error;

use crate::entry::Sql;
use crate::folder::{self, FILE, Lock, LockError, SameFile};
use crate::import::{ImportError, Imported};
use crate::queue::{PushError, Queue};
use crate::state::{Change, Fact, Key, State};
use crate::store::{self, Positions};
use crate::tail::Tail;
use crate::writer::{Job, Writer};
use crate::{
    Append, Entry, Forget, ForgetError, Forgotten, OpenError, Position, Reader, Report, Ticket,
    Trouble,
};
use crate::{schema, state};

/// Maximum number of rooms for which the newest position is kept for the next [`Log::take_newest`].
const MAX_ROOMS: usize = 10_000;

/// A log's settings.
#[derive(Clone)]
pub struct Options {
    /// The size limit of the writer's queue, in bytes.
    pub queue_bytes: usize,
    /// The size limit of the newest entries kept in memory for followers, in bytes.
    pub tail_bytes: usize,
    /// How long to keep messages, by the age of the log. `None`: for ever.
    pub keep: Option<Duration>,
    /// The largest file size. `None`: unlimited.
    pub keep_size: Option<u64>,
    /// Maximum number of stored messages that may wait for the index while the writer is busy. A
    /// search scans them.
    pub index_lag: usize,
    /// Whether to check the whole file for damage at the start.
    pub quick_check: bool,
    /// The monotonic clock, with any origin. Detects jumps of the wall clock.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Default for Options {
    /// 90 days and 1 GiB, with a queue of 16 MiB. The tail is limited to 4 MiB: a larger one
    /// exceeds the CPU's cache, and costs as much as storing.
    fn default() -> Options {
        let start = Instant::now();
        Options {
            queue_bytes: 16 << 20,
            tail_bytes: 4 << 20,
            keep: Some(Duration::from_secs(90 * 86_400)),
            keep_size: Some(1 << 30),
            index_lag: 50_000,
            quick_check: true,
            clock: Arc::new(move || start.elapsed()),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("queue_bytes", &self.queue_bytes)
            .field("tail_bytes", &self.tail_bytes)
            .field("keep", &self.keep)
            .field("keep_size", &self.keep_size)
            .field("index_lag", &self.index_lag)
            .field("quick_check", &self.quick_check)
            .finish_non_exhaustive()
    }
}

/// A log that is open for writing, by one process at a time.
///
/// Dropping it stores queued entries and stops the writer.
pub struct Log {
    folder: PathBuf,
    shared: Arc<Shared>,
    state: State,
    /// The epoch of the next position, at the time of opening.
    epoch: u64,
    writer: Option<JoinHandle<()>>,
    /// Released after the writer has ended.
    _lock: Lock,
}

/// The newest stored entries, in memory: reading them waits for no disk.
#[derive(Clone)]
pub struct NewestEntries {
    shared: Arc<Shared>,
}

impl NewestEntries {
    /// Everything up to this position is on the disk.
    pub fn durable(&self) -> Position {
        self.shared.durable()
    }

    /// The next entries after a position, of one room or of all. `None` where some of them are no
    /// longer in memory; a [`Reader`] reads them from the disk.
    pub fn after(
        &self,
        position: Position,
        room: Option<&RoomName>,
        limit: usize,
    ) -> Option<Vec<Entry>> {
        self.shared.tail.after(position, room, limit)
    }
}

/// Stores what hubs with shared rooms have decided, from any thread.
#[derive(Clone)]
pub struct DecidedEntries {
    shared: Arc<Shared>,
}

impl DecidedEntries {
    /// Queues messages, each [`Numbering::Decided`](crate::Numbering::Decided), and a fact, which are
    /// stored together or not at all: [`Outcome::Kept`](crate::Outcome::Kept).
    pub fn try_store(&self, messages: Vec<Append>, fact: &Fact) -> Result<Ticket, AppendError<()>> {
        let change = Change::set(fact);
        self.shared.queue.push_decided(messages, change).map_err(|why| why.with(()))
    }
}

impl fmt::Debug for DecidedEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecidedEntries").finish_non_exhaustive()
    }
}

impl fmt::Debug for NewestEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewestEntries").finish_non_exhaustive()
    }
}

/// State shared by the handle, the writer and the readers.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) tail: Tail,
    /// The newest position of each room with new entries, until the next `take_newest`.
    newest: Mutex<BTreeMap<RoomName, Position>>,
    durable: AtomicU64,
    indexed: AtomicU64,
}

/// Why an entry was not queued. Nothing was stored.
#[derive(Debug, Error)]
pub enum AppendError<T> {
    /// The queue is full. A message numbered by the hub counts as lost; its author may repeat any
    /// other.
    #[error("the log's queue is full")]
    Full(T),
    /// The log is closed.
    #[error("the log is closed")]
    Closed(T),
}

/// The future result of a slow request.
#[derive(Debug)]
pub struct Pending<T> {
    answer: Receiver<T>,
    closed: T,
}

impl<T> Pending<T> {
    /// Blocks until the result is available.
    pub fn wait(self) -> T {
        self.answer.recv().unwrap_or(self.closed)
    }

    /// The result, if available. It is returned once.
    pub fn poll(&self) -> Option<T> {
        self.answer.try_recv().ok()
    }
}

impl Log {
    /// Opens the log of a folder, and creates it if necessary.
    ///
    /// `report` runs on the writer's thread and must not block: it should queue the report and wake
    /// the loop that reads it.
    pub fn open(
        folder: &Path,
        options: Options,
        report: impl FnMut(Report) + Send + 'static,
    ) -> Result<Log, OpenError> {
        let refused = |doing| {
            let path = folder.to_owned();
            move |source| OpenError::Folder { doing, path, source }
        };
        folder::create(folder).map_err(refused("create the folder"))?;
        let lock = Lock::take(folder).map_err(|error| match error {
            LockError::Held(by) => OpenError::InUse { folder: folder.to_owned(), by },
            LockError::Io(source) => refused("lock the folder")(source),
        })?;
        let connection = schema::open_for_writing(folder, options.quick_check)?;
        let file = folder.join(FILE);
        let failed = |doing| {
            let file = file.clone();
            move |source| OpenError::Sqlite { doing, file, source }
        };
        let (positions, newest) =
            positions(&connection).map_err(failed("read the positions of"))?;
        let state = state::load(&connection).map_err(failed("read the state of"))?;
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_bytes),
            tail: Tail::new(newest, options.tail_bytes),
            newest: Mutex::default(),
            durable: AtomicU64::new(newest.get()),
            indexed: AtomicU64::new(0),
        });
        // The write-ahead log exists after the first transaction.
        let files = [file.clone(), folder.join(format!("{FILE}-wal"))];
        let files = files.iter().map(|file| SameFile::of(file)).collect::<Result<_, _>>();
        let files = files.map_err(refused("find the files of"))?;
        let writer = Writer::new(
            connection,
            files,
            Arc::clone(&shared),
            options,
            Box::new(report),
            positions,
        );
        let writer = writer.map_err(failed("read"))?;
        let writer = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.run())
            .map_err(refused("start a thread for"))?;
        let (folder, writer) = (folder.to_owned(), Some(writer));
        Ok(Log { folder, shared, state, epoch: positions.last.epoch(), writer, _lock: lock })
    }

    /// Queues a message without blocking. Its outcome is reported later.
    #[expect(clippy::result_large_err, reason = "the message comes back, without an allocation")]
    pub fn try_append(&self, append: Append) -> Result<Ticket, AppendError<Append>> {
        self.shared.queue.push(append).map_err(|(why, append)| why.with(append))
    }

    /// Queues messages like [`try_append`](Log::try_append), and stores them in one group if they
    /// fit one.
    pub fn try_append_all(&self, appends: Vec<Append>) -> Vec<Result<Ticket, AppendError<()>>> {
        let tickets = self.shared.queue.push_all(appends).into_iter();
        tickets.map(|ticket| ticket.map_err(|why| why.with(()))).collect()
    }

    /// Queues a fact, which replaces the one with the same key, without blocking.
    pub fn try_set(&self, fact: &Fact) -> Result<Ticket, AppendError<()>> {
        self.shared.queue.push_change(Change::set(fact)).map_err(|why| why.with(()))
    }

    /// Queues the removal of a fact without blocking.
    pub fn try_remove(&self, key: &Key) -> Result<Ticket, AppendError<()>> {
        self.shared.queue.push_change(Change::remove(key)).map_err(|why| why.with(()))
    }

    /// The facts at the time of opening.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The newest position on disk.
    pub fn durable(&self) -> Position {
        self.shared.durable()
    }

    /// The newest indexed position.
    pub fn indexed(&self) -> Position {
        Position::from_sql(self.shared.indexed.load(Ordering::Acquire) as i64)
    }

    /// The rooms with new entries since the last call, and the newest position of each.
    pub fn take_newest(&self) -> BTreeMap<RoomName, Position> {
        std::mem::take(&mut self.shared.newest())
    }

    /// The newest entries, for any thread.
    pub fn newest_entries(&self) -> NewestEntries {
        NewestEntries { shared: Arc::clone(&self.shared) }
    }

    /// Stores what hubs with shared rooms have decided.
    pub fn decided_entries(&self) -> DecidedEntries {
        DecidedEntries { shared: Arc::clone(&self.shared) }
    }

    /// A reader with its own connection, for one thread.
    pub fn reader(&self) -> Result<Reader, OpenError> {
        Reader::beside(&self.folder, Arc::clone(&self.shared))
    }

    /// Deletes permanently. The result is available once nothing is left in any file; storing
    /// continues meanwhile.
    pub fn forget(&self, what: Forget) -> Pending<Result<Forgotten, ForgetError>> {
        self.job(|reply| Job::Forget(what, reply), Err(ForgetError::Closed))
    }

    /// Waits for the outcomes of everything queued so far.
    pub fn flush(&self) -> Pending<()> {
        self.job(Job::Flush, ())
    }

    /// Begins a new epoch, because earlier positions may have been used elsewhere. Returns its
    /// number.
    pub fn begin_epoch(&self) -> Pending<Result<u64, Trouble>> {
        self.job(Job::NewEpoch, Err(Trouble::Other))
    }

    /// Must be called before the log assigns positions itself: in an epoch of hubs with shared rooms,
    /// they are others' messages. Begins a new epoch if necessary.
    pub fn go_alone(&self) -> Result<(), Trouble> {
        match self.state.place() {
            Some((epoch, _)) if epoch >= self.epoch => self.begin_epoch().wait().map(drop),
            _ => Ok(()),
        }
    }

    /// Imports JSON lines, as written by [`Reader::export`]. Skips entries that the log has
    /// already.
    pub fn import(&self, lines: impl BufRead) -> Result<Imported, ImportError> {
        self.go_alone().map_err(|trouble| ImportError::Unable { line: 1, trouble })?;
        crate::import::import(&self.shared.queue, lines)
    }

    /// Stores queued entries and stops the writer.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // Ignores a panic of `report`: the log is closed anyway.
            let _ = writer.join();
        }
    }

    fn job<T>(&self, job: impl FnOnce(mpsc::Sender<T>) -> Job, closed: T) -> Pending<T> {
        let (reply, answer) = mpsc::channel();
        // If the queue is closed, the sender is dropped, and `wait` notices that.
        let _ = self.shared.queue.push_job(job(reply));
        Pending { answer, closed }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Shared {
    /// Records the newest position of each room, up to a limit. A room beyond the limit is recorded
    /// with its next message.
    pub(crate) fn note_newest(&self, entries: &[Entry]) {
        let mut newest = self.newest();
        let mut last: Option<&RoomName> = None;
        // Newest first: in most groups each room is then looked up once.
        for entry in entries.iter().rev() {
            let room = entry.room();
            if last.is_some_and(|last| last == room) {
                continue;
            }
            last = Some(room);
            if let Some(position) = newest.get_mut(room) {
                *position = (*position).max(entry.position());
            } else if newest.len() < MAX_ROOMS {
                newest.insert(room.clone(), entry.position());
            }
        }
    }

    fn newest(&self) -> MutexGuard<'_, BTreeMap<RoomName, Position>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> Position {
        Position::from_sql(self.durable.load(Ordering::Acquire) as i64)
    }

    pub(crate) fn set_durable(&self, position: Position) {
        self.durable.store(position.get(), Ordering::Release);
    }

    pub(crate) fn set_indexed(&self, position: Position) {
        self.indexed.store(position.get(), Ordering::Release);
    }
}

impl PushError {
    fn with<T>(self, value: T) -> AppendError<T> {
        match self {
            PushError::Full => AppendError::Full(value),
            PushError::Closed => AppendError::Closed(value),
        }
    }
}

/// The next position to assign, and the newest stored one. A restored backup continues in a new
/// epoch, because the original log has already used the following positions.
fn positions(connection: &Connection) -> rusqlite::Result<(Positions, Position)> {
    let newest = connection
        .query_row("SELECT max(position) FROM messages", [], |row| row.get::<_, Option<i64>>(0))?
        .map_or(Position::START, Position::from_sql);
    let reserved = Position::from_sql(store::get(connection, "reserved")?.unwrap_or(0));
    let mut last = reserved.max(newest);
    if store::get(connection, "restored")?.is_some() {
        last = Position::at(last.epoch() + 1, 0).unwrap_or(last);
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             INSERT INTO settings (name, value) VALUES ('reserved', {0})
                 ON CONFLICT DO UPDATE SET value = {0};
             DELETE FROM settings WHERE name = 'restored';
             COMMIT;",
            last.sql()
        ))?;
    }
    Ok((Positions { last, reserved: last }, newest))
}
