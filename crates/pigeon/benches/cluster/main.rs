//! What several hubs over NATS JetStream carry, beside the same brokers alone.
//!
//! ```text
//! cargo bench -p pigeon --bench cluster -- burst   64 messages in flight to 3,000 plain members
//! cargo bench -p pigeon --bench cluster -- one     one message at a time
//! cargo bench -p pigeon --bench cluster -- stored  messages stored per second by 1, 2 and 3 hubs
//! cargo bench -p pigeon --bench cluster -- all     all of them; the default
//! ```
//!
//! Each takes less than two minutes and needs no root, but nats-server. The three brokers of a run are
//! one NATS cluster with three replicas, and the three hubs use them. All servers share a CPU, so
//! that deliveries count per busy second of it: a cluster pays for its hubs and for its brokers.
//!
//! - `servers.rs`: brokers and hubs. `fan_out.rs`: plain members at three hubs beside subscribers at
//!   three brokers. `stored.rs`: messages acknowledged once they are in the stream and on the hub's
//!   disk, beside messages that JetStream alone acknowledges (`jetstream.rs`).
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

mod fan_out;
mod jetstream;
#[expect(dead_code, reason = "the other part is for the bench `quic`")]
#[path = "../quic/keyed.rs"]
mod keyed;
#[expect(dead_code, reason = "the other part is for the bench `quic`")]
#[path = "../quic/members.rs"]
mod members;
mod servers;
mod stored;
#[path = "../fanout/members.rs"]
mod udp;

use pigeon_perf::cpu::{Cpus, raise_file_limit};
use pigeon_perf::parts;
use pigeon_perf::process::find;
use pigeon_perf::report::{self, Report};

/// Hubs, and brokers.
const SITES: usize = 3;

type Part = fn(Cpus) -> Report;

const PARTS: &[(&str, Part)] =
    &[("burst", fan_out::burst), ("one", fan_out::one), ("stored", stored::measure)];

fn main() {
    pigeon_perf::begin!();
    let chosen = parts::chosen(&parts::words(), PARTS);
    let cpus = Cpus::choose("the servers");
    raise_file_limit();
    if find("nats-server").is_none() {
        println!("nats-server: not installed, skipped");
        return;
    }
    report::end(chosen.iter().map(|part| part(cpus)));
}
