//! `pigeon listen`: prints every datagram of every peer, and can answer.

mod answering;
#[cfg(feature = "quic")]
mod follow;
#[cfg(not(feature = "quic"))]
#[path = "follow_absent.rs"]
mod follow;
mod printer;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ipnet::IpNet;
use pigeon_client::{Arrivals, Heard, Listener};
use pigeon_datagram::{Instant, SocketId, max_payload};
use pigeon_net::{
    BufferSize, Clock, Driver, Host, Io, OpenError, Socket, SocketOptions, Stats, local_addresses,
};
use pigeon_proto::Seen;
use pigeon_services::{Config, Ignored, Kind, Service};

use answering::{Answering, Event};
use printer::{Form, Printer};

use crate::base::bind::{explain, try_bind};
use crate::base::cause::Cause;
use crate::base::cause::drop_reason;
use crate::base::endpoint::{Family, ListenAddress, ListenHost};
use crate::base::groups::{GroupSockets, Note, Wanted, interface_of};
use crate::base::hub_target::{HubTarget, MemberArgs, WITH_HUB};
use crate::base::multicast::{Group, group, no_interface};
use crate::base::networks::{Nets, net, source_rules};
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity::{self, PerSecond};
use crate::base::services::{self, wall};
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::output::file::is_stdout;
use crate::output::{Capture, Spool};
use crate::words::{self, say};

/// Time limit for writing output after the loop has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Print every datagram that arrives: time, sender, length, text
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon listen 9999  # on every address, IPv4 and IPv6
  pigeon listen 127.0.0.1:9999 --json  # one object per line, for scripts
  pigeon listen 9999 --count 1  # wait for one datagram
  pigeon listen 5000 --join 239.1.2.3  # a multicast group, on every interface
  pigeon listen 239.1.2.3:5000  # the same
  pigeon listen 5353 --join 224.0.0.251 --share  # beside another listener, e.g. avahi
  pigeon listen 8080 --encoding gb2312 --from 192.168.1.0/24
  pigeon listen 5000 --write lab.pcapng  # capture for Wireshark
  pigeon listen 5000 --write - | tshark -r -  # pass on while it arrives
  pigeon listen 5000 --hexdump  # offset, hexadecimal and text, like xxd
  pigeon listen 5000 --reply OK  # answer each datagram
  pigeon listen hub:192.168.1.20 --json  # a hub's room: every message once, from where it left off

Groups are joined on every interface, including one that comes up later; with ADDR, only on the interface with that address. A link-local group may name its interface: --join ff02::fb%eth0. With ADDR,
broadcasts are not received, as they are sent to the network's address.

Exit status:
  0  stopped, or heard --count datagrams
  1  nothing arrived within --for, or the port is in use")]
pub(crate) struct Args {
    /// Where to listen: a port alone means every address, port 0 lets the system choose;
    /// hub:HOST[:PORT] follows a room of a hub
    #[arg(value_name = "[ADDR:]PORT|hub:HOST", value_parser = source)]
    listen: Source,

    /// Begin after this message, named by its `at` in the JSON [default: the last one printed]
    #[arg(long, value_name = "AT", value_parser = follow::seen, help_heading = WITH_HUB)]
    after: Option<Seen>,

