//! The latency of a message through a hub, until it is in the last member's receive queue.
//!
//! The end is the kernel's time stamp (`SO_TIMESTAMPNS`): a thread that reads a thousand members
//! would otherwise measure itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use pigeon_perf::fanout::Contender;
use pigeon_perf::fanout::confidence;
use pigeon_perf::fanout::{Load, Sizes};
use pigeon_perf::report::{Report, Row};
use pigeon_perf::spread::Spread;

/// The number of rounds. The first only warms up.
const ROUNDS: usize = 15;
/// The number of messages per round and hub.
const MESSAGES: usize = 200;

struct Measured {
    /// Latencies in nanoseconds.
    all: Histogram<u64>,
    medians: Vec<f64>,
    sent: u64,
    delivered: u64,
    /// Datagrams dropped by the kernel at the hub and at the members.
    dropped: [u64; 2],
}

/// Measures hubs in turns and reports them; compares the first with the second.
pub(crate) fn measure(report: &mut Report, contenders: &mut [Contender]) {
    let mut load = Load::new(Sizes::Equal(64), 1);
    let mut measured: Vec<_> = contenders.iter().map(|_| Measured::new()).collect();
    for round in 0..=ROUNDS {
        for (contender, measured) in contenders.iter_mut().zip(&mut measured) {
            let turn = turn(contender, &mut load);
            if round > 0 {
                measured.add(turn);
            }
        }
    }
    let rows = contenders.iter().zip(&measured);
    let row = |(contender, measured): (&Contender, &Measured)| {
        let due = measured.sent * contender.members.count() as u64;
        (contender.name.to_string(), measured.row(due))
    };
    report.table(rows.map(row).collect());
    let [ours, floor, ..] = &measured[..] else { return };
    let ratios = ours.medians.iter().zip(&floor.medians).map(|(ours, floor)| ours / floor);
    let name = format!("{} / {}, medians", contenders[0].name, contenders[1].name);
    report.ratio(&name, Spread::of(ratios));
    if let Some(other) = contenders.iter().position(|contender| contender.name == "before") {
        let ratios = ours.medians.iter().zip(&measured[other].medians);
        let ratios = ratios.map(|(ours, before)| before / ours).collect();
        report.ratio("before / pigeon, medians, 95 %", confidence(ratios));
    }
}

/// One message at a time, each after the last one has arrived.
fn turn(contender: &mut Contender, load: &mut Load) -> Measured {
    let mut turn = Measured::new();
    let before = contender.kernel_drops();
    for _ in 0..MESSAGES {
        let burst = load.burst();
        let said = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        contender.members.publish(&burst);
        let collected = contender.members.collect(&burst, Duration::from_secs(1));
        turn.sent += 1;
        turn.delivered += collected.copies;
        let took = collected.last.and_then(|last| last.checked_sub(said));
        if let Some(took) = took {
            turn.all.saturating_record(took.as_nanos() as u64);
        }
    }
    let after = contender.kernel_drops();
    turn.dropped = [after[0] - before[0], after[1] - before[1]];
    turn.medians.push(turn.all.value_at_quantile(0.5) as f64);
    turn
}

impl Measured {
    fn new() -> Measured {
        let all = histogram();
        Measured { all, medians: Vec::new(), sent: 0, delivered: 0, dropped: [0; 2] }
    }

    fn add(&mut self, turn: Measured) {
        self.all += turn.all;
        self.medians.extend(turn.medians);
        self.sent += turn.sent;
        self.delivered += turn.delivered;
        self.dropped = [0, 1].map(|at| self.dropped[at] + turn.dropped[at]);
    }

    fn row(&self, due: u64) -> Row {
        let micros = |quantile| self.all.value_at_quantile(quantile) as f64 / 1e3;
        vec![
            ("min_us", micros(0.0).into()),
            ("median_us", micros(0.5).into()),
            ("p99_us", micros(0.99).into()),
            ("max_us", micros(1.0).into()),
            ("sent", self.sent.into()),
            ("due", due.into()),
            ("delivered", self.delivered.into()),
            ("dropped_at_hub", self.dropped[0].into()),
            ("dropped_at_members", self.dropped[1].into()),
        ]
    }
}

/// A histogram from a microsecond to ten seconds, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 10_000_000_000, 3).expect("bounds in order")
}
