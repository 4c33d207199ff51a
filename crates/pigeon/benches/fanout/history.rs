//! The cost of storing messages: for the data thread, and for the members with a slow disk.
//!
//! Two of our hubs, with and without a log, take turns under the same load. The CPU time of the
//! thread that moves datagrams is compared: the log's writer is a separate thread, which runs while
//! that one waits. Then the latency of a message is measured with a disk where each sync takes 200
//! ms.

use std::path::PathBuf;
use std::process::Command;

use pigeon_perf::process;
use pigeon_perf::report::{Report, Wanted, folder};
use pigeon_perf::server::Server;
use pigeon_perf::spread::Spread;

use crate::members::With;
use crate::server::FLAGS;
use crate::{Bench, MANY, OURS, latency};
use pigeon_perf::fanout::Sizes;
use pigeon_perf::fanout::{Contender, Turn, rounds};

const KEEPING: &str = "with history";
const SLOW: &str = "slow disk";

/// Preloaded before libc: makes every sync take this long.
const SLOW_SYNC: &str = r#"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static void nap(void) { struct timespec t = {0, 200000000}; nanosleep(&t, 0); }
int fsync(int fd) { nap(); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { nap(); return syscall(SYS_fdatasync, fd); }
"#;

/// One message at a time and many, with history and without.
pub(crate) fn measure(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-history");
    for (in_flight, least) in [(1, 0.97), (MANY, 0.91)] {
        report.section(&format!(
            "{in_flight} messages of 64 bytes in flight, with and without history"
        ));
        let sockets = bench.sockets(With { gro: true, ..With::default() });
        let keeping = keeping(bench, "log", None);
        let members = sockets.of(keeping.address);
        let mut hubs = vec![Contender::new(KEEPING, keeping, members), bench.ours(&sockets)];
        rounds(bench.cpus, &mut hubs, Sizes::Equal(64), in_flight);
        let [keeping, without] = &hubs[..] else { return report };
        table(&mut report, &hubs);
        let pairs = keeping.turns.iter().zip(&without.turns);
        let ratio = Spread::of(pairs.map(|(one, two)| thread_rate(one) / thread_rate(two)));
        report.judge(&format!("{KEEPING} / {OURS}"), ratio, Wanted::AtLeast(least));
        let said: u64 = keeping.all_sent;
        let (stored, missing) = stored(keeping);
        report.judge(
            "messages kept of those said",
            stored as f64 / said as f64,
            Wanted::AtLeast(1.0),
        );
        report.judge("messages marked as missing", missing as f64, Wanted::AtMost(0.0));
    }
    report
}

/// The latency when each sync takes 200 ms, compared with a hub without history.
pub(crate) fn slow_disk(bench: &Bench) -> Report {
    let mut report = Report::new("fanout-slow-disk");
    report.section("one message of 64 bytes, each sync of the log takes 200 ms");
    let Some(library) = slow_library() else {
        report.skipped("cc");
        return report;
    };
    let sockets = bench.sockets(With { gro: true, timestamps: true });
    let slow = keeping(bench, "slow", Some(library));
    let members = sockets.of(slow.address);
    let mut hubs = vec![Contender::new(SLOW, slow, members), bench.ours(&sockets)];
    latency::measure(&mut report, &mut hubs);
    report
}

/// Deliveries per second of the data thread's CPU time.
fn thread_rate(turn: &Turn) -> f64 {
    turn.delivered as f64 / turn.thread
}

fn table(report: &mut Report, hubs: &[Contender]) {
    let rows = hubs.iter().map(|hub| {
        let rate = Spread::of(hub.turns.iter().map(|turn| thread_rate(turn) / 1e6));
        let sum = |of: fn(&Turn) -> u64| hub.turns.iter().map(of).sum::<u64>();
        let micros = Spread::of(hub.turns.iter().map(|turn| turn.thread * 1e6 / turn.sent as f64));
        let row = vec![
            ("million_a_thread_second", rate.into()),
            ("us_a_message", micros.into()),
            ("sent", sum(|turn| turn.sent).into()),
            ("due", sum(|turn| turn.due).into()),
            ("delivered", sum(|turn| turn.delivered).into()),
        ];
        (hub.name.to_string(), row)
    });
    report.table(rows.collect());
}

/// Our hub with a log in a new folder.
fn keeping(bench: &Bench, name: &str, preload: Option<PathBuf>) -> Server {
    let data = data(name);
    // Removes a folder from an earlier run.
    let _ = std::fs::remove_dir_all(&data);
    let flags = format!("hub --listen 127.0.0.1:0 --console off {FLAGS} --data {}", data.display());
    let mut command = process::pigeon(&flags);
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    Server::announced(&[bench.cpus.hub], command, "listening on ")
}

fn data(name: &str) -> PathBuf {
    folder().join(format!("history-{name}"))
}

/// The numbers of messages stored and marked as missing, once the log is complete.
fn stored(hub: &Contender) -> (u64, u64) {
    hub.server.process.interrupt();
    let mut command = process::pigeon("history --json --data");
    command.arg(data("log"));
    let (lines, _) = process::run(command);
    let (mut stored, mut missing) = (0, 0);
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        match value.get("missing").and_then(serde_json::Value::as_u64) {
            Some(count) => missing += count,
            None => stored += 1,
        }
    }
    (stored, missing)
}

fn slow_library() -> Option<PathBuf> {
    let (source, library) = (folder().join("slow_sync.c"), folder().join("slow_sync.so"));
    std::fs::write(&source, SLOW_SYNC).expect("the folder is ours");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
    cc.status().ok()?.success().then_some(library)
}