    /// How many earlier messages to print first when the room was never followed before
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = quantity::whole(0_u64..=1_000), help_heading = WITH_HUB)]
    last: u64,

    #[command(flatten)]
    member: MemberArgs,

    /// Stop after this many datagrams
    #[arg(short, long, value_name = "N", value_parser = quantity::whole(1_u64..))]
    count: Option<u64>,

    /// Stop after this long; exit 1 if nothing arrived
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::interval)]
    duration: Option<Duration>,

    /// Show only datagrams from this network or address; may be repeated
    #[arg(long, value_name = "NET", value_parser = net)]
    from: Vec<IpNet>,

    /// Join a multicast group; may be repeated
    #[arg(long, value_name = "GROUP", value_parser = group)]
    join: Vec<Group>,

    /// Join groups on this interface only: its name or one of its addresses [default: all]
    #[arg(long, value_name = "INTERFACE")]
    multicast_interface: Option<String>,

    /// Share the port with another program that allows it: receive multicast and broadcast only, as
    /// the kernel delivers unicast to one program
    #[arg(long, conflicts_with = "reply")]
    share: bool,

    /// Answer every datagram shown with this text
    #[arg(long, value_name = "TEXT")]
    reply: Option<String>,

    /// Maximum replies per second to one source [default: 1k/s]
    #[arg(long, value_name = "N/s", requires = "reply", value_parser = quantity::per_second)]
    per_source: Option<PerSecond>,

    /// Networks that may get a reply longer than their request [default: this machine and private
    /// networks]
    #[arg(long, value_name = "NETS", requires = "reply", default_value_t = Nets::default(), hide_default_value = true)]
    open: Nets,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

    /// Print one JSON object per datagram: time, from, to, len, text or base64, truncated
    #[arg(long)]
    json: bool,

    /// Write the payloads as they are, with nothing between them
    #[arg(long, conflicts_with_all = ["json", "hex", "base64"])]
    raw: bool,

    /// Print the bytes of each datagram: offset, hexadecimal, text
    #[arg(long, conflicts_with_all = ["json", "raw", "hex", "base64"])]
    hexdump: bool,

    /// Size of the kernel's receive buffer [default: as large as allowed]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    buffer: Option<usize>,

    /// Also write the datagrams to a new pcapng file; with - (stdout), print nothing else
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// For fingers used to `nc -klu`: this is what is done anyway
    #[arg(short = 'l', short_alias = 'k', hide = true, action = clap::ArgAction::Count)]
    _keep_listening: u8,
}

/// The source of datagrams or messages.
#[derive(Clone, Debug)]
enum Source {
    Address(ListenAddress),
    Hub(HubTarget),
}

fn source(text: &str) -> Result<Source, String> {
    match HubTarget::parse(text)? {
        Some(hub) => Ok(Source::Hub(hub)),
        None => text.parse().map(Source::Address),
    }
}

/// Listens until it is stopped or has received enough.
pub(crate) fn run(mut args: Args) -> anyhow::Result<Status> {
    let mut listen = match &args.listen {
        Source::Address(_) if args.member.are_given() || args.after.is_some() => {
            return Err(UsageError(say!("tools-stored-needs-hub")).into());
        }
        Source::Address(address) => *address,
        Source::Hub(hub) => {
            let following = follow::Following {
                json: args.json,
                count: args.count,
                duration: args.duration,
                after: args.after,
                last: args.last,
            };
            return follow::run(hub, &args.member, args.family, &following);
        }
    };
    join_address(&mut args, &mut listen);
    let options = SocketOptions {
        receive_buffer: args.buffer.map_or(BufferSize::Largest, BufferSize::Bytes),
        refusals: args.reply.is_some(),
        ..SocketOptions::default()
    };
    let format = PayloadFormat::from(&args.payload);
    let reply = args.reply.as_ref().map(|text| format.read(text.as_bytes())).transpose()?;
    let clock = Clock::start();
    let Sockets { sockets, bound, groups, notes: joined } =
        open(&args, listen, &options, clock.now())?;
    let capture = args.write.as_deref().map(Capture::create).transpose()?;
    let losses = capture.as_ref().map(Capture::losses);
    let capture_to_stdout = args.write.as_deref().is_some_and(is_stdout);
    if capture_to_stdout && (args.json || args.raw || args.hexdump) {
        return Err(UsageError(say!("tools-listen-stdout-taken")).into());
    }
    let form = match (args.json, args.raw, args.hexdump) {
        _ if capture_to_stdout => Form::Nothing,
        (true, ..) => Form::Json,
        (_, true, _) => Form::Raw,
        (.., true) => Form::Hexdump,
        _ => Form::Lines,
    };
    let notes = Spool::log(io::stderr())?;
    let capture = capture.map(|capture| capture.reporting_to(notes.clone()));
    let printer = Printer::new(bound, form, format, capture);

    let listener = Listener::new(args.duration.map(|duration| clock.now() + duration));
    let service = reply.map(|reply| service(&args, reply, bound, clock.now())).transpose()?;
    let left = args.count.unwrap_or(u64::MAX);
    let machine = Answering::new(listener, service, args.from.clone(), left);
    let mut driver = Driver::over(machine, sockets)
        .with_context(|| say!("errors-watch-socket"))?
        .with_clock(clock);
    let (waker, closed) = (driver.waker(), driver.waker());
    let spool = printer.start(move || closed.wake())?;
    let stop = on_stop(move || waker.wake())?;
    joined.into_iter().for_each(|note| tell(&notes, note));

    let mut selection = Selection {
        spool: spool.clone(),
        notes: notes.clone(),
        stop,
        groups,
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
        bail!(say!("tools-listen-cannot-write", error = &kind));
    }
    losses.map_or(Ok(()), |losses| losses.check())?;
    let in_vain = args.duration.is_some() && selection.heard == 0 && !selection.stop.is_set();
    Ok(if in_vain { Status::Failed } else { Status::Done })
}

