//! The monotonic clock. Drivers read it and pass the time to machines.

use std::time;

use pigeon_datagram::Instant;

/// A monotonic clock that counts from its start. Copies read the same time, so other threads can
/// use one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// Starts a clock, with [`Instant::ORIGIN`] at this moment.
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
