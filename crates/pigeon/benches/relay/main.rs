//! The cost of a relay without conditions: compares `pigeon relay` with a bare loop over two
//! sockets.
//!
//! ```text
//! cargo bench -p pigeon --bench relay
//! ```
//!
//! Takes three quarters of a minute and needs no root. The figure is **datagrams delivered for each
//! second that the relay's CPU was busy**: counted at the target, divided by the busy time of the
//! whole CPU that the relay is pinned to, because the kernel also works for it outside its process.
//! Sender and target run in one thread on another CPU: each burst is sent after the previous one
//! has arrived or is lost. `others` is other work on the relay's CPU; above a tenth, nothing is
//! judged.
//!
//! The floor (`floor.rs`) is a loop of system calls under the same load, in turns with ours: it
//! forwards what GRO joined as one GSO train, without inspecting datagrams. Each round yields a
//! ratio; the program fails if a median is below 0.8.
//!
//! The second ratio, which is not judged, shows the cost of following: `pigeon relay --follow off`
//! has connected sockets to the target, so the kernel need not look up a route per message.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

mod floor;
mod load;

use load::{Contender, Load, Run};
use pigeon_perf::cpu::{Cpus, too_noisy};
use pigeon_perf::parts;
use pigeon_perf::report::{self, Report, Row, Wanted};
use pigeon_perf::spread::Spread;

/// The lowest accepted ratio to the floor.
const TARGET: f64 = 0.8;

const ROUNDS: usize = 7;

const LOADS: [Load; 3] = [
    Load { size: 64, segments: 64, messages: 16 },
    Load { size: 1_400, segments: 46, messages: 4 },
    Load { size: 64, segments: 1, messages: 100 },
];

fn main() {
    pigeon_perf::begin!();
    if let [floor, target] = &parts::words()[..]
        && floor == "floor"
    {
        floor::run(target.parse().expect("an address"));
    }
    parts::none();
    let cpus = Cpus::choose("the relay");
    let mut report = Report::new("relay");
    LOADS.iter().for_each(|load| compare(&mut report, cpus, load));
    report::end([report]);
}

fn compare(report: &mut Report, cpus: Cpus, load: &Load) {
    report.section(&load.to_string());
    let [on, off] = ["on", "off"].map(|follow| Contender::pigeon(cpus, follow));
    let mut contenders = [on, off, Contender::floor(cpus)];
    // A warm-up: opens sockets and touches memory.
    for contender in &mut contenders {
        contender.run(cpus, load);
    }
    let rounds: Vec<[Run; 3]> =
        (0..ROUNDS).map(|_| contenders.each_mut().map(|one| one.run(cpus, load))).collect();
    let row = |at: usize| row(&rounds.iter().map(|round| &round[at]).collect::<Vec<_>>());
    report.table(vec![
        ("pigeon relay".into(), row(0)),
        ("--follow off".into(), row(1)),
        ("bare loop".into(), row(2)),
    ]);
    let ratio = Spread::of(rounds.iter().map(|[ours, _, floor]| ours.rate() / floor.rate()));
    let others = rounds.iter().map(|[ours, _, floor]| ours.others().max(floor.others()));
    let others = Spread::of(others).median;
    let following = Spread::of(rounds.iter().map(|[on, off, _]| on.rate() / off.rate()));
    report.ratio("following / --follow off", following);
    report.judge_unless(
        "pigeon relay / bare loop",
        ratio,
        Wanted::AtLeast(TARGET),
        too_noisy(others),
    );
}

fn row(runs: &[&Run]) -> Row {
    let spread = |of: fn(&Run) -> f64| Spread::of(runs.iter().map(|run| of(run)));
    let sum = |of: fn(&Run) -> u64| runs.iter().map(|run| of(run)).sum::<u64>();
    vec![
        ("million_a_busy_second", spread(|run| run.rate() / 1e6).into()),
        ("others_percent", (spread(Run::others).median * 100.0).into()),
        ("sent", sum(|run| run.sent).into()),
        ("delivered", sum(|run| run.delivered).into()),
        ("dropped_at_relay", sum(|run| run.dropped[0]).into()),
        ("dropped_at_target", sum(|run| run.dropped[1]).into()),
    ]
}
