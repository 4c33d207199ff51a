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
//! **Round trips.** Both measure one echo, `echo.rs`, a blocking recvfrom and a sendto: what is
//! compared is those who ask. pigeon stays awake while a datagram is out, where sockperf sleeps
//! unless it is run with `--nonblocked`, and what a thread takes to wake up is a good part of a
//! round trip within a host; so the one with `--nonblocked` is what it is compared with. Beside
//! them stand sockperf to its own server, and pigeon to its own ends.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

mod contenders;
mod echo;
mod sums;
mod throughput;
mod trips;

use pigeon_perf::parts;
use pigeon_perf::report::{self, Report};

type Part = fn() -> Report;

const PARTS: &[(&str, Part)] =
    &[("throughput", throughput::run), ("trips", trips::run), ("sums", sums::run)];

fn main() {
    pigeon_perf::begin!();
    let words = parts::words();
    if words == ["bare-echo"] {
        echo::run();
    }
    report::end(parts::chosen(&words, PARTS).iter().map(|part| part()));
}
