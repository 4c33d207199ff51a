//! Connections a server opens per second of its CPU time: each with a Retry, a handshake and the
//! first byte of its stream, one after the other.

use std::time::{Duration, Instant};

use pigeon_perf::cpu::{Busy, Cpus, too_noisy};
use pigeon_perf::report::Report;
use pigeon_perf::server::Server;
use pigeon_perf::spread::Spread;

use crate::members::Member;
use crate::{BARE, OURS};

/// Duration of one turn, and number of turns.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;

pub(crate) fn measure(cpus: Cpus) -> Report {
    let mut report = Report::new("quic-handshakes");
    report.section("connections one after the other: Retry, handshake, first byte");
    let servers = [(OURS, "ours lines"), (BARE, "bare lines")]
        .map(|(name, how)| (name, Server::floor(&[cpus.hub], how)));
    let mut rates = [Vec::new(), Vec::new()];
    let mut others = [Vec::new(), Vec::new()];
    let mut number = 0;
    for _ in 0..TURNS {
        for (at, (_, server)) in servers.iter().enumerate() {
            let own = server.process.own_seconds();
            let (start, busy) = (Instant::now(), Busy::start(cpus.hub));
            let mut opened = 0;
            while start.elapsed() < TURN {
                number += 1;
                let mut member = Member::new(number, server.address);
                member.wait();
                member.write("x");
                member.close();
                opened += 1;
            }
            let busy = busy.seconds();
            let own = server.process.own_seconds() - own;
            rates[at].push(f64::from(opened) / busy);
            others[at].push(1.0 - own / busy);
        }
    }
    let rows = servers.iter().zip(&rates).zip(&others).map(|(((name, _), rates), others)| {
        let others = Spread::of(others.iter().copied());
        let row = vec![
            ("a_busy_second", Spread::of(rates.iter().copied()).into()),
            ("others_percent", (others.median * 100.0).into()),
        ];
        (name.to_string(), row)
    });
    report.table(rows.collect());
    let ratios = rates[0].iter().zip(&rates[1]).map(|(ours, bare)| ours / bare);
    let noisy = too_noisy(Spread::of(others.concat()).median);
    let ratio = Spread::of(ratios);
    let wanted = pigeon_perf::report::Wanted::AtLeast(0.8);
    report.judge_unless(&format!("{OURS} / {BARE}"), ratio, wanted, noisy);
    report
}
