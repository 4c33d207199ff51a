//! `pigeon discover`: finds hubs and other programs. Sends a request on every interface and prints
//! the answers.
//!
//! Each address of each interface has its own socket, bound to it, and its own thread. So a request
//! leaves through every interface:
//!
//! - 255.255.255.255 and IPv4 groups: Linux sends them through the interface of the socket's
//!   address; from an unbound socket they leave through the default route only.
//! - The directed broadcast address of a network is routed like its other addresses. It covers
//!   systems that send 255.255.255.255 through one interface regardless of the source.
//! - IPv6 has no broadcast; the scope of a group's address selects the interface.
//!
//! `SO_BINDTODEVICE` would send the same way, but a socket bound to a device does not receive
//! answers from this host, which arrive over loopback. A hub may run here.

#[cfg(feature = "ipmsg")]
mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "discover/ipmsg_absent.rs"]
mod ipmsg;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pigeon_client::{Discover, Discovered, HubAnswer, Question, Search};
use pigeon_datagram::MAX_PAYLOAD_V4;
use pigeon_net::{
    Clock, Driver, Host, Interfaces, Io, IoPath, LocalAddress, Socket, SocketOptions, Stats,
    local_addresses,
};
use pigeon_proto::{Format, Name};
use pigeon_text::escape;
use serde_json::Value;

use crate::base::bind::explain;
use crate::base::cause::Cause;
use crate::base::endpoint::{ListenAddress, peer_port};
use crate::base::length::check_length;
use crate::base::multicast::{Group, group};
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity;
use crate::base::random;
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::base::thread;
use crate::output::{json, remark};
use crate::words::{self, key, say};

/// The default port of hubs, and of the groups that they join.
const HUB_PORT: u16 = 9999;
const HUB_GROUPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(239, 255, 99, 99)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x9999)),
];

/// The group of all IPv6 hosts of a link, as IPv6 has no broadcast.
const ALL_NODES: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));

/// Maximum delay of answers in some protocols, which spread them: CoAP 5 s (RFC 7252 section 8.2),
/// SSDP as the request says.
const LATEST_ANSWERS: Duration = Duration::from_secs(6);

/// When to check whether the first request was sent.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// Answers within this time count as arriving together.
const AT_ONCE: Duration = Duration::from_millis(20);

/// Find hubs, or whatever answers on a port, on every network of this host
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon discover  # hubs on the networks of this host
  pigeon discover 7000 'who is there?'  # whatever answers that on port 7000
  pigeon discover 5000 --for 3s --group 239.1.2.3
  pigeon discover --ipmsg  # users of IP Messenger, FeiQ and iptux
  pigeon discover 5000 --source 192.168.1.5:5000
  pigeon discover 520 --source 520 --group 224.0.0.9 --hex 010200000000000000000000000000000000000000000010  # RIP routers and their routes
  pigeon discover --json  # one object per peer, for scripts

Asks by limited and directed broadcast on every interface, and by multicast: hubs in 239.255.99.99
and ff02::9999, others in ff02::1. Asks three times within --for, and prints each address that
answers once, with its round-trip time. A hub waits up to 0.2 s before it answers; its round-trip
time includes that.

Exit status:
  0  somebody answered
  1  nobody answered")]
pub(crate) struct Args {
    /// Port to ask [default: 9999, and hubs only]
    #[arg(value_name = "PORT", value_parser = peer_port)]
    port: Option<u16>,

    /// Text to send; words are joined by spaces, none is an empty datagram
    #[arg(value_name = "TEXT", requires = "port")]
    text: Vec<String>,

    /// How long to wait for answers
    #[arg(long = "for", value_name = "DURATION", default_value = "1s", value_parser = quantity::interval)]
    duration: Duration,

    /// Ask this multicast group only, without broadcasts; may be repeated
    #[arg(long, value_name = "GROUP", value_parser = group)]
    group: Vec<Group>,

    /// Port to ask from, which some protocols require (RIP: 520), or address to ask from
    /// [default: every address, a port the system chooses]
    #[arg(long, value_name = "PORT|ADDR[:PORT]", value_parser = source)]
    source: Option<ListenAddress>,

    /// Interpret escapes in TEXT: \n, \r, \t, \0, \\, \xNN for a byte, \u{N} for a character
    #[arg(long, conflicts_with_all = ["hex", "base64"])]
    escapes: bool,

