//! `pigeon relay`: simulates an unreliable network.

mod console;
mod host;
mod knobs;
mod record;
mod report;
mod scenario;

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap_complete::ArgValueCandidates;
use pigeon_net::{Clock, Driver, Interfaces, SocketOptions, Timing, local_addresses};
use pigeon_netsim::relay::{Config, Relay, Way};
use pigeon_text::escape;

use self::host::RelayHost;
use self::knobs::{Setting, Settings, Shape};
use self::record::Recorder;
use self::report::{Screen, Totals};
use self::scenario::Scenario;
use crate::base::bind::{bind, one_host};
use crate::base::cause::Watch;
use crate::base::endpoint::{Family, ListenAddress, ListenHost, peer_port};
use crate::base::lookup::Lookup;
use crate::base::quantity;
use crate::base::random;
use crate::base::signals::on_stop;
use crate::base::status::{Status, UsageError};
use crate::base::switch::Switch;
use crate::base::system_error;
use crate::contacts::peer;
use crate::output::file::is_stdout;
use crate::output::{Capture, is_quiet};
use crate::ui::suggestions::Suggestions;
use crate::ui::{self, lines};
use crate::words::say;

/// Time limit for writing output after the loop has ended.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// Simulate an unreliable network between programs: loss, delay, jitter, reordering, rate, MTU
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon relay 5000 127.0.0.1:9999 --loss 1% --delay 50ms --jitter 10ms
  pigeon relay 5000 127.0.0.1:9999 --loss 5%:4 --jitter 10ms:pareto --delay 30ms --seed 7
  pigeon relay 5000 server:9999 --rate 2Mbit/s --down rate=20Mbit/s,delay=20ms
  pigeon relay 5000 127.0.0.1:9999 --scenario scenarios/wifi-edge.toml --record run.pcapng

Clients send to LISTEN instead of TARGET. Each client gets a socket of its own towards TARGET; all
share the conditions of the two directions. Without conditions, the relay changes nothing.

Commands while it runs:
  loss 5%  sets a condition, both ways
  up delay 20ms  sets it for one way: up or down
  clear  removes all conditions
  show, stats, clients  print conditions, counts, clients
  handover  moves all clients to new sockets
  help, quit  list the commands, stop")]
pub(crate) struct Args {
    /// Where clients send: a port alone means this machine, * every address; port 0 lets the system
    /// choose
    #[arg(value_name = "LISTEN")]
    listen: ListenAddress,

    /// Where their datagrams go: HOST:PORT, or a contact's name
    #[arg(value_name = "TARGET", add = ArgValueCandidates::new(peer::candidates))]
    target: String,

    /// Port of TARGET, if given as a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    target_port: Option<u16>,

    /// Seed of the random numbers: the same traffic gives the same result again [default: a new one
    /// each time, which is shown]
    #[arg(long, value_name = "N", value_parser = quantity::whole(0_u64..))]
    seed: Option<u64>,

    /// Follow a scenario: conditions that change over time, from a TOML file
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// Maximum number of clients; more are refused until one is idle
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = quantity::whole(1_u32..=65_000))]
    max_clients: u32,

    /// Close a client's socket after this long without datagrams either way
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = quantity::interval)]
    idle: Duration,

    /// Follow a target that answers from another port of its host, as TFTP servers do: the client's
    /// datagrams then go there; off drops such answers and costs less
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On)]
    follow: Switch,

    /// Write arriving datagrams to a new pcapng file, or to stdout (-); `pigeon replay` sends them
    /// again
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Print one JSON object per second with the totals so far
    #[arg(long)]
    json: bool,

    /// Read commands from stdin; the end of stdin does not stop the relay
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On)]
    console: Switch,

    #[command(flatten)]
    knobs: Knobs,
}

