//! Resolves a name repeatedly while a command runs: its host may get another address, and a contact
//! may be edited.
//!
//! A resolver may take many seconds, so a separate thread calls it and wakes the loop. A failure
//! changes nothing: the last known address stays in use, and the next lookup may succeed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use pigeon_datagram::Instant;

use super::thread;

/// The least time between the starts of two lookups, so that an absent host does not burden the
/// resolver.
const EVERY: Duration = Duration::from_secs(5);

/// Resolves a name. It may block.
pub(crate) type Find = dyn Fn() -> anyhow::Result<SocketAddr> + Send + Sync;

/// A name that may change its address. At most one thread resolves it at a time.
pub(crate) struct Lookup {
    find: Arc<Find>,
    wake: Arc<dyn Fn() + Send + Sync>,
    running: Option<Receiver<anyhow::Result<SocketAddr>>>,
    /// When the next lookup may start.
    next: Instant,
}

impl Lookup {
    /// Starts no lookup yet. `wake` wakes the loop that calls [`found`](Lookup::found).
    pub(crate) fn new(find: Arc<Find>, wake: impl Fn() + Send + Sync + 'static) -> Lookup {
        Lookup { find, wake: Arc::new(wake), running: None, next: Instant::ORIGIN }
    }

    /// Starts a lookup, because the address refuses or is silent. Does nothing during a lookup, or
    /// soon after the last. Never blocks.
    pub(crate) fn ask(&mut self, now: Instant) {
        if self.running.is_some() || now < self.next {
            return;
        }
        self.next = now + EVERY;
        let (find, wake) = (Arc::clone(&self.find), Arc::clone(&self.wake));
        let (sender, found) = sync_channel(1);
        let thread = thread::spawn("lookup", move || {
            // Fails only when the loop has ended.
            let _ = sender.send(find());
            wake();
        });
        // If no thread could be started, a later call tries again.
        self.running = thread.is_ok().then_some(found);
    }

    /// The result of a lookup, once: the same or another address. Never blocks.
    pub(crate) fn found(&mut self) -> Option<SocketAddr> {
        match self.running.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => None,
            found => {
                self.running = None;
                found.ok()?.ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use anyhow::anyhow;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 9))
    }

    /// A resolver controlled by the test, and a signal for each wake-up.
    fn lookup() -> (Lookup, Sender<anyhow::Result<SocketAddr>>, Receiver<()>) {
        let (answer, answers) = channel();
        let answers = Mutex::new(answers);
        let find = move || answers.lock().unwrap().recv().unwrap();
        let (woken, wakes) = channel();
        let wake = move || woken.send(()).unwrap();
        (Lookup::new(Arc::new(find), wake), answer, wakes)
    }

    #[test]
    fn a_failure_changes_nothing_and_the_next_look_may_succeed() {
        let (mut lookup, answer, wakes) = lookup();
        assert_eq!(lookup.found(), None);
        lookup.ask(at(0));
        answer.send(Err(anyhow!("no such host"))).unwrap();
        wakes.recv().unwrap();
        assert_eq!(lookup.found(), None);
        lookup.ask(at(5));
        answer.send(Ok(address(2))).unwrap();
        wakes.recv().unwrap();
        assert_eq!(lookup.found(), Some(address(2)));
        assert_eq!(lookup.found(), None);
    }

    #[test]
    fn a_slow_resolver_is_asked_by_one_thread_and_a_fast_one_at_a_pace() {
        let (mut lookup, answer, wakes) = lookup();
        lookup.ask(at(0));
        assert_eq!(lookup.found(), None);
        // A second thread would take a second answer, and wake once more.
        lookup.ask(at(60));
        answer.send(Ok(address(1))).unwrap();
        wakes.recv().unwrap();
        assert_eq!(lookup.found(), Some(address(1)));
        lookup.ask(at(60));
        answer.send(Ok(address(2))).unwrap();
        wakes.recv().unwrap();
        assert_eq!(lookup.found(), Some(address(2)));
        lookup.ask(at(64));
        assert!(lookup.running.is_none() && wakes.try_recv().is_err());
    }
}
