//! `pigeon join --forward`: sends each message of the room as a datagram to a player or another
//! program that sends no heartbeats.
//!
//! Replies from the target are discarded, so they never reach the room. But the target itself may
//! lead into the room: another socket of the hub, or a chain of forwarders. Then each message would
//! return and be forwarded for ever. The payload is the sender's and cannot be marked, so three
//! checks find the loop:
//!
//! ```text
//!   at the start       the hub's own port at any address of its host ──▶ refused
//!   chat, classic      a line that the hub attributes to the forwarder ──▶ ended
//!   any format         the same bytes more than SUSPICIOUS times a second ──▶ the target gets one
//!                      heartbeat; if a hub answers ──▶ ended
//!                      more than MOST times a second ──▶ not forwarded
//! ```
//!
//! A stream may repeat itself (MPEG-TS stuffing, a constant sensor), so repetition alone does not
//! end forwarding. A heartbeat without suspicion was rejected: a player would receive bytes that no
//! sender sent.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, SocketId, Transmit};
use pigeon_guard::{Bucket, cost};
use pigeon_net::{Receipt, Socket, SocketOptions, local_addresses};
use pigeon_proto::{Answer, Format, Prove, heartbeat};

use crate::base::bind::one_host;
use crate::base::cause::{Cause, Watch};
use crate::base::endpoint::Family;
use crate::base::status::UsageError;
use crate::contacts::peer;
use crate::words::say;

/// Rate of repeated payloads, in payloads per second, from which a target is asked whether it is a
/// hub. A loop repeats as often as a datagram goes round.
const SUSPICIOUS: u64 = 100;
const SUSPICIOUS_FOR: Duration = Duration::from_secs(5);

/// Maximum repeated payloads forwarded per second, even if no hub answers; also the maximum burst.
const MOST: u64 = 2_000;
const MOST_AT_ONCE: Duration = Duration::from_millis(250);

/// Minimum time for which a payload is remembered: longer than a datagram travels.
const REMEMBERED: Duration = Duration::from_secs(4);

/// Maximum number of payloads in each of two generations.
const MAX_REMEMBERED: usize = 65_536;

/// Minimum time between two heartbeats to a suspicious target.
const ASK_EVERY: Duration = Duration::from_secs(600);

/// A refusal is reported again after this time without one.
const NEWS_AFTER: Duration = Duration::from_secs(10);

/// Maximum number of datagrams read from a target at once.
const LOOK_AT: usize = 1_024;

/// A problem of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No program listens there.
    Refused { to: SocketAddr },
    /// Nothing arrives there; the system reports why.
    CutOff { to: SocketAddr, cause: Cause },
    /// The same bytes repeat too often: some are not forwarded.
    Repeats { to: SocketAddr },
    /// The target leads into the room. Forwarding to it has ended.
    Loop { to: SocketAddr },
}

/// The targets, and recently forwarded payloads.
#[derive(Default)]
pub(super) struct Forward {
    targets: Vec<Target>,
    repeats: Repeats,
}

struct Target {
    socket: Socket,
    to: SocketAddr,
    asked: Option<Instant>,
    /// Whether the target has answered as a hub.
    is_hub: bool,
    /// Whether repetition was reported.
    reported_repeats: bool,
    /// When the target last refused.
    refused: Option<Instant>,
    watch: Watch,
}

impl Forward {
    /// Opens a socket for each target. Fails if a target is not an endpoint, or is the hub or this
    /// session's own port.
    pub(super) fn open(
        now: Instant,
        words: &[String],
        hub: SocketAddr,
        own: SocketAddr,
    ) -> anyhow::Result<Forward> {
        let mut targets = Vec::new();
        for word in words {
            let to = peer::resolve_peer(&peer::parse(word, None)?, word, Family::default())?;
            one_host(to)?;
            if is_same_program(to, hub) {
                return Err(UsageError(say!("join-forward-hub", to = &to)).into());
            }
            if is_same_program(to, own) {
                return Err(UsageError(say!("join-forward-self", to = &to)).into());
            }
            let socket = Socket::connect(to, None, &SocketOptions::default())?;
            targets.push(Target {
                socket,
                to,
                asked: None,
                is_hub: false,
                reported_repeats: false,
                refused: None,
                watch: Watch::new(now),
            });
        }
        Ok(Forward { targets, repeats: Repeats::default() })
    }

    /// The hub has a new address. Stops forwarding to targets that are the hub, and returns them.
    pub(super) fn moved(&mut self, hub: SocketAddr) -> Vec<Trouble> {
        self.end(|target| is_same_program(target.to, hub))
    }

    /// Whether all forwarding has ended.
    pub(super) fn is_over(&self) -> bool {
        self.targets.is_empty()
    }