    /// List users of IP Messenger, FeiQ and iptux, with host, program and encoding; waits at least 3s
    #[arg(long, conflicts_with_all = ["port", "group"])]
    ipmsg: bool,

    #[command(flatten)]
    payload: PayloadArgs,

    /// Print one JSON object per address: from, interface, rtt, rtt_exact, text or base64; for hubs
    /// also name, members, secure_port, id (one hub has one id), port, format
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    if args.ipmsg {
        return ipmsg::run(args.duration, args.json);
    }
    let mut format = PayloadFormat::from(&args.payload);
    let question = question(&args, &mut format)?;
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let groups = match (&args.group, args.port) {
        (groups, _) if !groups.is_empty() => groups.clone(),
        (_, None) => HUB_GROUPS.map(Group::from).into(),
        (_, Some(_)) => vec![ALL_NODES.into()],
    };
    for group in &groups {
        group.select(&interfaces)?;
    }
    // A device that receives both would answer only the broadcast and ignore the group request
    // (CoAP).
    let broadcasts = args.group.is_empty();
    let mut places = places(&interfaces, args.port.unwrap_or(HUB_PORT), &groups, broadcasts);
    if let Some(source) = args.source {
        ask_from(source, &mut places)?;
    }

    let (news, arriving) = channel();
    for (index, place) in places.iter_mut().enumerate() {
        let searching = place.search(index, &question, args.duration, &news);
        place.failure = searching.err().map(|error| system_error::chain(&error));
    }
    // Only the searches hold senders now: the channel closes when the last one ends.
    drop(news);
    let (seen, hubs) = (HashSet::new(), BTreeMap::new());
    let mut printer = Printer { format, json: args.json, seen, hubs };
    printer.print_all(&arriving, &mut places)?;

    let time = quantity::roughly(args.duration);
    match printer.seen.len() {
        0 => Err(anyhow!(explanation(&args, &time, &places))),
        answered => {
            printer.several_addresses().for_each(remark);
            remark(say!("tools-discover-answered", count = answered, time = time));
            for place in places.iter().filter(|place| place.failure.is_some() && !place.is_told) {
                // Ignored if stderr is closed.
                let _ = writeln!(io::stderr(), "{}", not_everybody(place));
            }
            Ok(Status::Done)
        }
    }
}

/// A hub that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundHub {
    pub(crate) name: Name,
    /// The hub's first listening socket, at the address that answered first; IPv4 before IPv6.
    pub(crate) address: SocketAddr,
    pub(crate) members: u64,
}

/// Searches for hubs on all interfaces. Returns each once, by name, at an address that is `wanted`.
/// Skips interfaces that cannot send.
pub(crate) fn find_hubs(
    lasts: Duration,
    wanted: impl Fn(IpAddr) -> bool,
) -> anyhow::Result<Vec<FoundHub>> {
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let question = Question::Hubs(random::u64()?);
    let (news, arriving) = channel();
    let groups = HUB_GROUPS.map(Group::from);
    for (index, place) in places(&interfaces, HUB_PORT, &groups, true).iter().enumerate() {
        let _ = place.search(index, &question, lasts, &news);
    }
    drop(news);
    let (mut ids, mut found) = (HashSet::new(), Vec::new());
    for (_, news) in iter::from_fn(|| batch(&arriving)).flatten() {
        let News::Found(Discovered { from, hub: Some(hub), .. }) = news else { continue };
        let address = door(from, &hub);
        if !wanted(address.ip()) {
            continue;
        }
        let is_new = match hub.door {
            Some(door) => ids.insert(door.id),
            None => found.iter().all(|other: &FoundHub| other.address != address),
        };
        if is_new {
            found.push(FoundHub { name: hub.name, address, members: hub.members });
        }
    }
    found.sort_by(|a, b| (a.name.as_str(), a.address).cmp(&(b.name.as_str(), b.address)));
    Ok(found)
}

fn question(args: &Args, format: &mut PayloadFormat) -> anyhow::Result<Question> {
    if args.port.is_none() {
        let secret = random::u64()?;
        return Ok(Question::Hubs(secret));
    }
    let text = args.text.join(" ");
    let payload = match args.escapes {
        true => format.read_with_escapes(text.as_bytes())?,
        false => format.read(text.as_bytes())?,
    };
    check_length(payload.len(), MAX_PAYLOAD_V4)?;
    Ok(Question::Anybody(payload.into()))
}

