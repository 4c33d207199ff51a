//! Conditions of a run.

use std::time::Duration;

/// Conditions under which both ends must lose nothing. Rates of events are mean times between them.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The cell's name.
    pub name: &'static str,
    /// Conditions of datagrams.
    pub network: Network,
    /// Time between connection losses.
    pub cuts: Option<Duration>,
    /// Time between changes of a client's address.
    pub moves: Option<Duration>,
    /// Time between kills of the hub.
    pub hub_kills: Option<Duration>,
    /// Time between kills of a client.
    pub client_kills: Option<Duration>,
    /// Share of kills, per mille, that are machine crashes, which lose unsynced data.
    pub crashes: u64,
    /// Time between restores of the hub's disk from an older copy.
    pub hub_restores: Option<Duration>,
    /// Time between restores of a client's disk from an older copy.
    pub client_restores: Option<Duration>,
    /// Messages refused temporarily, per mille.
    pub refused_for_now: u64,
    /// Messages refused permanently, per mille.
    pub refused_for_good: u64,
    /// Failing syncs of either end, per mille.
    pub failing_syncs: u64,
    /// Bytes that a client reads per second. `None`: unlimited.
    pub reads: Option<u64>,
}

/// Conditions of datagrams, per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Lost datagrams.
    pub loss: u64,
    /// Datagrams held back, so that others overtake them.
    pub reorder: u64,
    /// Duplicated datagrams.
    pub duplicate: u64,
    /// Datagrams with a flipped bit.
    pub corrupt: u64,
    /// Delay of a datagram.
    pub delay: Duration,
}

const fn s(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const CALM: Network = Network { loss: 0, reorder: 0, duplicate: 0, corrupt: 0, delay: ms(5) };

const QUIET: Cell = Cell {
    name: "quiet",
    network: CALM,
    cuts: None,
    moves: None,
    hub_kills: None,
    client_kills: None,
    crashes: 500,
    hub_restores: None,
    client_restores: None,
    refused_for_now: 0,
    refused_for_good: 0,
    failing_syncs: 0,
    reads: None,
};

/// All faults at once, except restored backups.
const STORM: Cell = Cell {
    cuts: s(10),
    moves: s(15),
    hub_kills: s(15),
    client_kills: s(15),
    refused_for_now: 10,
    refused_for_good: 10,
    failing_syncs: 20,
    ..QUIET
};

/// All cells.
pub const CELLS: [Cell; 25] = [
    QUIET,
    Cell { name: "loss 5 %", network: Network { loss: 50, ..CALM }, ..QUIET },
    Cell { name: "loss 20 %", network: Network { loss: 200, ..CALM }, ..QUIET },
    Cell { name: "loss 30 %", network: Network { loss: 300, ..CALM }, ..QUIET },
    Cell { name: "reorder 50 %", network: Network { reorder: 500, ..CALM }, ..QUIET },
    Cell { name: "duplicates 20 %", network: Network { duplicate: 200, ..CALM }, ..QUIET },
    Cell { name: "corruption 1 %", network: Network { corrupt: 10, ..CALM }, ..QUIET },
    Cell { name: "delay 500 ms", network: Network { delay: ms(500), ..CALM }, ..QUIET },
    Cell {
        name: "every fault of a network",
        network: Network { loss: 200, reorder: 500, duplicate: 200, corrupt: 10, delay: ms(100) },
        moves: s(10),
        ..QUIET
    },
    Cell { name: "moving clients", moves: s(3), network: Network { loss: 50, ..CALM }, ..QUIET },
    Cell { name: "broken connections", cuts: s(2), ..QUIET },
    Cell { name: "killed clients", client_kills: s(4), crashes: 0, ..QUIET },
    Cell { name: "crashed clients", client_kills: s(4), crashes: 1_000, ..QUIET },
    Cell { name: "killed hub", hub_kills: s(5), ..QUIET },
    Cell { name: "both killed", hub_kills: s(6), client_kills: s(6), ..QUIET },
    Cell { name: "refused for now", refused_for_now: 50, ..QUIET },
    Cell { name: "refused for good", refused_for_good: 50, ..QUIET },
    Cell {
        name: "refused and broken",
        refused_for_now: 30,
        refused_for_good: 30,
        cuts: s(4),
        client_kills: s(8),
        ..QUIET
    },
    Cell {
        name: "failing syncs",
        failing_syncs: 100,
        client_kills: s(6),
        hub_kills: s(9),
        ..QUIET
    },
    Cell { name: "restored client", client_restores: s(12), refused_for_good: 20, ..QUIET },
    Cell { name: "restored hub", hub_restores: s(20), ..QUIET },
    Cell {
        name: "both restored",
        hub_restores: s(20),
        client_restores: s(20),
        refused_for_good: 20,
        ..QUIET
    },
    Cell { name: "slow readers", reads: Some(20_000), cuts: s(15), ..QUIET },
    Cell {
        name: "storm",
        network: Network { loss: 50, reorder: 100, duplicate: 50, corrupt: 5, delay: ms(40) },
        ..STORM
    },
    Cell {
        name: "storm and restored backups",
        network: Network { loss: 50, reorder: 100, duplicate: 50, corrupt: 5, delay: ms(40) },
        hub_restores: s(30),
        client_restores: s(30),
        ..STORM
    },
];

/// A planted fault that the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The hub acknowledges messages that are only queued for the disk.
    AcknowledgesBeforeSync,
    /// The log loses the last number of each outbox at a restart.
    ForgetsLastNumbers,
    /// The hub relays duplicates.
    RelaysAgain,
    /// The hub skips entries that a follower lacks after a reset.
    SkipsOnReset,
    /// A client renumbers its waiting messages at a restart.
    Renumbers,
    /// The log recognizes duplicates for only two seconds.
    ForgetsByTime,
    /// A client loses its waiting messages at a restart.
    ForgetsWaiting,
    /// A client loses its stored messages at a restart, so a restored hub does not get them again.
    ForgetsStored,
    /// A follower continues after the last entry sent, not after the last one received.
    GoesOnTooFar,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 9] = [
        Fault::AcknowledgesBeforeSync,
        Fault::ForgetsLastNumbers,
        Fault::RelaysAgain,
        Fault::SkipsOnReset,
        Fault::Renumbers,
        Fault::ForgetsByTime,
        Fault::ForgetsWaiting,
        Fault::ForgetsStored,
        Fault::GoesOnTooFar,
    ];
}