    /// Forwards a message. Never blocks.
    pub(super) fn send(
        &mut self,
        now: Instant,
        format: Option<Format>,
        payload: &[u8],
    ) -> Vec<Trouble> {
        let mut troubles =
            self.end(|target| says_our_own(target.socket.local_addr(), format, payload));
        let verdict = self.repeats.judge(now, payload);
        for target in &mut self.targets {
            if verdict != Verdict::Fine {
                target.ask(now);
            }
            troubles.extend(match verdict {
                Verdict::Fine | Verdict::Suspicious => target.send(now, payload),
                Verdict::TooMany => target.refrain(),
            });
        }
        for target in self.targets.iter_mut().filter(|target| target.asked.is_some()) {
            target.look();
        }
        troubles.extend(self.end(|target| target.is_hub));
        troubles
    }

    /// Once per second: problems since the last call.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for target in &mut self.targets {
            if target.look() {
                troubles.extend(target.refuse(now));
            }
            let cause = target.watch.look(now, &target.socket.stats());
            let to = target.to;
            troubles.extend(cause.map(|cause| Trouble::CutOff { to, cause }));
        }
        troubles.extend(self.end(|target| target.is_hub));
        troubles
    }

    fn end(&mut self, mut is_loop: impl FnMut(&mut Target) -> bool) -> Vec<Trouble> {
        let mut ended = Vec::new();
        self.targets.retain_mut(|target| {
            let is_loop = is_loop(target);
            if is_loop {
                // If the heartbeat made it a member, it leaves at once instead of timing out.
                target.transmit(b"quit");
                ended.push(Trouble::Loop { to: target.to });
            }
            !is_loop
        });
        ended
    }
}

impl Target {
    fn send(&mut self, now: Instant, payload: &[u8]) -> Option<Trouble> {
        match self.transmit(payload) {
            true => self.refuse(now),
            false => None,
        }
    }

    /// Sends one datagram. True if the target refused an earlier one.
    fn transmit(&mut self, payload: &[u8]) -> bool {
        let range = 0..payload.len();
        let one =
            Transmit { socket: SocketId::FIRST, to: self.to, from: None, range, segment: None };
        self.socket.send(payload, &[one], Duration::ZERO).refused
    }

    fn refuse(&mut self, now: Instant) -> Option<Trouble> {
        let before = self.refused.replace(now);
        let is_news = before.is_none_or(|before| now - before >= NEWS_AFTER);
        is_news.then_some(Trouble::Refused { to: self.to })
    }

    /// Skips a payload. Returns the problem to report, once.
    fn refrain(&mut self) -> Option<Trouble> {
        let is_news = !std::mem::replace(&mut self.reported_repeats, true);
        is_news.then_some(Trouble::Repeats { to: self.to })
    }

    /// Asks whether the target is a hub: only hubs answer a padded heartbeat.
    fn ask(&mut self, now: Instant) {
        if self.asked.is_none_or(|asked| now - asked >= ASK_EVERY) {
            // Empties the receive buffer to make room for the answer.
            self.look();
            self.asked = Some(now);
            self.transmit(heartbeat::PADDED);
        }
    }

    /// Discards received datagrams except a hub's answer. True if the target refuses.
    fn look(&mut self) -> bool {
        let mut refuses = false;
        for _ in 0..LOOK_AT {
            let (is_asked, is_hub) = (self.asked.is_some(), &mut self.is_hub);
            let received = self.socket.receive(&mut |received| {
                let payload = received.payload;
                let is_answer = Answer::parse(payload).is_some() || Prove::parse(payload).is_some();
                *is_hub |= is_asked && is_answer;
            });
            match received {
                Ok(Receipt::Datagrams(_)) => {}
                Ok(Receipt::Refused) => refuses = true,
                // A broken socket reports its error on the next send.
                Ok(Receipt::Empty) | Err(_) => break,
            }
        }
        refuses
    }
}

/// The decision about a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// New, or rarely repeated.
    Fine,
    /// The payload is forwarded, but is repeated often enough that the targets are asked.
    Suspicious,
    /// The payload is not forwarded.
    TooMany,
}

/// Recent payloads, as hashes with a secret key.
#[derive(Default)]
struct Repeats {
    hasher: RandomState,
    young: HashSet<u64>,
    old: HashSet<u64>,
    turned: Instant,
    suspicion: Bucket,
    most: Bucket,
}

impl Repeats {
    fn judge(&mut self, now: Instant, payload: &[u8]) -> Verdict {
        if now - self.turned >= REMEMBERED || self.young.len() >= MAX_REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        let hash = self.hasher.hash_one(payload);
        if self.young.insert(hash) && !self.old.contains(&hash) {
            return Verdict::Fine;
        }
        if self.most.full_at() > now + MOST_AT_ONCE {
            return Verdict::TooMany;
        }
        self.most.take(now, cost(1, MOST));
        if is_stuffing(payload) {
            return Verdict::Fine;
        }
        if self.suspicion.full_at() > now + SUSPICIOUS_FOR {
            return Verdict::Suspicious;
        }
        self.suspicion.take(now, cost(1, SUSPICIOUS));
        Verdict::Fine
    }
}

