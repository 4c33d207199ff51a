//! Plain members at three hubs beside subscribers at three brokers, and beside as many members at one
//! hub without a cluster: everybody gets every message.

use std::time::Duration;

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{
    Burst, Collected, Contender, Members, Protocol, Sizes, Subscribers, ratio, rounds, table,
};
use pigeon_perf::report::{Report, Wanted};

use crate::SITES;
use crate::servers::{alone, brokers, hubs};
use crate::udp::{Sockets, With};

const HUBS: &str = "three hubs over three brokers";
const BROKERS: &str = "three brokers";
const ALONE: &str = "one hub without a cluster";

/// Members at each hub or broker.
const MEMBERS: usize = 1_000;

pub(crate) fn burst(cpus: Cpus) -> Report {
    fan_out("cluster-burst", "64 messages of 64 bytes in flight", cpus, 64, Some(5.0))
}

pub(crate) fn one(cpus: Cpus) -> Report {
    fan_out("cluster-one", "one message of 64 bytes at a time", cpus, 1, None)
}

/// The members of several servers that share a room. One of the first server speaks.
struct Everywhere(Vec<Box<dyn Members>>);

impl Members for Everywhere {
    fn count(&self) -> usize {
        self.0.iter().map(|members| members.count()).sum()
    }

    fn join(&mut self) {
        self.0.iter_mut().for_each(|members| members.join());
    }

    fn publish(&mut self, burst: &Burst) {
        self.0[0].publish(burst);
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let collected = self.0.iter_mut().map(|members| members.collect(burst, patience));
        Collected { copies: collected.map(|it| it.copies).sum(), last: None }
    }

    fn kernel_drops(&mut self) -> u64 {
        self.0.iter_mut().map(|members| members.kernel_drops()).sum()
    }
}

fn fan_out(name: &str, title: &str, cpus: Cpus, in_flight: usize, wanted: Option<f64>) -> Report {
    let mut report = Report::new(name);
    report.section(&format!("{title}, to {} members at {SITES} servers", MEMBERS * SITES));
    let mut brokers = brokers(cpus);
    let broker_pids: Vec<u32> = brokers.iter().map(|broker| broker.process.pid()).collect();
    let mut hubs = hubs(cpus, &brokers, name, SITES);
    let plain = hubs.iter().map(|hub| {
        Sockets::open(MEMBERS, With { gro: true, ..With::default() }).of(hub.server.address)
    });
    let plain = Everywhere(plain.collect());
    let subscribers = brokers.iter().map(|broker| {
        let members = Subscribers::connect(MEMBERS, Protocol::Nats, broker.address);
        Box::new(members) as Box<dyn Members>
    });
    let subscribers = Everywhere(subscribers.collect());
    let (first_hub, first_broker) = (hubs.remove(0), brokers.remove(0));
    let mut beside = broker_pids.clone();
    beside.extend(hubs.iter().map(|hub| hub.server.process.pid()));
    let alone = alone(cpus, name);
    let all = Sockets::open(MEMBERS * SITES, With { gro: true, ..With::default() });
    let all = all.of(alone.address);
    let mut contenders = vec![
        Contender::with(HUBS, first_hub.server, beside, Box::new(plain)),
        Contender::with(BROKERS, first_broker, broker_pids[1..].to_vec(), Box::new(subscribers)),
        Contender::new(ALONE, alone, all),
    ];
    rounds(cpus, &mut contenders, Sizes::Equal(64), in_flight);
    table(&mut report, &contenders);
    ratio(&mut report, &contenders, HUBS, BROKERS, wanted.map(Wanted::AtLeast));
    // The most that could be had if brokers and their messages cost nothing.
    ratio(&mut report, &contenders, ALONE, BROKERS, None);
    ratio(&mut report, &contenders, HUBS, ALONE, None);
    report
}
