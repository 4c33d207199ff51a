//! What plain members pay for the page: the load of the bench `fanout` on a hub without a page, with
//! one, and with 2,000 members there who follow another room.

use std::time::Duration;

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{
    Burst, Collected, Contender, Members, Sizes, interval, ratio, rounds, table,
};
use pigeon_perf::report::{Report, Wanted};

use crate::members::{Sockets as WebSockets, Talk};
use crate::udp::{Sockets, With};
use crate::{count, hub};

const OFF: &str = "without a page";
const ON: &str = "with --page";
const BESIDE: &str = "and its silent members";

/// The smallest ratio that counts as unchanged.
const UNCHANGED: f64 = 0.97;

pub(crate) fn one(cpus: Cpus) -> Report {
    compare("page-plain-one", "one message of 64 bytes at a time", cpus, 1)
}

pub(crate) fn burst(cpus: Cpus) -> Report {
    compare("page-plain-burst", "64 messages of 64 bytes in flight", cpus, 64)
}

/// Plain members in a room of their own, while the page's are in the lobby.
struct Beside {
    plain: Box<dyn Members>,
    page: WebSockets,
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

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        self.plain.collect(burst, patience)
    }

    /// Called between turns: answers pings.
    fn kernel_drops(&mut self) -> u64 {
        let mut buffer = vec![0; 1 << 16];
        for member in &mut self.page.members {
            while member.read(&mut buffer, b"\0") > 0 {}
        }
        self.plain.kernel_drops()
    }
}

fn compare(name: &str, title: &str, cpus: Cpus, in_flight: usize) -> Report {
    let mut report = Report::new(name);
    let members = 1_000;
    report.section(&format!("{title}, to {members} plain members, stored"));
    let sockets = Sockets::open(members, With { gro: true, ..With::default() });
    let (off, _) = hub(cpus, "plain-off", false);
    let (on, _) = hub(cpus, "plain-on", true);
    let (beside, page) = hub(cpus, "plain-beside", true);
    let mut hubs: Vec<Contender> = [(OFF, off), (ON, on)]
        .into_iter()
        .map(|(name, server)| {
            let members = sockets.of(server.address);
            Contender::new(name, server, members)
        })
        .collect();
    // They follow a room where nobody speaks.
    let page = WebSockets::connect_in(count(), Talk::Pigeon, page.expect("a page"), "quiet");
    let plain = sockets.of(beside.address);
    hubs.push(Contender::new(BESIDE, beside, Box::new(Beside { plain, page })));
    rounds(cpus, &mut hubs, Sizes::Equal(64), in_flight);
    table(&mut report, &hubs);
    for name in [ON, BESIDE] {
        interval(&mut report, &hubs, name, OFF);
        ratio(&mut report, &hubs, name, OFF, Some(Wanted::AtLeast(UNCHANGED)));
    }
    report
}
