//! How long one message takes through a hub, until it stands in the queue of the last member.
//!
//! The end is the kernel's own time stamp (`SO_TIMESTAMPNS`): one thread that reads a thousand
//! members would else measure itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::load::{Load, Sizes};
use crate::report::Report;
use crate::spread::Spread;
use crate::turns::Contender;

/// Rounds, of which the first one only warms up, and the messages of a hub's turn in each.
const ROUNDS: usize = 15;
const MESSAGES: usize = 200;

struct Measured {
    /// In nanoseconds.
    all: Histogram<u64>,
    medians: Vec<f64>,
    missing: u64,
}

/// Measures hubs in turn and reports them; the first one is compared with the second.
pub(crate) fn measure(report: &mut Report, contenders: &mut [Contender]) {
    let mut load = Load::new(Sizes::Equal(64), 1);
    let new = || Measured { all: histogram(), medians: Vec::new(), missing: 0 };
    let mut measured: Vec<_> = contenders.iter().map(|_| new()).collect();
    for round in 0..=ROUNDS {
        for (contender, measured) in contenders.iter_mut().zip(&mut measured) {
            let mut turn = new();
            for _ in 0..MESSAGES {
                one(contender, &mut load, &mut turn);
            }
            if round > 0 {
                measured.medians.push(turn.all.value_at_quantile(0.5) as f64);
                measured.missing += turn.missing;
                measured.all += turn.all;
            }
        }
    }
    println!(
        "  {:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "microseconds", "min", "median", "p99", "max", "sent", "missing", "dropped"
    );
    for (contender, measured) in contenders.iter_mut().zip(&measured) {
        let at = |quantile| measured.all.value_at_quantile(quantile) as f64 / 1e3;
        let (min, median, p99, max) = (at(0.0), at(0.5), at(0.99), at(1.0));
        let (name, sent, missing) = (contender.name, ROUNDS * MESSAGES, measured.missing);
        let dropped = contender.members.kernel_drops();
        println!(
            "  {name:<28} {min:>9.0} {median:>9.0} {p99:>9.0} {max:>9.0} {sent:>9} {missing:>9} {dropped:>7}"
        );
        report.figure(
            name,
            json!({
                "members": contender.members.count(), "sent": sent, "missing": missing,
                "delivered": sent * contender.members.count() - missing as usize,
                "dropped_by_kernel": dropped,
                "microseconds": { "min": min, "median": median, "p99": p99, "max": max },
            }),
        );
    }
    let [ours, floor, ..] = &measured[..] else { return };
    let ratios = ours.medians.iter().zip(&floor.medians).map(|(ours, floor)| ours / floor);
    let name = format!("{} / {}, medians", contenders[0].name, contenders[1].name);
    report.compare(&name, Spread::of(ratios), "");
}

fn one(contender: &mut Contender, load: &mut Load, measured: &mut Measured) {
    let burst = load.next();
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    contender.members.publish(&burst);
    let collected = contender.members.collect(&burst, Duration::from_secs(1));
    measured.missing += (contender.members.count() as u64).saturating_sub(collected.copies);
    let took = collected.last.and_then(|last| last.checked_sub(sent));
    if let Some(took) = took {
        measured.all.saturating_record(took.as_nanos() as u64);
    }
}

/// From a microsecond to ten seconds, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 10_000_000_000, 3).expect("bounds in order")
}
