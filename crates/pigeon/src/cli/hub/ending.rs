//! The end of a link's loop in its own thread.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pigeon_net::Waker;

use crate::base::thread;

/// The result of a link's loop.
pub(super) struct Ending {
    thread: JoinHandle<()>,
    why: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Ending {
    /// Runs a link's loop in a thread with this name, and wakes the hub when it has ended. Fails if
    /// the thread cannot be started.
    pub(super) fn of(
        name: &str,
        hub: Arc<OnceLock<Waker>>,
        run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Ending> {
        let why = Arc::new(Mutex::new(None));
        let thread = thread::spawn(name, {
            let why = Arc::clone(&why);
            move || {
                if let Err(error) = run() {
                    *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                hub.get().into_iter().for_each(Waker::wake);
            }
        })?;
        Ok(Ending { thread, why })
    }

    /// The error that ended it.
    pub(super) fn why(&self) -> Option<anyhow::Error> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the loop's end, up to `patience`.
    pub(super) fn wait(self, patience: Duration) {
        let until = std::time::Instant::now() + patience;
        while !self.thread.is_finished() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
