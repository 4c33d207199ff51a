//! `pigeon relay`: an unreliable network in the middle.

mod console;
mod knobs;
mod pump;
mod report;
mod scenario;

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use pigeon_datagram::relay::{Config, Event, Port, Relay, Way};
use pigeon_datagram::{Instant, Received};
use pigeon_net::{Clock, SocketOptions, Stats, local_addresses};
use pigeon_text::escape;

use self::console::Command;
use self::knobs::{Setting, Settings, Shape};
use self::pump::{Host, Pump};
use self::report::{Screen, Totals};
use self::scenario::Scenario;
use super::bind::bind;
use super::endpoint::{Endpoint, ListenAddress, ListenHost};
use super::exit::{Status, UsageError};
use super::hub::Switch;
use super::quantity;
use super::signals::{Stop, on_stop};
use crate::output::{Capture, Spool, wall};
use crate::ui::lines;

/// How often statistics are told.
const TICK: Duration = Duration::from_secs(1);

/// How long output may still be written after the loop has ended.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// The most commands that wait; whoever types more waits.
const COMMANDS: usize = 16;

/// Put an unreliable network between programs: loss, delay, jitter, reordering, a rate, an MTU
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon relay 5000 127.0.0.1:9999 --loss 1% --delay 50ms --jitter 10ms
  pigeon relay 5000 127.0.0.1:9999 --loss 5%:4 --jitter 10ms:pareto --delay 30ms --seed 7
  pigeon relay 5000 server:9999 --rate 2Mbit/s --down rate=20Mbit/s,delay=20ms
  pigeon relay 5000 127.0.0.1:9999 --scenario scenarios/wifi-edge.toml --record run.pcapng

Clients send to LISTEN as if it were the target. Each has a socket of its own towards the target,
and all share the two directions. Told nothing, the relay changes nothing. While it runs it takes
commands: loss 5%, up delay 20ms, clear, show, stats, clients, handover, quit.")]
pub(crate) struct Args {
    /// Where clients send to: [ADDR:]PORT. A port alone means this machine; * is every address;
    /// port 0 lets the system choose
    #[arg(value_name = "LISTEN")]
    listen: ListenAddress,

    /// Where their datagrams go: HOST:PORT
    #[arg(value_name = "TARGET")]
    target: Endpoint,

    /// Begin randomness from this number: the same traffic then has the same fate again
    /// [default: another each time, and shown]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Follow a scenario: conditions that change in the course of time, from a TOML file
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// The most clients at once; who comes beyond is turned away until another is idle
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=65_000))]
    max_clients: u32,

    /// How long a client may be silent, both ways, before its socket is closed
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = quantity::interval)]
    idle: Duration,

    /// Write what arrives, as it arrives, to a new pcapng file; `pigeon replay` sends it again
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Print one JSON object a second with the totals so far
    #[arg(long)]
    json: bool,

    /// Whether commands are taken from stdin; its end does not stop the relay
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = Switch::On)]
    console: Switch,

    #[command(flatten)]
    knobs: Knobs,
}

/// Conditions, each both ways.
#[derive(clap::Args)]
#[command(next_help_heading = "Conditions, both ways")]
struct Knobs {
    /// Lose this share, each datagram by itself; 5%:4 in bursts of 4 in the mean
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("loss", text))]
    loss: Option<Setting>,

    /// Delay each by so long
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("delay", text))]
    delay: Option<Setting>,

    /// Vary the delay by so much: evenly, or 10ms:normal or 10ms:pareto (a long tail), where it is
    /// the standard deviation
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("jitter", text))]
    jitter: Option<Setting>,

    /// Hold this share back by 10ms so that others overtake; 5%:20ms by so long
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("reorder", text))]
    reorder: Option<Setting>,

    /// Deliver this share twice
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("duplicate", text))]
    duplicate: Option<Setting>,

    /// Flip a bit in this share
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("corrupt", text))]
    corrupt: Option<Setting>,

    /// Carry no more than this, payloads only: 10Mbit/s, 64KiB/s
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("rate", text))]
    rate: Option<Setting>,

    /// How much waits for the rate before more is dropped [default: 64KiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("queue", text))]
    queue: Option<Setting>,

    /// Drop payloads that are larger
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = |text: &str| Setting::parse("mtu", text))]
    mtu: Option<Setting>,

    /// Conditions from clients to the target alone, over those above: KNOB=VALUE,…
    #[arg(long, value_name = "CONDITIONS")]
    up: Option<Settings>,

    /// Conditions from the target to clients alone: KNOB=VALUE,…
    #[arg(long, value_name = "CONDITIONS")]
    down: Option<Settings>,
}

