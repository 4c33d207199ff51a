//! A bounded queue with a writer thread.
//!
//! A pipe without an active reader, or a terminal under Ctrl-S, blocks its writer. The loops that
//! move datagrams must not block, so they push to the queue, and the spool's own thread writes.
//! Items that do not fit are dropped whole and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::is_quiet;
use super::patient::Patient;
use crate::base::thread;

/// Maximum number of bytes queued, in addition to those being written.
const CAPACITY: usize = 16 << 20;

/// A handle to the queue; clones share it.
pub(crate) struct Spool<T> {
    shared: Arc<Shared<T>>,
    /// Lines lost to a full disk.
    lost: Arc<AtomicU64>,
}

/// Writes queued items in order.
pub(crate) trait Render<T>:
    FnMut(&mut dyn Iterator<Item = T>, &mut dyn Write) -> io::Result<()> + Send + 'static
{
}

impl<T, F> Render<T> for F where
    F: FnMut(&mut dyn Iterator<Item = T>, &mut dyn Write) -> io::Result<()> + Send + 'static
{
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<(T, usize)>,
    bytes: usize,
    dropped: u64,
    /// Whether the thread is writing a batch.
    writing: bool,
    /// Why writing ended.
    closed: Option<io::ErrorKind>,
}

impl<T: Send + 'static> Spool<T> {
    /// Starts the thread. `render` writes all queued items to `out`; `on_closed` is called when
    /// that fails, so that a loop can end instead of continuing in vain.
    pub(crate) fn new(
        mut out: impl Write + Send + 'static,
        mut render: impl Render<T>,
        on_closed: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Spool<T>> {
        let state =
            State { queue: VecDeque::new(), bytes: 0, dropped: 0, writing: false, closed: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let writer = Arc::clone(&shared);
        thread::spawn("output", move || {
            loop {
                let mut items = writer.take().into_iter().map(|(item, _)| item);
                let written = render(&mut items, &mut out).and_then(|()| out.flush());
                let mut state = writer.lock();
                state.writing = false;
                if let Err(error) = written {
                    state.closed = Some(error.kind());
                    drop(state);
                    writer.changed.notify_all();
                    return on_closed();
                }
                drop(state);
                writer.changed.notify_all();
            }
        })?;
        Ok(Spool { shared, lost: Arc::default() })
    }

    /// Queues an item of about `bytes` bytes of text. Returns false if it was dropped.
    pub(crate) fn push(&self, item: T, bytes: usize) -> bool {
        self.push_many(item, bytes, 1)
    }

    /// Queues an item that counts as `count` when dropped.
    pub(crate) fn push_many(&self, item: T, bytes: usize, count: usize) -> bool {
        let mut state = self.shared.lock();
        if state.closed.is_some() || state.bytes + bytes > CAPACITY {
            state.dropped += count as u64;
            return false;
        }
        state.bytes += bytes;
        state.queue.push_back((item, bytes));
        drop(state);
        self.shared.changed.notify_all();
        true
    }

    /// The number of dropped items.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.lock().dropped + self.lost.load(Ordering::Relaxed)
    }

    /// Why writing is impossible, if it is.
    pub(crate) fn closed(&self) -> Option<io::ErrorKind> {
        self.shared.lock().closed
    }

    /// Waits until everything is written, but no later than `deadline`: a server must end even if
    /// its output blocks. Returns false if anything is left, or if writing failed.
    pub(crate) fn finish(&self, deadline: Instant) -> bool {
        let mut state = self.shared.lock();
        while state.closed.is_none() && (state.writing || !state.queue.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.closed.is_none()
    }

    /// The error that ended writing, unless the reader has merely closed the pipe.
    pub(crate) fn failure(&self) -> Option<io::ErrorKind> {
        self.closed().filter(|kind| *kind != io::ErrorKind::BrokenPipe)
    }
}

impl Spool<Vec<u8>> {
    /// A spool of complete lines.
    pub(crate) fn lines(out: impl Write + Send + 'static) -> anyhow::Result<Spool<Vec<u8>>> {
        Spool::new(out, write_lines, || {})
    }

    /// A spool of complete lines for a program's log: a full disk does not end it.
    pub(crate) fn log(out: impl Write + Send + 'static) -> anyhow::Result<Spool<Vec<u8>>> {
        let lost = Arc::default();
        let spool = Spool::lines(Patient::new(out, Arc::clone(&lost)))?;
        Ok(Spool { lost, ..spool })
    }

    /// Queues a line with a newline.
    pub(crate) fn line(&self, line: impl Into<Vec<u8>>) -> bool {
        let mut line = line.into();
        line.push(b'\n');
        let bytes = line.len();
        self.push(line, bytes)
    }

    /// Queues a remark, which `--quiet` suppresses; for errors use [`Spool::line`].
    pub(crate) fn remark(&self, line: impl Into<Vec<u8>>) -> bool {
        is_quiet() || self.line(line)
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves the queue consistent: each change is one statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for items and takes all of them.
    fn take(&self) -> VecDeque<(T, usize)> {
        let mut state = self.lock();
        while state.queue.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes = 0;
        state.writing = true;
        std::mem::take(&mut state.queue)
    }
}

impl<T> Clone for Spool<T> {
    fn clone(&self) -> Self {
        Spool { shared: Arc::clone(&self.shared), lost: Arc::clone(&self.lost) }
    }
}

/// Writes all queued lines at once, because a system call costs more than a line.
fn write_lines(lines: &mut dyn Iterator<Item = Vec<u8>>, out: &mut dyn Write) -> io::Result<()> {
    let text: Vec<u8> = lines.flatten().collect();
    out.write_all(&text)
}

/// Lets loggers write to the spool: each write is one line.
impl Write for Spool<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec(), bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Blocks in each write until the test takes the bytes.
    struct Blocked(mpsc::SyncSender<Vec<u8>>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_stops_costs_lines_but_never_time() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let spool = Spool::lines(Blocked(sender)).unwrap();
        let line = vec![b'x'; CAPACITY / 4 - 1];
        let pushed = (0..20).filter(|_| spool.line(line.clone())).count();
        assert!((4..=8).contains(&pushed), "{pushed}");
        assert_eq!(spool.dropped(), 20 - pushed as u64);
        assert!(!spool.finish(Instant::now() + Duration::from_millis(10)));
        let mut written = 0;
        while written < pushed * (CAPACITY / 4) {
            written += receiver.recv().unwrap().len();
        }
        assert!(spool.finish(Instant::now() + Duration::from_secs(10)));
        assert!(spool.line("one more"));
    }

    #[test]
    fn a_reader_who_has_gone_is_noticed() {
        let (sender, receiver) = mpsc::sync_channel(0);
        drop(receiver);
        let (closed, notice) = mpsc::channel();
        let spool =
            Spool::new(Blocked(sender), write_lines, move || closed.send(()).unwrap()).unwrap();
        spool.line("hello");
        notice.recv().unwrap();
        assert_eq!(spool.closed(), Some(io::ErrorKind::BrokenPipe));
        assert!(!spool.line("more"));
    }
}
