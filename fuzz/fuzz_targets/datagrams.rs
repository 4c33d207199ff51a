//! One datagram, whatever its bytes and its sender, into a hub that has members.
//!
//! The first byte chooses the hub's settings (see `settings`), the second the sender, the rest is
//! the payload. Then time runs until everybody is gone. Nothing panics; nothing is sent to an
//! address that sent nothing; an address that has not proved itself never gets more than it sent;
//! every line of chat can be shown; and in the end no timer is left.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_fuzz::addresses::{self, is_bad, is_beyond};
use pigeon_fuzz::drain::{Sent, drain};
use pigeon_fuzz::shown::Readers;
use pigeon_hub::{Config, Format, Hub, SourceRules};

/// A member that reads GBK, where the format has commands.
const READS_GBK: &str = "127.0.0.1:5002";

fuzz_target!(|data: &[u8]| {
    let [choice, sender, payload @ ..] = data else { return };
    // A real datagram is no longer.
    let payload = &payload[..payload.len().min(65_507)];
    let mut world = World::new(settings(*choice));
    if choice & 0x40 == 0 {
        world.settle(&["127.0.0.1:5001", READS_GBK, "10.0.2.1:7"]);
    }

    let from = addresses::person(*sender);
    let was_member = world.hub.members().any(|member| member.address == from);
    // A datagram that was cut short when it was received.
    let length = payload.len() + usize::from(choice & 0x80 != 0);
    let datagram = Received { length, ..Received::new(from, payload) };
    let sent = world.hear(&datagram);
    let asked = sent.iter().find_map(|(to, bytes)| {
        (*to == from && bytes.starts_with(b"/prove ")).then(|| bytes.clone())
    });
    if !was_member && is_beyond(from) {
        assert_eq!(world.hub.members().filter(|member| member.address == from).count(), 0);
        // Until everybody is gone, and with it all that could still be answered.
        let mut all = sent;
        all.extend(world.wait(Duration::from_secs(1)));
        let to_sender: Vec<&Sent> = all.iter().filter(|(to, _)| *to == from).collect();
        let bytes: usize = to_sender.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(to_sender.len() <= 1, "{} datagrams for one", to_sender.len());
        assert!(bytes <= payload.len(), "{bytes} bytes for {}", payload.len());
    }
    if let Some(proof) = asked {
        // What the hub asks for is what it takes.
        let full = world.hub.member_count() >= world.hub.config().max_members;
        world.hear(&Received::new(from, &proof));
        let is_member = world.hub.members().any(|member| member.address == from);
        assert!(is_member || full, "{from} has proved itself for nothing");
    }
    if is_bad(from) {
        assert!(world.hub.members().all(|member| member.address != from));
    }

    world.wait(Duration::from_secs(40));
    assert_eq!(world.hub.member_count(), 0);
    assert_eq!(world.hub.poll_timeout(), None, "nobody is here, and yet a timer");
});

/// Bits 0 and 1: the format; 2: a password; 3: discoverable; 4: nothing is open; 5: no room for
/// one more; 6: nobody is there; 7: the datagram is truncated.
fn settings(choice: u8) -> Config {
    let bit = |n: u8| choice >> n & 1 == 1;
    let mut config = Config {
        format: match choice & 3 {
            0 | 3 => Format::Chat,
            1 => Format::Classic,
            _ => Format::Raw,
        },
        password: bit(2).then(|| "secret".into()),
        discoverable: bit(3),
        max_members: if bit(5) { 3 } else { 100 },
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

struct World {
    hub: Hub,
    now: Instant,
    /// Who has sent anything that the hub may answer.
    spoke: BTreeSet<SocketAddr>,
    readers: Readers,
}

impl World {
    fn new(config: Config) -> World {
        // Not at the origin: a time of zero that is taken for "unset" would show.
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        World { hub: Hub::new(config), now, spoke: BTreeSet::new(), readers: Readers::default() }
    }

    /// Lets members join, and waits until that is no news any more.
    fn settle(&mut self, members: &[&str]) {
        for member in members {
            let from = addresses::parse(member);
            self.hear(&Received::new(from, b"^hb^"));
            if self.hub.config().password.is_some() {
                self.hear(&Received::new(from, b"/pass secret"));
            }
            if *member == READS_GBK && self.hub.config().format != Format::Raw {
                self.hear(&Received::new(from, b"/encoding gbk"));
            }
        }
        self.wait(Duration::from_secs(2));
    }

    fn hear(&mut self, datagram: &Received<'_>) -> Vec<Sent> {
        if !is_bad(datagram.from) {
            self.spoke.insert(datagram.from);
        }
        self.hub.handle_datagram(self.now, datagram);
        self.drain()
    }

    /// Lets time pass as a driver does, waking at each deadline.
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
        let sent = drain(&mut self.hub);
        while self.hub.poll_event().is_some() {}
        for (to, bytes) in &sent {
            assert!(self.spoke.contains(to), "{to} sent nothing, and gets {bytes:?}");
        }
        if self.hub.config().format == Format::Chat {
            self.readers.check(&sent);
        }
        sent
    }
}
