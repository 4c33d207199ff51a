//! Both ends over breaking streams, with failing disks and restored backups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use pigeon_reliability::{CELLS, Fault, run, run_many};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    let (first, runs) = (number("PIGEON_SEED", 0), number("PIGEON_RUNS", 25));
    let messages = number("PIGEON_MESSAGES", 1000);
    let (total, failures) = run_many(first, runs, |cell, seed| run(cell, seed, messages, None));
    println!("{runs} runs from {first}: {total:?}");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_checker_finds_every_planted_fault() {
    for fault in Fault::ALL {
        // Backups are restored every twenty seconds, so that fault needs longer runs.
        let (messages, restores) = match fault {
            Fault::ForgetsStored => (600, true),
            _ => (60, false),
        };
        let cells = CELLS.iter().filter(|cell| !restores || cell.hub_restores.is_some());
        let all = (0..20).flat_map(|seed| cells.clone().map(move |cell| (cell, seed)));
        let found = all.clone().find_map(|(cell, seed)| {
            let why = run(cell, seed, messages, Some(fault)).err()?;
            Some((cell, seed, why))
        });
        let (cell, seed, why) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?}: {}, seed {seed}: {why}", cell.name);
        // Without the fault the same run passes, so the fault is what the checker has found.
        assert_eq!(run(cell, seed, messages, None).err(), None, "{fault:?}");
    }
}
