//! A timer with a finer resolution than the readiness queue's millisecond.

use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use mio::{Registry, Token};

/// A timer that ends a wait: on Linux a timerfd(2), in nanoseconds. epoll_wait(2) only knows whole
/// milliseconds, and would delay a simulated link of a hundred microseconds tenfold. Elsewhere, or
/// if creating the timer fails, the wait's own timeout is used.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<nix::sys::timerfd::TimerFd>,
    /// When it goes off next. Consecutive waits often end at the same time, and need no further
    /// system call.
    #[cfg(target_os = "linux")]
    set_for: Option<Instant>,
}

/// End times that differ by less count as the same.
#[cfg(target_os = "linux")]
const SAME: Duration = Duration::from_micros(1);

#[cfg(target_os = "linux")]
impl Alarm {
    pub(crate) fn new(registry: &Registry, token: Token) -> Alarm {
        use std::os::fd::{AsFd, AsRawFd};

        use mio::Interest;
        use mio::unix::SourceFd;
        use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};

        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).ok();
        let timer = timer.filter(|timer| {
            let fd = timer.as_fd().as_raw_fd();
            registry.register(&mut SourceFd(&fd), token, Interest::READABLE).is_ok()
        });
        Alarm { timer, set_for: None }
    }

    /// Sets the timer to go off after `limit`, and returns the timeout that the wait still needs.
    /// Without a limit, an earlier setting may still end the wait early.
    pub(crate) fn set(&mut self, limit: Option<Duration>) -> Option<Duration> {
        use nix::sys::time::TimeSpec;
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};

        // A timer set to zero never goes off (timerfd_settime(2)).
        let (Some(timer), Some(after)) = (&self.timer, limit.filter(|limit| !limit.is_zero()))
        else {
            return limit;
        };
        // The kernel refuses more seconds than its clock can hold. No wait lasts a day.
        let after = after.min(Duration::from_secs(86_400));
        let now = Instant::now();
        let end = now + after;
        // A timer in the past has gone off already and must be set again.
        if self.set_for.is_some_and(|at| at > now && at + SAME > end && end + SAME > at) {
            return None;
        }
        let expiration = Expiration::OneShot(TimeSpec::from_duration(after));
        match timer.set(expiration, TimerSetTimeFlags::empty()) {
            Ok(()) => {
                self.set_for = Some(end);
                None
            }
            Err(_) => limit,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new(_: &Registry, _: Token) -> Alarm {
        Alarm {}
    }

    pub(crate) fn set(&mut self, limit: Option<Duration>) -> Option<Duration> {
        limit
    }
}
