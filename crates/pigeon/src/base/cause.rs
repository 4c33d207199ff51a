//! Why a datagram did not arrive: the system's error, its meaning, and advice. [`Cause::said`] is
//! for people, in the process's language; `Display` is English, for JSON and logs.
//!
//! Errors occur at two times. Either a call fails, and the datagram never left; or the datagram
//! left, and a router, a firewall or the destination rejects it (ICMP), which the system reports
//! later. The same number may mean different things in the two cases, such as EACCES.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_net::{DropReason, SendFailure, Stats, Undelivered, local_addresses};
use pigeon_proto::Language;

use super::system_error;
use crate::words::{self, key, say_in};

/// A cause, displayed as `No route to host (os error 113): a firewall rejects it, or …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The datagram's destination, if known.
    to: Option<SocketAddr>,
    os_error: Option<i32>,
    stage: Stage,
}

/// Where the datagram failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The error occurred at this host.
    Unsent(DropReason),
    /// The error occurred on the path. `passing`: it may be temporary.
    Undelivered { passing: bool },
}

impl Cause {
    /// The datagram's destination, if known.
    pub(crate) fn to(&self) -> Option<SocketAddr> {
        self.to
    }

    /// Why a socket cannot be connected to a peer, so that its datagrams cannot be sent.
    pub(crate) fn unconnected(to: SocketAddr, error: &io::Error) -> Cause {
        let stage = Stage::Unsent(DropReason::Other);
        Cause { to: Some(to), os_error: error.raw_os_error(), stage }
    }

    /// The cause of the last datagram's failure. An unsent datagram takes precedence over one that
    /// failed on its way: a rejecting local firewall reports both for one datagram.
    pub(crate) fn of(stats: &Stats) -> Option<Cause> {
        let unsent = stats.sent.last_failure.map(Cause::from);
        unsent.or(stats.received.last_error.map(Cause::from))
    }

    /// Whether the cause concerns the path, and not a single datagram, such as one that is too
    /// long.
    pub(crate) fn is_about_the_way(&self) -> bool {
        use io::ErrorKind as Kind;
        self.os_error.is_some_and(|code| {
            matches!(
                io::Error::from_raw_os_error(code).kind(),
                Kind::HostUnreachable
                    | Kind::NetworkUnreachable
                    | Kind::NetworkDown
                    | Kind::PermissionDenied
                    | Kind::AddrNotAvailable
            )
        })
    }

    /// Whether the cause may be temporary.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.stage, Stage::Undelivered { passing: true })
    }

    /// The cause in the process's language; `to_string` is English, for JSON and logs.
    pub(crate) fn said(&self) -> String {
        self.said_in(words::language())
    }

    fn said_in(&self, language: Language) -> String {
        let system = match (self.os_error, self.stage) {
            (Some(code), _) => system_error::said_in(language, &io::Error::from_raw_os_error(code)),
            (None, Stage::Unsent(DropReason::Congested)) => {
                return say_in!(language, "errors-congested");
            }
            (None, Stage::Unsent(reason)) => drop_reason_in(language, reason),
            (None, Stage::Undelivered { .. }) => say_in!(language, "errors-undelivered"),
        };
        match self.meaning(language) {
            Some(meaning) => format!("{system}{}{meaning}", words::before_reason(language)),
            None => system,
        }
    }

    /// The meaning and advice, if known.
    fn meaning(&self, language: Language) -> Option<String> {
        let ip = self.to.map(|to| to.ip());
        let shown = ip.map_or("ADDRESS".to_string(), |ip| ip.to_string());
        let key = match (self.stage, Named::of(self.os_error?)?) {
            (Stage::Unsent(_), Named::Forbidden) => key!("errors-cause-forbidden"),
            (Stage::Unsent(_), Named::Denied) if ip.is_some_and(is_broadcast) => {
                key!("errors-cause-broadcast")
            }
            (Stage::Unsent(_), Named::Denied) => key!("errors-cause-route-prohibits"),
            (Stage::Unsent(_), Named::NoHost) => key!("errors-cause-route-unreachable"),
            (Stage::Unsent(_), Named::NoNetwork) => match ip {
                Some(IpAddr::V4(ip)) if ip.is_multicast() => key!("errors-cause-no-group-route"),
                Some(IpAddr::V6(ip)) if ip.is_multicast() => key!("errors-cause-no-group-link"),
                Some(IpAddr::V6(_)) => key!("errors-cause-no-ipv6-route"),
                _ => key!("errors-cause-no-route"),
            },
            (_, Named::Down) => key!("errors-cause-down"),
            (Stage::Unsent(_), Named::NoAddress) => key!("errors-cause-no-address"),
            (Stage::Unsent(_), Named::Invalid) => match ip {
                Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() || ip.is_multicast() => {
                    key!("errors-cause-needs-interface")
                }
                _ if self.to.is_some_and(|to| to.port() == 0) => key!("errors-cause-port-zero"),
                _ => key!("errors-cause-invalid"),
            },
            (Stage::Unsent(_), Named::NoFamily) => key!("errors-cause-no-family"),
            (Stage::Unsent(_), Named::NoBuffers) => key!("errors-cause-no-buffers"),
            (Stage::Unsent(_), Named::TooLarge) => key!("errors-cause-too-large"),
            (Stage::Undelivered { .. }, Named::TooLarge) => key!("errors-cause-fragments"),
            (Stage::Undelivered { .. }, Named::Refused) => key!("errors-cause-refused"),
            (Stage::Undelivered { passing: true }, Named::NoHost) => key!("errors-cause-no-host"),
            (Stage::Undelivered { passing: false }, Named::NoHost | Named::Denied) => {
                key!("errors-cause-rejected")
            }
            (Stage::Undelivered { .. }, Named::NoNetwork) => key!("errors-cause-router"),
            (Stage::Undelivered { .. }, _) => key!("errors-cause-earlier"),
            (Stage::Unsent(_), Named::Refused) => return None,
        };
        Some(say_in!(language, key, ip = &shown))
    }
}

