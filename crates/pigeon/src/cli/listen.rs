//! `pigeon listen`: prints every datagram of every peer.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ipnet::IpNet;
use pigeon_client::{Arrival, Heard, Listener};
use pigeon_datagram::Instant;
use pigeon_net::{
    BufferSize, Clock, Driver, Host, Interfaces, Socket, SocketOptions, Stats, local_addresses,
};
use pigeon_text::escape;

use super::bind::{bind, local_of};
use super::endpoint::ListenAddress;
use super::exit::{Status, UsageError};
use super::quantity;
use super::signals::{Stop, on_stop};
use super::spelling::{Spelling, SpellingArgs};
use crate::output::{Capture, Spool, json, wall};

/// How long output may still be written after the loop has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Print every datagram of every peer: time, sender, length, text
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon listen 9999                            on every address, IPv4 and IPv6
  pigeon listen 127.0.0.1:9999 --json           one object a line, for scripts
  pigeon listen 9999 --count 1                  wait for one datagram
  pigeon listen 5000 --join 239.1.2.3           hear a multicast group, on every interface
  pigeon listen 8080 --encoding gb2312 --from 192.168.1.0/24
  pigeon listen 5000 --write lab.pcapng         keep what arrives for Wireshark")]
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

    /// Show only what comes from this network or address; may be given several times
    #[arg(long, value_name = "NET", value_parser = net)]
    from: Vec<IpNet>,

    /// Join a multicast group; may be given several times
    #[arg(long, value_name = "GROUP")]
    join: Vec<IpAddr>,

    /// Join on this interface only: its name or one of its addresses [default: on all]
    #[arg(long, value_name = "INTERFACE", requires = "join")]
    multicast_interface: Option<String>,

    #[command(flatten)]
    spelling: SpellingArgs,

    /// Print one JSON object a datagram: time, from, to, len, text or base64, truncated
    #[arg(long)]
    json: bool,

    /// Write the payloads as they are, one behind the other, without anything between them
    #[arg(long, conflicts_with_all = ["json", "hex", "base64"])]
    raw: bool,

    /// The size of the kernel's receive buffer [default: as large as allowed]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    buffer: Option<usize>,

    /// Also write what arrives to a new pcapng file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Reads a network or an address.
pub(crate) fn net(text: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let parsed = text.parse().ok().or_else(alone);
    parsed.ok_or_else(|| format!("`{text}` is no network; e.g. 192.168.1.0/24"))
}

/// Listens until it is stopped, or has heard enough.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let options = SocketOptions {
        receive_buffer: args.buffer.map_or(BufferSize::Largest, BufferSize::Bytes),
        ..SocketOptions::default()
    };
    let socket = bind(args.listen, &options)?;
    join_groups(&args, &socket)?;
    let bound = socket.local_addr();
    let capture = args.write.as_ref().map(|path| {
        let shown = escape(&path.to_string_lossy().into_owned()).to_string();
        Capture::create(path).with_context(|| format!("cannot write {shown}"))
    });
    let printer = Printer {
        bound,
        form: match (args.json, args.raw) {
            (true, _) => Form::Json,
            (_, true) => Form::Raw,
            _ => Form::Lines,
        },
        spelling: Spelling::from(&args.spelling),
        capture: capture.transpose()?,
    };

    let clock = Clock::start();
    let listener = Listener::new(args.duration.map(|duration| clock.now() + duration));
    let mut driver =
        Driver::new(listener, socket).context("cannot watch the socket")?.with_clock(clock);
    let (waker, closed) = (driver.waker(), driver.waker());
    let spool = printer.start(move || closed.wake()).context("cannot start a thread")?;
    let notes = Spool::lines(io::stderr()).context("cannot start a thread")?;
    let stop = on_stop(move || waker.wake())?;
    notes.line(format!("listening on {bound}"));

    let mut around = Around {
        spool: spool.clone(),
        stop,
        from: args.from,
        left: args.count,
        heard: 0,
        passed: 0,
    };
    let outcome = driver.run(&mut around);
    let deadline = std::time::Instant::now() + LAST_WORDS;
    spool.finish(deadline);
    let dropped_here = spool.dropped() + driver.machine().lost();
    notes.line(summary(&around, &driver.stats(), dropped_here));
    notes.finish(deadline);
    outcome?;
    if let Some(kind) = spool.failure() {
        bail!("cannot write what arrives: {kind}");
    }
    let in_vain = args.duration.is_some() && around.heard == 0 && !around.stop.is_set();
    Ok(if in_vain { Status::Failed } else { Status::Done })
}

