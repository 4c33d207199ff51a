//! A client and a far end in virtual time, and their datagrams in the network's log.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use pigeon_bench::{
    Client, ClientEvent, Kind, Mode, OneWay, Pace, Plan, Server, ServerConfig, Snapshot,
};
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_netsim::path::{Conditions, Fate, Loss, Probability};
use pigeon_netsim::simulation::{Direction, Happening, Network, Node};

pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 7777);
pub(crate) const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 4000);

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn percent(percent: u32) -> Probability {
    format!("{percent}%").parse().unwrap()
}

pub(crate) fn lossy(loss: u32, delay: u64) -> Conditions {
    let loss = Loss::Random(percent(loss));
    Conditions { loss, delay: millis(delay), ..Conditions::default() }
}

/// A plan of two seconds in this mode; a rate of 0 means no limit.
pub(crate) fn plan(mode: Mode, rate: u32) -> Plan {
    Plan {
        mode,
        pace: Pace::alone(NonZeroU32::new(rate)),
        size: 64,
        duration: Duration::from_secs(2),
        reports_every: millis(200),
        tail: Duration::from_secs(1),
    }
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        key: [3; 16],
        max_sessions: 4,
        max_bytes_per_second: None,
        max_duration: Duration::from_secs(60),
    }
}

/// A network with a far end and a client.
pub(crate) struct Bench<M> {
    pub(crate) network: Network,
    pub(crate) far: Node<M>,
    pub(crate) client: Node<Client>,
}

impl Bench<Server> {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        Bench::with(seed, plan, Server::new(config()))
    }
}

impl<M: Machine + 'static> Bench<M> {
    pub(crate) fn with(seed: u64, plan: Plan, far: M) -> Self {
        let mut network = Network::new(seed);
        network.log_limit(256 << 20);
        let far = network.add(SERVER.into(), far);
        let client = Client::new(network.now(), SERVER.into(), seed + 1, plan).unwrap();
        let client = network.add(CLIENT.into(), client);
        Bench { network, far, client }
    }

    /// Sets the conditions of a path, there or back.
    pub(crate) fn way(mut self, direction: Direction, conditions: Conditions) -> Self {
        self.network.set_conditions(self.client, direction, conditions).unwrap();
        self
    }

    /// Runs to the end and returns the client's figures.
    pub(crate) fn run(&mut self) -> Snapshot {
        for _ in 0..3_000 {
            if self.network.machine(self.client).is_over() {
                // The client's `Bye` reaches the server, or the session expires.
                self.network.run_for(Duration::from_secs(11));
                return self.network.machine(self.client).snapshot();
            }
            self.network.run_for(millis(100));
        }
        panic!("the client does not end");
    }

    pub(crate) fn events(&self) -> Vec<ClientEvent> {
        self.network.events(self.client).iter().map(|(_, event)| *event).collect()
    }

    /// The log's figures of the test datagrams sent by one address.
    pub(crate) fn truth(&self, from: impl Into<SocketAddr>) -> Truth {
        let from = from.into();
        let mut truth = Truth::default();
        let mut seen = BTreeSet::new();
        let tests = self.network.log().filter(|entry| {
            entry.from == from && Kind::of(&entry.payload).is_some_and(Kind::is_test)
        });
        for entry in tests {
            match entry.what {
                Happening::Up(fate) => {
                    truth.sent += 1;
                    truth.count(fate);
                }
                Happening::Down(fate) => truth.count(fate),
                Happening::Delivered => {
                    truth.bytes += entry.payload.len() as u64;
                    let number = u64::from_be_bytes(entry.payload[16..24].try_into().unwrap());
                    let is_late = seen.last().is_some_and(|last| *last > number);
                    truth.reordered += u64::from(seen.insert(number) && is_late);
                }
                Happening::NobodyThere | Happening::Refused => {}
            }
        }
        truth
    }
}

/// The fate of the test datagrams sent by one address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) copies: u64,
    pub(crate) reordered: u64,
    pub(crate) bytes: u64,
}

impl Truth {
    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Carried { copy_due, .. } => self.copies += u64::from(copy_due.is_some()),
            Fate::Dropped(_) => self.lost += 1,
        }
    }

    /// Fails unless the figures are exactly these.
    #[track_caller]
    pub(crate) fn is_told_by(&self, way: &OneWay) {
        let told = Truth {
            sent: way.sent,
            lost: way.lost,
            copies: way.seen.duplicated,
            reordered: way.seen.reordered,
            bytes: way.seen.bytes,
        };
        assert_eq!(&told, self);
        adds_up(way);
    }
}

#[track_caller]
pub(crate) fn adds_up(way: &OneWay) {
    assert_eq!(way.sent, way.received + way.lost + way.unanswered, "{way:?}");
    assert_eq!(way.lost, way.lost_in_kernel + way.lost_on_way, "{way:?}");
}

/// What a machine sends.
pub(crate) fn sent_by(machine: &mut impl Machine) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    while let Some(transmit) = machine.poll_transmit() {
        sent.extend(transmit.datagrams(machine.outbox()).map(<[u8]>::to_vec));
    }
    sent
}

/// Passes one machine's datagrams to another, without a network.
pub(crate) fn carry(
    now: Instant,
    from: (&mut impl Machine, SocketAddr),
    to: &mut impl Machine,
) -> Vec<Vec<u8>> {
    let (machine, address) = from;
    let carried = sent_by(machine);
    for datagram in &carried {
        to.handle_datagram(now, &Received::new(address, datagram));
    }
    carried
}
