//! The cost of the tools, compared with bare system calls and with common programs.
//!
//! ```text
//! cargo bench -p pigeon --bench toolbox -- echo     `serve echo` and bare echo loops
//! cargo bench -p pigeon --bench toolbox -- ask      a request and its reply, and bare calls
//! cargo bench -p pigeon --bench toolbox -- receive  `listen` into a file, socat and ncat
//! cargo bench -p pigeon --bench toolbox -- all      all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root; a program that is not installed is skipped.
//! The floors (`bare.rs`) use nix's wrappers instead of `pigeon_net`, so that the crate's cost
//! shows too. Everything stays on loopback. Linux only.
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
