//! Three hubs, their disks, a stream, clients, and what happens to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::RangeInclusive;
use std::time::Duration;

use pigeon_cluster::MemoryLog as Disk;
use pigeon_cluster::{
    Again, Numbered, Order, Outcome, Output, RECORD, RENEW, Record, Resume, Rewind, Said, Saved,
};
use pigeon_datagram::Instant;
use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};

use crate::broker::Broker;
use crate::chance::Chance;
use crate::check::{self, Excused};
use crate::client::{Client, Link, text_of};

const HUBS: usize = 3;
const CLIENTS: u64 = 4;

/// Time limit for settling after the last fault.
const PATIENCE: Duration = Duration::from_secs(600);

/// What happens, as mean times between events in milliseconds; 0: never.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub name: &'static str,
    /// A hub is killed.
    pub kills: u64,
    /// A hub stands still.
    pub hangs: u64,
    /// A hub is cut off from the brokers.
    pub cuts: u64,
    /// The stream loses its newest records, which were acknowledged.
    pub tails: u64,
    /// The stream is created anew.
    pub anew: u64,
    /// All hubs are cut off: the brokers restart.
    pub restarts: u64,
    /// A hub's disk is set back to an older copy.
    pub restores: u64,
    /// A client moves to another hub.
    pub moves: u64,
    /// A client's process restarts.
    pub clients: u64,
    /// Lost publications, per mille.
    pub lost: u64,
    /// Repeated deliveries, per mille.
    pub repeated: u64,
    /// Failing disks, per mille.
    pub disks: u64,
}

const QUIET: Cell = Cell {
    name: "quiet",
    kills: 0,
    hangs: 0,
    cuts: 0,
    tails: 0,
    anew: 0,
    restarts: 0,
    restores: 0,
    moves: 0,
    clients: 0,
    lost: 0,
    repeated: 0,
    disks: 0,
};

const STORM: Cell = Cell {
    name: "storm",
    kills: 9_000,
    hangs: 20_000,
    cuts: 9_000,
    tails: 9_000,
    anew: 25_000,
    restarts: 20_000,
    moves: 3_000,
    clients: 20_000,
    lost: 10,
    repeated: 30,
    disks: 10,
    ..QUIET
};

pub const CELLS: [Cell; 12] = [
    QUIET,
    Cell { name: "lost publications", lost: 50, repeated: 100, moves: 4_000, ..QUIET },
    Cell { name: "killed hubs", kills: 4_000, moves: 4_000, ..QUIET },
    Cell { name: "hanging hubs", hangs: 6_000, moves: 4_000, ..QUIET },
    Cell { name: "hubs cut off", cuts: 3_000, moves: 4_000, ..QUIET },
    Cell { name: "lost tails", tails: 3_000, moves: 2_000, ..QUIET },
    Cell { name: "lost tails and hubs cut off", tails: 3_000, cuts: 3_000, moves: 2_000, ..QUIET },
    Cell { name: "streams anew", anew: 6_000, moves: 2_000, kills: 9_000, ..QUIET },
    Cell { name: "restored hubs", restores: 9_000, moves: 4_000, clients: 9_000, ..QUIET },
    Cell { name: "failing disks", disks: 100, kills: 9_000, moves: 4_000, ..QUIET },
    STORM,
    Cell { name: "storm and restored hubs", restores: 20_000, ..STORM },
];

/// A planted fault that the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Hubs do not compare what they have read.
    ComparesNothing,
    /// A hub acknowledges what the broker has acknowledged.
    BelievesTheBroker,
    /// The log loses the last numbers of outboxes at a restart.
    ForgetsLastNumbers,
    /// Followers from other hubs go on after their last message.
    GoesOn,
    /// Brokers ignore the condition of an opening.
    OpensTwice,
    /// What others lack is not said again.
    SaysNothingAgain,
    /// A disk that fails is taken for one that has stored.
    BelievesTheDisk,
}

impl Fault {
    pub const ALL: [Fault; 7] = [
        Fault::ComparesNothing,
        Fault::BelievesTheBroker,
        Fault::ForgetsLastNumbers,
        Fault::GoesOn,
        Fault::OpensTwice,
        Fault::SaysNothingAgain,
        Fault::BelievesTheDisk,
    ];
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub said: u64,
    pub acknowledged: u64,
    pub excused: u64,
    pub epochs: u64,
    pub said_again: u64,
    pub doubles: u64,
    pub faults: u64,
    pub seconds: u64,
    /// Runs in which an epoch has two orders, because brokers lost what only hubs had read that were
    /// away when the sequences were used again.
    pub unknowable: u64,
}

impl Report {
    pub fn add(&mut self, other: &Report) {
        self.said += other.said;
        self.acknowledged += other.acknowledged;
        self.excused += other.excused;
        self.epochs += other.epochs;
        self.said_again += other.said_again;
        self.doubles += other.doubles;
        self.faults += other.faults;
        self.seconds += other.seconds;
        self.unknowable += other.unknowable;
    }
}

