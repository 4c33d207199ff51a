//! The test driver of a hub. Every datagram passes through [`Harness::drain`], which checks the
//! properties that drivers rely on.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{
    Instant, MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Machine, Received, SocketId, Transmit, max_payload,
};
use pigeon_hub::{Config, Event, Hub};
use pigeon_proto::Format;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const NANOSECOND: Duration = Duration::from_nanos(1);

/// All formats, for tests of format-independent behaviour.
pub(crate) const FORMATS: [Format; 3] = [Format::Chat, Format::Classic, Format::Raw];

/// A sent datagram: destination and bytes.
pub(crate) type Sent = (SocketAddr, Vec<u8>);

/// A sent datagram with its listening socket.
pub(crate) type SentAt = (u16, SocketAddr, Vec<u8>);

pub(crate) struct Harness {
    pub(crate) now: Instant,
    pub(crate) hub: Hub,
}

impl Harness {
    pub(crate) fn new(config: Config) -> Self {
        // Not at the origin, so that a time of zero taken for "unset" would show.
        Harness { now: Instant::ORIGIN + 1_000 * SECOND, hub: Hub::new(config) }
    }

    pub(crate) fn format(format: Format) -> Self {
        Harness::new(Config::of(format))
    }

    pub(crate) fn chat() -> Self {
        Harness::format(Format::Chat)
    }

    /// A hub of this format with these members, and no pending notices.
    pub(crate) fn with_members(format: Format, members: &[SocketAddr]) -> Self {
        let mut h = Harness::format(format);
        h.join(members);
        h
    }

    /// Adds `members` and waits until their joins have been reported. They are heard twice, so they
    /// are not displaced.
    pub(crate) fn join(&mut self, members: &[SocketAddr]) {
        for &member in members {
            self.hear(member, "^hb^");
            self.hear(member, "^hb^");
        }
        self.drain();
        self.wait(2 * SECOND);
    }

    /// Passes a datagram to the hub without draining.
    pub(crate) fn hear(&mut self, from: SocketAddr, bytes: impl AsRef<[u8]>) {
        self.hear_at(0, from, bytes);
    }

    /// Like `hear`, at another listening socket.
    pub(crate) fn hear_at(&mut self, door: u16, from: SocketAddr, bytes: impl AsRef<[u8]>) {
        let datagram = Received::new(from, bytes.as_ref());
        let socket = SocketId::new(door);
        self.hub.handle_datagram(self.now, &Received { socket, ..datagram });
    }

    /// Passes a datagram to the hub; returns the datagrams it sends.
    pub(crate) fn from(&mut self, from: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<Sent> {
        self.hear(from, bytes);
        self.drain()
    }

    /// Calls the hub's timeout handler, even before the deadline; returns the datagrams it sends.
    pub(crate) fn timeout(&mut self) -> Vec<Sent> {
        self.hub.handle_timeout(self.now);
        self.drain()
    }

    /// Advances time like a driver, waking at each deadline; returns the datagrams sent.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Sent> {
        self.wait_at(time).into_iter().map(|(_, to, bytes)| (to, bytes)).collect()
    }

    /// Like `wait`, with the listening socket of each datagram.
    pub(crate) fn wait_at(&mut self, time: Duration) -> Vec<SentAt> {
        let end = self.now + time;
        let mut sent = Vec::new();
        for _ in 0..1_000_000 {
            match self.hub.poll_timeout() {
                Some(deadline) if deadline <= end => {
                    self.now = self.now.max(deadline);
                    self.hub.handle_timeout(self.now);
                    sent.extend(self.drain_at());
                }
                _ => {
                    self.now = end;
                    return sent;
                }
            }
        }
        panic!("the hub asks to be woken without end");
    }

    pub(crate) fn say(&mut self, text: &str) -> Vec<Sent> {
        self.hub.say(text).expect("the operator may speak");
        self.drain()
    }

    pub(crate) fn kick(&mut self, who: &str) -> Vec<Sent> {
        assert!(self.hub.kick(self.now, who));
        self.drain()
    }

    pub(crate) fn stop(&mut self) -> Vec<Sent> {
        self.hub.stop();
        self.drain()
    }

    /// Passes a datagram to a listening socket; returns the datagrams the hub sends.
    pub(crate) fn at(
        &mut self,
        door: u16,
        from: SocketAddr,
        bytes: impl AsRef<[u8]>,
    ) -> Vec<SentAt> {
        self.hear_at(door, from, bytes);
        self.drain_at()
    }

    /// All queued datagrams, one by one. Discards events.
    pub(crate) fn drain(&mut self) -> Vec<Sent> {
        self.drain_at().into_iter().map(|(_, to, bytes)| (to, bytes)).collect()
    }

    /// Like `drain`, but continues after every pause that the hub makes to receive.
    pub(crate) fn settle(&mut self) -> Vec<Sent> {
        let mut sent = self.drain();
        while self.is_due() {
            sent.extend(self.timeout());
        }
        sent
    }

    /// Whether the hub wants to go on at once.
    pub(crate) fn is_due(&self) -> bool {
        self.hub.poll_timeout().is_some_and(|due| due <= self.now)
    }

