//! Three hubs over a stream that loses what it has acknowledged, in virtual time: nothing that is
//! acknowledged is lost or doubled, and its order within an epoch is the same everywhere.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "a test")]

mod broker;
mod chance;
mod check;
mod client;
mod world;

use world::{CELLS, Fault, run};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    let (first, runs) = (number("PIGEON_SEED", 0), number("PIGEON_CLUSTER_RUNS", 60));
    let messages = number("PIGEON_MESSAGES", 60);
    let mut failures = Vec::new();
    let mut total = world::Report::default();
    for seed in first..first + runs {
        let cell = &CELLS[(seed % CELLS.len() as u64) as usize];
        match run(cell, seed, messages, None) {
            Ok(report) => total.add(&report),
            Err(why) => {
                println!("{seed} ({}): {why}", cell.name);
                failures.push(seed);
            }
        }
    }
    println!("{runs} runs from {first}: {total:?}");
    assert!(failures.is_empty(), "{} failures: {failures:?}", failures.len());
}

#[test]
fn the_checker_finds_every_planted_fault() {
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        let all = (0..150).flat_map(|seed| CELLS.iter().map(move |cell| (cell, seed)));
        let found = all.clone().find_map(|(cell, seed)| {
            let why = run(cell, seed, 60, Some(fault)).err()?;
            Some((cell, seed, why))
        });
        let Some((cell, seed, why)) = found else {
            missed.push(fault);
            continue;
        };
        println!("{fault:?}: {}, seed {seed}: {why}", cell.name);
        assert_eq!(run(cell, seed, 60, None).err(), None, "{fault:?}");
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