/// One address of one interface, with its targets.
struct Place {
    interface: String,
    local: SocketAddr,
    targets: Vec<SocketAddr>,
    options: SocketOptions,
    /// Whether broadcast was wanted but is unavailable.
    lacks_broadcast: bool,
    failure: Option<String>,
    /// Whether the failure has been reported.
    is_told: bool,
    /// Whether anything was sent.
    has_asked: bool,
}

/// The source addresses: every IPv4 address, and one IPv6 address per interface, preferably
/// link-local, because the request stays on the link. Excludes loopback.
fn places(interfaces: &Interfaces, port: u16, groups: &[Group], broadcasts: bool) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut addresses: Vec<&LocalAddress> =
        interfaces.iter().filter(|local| !local.address.is_loopback()).collect();
    // A stable sort: equal entries keep the system's order.
    addresses.sort_by(|a, b| a.interface.cmp(&b.interface).then(rank(a).cmp(&rank(b))));
    for local in addresses {
        let name = &local.interface;
        let is_here = |group: &&Group| {
            let selected = group.select(interfaces).unwrap_or_default();
            selected.iter().any(|selected| selected.index == local.index)
        };
        let groups: Vec<IpAddr> =
            groups.iter().filter(is_here).map(|group| group.address).collect();
        let place = match local.address {
            IpAddr::V4(address) => place_v4(interfaces, local, address, port, &groups, broadcasts),
            IpAddr::V6(_) if places.iter().any(|p| p.interface == *name && p.local.is_ipv6()) => {
                continue;
            }
            IpAddr::V6(address) => place_v6(interfaces, name, address, port, &groups),
        };
        places.extend(place);
    }
    places
}

/// Parses the source; an address alone leaves the port to the system.
fn source(text: &str) -> Result<ListenAddress, String> {
    match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0).to_string().parse(),
        Err(_) => text.parse(),
    }
}

/// Limits the search to one source port, and to one address if given.
fn ask_from(source: ListenAddress, places: &mut Vec<Place>) -> Result<(), UsageError> {
    if let Some(address) = source.address().filter(|address| !address.ip().is_unspecified()) {
        places.retain(|place| place.local.ip() == address.ip());
        if places.is_empty() {
            return Err(UsageError(say!("tools-discover-no-network", ip = &address.ip())));
        }
    }
    places.iter_mut().for_each(|place| place.local.set_port(source.port));
    Ok(())
}

/// IPv4 first, then link-local IPv6.
fn rank(local: &LocalAddress) -> u8 {
    match local.address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(address) if address.is_unicast_link_local() => 1,
        IpAddr::V6(_) => 2,
    }
}

fn place_v4(
    interfaces: &Interfaces,
    local: &LocalAddress,
    address: Ipv4Addr,
    port: u16,
    groups: &[IpAddr],
    broadcasts: bool,
) -> Option<Place> {
    let directed = local.broadcast.filter(|_| broadcasts);
    let everybody = directed.into_iter().flat_map(|directed| [Ipv4Addr::BROADCAST, directed]);
    let groups = groups.iter().filter(|group| group.is_ipv4()).copied();
    let targets = everybody.map(IpAddr::V4).chain(groups);
    let targets: Vec<SocketAddr> = targets.map(|target| SocketAddr::new(target, port)).collect();
    // No group of that family, so no target.
    (broadcasts || !targets.is_empty()).then(|| Place {
        interface: local.interface.clone(),
        local: (address, 0).into(),
        targets,
        options: options(interfaces.find(&address.to_string())),
        lacks_broadcast: broadcasts && local.broadcast.is_none(),
        failure: None,
        is_told: false,
        has_asked: false,
    })
}

fn place_v6(
    interfaces: &Interfaces,
    interface: &str,
    address: Ipv6Addr,
    port: u16,
    groups: &[IpAddr],
) -> Option<Place> {
    let found = interfaces.find(interface);
    let index = found.map_or(0, |(_, index)| index);
    let scoped = |address, port| SocketAddr::from(SocketAddrV6::new(address, port, 0, index));
    let targets: Vec<SocketAddr> = groups
        .iter()
        .filter_map(|group| match group {
            IpAddr::V6(group) => Some(scoped(*group, port)),
            IpAddr::V4(_) => None,
        })
        .collect();
    // No group of that family, so no target.
    (!targets.is_empty()).then(|| Place {
        interface: interface.to_string(),
        local: scoped(address, 0),
        targets,
        options: options(found),
        lacks_broadcast: false,
        failure: None,
        is_told: false,
        has_asked: false,
    })
}

