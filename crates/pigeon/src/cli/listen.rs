//! `pigeon listen`: prints every datagram of every peer.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, bail};
use pigeon_client::{Arrival, Heard, Listener};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, Driver, Host, SocketOptions, Stats};
use pigeon_text::escape;

use super::bind::bind;
use super::endpoint::ListenAddress;
use super::exit::Status;
use super::quantity;
use super::signals::{Stop, on_stop};
use crate::output::{Spool, json, wall};

/// How long output may still be written after the loop has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Print every datagram of every peer: time, sender, length, text
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon listen 9999                  on every address, IPv4 and IPv6
  pigeon listen 127.0.0.1:9999 --json one object a line, for scripts
  pigeon listen 9999 --count 1        wait for one datagram")]
pub(crate) struct Args {
    /// Where to listen: [ADDR:]PORT; port 0 lets the system choose
    #[arg(value_name = "[ADDR:]PORT")]
    listen: ListenAddress,

    /// Stop after so many datagrams
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Stop after so long; exit 1 if nothing came
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::interval)]
    duration: Option<Duration>,

    /// Print one JSON object a datagram: time, from, to, len, text or base64, truncated
    #[arg(long)]
    json: bool,
}

/// Listens until it is stopped, or has heard enough.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let socket = bind(args.listen, &SocketOptions::default())?;
    let bound = socket.local_addr();
    let clock = Clock::start();
    let listener = Listener::new(args.duration.map(|duration| clock.now() + duration));
    let mut driver =
        Driver::new(listener, socket).context("cannot watch the socket")?.with_clock(clock);

    let render = if args.json { render_json } else { render_line };
    let (waker, closed) = (driver.waker(), driver.waker());
    let spool = Spool::new(
        io::stdout(),
        move |arrival: &Arrival, text| {
            text.extend_from_slice(render(arrival, bound).as_bytes());
            text.push(b'\n');
        },
        move || closed.wake(),
    );
    let spool = spool.context("cannot start a thread")?;
    let notes = Spool::lines(io::stderr()).context("cannot start a thread")?;
    let stop = on_stop(move || waker.wake())?;
    notes.line(format!("listening on {bound}"));

    let mut around = Around { spool: spool.clone(), stop, left: args.count, heard: 0 };
    let outcome = driver.run(&mut around);
    let deadline = std::time::Instant::now() + LAST_WORDS;
    spool.finish(deadline);
    let dropped_here = spool.dropped() + driver.machine().lost();
    notes.line(summary(around.heard, &driver.stats(), dropped_here));
    notes.finish(deadline);
    outcome?;
    if let Some(kind) = spool.failure() {
        bail!("cannot write to stdout: {kind}");
    }
    let in_vain = args.duration.is_some() && around.heard == 0 && !around.stop.is_set();
    Ok(if in_vain { Status::Failed } else { Status::Done })
}

/// `[2026-11-20 21:04:05.123] 127.0.0.1:5000 5 bytes: hello`
fn render_line(arrival: &Arrival, _bound: SocketAddr) -> String {
    let time = wall::date_and_millis(&wall::local(arrival.wall));
    let text = arrival.payload.strip_suffix(b"\n").unwrap_or(&arrival.payload);
    let (from, length) = (arrival.from, arrival.length);
    let unit = if length == 1 { "byte" } else { "bytes" };
    let truncated = if length > arrival.payload.len() { ", truncated" } else { "" };
    format!("[{time}] {from} {length} {unit}{truncated}: {}", escape(text))
}

fn render_json(arrival: &Arrival, bound: SocketAddr) -> String {
    let to = SocketAddr::new(arrival.local.unwrap_or(bound.ip()), bound.port());
    let time = wall::local(arrival.wall);
    json::datagram(&time, arrival.from, to, &arrival.payload, arrival.length)
}

/// The kernel's drops apart from our own: the first ask for a larger buffer, the second for a
/// faster reader.
fn summary(heard: u64, stats: &Stats, dropped_here: u64) -> String {
    let s = if heard == 1 { "" } else { "s" };
    let mut line = format!("{heard} datagram{s}");
    if stats.kernel_drops > 0 {
        line += &format!(", {} dropped by the kernel (receive buffer full)", stats.kernel_drops);
    }
    if dropped_here > 0 {
        line += &format!(", {dropped_here} dropped here (output too slow)");
    }
    line
}

struct Around {
    spool: Spool<Arrival>,
    stop: Stop,
    left: Option<u64>,
    heard: u64,
}

impl Host<Listener> for Around {
    fn woken(&mut self, _: &mut Listener, _: Instant, _: &Stats) -> ControlFlow<()> {
        match self.stop.is_set() || self.spool.closed().is_some() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, _: &Listener, _: Instant, event: Heard) -> ControlFlow<()> {
        match event {
            Heard::Arrival(_) if self.left == Some(0) => return ControlFlow::Break(()),
            Heard::Arrival(arrival) => {
                self.heard += 1;
                // A rough size: what the queue must bound is the memory it holds.
                let bytes = arrival.payload.len() + size_of::<Arrival>();
                self.spool.push(arrival, bytes);
                self.left = self.left.map(|left| left - 1);
                if self.left == Some(0) {
                    return ControlFlow::Break(());
                }
            }
            Heard::Over => return ControlFlow::Break(()),
            Heard::Refused | Heard::Room => {}
        }
        ControlFlow::Continue(())
    }
}