/// Conditions, each both ways.
#[derive(clap::Args)]
#[command(next_help_heading = "Conditions, both ways")]
struct Knobs {
    /// Drop this share of datagrams, each independently; 5%:4 drops bursts of 4 on average
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("loss", text))]
    loss: Option<Setting>,

    /// Delay each datagram by this long
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("delay", text))]
    delay: Option<Setting>,

    /// Vary the delay by up to this much, uniformly; 10ms:normal and 10ms:pareto (long tail) give the
    /// standard deviation instead
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("jitter", text))]
    jitter: Option<Setting>,

    /// Hold this share back for 10ms so that later datagrams overtake; 5%:20ms sets how long
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("reorder", text))]
    reorder: Option<Setting>,

    /// Deliver this share twice
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("duplicate", text))]
    duplicate: Option<Setting>,

    /// Flip one bit in this share
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("corrupt", text))]
    corrupt: Option<Setting>,

    /// Limit the rate, counting payloads only: 10Mbit/s, 64KiB/s
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("rate", text))]
    rate: Option<Setting>,

    /// How much may wait for --rate before more is dropped [default: 64KiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("queue", text))]
    queue: Option<Setting>,

    /// Drop payloads larger than this
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("mtu", text))]
    mtu: Option<Setting>,

    /// Conditions from clients to the target only, overriding those above: KNOB=VALUE,…
    #[arg(long, value_name = "CONDITIONS")]
    up: Option<Settings>,

    /// Conditions from the target to clients only, likewise: KNOB=VALUE,…
    #[arg(long, value_name = "CONDITIONS")]
    down: Option<Settings>,
}

/// The conditions of both directions as entered.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shapes {
    up: Shape,
    down: Shape,
}

impl Shapes {
    /// The current conditions, set by flags, the console or a scenario.
    fn of(relay: &Relay) -> Shapes {
        let [up, down] = [Way::Up, Way::Down].map(|way| Shape::from(relay.conditions(way)));
        Shapes { up, down }
    }

    fn lines(&self) -> Vec<String> {
        match self.up == self.down {
            true => vec![say!("tools-relay-both-ways", shape = &self.up)],
            false => [("up", &self.up), ("down", &self.down)]
                .map(|(way, shape)| say!("tools-relay-one-way", way = way, shape = shape))
                .into(),
        }
    }
}

impl Knobs {
    fn shapes(&self) -> Result<Shapes, UsageError> {
        let both = [
            &self.mtu,
            &self.rate,
            &self.queue,
            &self.loss,
            &self.corrupt,
            &self.duplicate,
            &self.delay,
            &self.jitter,
            &self.reorder,
        ];
        let mut shapes = Shapes::default();
        for (way, shape, own) in
            [("up", &mut shapes.up, &self.up), ("down", &mut shapes.down, &self.down)]
        {
            let own = own.iter().flat_map(|settings| &settings.0);
            let set = both.into_iter().flatten().chain(own).try_for_each(|one| shape.set(one));
            set.map_err(UsageError)?;
            shape.conditions().map_err(|error| {
                UsageError(say!(
                    "tools-relay-one-way",
                    way = way,
                    shape = system_error::whole(&error)
                ))
            })?;
            if self.queue.is_some() && !shape.has_rate() {
                return Err(UsageError(say!("tools-relay-queue-flag", way = way)));
            }
        }
        Ok(shapes)
    }
}

