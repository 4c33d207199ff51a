//! Both ends over QUIC on bad networks, with failing disks and restored backups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use pigeon_reliability::{run_many, run_quic};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    let (first, runs) = (number("PIGEON_SEED", 0), number("PIGEON_QUIC_RUNS", 25));
    let messages = number("PIGEON_QUIC_MESSAGES", 100);
    let (total, failures) =
        run_many(first, runs, |cell, seed| run_quic(cell, seed, messages, None));
    println!("{runs} runs from {first}: {total:?}");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
