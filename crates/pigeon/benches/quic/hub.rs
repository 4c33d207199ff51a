//! Measures the cost of a message that the real hub stores and then sends to all members with a
//! key.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{
    Burst, Collected, Contender, Members, Protocol, Sizes, Subscribers, ratio, rounds, table,
};
use pigeon_perf::process::{free_port, pigeon};
use pigeon_perf::report::{Report, Wanted, folder};
use pigeon_perf::server::Server;

use crate::keyed::Followers;
use crate::members::Quic;
use crate::{BARE, MEMBERS, NATS, nats};

const HUB: &str = "pigeon hub";
const NATS_EQUAL: &str = "nats-server, TLS, equal bytes";

/// The flags of every hub, without its ports and folder.
pub(crate) const FLAGS: &str = "hub --listen 127.0.0.1:0 --console off --format chat --notices-up-to 0 \
    --timeout 1h --rate unlimited --rate-bytes unlimited --max-members 20000";

/// A hub with a port for members with a key, and its log.
pub(crate) struct Hub {
    pub(crate) server: Server,
    /// The port for members with a key.
    pub(crate) secure: SocketAddr,
}

impl Hub {
    /// Starts a hub with an empty log.
    pub(crate) fn start(cpus: &[usize], name: &str) -> Hub {
        let (port, data) = (free_port(), empty(name));
        let flags = format!("{FLAGS} --secure {port} --data {}", data.display());
        let server = Server::announced(cpus, pigeon(&flags), "listening on ");
        Hub { server, secure: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }
}

/// A new folder.
pub(crate) fn empty(name: &str) -> PathBuf {
    let data = folder().join(format!("quic-{name}"));
    // Removes a folder from an earlier run.
    let _ = std::fs::remove_dir_all(&data);
    data
}

pub(crate) fn one(cpus: Cpus) -> Report {
    fan_out("quic-hub-one", "one message of 64 bytes at a time", cpus, 1)
}

pub(crate) fn burst(cpus: Cpus) -> Report {
    fan_out("quic-hub-burst", "64 messages of 64 bytes in flight", cpus, 64)
}

fn fan_out(name: &str, title: &str, cpus: Cpus, in_flight: usize) -> Report {
    let mut report = Report::new(name);
    report.section(&format!("{title}, stored, to {MEMBERS} members with a key"));
    let hub = Hub::start(&[cpus.hub], name);
    let mut followers = Followers::join(hub.secure, MEMBERS);
    let length = followers.frame_length(&"x".repeat(64));
    let mut hubs = vec![Contender::new(HUB, hub.server, Box::new(followers))];
    let server = Server::floor(&[cpus.hub], "bare frames");
    let members: Box<dyn Members> = Box::new(Quic::connect(server.address, MEMBERS));
    hubs.push(Contender::new(BARE, server, members));
    for (name, length) in [(NATS, 0), (NATS_EQUAL, length)] {
        match nats(cpus) {
            Some(server) => {
                let nats = Subscribers::connect(MEMBERS, Protocol::NatsTls, server.address);
                hubs.push(Contender::new(name, server, Box::new(Padded { nats, length })));
            }
            None => report.skipped(name),
        }
    }
    report.remark(&format!(
        "a frame of the hub has {length} bytes, one of the floor {}",
        crate::relay::frame_length(64)
    ));
    rounds(cpus, &mut hubs, Sizes::Equal(64), in_flight);
    table(&mut report, &hubs);
    ratio(&mut report, &hubs, HUB, BARE, Some(Wanted::AtLeast(0.8)));
    for nats in [NATS, NATS_EQUAL] {
        ratio(&mut report, &hubs, HUB, nats, None);
        ratio(&mut report, &hubs, BARE, nats, None);
    }
    report
}

/// Members of NATS that send at least so many bytes: a text alone, or as many as a hub's frame, which
/// also has the message's author, number, room and time.
struct Padded {
    nats: Subscribers,
    length: usize,
}

impl Members for Padded {
    fn count(&self) -> usize {
        self.nats.count()
    }

    fn join(&mut self) {
        self.nats.join();
    }

    fn publish(&mut self, burst: &Burst) {
        let pad = |text: &String| format!("{text:x>0$}", self.length);
        let texts = burst.texts.iter().map(pad).collect();
        self.nats.publish(&Burst { texts, mark: burst.mark.clone() });
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        self.nats.collect(burst, patience)
    }

    fn kernel_drops(&mut self) -> u64 {
        self.nats.kernel_drops()
    }
}
