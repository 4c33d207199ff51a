//! `pigeon listen`: prints every datagram of every peer, and answers if asked to.

mod answering;
mod printer;

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ipnet::IpNet;
use pigeon_client::{Arrivals, Heard, Listener};
use pigeon_datagram::{Instant, max_payload};
use pigeon_net::{
    BufferSize, Clock, Driver, Host, Io, Socket, SocketOptions, Stats, local_addresses,
};
use pigeon_services::{Config, Ignored, Kind, Service};
use pigeon_text::escape;

use answering::{Answering, Told};
use printer::{Form, Printer};

use crate::base::bind::bind;
use crate::base::count::{count, count_of};
use crate::base::endpoint::{Family, ListenAddress, ListenHost};
use crate::base::multicast::{group, no_interface};
use crate::base::networks::{Nets, net, source_rules};
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity::{self, PerSecond};
use crate::base::services::{self, wall};
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::output::{Spool, create_capture};

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
  pigeon listen 5000 --write lab.pcapng         keep what arrives for Wireshark
  pigeon listen 5000 --reply OK                 answer each datagram")]
pub(crate) struct Args {
    /// Where to listen: [ADDR:]PORT; port 0 lets the system choose
    #[arg(value_name = "[ADDR:]PORT")]
    listen: ListenAddress,

    /// Stop after so many datagrams
    #[arg(long, value_name = "N", value_parser = quantity::whole(1_u64..))]
    count: Option<u64>,

    /// Stop after so long; exit 1 if nothing came
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::interval)]
    duration: Option<Duration>,

    /// Show only what comes from this network or address; may be given several times
    #[arg(long, value_name = "NET", value_parser = net)]
    from: Vec<IpNet>,

    /// Join a multicast group; may be given several times
    #[arg(long, value_name = "GROUP", value_parser = group)]
    join: Vec<IpAddr>,

    /// Join on this interface only: its name or one of its addresses [default: on all]
    #[arg(long, value_name = "INTERFACE", requires = "join")]
    multicast_interface: Option<String>,

    /// Answer every datagram that is shown with this text
    #[arg(long, value_name = "TEXT")]
    reply: Option<String>,

    /// Replies a second to one source [default: 1k/s]
    #[arg(long, value_name = "N/s", requires = "reply", value_parser = quantity::per_second)]
    per_source: Option<PerSecond>,

    /// Networks beyond which a reply never exceeds its request
    #[arg(long, value_name = "NETS", requires = "reply", default_value_t = Nets::default())]
    open: Nets,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

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

/// Listens until it is stopped, or has heard enough.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let options = SocketOptions {
        receive_buffer: args.buffer.map_or(BufferSize::Largest, BufferSize::Bytes),
        ..SocketOptions::default()
    };
    let format = PayloadFormat::from(&args.payload);
    let reply = args.reply.as_ref().map(|text| format.read(text.as_bytes())).transpose()?;
    let socket = bind(args.family.listen(args.listen)?, &options)?;
    join_groups(&args, &socket)?;
    let bound = socket.local_addr();
    let capture = args.write.as_ref().map(|path| {
        let shown = escape(&path.to_string_lossy().into_owned()).to_string();
        create_capture(path).with_context(|| UsageError(format!("cannot write {shown}")))
    });
    let form = match (args.json, args.raw) {
        (true, _) => Form::Json,
        (_, true) => Form::Raw,
        _ => Form::Lines,
    };
    let printer = Printer::new(bound, form, format, capture.transpose()?);

    let clock = Clock::start();
    let listener = Listener::new(args.duration.map(|duration| clock.now() + duration));
    let service = reply.map(|reply| service(&args, reply, &socket, clock.now())).transpose()?;
    let left = args.count.unwrap_or(u64::MAX);
    let machine = Answering { listener, service, from: args.from.clone(), left };
    let mut driver =
        Driver::new(machine, socket).context("cannot watch the socket")?.with_clock(clock);
    let (waker, closed) = (driver.waker(), driver.waker());
    let spool = printer.start(move || closed.wake())?;
    let notes = Spool::log(io::stderr())?;
    let stop = on_stop(move || waker.wake())?;
    notes.remark(format!("listening on {bound}"));

    let mut selection = Selection {
        spool: spool.clone(),
        notes: notes.clone(),
        stop,
        from: args.from,
        left: args.count,
        heard: 0,
        passed: 0,
    };
    let outcome = driver.run(&mut selection);
    let deadline = std::time::Instant::now() + LAST_WORDS;
    spool.finish(deadline);
    let dropped_here = spool.dropped() + driver.machine().listener.lost();
    let stats = driver.stats();
    notes.remark(summary(&selection, driver.machine(), &stats, dropped_here));
    notes.finish(deadline);
    outcome?;
    if let Some(kind) = spool.failure() {
        bail!("cannot write what arrives: {kind}");
    }
    let in_vain = args.duration.is_some() && selection.heard == 0 && !selection.stop.is_set();
    Ok(if in_vain { Status::Failed } else { Status::Done })
}

