//! `kill -9` under load: messages reported durable survive, and no position is used twice.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pigeon_log::{AppendError, Log, Options, Outcome, Report};

use crate::support::{Random, everything, keyed, rounds};

pub(crate) const AUTHOR: u128 = 5;

/// The unique text of message `n`.
pub(crate) fn said(n: u64) -> String {
    format!("message {n} 温度传感器 {}", "x".repeat((n % 300) as usize))
}

/// The writer to be killed, in its own process. It reports each stored message on stdout.
#[test]
fn child_that_appends() {
    let Some(folder) = std::env::var_os("PIGEON_LOG_APPEND") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (first, last) = (number("PIGEON_LOG_FIRST"), number("PIGEON_LOG_LAST"));
    append_and_claim(folder.as_ref(), first, last);
}

fn append_and_claim(folder: &Path, first: u64, last: u64) {
    let options = Options { index_lag: 300, queue_bytes: 64 << 10, ..Options::default() };
    let settled = Arc::new(AtomicU64::new(first - 1));
    let counting = Arc::clone(&settled);
    let log = Log::open(folder, options, move |report| {
        let Report::Settled { outcomes, .. } = report else { panic!("{report:?}") };
        let mut claims = String::new();
        for (ticket, outcome) in &outcomes {
            let Outcome::Stored { position } = outcome else { panic!("{outcome:?}") };
            claims += &format!("\nD {} {} .", first - 1 + ticket.get(), position);
        }
        std::io::stdout().write_all(claims.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
        counting.fetch_add(outcomes.len() as u64, Ordering::Release);
    })
    .unwrap();
    let mut random = Random(first + 1);
    for n in first..=last {
        while let Err(AppendError::Full(_)) = log.try_append(keyed(AUTHOR, n, &said(n))) {
            std::thread::yield_now();
        }
        // Varies the group size.
        if random.chance(40) {
            while settled.load(Ordering::Acquire) < n {
                std::thread::yield_now();
            }
        }
    }
    log.close();
    std::io::stdout().write_all(b"\nE\n").unwrap();
}

/// The command that runs the child.
pub(crate) fn child(folder: &Path, first: u64, last: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "kill::child_that_appends", "--nocapture"])
        .env("PIGEON_LOG_APPEND", folder)
        .env("PIGEON_LOG_FIRST", first.to_string())
        .env("PIGEON_LOG_LAST", last.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// The reported messages: number and position of each. An incomplete last line is ignored.
pub(crate) fn claims_in(output: &str) -> Vec<(u64, u64)> {
    let claim = |line: &str| -> Option<(u64, u64)> {
        let mut words = line.strip_prefix("D ")?.strip_suffix(" .")?.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    output.lines().filter_map(claim).collect()
}

/// Compares a log with all reports about it. Returns the last number it holds.
pub(crate) fn examine(folder: &Path, claims: &BTreeMap<u64, u64>) -> Result<u64, String> {
    let (sender, reports) = std::sync::mpsc::channel();
    let log = Log::open(folder, Options::default(), move |report| drop(sender.send(report)))
        .map_err(|error| error.to_string())?;
    let reader = log.reader().map_err(|error| error.to_string())?;
    let entries = everything(&reader).map_err(|error| error.to_string())?;
    let mut held = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let message = entry.message().ok_or("a gap")?;
        let number = message.identity.number;
        if number != index as u64 + 1 {
            return Err(format!("number {number} stands in place {}", index + 1));
        }
        if *message.text != *said(number).as_bytes() {
            return Err(format!("message {number} says something else"));
        }
        held.insert(number, message.position.get());
    }
    for (number, position) in claims {
        if held.get(number) != Some(position) {
            return Err(format!("{number} was durable at {position}: {:?}", held.get(number)));
        }
    }
    // The outbox agrees with the messages, and the next position is unused.
    let last = held.len() as u64;
    let highest = held.values().chain(claims.values()).max().copied().unwrap_or(0);
    let probe = keyed(AUTHOR, last + 1, &said(last + 1));
    log.try_append(probe).map_err(|error| error.to_string())?;
    let report =
        reports.recv_timeout(Duration::from_secs(30)).map_err(|error| error.to_string())?;
    match &report {
        Report::Settled { outcomes, .. } => match outcomes.first() {
            Some((_, Outcome::Stored { position })) if position.get() > highest => Ok(last + 1),
            other => Err(format!("after {last} at {highest}: {other:?}")),
        },
        other => Err(format!("{other:?}")),
    }
}

/// `PIGEON_LOG_KILLS=1000` for the long form.
#[test]
fn what_was_durable_survives_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(3);
    let (mut claims, mut last, mut durable) = (BTreeMap::new(), 0, 0);
    for round in 0..rounds("PIGEON_LOG_KILLS", 20) {
        // Starts over, so that a long run does not grow for ever.
        if last > 60_000 {
            std::fs::remove_dir_all(folder.path()).unwrap();
            (claims, last) = (BTreeMap::new(), 0);
        }
        let mut child = child(folder.path(), last + 1, 1_000_000).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        std::thread::sleep(Duration::from_micros(20_000 + random.below(100_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let output = reading.join().unwrap();
        for (number, position) in claims_in(&output) {
            assert!(claims.values().next_back().is_none_or(|last| *last < position), "reused");
            assert_eq!(claims.insert(number, position), None, "{number} is claimed twice");
            durable += 1;
        }
        last = examine(folder.path(), &claims)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        // The probe was stored, too.
    }
    assert!(durable > 100, "the children were killed before they did anything");
}