    /// What leaves, with the listening socket of each datagram.
    pub(crate) fn drain_at(&mut self) -> Vec<SentAt> {
        let transmits = self.transmits();
        while self.hub.poll_event().is_some() {}
        let outbox = self.hub.outbox();
        let sent = |t: &Transmit| -> Vec<SentAt> {
            t.datagrams(outbox).map(|d| (t.socket.number(), t.to, d.to_vec())).collect()
        };
        transmits.iter().flat_map(sent).collect()
    }

    /// All queued transmits, without splitting trains.
    pub(crate) fn transmits(&mut self) -> Vec<Transmit> {
        let mut transmits = Vec::new();
        while let Some(transmit) = self.hub.poll_transmit() {
            check(&transmit, self.hub.outbox());
            transmits.push(transmit);
        }
        // Plain members come first; other links track their own.
        if self.hub.members().next().is_some_and(|member| member.address.is_some()) {
            assert!(self.hub.poll_timeout().is_some(), "members, and no timer to drop them");
        }
        transmits
    }

    /// Sends a heartbeat for each of `members` every ten seconds; discards datagrams for them.
    pub(crate) fn keep(&mut self, members: &[SocketAddr], time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let pause = (end - self.now).min(10 * SECOND);
            self.wait(pause);
            for &member in members {
                self.from(member, "^hb^");
            }
        }
    }

    /// Makes an untrusted address a member, like a client.
    pub(crate) fn prove(&mut self, from: SocketAddr) {
        assert!(!self.is_member(from) && self.try_to_join(from), "{from}");
    }

    /// Acts like a joining client, from any network. Returns whether it is a member.
    pub(crate) fn try_to_join(&mut self, from: SocketAddr) -> bool {
        let answer = bytes_got(&self.from(from, heartbeat(64)), from).concat();
        if answer.starts_with(b"/prove ") {
            self.from(from, answer);
        }
        self.is_member(from)
    }

    /// The resume token in the answer to `/nick`.
    pub(crate) fn nick(&mut self, member: SocketAddr, name: &str) -> String {
        let answer = got(&self.from(member, format!("/nick {name}")), member).concat();
        let word =
            answer.split_once("/resume ").and_then(|(_, rest)| rest.split_whitespace().next());
        word.unwrap_or_else(|| panic!("no resume word: {answer:?}")).to_string()
    }

    pub(crate) fn name_of(&self, address: SocketAddr) -> Option<String> {
        let view = self.hub.members().find(|member| member.address == Some(address))?;
        view.name.map(|name| name.to_string())
    }

    pub(crate) fn room_of(&self, address: SocketAddr) -> Option<String> {
        let view = self.hub.members().find(|member| member.address == Some(address))?;
        view.room.map(|room| room.to_string())
    }

    /// The rooms with their numbers of members, sorted.
    pub(crate) fn rooms(&self) -> Vec<(String, usize)> {
        let mut rooms: Vec<_> =
            self.hub.rooms().map(|room| (room.name.to_string(), room.members)).collect();
        rooms.sort();
        rooms
    }

    pub(crate) fn dropped(&self, reason: pigeon_hub::Dropped) -> u64 {
        self.hub.statistics().dropped(reason)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.hub.poll_event()).collect()
    }

    pub(crate) fn is_member(&self, address: SocketAddr) -> bool {
        self.hub.members().any(|member| member.address == Some(address))
    }
}

/// Checks the properties of a transmit that drivers rely on.
fn check(transmit: &Transmit, outbox: &[u8]) {
    let bytes = outbox.get(transmit.range.clone()).expect("the bytes stand in the outbox");
    match transmit.segment {
        None => assert!(bytes.len() <= max_payload(transmit.to), "one datagram cannot hold this"),
        Some(_) => {
            assert!(!bytes.is_empty());
            assert!(bytes.len() <= MAX_PAYLOAD_V4, "a train of {} bytes", bytes.len());
            assert!(transmit.count() <= MAX_TRAIN_SEGMENTS, "a train of {}", transmit.count());
        }
    }
}

/// A member on this host.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// An address in an open network, not on this host.
pub(crate) fn open(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, 1], port))
}

/// An untrusted address.
pub(crate) fn beyond(port: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 5], port))
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("a test's own address")
}

/// One member's datagrams as text; invalid UTF-8 becomes replacement characters.
pub(crate) fn got(sent: &[Sent], by: SocketAddr) -> Vec<String> {
    bytes_got(sent, by).into_iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect()
}

/// One member's datagrams, byte for byte.
pub(crate) fn bytes_got(sent: &[Sent], by: SocketAddr) -> Vec<&[u8]> {
    sent.iter().filter(|(to, _)| *to == by).map(|(_, bytes)| &bytes[..]).collect()
}

/// Whether a line is a notice.
pub(crate) fn is_hubs(line: &str) -> bool {
    line.starts_with("* ")
}

/// The notices that one member got.
pub(crate) fn told(sent: &[Sent], by: SocketAddr) -> Vec<String> {
    got(sent, by).into_iter().filter(|line| is_hubs(line)).collect()
}

/// A heartbeat padded to `length` bytes.
pub(crate) fn heartbeat(length: usize) -> Vec<u8> {
    let mut bytes = b"^hb^".to_vec();
    bytes.resize(length, b' ');
    bytes
}