/// The conditions of both directions as people set them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shapes {
    up: Shape,
    down: Shape,
}

impl Shapes {
    /// What is in force, whoever set it: flags, the console or a scenario.
    fn of(relay: &Relay) -> Shapes {
        let [up, down] = [Way::Up, Way::Down].map(|way| Shape::from(relay.conditions(way)));
        Shapes { up, down }
    }

    fn lines(&self) -> Vec<String> {
        match self.up == self.down {
            true => vec![format!("both ways: {}", self.up)],
            false => vec![format!("up: {}", self.up), format!("down: {}", self.down)],
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
            shape.conditions().map_err(|error| UsageError(format!("{way}: {error}")))?;
            if self.queue.is_some() && !shape.has_rate() {
                return Err(UsageError(format!("{way}: a --queue is nothing without a --rate")));
            }
        }
        Ok(shapes)
    }
}

/// Relays until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let shapes = args.knobs.shapes()?;
    let scenario = args.scenario.as_ref().map(|path| Scenario::read(path, &shapes)).transpose()?;
    let target = args.target.resolve()?;
    let seed = match args.seed {
        Some(seed) => seed,
        // Short enough to be typed again.
        None => u64::from(getrandom::u32().context("the system gives no random numbers")?),
    };
    let options = SocketOptions { timestamps: args.record.is_some(), ..SocketOptions::default() };
    let listen = args.listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()));
    let socket = bind(listen, &options)?;
    let bound = socket.local_addr();
    refuse_own_address(bound, target)?;
    let recorder = args.record.as_ref().map(|path| {
        let shown = escape(&path.to_string_lossy().into_owned()).to_string();
        let capture = Capture::create(path).with_context(|| format!("cannot write {shown}"))?;
        Recorder::start(capture, target).context("cannot start a thread")
    });
    let recorder = recorder.transpose()?;

    let clock = Clock::start();
    let relay = relay(&args, &shapes, target, seed)?;
    let relay = match &scenario {
        Some(scenario) => relay.with_timeline(scenario.timeline(clock.now())?),
        None => relay,
    };
    let mut pump = Pump::new(relay, socket, options, clock).context("cannot watch the socket")?;

    let (mut reader, printer) = lines::open("relay> ")?;
    let (sender, commands) = sync_channel(COMMANDS);
    let waker = pump.waker();
    if args.console == Switch::On && (printer.interactive || !lines::is_background()) {
        let (printer, waker) = (printer.clone(), waker.clone());
        let read = move || {
            console::read(&mut reader, &printer, |command| {
                // Fails only when the loop has ended, and then nobody waits for an answer.
                let _ = sender.send(command);
                waker.wake();
            });
            // The editor stays: what is printed goes through it.
            loop {
                std::thread::park();
            }
        };
        let thread = std::thread::Builder::new().name("console".into());
        thread.spawn(read).context("cannot start a thread")?;
    }
    let stop = on_stop(move || waker.wake())?;

    let live = io::stderr().is_terminal() && !args.json;
    let mut around = Around {
        screen: Screen::new(printer.clone(), live),
        data: printer.data.clone(),
        json: args.json,
        commands,
        stop,
        recorder,
        before: (clock.now(), Totals::default()),
        told_no_socket: false,
    };
    around.screen.note(format!("listening on {bound}, relaying to {target}, seed {seed}"));
    around.show(&pump.relay);
    if let Some(scenario) = &scenario {
        let description = escape(&scenario.description);
        around.screen.note(format!("scenario of {} steps: {description}", scenario.len()));
    }
    let outcome = pump.run(&mut around);
    let stats = pump.stats();
    let totals = Totals::new(&pump.relay, &stats);
    if args.json {
        around.data.line(totals.json());
    }
    totals.lines().into_iter().for_each(|line| around.screen.note(line));
    let deadline = std::time::Instant::now() + LAST_WORDS;
    let recorded = around.recorder.map_or(Ok(()), |recorder| recorder.finish(deadline));
    // The relay has done its work, whoever listened to its console.
    let _ = printer.close(deadline);
    outcome.and(recorded)?;
    Ok(Status::Done)
}