impl From<SendFailure> for Cause {
    fn from(failure: SendFailure) -> Cause {
        let stage = Stage::Unsent(failure.reason);
        Cause { to: Some(failure.to), os_error: failure.os_error, stage }
    }
}

impl From<Undelivered> for Cause {
    fn from(error: Undelivered) -> Cause {
        let stage = Stage::Undelivered { passing: error.passing };
        Cause { to: error.to, os_error: Some(error.os_error), stage }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said_in(Language::English))
    }
}

/// Why a datagram was not sent, in a few words.
pub(crate) fn drop_reason(reason: DropReason) -> String {
    drop_reason_in(words::language(), reason)
}

fn drop_reason_in(language: Language, reason: DropReason) -> String {
    let key = match reason {
        DropReason::Unreachable => key!("errors-drop-unreachable"),
        DropReason::NotPermitted => key!("errors-drop-not-permitted"),
        DropReason::TooLarge => key!("errors-drop-too-large"),
        DropReason::NoBuffers => key!("errors-drop-no-buffers"),
        DropReason::Invalid => key!("errors-drop-invalid"),
        DropReason::Refused => key!("errors-drop-refused"),
        DropReason::Congested => key!("errors-drop-congested"),
        DropReason::Closed => key!("errors-drop-closed"),
        DropReason::Other => key!("errors-drop-other"),
    };
    say_in!(language, key)
}

fn is_broadcast(ip: IpAddr) -> bool {
    local_addresses().is_ok_and(|interfaces| interfaces.is_broadcast(ip))
}

/// The error numbers with a known meaning. `ErrorKind` does not distinguish EPERM and EACCES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    #[cfg_attr(not(unix), expect(dead_code, reason = "no error of Windows means this"))]
    Forbidden,
    Denied,
    NoHost,
    NoNetwork,
    Down,
    NoAddress,
    Invalid,
    NoFamily,
    NoBuffers,
    TooLarge,
    Refused,
}

impl Named {
    #[cfg(unix)]
    fn of(code: i32) -> Option<Named> {
        use nix::errno::Errno;
        Some(match Errno::from_raw(code) {
            Errno::EPERM => Named::Forbidden,
            Errno::EACCES => Named::Denied,
            Errno::EHOSTUNREACH | Errno::EHOSTDOWN => Named::NoHost,
            Errno::ENETUNREACH => Named::NoNetwork,
            Errno::ENETDOWN => Named::Down,
            Errno::EADDRNOTAVAIL => Named::NoAddress,
            Errno::EINVAL => Named::Invalid,
            Errno::EAFNOSUPPORT => Named::NoFamily,
            Errno::ENOBUFS | Errno::ENOMEM => Named::NoBuffers,
            Errno::EMSGSIZE => Named::TooLarge,
            Errno::ECONNREFUSED => Named::Refused,
            _ => return None,
        })
    }

    /// Winsock's numbers (WSAE…).
    #[cfg(windows)]
    fn of(code: i32) -> Option<Named> {
        Some(match code {
            10_013 => Named::Denied,
            10_065 | 10_064 => Named::NoHost,
            10_051 => Named::NoNetwork,
            10_050 => Named::Down,
            10_049 => Named::NoAddress,
            10_022 => Named::Invalid,
            10_047 => Named::NoFamily,
            10_055 => Named::NoBuffers,
            10_040 => Named::TooLarge,
            10_054 | 10_061 => Named::Refused,
            _ => return None,
        })
    }

    /// Other systems' errors are shown unchanged.
    #[cfg(not(any(unix, windows)))]
    fn of(_: i32) -> Option<Named> {
        None
    }
}

/// The time of the first check, and the interval of further ones.
const FIRST: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_secs(1);

/// How long a cause counts as current: longer than the time between heartbeats.
const CURRENT: Duration = Duration::from_secs(15);

