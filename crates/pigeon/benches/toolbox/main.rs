//! What the tools cost beside bare system calls and beside the programs people use today.
//!
//! ```text
//! cargo bench -p pigeon --bench toolbox -- echo     `serve echo` beside bare echo loops
//! cargo bench -p pigeon --bench toolbox -- ask      a request and its reply, beside bare calls
//! cargo bench -p pigeon --bench toolbox -- receive  `listen` into a file, beside socat and ncat
//! cargo bench -p pigeon --bench toolbox -- all      one after the other, as without a word
//! ```
//!
//! Each takes less than two minutes and needs no root; a program that is not installed is skipped.
//! The floors (`bare.rs`) are made of nix's wrappers and not of `pigeon_net`, so that what that
//! crate costs shows too. Everything stays on loopback. Linux only.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails ends")]

mod ask;
mod bare;
mod echo;
mod receive;

use pigeon_perf::cpu::Cpus;
use pigeon_perf::parts;
use pigeon_perf::report::{self, Report};

type Part = fn(Cpus) -> Report;

const PARTS: &[(&str, Part)] = &[("echo", echo::run), ("ask", ask::run), ("receive", receive::run)];

fn main() {
    pigeon_perf::begin!();
    let words = parts::words();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare-echo", how] => bare::echo(how == "trains"),
        ["bare-receiver"] => bare::receiver(),
        _ => {}
    }
    let chosen = parts::chosen(&words, PARTS);
    let cpus = Cpus::choose("the server");
    report::end(chosen.iter().map(|part| part(cpus)));
}