/// Treats a group as the address as a group to join: binding to it does not join it.
fn join_address(args: &mut Args, listen: &mut ListenAddress) {
    if let Some(address) = listen.address().filter(|address| address.ip().is_multicast()) {
        let interface = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id().to_string()),
            _ => None,
        };
        args.join.push(Group { address: address.ip(), interface });
        listen.host = ListenHost::Unsaid;
    }
}

/// The service that sends the listener's replies.
fn service(
    args: &Args,
    reply: Vec<u8>,
    bound: SocketAddr,
    now: Instant,
) -> anyhow::Result<Service> {
    let most = max_payload(bound);
    if reply.len() > most {
        let length = reply.len();
        let error = say!("tools-listen-reply-too-long", length = &length, most = &most);
        return Err(UsageError(error).into());
    }
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let sources = source_rules(&args.open, [bound], &interfaces);
    let config = services::config(sources, args.per_source)?;
    Ok(Service::new(Kind::Fixed, Config { reply, ..config }, wall(now)))
}

/// The sockets of a listener.
struct Sockets {
    sockets: Vec<Socket>,
    /// The listening address, besides groups.
    bound: SocketAddr,
    groups: Option<GroupSockets>,
    /// Notes to report about it.
    notes: Vec<Note>,
}

fn open(
    args: &Args,
    listen: ListenAddress,
    options: &SocketOptions,
    now: Instant,
) -> anyhow::Result<Sockets> {
    check_groups(args, listen)?;
    let listen = args.family.listen(listen)?;
    let mut sockets = Vec::new();
    let bound = match args.share {
        true => listen.address().unwrap_or((Ipv6Addr::UNSPECIFIED, listen.port).into()),
        false => {
            let socket = try_bind(listen, options).map_err(|error| unless_shared(args, error))?;
            let bound = socket.local_addr();
            sockets.push(socket);
            bound
        }
    };
    if args.join.is_empty() && !args.share {
        let notes = vec![Note::Joined(say!("tools-listening", address = &bound))];
        return Ok(Sockets { sockets, bound, groups: None, notes });
    }
    let wanted = Wanted {
        groups: args.join.clone(),
        broadcasts: args.share && args.family.has(Ipv4Addr::BROADCAST.into()),
        // One listening address selects its network.
        interface: args.multicast_interface.clone().or_else(|| interface_of(bound)),
        port: bound.port(),
        options: SocketOptions { share: args.share, ..options.clone() },
        everywhere: (bound.ip().is_unspecified() && !args.share).then_some(SocketId::FIRST),
    };
    let (groups, joined, failure) = GroupSockets::open(wanted, now, &mut sockets);
    if let Some(error) = failure {
        return Err(match args.share && error.source.kind() == io::ErrorKind::AddrInUse {
            true => {
                let error = system_error::chain(&explain(error));
                anyhow!(say!("tools-listen-not-shared", error = error))
            }
            false => explain(error),
        });
    }
    let addresses: Vec<String> =
        sockets.iter().map(|socket| socket.local_addr().to_string()).collect();
    let address = addresses.join(", ");
    let listening = match args.share {
        true => say!("tools-listening-beside", address = address),
        false => say!("tools-listening", address = address),
    };
    let mut notes = vec![Note::Joined(listening)];
    notes.extend(joined);
    Ok(Sockets { sockets, bound, groups: Some(groups), notes })
}

/// Prints a note; `--quiet` hides it unless it is a problem.
fn tell(notes: &Spool<Vec<u8>>, note: Note) {
    match note {
        Note::Joined(note) => notes.remark(note),
        Note::Trouble(trouble) => notes.line(trouble),
    };
}