/// Regularly checks a loop's counters for a new cause, for commands that keep running.
#[derive(Debug)]
pub(crate) struct Watch {
    look_at: Instant,
    unsent: u64,
    undelivered: u64,
    reported: Option<Cause>,
    /// The last cause concerning the path, and when it was seen.
    last: Option<(Cause, Instant)>,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Watch {
        Watch { look_at: now + FIRST, unsent: 0, undelivered: 0, reported: None, last: None }
    }

    /// When to check next.
    pub(crate) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// The peer was heard: the next error is news. Returns whether the path was failing before.
    pub(crate) fn heard(&mut self) -> bool {
        self.last = None;
        self.reported.take().is_some()
    }

    /// The current cause, if there was one recently.
    pub(crate) fn current(&self, now: Instant) -> Option<Cause> {
        self.last.filter(|(_, seen)| now - *seen < CURRENT).map(|(cause, _)| cause)
    }

    /// A new cause concerning the path. Ignores errors of a single datagram, such as one that is
    /// too long.
    pub(crate) fn look(&mut self, now: Instant, stats: &Stats) -> Option<Cause> {
        self.look_at = now + EVERY;
        let (unsent, undelivered) = (stats.sent.dropped.total(), stats.received.ignored_errors);
        let is_new = |before: &mut u64, total| std::mem::replace(before, total) != total;
        let sent = is_new(&mut self.unsent, unsent).then_some(stats.sent.last_failure).flatten();
        let error = is_new(&mut self.undelivered, undelivered).then_some(stats.received.last_error);
        let mut causes = sent.map(Cause::from).into_iter().chain(error.flatten().map(Cause::from));
        let cause = causes.find(Cause::is_about_the_way)?;
        self.last = Some((cause, now));
        let is_news = self.reported.replace(cause) != Some(cause);
        is_news.then_some(cause)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::errno::Errno;

    use super::*;

    fn undelivered(errno: Errno, passing: bool) -> Undelivered {
        Undelivered { to: Some(([192, 0, 2, 1], 9).into()), os_error: errno as i32, passing }
    }

    #[test]
    fn each_cause_has_the_systems_words_and_their_meaning() {
        let unsent = |errno: Errno, to: &str| {
            let (to, os_error) = (to.parse().unwrap(), Some(errno as i32));
            Cause::from(SendFailure { to, reason: DropReason::Other, os_error }).to_string()
        };
        for (shown, words) in [
            (
                unsent(Errno::EPERM, "192.0.2.1:9"),
                ["Operation not permitted", "firewall rule of this host"],
            ),
            (unsent(Errno::EACCES, "255.255.255.255:9"), ["Permission denied", "--broadcast"]),
            (unsent(Errno::EACCES, "192.0.2.1:9"), ["Permission denied", "ip route get 192.0.2.1"]),
            (unsent(Errno::ENETUNREACH, "239.1.2.3:9"), ["unreachable", "--multicast-interface"]),
            (
                unsent(Errno::ENETUNREACH, "239.1.2.3:9"),
                ["unreachable", "ip route add 239.1.2.3/32"],
            ),
            (unsent(Errno::ENETUNREACH, "192.0.2.1:9"), ["unreachable", "no gateway"]),
            (unsent(Errno::EINVAL, "[fe80::1]:9"), ["Invalid argument", "fe80::1%eth0"]),
            (unsent(Errno::ENOBUFS, "192.0.2.1:9"), ["buffer space", "--rate"]),
            (
                Cause::from(undelivered(Errno::EHOSTUNREACH, false)).to_string(),
                ["No route", "firewall rejects"],
            ),
            (
                Cause::from(undelivered(Errno::EHOSTUNREACH, true)).to_string(),
                ["No route", "no host answers"],
            ),
            (Cause::from(undelivered(Errno::EACCES, false)).to_string(), ["denied", "prohibited"]),
            (
                Cause::from(undelivered(Errno::EMSGSIZE, false)).to_string(),
                ["too long", "fragments"],
            ),
        ] {
            for word in words {
                assert!(shown.contains(word), "{word:?} is missing in {shown:?}");
            }
            assert!(!words[1].contains("firewall") || !shown.contains("broadcast"), "{shown}");
        }
    }

    #[test]
    fn what_the_system_says_is_news_once() {
        let now = Instant::ORIGIN;
        let mut watch = Watch::new(now);
        let mut stats = Stats::default();
        let mut look = |watch: &mut Watch, errno| {
            stats.received.ignored_errors += 1;
            stats.received.last_error = Some(undelivered(errno, false));
            watch.look(now, &stats)
        };
        assert_eq!(look(&mut watch, Errno::EMSGSIZE), None);
        let cause = look(&mut watch, Errno::EHOSTUNREACH).unwrap();
        assert!(cause.to_string().contains("No route to host"));
        assert_eq!(look(&mut watch, Errno::EHOSTUNREACH), None);
        assert!(watch.current(now).is_some());
        assert!(watch.heard() && !watch.heard() && watch.current(now).is_none());
        assert!(look(&mut watch, Errno::EHOSTUNREACH).is_some());
        assert_eq!(watch.look(now, &stats), None);
        assert!(watch.current(now).is_some() && watch.current(now + CURRENT).is_none());
    }
}
