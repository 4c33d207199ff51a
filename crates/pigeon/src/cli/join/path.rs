//! What the system says of the way to the hub: no route, no such host, a firewall.

use std::io::{self, ErrorKind};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_net::Stats;

/// When the first datagrams have been sent, and how often it is looked after that.
const FIRST: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_secs(1);

/// What the system has said so far.
#[derive(Debug)]
pub(super) struct Path {
    look_at: Instant,
    failures: u64,
    reported: Option<i32>,
}

impl Path {
    pub(super) fn new(now: Instant) -> Path {
        Path { look_at: now + FIRST, failures: 0, reported: None }
    }

    /// When to look next.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// The hub was heard: whatever the system says next is news.
    pub(super) fn heard(&mut self) {
        self.reported = None;
    }

    /// What is new, in the system's words. Ignores errors about a single datagram, such as one that is
    /// too long.
    pub(super) fn look(&mut self, now: Instant, stats: &Stats) -> Option<String> {
        self.look_at = now + EVERY;
        let failures = stats.sent.dropped.total() + stats.received.ignored_errors;
        if std::mem::replace(&mut self.failures, failures) == failures {
            return None;
        }
        let sent = stats.sent.last_failure.and_then(|failure| failure.os_error);
        let mut codes = [sent, stats.received.last_ignored].into_iter().flatten();
        let code = codes.find(|code| is_about_the_way(*code))?;
        let is_news = self.reported.replace(code) != Some(code);
        is_news.then(|| io::Error::from_raw_os_error(code).to_string())
    }
}

fn is_about_the_way(code: i32) -> bool {
    matches!(
        io::Error::from_raw_os_error(code).kind(),
        ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const NO_ROUTE: i32 = 113;
    const TOO_LONG: i32 = 90;

    #[test]
    fn what_the_system_says_is_news_once() {
        let now = Instant::ORIGIN;
        let mut path = Path::new(now);
        let mut stats = Stats::default();
        let mut look = |path: &mut Path, code| {
            stats.received.ignored_errors += 1;
            stats.received.last_ignored = Some(code);
            path.look(now, &stats)
        };
        assert_eq!(look(&mut path, TOO_LONG), None);
        assert!(look(&mut path, NO_ROUTE).unwrap().contains("No route to host"));
        assert_eq!(look(&mut path, NO_ROUTE), None);
        path.heard();
        assert!(look(&mut path, NO_ROUTE).is_some());
        assert_eq!(path.look(now, &stats), None);
    }
}
