//! Compares `pigeon bench` with iperf3 and sockperf over loopback, in turns.
//!
//! ```text
//! cargo bench -p pigeon --bench against -- throughput   at full speed, 64 and 1,400 bytes
//! cargo bench -p pigeon --bench against -- trips        round trips, one at a time
//! cargo bench -p pigeon --bench against -- sums         a hundred runs: sent = received + lost?
//! cargo bench -p pigeon --bench against -- all          all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root. A program that is not installed is skipped,
//! with a note. A ratio compares two programs in the same round; its median over the rounds is
//! judged.
//!
//! CPU time is the time of both processes of a pair, as accounted by the kernel: on loopback nearly
//! all kernel work counts for the sender. It shows the load of a measurement, and the speed
//! possible on a slower machine.
//!
//! **Round trips.** Both use the same echo (`echo.rs`), so only the clients are compared. pigeon
//! spins while a datagram is in flight; sockperf sleeps unless run with `--nonblocked`. Waking a
//! thread takes a large part of a round trip within a host, so pigeon is compared with
//! `--nonblocked`. For reference the report also has sockperf with its own server, and pigeon with
//! its own ends.
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
