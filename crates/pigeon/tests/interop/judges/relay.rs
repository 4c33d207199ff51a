//! `pigeon relay` with the same conditions as the other tools: `bench` must measure the expected
//! values, and the same as over the other path, within the statistical error.

use serde_json::Value;

use super::cases::{Case, Due, LATE, MEDIAN, seconds};
use crate::bench::{adds_up, count, measured, server};
use crate::pigeon::relay;

/// Fails unless a relay has the same effect as the path that this was measured over.
#[track_caller]
pub(super) fn expect_the_same(case: &Case, judged: &Value) {
    let (_server, to) = server();
    let args: Vec<&str> = ["--seed", "7"].into_iter().chain(case.relay.split(' ')).collect();
    let relayed = measured(relay(to, &args).address, case.args);
    case.judge(&relayed);
    let both = [judged, &relayed];
    if let Due::Loss(share) = case.due {
        let [one, other] = both.map(|summary| count(summary, "up_lost") as f64);
        let sent = adds_up(&relayed, "up") as f64;
        let deviation = (2.0 * sent * share * (1.0 - share)).sqrt();
        let off = (one - other).abs();
        assert!(off <= 5.0 * deviation, "{one} lost by the judge, {other} by the relay of {sent}");
    }
    if let Due::Delay = case.due {
        let [one, other] = both.map(|summary| seconds(summary, "rtt_p50"));
        let bound = 2.0_f64.sqrt() * MEDIAN + LATE;
        assert!((one - other).abs() <= bound, "{one} s by the judge, {other} s by the relay");
    }
}