fn relay(args: &Args, shapes: &Shapes, target: SocketAddr, seed: u64) -> anyhow::Result<Relay> {
    Ok(Relay::new(Config {
        target,
        max_clients: NonZeroUsize::new(args.max_clients as usize).unwrap_or(NonZeroUsize::MIN),
        idle: args.idle,
        up: shapes.up.conditions()?,
        down: shapes.down.conditions()?,
        seed,
    })?)
}

/// A relay whose target is its own listening socket would send everything round in circles.
fn refuse_own_address(bound: SocketAddr, target: SocketAddr) -> anyhow::Result<()> {
    let own = |ip: IpAddr| -> anyhow::Result<bool> {
        if !bound.ip().is_unspecified() || bound.ip() == ip || ip.is_unspecified() {
            // The unspecified address as a destination is this host.
            return Ok(bound.ip() == ip || ip.is_unspecified());
        }
        let interfaces = local_addresses().context("cannot list this host's addresses")?;
        Ok(ip.is_loopback() || interfaces.iter().any(|local| local.address == ip))
    };
    if bound.port() == target.port() && own(target.ip())? {
        return Err(
            UsageError(format!("{target} is this relay itself; name another target")).into()
        );
    }
    Ok(())
}

/// A datagram to be recorded, from end to end as if there were no relay.
struct Recorded {
    time: Duration,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// Writes what arrives, in a thread of its own.
struct Recorder {
    spool: Spool<Recorded>,
    target: SocketAddr,
}

impl Recorder {
    fn start(mut capture: Capture, target: SocketAddr) -> io::Result<Recorder> {
        let render = move |arrived: &mut dyn Iterator<Item = Recorded>, _: &mut dyn io::Write| {
            for Recorded { time, from, to, payload } in arrived {
                capture.write(time, from, to, &payload, payload.len())?;
            }
            capture.flush()
        };
        Ok(Recorder { spool: Spool::new(io::sink(), render, || {})?, target })
    }

    fn record(&self, relay: &Relay, port: Port, datagram: &Received<'_>) {
        let (from, to) = match port {
            Port::Listen => (datagram.from, self.target),
            Port::Client(slot) => match relay.client(slot) {
                Some(client) => (self.target, client),
                None => return,
            },
        };
        let time = wall::since_epoch(datagram.wall);
        let payload = datagram.payload.to_vec();
        let bytes = payload.len() + size_of::<Recorded>();
        self.spool.push(Recorded { time, from, to, payload }, bytes);
    }

    fn finish(self, deadline: std::time::Instant) -> anyhow::Result<()> {
        self.spool.finish(deadline);
        if let Some(kind) = self.spool.failure() {
            bail!("the record is not complete: {kind}");
        }
        match self.spool.dropped() {
            0 => Ok(()),
            dropped => {
                Err(anyhow!("{dropped} datagrams are not in the record: the disk was too slow"))
            }
        }
    }
}

/// What stands around the relay.
struct Around {
    screen: Screen,
    data: Spool<Vec<u8>>,
    json: bool,
    commands: Receiver<Command>,
    stop: Stop,
    recorder: Option<Recorder>,
    /// When the last tick was, and the totals then.
    before: (Instant, Totals),
    told_no_socket: bool,
}

impl Around {
    fn show(&mut self, relay: &Relay) {
        Shapes::of(relay).lines().into_iter().for_each(|line| self.screen.note(line));
    }

