//! `pigeon hub`: serves group chat on one UDP port.

mod console;
mod journal;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use pigeon_datagram::Machine;
use pigeon_hub::{Config, Event, Format, Hub, Name, PerOrigin, Rate};
use pigeon_net::{Driver, Host, Interfaces, Io, IoPath, Socket, SocketOptions, local_addresses};
use tracing::{debug, info};

use self::console::Command;
use self::journal::{Journal, LogFormat};
use crate::base::bind::bind;
use crate::base::endpoint::{ListenAddress, ListenHost};
use crate::base::networks::{Nets, source_rules};
use crate::base::quantity::{self, BytesPerSecond, PerSecond};
use crate::base::random;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::Status;
use crate::base::switch::Switch;
use crate::output::Color;
use crate::ui;
use crate::ui::lines::{self, Printer};

/// How long output may still be written after the loop has ended. With the last drain's 0.8 s at
/// the most, a stop takes less than a second.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Where those who look for hubs ask: every hub's port, and these groups.
const DISCOVERY_GROUPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(239, 255, 99, 99)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x9999)),
];

/// Serve group chat on a UDP port that anything able to send a datagram can join
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon hub                                for programs on this machine
  pigeon hub --listen '*:9999'              for the local network
  pigeon hub --config hub.toml              with a file for what flags say
  echo 'hello' | nc -u -w1 127.0.0.1 9999   is already a member

At its terminal: members, rooms, stats, say TEXT, kick NAME, ban NAME|NET, unban NET, bans, quit.
Every flag can be set as PIGEON_HUB_FLAG too, and in the file by its name: docs/hub.toml.")]
pub(crate) struct Args {
    /// A TOML file with settings named like these flags; flags and environment stand over it
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CONFIG")]
    config: Option<PathBuf>,

    /// Where to listen: [ADDR:]PORT. A port alone means this machine; * is every address; port 0
    /// lets the system choose
    #[arg(
        long,
        value_name = "[ADDR:]PORT",
        env = "PIGEON_HUB_LISTEN",
        default_value = "127.0.0.1:9999"
    )]
    listen: ListenAddress,

    /// What plain members receive
    #[arg(long, value_enum, env = "PIGEON_HUB_FORMAT", default_value_t = FormatArg::Chat)]
    format: FormatArg,

    /// The hub's name: its operator speaks under it, and those who look for hubs see it
    #[arg(long, env = "PIGEON_HUB_NAME", default_value = "hub", value_parser = name)]
    name: Name,

    /// How long a member may be silent
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_TIMEOUT", default_value = "30s", value_parser = quantity::interval)]
    timeout: Duration,

    /// Networks from which everyone may join; an address elsewhere must prove that it receives
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_OPEN", default_value_t = Nets::default())]
    open: Nets,

    /// What everyone must give with /pass before taking part
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_PASSWORD", hide_env_values = true)]
    password: Option<Box<str>>,

    /// Whether `pigeon discover` is answered, where the hub listens beyond this machine
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_DISCOVERABLE", default_value_t = Switch::On)]
    discoverable: Switch,

    /// The most members at once
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_MEMBERS", default_value_t = 100_000, value_parser = quantity::whole(1_u32..=1 << 30))]
    max_members: u32,

    /// The most members in one room [default: as many as the hub may have]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ROOM", value_parser = quantity::whole(1_u32..))]
    max_per_room: Option<u32>,

    /// The most members from one IP address, which beyond the open networks is an IPv6 /64; loopback
    /// is exempt unless this is given [default: 256]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ADDRESS", value_parser = quantity::whole(1_u32..))]
    max_per_address: Option<u32>,

    /// Messages a second from one member [default: unlimited from this machine, 50k/s from open
    /// networks, 20/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_RATE", value_parser = quantity::per_second)]
    rate: Option<PerSecond>,

    /// Bytes a second from one member [default: unlimited, 64MiB/s, 64KiB/s]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second)]
    rate_bytes: Option<BytesPerSecond>,

    /// Messages a second from all together [default: as --rate]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_HUB_RATE", value_parser = quantity::per_second)]
    hub_rate: Option<PerSecond>,

    /// Bytes a second from all together [default: as --rate-bytes]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second)]
    hub_rate_bytes: Option<BytesPerSecond>,

    /// The most bytes of text in a message [default: 8KiB; raw: what a datagram holds]
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_MAX_TEXT", value_parser = quantity::size)]
    max_text: Option<usize>,

    /// Rooms with more members get no notices of who comes and goes
    #[arg(long, value_name = "N", env = "PIGEON_HUB_NOTICES_UP_TO", default_value_t = 100, value_parser = quantity::whole(0_usize..))]
    notices_up_to: usize,

    /// Whether commands are taken from stdin; its end does not stop the hub
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_CONSOLE", default_value_t = Switch::On)]
    console: Switch,

    /// Whether members' messages are shown on stdout [default: on at a terminal, else off]
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_MESSAGES")]
    messages: Option<Switch>,

    /// How the log is written to stderr
    #[arg(long, value_enum, value_name = "FORMAT", env = "PIGEON_HUB_LOG", default_value_t = LogFormat::Text)]
    log: LogFormat,

    /// Whether the kernel's trains of datagrams (GSO, GRO) are used
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_OFFLOAD", default_value_t = Switch::On)]
    offload: Switch,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// `NAME: TEXT` and a newline, safe to show; notices begin with `* `
    Chat,
    /// `Ack TEXT. from IP:PORT`, in capitals
    Classic,
    /// The payload untouched, to everyone but its sender
    Raw,
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// Runs the hub until it is told to stop.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let (reader, printer) = lines::open("hub> ")?;
    journal::start(args.log, color, printer.notes.clone());

    let path = if args.offload == Switch::On { IoPath::Best } else { IoPath::NoOffload };
    let options = SocketOptions { path, timestamps: false, ..SocketOptions::default() };
    let listen = args.listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()));
    let socket = bind(listen, &options)?;
    let interfaces = local_addresses().context("cannot list this host's addresses")?;
    let config = config(&args, &socket, &interfaces, printer.interactive)?;
    if config.discoverable {
        for group in DISCOVERY_GROUPS {
            let joined = socket.join_group(group, &interfaces);
            debug!(%group, interfaces = joined, "listening for those who look for hubs");
        }
    }
    let hub = Hub::new(config);
    announce(&hub, &socket, args.format);

    let mut driver = Driver::new(hub, socket).context("cannot watch the socket")?;
    let waker = driver.waker();
    let wanted = args.console == Switch::On;
    let commands = ui::console::start(reader, &printer, waker.clone(), wanted)?;
    let stop = on_stop(move || waker.wake())?;

    let journal = Journal::default();
    let mut around = Around { commands, stop, printer: printer.clone(), journal };
    let outcome = driver.run(&mut around);
    let unprinted = printer.data.dropped() + printer.notes.dropped();
    journal::farewell(&mut around.journal, driver.machine().statistics(), unprinted);
    // The hub has done its work, whoever listened to its console.
    let _ = printer.close(Instant::now() + LAST_WORDS);
    outcome?;
    Ok(Status::Done)
}

