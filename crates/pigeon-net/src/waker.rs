//! Wakes a sleeping loop from other threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Registry, Token};

/// Wakes a loop from another thread, so that it calls [`Host::woken`](crate::Host::woken). Several
/// calls in quick succession count as one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Signal>);

#[derive(Debug)]
struct Signal {
    /// The actual state. The readiness event below only ends a sleep.
    pending: AtomicBool,
    event: mio::Waker,
}

impl Waker {
    /// A waker for a loop that waits for `registry`. Fails if the system has none left.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        let event = mio::Waker::new(registry, token)?;
        Ok(Waker(Arc::new(Signal { pending: AtomicBool::new(false), event })))
    }

    /// Wakes the loop. Cheap, and cheaper still while an earlier call is pending.
    pub fn wake(&self) {
        if !self.0.pending.swap(true, Ordering::AcqRel) {
            // Fails only when the system is out of resources; the loop then sees the flag at the
            // end of its sleep.
            let _ = self.0.event.wake();
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.0.pending.load(Ordering::Acquire)
    }

    /// Returns whether `wake` was called since the last time. The loop calls it after each sleep.
    pub fn take(&self) -> bool {
        // Loading first keeps the busy loop from writing to a shared cache line.
        self.is_pending() && self.0.pending.swap(false, Ordering::AcqRel)
    }
}
