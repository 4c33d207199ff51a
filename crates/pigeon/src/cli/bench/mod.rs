//! `pigeon bench`: measures a path.
//!
//! - here: the arguments; starts the client or the server.
//! - `client`: sockets, flows, intervals, the summary. `server`: the other end.
//! - `rate`, `dscp`: values of flags.
//! - `report`: output as text and JSON; `plot`: the live plot on a terminal.

mod client;
mod dscp;
#[cfg(feature = "tui")]
mod plot;
#[cfg(not(feature = "tui"))]
#[path = "plot_absent.rs"]
mod plot;
mod rate;
mod report;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use clap_complete::ArgValueCandidates;
use pigeon_bench::{HEADER, Mode, Pace, Plan, PlanError};
use pigeon_datagram::MAX_PAYLOAD_V4;
use pigeon_net::Timing;

use self::rate::Rate;
use crate::base::endpoint::{Family, peer_port};
use crate::base::quantity;
use crate::base::status::{Status, UsageError};
use crate::contacts::peer;
use crate::output::Color;
use crate::words::{self, say};

/// Default datagrams per second to another machine: harmless to any network.
const SAFE_RATE: u32 = 1_000;

/// Timing of both ends. They may block while a send buffer is full. The system wakes a thread about
/// 60 µs late, so the loop stops sleeping that long before a deadline.
const TIMING: Timing = Timing {
    patience: Duration::from_millis(500),
    precise: true,
    early: Duration::from_micros(60),
    kernel_drops: Some(Duration::from_millis(10)),
};

/// Maximum time between two reports of the server.
const REPORTS: Duration = Duration::from_secs(1);

/// Measure a path: throughput, loss, reordering, duplicates, jitter, round-trip times
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  pigeon bench server 7777  # the far end; '*:7777' for the network
  pigeon bench 192.168.1.20:7777 --rate 10k/s  # from here to there
  pigeon bench 192.168.1.20 7777 --reverse  # from there to here
  pigeon bench 192.168.1.20:7777 --ping  # round trips, with percentiles
  pigeon bench 127.0.0.1:7777 --size 1400 --flows 4 --for 5s --json
  pigeon bench 192.168.1.20:7777 --rate 10M --size 1200 --dscp EF --omit 2s

Without --rate it sends as fast as it can to this machine, and 1k/s to others. With --ping, any echo
service will do as the far end (`pigeon serve echo`, RFC 862).

A late datagram is not lost: bench waits for the last datagrams, and `sent = received + lost`. Datagrams that a
kernel dropped because its program was too slow are counted apart from loss on the way, and those
sent after the server stopped answering are unanswered, not lost. Round trips are timed from when
each datagram was due (no coordinated omission).

Exit status:
  0  datagrams arrived
  1  no answer, refused, or nothing arrived")]
pub(crate) struct Args {
    #[command(subcommand)]
    far_end: Option<FarEnd>,

    /// Bench server to measure to, or echo service with --ping: HOST:PORT, [V6]:PORT, HOST PORT as
    /// two words, or a contact's name
    #[arg(value_name = "ENDPOINT", required = true, add = ArgValueCandidates::new(peer::candidates))]
    endpoint: Option<String>,

    /// Port of ENDPOINT, if given as a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    port: Option<u16>,

    #[command(flatten)]
    family: Family,

    /// How long to send
    #[arg(short = 't', long = "for", value_name = "DURATION", default_value = "10s", value_parser = quantity::interval)]
    duration: Duration,

    /// Datagrams per second, e.g. 10k/s, or bits of payload per second, e.g. 10Mbit/s or 10M; with
    /// --ping also unlimited: each datagram as soon as the one before is back
    #[arg(short = 'b', long, value_name = "RATE", value_parser = Rate::parse)]
    rate: Option<Rate>,

    /// Payload of each datagram in bytes, at least 40
    #[arg(short = 'l', long, value_name = "SIZE", default_value = "64", value_parser = quantity::size)]
    size: usize,

    /// Number of source ports that share the rate
    #[arg(short = 'P', long, value_name = "N", default_value_t = 1, value_parser = quantity::whole(1_u16..=256))]
    flows: u16,

    /// Time at the start that the summary leaves out, in addition to --for; a multiple of
    /// --interval
    #[arg(short = 'O', long, value_name = "DURATION", value_parser = quantity::interval)]
    omit: Option<Duration>,