fn options(multicast_interface: Option<(Option<Ipv4Addr>, u32)>) -> SocketOptions {
    SocketOptions {
        // There may be dozens of sockets; this path has the smallest buffers.
        path: IoPath::Portable,
        broadcast: true,
        multicast_interface,
        timestamps: false,
        ..SocketOptions::default()
    }
}

impl Place {
    /// Starts a search on a thread. Each result is sent to `news` with `index`, the index of this
    /// place.
    fn search(
        &self,
        index: usize,
        question: &Question,
        lasts: Duration,
        news: &Sender<(usize, News)>,
    ) -> anyhow::Result<()> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let socket = Socket::bind(self.local, &self.options).map_err(explain)?;
        let (targets, question, news) = (self.targets.clone(), question.clone(), news.clone());
        let search = move || {
            // Started here, so that round trips exclude the start of the thread.
            let clock = Clock::start();
            let discover = Discover::new(clock.now(), targets, question, lasts);
            let outcome = drive(discover, socket, clock, index, &news).unwrap_or_else(|error| {
                Outcome { failure: Some(system_error::chain(&error)), ..Outcome::default() }
            });
            // Fails only if the receiver is gone.
            let _ = news.send((index, News::Ended(outcome)));
        };
        thread::spawn("search", search)?;
        Ok(())
    }

    /// `eth0 192.168.1.5: 255.255.255.255, 192.168.1.255`, and the error, if any.
    fn tried(&self) -> String {
        let targets: Vec<String> = self.targets.iter().map(|to| to.ip().to_string()).collect();
        let mut line = format!("{} {}: ", escape(&self.interface), self.local.ip());
        line += &match targets.is_empty() {
            true => say!("tools-discover-nothing"),
            false => targets.join(", "),
        };
        if self.lacks_broadcast {
            line += " ";
            line += &say!("tools-discover-no-broadcast");
        }
        if let Some(failure) = &self.failure {
            line += words::between_parts();
            line += failure;
        }
        line
    }
}

fn not_everybody(place: &Place) -> String {
    say!("tools-discover-not-everybody", tried = place.tried())
}

fn drive(
    discover: Discover,
    socket: Socket,
    clock: Clock,
    index: usize,
    news: &Sender<(usize, News)>,
) -> anyhow::Result<Outcome> {
    let mut driver = Driver::new(discover, socket)
        .with_context(|| say!("errors-watch-socket"))?
        .with_clock(clock);
    let look_at = Some(driver.clock().now() + FIRST_LOOK);
    driver.run(&mut SearchHost { index, news, look_at })?;
    let stats = driver.stats();
    Ok(Outcome { has_asked: stats.sent.datagrams > 0, failure: unsent(&stats) })
}

fn unsent(stats: &Stats) -> Option<String> {
    let failure = stats.sent.last_failure?;
    let (unsent, sent) = (stats.sent.dropped.total(), stats.sent.datagrams);
    let (to, cause, all) = (failure.to, Cause::from(failure).said(), unsent + sent);
    Some(say!("tools-discover-unsent", unsent = unsent, all = all, to = &to, cause = cause))
}

#[derive(Default)]
struct Outcome {
    /// Whether anything was sent.
    has_asked: bool,
    failure: Option<String>,
}

/// A report of a search.
enum News {
    Found(Discovered),
    /// The first request could not be sent to every target.
    Unsent(String),
    Ended(Outcome),
}

/// The host of one search.
struct SearchHost<'a> {
    index: usize,
    news: &'a Sender<(usize, News)>,
    /// When to check the first request.
    look_at: Option<pigeon_datagram::Instant>,
}

