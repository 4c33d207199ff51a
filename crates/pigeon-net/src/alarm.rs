//! Waking at a time that is finer than the readiness queue's own millisecond.

use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use mio::{Registry, Token};

/// A timer that ends a wait: on Linux a timerfd(2), in nanoseconds. epoll_wait(2) knows whole
/// milliseconds only, and a link with a delay of a hundred microseconds would have a tenfold one.
/// Elsewhere, and where no timer can be made, the wait's own limit has to do.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<nix::sys::timerfd::TimerFd>,
    /// When it goes off next. Many waits in a row have the same end, and need no call each.
    #[cfg(target_os = "linux")]
    set_for: Option<Instant>,
}

/// Ends of waits that differ by less are the same.
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

    /// Sets it to go off after `limit`, and returns the limit that the wait itself still needs.
    /// Without a limit it may still go off as it was set before, which only ends the wait early.
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
        // One that is over has gone off, and would not again.
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
