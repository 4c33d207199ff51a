//! `bad_network.py`, which counts: `bench` must agree exactly.

use serde_json::Value;

use super::cases::{Case, DELAY_50, DUPLICATE_1, Due, LATE, LOSS_1, LOSS_10, REORDER_5, seconds};
use super::{bench_server, measure, relay};
use crate::bad_path::{BadNetwork, BadPath};
use crate::bench::{adds_up, count};

#[test]
fn loss() {
    for case in [LOSS_1, LOSS_10] {
        judged(&case);
    }
}

#[test]
fn delay() {
    judged(&DELAY_50);
}

#[test]
fn reordering() {
    judged(&REORDER_5);
}

#[test]
fn duplicates() {
    judged(&DUPLICATE_1);
}

#[test]
fn everything_at_once() {
    let Some((summary, _)) = by_program(
        "loss=0.1 duplicate=0.05 delay=0.05 jitter=0.01 reorder=0.05",
        "--for 3s --rate 1k/s --both",
    ) else {
        return;
    };
    for (way, field) in [("up", "late"), ("down", "late"), ("up", "lost"), ("down", "duplicated")] {
        assert!(count(&summary, &format!("{way}_{field}")) > 0, "{summary}");
    }
}

fn judged(case: &Case) {
    let Some((summary, mean)) = by_program(case.way.program, case.args) else { return };
    // Overtaking depends on exact timing, so only the program knows the count.
    if !matches!(case.due, Due::Reordering) {
        case.judge(&summary);
    }
    if let Due::Delay = case.due {
        // All arrivals took both directions, so the means add up; the histogram of three digits is
        // off by a thousandth at most.
        let told = seconds(&summary, "rtt_mean");
        assert!((mean * 0.999..mean + LATE).contains(&told), "{mean} s on the way: {summary}");
    }
}

/// Measures across `bad_network.py`, and asserts that its counts equal the measured ones. Returns
/// the summary and the mean time in flight, both directions together.
fn by_program(knobs: &str, args: &str) -> Option<(Value, f64)> {
    let mut network = BadNetwork::new(knobs)?;
    let server = bench_server(network.far());
    let summary = measure(network.near(), args);
    drop(server);
    let counts = network.settled_counts();
    let ways = [("up", "there"), ("down", "back")];
    for (way, name) in ways.into_iter().filter(|(way, _)| has(&summary, way)) {
        let told = |field: &str| count(&summary, &format!("{way}_{field}"));
        let truth = |field: &str| counts.of(name, "test", field);
        adds_up(&summary, way);
        assert_eq!(told("sent"), truth("came"), "{way} {counts} {summary}");
        assert_eq!(told("lost_on_way"), truth("lost"), "{way} {counts} {summary}");
        assert_eq!(told("lost_in_kernel"), 0, "{way} {counts} {summary}");
        assert_eq!(told("received") + told("duplicated"), truth("passed"), "{counts} {summary}");
        assert_eq!(told("duplicated"), truth("repeated"), "{way} {counts} {summary}");
        // Returned datagrams have the original numbers, in the order in which they arrived there.
        if way == "up" || !has(&summary, "trip") {
            assert_eq!(told("late"), truth("late"), "{way} {counts} {summary}");
        }
    }
    Some((summary, counts.mean("there", "test") + counts.mean("back", "test")))
}

#[test]
fn a_relay_is_as_the_program() {
    for case in [LOSS_1, LOSS_10, DELAY_50] {
        let Some((judged, _)) = by_program(case.way.program, case.args) else { return };
        relay::expect_the_same(&case, &judged);
    }
}

/// Whether a direction was measured.
fn has(summary: &Value, way: &str) -> bool {
    summary.get(format!("{way}_sent")).is_some()
}
