//! The monotonic clock. Machines are told the time; this is who knows it.

use std::time;

use pigeon_datagram::Instant;

/// A monotonic clock that began when it was started. Copies tell the same time, so other threads
/// can carry one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// A clock whose [`Instant::ORIGIN`] is now.
    pub fn start() -> Self {
        Clock { origin: time::Instant::now() }
    }

    /// The time since the clock was started.
    pub fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_tell_the_same_time_and_never_run_back() {
        let clock = Clock::start();
        let copy = clock;
        let (first, second, third) = (clock.now(), copy.now(), clock.now());
        assert!(first <= second && second <= third);
    }
}
