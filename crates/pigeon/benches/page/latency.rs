//! How soon a message of one member is at the others, one a second: the time until each of 2,000
//! members could read it, as seen by one thread that reads them all.

use std::time::{Duration, Instant};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::fanout::{Load, Members, Sizes};
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::spread::percentile;

use crate::members::{Sockets, Talk};
use crate::{HUB, NATS, count, hub, nats};

/// Messages to each server. One a second.
const MESSAGES: usize = 25;

const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn measure(cpus: Cpus) -> Report {
    let mut report = Report::new("page-latency");
    report.section(&format!("one message a second from one of {} WebSockets", count()));
    let (server, page) = hub(cpus, "latency", true);
    let members = Sockets::connect(count(), Talk::Pigeon, page.expect("a page"));
    let mut servers = vec![(HUB, server, members)];
    match nats(cpus) {
        Some((server, address)) => {
            servers.push((NATS, server, Sockets::connect(count(), Talk::Nats, address)));
        }
        None => report.skipped(NATS),
    }
    let mut load = Load::new(Sizes::Equal(64), 1);
    let mut rows: Vec<(String, Row)> = Vec::new();
    let mut high = Vec::new();
    for (name, server, members) in &mut servers {
        let own = server.process.own_seconds();
        let (mut all, mut delivered) = (Vec::new(), 0);
        // The first one warms up.
        for number in 0..=MESSAGES {
            let start = Instant::now();
            let took = once(members, &mut load);
            if number > 0 {
                delivered += took.len();
                all.extend(took);
            }
            std::thread::sleep(EVERY.saturating_sub(start.elapsed()));
        }
        let own = server.process.own_seconds() - own;
        all.sort_by(f64::total_cmp);
        let millis = |share| percentile(&all, share) * 1e3;
        high.push(millis(0.99));
        let row: Row = vec![
            ("median_ms", millis(0.5).into()),
            ("p99_ms", millis(0.99).into()),
            ("max_ms", millis(1.0).into()),
            ("due", ((MESSAGES * count()) as u64).into()),
            ("delivered", (delivered as u64).into()),
            ("own_seconds", own.into()),
        ];
        rows.push((name.to_string(), row));
    }
    report.table(rows);
    if let [ours, theirs] = high[..] {
        report.judge(&format!("{NATS} / {HUB}, 99 %"), theirs / ours, Wanted::AtLeast(1.0));
    }
    report
}

/// One message, and the seconds after which each copy was read.
fn once(sockets: &mut Sockets, load: &mut Load) -> Vec<f64> {
    let burst = load.burst();
    let start = Instant::now();
    sockets.publish(&burst);
    let (mut took, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let mut waiting: Vec<usize> = (0..sockets.members.len()).collect();
    while !waiting.is_empty() && start.elapsed() < Duration::from_secs(5) {
        waiting.retain(|&number| {
            let got = sockets.members[number].read(&mut buffer, burst.mark.as_bytes());
            if got > 0 {
                took.push(start.elapsed().as_secs_f64());
            }
            got == 0
        });
    }
    took
}