    /// Address of this host to send from, and port; further flows use the ports after it
    #[arg(short = 'B', long, value_name = "ADDR[:PORT]", value_parser = source)]
    bind: Option<SocketAddr>,

    /// Request this class of service from routers: EF, AF41, CS6, or a number from 0 to 63
    #[arg(long, value_name = "CLASS", value_parser = dscp::parse)]
    dscp: Option<u8>,

    /// Measure from the far end to this host
    #[arg(short = 'R', long, conflicts_with_all = ["both", "ping"])]
    reverse: bool,

    /// Measure both ways at once, each at the rate
    #[arg(long, conflicts_with = "ping")]
    both: bool,

    /// Measure round trips: their times, and the loss in each direction
    #[arg(long)]
    ping: bool,

    /// How often to report
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = reporting)]
    interval: Duration,

    /// Print one JSON object per interval, and one at the end
    #[arg(short = 'J', long)]
    json: bool,

    /// Print comma-separated values: one row per interval and direction, and one for the whole
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Print one line per interval, without a plot, even on a terminal
    #[arg(long)]
    line: bool,
}

#[derive(clap::Subcommand)]
enum FarEnd {
    Server(server::Args),
}

/// Parses a local address with an optional port.
fn source(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    address.or_else(|_| text.parse()).map_err(|_| say!("tools-bench-source"))
}

/// Parses an interval between reports.
fn reporting(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        short if short < Duration::from_millis(100) => Err(say!("errors-heartbeat")),
        duration => Ok(duration),
    }
}

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

    /// The send rate, and whether it is the safe default.
    fn rate(&self, to: SocketAddr) -> Result<(Option<u32>, bool), UsageError> {
        Ok(match self.rate {
            Some(rate) => {
                let rate =
                    rate.of(self.size).map_err(|error| UsageError(words::because("--rate", error)));
                (rate?, false)
            }
            // Percentiles are only meaningful if the rate does not fill the path.
            None if self.ping && to.ip().is_loopback() => (Some(SAFE_RATE), false),
            None if to.ip().is_loopback() => (None, false),
            None => (Some(SAFE_RATE), true),
        })
    }

    /// The duration to omit from the summary.
    fn omitted(&self) -> Result<Duration, UsageError> {
        let omit = self.omit.unwrap_or_default();
        match omit.as_nanos().is_multiple_of(self.interval.as_nanos().max(1)) {
            true => Ok(omit),
            false => Err(UsageError(say!(
                "tools-bench-omit",
                omit = format!("{omit:?}"),
                interval = format!("{:?}", self.interval),
            ))),
        }
    }

    /// The source address of a flow, if one was given.
    fn source(&self, to: SocketAddr, flow: u16) -> Result<Option<SocketAddr>, UsageError> {
        let Some(mut source) = self.bind else { return Ok(None) };
        if source.is_ipv4() != to.is_ipv4() {
            let error = say!("tools-bench-family", source = &source, to = &to);
            return Err(UsageError(error));
        }
        if source.port() != 0 {
            let port = source.port().checked_add(flow).ok_or_else(|| {
                UsageError(say!("tools-bench-ports", source = &source, flows = &self.flows))
            })?;
            source.set_port(port);
        }
        Ok(Some(source))
    }

    /// Server reports per interval.
    fn reports(&self) -> u32 {
        u32::try_from(self.interval.as_nanos().div_ceil(REPORTS.as_nanos())).unwrap_or(u32::MAX)
    }

    fn plan(&self, rate: Option<u32>, flow: u16) -> anyhow::Result<Plan> {
        let flows = NonZeroU16::new(self.flows).unwrap_or(NonZeroU16::MIN);
        let plan = Plan {
            mode: self.mode(),
            pace: Pace { rate: rate.and_then(NonZeroU32::new), flows, flow },
            size: self.size,
            duration: self.duration.saturating_add(self.omit.unwrap_or_default()),
            // So that a report covers the end of each interval.
            reports_every: self.interval / self.reports().max(1),
            tail: Duration::from_secs(1),
        };
        plan.check().map_err(|error| {
            UsageError(match error {
                PlanError::Size(size) => {
                    say!(
                        "tools-bench-payload",
                        size = &size,
                        least = &HEADER,
                        most = &MAX_PAYLOAD_V4
                    )
                }
                PlanError::Duration => say!("tools-bench-no-time"),
            })
        })?;
        Ok(plan)
    }
}
