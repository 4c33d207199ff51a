//! The resident memory of a real `pigeon hub` for silent members and forged senders.
//!
//! ```text
//! cargo bench -p pigeon --bench memory            a million of each
//! cargo bench -p pigeon --bench memory -- 100000  this many
//! ```
//!
//! Takes less than two minutes and needs no root. One socket acts as all senders, with a different
//! source address of 127.0.0.0/8 (IP_PKTINFO).
//!
//! - **A silent member**: the growth from a thousand members, with all buffers in use, to all of
//!   them, counted by the hub's answer to a padded heartbeat. Once with loopback exempt from the
//!   limit per address, and once with every address counted.
//! - **A forged sender**: a hub without open networks gets a heartbeat from each of a million
//!   unproved addresses within ten seconds. It may grow by 16 MiB. Meanwhile a hundred proved
//!   members send heartbeats once a second, and must stay, with a time-out of three seconds. As a
//!   check they fall silent at the end, and must be gone.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

mod crowd;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crowd::{Crowd, HEARTBEAT, PADDED};
use pigeon_perf::parts;
use pigeon_perf::report::{self, Report, Wanted};
use pigeon_perf::server::Server;

/// The number of members at the first measurement.
const WARM: usize = 1_000;

/// The targets: bytes per silent member, and MiB for forged senders.
const MEMBER_TARGET: f64 = 100.0;
const FORGED_TARGET: f64 = 16.0;

/// The time limit for joining, so that the benchmark ends within two minutes on any machine.
const JOINING: Duration = Duration::from_secs(30);

/// The proved members among the forged senders, their interval, and the hub's flags.
const LIVE: usize = 100;
const BEAT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time for all forged senders: more than three time-outs.
const FORGING: Duration = Duration::from_secs(10);

fn main() {
    pigeon_perf::begin!();
    let members = match &parts::words()[..] {
        [] => Some(1_000_000),
        [word] => word.parse().ok().filter(|members| *members > WARM),
        _ => None,
    };
    let Some(members) = members else {
        eprintln!("how many members, more than {WARM}, or nothing for a million");
        std::process::exit(2);
    };
    let mut report = Report::new("memory");
    silent_members(&mut report, members, "this machine's", "");
    silent_members(&mut report, members, "counted by address", "--max-per-address 256");
    forged_senders(&mut report, members);
    report::end([report]);
}

fn silent_members(report: &mut Report, members: usize, name: &str, flag: &str) {
    report.section(&format!("silent members, {name}"));
    let hub = Server::hub(&[], &format!("--timeout 1h --max-members {members} {flag}"));
    let mut crowd = Crowd::new(hub.address);
    crowd.join(WARM, JOINING);
    let before = hub.process.resident_bytes();
    let start = Instant::now();
    let joined = crowd.join(members, JOINING);
    let seconds = start.elapsed().as_secs_f64();
    let after = hub.process.resident_bytes();

    let row = vec![
        ("sent", crowd.sent.into()),
        ("members", joined.into()),
        ("dropped_at_hub", hub.process.kernel_drops().into()),
        ("seconds", seconds.into()),
        ("mib_with_a_thousand", mib(before).into()),
        ("mib_with_all", mib(after).into()),
    ];
    report.table(vec![(name.into(), row)]);
    let each = after.saturating_sub(before) as f64 / (joined - WARM).max(1) as f64;
    let everybody = Wanted::AtLeast(members as f64);
    report.judge(&format!("{name}, members after joining"), joined as f64, everybody);
    report.judge(&format!("{name}, bytes a member"), each, Wanted::AtMost(MEMBER_TARGET));
}

fn forged_senders(report: &mut Report, senders: usize) {
    report.section("forged senders among live members");
    let hub = Server::hub(&[], &format!("--open= --timeout {}s", TIMEOUT.as_secs()));
    let (mut live, mut forged) = (Crowd::new(hub.address), Crowd::new(hub.address));
    (0..LIVE).for_each(|n| live.prove(n));
    // One round, so that every buffer is used before the measurement.
    forged.send_from(LIVE..LIVE + WARM, HEARTBEAT, None);
    let before = hub.process.resident_bytes();
    let over = AtomicBool::new(false);
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| beat(&mut live, LIVE, &over));
        forged.send_from(LIVE..LIVE + senders, HEARTBEAT, Some(FORGING));
        // Padded ones, which get a request for proof.
        forged.send_from(LIVE..LIVE + senders / 10, PADDED, Some(FORGING / 10));
        over.store(true, Ordering::Release);
    });
    let seconds = start.elapsed().as_secs_f64();
    let (members, first_visit) = census(&hub);
    let after = hub.process.resident_bytes();
    std::thread::sleep(TIMEOUT + BEAT);
    let (left, second_visit) = census(&hub);
    let dropped = hub.process.kernel_drops();

    let row = vec![
        ("sent_by_forged", forged.sent.into()),
        ("sent_by_others", (live.sent + first_visit + second_visit).into()),
        ("received", received(hub).into()),
        ("dropped_at_hub", dropped.into()),
        ("seconds", seconds.into()),
        ("mib_before", mib(before).into()),
        ("mib_after", mib(after).into()),
    ];
    report.table(vec![("hub".into(), row)]);
    let grown = mib(after) - mib(before);
    report.judge("MiB more", grown, Wanted::AtMost(FORGED_TARGET));
    report.judge("live members kept", members as f64, Wanted::AtLeast(LIVE as f64));
    report.judge("kept when they had fallen silent", left as f64, Wanted::AtMost(0.0));
}

/// A hub's number of members, from its answer to an uncounted, proved visitor; and the number of
/// datagrams that took.
fn census(hub: &Server) -> (usize, u64) {
    let mut visitor = Crowd::new(hub.address);
    visitor.prove(0);
    (visitor.count() - 1, visitor.sent)
}

/// Sends heartbeats for these members until `over`.
fn beat(live: &mut Crowd, members: usize, over: &AtomicBool) {
    let start = Instant::now();
    for n in 1.. {
        live.send_from(0..members, HEARTBEAT, None);
        while start.elapsed() < BEAT * n {
            if over.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The number of datagrams a hub has received, from its summary at the end.
fn received(hub: Server) -> u64 {
    let said = hub.process.finish();
    let count = said
        .iter()
        .find_map(|line| line.split_once("stopped received=")?.1.split(' ').next()?.parse().ok());
    count.expect("it says so")
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
