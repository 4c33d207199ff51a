//! What a relay costs that is told to change nothing: `pigeon relay` beside a bare loop over two
//! sockets.
//!
//! ```text
//! cargo bench -p pigeon --bench relay
//! ```
//!
//! Takes half a minute and needs no root. The figure is **datagrams delivered for each second that
//! the relay's CPU was busy**: counted where the target reads them, over the time of the whole CPU
//! that the relay is pinned to, as the kernel works for it outside its process too. Sender and target
//! run on another CPU, in one thread: a burst goes in, and the next when it has come out or is lost.
//! What else runs on the relay's CPU shows as `others`; with more than a tenth of it, nothing is
//! judged.
//!
//! The floor (`floor.rs`) is a loop of nothing but system calls under the same load, in turn with
//! ours: it hands on what GRO joined as one GSO train, without looking at a single datagram. Ratios
//! are taken round by round; the program fails when a median is below 0.8.
//!
//! Linux only.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails ends"
)]

#[cfg(target_os = "linux")]
#[path = "../support/cpu.rs"]
mod cpu;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod load;

/// Ours over the floor must reach this.
#[cfg(target_os = "linux")]
const TARGET: f64 = 0.8;

#[cfg(target_os = "linux")]
const ROUNDS: usize = 7;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: this takes Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["floor", target] => floor::run(target.parse().expect("an address")),
        [] => {}
        _ => {
            eprintln!("takes no arguments");
            std::process::exit(2);
        }
    }
    let Some(cpus) = cpu::Cpus::choose() else {
        println!("skipped: this takes two CPUs");
        return;
    };
    cpus.stay_with_load();
    println!("the relay on CPU {}, sender and target on CPU {}", cpus.hub, cpus.load);
    let loads = [
        load::Load { size: 64, segments: 64, messages: 16 },
        load::Load { size: 1_400, segments: 46, messages: 4 },
        load::Load { size: 64, segments: 1, messages: 100 },
    ];
    let missed = loads.iter().filter(|load| !compare(cpus, load)).count();
    if missed > 0 {
        std::process::exit(1);
    }
}

/// Runs both in turn. False if the target is missed.
#[cfg(target_os = "linux")]
fn compare(cpus: cpu::Cpus, load: &load::Load) -> bool {
    println!("\n{load}");
    let mut contenders = [load::Contender::pigeon(cpus), load::Contender::floor(cpus)];
    // Once without counting: sockets are opened, memory is touched.
    for contender in &mut contenders {
        contender.run(cpus, load);
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let [ours, floor] = [0, 1].map(|index| contenders[index].run(cpus, load));
        rounds.push((ours.rate() / floor.rate(), ours, floor));
    }
    for (name, of) in [("pigeon", 0), ("bare loop", 1)] {
        let runs: Vec<&load::Run> =
            rounds.iter().map(|(_, ours, floor)| [ours, floor][of]).collect();
        let rate = median(runs.iter().map(|run| run.rate()).collect());
        let others = median(runs.iter().map(|run| run.others()).collect());
        let (sent, delivered) = (
            runs.iter().map(|run| run.sent).sum::<u64>(),
            runs.iter().map(|run| run.delivered).sum::<u64>(),
        );
        println!(
            "  {name:<10} {:>6.2} million delivered a busy second, {delivered} of {sent}, others {:.0} %",
            rate / 1e6,
            others * 100.0
        );
    }
    let ratio = median(rounds.iter().map(|(ratio, ..)| *ratio).collect());
    let others =
        median(rounds.iter().map(|(_, ours, floor)| ours.others().max(floor.others())).collect());
    let verdict = match (ratio >= TARGET, others > 0.1) {
        (_, true) => "not judged: too much else ran there",
        (true, _) => "as it should be",
        (false, _) => "MISSED",
    };
    println!("  ratio {ratio:.2}, at least {TARGET} wanted: {verdict}");
    verdict != "MISSED"
}

#[cfg(target_os = "linux")]
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
