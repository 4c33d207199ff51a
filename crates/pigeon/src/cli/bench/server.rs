//! `pigeon bench server`: the other end of a measurement.

use std::io;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context;
use pigeon_bench::{Declined, Server, ServerConfig, ServerEvent};
use pigeon_net::{Driver, Host, Io, SocketOptions};

use super::TIMING;
use crate::base::bind::bind;
use crate::base::endpoint::{ListenAddress, ListenHost};
use crate::base::quantity::{self, BytesPerSecond};
use crate::base::random;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::Status;
use crate::output::Spool;
use crate::words::say;

/// Time limit for writing output at the end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Run the far end of a measurement: counts, answers, and sends on request
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon bench server 7777  # for programs on this machine
  pigeon bench server '*:7777'  # for the network
  pigeon bench server '*:7777' --max-rate 1MB/s --max-for 30s

Sends only to addresses that have proved they receive there, and never more than they asked for,
within --max-rate and --max-for. Answers are never longer than what came.")]
pub(crate) struct Args {
    /// Where to listen: a port alone means this machine, * every address; port 0 lets the system
    /// choose
    #[arg(value_name = "[ADDR:]PORT")]
    listen: ListenAddress,

    /// Maximum bytes per second sent on request to all clients on other machines together
    #[arg(long, value_name = "SIZE/s", default_value = "12500kB/s", value_parser = quantity::bytes_per_second)]
    max_rate: BytesPerSecond,

    /// Longest measurement
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = quantity::interval)]
    max_for: Duration,

    /// Maximum number of flows at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = quantity::whole(1_u16..=4096))]
    max_flows: u16,
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    let listen = args.listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()));
    let socket = bind(listen, &SocketOptions { timestamps: false, ..SocketOptions::default() })?;
    let notes = Spool::log(io::stderr())?;
    let server = Server::new(ServerConfig {
        key: random::bytes()?,
        max_sessions: usize::from(args.max_flows),
        max_bytes_per_second: args.max_rate.0,
        max_duration: args.max_for,
    });
    notes.remark(say!("tools-listening", address = &socket.local_addr()));
    let driver = Driver::new(server, socket).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_timing(TIMING);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut host = ServerHost { stop, notes: notes.clone() };
    driver.run(&mut host)?;
    notes.finish(Instant::now() + LAST_WORDS);
    Ok(Status::Done)
}

/// Prints the server's events.
struct ServerHost {
    stop: Stop,
    notes: Spool<Vec<u8>>,
}

impl Host<Server> for ServerHost {
    fn woken(&mut self, _: &mut Server, _: &mut Io<'_>) -> ControlFlow<()> {
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, _: &mut Server, _: &mut Io<'_>, event: ServerEvent) -> ControlFlow<()> {
        // If the log is not read, it drops lines and reports that itself.
        let _ = self.notes.remark(describe(event));
        ControlFlow::Continue(())
    }
}

fn describe(event: ServerEvent) -> String {
    match event {
        ServerEvent::Began { from } => say!("tools-bench-begins", from = &from),
        ServerEvent::Ended { from, figures, sent } => {
            let (received, lost) = (figures.received, figures.lost);
            match figures.kernel {
                0 => say!(
                    "tools-bench-done",
                    from = &from,
                    received = &received,
                    lost = &lost,
                    sent = &sent,
                ),
                dropped => say!(
                    "tools-bench-done-dropped",
                    from = &from,
                    received = &received,
                    lost = &lost,
                    dropped = &dropped,
                    sent = &sent,
                ),
            }
        }
        ServerEvent::Declined { from, why: Declined::Full } => {
            say!("tools-bench-full", from = &from)
        }
        ServerEvent::Declined { from, why: Declined::Size } => {
            say!("tools-bench-size", from = &from)
        }
    }
}
