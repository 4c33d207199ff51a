//! A search and hubs in virtual time, over networks with loss, duplicates and reordering.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::{Discover, Question, Search};
use pigeon_datagram::Instant;
use pigeon_netsim::path::{Conditions, Jitter, Loss, Probability};
use pigeon_netsim::simulation::{Happening, LogEntry, Network};
use pigeon_proto::Name;

use crate::hub::{Hub, Script};

const HUBS: u8 = 8;
const LASTS: Duration = Duration::from_secs(1);

fn searcher() -> SocketAddr {
    SocketAddr::from(([10, 0, 1, 1], 40_000))
}

fn hub_address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 9999))
}

fn number(hub: SocketAddr) -> u8 {
    (0..HUBS).find(|&n| hub_address(n) == hub).unwrap()
}

/// A hub that answers in time is found once; others are not found.
#[test]
fn those_whose_answers_arrive_are_found_once() {
    let half = Probability::new(0.5).unwrap();
    let bad = Conditions {
        loss: Loss::Random(half),
        duplicate: half,
        delay: Duration::from_millis(100),
        jitter: Jitter::Uniform(Duration::from_millis(100)),
        ..Conditions::default()
    };
    let mut missed = 0;
    for seed in 0..50 {
        let mut network = Network::new(seed);
        network.default_conditions(bad.clone()).unwrap();
        for n in 0..HUBS {
            let name = Name::parse(format!("hub-{n}").as_bytes()).unwrap();
            network
                .add(hub_address(n), Hub::with(Script { called: Some(name), ..Script::default() }));
        }
        let targets = (0..HUBS).map(hub_address).collect();
        let search = Discover::new(network.now(), targets, Question::Hubs(seed), LASTS);
        let search = network.add(searcher(), search);
        network.run_for(LASTS * 2);

        let in_time = |entry: &&LogEntry| entry.at < Instant::ORIGIN + LASTS;
        let heard: BTreeSet<SocketAddr> = network
            .log()
            .filter(|entry| entry.to == searcher() && entry.what == Happening::Delivered)
            .filter(in_time)
            .map(|entry| entry.from)
            .collect();
        let mut found = BTreeSet::new();
        for (at, event) in network.events(search) {
            match event {
                Search::Found(one) => {
                    assert!(found.insert(one.from), "{} is found twice", one.from);
                    let name = &one.hub.as_ref().unwrap().name;
                    assert_eq!(name.as_str(), format!("hub-{}", number(one.from)));
                }
                Search::Over => assert_eq!(*at, Instant::ORIGIN + LASTS),
            }
        }
        assert_eq!(found, heard, "seed {seed}");
        missed += usize::from(HUBS) - found.len();
    }
    assert!(missed > 0, "the network was too good to tell");
}