fn join_groups(args: &Args, socket: &Socket) -> anyhow::Result<()> {
    if args.join.is_empty() {
        return Ok(());
    }
    let mut interfaces = local_addresses().context("cannot list this host's addresses")?;
    if let Some(wanted) = &args.multicast_interface {
        interfaces = interfaces.only(wanted).ok_or_else(|| no_interface(wanted, &interfaces))?;
    }
    for group in &args.join {
        if !group.is_multicast() {
            return Err(UsageError(format!("--join: {group} is no multicast group")).into());
        }
        if socket.join_group(*group, &interfaces) == 0 {
            return Err(anyhow!(
                "cannot join {group}: no interface takes it, or the socket is of the other IP version"
            ));
        }
    }
    Ok(())
}

/// An interface that is not there, and those that are.
pub(crate) fn no_interface(wanted: &str, interfaces: &Interfaces) -> UsageError {
    let mut names: Vec<&str> = interfaces.iter().map(|local| local.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let wanted = escape(wanted);
    UsageError(format!("there is no interface {wanted}; there are {}", names.join(", ")))
}

/// How arrivals are printed.
#[derive(Clone, Copy)]
enum Form {
    Lines,
    Json,
    Raw,
}

/// Prints arrivals, in a thread of its own: parsing and printing never hold up receiving.
struct Printer {
    bound: SocketAddr,
    form: Form,
    spelling: Spelling,
    capture: Option<Capture>,
}

impl Printer {
    fn start(mut self, closed: impl FnOnce() + Send + 'static) -> io::Result<Spool<Arrival>> {
        let render = move |arrivals: &mut dyn Iterator<Item = Arrival>, out: &mut dyn Write| {
            let mut text = Vec::new();
            for arrival in arrivals {
                self.render(&arrival, &mut text);
                if let Some(capture) = &mut self.capture {
                    let time = wall::since_epoch(arrival.wall);
                    let to = local_of(arrival.local, arrival.from, self.bound);
                    capture.write(time, arrival.from, to, &arrival.payload, arrival.length)?;
                }
            }
            if let Some(capture) = &mut self.capture {
                capture.flush()?;
            }
            out.write_all(&text)
        };
        Spool::new(io::stdout(), render, closed)
    }

    fn render(&mut self, arrival: &Arrival, text: &mut Vec<u8>) {
        match self.form {
            Form::Raw => return text.extend_from_slice(&arrival.payload),
            Form::Lines => text.extend_from_slice(self.line(arrival).as_bytes()),
            Form::Json => text.extend_from_slice(self.json(arrival).as_bytes()),
        }
        text.push(b'\n');
    }

    /// `[2026-11-20 21:04:05.123] 127.0.0.1:5000 5 bytes: hello`
    fn line(&mut self, arrival: &Arrival) -> String {
        let time = wall::date_and_millis(&wall::local(arrival.wall));
        let (from, length) = (arrival.from, arrival.length);
        let unit = if length == 1 { "byte" } else { "bytes" };
        let truncated = if length > arrival.payload.len() { ", truncated" } else { "" };
        format!(
            "[{time}] {from} {length} {unit}{truncated}: {}",
            self.spelling.show(&arrival.payload)
        )
    }

    fn json(&mut self, arrival: &Arrival) -> String {
        let text = self.spelling.json_text(&arrival.payload);
        json::datagram(json::Datagram {
            time: &wall::local(arrival.wall),
            from: arrival.from,
            to: local_of(arrival.local, arrival.from, self.bound),
            payload: &arrival.payload,
            length: arrival.length,
            text,
            name: None,
        })
    }
}

/// The kernel's drops apart from our own: the first ask for a larger buffer, the second for a
/// faster reader.
fn summary(around: &Around, stats: &Stats, dropped_here: u64) -> String {
    let s = if around.heard == 1 { "" } else { "s" };
    let mut line = format!("{} datagram{s}", around.heard);
    if around.passed > 0 {
        line += &format!(", {} from elsewhere not shown", around.passed);
    }
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
    /// Networks that are shown; none is all.
    from: Vec<IpNet>,
    left: Option<u64>,
    heard: u64,
    passed: u64,
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
                let shown = |net: &IpNet| net.contains(&arrival.from.ip());
                if !self.from.is_empty() && !self.from.iter().any(shown) {
                    self.passed += 1;
                    return ControlFlow::Continue(());
                }
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
