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
#[cfg(target_os = "linux")]
mod bare;
#[path = "../support/cpu.rs"]
mod cpu;
mod echo;
mod receive;
mod server;
#[path = "../support/spread.rs"]
mod spread;

use std::path::PathBuf;

use cpu::Cpus;
use serde_json::{Map, Value, json};
use spread::Spread;

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    #[cfg(target_os = "linux")]
    match words[..] {
        ["bare-echo", how] => bare::echo(how == "trains"),
        ["bare-receiver"] => bare::receiver(),
        _ => {}
    }
    let benchmarks: &[fn(Cpus) -> Report] = match words[..] {
        ["echo"] => &[echo::run],
        ["ask"] => &[ask::run],
        ["receive"] => &[receive::run],
        [] | ["all"] => &[echo::run, ask::run, receive::run],
        _ => {
            eprintln!("one word of: echo, ask, receive, all");
            std::process::exit(2);
        }
    };
    let Some(cpus) = Cpus::choose() else {
        println!("skipped: this takes Linux and two CPUs");
        return;
    };
    println!("the server on CPU {}, the load on CPU {}", cpus.hub, cpus.load);
    // Every benchmark runs, whatever the one before has said.
    let missed = benchmarks.iter().filter(|benchmark| !benchmark(cpus).finish()).count();
    if missed > 0 {
        std::process::exit(1);
    }
}

/// One benchmark's figures, printed as they come and written to a file at the end.
pub(crate) struct Report {
    name: &'static str,
    figures: Map<String, Value>,
    missed: bool,
}

impl Report {
    pub(crate) fn new(name: &'static str, title: &str) -> Report {
        println!("\n{name}: {title}");
        Report { name, figures: Map::new(), missed: false }
    }

    pub(crate) fn skipped(&mut self, name: &str) {
        println!("  {name}: not installed, skipped");
        self.figure(name, json!({ "skipped": "not installed" }));
    }

    /// Anything for the file.
    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.into(), value);
    }

    /// A ratio round by round, and whether its median is what it should be: at least or at most.
    pub(crate) fn ratio(&mut self, name: &str, ratio: Spread, wanted: Wanted) {
        let Spread { min, median, max } = ratio;
        let (words, reached) = match wanted {
            Wanted::AtLeast(least) => (format!("at least {least} wanted"), median >= least),
            Wanted::AtMost(most) => (format!("at most {most} wanted"), median <= most),
            Wanted::Nothing => (String::new(), true),
        };
        let verdict = match (words.is_empty(), reached) {
            (true, _) => String::new(),
            (_, true) => format!("{words}: reached"),
            (_, false) => format!("{words}: MISSED"),
        };
        self.missed |= !reached;
        println!("  {name:<44} {min:>6.2} {median:>6.2} {max:>6.2}  {verdict}");
        let mut json = ratio.json();
        json["verdict"] = json!(verdict);
        self.figure(name, json);
    }

    /// Writes the file. False if a target was missed.
    fn finish(self) -> bool {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        std::fs::create_dir_all(&folder).expect("the target folder is ours");
        let path = folder.join(format!("toolbox-{}.json", self.name));
        let json = json!({ "bench": self.name, "figures": self.figures });
        let text = serde_json::to_string_pretty(&json).expect("numbers and words");
        std::fs::write(&path, text + "\n").expect("the target folder is ours");
        println!("  written to {}", path.display());
        !self.missed
    }
}

/// What a ratio should be.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    Nothing,
}
