//! Compares `pigeon bench` with the kernel's netem: with the statistics of its settings, and with
//! its count of drops. Also compares iperf3, where it reports the same figure, and `pigeon relay`.
//!
//! These tests are ignored by default: on most machines each boots a kernel.

use serde_json::Value;

use super::cases::{
    Case, DELAY_50, DUPLICATE_1, Due, LATE, LOSS_1, LOSS_10, REORDER_5, expect_jitter, expect_late,
    expect_share,
};
use super::{bench_server, iperf3, measure, relay};
use crate::bad_path::{BadPath, Netem, on_netem};
use crate::bench::count;

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn loss_of_one_percent() {
    on_netem(loss_of_one_percent, || judged(&LOSS_1));
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn loss_of_ten_percent() {
    on_netem(loss_of_ten_percent, || judged(&LOSS_10));
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn delay() {
    on_netem(delay, || judged(&DELAY_50));
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn reordering() {
    on_netem(reordering, || judged(&REORDER_5));
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn duplicates() {
    on_netem(duplicates, || judged(&DUPLICATE_1));
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn a_relays_loss() {
    on_netem(a_relays_loss, || {
        for case in [LOSS_1, LOSS_10] {
            relay::expect_the_same(&case, &measured(&mut Netem::new(&case.way), &case));
        }
    });
}

#[test]
#[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
fn a_relays_delay() {
    on_netem(a_relays_delay, || {
        relay::expect_the_same(&DELAY_50, &measured(&mut Netem::new(&DELAY_50.way), &DELAY_50));
    });
}

fn judged(case: &Case) {
    let mut netem = Netem::new(&case.way);
    case.judge(&measured(&mut netem, case));
    let Some(told) = iperf3(netem.near(), netem.far(), case.iperf3) else { return };
    match case.due {
        Due::Loss(share) => expect_share(told.lost, told.packets, share, "lost by iperf3"),
        Due::Reordering => expect_late(told.late, told.packets),
        // iperf3 does not report how late the machine was, so this tolerates four times the delay
        // of a busy machine.
        Due::Delay => expect_jitter(told.jitter, 4.0 * LATE, "by iperf3"),
        Due::Duplicates(_) => {}
    }
}

/// A measurement that agrees with netem's drops.
fn measured(netem: &mut Netem, case: &Case) -> Value {
    let _server = bench_server(netem.far());
    let summary = measure(netem.near(), case.args);
    let there = netem.settled().there;
    let dropped = there.came - there.passed;
    // netem counts every drop, including heartbeats and final requests.
    let lost = count(&summary, "up_lost_on_way");
    assert!(lost <= dropped && dropped <= lost + 20, "{dropped} dropped: {summary}");
    summary
}
