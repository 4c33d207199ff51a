//! The cost of a relay that changes nothing: `pigeon relay` beside a bare loop over two sockets.
//!
//! ```text
//! cargo bench -p pigeon --bench relay
//! ```
//!
//! Takes three quarters of a minute and needs no root. The figure is **datagrams delivered for each second that
//! the relay's CPU was busy**: counted where the target reads them, over the time of the whole CPU
//! that the relay is pinned to, as the kernel works for it outside its process too. Sender and target
//! run on another CPU, in one thread: a burst goes in, and the next when it has come out or is lost.
//! What else runs on the relay's CPU shows as `others`; with more than a tenth of it, nothing is
//! judged.
//!
//! The floor (`floor.rs`) is a loop of nothing but system calls under the same load, in turn with
//! ours: it hands on what GRO joined as one GSO train, without looking at a single datagram. Ratios
//! are taken round by round; the program fails when a median is below 0.8.
//!
//! Beside them runs `pigeon relay --follow off`: its sockets towards the target are connected, so the
//! kernel does not look for the route of each message. What following costs is the second ratio, which
//! is shown and not judged.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

mod floor;
mod load;

use load::{Contender, Load, Run};
use pigeon_perf::cpu::{Cpus, too_noisy};
use pigeon_perf::parts;
use pigeon_perf::report::{self, Report, Row, Wanted};
use pigeon_perf::spread::Spread;

/// Ours over the floor must reach this.
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

/// Runs both in turn.
fn compare(report: &mut Report, cpus: Cpus, load: &Load) {
    report.section(&load.to_string());
    let [on, off] = ["on", "off"].map(|follow| Contender::pigeon(cpus, follow));
    let mut contenders = [on, off, Contender::floor(cpus)];
    // Once without counting: sockets are opened, memory is touched.
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