/// A hub's machine and its connection.
struct Hub {
    /// `None` while the hub is down.
    order: Option<Order>,
    run: u128,
    disk: Disk,
    backup: Disk,
    /// The hub stands still until then.
    hangs_until: Instant,
    is_cut: bool,
    /// The connection; later ones have larger numbers.
    link: u64,
    is_connected: bool,
    /// The next sequence to deliver, unless nothing is read.
    reads: Option<u64>,
    delivered_at: Instant,
    published_at: Instant,
    storing: Option<(Vec<Said>, Saved)>,
    tickets: BTreeMap<u64, (usize, u64, Identity)>,
    next_ticket: u64,
    plain: u64,
    heard: BTreeSet<Identity>,
    timer: Instant,
}

/// Records of an epoch that the brokers have acknowledged and lost.
#[derive(Clone, Debug)]
struct Lost {
    epoch: u64,
    opened: u64,
    sequences: RangeInclusive<u64>,
    /// The hubs that have read the first of them.
    readers: Vec<usize>,
}

impl Lost {
    fn holds(&self, position: Position) -> bool {
        let sequence = self.opened + position.sequence() / 256;
        position.epoch() == self.epoch && self.sequences.contains(&sequence)
    }
}

#[derive(Debug)]
enum Event {
    Timer { hub: usize },
    Connected { hub: usize, link: u64, run: u128 },
    Noticed { hub: usize, link: u64 },
    Published { hub: usize, link: u64, id: u64, record: Box<Record>, expect: Option<u64> },
    Answered { hub: usize, link: u64, id: u64, sequence: Option<u64> },
    TooLarge { hub: usize, link: u64, id: u64, bytes: usize },
    Read { hub: usize, link: u64 },
    Delivered { hub: usize, link: u64, sequence: u64, bytes: Vec<u8> },
    Stored { hub: usize, run: u128, is_stored: bool },
    Lease { hub: usize },
    Heard { hub: usize, from: u128, place: (u64, u64, u64) },
    Says { client: usize, link: u64, identity: Identity },
    Settled { client: usize, link: u64, identity: Identity, outcome: Outcome },
    Client { client: usize, due: u64 },
    Compose,
    Plain,
    Start { hub: usize },
    Heal { hub: usize },
    Happens(Kind, u64),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Kill,
    Hang,
    Cut,
    Tail,
    Anew,
    Restart,
    Restore,
    BackUp,
    Move,
    Client,
}

pub struct World {
    cell: Cell,
    fault: Option<Fault>,
    chance: Chance,
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, u64)>>,
    queued: BTreeMap<u64, Event>,
    serial: u64,
    broker: Broker,
    hubs: Vec<Hub>,
    clients: Vec<Client>,
    excused: Excused,
    lost: Vec<Lost>,
    /// Lost records that no hub could know of when their sequences were used again.
    unknowable: Vec<Lost>,
    /// Messages that were on a disk.
    ever: BTreeSet<Identity>,
    is_calm: bool,
    report: Report,
    failure: Option<String>,
    trace: bool,
}

pub fn run(cell: &Cell, seed: u64, messages: u64, fault: Option<Fault>) -> Result<Report, String> {
    World::new(cell, seed, messages, fault).run()
}

impl World {
    fn new(cell: &Cell, seed: u64, messages: u64, fault: Option<Fault>) -> World {
        let hub = || Hub {
            order: None,
            run: 0,
            disk: Disk::default(),
            backup: Disk::default(),
            hangs_until: Instant::ORIGIN,
            is_cut: false,
            link: 0,
            is_connected: false,
            reads: None,
            delivered_at: Instant::ORIGIN,
            published_at: Instant::ORIGIN,
            storing: None,
            tickets: BTreeMap::new(),
            next_ticket: 0,
            plain: 0,
            heard: BTreeSet::new(),
            timer: Instant::ORIGIN,
        };
        let mut world = World {
            cell: *cell,
            fault,
            chance: Chance::new(seed),
            now: Instant::ORIGIN,
            events: BinaryHeap::new(),
            queued: BTreeMap::new(),
            serial: 0,
            broker: Broker {
                records: Vec::new(),
                ignores_conditions: fault == Some(Fault::OpensTwice),
                // Some accept only small records, and some of them do not say so.
                limits: match seed % 5 {
                    3 => (6_000, 6_000),
                    4 => (6_000, RECORD),
                    _ => (RECORD, RECORD),
                },
            },
            hubs: (0..HUBS).map(|_| hub()).collect(),
            clients: (1..=CLIENTS).map(|it| Client::new(u128::from(it), messages)).collect(),
            excused: Excused::new(),
            lost: Vec::new(),
            unknowable: Vec::new(),
            ever: BTreeSet::new(),
            is_calm: false,
            report: Report::default(),
            failure: None,
            trace: std::env::var_os("PIGEON_TRACE").is_some(),
        };
        for hub in 0..HUBS {
            world.start(hub);
        }
        for client in 0..CLIENTS as usize {
            world.wake(client, 3_000, 6_000);
        }
        world.later(3_000, 3_000, Event::Compose);
        world.later(3_000, 3_000, Event::Plain);
        let kinds = [
            (Kind::Kill, cell.kills),
            (Kind::Hang, cell.hangs),
            (Kind::Cut, cell.cuts),
            (Kind::Tail, cell.tails),
            (Kind::Anew, cell.anew),
            (Kind::Restart, cell.restarts),
            (Kind::Restore, cell.restores),
            (Kind::BackUp, cell.restores / 2),
            (Kind::Move, cell.moves),
            (Kind::Client, cell.clients),
        ];
        for (kind, mean) in kinds {
            if mean > 0 {
                world.later(3_000, 3_000 + mean * 2, Event::Happens(kind, mean));
            }
        }
        world
    }