impl Host<Discover> for SearchHost<'_> {
    fn deadline(&self) -> Option<pigeon_datagram::Instant> {
        self.look_at
    }

    fn tick(&mut self, _: &mut Discover, io: &mut Io<'_>) -> ControlFlow<()> {
        self.look_at = None;
        if let Some(failure) = unsent(&io.stats()) {
            // Fails only if the receiver is gone.
            let _ = self.news.send((self.index, News::Unsent(failure)));
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: &mut Discover, _: &mut Io<'_>, event: Search) -> ControlFlow<()> {
        match event {
            Search::Found(found) => match self.news.send((self.index, News::Found(found))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            Search::Over => ControlFlow::Break(()),
        }
    }
}

/// The next report, and the reports that arrive at about the same time. A hub answers on all of its
/// addresses at once, and IPv4 addresses, which are easier to type, come first.
fn batch(arriving: &Receiver<(usize, News)>) -> Option<Vec<(usize, News)>> {
    let mut batch = vec![arriving.recv().ok()?];
    let end = Instant::now() + AT_ONCE;
    while let Ok(next) = arriving.recv_timeout(end.saturating_duration_since(Instant::now())) {
        batch.push(next);
    }
    batch.sort_by_key(|(_, news)| matches!(news, News::Found(found) if found.from.is_ipv6()));
    Some(batch)
}

/// Prints each address once, though several searches may find it, and each hub once, though it may
/// have several addresses.
struct Printer {
    format: PayloadFormat,
    json: bool,
    seen: HashSet<SocketAddr>,
    hubs: BTreeMap<u64, OneHub>,
}

/// A hub with the addresses where it was found.
struct OneHub {
    name: Name,
    addresses: Vec<SocketAddr>,
}

impl Printer {
    fn print_all(
        &mut self,
        arriving: &Receiver<(usize, News)>,
        places: &mut [Place],
    ) -> anyhow::Result<()> {
        let batches = iter::from_fn(|| batch(arriving));
        for (index, news) in batches.flatten() {
            let Some(place) = places.get_mut(index) else { continue };
            match news {
                News::Unsent(failure) => {
                    (place.failure, place.is_told) = (Some(failure), true);
                    // Ignored if stderr is closed.
                    let _ = writeln!(io::stderr(), "{}", not_everybody(place));
                }
                News::Ended(outcome) => {
                    (place.has_asked, place.failure) = (outcome.has_asked, outcome.failure);
                }
                News::Found(found) if !self.seen.insert(found.from) => {}
                News::Found(found) => {
                    let is_new = self.is_new_hub(&found);
                    let line = match self.json {
                        true => self.json(&place.interface, &found),
                        false if is_new => self.line(&place.interface, &found),
                        false => continue,
                    };
                    match writeln!(io::stdout(), "{line}") {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                        Err(error) => {
                            return Err(anyhow!(error)).context(say!("errors-stdout"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the hub was not found at another address before.
    fn is_new_hub(&mut self, found: &Discovered) -> bool {
        let Some(hub) = &found.hub else { return true };
        let Some(door) = hub.door else { return true };
        let one = || OneHub { name: hub.name.clone(), addresses: Vec::new() };
        let one = self.hubs.entry(door.id).or_insert_with(one);
        one.addresses.push(found.from);
        one.addresses.len() == 1
    }

    /// `library is one hub at 192.168.1.5:9999 and 10.0.0.5:9999`, for each hub with several
    /// addresses.
    fn several_addresses(&self) -> impl Iterator<Item = String> {
        let several = self.hubs.values().filter(|hub| hub.addresses.len() > 1);
        several.map(|hub| {
            let addresses: Vec<String> = hub.addresses.iter().map(SocketAddr::to_string).collect();
            say!("tools-discover-one-hub", name = &hub.name, addresses = addresses.join(", "))
        })
    }

    /// `192.168.1.5:9999 on eth0, 12.3 ms: library, 3 members; pigeon join 192.168.1.5:9999`
    fn line(&mut self, interface: &str, found: &Discovered) -> String {
        let millis = format!("{:.1}", found.round_trip.as_secs_f64() * 1000.0);
        let says = match &found.hub {
            Some(hub) => describe(found.from, hub),
            None => self.format.show(&found.payload).to_string(),
        };
        let key = match found.exact {
            true => key!("tools-discover-found"),
            false => key!("tools-discover-found-at-most"),
        };
        let (from, interface) = (found.from, escape(interface));
        say!(key, from = &from, interface = &interface, millis = millis, says = says)
    }

    /// | field | |
    /// | --- | --- |
    /// | `from` | sender of the answer, `IP:PORT` |
    /// | `interface` | the interface |
    /// | `rtt` | seconds from the request to the answer |
    /// | `rtt_exact` | whether `rtt` is exact; else it is an upper bound |
    /// | `text` | the answer, if it is text; else |
    /// | `base64` | its bytes |
    /// | `name`, `members`, `secure_port` | the hub's data; port 0: none |
    /// | `id` | the hub's id, if sent: objects with equal ids are one hub |
    /// | `port`, `format` | of the hub's first listening socket, if sent: `pigeon join` connects there |
    fn json(&mut self, interface: &str, found: &Discovered) -> String {
        let mut fields: Vec<(&str, Value)> = vec![
            ("from", found.from.to_string().into()),
            ("interface", interface.into()),
            ("rtt", found.round_trip.as_secs_f64().into()),
            ("rtt_exact", found.exact.into()),
            match self.format.json_text(&found.payload) {
                Some(text) => ("text", text.into()),
                None => ("base64", STANDARD.encode(&found.payload).into()),
            },
        ];
        if let Some(hub) = &found.hub {
            fields.push(("name", hub.name.as_str().into()));
            fields.push(("members", hub.members.into()));
            fields.push(("secure_port", hub.secure_port.unwrap_or(0).into()));
            if let Some(door) = hub.door {
                fields.push(("id", format!("{:016x}", door.id).into()));
                fields.push(("port", door.port.into()));
                fields.push(("format", door.format.word().into()));
            }
        }
        json::counts(&fields)
    }
}

/// `library, 3 members; pigeon join 192.168.1.5:9998`
fn describe(from: SocketAddr, hub: &HubAnswer) -> String {
    let mut items = vec![hub.name.to_string(), say!("tools-members", count = hub.members)];
    items.extend(hub.secure_port.map(|port| say!("tools-discover-quic", port = &port)));
    let format = hub.door.map(|door| door.format).filter(|format| *format != Format::Chat);
    items.extend(format.map(|format| format.to_string()));
    let what = items.join(words::between_items());
    say!("tools-discover-hub", what = what, door = &door(from, hub))
}

/// The address of a hub's first listening socket. Older hubs answer from it and do not name it.
fn door(from: SocketAddr, hub: &HubAnswer) -> SocketAddr {
    let mut door = from;
    door.set_port(hub.door.map_or(from.port(), |door| door.port));
    door
}

/// Lists the searched places, and why no answer may have come.
fn explanation(args: &Args, time: &str, places: &[Place]) -> String {
    let port = args.port.unwrap_or(HUB_PORT);
    let mut text = match args.port {
        Some(_) => say!("tools-discover-nobody", time = time),
        None => say!("tools-discover-no-hub", time = time),
    } + "\n";
    // Writing to a string cannot fail.
    if places.is_empty() {
        let _ = writeln!(text, "{}", say!("tools-discover-no-interface"));
    } else {
        let _ = writeln!(text, "{}", say!("tools-discover-asked", port = &port));
    }
    for place in places {
        let _ = writeln!(text, "  {}", place.tried());
    }
    let mut reasons = match args.port {
        None => vec![say!("tools-discover-why-loopback"), say!("tools-discover-why-off")],
        Some(_) => {
            vec![say!("tools-discover-why-nothing"), say!("tools-discover-why-silent")]
        }
    };
    if args.port.is_some() && args.source.is_none() {
        reasons.push(say!("tools-discover-why-source", port = &port));
    }
    if args.port.is_some() && args.duration < LATEST_ANSWERS {
        reasons.push(say!("tools-discover-why-late"));
    }
    reasons.extend([
        say!("tools-discover-why-firewall", port = &port),
        say!("tools-discover-why-network"),
        say!("tools-discover-why-wifi"),
        say!("tools-discover-why-tunnel"),
    ]);
    // If nothing was sent, the system's error is the reason, and guesses would hide it.
    let is_silenced = |place: &Place| place.failure.is_some() && !place.has_asked;
    if !places.is_empty() && places.iter().all(is_silenced) {
        text += &say!("tools-discover-nothing-sent");
        return text;
    }
    text += &say!("tools-discover-why");
    text += "\n";
    for reason in reasons {
        let _ = writeln!(text, "  - {reason}");
    }
    text += &match args.port {
        None => say!("tools-discover-join"),
        Some(_) => say!("tools-discover-ask"),
    };
    text
}