fn config(
    args: &Args,
    socket: &Socket,
    interfaces: &Interfaces,
    interactive: bool,
) -> anyhow::Result<Config> {
    let defaults = Config::default();
    let bound = socket.local_addr();
    Ok(Config {
        format: match args.format {
            FormatArg::Chat => Format::Chat,
            FormatArg::Classic => Format::Classic,
            FormatArg::Raw => Format::Raw,
        },
        timeout: args.timeout,
        sources: source_rules(&args.open, [bound], interfaces),
        password: args.password.clone(),
        max_members: args.max_members as usize,
        max_per_room: args.max_per_room.map(|n| n as usize),
        max_per_address: args.max_per_address.map(|n| n as usize).or(defaults.max_per_address),
        loopback_counts: args.max_per_address.is_some(),
        rate: rates(defaults.rate, args.rate, args.rate_bytes),
        hub_rate: rates(defaults.hub_rate, args.hub_rate, args.hub_rate_bytes),
        max_text: args.max_text,
        notices_up_to: args.notices_up_to,
        name: args.name.clone(),
        discoverable: args.discoverable == Switch::On && !bound.ip().is_loopback(),
        hash_keys: random::hash_keys()?,
        secret: random::bytes()?,
        report_messages: args.messages.map_or(interactive, |switch| switch == Switch::On),
    })
}

/// A rate that was given holds for everyone, wherever from.
fn rates(
    defaults: PerOrigin<Rate>,
    messages: Option<PerSecond>,
    bytes: Option<BytesPerSecond>,
) -> PerOrigin<Rate> {
    let one = |rate: Rate| Rate {
        messages: messages.map_or(rate.messages, |given| given.0),
        bytes: bytes.map_or(rate.bytes, |given| given.0),
    };
    PerOrigin {
        loopback: one(defaults.loopback),
        open: one(defaults.open),
        beyond: one(defaults.beyond),
    }
}

fn announce(hub: &Hub, socket: &Socket, format: FormatArg) {
    let config = hub.config();
    let can = socket.capabilities();
    info!(
        format = format.to_possible_value().map(|value| value.get_name().to_string()),
        timeout = ?config.timeout,
        max_members = config.max_members,
        gso = can.gso,
        gro = can.gro,
        receive_buffer = can.receive_buffer,
        "listening on {}",
        socket.local_addr()
    );
}

/// What stands around the hub: the console, the log, a signal to stop.
struct Around {
    commands: Receiver<Command>,
    stop: Stop,
    printer: Printer,
    journal: Journal,
}

impl Host<Hub> for Around {
    fn woken(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        let mut quit = self.stop.is_set();
        for command in self.commands.try_iter().take(ui::console::WAITING) {
            quit |= command == Command::Quit;
            for line in console::answer(command, hub, io.now, &io.stats()) {
                self.printer.data.line(line);
            }
        }
        if quit {
            hub.stop();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, hub: &mut Hub, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Message { range, .. } => {
                let bytes = hub.outbox().get(range).unwrap_or_default();
                let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                self.printer.data.line(pigeon_text::escape(bytes).to_string());
            }
            event => self.journal.note(io.now, &event),
        }
        ControlFlow::Continue(())
    }
}
