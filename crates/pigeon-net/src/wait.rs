//! Waiting for any of several sockets, more finely than a readiness queue does: for loops that are
//! about when something happens, and not only about what.

use std::time::Duration;

use crate::Socket;

/// Waits until one of the sockets has something to receive, or `limit` has passed; on Linux to the
/// microsecond. It may return early, for a signal or for nothing: the next receive tells.
#[cfg(unix)]
pub fn wait_readable<'a>(sockets: impl IntoIterator<Item = &'a Socket>, limit: Duration) {
    use nix::poll::{PollFd, PollFlags};
    use std::os::fd::AsFd;

    let mut sockets = sockets.into_iter();
    let watched = |socket: &'a Socket| PollFd::new(socket.udp.as_fd(), PollFlags::POLLIN);
    match (sockets.next(), sockets.next()) {
        (None, _) => std::thread::sleep(limit),
        // Of one socket nothing is allocated.
        (Some(only), None) => poll(&mut [watched(only)], limit),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(sockets);
            poll(&mut all.map(watched).collect::<Vec<_>>(), limit);
        }
    }
}

#[cfg(target_os = "linux")]
fn poll(watched: &mut [nix::poll::PollFd<'_>], limit: Duration) {
    let limit = nix::sys::time::TimeSpec::from_duration(limit);
    // Why it returned, the next receive tells.
    let _ = nix::poll::ppoll(watched, Some(limit), None);
}

#[cfg(all(unix, not(target_os = "linux")))]
fn poll(watched: &mut [nix::poll::PollFd<'_>], limit: Duration) {
    use nix::poll::PollTimeout;
    // Rounded down: who waits for a time looks again at the clock.
    let limit = PollTimeout::try_from(limit.as_millis()).unwrap_or(PollTimeout::MAX);
    let _ = nix::poll::poll(watched, limit);
}

/// Waits a little.
#[cfg(not(unix))]
pub fn wait_readable<'a>(sockets: impl IntoIterator<Item = &'a Socket>, limit: Duration) {
    let _ = sockets;
    std::thread::sleep(limit.min(Duration::from_millis(1)));
}
