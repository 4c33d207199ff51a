//! Turns: each hub works for a short time under the same load, in many rounds, so that the
//! machine's other work affects all of them. Noisy rounds are repeated, within a time limit, and
//! the quietest are kept.

use std::time::{Duration, Instant};

use super::load::{Load, Sizes};
use super::members::Members;
use crate::cpu::{Busy, Cpus, own_seconds, thread_seconds};
use crate::server::Server;

/// How long a hub works per round. The kernel counts busy time in hundredths of a second.
const TURN: Duration = Duration::from_millis(1_000);

/// The number of rounds kept. Odd, so that one of them is the median.
const KEPT: usize = 11;

/// How long rounds are repeated to find quiet ones, so that two sections of a benchmark end within
/// two minutes.
const SEARCH: Duration = Duration::from_secs(45);

/// The largest share of the hub's CPU that other programs may use in a quiet round.
const QUIET: f64 = 0.05;

/// How long a hub may be silent before missing copies count as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// A hub with its members.
pub struct Contender {
    /// The contender's name in tables.
    pub name: &'static str,
    /// The program.
    pub server: Server,
    /// Other programs on the hub's CPU that work for it, such as brokers.
    pub beside: Vec<u32>,
    /// The members that have joined the hub.
    pub members: Box<dyn Members>,
    /// The turns of the current round.
    pub turns: Vec<Turn>,
    /// Every round but the first.
    pub all: Vec<Turn>,
    /// Messages of all rounds, including the warm-up.
    pub all_sent: u64,
}

/// The results of one turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Seconds that the hub's CPU was busy.
    pub busy: f64,
    /// Busy seconds that were the hub's own.
    pub own: f64,
    /// Seconds of the hub's first thread; in our hub, the one that moves datagrams.
    pub thread: f64,
    /// Messages sent by the members.
    pub sent: u64,
    /// Copies that should have arrived.
    pub due: u64,
    /// Copies that did arrive.
    pub delivered: u64,
    /// Messages dropped by the kernel at the hub, and copies dropped at the members.
    pub dropped: [u64; 2],
}

impl Turn {
    /// Deliveries per second of the busy CPU.
    pub fn rate(&self) -> f64 {
        self.delivered as f64 / self.busy
    }

    /// Deliveries per second of the hub's own CPU time.
    pub fn own_rate(&self) -> f64 {
        self.delivered as f64 / self.own.max(0.01)
    }

    /// The share of the busy time taken by other programs.
    pub fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

impl Contender {
    /// A hub that all members have joined.
    pub fn new(name: &'static str, server: Server, members: Box<dyn Members>) -> Contender {
        Contender::with(name, server, Vec::new(), members)
    }

    /// The same with other programs that work for the hub.
    pub fn with(
        name: &'static str,
        server: Server,
        beside: Vec<u32>,
        members: Box<dyn Members>,
    ) -> Contender {
        let (turns, all) = (Vec::new(), Vec::new());
        let mut contender = Contender { name, server, beside, members, turns, all, all_sent: 0 };
        contender.gather();
        contender
    }

    /// Makes every member join, until a message reaches all of them.
    fn gather(&mut self) {
        let mut probes = Load::new(Sizes::Equal(32), 1);
        for _ in 0..50 {
            self.members.join();
            let probe = probes.burst();
            self.members.publish(&probe);
            self.all_sent += 1;
            let reached = self.members.collect(&probe, Duration::from_millis(200)).copies;
            if reached == self.members.count() as u64 {
                return;
            }
        }
        panic!("{}: not everybody could join", self.name);
    }

    /// Works for a while: sends each burst after the last one has arrived.
    fn turn(&mut self, cpus: Cpus, load: &mut Load) -> Turn {
        let (drops, own) = (self.kernel_drops(), self.own_seconds());
        let thread = thread_seconds(self.server.process.pid());
        let (start, busy) = (Instant::now(), Busy::start(cpus.hub));
        let mut turn = Turn::default();
        while start.elapsed() < TURN {
            let burst = load.burst();
            self.members.publish(&burst);
            turn.sent += burst.texts.len() as u64;
            turn.delivered += self.members.collect(&burst, PATIENCE).copies;
        }
        turn.busy = busy.seconds();
        turn.own = self.own_seconds() - own;
        turn.thread = thread_seconds(self.server.process.pid()) - thread;
        self.all_sent += turn.sent;
        turn.due = turn.sent * self.members.count() as u64;
        let dropped = self.kernel_drops();
        turn.dropped = [dropped[0] - drops[0], dropped[1] - drops[1]];
        turn
    }

    fn own_seconds(&self) -> f64 {
        let beside: f64 = self.beside.iter().map(|pid| own_seconds(*pid)).sum();
        self.server.process.own_seconds() + beside
    }

    /// Datagrams dropped by the kernel so far, at the hub and at the members.
    pub fn kernel_drops(&mut self) -> [u64; 2] {
        [self.server.process.kernel_drops(), self.members.kernel_drops()]
    }
}

/// Gives every hub a turn per round; the first round only warms up.
pub fn rounds(cpus: Cpus, contenders: &mut [Contender], sizes: Sizes, in_flight: usize) {
    let mut load = Load::new(sizes, in_flight);
    let mut rounds = Vec::new();
    let (mut quiet, start) = (0, Instant::now());
    for round in 0.. {
        // The order alternates, so that no hub always follows the same one.
        let mut turns: Vec<Turn> = if round % 2 == 0 {
            contenders.iter_mut().map(|contender| contender.turn(cpus, &mut load)).collect()
        } else {
            contenders.iter_mut().rev().map(|contender| contender.turn(cpus, &mut load)).collect()
        };
        if round % 2 == 1 {
            turns.reverse();
        }
        if round > 0 {
            quiet += usize::from(noise(&turns) <= QUIET);
            rounds.push(turns);
        }
        if quiet == KEPT || start.elapsed() > SEARCH {
            break;
        }
    }
    for turns in &rounds {
        contenders.iter_mut().zip(turns).for_each(|(contender, turn)| contender.all.push(*turn));
    }
    rounds.sort_by(|one, two| noise(one).total_cmp(&noise(two)));
    for turns in rounds.iter().take(KEPT) {
        contenders.iter_mut().zip(turns).for_each(|(contender, turn)| contender.turns.push(*turn));
    }
}

/// The share of others in the noisiest turn of a round.
fn noise(turns: &[Turn]) -> f64 {
    turns.iter().map(Turn::others).fold(0.0, f64::max)
}
