//! `pigeon bench`: measures a path.
//!
//! - here: the arguments, and the choice between the two ends.
//! - `client`: the near end: sockets, flows, intervals, the summary. `server`: the far end.
//! - `report`: what is shown, as text and as JSON; `plot`: while it runs, on a terminal.

mod client;
mod plot;
mod report;
mod server;

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use clap_complete::ArgValueCandidates;
use pigeon_bench::{Mode, Pace, Plan};
use pigeon_net::Timing;

use crate::base::endpoint::{Family, peer_port};
use crate::base::quantity::{self, PerSecond};
use crate::base::status::{Status, UsageError};
use crate::contacts::peer;
use crate::output::Color;

/// Datagrams a second where nobody said how many and the target is not this machine: harmless to
/// any network.
const SAFE_RATE: u32 = 1_000;

/// How both ends spend time. A measurement has nothing better to do than to wait for room in a send
/// buffer. The system wakes a thread some 60 µs late, so the loop stops sleeping that long before
/// something is due.
const TIMING: Timing = Timing {
    patience: Duration::from_millis(500),
    precise: true,
    early: Duration::from_micros(60),
    kernel_drops: Some(Duration::from_millis(10)),
};

/// How often the far end is to report at least.
const REPORTS: Duration = Duration::from_millis(200);

/// Measure a path: throughput, loss, reorder, duplicates, jitter, round trips
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  pigeon bench server 7777                      the far end; '*:7777' for the network
  pigeon bench 192.168.1.20:7777 --rate 10k/s   from here to there
  pigeon bench 192.168.1.20 7777 --reverse      from there to here; --both: at once
  pigeon bench 192.168.1.20:7777 --ping         there and back, with percentiles
  pigeon bench 127.0.0.1:7777 --size 1400 --flows 4 --for 5s --json

Any echo service will do as the far end for round trips (`pigeon serve echo`, RFC 862). Late is not
lost: the tail is waited for, and sent = received + lost, where what a kernel dropped because its
program was too slow is told apart from loss on the way. Round trips are timed from when each
datagram was due (no coordinated omission). Without --rate: as fast as it goes to this machine,
1k/s to others. Exit status 1: no answer, refused, or nothing arrived.")]
pub(crate) struct Args {
    #[command(subcommand)]
    far_end: Option<FarEnd>,

    /// What to measure to: HOST:PORT or [V6]:PORT of a bench server, or of an echo service
    #[arg(value_name = "ENDPOINT", required = true, add = ArgValueCandidates::new(peer::candidates))]
    endpoint: Option<String>,

    /// The port, where it is a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    port: Option<u16>,

    #[command(flatten)]
    family: Family,

    /// For how long datagrams are sent
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = quantity::interval)]
    duration: Duration,

    /// Datagrams a second, e.g. 10k/s; unlimited with --ping: the next when the last is back
    #[arg(long, value_name = "N/s", value_parser = quantity::per_second)]
    rate: Option<PerSecond>,

    /// Bytes of payload of each datagram, at least 40
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = quantity::size)]
    size: usize,

    /// Source ports that share the rate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = quantity::whole(1_u16..=256))]
    flows: u16,

    /// From there to here
    #[arg(long, conflicts_with_all = ["both", "ping"])]
    reverse: bool,

    /// Both ways at once, each at the rate
    #[arg(long, conflicts_with = "ping")]
    both: bool,

    /// There and back: round-trip times, and which way lost what
    #[arg(long)]
    ping: bool,

    /// How often to show what happened
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = reporting)]
    interval: Duration,

    /// Print one JSON object an interval, and one at the end
    #[arg(long)]
    json: bool,

    /// A line an interval, no plot, also on a terminal
    #[arg(long)]
    line: bool,
}

#[derive(clap::Subcommand)]
enum FarEnd {
    Server(server::Args),
}

/// Reads an interval between reports.
fn reporting(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        short if short < Duration::from_millis(100) => Err("must be at least 100ms".to_string()),
        duration => Ok(duration),
    }
}

/// Serves, or measures.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    match args.far_end {
        Some(FarEnd::Server(args)) => server::run(args),
        None => client::run(args, color),
    }
}

impl Args {
    fn mode(&self) -> Mode {
        match (self.reverse, self.both, self.ping) {
            (true, ..) => Mode::Down,
            (_, true, _) => Mode::Both,
            (_, _, true) => Mode::Ping,
            _ => Mode::Up,
        }
    }

    /// The rate to use, and whether it was chosen for safety.
    fn rate(&self, to: SocketAddr) -> (Option<u32>, bool) {
        match self.rate {
            Some(PerSecond(rate)) => (rate, false),
            // Percentiles want a rate that the path is not busy with.
            None if self.ping && to.ip().is_loopback() => (Some(SAFE_RATE), false),
            None if to.ip().is_loopback() => (None, false),
            None => (Some(SAFE_RATE), true),
        }
    }

    fn plan(&self, rate: Option<u32>, flow: u16) -> anyhow::Result<Plan> {
        let flows = NonZeroU16::new(self.flows).unwrap_or(NonZeroU16::MIN);
        let plan = Plan {
            mode: self.mode(),
            pace: Pace { rate: rate.and_then(NonZeroU32::new), flows, flow },
            size: self.size,
            duration: self.duration,
            // So that the far end's report on an interval is hardly older than the interval's end.
            reports_every: self.interval.min(REPORTS),
            tail: Duration::from_secs(1),
        };
        plan.check().map_err(|error| UsageError(format!("--size: {error}")))?;
        Ok(plan)
    }
}
