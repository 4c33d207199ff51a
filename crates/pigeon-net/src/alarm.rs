//! Waking at a time that is finer than the readiness queue's own millisecond.

use std::time::Duration;

use mio::{Registry, Token};

/// A timer that ends a wait: on Linux a timerfd(2), in nanoseconds. epoll_wait(2) knows whole
/// milliseconds only, and a link with a delay of a hundred microseconds would have a tenfold one.
/// Elsewhere, and where no timer can be made, the wait's own limit has to do.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<nix::sys::timerfd::TimerFd>,
}

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
        Alarm { timer }
    }

    /// Sets it to go off after `limit`, and returns the limit that the wait itself still needs.
    /// Without one it may still go off as it was set before, which wakes in vain.
    pub(crate) fn set(&self, limit: Option<Duration>) -> Option<Duration> {
        use nix::sys::time::TimeSpec;
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};

        // A timer set to zero never goes off (timerfd_settime(2)).
        let (Some(timer), Some(after)) = (&self.timer, limit.filter(|limit| !limit.is_zero()))
        else {
            return limit;
        };
        // The kernel refuses more seconds than its clock can hold. No wait lasts a day.
        let after = TimeSpec::from_duration(after.min(Duration::from_secs(86_400)));
        match timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty()) {
            Ok(()) => None,
            Err(_) => limit,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new(_: &Registry, _: Token) -> Alarm {
        Alarm {}
    }

    pub(crate) fn set(&self, limit: Option<Duration>) -> Option<Duration> {
        limit
    }
}
