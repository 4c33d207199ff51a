//! Measures what the port for members with a key costs plain members. Puts the load of the bench
//! `fanout` on hubs without that port, with it, and with one silent member there; and on another
//! build at `PIGEON_BEFORE`.

use std::net::{Ipv4Addr, SocketAddr};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{
    Burst, Collected, Contender, Members, Sizes, interval, ratio, rounds, table,
};
use pigeon_perf::process::{free_port, pigeon};
use pigeon_perf::report::{Report, Wanted};
use pigeon_perf::server::Server;

use crate::MEMBERS;
use crate::hub::FLAGS;
use crate::keyed::Keyed;
use crate::udp::{Sockets, With};

const OFF: &str = "--secure off";
const ON: &str = "--secure on";
const SILENT: &str = "a silent member";
const BEFORE: &str = "before";

/// The smallest ratio that counts as unchanged.
const UNCHANGED: f64 = 0.97;

pub(crate) fn one(cpus: Cpus) -> Report {
    compare("quic-plain-one", "one message of 64 bytes at a time", cpus, 1)
}

pub(crate) fn burst(cpus: Cpus) -> Report {
    compare("quic-plain-burst", "64 messages of 64 bytes in flight", cpus, 64)
}

/// Plain members, while one with a key is silent.
struct Beside {
    plain: Box<dyn Members>,
    silent: Keyed,
}

impl Members for Beside {
    fn count(&self) -> usize {
        self.plain.count()
    }

    fn join(&mut self) {
        self.plain.join();
    }

    fn publish(&mut self, burst: &Burst) {
        self.plain.publish(burst);
    }

    fn collect(&mut self, burst: &Burst, patience: std::time::Duration) -> Collected {
        self.plain.collect(burst, patience)
    }

    /// Called between turns: keeps the connection alive.
    fn kernel_drops(&mut self) -> u64 {
        self.silent.member.turn();
        self.plain.kernel_drops()
    }
}

fn compare(name: &str, title: &str, cpus: Cpus, in_flight: usize) -> Report {
    let mut report = Report::new(name);
    report.section(&format!("{title}, to {MEMBERS} plain members, stored"));
    // In memory where the system has such a folder: the kernel's own threads write to a disk, and
    // their time is not the hub's.
    let logs = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let logs = logs.expect("there is a folder for what is temporary");
    let sockets = Sockets::open(MEMBERS, With { gro: true, ..With::default() });
    let start = |program: Option<&std::ffi::OsStr>, which: &str, secure: &str| {
        let data = logs.path().join(which);
        let flags = format!("{FLAGS} {secure} --data {}", data.display());
        let mut command = pigeon(&flags);
        if let Some(program) = program {
            command = std::process::Command::new(program);
            command.args(flags.split_whitespace());
        }
        Server::announced(&[cpus.hub], command, "listening on ")
    };
    let [with, also] = [free_port(), free_port()];
    let off = start(None, "off", "--secure off");
    let on = start(None, "on", &format!("--secure {with}"));
    let silent = start(None, "silent", &format!("--secure {also}"));
    let mut hubs: Vec<Contender> = [(OFF, off), (ON, on)]
        .into_iter()
        .map(|(name, server)| {
            let members = sockets.of(server.address);
            Contender::new(name, server, members)
        })
        .collect();
    let beside = Beside {
        plain: sockets.of(silent.address),
        silent: Keyed::join(1, SocketAddr::from((Ipv4Addr::LOCALHOST, also))),
    };
    hubs.push(Contender::new(SILENT, silent, Box::new(beside)));
    match std::env::var_os("PIGEON_BEFORE") {
        Some(program) => {
            let server = start(Some(&program), "before", "");
            let members = sockets.of(server.address);
            hubs.push(Contender::new(BEFORE, server, members));
        }
        None => report.remark("no other build at PIGEON_BEFORE"),
    }
    rounds(cpus, &mut hubs, Sizes::Equal(64), in_flight);
    table(&mut report, &hubs);
    for name in [ON, SILENT] {
        interval(&mut report, &hubs, name, OFF);
        ratio(&mut report, &hubs, name, OFF, Some(Wanted::AtLeast(UNCHANGED)));
    }
    for name in [OFF, ON] {
        ratio(&mut report, &hubs, name, BEFORE, Some(Wanted::AtLeast(UNCHANGED)));
    }
    report
}