/// The service that answers in the listener's name.
fn service(args: &Args, reply: Vec<u8>, socket: &Socket, now: Instant) -> anyhow::Result<Service> {
    let most = max_payload(socket.local_addr());
    if reply.len() > most {
        let length = reply.len();
        let error = format!("--reply: {length} bytes, and a datagram carries at most {most}");
        return Err(UsageError(error).into());
    }
    let interfaces = local_addresses().context("cannot list this host's addresses")?;
    let sources = source_rules(&args.open, [socket.local_addr()], &interfaces);
    let config = services::config(sources, args.per_source)?;
    Ok(Service::new(Kind::Fixed, Config { reply, ..config }, wall(now)))
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
        args.family.check(*group)?;
        if let ListenHost::Ip(ip) = args.listen.host
            && ip.is_ipv4() != group.is_ipv4()
        {
            let error = format!("--join {group} and {ip} are not of one IP version");
            return Err(UsageError(error).into());
        }
        if socket.join_group(*group, &interfaces) == 0 {
            return Err(anyhow!(
                "cannot join {group}: no interface takes it, or the socket is of the other IP version"
            ));
        }
    }
    Ok(())
}

/// The kernel's drops apart from our own: the first ask for a larger buffer, the second for a
/// faster reader.
fn summary(selection: &Selection, machine: &Answering, stats: &Stats, dropped_here: u64) -> String {
    let mut line = count(selection.heard, "datagram").to_string();
    if selection.passed > 0 {
        line += &format!(", {} from elsewhere not shown", selection.passed);
    }
    if let Some(service) = &machine.service {
        let answered = service.snapshot();
        line += &format!(", {}", count_of(answered.replies, "reply", "replies"));
        for reason in Ignored::ALL.into_iter().filter(|&reason| answered.ignored(reason) > 0) {
            let count = answered.ignored(reason);
            line += &format!(", {count} not answered ({})", reason.describe());
        }
    }
    if stats.kernel_drops > 0 {
        line += &format!(", {} dropped by the kernel (receive buffer full)", stats.kernel_drops);
    }
    if dropped_here > 0 {
        line += &format!(", {dropped_here} dropped here (output too slow)");
    }
    line
}

/// Selects the datagrams to print, counts them, and stops the loop when there were enough.
struct Selection {
    spool: Spool<Arrivals>,
    notes: Spool<Vec<u8>>,
    stop: Stop,
    /// Networks that are shown; none is all.
    from: Vec<IpNet>,
    left: Option<u64>,
    heard: u64,
    passed: u64,
}

impl Host<Answering> for Selection {
    fn woken(&mut self, _: &mut Answering, _: &mut Io<'_>) -> ControlFlow<()> {
        match self.stop.is_set() || self.spool.closed().is_some() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, _: &mut Answering, _: &mut Io<'_>, event: Told) -> ControlFlow<()> {
        let heard = match event {
            Told::Heard(heard) => heard,
            Told::Answered(event) => {
                if let Some(line) = services::warning(&event) {
                    self.notes.remark(line);
                }
                return ControlFlow::Continue(());
            }
        };
        match heard {
            Heard::Arrivals(mut arrivals) => {
                let came = arrivals.len();
                if !self.from.is_empty() {
                    arrivals
                        .retain_from(|from| self.from.iter().any(|net| net.contains(&from.ip())));
                }
                self.passed += (came - arrivals.len()) as u64;
                if let Some(left) = &mut self.left {
                    arrivals.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= arrivals.len() as u64;
                }
                let count = arrivals.len();
                self.heard += count as u64;
                if count > 0 {
                    let bytes = arrivals.memory();
                    self.spool.push_many(arrivals, bytes, count);
                }
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
