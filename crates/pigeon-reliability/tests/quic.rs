//! Both ends over QUIC on bad networks, with failing disks and restored backups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use pigeon_reliability::{CELLS, Report, run_quic};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    let runs = number("PIGEON_QUIC_RUNS", 25);
    let messages = number("PIGEON_QUIC_MESSAGES", 100);
    let first = number("PIGEON_SEED", 0);
    let mut total = Report::default();
    let mut failures = Vec::new();
    for at in first..first + runs {
        let (place, seed) = (at as usize % CELLS.len(), at / CELLS.len() as u64);
        let cell = &CELLS[place];
        match run_quic(cell, seed, messages, None) {
            Ok(report) => total.add(report),
            Err(why) => failures.push(format!("{} (cell {place}), seed {seed}: {why}", cell.name)),
        }
    }
    println!("{runs} runs from {first}: {total:?}");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
