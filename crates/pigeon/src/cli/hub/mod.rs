//! `pigeon hub`: serves group chat on one UDP port.

mod console;
mod journal;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use pigeon_datagram::{Instant, Machine};
use pigeon_hub::{Config, Event, Format, Hub};
use pigeon_net::{Driver, Host, IoPath, Socket, SocketOptions, Stats, local_addresses};
use tracing::info;

use self::console::Command;
use self::journal::{Journal, LogFormat};
use super::bind::bind;
use super::endpoint::ListenAddress;
use super::exit::Status;
use super::quantity;
use super::signals::{Stop, on_stop};
use crate::output::Color;
use crate::ui::lines::{self, Printer};

/// How long output may still be written after the loop has ended. With the last drain's 0.8 s at
/// the most, a stop takes less than a second.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Serve group chat on a UDP port that anything able to send a datagram can join
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon hub                              for programs on this machine
  pigeon hub --listen 0.0.0.0:9999        for the local network
  echo 'hello' | nc -u -w1 127.0.0.1 9999 is already a member

At its terminal: members, stats, say TEXT, kick NAME, quit.")]
pub(crate) struct Args {
    /// Where to listen: [ADDR:]PORT; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", default_value_t = ListenAddress { ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port: 9999 })]
    listen: ListenAddress,

    /// What plain members receive
    #[arg(long, value_enum, default_value_t = FormatArg::Chat)]
    format: FormatArg,

    /// How long a member may be silent
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = quantity::interval)]
    timeout: Duration,

    /// The most members at once
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=(1 << 30)))]
    max_members: u32,

    /// The most members from one IP address; loopback is exempt unless this is given [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_per_address: Option<u32>,

    /// The most bytes of text in a message; in the raw format as much as a datagram holds unless
    /// this is given [default: 8KiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    max_text: Option<usize>,

    /// Rooms with more members get no notices of who comes and goes
    #[arg(long, value_name = "N", default_value_t = 100)]
    notices_up_to: usize,

    /// Whether commands are taken from stdin; its end does not stop the hub
    #[arg(long, value_enum, default_value_t = Switch::On)]
    console: Switch,

    /// Whether members' messages are shown on stdout [default: on at a terminal, else off]
    #[arg(long, value_enum)]
    messages: Option<Switch>,

    /// How the log is written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log: LogFormat,

    /// Do without the kernel's trains of datagrams (GSO, GRO), if a network card mangles them
    #[arg(long)]
    no_offload: bool,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs the hub until it is told to stop.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let (reader, printer) = lines::open("hub> ")?;
    journal::start(args.log, color, printer.notes.clone());

    let path = if args.no_offload { IoPath::NoOffload } else { IoPath::Best };
    let options = SocketOptions { path, timestamps: false, ..SocketOptions::default() };
    let socket = bind(args.listen, &options)?;
    let hub = Hub::new(config(&args, &socket, printer.interactive)?);
    announce(&hub, &socket);

    let mut driver = Driver::new(hub, socket).context("cannot watch the socket")?;
    let (sender, commands) = sync_channel(16);
    let waker = driver.waker();
    if args.console == Switch::On {
        let notes = printer.notes.clone();
        let waker = waker.clone();
        let read = move || {
            console::read(reader, &notes, |command| {
                // Fails only when the loop has ended, and then nobody waits for an answer.
                let _ = sender.send(command);
                waker.wake();
            })
        };
        std::thread::Builder::new()
            .name("console".into())
            .spawn(read)
            .context("cannot start a thread")?;
    }
    let stop = on_stop(move || waker.wake())?;

    let mut around =
        Around { commands, stop, printer: printer.clone(), journal: Journal::default() };
    let outcome = driver.run(&mut around);
    journal::farewell(driver.machine().statistics());
    printer.data.finish(LAST_WORDS);
    printer.notes.finish(LAST_WORDS);
    lines::restore_terminal();
    outcome?;
    Ok(Status::Done)
}

fn config(args: &Args, socket: &Socket, interactive: bool) -> anyhow::Result<Config> {
    let defaults = Config::default();
    let format = match args.format {
        FormatArg::Chat => Format::Chat,
        FormatArg::Classic => Format::Classic,
        FormatArg::Raw => Format::Raw,
    };
    let interfaces = local_addresses().context("cannot list this host's addresses")?;
    let bound = socket.local_addr();
    let own = match bound.ip().is_unspecified() {
        true => interfaces.iter().map(|i| SocketAddr::new(i.address, bound.port())).collect(),
        false => vec![bound],
    };
    let mut hash_keys = [0; 4];
    for key in &mut hash_keys {
        *key = getrandom::u64().context("the system gives no random numbers")?;
    }
    Ok(Config {
        format,
        timeout: args.timeout,
        max_members: args.max_members as usize,
        max_per_address: args.max_per_address.map(|n| n as usize).or(defaults.max_per_address),
        loopback_counts: args.max_per_address.is_some(),
        max_text: args.max_text,
        notices_up_to: args.notices_up_to,
        own,
        never: interfaces.iter().filter_map(|i| i.broadcast).map(IpAddr::V4).collect(),
        hash_keys,
        report_messages: args.messages.map_or(interactive, |switch| switch == Switch::On),
        ..defaults
    })
}

fn announce(hub: &Hub, socket: &Socket) {
    let config = hub.config();
    let can = socket.capabilities();
    info!(
        format = ?config.format,
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
    fn woken(&mut self, hub: &mut Hub, now: Instant, stats: &Stats) -> ControlFlow<()> {
        let mut quit = self.stop.is_set();
        while let Ok(command) = self.commands.try_recv() {
            quit |= command == Command::Quit;
            for line in console::answer(command, hub, now, stats) {
                self.printer.data.line(line);
            }
        }
        if quit {
            hub.stop();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, hub: &Hub, now: Instant, event: Event) -> ControlFlow<()> {
        match event {
            Event::Message { range, .. } => {
                let bytes = hub.outbox().get(range).unwrap_or_default();
                let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                self.printer.data.line(pigeon_text::escape(bytes).to_string());
            }
            event => self.journal.note(now, &event),
        }
        ControlFlow::Continue(())
    }
}
