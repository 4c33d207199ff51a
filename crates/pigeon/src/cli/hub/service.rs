//! Messages to the service manager by sd_notify(3). Sends nothing without one.

use std::time::Duration;

use pigeon_datagram::Instant;

/// The service manager's watchdog: it restarts a hub that does not report in time.
pub(super) struct Watchdog {
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Watchdog {
    /// Reports twice per period of the service manager.
    pub(super) fn start(now: Instant) -> Watchdog {
        let every = watchdog_timeout().map(|timeout| timeout / 2).filter(|every| !every.is_zero());
        Watchdog { every, next: every.map(|every| now + every) }
    }

    /// When to call [`feed`](Watchdog::feed).
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Reports that the loop is running, if it is due.
    pub(super) fn feed(&mut self, now: Instant) {
        if let (Some(every), Some(next)) = (self.every, self.next)
            && next <= now
        {
            notify(&[State::Alive]);
            self.next = Some(now + every);
        }
    }
}

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "read by sd_notify alone"))]
pub(super) enum State<'a> {
    /// The hub serves.
    Ready,
    /// The hub reads its settings again; `Ready` follows.
    Reloading,
    Stopping,
    /// The loop is running.
    Alive,
    /// The hub is still starting, and needs at least this long.
    Starting(Duration),
    /// A line for `systemctl status`.
    Status(&'a str),
}

/// Notifies the service manager. Ignores failure, because the hub can serve without.
#[cfg(target_os = "linux")]
pub(super) fn notify(states: &[State<'_>]) {
    use sd_notify::NotifyState;

    let mut all = Vec::new();
    for state in states {
        match state {
            State::Ready => all.push(NotifyState::Ready),
            State::Reloading => {
                all.push(NotifyState::Reloading);
                all.extend(NotifyState::monotonic_usec_now());
            }
            State::Stopping => all.push(NotifyState::Stopping),
            State::Alive => all.push(NotifyState::Watchdog),
            State::Starting(least) => {
                let least = u32::try_from(least.as_micros()).unwrap_or(u32::MAX);
                all.push(NotifyState::ExtendTimeoutUsec(least));
            }
            State::Status(line) => all.push(NotifyState::Status(line)),
        }
    }
    if let Err(error) = sd_notify::notify(&all) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn notify(_: &[State<'_>]) {}

#[cfg(target_os = "linux")]
fn watchdog_timeout() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(target_os = "linux"))]
fn watchdog_timeout() -> Option<Duration> {
    None
}