/// Rejects groups and interfaces that do not exist or do not match.
fn check_groups(args: &Args, listen: ListenAddress) -> anyhow::Result<()> {
    if args.share && listen.port == 0 {
        return Err(UsageError(say!("tools-listen-share-port")).into());
    }
    if args.join.is_empty() {
        return match args.multicast_interface {
            Some(_) => Err(UsageError(say!("tools-listen-interface-group")).into()),
            None => Ok(()),
        };
    }
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    if let Some(wanted) = &args.multicast_interface {
        interfaces.only(wanted).ok_or_else(|| no_interface(wanted, &interfaces))?;
    }
    for group in &args.join {
        args.family.check(group.address)?;
        group.select(&interfaces)?;
        if let Some(own) = listen.address()
            && own.is_ipv4() != group.address.is_ipv4()
        {
            let error = say!("tools-listen-join-family", group = group, ip = &own.ip());
            return Err(UsageError(error).into());
        }
    }
    Ok(())
}

/// The error for a port in use, with a hint on receiving groups anyway.
fn unless_shared(args: &Args, error: OpenError) -> anyhow::Error {
    match error.source.kind() == io::ErrorKind::AddrInUse && !args.join.is_empty() {
        true => {
            let error = system_error::chain(&explain(error));
            anyhow!(say!("tools-listen-or-share", error = error))
        }
        false => explain(error),
    }
}

/// The kernel's drops are separate from our own: the first call for a larger buffer, the second for
/// a faster reader.
fn summary(selection: &Selection, machine: &Answering, stats: &Stats, dropped_here: u64) -> String {
    let mut parts = vec![say!("tools-datagrams", count = selection.heard)];
    if selection.passed > 0 {
        parts.push(say!("tools-listen-elsewhere", count = selection.passed));
    }
    if let Some(service) = &machine.service {
        let answered = service.snapshot();
        let sent = answered.replies.saturating_sub(machine.unsent());
        parts.push(say!("tools-replies", count = sent));
        match (machine.unsent(), stats.sent.last_failure) {
            (0, _) => {}
            (unsent, None) => parts.push(say!("tools-replies-unsent", count = unsent)),
            (unsent, Some(failure)) => {
                let why = drop_reason(failure.reason);
                parts.push(say!("tools-replies-unsent-why", count = unsent, why = why));
            }
        }
        if machine.undelivered() > 0 {
            parts.push(say!("tools-replies-undeliverable", count = machine.undelivered()));
        }
        for reason in Ignored::ALL.into_iter().filter(|&reason| answered.ignored(reason) > 0) {
            let (count, why) = (answered.ignored(reason), services::reason(reason));
            parts.push(say!("tools-not-answered", count = count, why = why));
        }
    }
    if stats.kernel_drops > 0 {
        parts.push(say!("tools-kernel-drops", count = stats.kernel_drops));
    }
    if dropped_here > 0 {
        parts.push(say!("tools-output-drops", count = dropped_here));
    }
    parts.join(words::between_items())
}

/// Selects and counts datagrams to print, and stops the loop after enough.
struct Selection {
    spool: Spool<Arrivals>,
    notes: Spool<Vec<u8>>,
    stop: Stop,
    groups: Option<GroupSockets>,
    /// Networks that are shown; empty: all.
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

    fn deadline(&self) -> Option<Instant> {
        self.groups.as_ref().map(GroupSockets::deadline)
    }

    fn tick(&mut self, _: &mut Answering, io: &mut Io<'_>) -> ControlFlow<()> {
        if let Some(groups) = &mut self.groups {
            let told = groups.tick(io.now, io.sockets);
            told.into_iter().for_each(|note| tell(&self.notes, note));
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: &mut Answering, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        let heard = match event {
            Event::Heard(heard) => heard,
            Event::Unsent => {
                if let Some(failure) = io.stats().sent.last_failure {
                    let (to, cause) = (failure.to, Cause::from(failure).said());
                    self.notes.line(say!("tools-cannot-reply", to = &to, cause = cause));
                }
                return ControlFlow::Continue(());
            }
            Event::Undelivered => {
                if let Some(error) = io.stats().received.last_error {
                    let cause = Cause::from(error).said();
                    self.notes.line(match error.to {
                        Some(to) => say!("tools-reply-lost-to", to = &to, cause = cause),
                        None => say!("tools-reply-lost", cause = cause),
                    });
                }
                return ControlFlow::Continue(());
            }
            Event::Answered(event) => {
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
            Heard::Refused | Heard::Undelivered { .. } | Heard::Unsent(_) | Heard::Room => {}
        }
        ControlFlow::Continue(())
    }
}
