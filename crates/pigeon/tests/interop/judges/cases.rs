//! The conditions of bad paths for each tool, and the expected results: counts within five standard
//! deviations.

use serde_json::Value;

use crate::bad_path::Way;
use crate::bench::{adds_up, count};

/// The conditions, the same in both directions, and the traffic.
pub(super) struct Case {
    pub(super) way: Way,
    /// The conditions for `pigeon relay`.
    pub(super) relay: &'static str,
    pub(super) args: &'static str,
    /// Datagrams per second, and seconds.
    pub(super) iperf3: (u64, u64),
    pub(super) due: Due,
}

/// The expected result.
#[derive(Clone, Copy)]
pub(super) enum Due {
    /// The share of datagrams that are lost.
    Loss(f64),
    /// The share of datagrams that are duplicated.
    Duplicates(f64),
    /// Reordering: 5 % are sent at once, the rest after 10 ms.
    Reordering,
    /// Each direction takes 50 ms, with a uniform jitter of up to 10 ms.
    Delay,
}

pub(super) const LOSS_1: Case = Case {
    way: Way { netem: "loss 1%", program: "loss=0.01" },
    relay: "--loss 1%",
    args: "--for 2s --rate 2k/s",
    iperf3: (2_000, 2),
    due: Due::Loss(0.01),
};

pub(super) const LOSS_10: Case = Case {
    way: Way { netem: "loss 10%", program: "loss=0.1" },
    relay: "--loss 10%",
    due: Due::Loss(0.1),
    ..LOSS_1
};

pub(super) const DUPLICATE_1: Case = Case {
    way: Way { netem: "duplicate 1%", program: "duplicate=0.01" },
    relay: "--duplicate 1%",
    due: Due::Duplicates(0.01),
    ..LOSS_1
};

pub(super) const REORDER_5: Case = Case {
    way: Way { netem: "delay 10ms reorder 5%", program: "delay=0.01 reorder=0.05" },
    relay: "",
    args: "--for 3s --rate 1k/s",
    iperf3: (1_000, 3),
    due: Due::Reordering,
};

pub(super) const DELAY_50: Case = Case {
    way: Way { netem: "delay 50ms 10ms", program: "delay=0.05 jitter=0.01" },
    relay: "--delay 50ms --jitter 10ms",
    // Farther apart than the jitter, so no datagram overtakes another.
    args: "--for 4s --ping --rate 40/s",
    iperf3: (40, 4),
    due: Due::Delay,
};

/// How much a busy machine may add to a median or mean time; nothing makes them shorter.
pub(super) const LATE: f64 = 0.025;

/// Five standard deviations of the median of 160 sums of two delays with uniform jitter of 10 ms.
/// Such a sum is 80 to 120 ms, with a density of 50 per second in the middle; the deviation of a
/// median of n is 1 / (2 × density × √n), 0.79 ms.
pub(super) const MEDIAN: f64 = 5.0 * 0.00079;

/// Jitter by RFC 3550, section 6.4.1, of delays drawn evenly from a range of L = 20 ms: the mean of
/// |D|, where D is the difference of two draws, is L/3. Its variance is L²/18, and neighbours share a
/// draw: their covariance is L²/180. An average that forgets a sixteenth at each step has the
/// variance (L²/18 + 2 × 15/16 × L²/180) / 31 = (0.046 L)².
const JITTER: (f64, f64) = (0.020 / 3.0, 0.046 * 0.020);

impl Case {
    /// The share that is random.
    pub(super) fn share(&self) -> f64 {
        match self.due {
            Due::Loss(share) | Due::Duplicates(share) => share,
            Due::Reordering | Due::Delay => 0.0,
        }
    }

    /// Fails unless the figures are as expected.
    #[track_caller]
    pub(super) fn judge(&self, summary: &Value) {
        let sent = adds_up(summary, "up");
        let told = |field: &str| count(summary, &format!("up_{field}"));
        assert_eq!(told("lost_in_kernel"), 0, "{summary}");
        match self.due {
            Due::Loss(share) => expect_share(told("lost_on_way"), sent, share, "lost"),
            Due::Duplicates(share) => expect_share(told("duplicated"), sent, share, "duplicated"),
            Due::Reordering => expect_late(told("late"), sent),
            Due::Delay => judge_delay(summary),
        }
        if !matches!(self.due, Due::Loss(_)) {
            assert_eq!(told("lost"), 0, "{summary}");
        }
        if !matches!(self.due, Due::Duplicates(_)) {
            assert_eq!(told("duplicated"), 0, "{summary}");
        }
        if !matches!(self.due, Due::Reordering | Due::Delay) {
            assert_eq!(told("late"), 0, "{summary}");
        }
    }
}

fn judge_delay(summary: &Value) {
    assert_eq!((adds_up(summary, "trip"), &summary["trip_lost"]), (160, &0.into()));
    let [min, median] = ["rtt_min", "rtt_p50"].map(|field| seconds(summary, field));
    // The histogram has three digits.
    assert!(min >= 0.080 * 0.999, "{summary}");
    assert!((0.100 - MEDIAN..0.100 + MEDIAN + LATE).contains(&median), "{summary}");
    // No two delays add up to more, so any excess is the machine's.
    let late = (seconds(summary, "rtt_max") - 0.120).max(0.0);
    for way in ["up", "down"] {
        expect_jitter(seconds(summary, &format!("{way}_jitter")), late, way);
    }
}

/// Checks the share of late datagrams when 5 % are sent at once and the rest after 10 ms. A
/// datagram sent at once overtakes those of the last 10 ms, which are ten. So a datagram is late if
/// it waited and one of the next ten was sent at once.
#[track_caller]
pub(super) fn expect_late(late: u64, sent: u64) {
    let due = (1.0 - 0.95_f64.powi(10)) * 0.95;
    let told = late as f64 / sent as f64;
    // Nine or eleven may be in flight.
    assert!((told - due).abs() < 0.08, "{told} of {sent} late, {due} due");
}

/// Checks the jitter, in seconds, of a delay with uniform jitter of 10 ms, given that the machine
/// delayed some by `late`.
#[track_caller]
pub(super) fn expect_jitter(jitter: f64, late: f64, what: &str) {
    let (mean, deviation) = JITTER;
    // A late datagram makes two differences, each with a weight of a sixteenth at most.
    let due = mean - 5.0 * deviation..mean + 5.0 * deviation + late / 8.0;
    assert!(due.contains(&jitter), "jitter {what}: {jitter} s, {due:?} due");
}

/// Checks that `hits` of `tries` are within five standard deviations of this probability: a correct
/// program fails once in a million runs.
#[track_caller]
pub(crate) fn expect_share(hits: u64, tries: u64, probability: f64, what: &str) {
    let mean = tries as f64 * probability;
    let deviation = (mean * (1.0 - probability)).sqrt();
    let off = (hits as f64 - mean).abs();
    assert!(off <= 5.0 * deviation + 1.0, "{what}: {hits} of {tries}, {mean} ± {deviation} due");
}

#[track_caller]
pub(super) fn seconds(summary: &Value, field: &str) -> f64 {
    summary[field].as_f64().unwrap_or_else(|| panic!("{field} is missing in {summary}"))
}
