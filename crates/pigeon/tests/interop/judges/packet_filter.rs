//! A packet filter that counts its drops: `bench` must agree exactly.

use super::cases::{Case, LOSS_1, LOSS_10, expect_share};
use super::{Hosts, iperf3};
use crate::bad_path::{filter, filtered};
use crate::bench::count;
use crate::peers::installed;

/// The test datagrams of `pigeon bench`, the only ones it counts: the fifth byte after the UDP
/// header of 8 bytes is 6, 7 or 8.
const TEST_DATAGRAMS: &str = "udp dport 7777 @th,96,8 { 6, 7, 8 }";

/// The datagrams of `iperf3 -l 64`, without its initial ones.
const IPERF3_DATAGRAMS: &str = "udp sport 5201 udp length 72";

#[test]
fn loss_of_one_percent() {
    judged(&LOSS_1, 10);
}

#[test]
fn loss_of_ten_percent() {
    judged(&LOSS_10, 100);
}

fn judged(case: &Case, per_mille: u32) {
    if !installed("nft") {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    if !filter(&hosts.far, TEST_DATAGRAMS, per_mille) {
        return;
    }
    let summary = hosts.measure(case.args);
    let [dropped, passed] = filtered(&hosts.far);
    assert_eq!(count(&summary, "up_lost_on_way"), dropped, "{passed} passed: {summary}");
    assert_eq!(count(&summary, "up_received"), passed, "{dropped} dropped: {summary}");
    case.judge(&summary);

    assert!(filter(&hosts.near, IPERF3_DATAGRAMS, per_mille));
    let Some(told) = iperf3(&hosts.near, &hosts.far, case.iperf3) else { return };
    let [dropped, _] = filtered(&hosts.near);
    expect_share(told.lost, told.packets, case.share(), "lost by iperf3");
    // iperf3 does not notice losses at the very end.
    let missed = dropped.checked_sub(told.lost);
    assert!(missed.is_some_and(|missed| missed <= 10), "iperf3 tells {} of {dropped}", told.lost);
}