/// Whether a payload is MPEG-TS null packets, which pad streams to a constant rate (ISO/IEC
/// 13818-1: packets of 188 bytes, PID 0x1FFF).
fn is_stuffing(payload: &[u8]) -> bool {
    let (packets, rest) = payload.as_chunks::<188>();
    let is_null =
        |packet: &[u8; 188]| matches!(packet, [0x47, high, 0xff, ..] if high & 0x1f == 0x1f);
    !packets.is_empty() && rest.is_empty() && packets.iter().all(is_null)
}

/// Whether both addresses belong to the same program: the same port on the same host.
fn is_same_program(to: SocketAddr, hub: SocketAddr) -> bool {
    let is_here = |address: SocketAddr| {
        let ip = address.ip();
        ip.is_loopback() || local_addresses().is_ok_and(|local| local.is_own(ip))
    };
    to.port() == hub.port() && (to.ip() == hub.ip() || is_here(to) && is_here(hub))
}

/// Whether the hub attributes a line to a forwarder's socket: in `chat` the start of a line, and in
/// `classic` its end, are written by the hub.
fn says_our_own(local: SocketAddr, format: Option<Format>, payload: &[u8]) -> bool {
    match format {
        Some(Format::Chat) => payload.starts_with(format!("{local}: ").as_bytes()),
        Some(Format::Classic) => {
            payload.trim_ascii_end().ends_with(format!(" from {local}").as_bytes())
        }
        Some(Format::Raw) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(60) + Duration::from_millis(millis)
    }

    #[test]
    fn what_is_new_always_passes_and_what_repeats_itself_at_a_bounded_rate() {
        let mut repeats = Repeats::default();
        let is_new = |n: &u32| repeats.judge(at(0), &n.to_be_bytes()) == Verdict::Fine;
        assert_eq!((0..200_000).filter(is_new).count(), 200_000);
        assert!(repeats.young.len() <= MAX_REMEMBERED && repeats.old.len() <= MAX_REMEMBERED);
        // A loop of ten rounds per millisecond.
        let turns = |n: &u64| repeats.judge(at(n / 10), b"loop") != Verdict::TooMany;
        let turns = (0..100_000).filter(turns).count();
        assert!((20_000..=20_502).contains(&turns), "{turns}");
    }

    #[test]
    fn a_slow_loop_is_found_and_a_sensor_that_reads_the_same_is_not_suspected() {
        for (every, is_loop) in [(1, true), (5, true), (10, false), (1_000, false)] {
            let mut repeats = Repeats::default();
            let verdicts = (0..3_000).map(|n| repeats.judge(at(n * every), b"21.5"));
            let verdicts: Vec<Verdict> = verdicts.collect();
            assert!(verdicts.iter().all(|verdict| *verdict != Verdict::TooMany));
            let found = verdicts.iter().position(|verdict| *verdict == Verdict::Suspicious);
            assert_eq!(found.is_some(), is_loop, "{every} ms");
            assert!(found.is_none_or(|found| (500..1_200).contains(&found)), "{found:?}");
        }
    }

    #[test]
    fn the_stuffing_of_a_stream_is_not_suspected() {
        let null = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat();
        let mut repeats = Repeats::default();
        let payload = null.repeat(7);
        assert!((0..5_000).all(|n| repeats.judge(at(n), &payload) == Verdict::Fine));
        let mut video = payload.clone();
        video[188 + 1] = 0x01;
        assert!(is_stuffing(&null) && !is_stuffing(&video));
        assert!(!is_stuffing(b"") && !is_stuffing(&payload[1..]) && !is_stuffing(&payload[..200]));
    }

    #[test]
    fn a_line_of_our_own_is_known_by_what_the_hub_wrote() {
        let local: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let is_own = |format, line: &str| says_our_own(local, Some(format), line.as_bytes());
        assert!(is_own(Format::Chat, "127.0.0.1:5000: dog: hi\n"));
        assert!(!is_own(Format::Chat, "dog: 127.0.0.1:5000: hi\n"));
        assert!(!is_own(Format::Chat, "127.0.0.1:50001: hi\n"));
        assert!(is_own(Format::Classic, "Ack HI. from 127.0.0.1:5000"));
        assert!(!is_own(Format::Classic, "Ack FROM 127.0.0.1:5000. from 127.0.0.1:7"));
        assert!(!is_own(Format::Raw, "127.0.0.1:5000: hi"));
    }

    #[test]
    fn the_hub_is_known_at_every_address_of_its_host() {
        let same = |to: &str, hub: &str| is_same_program(to.parse().unwrap(), hub.parse().unwrap());
        assert!(same("127.0.0.1:7", "127.0.0.1:7") && same("[::1]:7", "127.0.0.1:7"));
        assert!(same("192.0.2.7:7", "192.0.2.7:7") && !same("192.0.2.7:7", "127.0.0.1:7"));
        assert!(!same("127.0.0.1:8", "127.0.0.1:7") && !same("192.0.2.8:7", "192.0.2.7:7"));
    }
}