/// Relays until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let shapes = args.knobs.shapes()?;
    let scenario = args.scenario.as_ref().map(|path| Scenario::read(path, &shapes)).transpose()?;
    let peer = peer::parse_words(&args.target, args.target_port)?;
    let target = this_host(peer.endpoint.resolve()?);
    one_host(target)?;
    let seed = match args.seed {
        Some(seed) => seed,
        // Short enough to retype.
        None => u64::from(random::u32()?),
    };
    let (follow, timestamps) = (args.follow == Switch::On, args.record.is_some());
    // Only the error queue has errors of paths to several peers, and the port of the target's host
    // that refuses.
    let options = SocketOptions { timestamps, refusals: true, ..SocketOptions::default() };
    let listen = args.listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()));
    let socket = bind(listen, &options)?;
    let bound = socket.local_addr();
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let own = OwnAddress { bound, interfaces };
    own.refuse(target)?;
    let capture = args.record.as_deref().map(Capture::create).transpose()?;
    let records_to_stdout = args.record.as_deref().is_some_and(is_stdout);
    if records_to_stdout && args.json {
        return Err(UsageError(say!("tools-relay-stdout-twice")).into());
    }

    let clock = Clock::start();
    let relay = relay(&args, &shapes, [bound, target], &own.interfaces, seed)?;
    let relay = match &scenario {
        Some(scenario) => relay.with_timeline(scenario.timeline(clock.now())?),
        None => relay,
    };
    // A delay of 100 µs must not become a millisecond.
    let timing = Timing { precise: true, ..Timing::default() };
    let driver = Driver::new(relay, socket).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock).with_timing(timing);

    let (reader, printer) = lines::open("relay> ", Suggestions::default())?;
    let waker = driver.waker();
    // Answers go to stdout.
    let wanted = args.console == Switch::On && !records_to_stdout;
    let commands = ui::console::start(reader, &printer, waker.clone(), wanted)?;
    let stop = on_stop(move || waker.wake())?;
    let recorder = capture.map(|capture| {
        let (stop, waker) = (stop.clone(), driver.waker());
        let gone = move || {
            stop.set();
            waker.wake();
        };
        Recorder::start(capture.reporting_to(printer.notes.clone()), gone)
    });
    let recorder = recorder.transpose()?;
    let waker = driver.waker();
    let find = peer.finder(Family::default());
    let lookup = find.map(|find| Lookup::new(find, move || waker.wake()));

    let live = io::stderr().is_terminal() && !args.json && !is_quiet();
    let mut host = RelayHost {
        follow,
        options,
        screen: Screen::new(printer.clone(), live),
        data: printer.data.clone(),
        json: args.json,
        commands,
        stop,
        recorder,
        before: (clock.now(), Totals::default()),
        told_no_socket: false,
        ways: Watch::new(clock.now()),
        lookup,
        own,
    };
    host.screen.remark(say!("tools-relay-start", bound = &bound, target = &target, seed = &seed));
    host.show(driver.machine());
    if let Some(scenario) = &scenario {
        let description = escape(&scenario.description);
        host.screen.remark(say!(
            "tools-relay-scenario",
            count = scenario.len(),
            description = &description
        ));
    }
    let outcome = driver.run(&mut host);
    let stats = driver.stats();
    let totals = Totals::new(driver.machine(), &stats);
    if args.json {
        host.data.line(totals.json());
    }
    totals.lines().into_iter().for_each(|line| host.screen.remark(line));
    let deadline = std::time::Instant::now() + LAST_WORDS;
    let recorded = host.recorder.map_or(Ok(()), |recorder| recorder.finish(deadline));
    // Ignored: the relay has stopped, even if its console is closed.
    let _ = printer.close(deadline);
    outcome?;
    recorded?;
    Ok(Status::Done)
}

fn relay(
    args: &Args,
    shapes: &Shapes,
    [listen, target]: [SocketAddr; 2],
    interfaces: &Interfaces,
    seed: u64,
) -> anyhow::Result<Relay> {
    Ok(Relay::new(Config {
        target,
        listen,
        local: interfaces.iter().map(|local| local.address).collect(),
        max_clients: NonZeroUsize::new(args.max_clients as usize).unwrap_or(NonZeroUsize::MIN),
        idle: args.idle,
        up: shapes.up.conditions()?,
        down: shapes.down.conditions()?,
        seed,
    })?)
}

/// The address from which a target answers: the unspecified address as a destination is loopback.
fn this_host(target: SocketAddr) -> SocketAddr {
    let ip = match target.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return target,
    };
    SocketAddr::new(ip, target.port())
}

/// The relay's listening address.
struct OwnAddress {
    bound: SocketAddr,
    interfaces: Interfaces,
}

impl OwnAddress {
    /// Rejects the relay's own listening socket as its target, which would be an endless loop.
    fn refuse(&self, target: SocketAddr) -> Result<(), UsageError> {
        let (ip, target_ip) = (self.bound.ip(), target.ip());
        let is_own = ip == target_ip || ip.is_unspecified() && self.interfaces.is_own(target_ip);
        if self.bound.port() == target.port() && is_own {
            return Err(UsageError(say!("tools-relay-itself", target = &target)));
        }
        Ok(())
    }
}
