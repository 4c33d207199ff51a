//! A random datagram from a random sender to a hub with members.
//!
//! The first byte chooses the hub's settings (see `settings`), the second the sender and its
//! listening socket, the rest is the payload. Then time runs until all members are gone.
//! Invariants: no panic; no datagram to an address that has sent nothing; no unproved address gets
//! more than it sent; every line of chat is safe to show; only members that have sent a padded
//! heartbeat get control lines, and others in raw rooms get no notices; no timer is left at the
//! end.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::{self, SECOND, is_bad, is_beyond};
use pigeon_fuzz::drain::{Sent, SentAt, drain_at};
use pigeon_fuzz::shown::{Readers, is_control_line};
use pigeon_hub::{Config, Discovery, Door, Hub, SourceRules};
use pigeon_proto::{Format, RoomName, heartbeat};

/// A member with the encoding GBK, if the format has commands.
const READS_GBK: &str = "127.0.0.1:5002";

/// A member that reads control lines.
const PROGRAM: &str = "10.0.2.1:8";

fuzz_target!(|data: &[u8]| {
    let [choice, sender, payload @ ..] = data else { return };
    // A datagram is never longer.
    let payload = &payload[..payload.len().min(65_507)];
    let mut world = World::new(settings(*choice));
    if choice & 0x40 == 0 {
        world.settle(&["127.0.0.1:5001", READS_GBK, "10.0.2.1:7", PROGRAM]);
    }

    let from = addresses::person(*sender);
    let socket = if sender & 0x80 == 0 { SocketId::FIRST } else { SECOND };
    let was_member = world.is_member(from);
    // A truncated datagram.
    let length = payload.len() + usize::from(choice & 0x80 != 0);
    let datagram = Received { length, socket, ..Received::new(from, payload) };
    let sent = world.hear(&datagram);
    let asked = sent.iter().find_map(|(to, bytes)| {
        (*to == from && bytes.starts_with(b"/prove ")).then(|| bytes.clone())
    });
    // Shows the fuzzer the comparison, so that it can learn to write the proof.
    let may_prove = payload.trim_ascii_start().starts_with(b"/prove ");
    if !was_member && !may_prove && is_beyond(from) {
        assert!(!world.is_member(from));
        // Runs until all members and pending answers are gone.
        let mut all = sent;
        all.extend(world.wait(Duration::from_secs(1)));
        let to_sender: Vec<&Sent> = all.iter().filter(|(to, _)| *to == from).collect();
        let bytes: usize = to_sender.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(to_sender.len() <= 1, "{} datagrams for one", to_sender.len());
        assert!(bytes <= payload.len(), "{bytes} bytes for {}", payload.len());
    }
    if let Some(proof) = asked {
        // The answer to a request for proof must be accepted.
        let full = world.hub.member_count() >= world.hub.config().max_members;
        world.hear(&Received { socket, ..Received::new(from, &proof) });
        assert!(world.is_member(from) || full, "{from} has proved itself for nothing");
    }
    if is_bad(from) {
        assert!(!world.is_member(from));
    }

    world.wait(Duration::from_secs(40));
    assert_eq!(world.hub.member_count(), 0);
    assert_eq!(world.hub.poll_timeout(), None, "nobody is here, and yet a timer");
});

/// Bits 0 and 1: the format; 2: a password; 3: discoverable; 4: no open networks; 5: the hub is
/// full; 6: no members; 7: the datagram is truncated.
fn settings(choice: u8) -> Config {
    let bit = |n: u8| choice >> n & 1 == 1;
    let format = match choice & 3 {
        0 | 3 => Format::Chat,
        1 => Format::Classic,
        _ => Format::Raw,
    };
    // A second listening socket with another format, which must not mix with raw data.
    let (other, room) = match format {
        Format::Chat => (Format::Classic, RoomName::lobby()),
        Format::Classic => (Format::Raw, room("video")),
        Format::Raw => (Format::Chat, room("video")),
    };
    let mut config = Config {
        doors: vec![Door::of(format), Door { format: other, room }],
        password: bit(2).then(|| "secret".into()),
        discovery: bit(3).then_some(Discovery { id: 7, port: 9_999, ..Default::default() }),
        max_members: if bit(5) { 4 } else { 100 },
        report_messages: choice & 3 == 3,
        sources: SourceRules {
            own: vec![addresses::parse(addresses::HUB)],
            ..SourceRules::default()
        },
        ..Config::default()
    };
    if bit(4) {
        config.sources.open.clear();
    }
    config
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name.as_bytes()).expect("a room's name")
}