    fn run(mut self) -> Result<Report, String> {
        let mut calm_since = None;
        while let Some(Reverse((at, serial))) = self.events.pop() {
            let Some(event) = self.queued.remove(&serial) else { continue };
            self.now = at;
            self.handle(event);
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if calm_since.is_none() && self.clients.iter().all(|it| it.total() >= it.wants) {
                calm_since = Some(self.now);
                self.is_calm = true;
            }
            if let Some(since) = calm_since {
                let disks: Vec<&Disk> = self.hubs.iter().map(|hub| &hub.disk).collect();
                let quiet = self.now > since + Duration::from_secs(40);
                if quiet && check::is_complete(&disks, &self.clients) || self.now > since + PATIENCE
                {
                    break;
                }
            }
        }
        let disks: Vec<&Disk> = self.hubs.iter().map(|hub| &hub.disk).collect();
        if let Some(client) = self.clients.iter().find(|client| !client.is_settled()) {
            let states: Vec<_> = self
                .hubs
                .iter()
                .map(|hub| {
                    hub.order.as_ref().map(|it| {
                        (
                            it.state(),
                            it.waiting(),
                            it.place().epoch,
                            it.cursor(),
                            it.place().released,
                            hub.link,
                            hub.is_connected,
                            hub.is_cut,
                        )
                    })
                })
                .collect();
            check::verdict(&disks, &self.clients, &self.excused, |_| false)?;
            return Err(format!("client {} is not settled; hubs {states:?}", client.author));
        }
        let is_unknowable = |position| self.unknowable.iter().any(|lost| lost.holds(position));
        let is_excused = check::verdict(&disks, &self.clients, &self.excused, is_unknowable)?;
        let mut report = self.report;
        report.unknowable = u64::from(is_excused);
        for client in &self.clients {
            report.said += client.total();
            report.acknowledged += client.acknowledged.len() as u64;
        }
        report.excused = self.excused.len() as u64;
        for hub in &self.hubs {
            let statistics = hub.order.as_ref().map(Order::statistics).unwrap_or_default();
            report.said_again += statistics.said_again;
            report.doubles += statistics.doubles;
        }
        report.epochs = self.hubs.iter().map(|hub| hub.disk.saved.epoch).max().unwrap_or(0);
        report.seconds = (self.now - Instant::ORIGIN).as_secs();
        Ok(report)
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at, self.serial)));
        self.queued.insert(self.serial, event);
    }

    /// Between two times in milliseconds from now.
    fn later(&mut self, from: u64, to: u64, event: Event) {
        let at = self.now + self.chance.millis(from, to);
        self.at(at, event);
    }

    fn wake(&mut self, client: usize, from: u64, to: u64) {
        self.clients[client].due += 1;
        let due = self.clients[client].due;
        self.later(from, to, Event::Client { client, due });
    }

    fn handle(&mut self, event: Event) {
        if self.trace {
            let text = format!("{event:?}");
            let quiet =
                ["Timer", "Says", "Lease", "Heard", "Client", "Read", "Answered", "Compose"];
            if !quiet.iter().any(|quiet| text.starts_with(quiet)) {
                println!(
                    "{:>9.3} {}",
                    (self.now - Instant::ORIGIN).as_secs_f64(),
                    text.chars().take(330).collect::<String>()
                );
            }
        }
        match event {
            Event::Timer { hub } => self.timer(hub),
            Event::Connected { hub, link, run } => self.connected(hub, link, run),
            Event::Noticed { hub, link } => self.noticed(hub, link),
            Event::Published { hub, link, id, record, expect } => {
                self.published(hub, link, id, *record, expect);
            }
            Event::Answered { hub, link, id, sequence } => self.answered(hub, link, id, sequence),
            Event::TooLarge { hub, link, id, bytes } => {
                if self.hubs[hub].link == link && !self.hubs[hub].is_cut {
                    self.with(hub, |order, now, disk| order.too_large(now, id, bytes, disk));
                }
            }
            Event::Read { hub, link } => self.read(hub, link),
            Event::Delivered { hub, link, sequence, bytes } => {
                if self.delays(hub, || Event::Delivered {
                    hub,
                    link,
                    sequence,
                    bytes: bytes.clone(),
                }) {
                    return;
                }
                if self.hubs[hub].link == link {
                    self.with(hub, |order, now, disk| order.delivered(now, sequence, &bytes, disk));
                }
            }
            Event::Stored { hub, run, is_stored } => self.stored(hub, run, is_stored),
            Event::Lease { hub } => self.lease(hub),
            Event::Heard { hub, from, place } => {
                if !self.delays(hub, || Event::Heard { hub, from, place }) && self.is_linked(hub) {
                    self.with(hub, |order, now, disk| order.heard(now, from, place, disk));
                }
            }
            Event::Says { client, link, identity } => self.says(client, link, identity),
            Event::Settled { client, link, identity, outcome } => {
                self.settled(client, link, identity, outcome);
            }
            Event::Client { client, due } if due == self.clients[client].due => self.client(client),
            Event::Client { .. } => {}
            Event::Compose => {
                for client in &mut self.clients {
                    client.compose();
                }
                if !self.is_calm {
                    self.later(100, 500, Event::Compose);
                }
            }
            Event::Plain => self.plain(),
            Event::Start { hub } => self.start(hub),
            Event::Heal { hub } => {
                self.hubs[hub].is_cut = false;
                self.connect(hub);
            }
            Event::Happens(kind, mean) => self.happen(kind, mean),
        }
    }

    /// Whether a hub stands still: it handles the event later.
    fn delays(&mut self, hub: usize, event: impl FnOnce() -> Event) -> bool {
        let until = self.hubs[hub].hangs_until;
        if until > self.now {
            self.at(until, event());
        }
        until > self.now
    }

    fn is_linked(&self, hub: usize) -> bool {
        let hub = &self.hubs[hub];
        hub.is_connected && !hub.is_cut
    }

    /// Calls a hub's machine and carries out its outputs.
    fn with(&mut self, hub: usize, call: impl FnOnce(&mut Order, Instant, &Disk)) {
        let now = self.now;
        let it = &mut self.hubs[hub];
        let Some(order) = &mut it.order else { return };
        call(order, now, &it.disk);
        while let Some(output) = self.hubs[hub].order.as_mut().and_then(Order::poll_output) {
            self.carry_out(hub, output);
        }
        let it = &mut self.hubs[hub];
        let next = it.order.as_ref().and_then(Order::poll_timeout);
        if let Some(next) = next {
            let next = next.max(now + Duration::from_millis(1));
            if it.timer <= now || next < it.timer {
                it.timer = next;
                self.at(next, Event::Timer { hub });
            }
        }
    }

    fn carry_out(&mut self, hub: usize, output: Output) {
        let link = self.hubs[hub].link;
        if self.trace && !matches!(output, Output::Store { .. }) {
            println!(
                "          hub {hub}: {}",
                format!("{output:?}").chars().take(330).collect::<String>()
            );
        }
        match output {
            Output::Read { after } => {
                self.hubs[hub].reads = Some(after + 1);
                self.at(self.now, Event::Read { hub, link });
            }
            Output::Publish { id, mut record, expect } => {
                self.plant(&mut record);
                let delay = self.chance.millis(1, 20);
                let at = (self.now + delay).max(self.hubs[hub].published_at);
                self.hubs[hub].published_at = at;
                self.at(at, Event::Published { hub, link, id, record: Box::new(record), expect });
                // Without an answer the client gives up.
                self.later(2_000, 2_000, Event::Answered { hub, link, id, sequence: None });
            }
            Output::Connect => {
                self.disconnect(hub);
                self.connect(hub);
            }
            Output::Store { messages, saved } => {
                let fails = !self.is_calm && self.chance.permille(self.cell.disks);
                self.hubs[hub].storing = Some((messages, saved));
                let run = self.hubs[hub].run;
                self.later(1, 12, Event::Stored { hub, run, is_stored: !fails });
            }
            Output::Settled { ticket, outcome } => {
                if let Some((client, link, identity)) = self.hubs[hub].tickets.remove(&ticket) {
                    self.later(1, 10, Event::Settled { client, link, identity, outcome });
                }
            }
            Output::Heard(messages) => {
                for message in messages {
                    let identity = message.identity;
                    if !self.hubs[hub].heard.insert(identity) {
                        self.failure =
                            Some(format!("hub {hub}: plain members hear {identity:?} twice"));
                    }
                }
            }
            Output::Rewound(rewind) => self.rewound(hub, rewind),
            Output::Released => {}
            Output::Renew => self.renew(hub),
        }
    }

    fn plant(&mut self, record: &mut Record) {
        let stamp = match record {
            Record::Said { stamp, .. }
            | Record::Have { stamp, .. }
            | Record::Done { stamp, .. } => stamp,
            _ => return,
        };
        if self.fault == Some(Fault::ComparesNothing) {
            (stamp.seen, stamp.digest) = (0, 0);
        }
        if self.fault == Some(Fault::SaysNothingAgain)
            && let Record::Said { stamp, messages } = record
            && messages.iter().any(|said| said.again != Again::No)
        {
            *record = Record::Done { stamp: *stamp, have: 0 };
        }
    }

    fn timer(&mut self, hub: usize) {
        if self.hubs[hub].timer > self.now || self.delays(hub, || Event::Timer { hub }) {
            return;
        }
        self.with(hub, |order, now, disk| order.handle_timeout(now, disk));
    }

    // The stream.

    fn connect(&mut self, hub: usize) {
        if self.hubs[hub].is_cut || self.hubs[hub].is_connected {
            return;
        }
        let (link, run) = (self.hubs[hub].link, self.hubs[hub].run);
        self.later(5, 300, Event::Connected { hub, link, run });
    }

    fn connected(&mut self, hub: usize, link: u64, run: u128) {
        if self.delays(hub, || Event::Connected { hub, link, run }) {
            return;
        }
        let it = &mut self.hubs[hub];
        let Some(order) = &it.order else { return };
        if it.is_cut || it.is_connected || it.link != link || it.run != run {
            return;
        }
        it.is_connected = true;
        it.link += 1;
        it.delivered_at = self.now;
        it.published_at = self.now;
        let stream = self.broker.describe(order.cursor());
        self.with(hub, |order, now, disk| order.connected(now, stream, disk));
    }

    fn disconnect(&mut self, hub: usize) {
        let it = &mut self.hubs[hub];
        if !std::mem::take(&mut it.is_connected) {
            return;
        }
        it.link += 1;
        it.reads = None;
        if let Some(order) = &mut it.order {
            order.disconnected(self.now);
        }
    }

    fn noticed(&mut self, hub: usize, link: u64) {
        if self.delays(hub, || Event::Noticed { hub, link }) {
            return;
        }
        if self.hubs[hub].link == link {
            self.disconnect(hub);
            self.connect(hub);
        }
    }

    fn published(&mut self, hub: usize, link: u64, id: u64, record: Record, expect: Option<u64>) {
        let is_lost = !self.is_calm && self.chance.permille(self.cell.lost);
        if is_lost || !self.is_linked(hub) && self.hubs[hub].link == link {
            return;
        }
        let payload = record.to_bytes();
        let bytes = payload.len();
        if bytes > self.broker.limits.0 {
            return self.later(1, 20, Event::TooLarge { hub, link, id, bytes });
        }
        let sequence = self.broker.publish(payload, expect);
        sequence.into_iter().for_each(|sequence| self.use_again(sequence));
        self.later(1, 20, Event::Answered { hub, link, id, sequence });
        if self.fault == Some(Fault::BelievesTheBroker)
            && let (Record::Said { messages, .. }, Some(_)) = (&record, sequence)
        {
            let outcome = Outcome::Stored;
            for said in messages {
                let mut tickets = self.hubs[hub].tickets.values();
                let found = tickets.find(|it| it.2 == said.message.identity).copied();
                if let Some((client, link, identity)) = found {
                    self.later(1, 2, Event::Settled { client, link, identity, outcome });
                }
            }
        }
        for hub in 0..HUBS {
            let link = self.hubs[hub].link;
            self.at(self.now, Event::Read { hub, link });
        }
    }

    fn answered(&mut self, hub: usize, link: u64, id: u64, sequence: Option<u64>) {
        if self.delays(hub, || Event::Answered { hub, link, id, sequence }) {
            return;
        }
        // Sometimes the answer is lost.
        let is_lost = sequence.is_some() && !self.is_calm && self.chance.permille(self.cell.lost);
        if self.hubs[hub].link != link || is_lost || self.hubs[hub].is_cut {
            return;
        }
        self.with(hub, |order, now, disk| match sequence {
            Some(sequence) => order.acknowledged(now, id, sequence, disk),
            None => order.refused(now, id, disk),
        });
    }

    /// Sends what a hub has not got. A sequence is delivered once it exists, whatever was there
    /// before.
    fn read(&mut self, hub: usize, link: u64) {
        if self.hubs[hub].link != link || !self.is_linked(hub) {
            return;
        }
        while let Some(next) = self.hubs[hub].reads {
            let Some(bytes) = self.broker.get(next).cloned() else { return };
            let delay = self.chance.millis(1, 15);
            let at = (self.now + delay).max(self.hubs[hub].delivered_at);
            self.hubs[hub].delivered_at = at;
            self.at(at, Event::Delivered { hub, link, sequence: next, bytes });
            let back = match self.chance.permille(self.cell.repeated) {
                true => self.chance.below(5),
                false => 0,
            };
            self.hubs[hub].reads = Some((next + 1).saturating_sub(back).max(1));
        }
    }

    fn lease(&mut self, hub: usize) {
        self.at(self.now + RENEW, Event::Lease { hub });
        let it = &self.hubs[hub];
        let Some(order) = &it.order else { return };
        if !self.is_linked(hub) || it.hangs_until > self.now {
            return;
        }
        let (cursor, stream) = (order.cursor(), self.broker.describe(order.cursor()));
        self.renew(hub);
        if self.fault != Some(Fault::ComparesNothing) {
            self.with(hub, |order, now, _| {
                order.looked(now, cursor, stream.at_cursor, stream.last)
            });
        }
    }

    /// Tells the other hubs where this one is in the stream.
    fn renew(&mut self, hub: usize) {
        let it = &self.hubs[hub];
        let Some(order) = it.order.as_ref().filter(|_| self.is_linked(hub)) else { return };
        let place = order.place();
        let mut place = (place.epoch, place.cursor, place.digest);
        if self.fault == Some(Fault::ComparesNothing) {
            place.0 = 0;
        }
        let from = it.run;
        for other in (0..HUBS).filter(|other| *other != hub) {
            self.later(1, 20, Event::Heard { hub: other, from, place });
        }
    }

    // Hubs.

    fn start(&mut self, hub: usize) {
        let run = u128::from(self.chance.number()) | 1 << 100;
        let it = &mut self.hubs[hub];
        if it.order.is_some() {
            return;
        }
        it.run = run;
        it.order = Some(Order::new(run, it.disk.saved.clone(), it.disk.newest()));
        (it.plain, it.heard, it.timer) = (0, BTreeSet::new(), self.now);
        it.link += 1;
        self.connect(hub);
        if self.now == Instant::ORIGIN {
            self.later(0, 2_000, Event::Lease { hub });
        }
    }

    fn kill(&mut self, hub: usize) {
        let it = &mut self.hubs[hub];
        if it.order.take().is_none() {
            return;
        }
        it.link += 1;
        it.is_connected = false;
        it.reads = None;
        it.hangs_until = self.now;
        it.tickets.clear();
        // A part of what was being stored may be on disk.
        if let Some((messages, _)) = it.storing.take() {
            let count = self.chance.below(messages.len() as u64 + 1) as usize;
            for said in &messages[..count] {
                self.ever.insert(said.message.identity);
                let _ = it.disk.store(said);
            }
        }
        if self.fault == Some(Fault::ForgetsLastNumbers) {
            it.disk.lasts.clear();
        }
        for client in 0..self.clients.len() {
            let is_here = self.clients[client].link.as_ref().is_some_and(|link| link.hub == hub);
            if is_here {
                self.clients[client].link = None;
                self.wake(client, 50, 2_500);
            }
        }
    }

    fn stored(&mut self, hub: usize, run: u128, is_stored: bool) {
        if self.delays(hub, || Event::Stored { hub, run, is_stored }) || self.hubs[hub].run != run {
            return;
        }
        let it = &mut self.hubs[hub];
        let Some((messages, saved)) = it.storing.take() else { return };
        if is_stored {
            for said in &messages {
                self.ever.insert(said.message.identity);
                if let Err(why) = it.disk.store(said) {
                    self.failure = Some(format!("hub {hub}: {why}"));
                }
            }
            it.disk.saved = saved;
        }
        let is_stored = is_stored || self.fault == Some(Fault::BelievesTheDisk);
        self.with(hub, |order, now, disk| order.stored(now, is_stored, disk));
        self.follow(hub);
    }

    fn plain(&mut self) {
        for hub in 0..HUBS {
            let it = &mut self.hubs[hub];
            if it.order.is_none() || it.hangs_until > self.now {
                continue;
            }
            it.plain += 1;
            let identity = Identity { author: it.run, outbox: 0, number: it.plain };
            it.heard.insert(identity);
            let message = message(identity, LinkKind::Plain, b"plain".to_vec());
            self.with(hub, |order, now, disk| {
                order.say_plain(message);
                order.pump(now, disk);
            });
        }
        if !self.is_calm {
            self.later(200, 1_500, Event::Plain);
        }
    }

    // Clients.

    /// A client connects to a hub that runs.
    fn client(&mut self, client: usize) {
        if self.clients[client].link.is_some() {
            return self.keep_going(client);
        }
        let hub = self.chance.below(HUBS as u64) as usize;
        let it = &self.hubs[hub];
        if it.order.is_none() || it.hangs_until > self.now {
            return self.wake(client, 100, 1_000);
        }
        let client_ = &mut self.clients[client];
        let outbox = client_.current();
        // What is not acknowledged is said first, also what the hub holds.
        let held = it.disk.lasts.get(&(client_.author, outbox)).map_or(0, |(last, _)| *last);
        let next = client_.first_open(outbox).min(held + 1);
        let came_from = client_.seen.map_or(Position::START, |(position, _)| position);
        let cursor = match client_.seen {
            None => Position::START,
            Some((position, identity)) => {
                let held = it.disk.at(position).is_some_and(|held| held.identity == identity);
                match it.disk.saved.resume(position, held, it.disk.newest()) {
                    _ if self.fault == Some(Fault::GoesOn) => position,
                    Resume::Next => position,
                    Resume::Back(back) => back,
                    Resume::Unknown(back) => {
                        let since = *client_.waits.get_or_insert(self.now);
                        if since + Duration::from_secs(5) > self.now {
                            return self.wake(client, 100, 300);
                        }
                        back
                    }
                }
            }
        };
        client_.waits = None;
        client_.links += 1;
        let id = client_.links;
        let progress = self.now;
        client_.link = Some(Link { id, hub, outbox, next, flying: 0, cursor, came_from, progress });
        if self.trace {
            let seen = self.clients[client].seen;
            println!("          client {client} at hub {hub} from {cursor}: {seen:?}");
        }
        self.say(client);
        self.keep_going(client);
        self.follow(hub);
    }

    fn keep_going(&mut self, client: usize) {
        self.say(client);
        self.wake(client, 500, 1_500);
        let it = &mut self.clients[client];
        let Some(link) = &it.link else { return };
        let hangs = self.hubs[link.hub].hangs_until > self.now;
        let is_stuck = link.progress + Duration::from_secs(if hangs { 5 } else { 60 }) < self.now;
        let is_done = it.current() != link.outbox && link.flying == 0;
        // Everything is said: the next outbox, or another hub if this one does not answer.
        if is_stuck && !it.is_settled() || is_done {
            it.link = None;
        }
    }

    fn say(&mut self, client: usize) {
        while let Some(identity) = self.clients[client].next() {
            let link = self.clients[client].link.as_ref().map_or(0, |link| link.id);
            // In order, as on one stream.
            let at = self.now + Duration::from_millis(5);
            self.at(at, Event::Says { client, link, identity });
        }
    }

    fn link(&mut self, client: usize, id: u64) -> Option<&mut Link> {
        self.clients[client].link.as_mut().filter(|link| link.id == id)
    }

    fn says(&mut self, client: usize, link: u64, identity: Identity) {
        let Some(hub) = self.link(client, link).map(|link| link.hub) else { return };
        if self.delays(hub, || Event::Says { client, link, identity }) {
            return;
        }
        let it = &mut self.hubs[hub];
        it.next_ticket += 1;
        let ticket = it.next_ticket;
        it.tickets.insert(ticket, (client, link, identity));
        let message = message(identity, LinkKind::Key, text_of(&identity));
        let after = identity.number - 1;
        let said = Said { message, after, numbered: Numbered::Author, again: Again::No };
        self.with(hub, |order, now, disk| {
            order.say(ticket, said, disk);
            order.pump(now, disk);
        });
    }

    fn settled(&mut self, client: usize, link: u64, identity: Identity, outcome: Outcome) {
        let now = self.now;
        let Some(it) = self.link(client, link) else { return };
        it.flying = it.flying.saturating_sub(1);
        it.progress = now;
        match outcome {
            Outcome::Stored | Outcome::Again => {
                if !self.ever.contains(&identity) {
                    self.failure = Some(format!("{identity:?} is acknowledged and on no disk"));
                }
                self.clients[client].acknowledged.insert(identity);
            }
            Outcome::Expected(number) => it.next = it.next.min(number),
            Outcome::Full => it.next = it.next.min(identity.number),
            Outcome::Conflict | Outcome::Deleted | Outcome::TooLong { .. } => {
                self.failure = Some(format!("{identity:?}: {outcome:?}"));
            }
        }
        self.say(client);
    }

    /// Clients of a hub read what they may.
    fn follow(&mut self, hub: usize) {
        let it = &self.hubs[hub];
        let end = it.disk.saved.shown_before();
        for client in &mut self.clients {
            let Some(link) = client.link.as_mut().filter(|link| link.hub == hub) else { continue };
            let mut cursor = link.cursor;
            while let Some(entry) = it.disk.after(cursor, end) {
                cursor = entry.position;
                client.receive(entry.position, entry.identity);
            }
            if let Some(link) = &mut client.link {
                link.cursor = cursor;
            }
        }
    }

    fn rewound(&mut self, hub: usize, rewind: Rewind) {
        if self.fault == Some(Fault::GoesOn) {
            return;
        }
        for client in &mut self.clients {
            if let Some(link) = client.link.as_mut().filter(|link| link.hub == hub)
                && rewind.to < link.came_from
                && link.came_from < rewind.up_to
            {
                link.cursor = link.cursor.min(rewind.to);
            }
        }
        self.follow(hub);
    }

    // Faults.

    fn happen(&mut self, kind: Kind, mean: u64) {
        if self.is_calm {
            return;
        }
        self.later(mean / 2, mean * 3 / 2, Event::Happens(kind, mean));
        self.report.faults += 1;
        let hub = self.chance.below(HUBS as u64) as usize;
        let client = self.chance.below(CLIENTS) as usize;
        match kind {
            Kind::Kill => {
                self.kill(hub);
                let most = if self.chance.permille(200) { 20_000 } else { 2_000 };
                self.later(20, most, Event::Start { hub });
            }
            Kind::Hang => {
                let most = if self.chance.permille(300) { 15_000 } else { 3_000 };
                let until = self.now + self.chance.millis(100, most);
                self.hubs[hub].hangs_until = self.hubs[hub].hangs_until.max(until);
            }
            Kind::Cut => self.cut(hub),
            Kind::Tail => {
                let most = self.broker.last().min(30);
                let count = self.chance.below(most + 1) as usize;
                self.lose(self.broker.records.len() - count);
                self.excuse();
            }
            Kind::Anew => {
                self.broker.records.clear();
                self.excuse();
                for hub in 0..HUBS {
                    let link = self.hubs[hub].link;
                    self.hubs[hub].reads = None;
                    self.later(1, 2_000, Event::Noticed { hub, link });
                }
            }
            Kind::Restart => (0..HUBS).for_each(|hub| self.cut(hub)),
            // A hub without a place is a new one, which gets nothing from before.
            Kind::Restore if self.hubs[hub].backup.saved.epoch == 0 => {}
            Kind::Restore => {
                self.kill(hub);
                self.hubs[hub].disk = self.hubs[hub].backup.clone();
                self.excuse();
                self.later(20, 3_000, Event::Start { hub });
            }
            Kind::BackUp => self.hubs[hub].backup = self.hubs[hub].disk.clone(),
            Kind::Move => {
                self.clients[client].link = None;
                self.wake(client, 1, 200);
            }
            Kind::Client => {
                self.clients[client].restart();
                self.wake(client, 1, 200);
            }
        }
    }

    /// The stream keeps only so many records. Notes which hubs have read the others.
    fn lose(&mut self, left: usize) {
        let end = self.broker.last();
        let lost = self.broker.records.split_off(left);
        for (bytes, sequence) in lost.iter().zip(left as u64 + 1..) {
            let epoch = match Record::parse(bytes) {
                Some(Record::Said { stamp, .. }) => stamp.epoch,
                _ => continue,
            };
            if self.lost.iter().any(|it| it.epoch == epoch && it.sequences.contains(&sequence)) {
                continue;
            }
            let has_read = |hub: &usize| {
                let it = &self.hubs[*hub];
                let saved = it.order.as_ref().map_or(&it.disk.saved, Order::place);
                saved.epoch == epoch && saved.cursor >= sequence
            };
            let readers: Vec<usize> = (0..HUBS).filter(has_read).collect();
            let Some(first) = readers.first() else { continue };
            let it = &self.hubs[*first];
            let opened = it.order.as_ref().map_or(&it.disk.saved, Order::place).opened;
            self.lost.push(Lost { epoch, opened, sequences: sequence..=end, readers });
        }
    }

    /// A sequence is used. If records there were lost that only hubs had read that are away, nobody
    /// can know it.
    fn use_again(&mut self, sequence: u64) {
        let (again, lost) = std::mem::take(&mut self.lost)
            .into_iter()
            .partition(|it| it.sequences.contains(&sequence));
        self.lost = lost;
        let is_away = |hub: &usize| {
            let it = &self.hubs[*hub];
            it.order.is_none() || it.hangs_until > self.now || !self.is_linked(*hub)
        };
        let again: Vec<Lost> = again;
        let are_away = |lost: &Lost| lost.readers.iter().all(is_away);
        let unknowable: Vec<Lost> = again.into_iter().filter(are_away).collect();
        self.unknowable.extend(unknowable);
    }

    fn cut(&mut self, hub: usize) {
        if std::mem::replace(&mut self.hubs[hub].is_cut, true) {
            return;
        }
        let link = self.hubs[hub].link;
        self.later(1, 3_000, Event::Noticed { hub, link });
        let most = if self.chance.permille(200) { 30_000 } else { 4_000 };
        self.later(100, most, Event::Heal { hub });
    }

    /// Notes acknowledged messages that nothing holds any more.
    fn excuse(&mut self) {
        if self.cell.restores == 0 {
            return;
        }
        let in_stream: BTreeSet<Identity> = self
            .broker
            .records
            .iter()
            .filter_map(|bytes| match Record::parse(bytes)? {
                Record::Said { messages, .. } => Some(messages),
                _ => None,
            })
            .flatten()
            .map(|said| said.message.identity)
            .collect();
        for client in &self.clients {
            for identity in &client.acknowledged {
                let is_held = in_stream.contains(identity)
                    || self.hubs.iter().any(|hub| hub.disk.places.contains_key(identity));
                if !is_held {
                    self.excused.insert(*identity);
                }
            }
        }
    }
}

fn message(identity: Identity, link: LinkKind, text: Vec<u8>) -> Message {
    Message {
        position: Position::START,
        room: RoomName::lobby(),
        speaker: "somebody".into(),
        link,
        wall: Duration::ZERO,
        text: text.into(),
        identity,
    }
}
