//! Many runs, on every processor.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CELLS, Cell, Report};

/// Runs from a number on: one of each cell in turn, with the next seed after each turn. Returns what they
/// came to, and the failures with what is needed to repeat them.
pub fn run_many(
    first: u64,
    runs: u64,
    run: impl Fn(&Cell, u64) -> Result<Report, String> + Sync,
) -> (Report, Vec<String>) {
    let results = Mutex::new((Report::default(), Vec::new()));
    let next = AtomicU64::new(first);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= first + runs {
                return;
            }
            let (place, seed) = (number as usize % CELLS.len(), number / CELLS.len() as u64);
            let cell = &CELLS[place];
            let result = run(cell, seed);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(report) => results.0.add(report),
                Err(why) => {
                    results.1.push(format!("run {number}: {}, seed {seed}: {why}", cell.name));
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}