struct World {
    hub: Hub,
    now: Instant,
    /// Addresses that have sent anything the hub may answer, by listening socket.
    spoke: BTreeSet<(SocketId, SocketAddr)>,
    /// Addresses that have sent a padded heartbeat, by listening socket.
    programs: BTreeSet<(SocketId, SocketAddr)>,
    /// All payloads so far.
    payloads: BTreeSet<Vec<u8>>,
    readers: Readers,
}

impl World {
    fn new(config: Config) -> World {
        // Not at the origin: a time of zero taken for "unset" would show.
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        World {
            hub: Hub::new(config),
            now,
            spoke: BTreeSet::new(),
            programs: BTreeSet::new(),
            payloads: BTreeSet::new(),
            readers: Readers::default(),
        }
    }

    fn is_member(&self, address: SocketAddr) -> bool {
        self.hub.members().any(|member| member.address == Some(address))
    }

    fn format(&self, door: SocketId) -> Format {
        self.hub.config().doors[door.index()].format
    }

    /// Adds members, and waits until their joins have been reported.
    fn settle(&mut self, members: &[&str]) {
        for member in members {
            let from = addresses::parse(member);
            self.hear(&Received::new(from, b"^hb^"));
            if self.hub.config().password.is_some() {
                self.hear(&Received::new(from, b"/pass secret"));
            }
            if *member == READS_GBK && self.format(SocketId::FIRST) != Format::Raw {
                self.hear(&Received::new(from, b"/encoding gbk"));
            }
            if *member == PROGRAM {
                self.hear(&Received::new(from, heartbeat::PADDED));
            }
        }
        self.wait(Duration::from_secs(2));
    }

    fn hear(&mut self, datagram: &Received<'_>) -> Vec<Sent> {
        let Received { socket, from, payload, .. } = *datagram;
        if !is_bad(from) {
            self.spoke.insert((socket, from));
        }
        if payload.trim_ascii() == heartbeat::PLAIN && payload.len() >= heartbeat::ANSWERED_FROM {
            self.programs.insert((socket, from));
        }
        self.payloads.insert(payload.to_vec());
        self.hub.handle_datagram(self.now, datagram);
        self.drain()
    }

    /// Advances time like a driver, waking at each deadline.
    fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            match self.hub.poll_timeout().filter(|deadline| *deadline <= end) {
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    self.hub.handle_timeout(self.now);
                    sent.extend(self.drain());
                }
                None => {
                    self.now = end;
                    return sent;
                }
            }
        }
        panic!("the hub asks to be woken without end");
    }

    fn drain(&mut self) -> Vec<Sent> {
        let sent = drain_at(&mut self.hub);
        while self.hub.poll_event().is_some() {}
        let mut in_chat = Vec::new();
        for datagram in &sent {
            self.receives(datagram);
            let (socket, to, bytes) = datagram;
            if self.format(*socket) == Format::Chat {
                in_chat.push((*to, bytes.clone()));
            }
        }
        self.readers.check(&in_chat);
        sent.into_iter().map(|(_, to, bytes)| (to, bytes)).collect()
    }

    /// Checks a datagram that the hub sends.
    fn receives(&self, (socket, to, bytes): &SentAt) {
        let place = (*socket, *to);
        assert!(self.spoke.contains(&place), "{to} sent nothing, and gets {bytes:?}");
        if self.programs.contains(&place) {
            return;
        }
        assert!(!is_control_line(bytes), "{to} never asked for {bytes:?}");
        if self.format(*socket) == Format::Raw {
            let is_asked_for = [&b"/prove "[..], b"/here "].iter().any(|b| bytes.starts_with(b));
            assert!(is_asked_for || self.payloads.contains(bytes), "{to} gets {bytes:?}");
        }
    }
}