    /// Puts conditions in force.
    fn apply(&mut self, relay: &mut Relay, now: Instant, shapes: Shapes) {
        for (way, shape) in [(Way::Up, &shapes.up), (Way::Down, &shapes.down)] {
            let changed = shape.conditions();
            if let Err(error) = changed.and_then(|c| relay.set_conditions(now, way, c)) {
                return self.screen.note(error.to_string());
            }
        }
        self.show(relay);
    }

    fn obey(&mut self, relay: &mut Relay, now: Instant, stats: &Stats, command: Command) {
        match command {
            Command::Set(ways, settings) => match Shapes::of(relay).with(ways, &settings) {
                Ok(shapes) => self.apply(relay, now, shapes),
                Err(reason) => self.screen.note(reason),
            },
            Command::Clear(ways) => {
                let shapes = Shapes::of(relay).cleared(ways);
                self.apply(relay, now, shapes);
            }
            Command::Show => self.show(relay),
            Command::Stats => {
                let lines = Totals::new(relay, stats).lines();
                lines.into_iter().for_each(|line| self.screen.answer(line));
            }
            Command::Clients => {
                for (address, heard) in relay.clients() {
                    let ago = quantity::roughly(now - heard);
                    self.screen.answer(format!("{address}  heard {ago} ago"));
                }
                self.screen.answer(report::clients(relay.statistics().clients));
            }
            Command::Handover => {
                relay.handover();
                self.screen.note("clients reach the target from new addresses");
            }
            Command::Help => self.screen.answer(console::HELP),
            Command::Wrong(reason) => self.screen.note(reason),
            Command::Quit => self.stop.set(),
        }
    }
}

impl Host for Around {
    fn woken(&mut self, relay: &mut Relay, now: Instant, stats: &Stats) -> ControlFlow<()> {
        let commands: Vec<Command> = self.commands.try_iter().take(COMMANDS).collect();
        for command in commands {
            self.obey(relay, now, stats, command);
        }
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn next_tick(&self) -> Option<Instant> {
        (self.json || self.screen.is_live()).then_some(self.before.0 + TICK)
    }

    fn tick(&mut self, relay: &Relay, now: Instant, stats: &Stats) {
        let totals = Totals::new(relay, stats);
        if self.json {
            self.data.line(totals.json());
        }
        self.screen.status(&totals.since(&self.before.1, now - self.before.0));
        self.before = (now, totals);
    }

    fn event(&mut self, event: Event) {
        let line = match event {
            Event::Joined(client) => format!("client {client}"),
            Event::Idle(client) => format!("client {client} is idle, its socket is closed"),
            Event::Full(from) => {
                format!("{from} is turned away: there are as many clients as may be")
            }
            Event::Loop(from) => {
                format!(
                    "what {from} sends is dropped: it comes from this relay; the target leads back here"
                )
            }
            Event::Refused => "the target refuses: nobody listens there".to_string(),
            Event::TooLarge { way, length, mtu } => {
                let way = if way == Way::Up { "up" } else { "down" };
                format!("{way}: {length} bytes are too large for the MTU of {mtu}; dropped")
            }
            Event::Step(note) if note.is_empty() => return,
            Event::Step(note) => format!("scenario: {}", escape(&note)),
            // The loop's own affair.
            Event::Open(_) | Event::Close(_) => return,
        };
        self.screen.note(line);
    }

    fn cannot_open(&mut self, error: &anyhow::Error) {
        if !std::mem::replace(&mut self.told_no_socket, true) {
            self.screen.note(format!("a client has no socket to the target: {error:#}"));
        }
    }

    fn arrived(&mut self, relay: &Relay, port: Port, datagram: &Received<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.record(relay, port, datagram);
        }
    }
}
