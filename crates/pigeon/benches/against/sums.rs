//! Checks that the figures of `pigeon bench` add up: sent = received + lost, and lost = in the
//! kernel + on the way.

use crate::contenders::{bench_server, pigeon_bench};
use pigeon_perf::report::{Report, Row, Wanted};

/// The sums of a hundred runs, in one direction or both.
#[derive(Default)]
struct Sums {
    sent: u64,
    received: u64,
    dropped: u64,
    lossy: u64,
    wrong: u64,
}

pub(crate) fn run() -> Report {
    let mut report = Report::new("against-sums");
    report.section("a hundred runs as fast as it goes: do they add up?");
    let server = bench_server();
    let kinds = ["", "--size 1400", "--reverse", "--both --flows 2"];
    let mut sums = Sums::default();
    for run in 0..100 {
        let args = format!("{} --for 200ms {}", server.address, kinds[run % kinds.len()]);
        let (summary, _) = pigeon_bench(&args);
        let count = |way: &str, name: &str| summary[format!("{way}_{name}")].as_u64();
        for way in ["up", "down"] {
            let Some(sent) = count(way, "sent") else { continue };
            let of = |name| count(way, name).expect("it stands beside");
            let adds_up = sent == of("received") + of("lost")
                && of("lost") == of("lost_on_way") + of("lost_in_kernel");
            // Loopback itself loses nothing.
            if !adds_up || of("lost_on_way") > 0 {
                sums.wrong += 1;
                report.remark(&format!("{args}: {summary}"));
            }
            sums.sent += sent;
            sums.received += of("received");
            sums.dropped += of("lost_in_kernel");
            sums.lossy += u64::from(of("lost") > 0);
        }
    }
    let row: Row = vec![
        ("sent", sums.sent.into()),
        ("received", sums.received.into()),
        ("lost", (sums.sent - sums.received).into()),
        ("dropped_by_kernel", sums.dropped.into()),
        ("lossy_ways", sums.lossy.into()),
    ];
    report.table(vec![("pigeon bench".into(), row)]);
    report.judge("ways that do not add up", sums.wrong as f64, Wanted::AtMost(0.0));
    report
}
