//! `pigeon bench` beside iperf3 and sockperf, over loopback, in turns.
//!
//! ```text
//! cargo bench -p pigeon --bench against -- throughput   as fast as it goes, 64 and 1,400 bytes
//! cargo bench -p pigeon --bench against -- trips        one by one, there and back
//! cargo bench -p pigeon --bench against -- sums         a hundred runs: sent = received + lost?
//! cargo bench -p pigeon --bench against -- all          one after the other, as without a word
//! ```
//!
//! Each takes less than two minutes and needs no root. A program that is not installed is left out,
//! which is said. A ratio is that of two programs in the same round; its median over the rounds is
//! judged.
//!
//! CPU time is what the two processes of a pair used, as the kernel accounts it to them: on loopback
//! the way through the kernel is nearly all the sender's. It says how much of a machine a measurement
//! takes, and how fast a slower machine could measure.
//!
//! **Round trips.** sockperf and pigeon cannot use one echo service: sockperf's server answers only
//! sockperf's own messages, and its client takes only answers whose header its server has changed.
//! So beside pigeon's far ends there is a bare echo in here that does what sockperf's server does:
//! one blocking recvfrom, one sendto. And pigeon stays awake while a datagram is out, where sockperf
//! sleeps unless told `--nonblocked`: what a thread takes to wake up is a good part of a round trip
//! within a host. So that is what it is compared with; the other stands beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "so does a benchmark end"
)]

#[cfg(target_os = "linux")]
mod contenders;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod report;

#[cfg(target_os = "linux")]
fn main() {
    use report::{sums, throughput, trips};

    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let reached = match words.first().map(String::as_str) {
        Some("throughput") => throughput(),
        Some("trips") => trips(),
        Some("sums") => sums(),
        None | Some("all") => [throughput(), trips(), sums()].iter().all(|reached| *reached),
        Some(word) => panic!("no such part: {word}; there are throughput, trips, sums, all"),
    };
    std::process::exit(i32::from(!reached));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: CPU time is read from /proc");
}
