//! Measures the cost of a message that the real hub stores and then sends to all members with a
//! key.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{Contender, Members, Protocol, Sizes, Subscribers, ratio, rounds, table};
use pigeon_perf::process::{free_port, pigeon};
use pigeon_perf::report::{Report, Wanted, folder};
use pigeon_perf::server::Server;

use crate::keyed::Followers;
use crate::members::Quic;
use crate::{BARE, MEMBERS, NATS, nats};

const HUB: &str = "pigeon hub";

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
    fan_out("quic-hub-one", "one message of 64 bytes at a time", cpus, 1, 2.0)
}

pub(crate) fn burst(cpus: Cpus) -> Report {
    fan_out("quic-hub-burst", "64 messages of 64 bytes in flight", cpus, 64, 3.0)
}

fn fan_out(name: &str, title: &str, cpus: Cpus, in_flight: usize, nats_wanted: f64) -> Report {
    let mut report = Report::new(name);
    report.section(&format!("{title}, stored, to {MEMBERS} members with a key"));
    let hub = Hub::start(&[cpus.hub], name);
    let mut followers = Followers::join(hub.secure, MEMBERS);
    let length = followers.frame_length(&"x".repeat(64));
    let mut hubs = vec![Contender::new(HUB, hub.server, Box::new(followers))];
    let server = Server::floor(&[cpus.hub], "bare frames");
    let members: Box<dyn Members> = Box::new(Quic::connect(server.address, MEMBERS));
    hubs.push(Contender::new(BARE, server, members));
    match nats(cpus) {
        Some(server) => {
            let members = Subscribers::connect(MEMBERS, Protocol::NatsTls, server.address);
            hubs.push(Contender::new(NATS, server, Box::new(members)));
        }
        None => report.skipped(NATS),
    }
    report.remark(&format!(
        "a frame of the hub has {length} bytes, one of the floor {}",
        crate::relay::frame_length(64)
    ));
    rounds(cpus, &mut hubs, Sizes::Equal(64), in_flight);
    table(&mut report, &hubs);
    ratio(&mut report, &hubs, HUB, BARE, Some(Wanted::AtLeast(0.8)));
    ratio(&mut report, &hubs, HUB, NATS, Some(Wanted::AtLeast(nats_wanted)));
    report
}
