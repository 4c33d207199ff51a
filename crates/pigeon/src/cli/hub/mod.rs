//! `pigeon hub`: serves group chat on one UDP port or several.

mod archive;
mod check;
mod console;
mod door;
mod invitation;
mod ipmsg;
mod journal;
mod password;
mod searchers;
mod service;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use pigeon_datagram as datagram;
use pigeon_datagram::Machine;
use pigeon_hub::{Config, Door, Event, History, Hub, PerOrigin, Rate};
use pigeon_log::Options;
use pigeon_net::{
    Clock, Driver, Host, Interfaces, Io, IoPath, Socket, SocketOptions, Waker, local_addresses,
};
use pigeon_proto::{Format, Language, Name};
use pigeon_text::{Charset, Encoding};
use tracing::{error, info, warn};

use self::archive::Archive;
use self::console::Command;
use self::door::DoorArg;
use self::invitation::Kept;
use self::ipmsg::{IpmsgAddress, ScanNets};
use self::journal::{Journal, Level, LogFormat, LogLevel};
use self::password::{Given, Password};
use self::service::{State, Watchdog, notify};
use crate::base::bind::{explain, is_address_missing, try_bind};
use crate::base::data;
use crate::base::groups::GroupSockets;
use crate::base::locale;
use crate::base::networks::{Nets, source_rules};
use crate::base::payload;
use crate::base::quantity::{self, BytesPerSecond, PerSecond};
use crate::base::random;
use crate::base::services::wall;
use crate::base::signals::{Reload, Stop, on_stop_or_reload};
use crate::base::status::{Status, UsageError};
use crate::base::switch::Switch;
use crate::base::system_error;
use crate::output::Color;
use crate::ui;
use crate::ui::lines::{self, Printer};
use crate::ui::suggestions::Suggestions;
use crate::words;
use crate::words::say;

/// How long output may still be written after the loop has ended. With the last drain's 0.8 s at
/// the most, a stop takes less than a second.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// How often an address that this host does not have yet is tried, and how long the service manager is
/// asked to wait meanwhile.
const RETRY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the wall clock is read: it may be set while the hub runs.
const WALL_EVERY: Duration = Duration::from_secs(10);

/// How often the names are brought up to date that Tab completes at the console.
const NAMES_EVERY: Duration = Duration::from_secs(1);

/// Serve group chat on a UDP port that anything able to send a datagram can join
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon hub                                for programs on this machine
  pigeon hub '*:9999'                       for the local network
  pigeon hub '*:9999' 'raw@*:9998=video'    beside it a room for data, such as a video
  pigeon hub --config hub.toml              with a file for what flags say
  echo 'hello' | nc -u -w1 127.0.0.1 9999   is already a member

At its terminal: members, rooms, stats, say, msg, kick, ban, unban, bans, mute, unmute, mutes, slow,
forget, password, reload, quit; help explains each.
Every flag can be set as PIGEON_HUB_FLAG too, and in the file by its name: docs/hub.toml.")]
pub(crate) struct Args {
    /// A TOML file with settings named like these flags; flags and environment stand over it
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CONFIG")]
    config: Option<PathBuf>,

    /// Examine the settings and the data, change nothing, and end: exit 0 if all is good
    #[arg(long)]
    check: bool,

    /// Where to listen, as --listen says it
    #[arg(value_name = "[ADDR:]PORT", id = "port")]
    doors: Vec<DoorArg>,

    /// Where to listen: [FORMAT@][ADDR:]PORT[=ROOM]; may be given several times, or as a list with
    /// commas. A port alone means this machine; * is every address; port 0 lets the system choose.
    /// Whoever comes in there gets FORMAT, and begins in ROOM
    #[arg(
        long,
        value_name = "DOOR",
        env = "PIGEON_HUB_LISTEN",
        default_value = "127.0.0.1:9999",
        value_delimiter = ','
    )]
    listen: Vec<DoorArg>,

    /// What plain members receive, where a door does not say
    #[arg(long, value_enum, env = "PIGEON_HUB_FORMAT", default_value_t = FormatArg::Chat)]
    format: FormatArg,

    /// The language of the hub's sentences: zh or en [default: that of the locale]
    #[arg(long, value_name = "LANGUAGE", env = "PIGEON_HUB_LANGUAGE", value_parser = locale::parse)]
    language: Option<Language>,

    /// What plain members read and write until they say otherwise with /encoding: a label such as
    /// gbk, or auto, which finds out UTF-8 and GB18030 and answers in kind
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_ENCODING", default_value = "utf-8", value_parser = charset)]
    encoding: Charset,

    /// The hub's name: its operator speaks under it, and those who look for hubs see it
    #[arg(long, env = "PIGEON_HUB_NAME", default_value = "hub", value_parser = name)]
    name: Name,

    /// How long a member may be silent
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_TIMEOUT", default_value = "30s", value_parser = quantity::interval)]
    timeout: Duration,

    /// Networks from which everyone may join; an address elsewhere must prove that it receives
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_OPEN", default_value_t = Nets::default())]
    open: Nets,

    /// What everyone must give with /pass before taking part. Other users of this machine can see it
    /// here; --password-file keeps it from them
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_PASSWORD", hide_env_values = true, value_parser = Password::parse)]
    password: Option<Password>,

    /// A file with the password in its only line, for nobody else to read
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_PASSWORD_FILE")]
    password_file: Option<PathBuf>,

    /// Where the password and its file come from.
    #[arg(skip)]
    password_origins: [Option<ValueSource>; 2],

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

    /// Messages a second from one member [default: 50k/s from this machine, 5k/s from open networks,
    /// 20/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_RATE", value_parser = quantity::per_second)]
    rate: Option<PerSecond>,

    /// Bytes a second from one member [default: 256MiB/s, 8MiB/s, 64KiB/s]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second)]
    rate_bytes: Option<BytesPerSecond>,

    /// Messages a second from all together [default: unlimited from this machine, 50k/s from open
    /// networks, 1k/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_HUB_RATE", value_parser = quantity::per_second)]
    hub_rate: Option<PerSecond>,

    /// Bytes a second from all together [default: unlimited, 64MiB/s, 3200KiB/s]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second)]
    hub_rate_bytes: Option<BytesPerSecond>,

    /// How much of a second the hub may work for all members together that are not on this machine;
    /// one address gets half of what the others leave, and who is alone as much as it wants
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_WORK", default_value = "500ms", value_parser = quantity::duration)]
    work: Duration,

    /// The most bytes of text in a message [default: 8KiB; raw: what a datagram holds]
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_MAX_TEXT", value_parser = quantity::length)]
    max_text: Option<usize>,

    /// Rooms with more members get no notices of who comes and goes
    #[arg(long, value_name = "N", env = "PIGEON_HUB_NOTICES_UP_TO", default_value_t = 100, value_parser = quantity::whole(0_usize..))]
    notices_up_to: usize,

    /// Whether what is said is kept, for /history, /search and `pigeon history` [default: on, but off
    /// for raw rooms, and where the first port is 0 and no --data is given]. Off: names, bans and mutes
    /// are kept all the same
    #[arg(long, value_enum, env = "PIGEON_HUB_HISTORY")]
    history: Option<Switch>,

    /// The folder where names, bans and what is said are kept, for this hub alone [default: one in the
    /// state directory for the first --listen]
    #[arg(long, value_name = "DIR", env = "PIGEON_HUB_DATA")]
    data: Option<PathBuf>,

    /// How long messages are kept, counted back from the newest one: 90d, 12h, or forever
    #[arg(long, value_name = "DURATION|forever", env = "PIGEON_HUB_KEEP", default_value = "90d", value_parser = keep)]
    keep: Keep,

    /// How large what is kept may grow. Beyond, the room and speaker with the most lose their oldest
    /// messages
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_KEEP_SIZE", default_value = "1GiB", value_parser = quantity::size)]
    keep_size: usize,

    /// How many messages a newcomer is shown who takes a name; 0: none
    #[arg(long, value_name = "N", env = "PIGEON_HUB_BACKLOG", default_value_t = 20, value_parser = quantity::whole(0_u16..=100))]
    backlog: u16,

    /// Let people with IP Messenger, FeiQ and iptux join: ADDR is an IPv4 address of this host, or *
    /// for all of them, which is meant where none is given. UDP port 2425, and --open networks only
    #[arg(long, value_name = "ADDR", env = "PIGEON_HUB_IPMSG", num_args = 0..=1, default_missing_value = "*")]
    ipmsg: Option<IpmsgAddress>,

    /// Networks whose addresses are asked one by one whether somebody runs IP Messenger there, as
    /// broadcasts do not reach them: twenty a second, and again every ten minutes
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_IPMSG_SCAN")]
    ipmsg_scan: Option<ScanNets>,

    /// The encoding of IP Messenger programs that know no UTF-8: gb18030 in China, shift_jis in Japan
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_IPMSG_ENCODING", default_value = "gb18030", value_parser = ipmsg::legacy_encoding)]
    ipmsg_encoding: Encoding,

    /// Whether commands are taken from stdin; its end does not stop the hub
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_CONSOLE", default_value_t = Switch::On)]
    console: Switch,

    /// Whether members' messages are shown on stdout [default: on at a terminal, else off]
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_MESSAGES")]
    messages: Option<Switch>,

    /// How the log is written to stderr
    #[arg(long, value_enum, value_name = "FORMAT", env = "PIGEON_HUB_LOG", default_value_t = LogFormat::Text)]
    log: LogFormat,

    /// How much is logged: events of this level and above it
    #[arg(long, value_enum, value_name = "LEVEL", env = "PIGEON_HUB_LOG_LEVEL", default_value_t = LogLevel::Info)]
    log_level: LogLevel,

    /// Whether an address that this host does not have yet is waited for; off: exit 1
    #[arg(long, value_enum, value_name = "WHETHER", env = "PIGEON_HUB_WAIT_FOR_ADDRESS", default_value_t = Switch::On)]
    wait_for_address: Switch,

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

fn charset(label: &str) -> Result<Charset, String> {
    let charset = payload::charset(label)?;
    match charset.is_ascii_compatible() {
        true => Ok(charset),
        false => Err(say!("hub-encoding-not-ascii", encoding = &charset)),
    }
}

/// How long messages are kept; `None` is for ever.
#[derive(Clone, Copy, Debug)]
struct Keep(Option<Duration>);

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "forever" => Ok(Keep(None)),
        text => quantity::interval(text).map(Some).map(Keep),
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text.as_bytes())
        .map_err(|error| pigeon_proto::sentence::name_error(error, words::language()))
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Chat => Format::Chat,
            FormatArg::Classic => Format::Classic,
            FormatArg::Raw => Format::Raw,
        }
    }
}

impl Args {
    /// Makes the hub's language the process's: the environment and the configuration file may name it, too.
    /// What goes with a JSON log is for programs, and English.
    pub(crate) fn set_language(&self) {
        words::set_language(match self.log {
            LogFormat::Text => self.language(),
            LogFormat::Json => Language::English,
        });
    }

    /// Remembers where the password came from: on a command line others can read it.
    pub(crate) fn note_origins(&mut self, matches: &ArgMatches) {
        self.password_origins = ["password", "password_file"].map(|id| matches.value_source(id));
    }

    fn doors(&self) -> &[DoorArg] {
        if self.doors.is_empty() { &self.listen } else { &self.doors }
    }

    fn password(&self) -> anyhow::Result<(Option<Password>, Vec<String>)> {
        let given = Given {
            password: self.password.as_ref(),
            file: self.password_file.as_deref(),
            origins: self.password_origins,
            config: self.config.as_deref(),
        };
        given.choose()
    }

    /// Whether messages are kept, and which.
    fn history(&self) -> Option<History> {
        let doors = self.doors();
        let is_fixed = doors.first().is_some_and(|door| door.listen.port != 0);
        let has_lines =
            doors.iter().any(|door| door.door(self.format.into()).format != Format::Raw);
        let wanted = match self.history {
            None => (is_fixed || self.data.is_some()) && has_lines,
            Some(switch) => switch == Switch::On,
        };
        // Raw data is kept only where somebody says so: it may be a video.
        let keeps_raw = self.history.is_some();
        wanted.then_some(History { backlog: self.backlog, keeps_raw })
    }

    /// Opens what outlives a restart. `None`: nothing does, since a port that the system chooses
    /// names no folder, or since there is none to be had and nobody asked for one.
    ///
    /// Otherwise the error says why there is no folder.
    fn archive(
        &self,
        waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Result<(Archive, [u8; 16]), String>> {
        let first = self.doors().first().map(|door| door.listen);
        let is_asked = self.data.is_some() || self.history == Some(Switch::On);
        let is_fixed = first.is_some_and(|first| first.port != 0);
        if !is_asked && !is_fixed {
            return Ok(Err(say!("hub-kept-port")));
        }
        let first = first.map_or_else(String::new, |first| first.to_string());
        let folder = match data::folder(self.data.as_deref(), &first) {
            Ok(folder) => folder,
            Err(error) if is_asked => return Err(error),
            Err(error) => return Ok(Err(error.root_cause().to_string())),
        };
        let options = Options {
            keep: self.keep.0,
            keep_size: Some(self.keep_size as u64),
            ..Options::default()
        };
        Archive::open(&folder, options, waker).map(Ok)
    }

    /// What the link to IP Messenger needs, if there is to be one.
    fn ipmsg(&self) -> Result<Option<ipmsg::Settings>, UsageError> {
        let (scan, legacy) = (self.ipmsg_scan.clone(), self.ipmsg_encoding);
        match self.ipmsg {
            None if scan.is_some() => Err(UsageError(say!("hub-ipmsg-scan"))),
            address => Ok(address.map(|address| ipmsg::Settings { address, scan, legacy })),
        }
    }

    fn language(&self) -> Language {
        self.language.unwrap_or_else(locale::asked)
    }
}

/// Runs the hub until it is stopped. `unknown` is what is wrong with the environment; `reread`
/// reads the settings again.
pub(crate) fn run(
    args: Args,
    color: Color,
    unknown: &[String],
    reread: fn() -> anyhow::Result<Args>,
) -> anyhow::Result<Status> {
    if args.check {
        return check::run(&args, unknown);
    }
    let doors = args.doors();
    door::check(doors, args.format.into())?;
    let settings = args.ipmsg()?;
    let (password, warnings) = args.password()?;
    let suggestions = console::suggestions();
    let (reader, printer) = lines::open("hub> ", suggestions.clone())?;
    let level = journal::start(args.log, args.log_level, color, printer.notes.clone());
    unknown.iter().chain(&warnings).for_each(|warning| warn!("{warning}"));

    // Signals before sockets: a hub that waits for its address can be stopped, too.
    let waker: Arc<OnceLock<Waker>> = Arc::default();
    let (stop, reload) = on_stop_or_reload({
        let waker = Arc::clone(&waker);
        move || waker.get().into_iter().for_each(Waker::wake)
    })?;
    let path = if args.offload == Switch::On { IoPath::Best } else { IoPath::NoOffload };
    let options = SocketOptions { path, timestamps: false, ..SocketOptions::default() };
    let Some(mut sockets) = open(doors, &options, args.wait_for_address, &stop)? else {
        info!("stopped before it could listen");
        return Ok(Status::Done);
    };
    // After the sockets: a hub that does not get its port leaves no folder behind.
    let archive = args.archive(&waker)?;
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let doors: Vec<Door> = doors.iter().map(|door| door.door(args.format.into())).collect();
    let mut config = config(&args, doors, password, &sockets, &interfaces, printer.interactive)?;
    let (archive, secret, why_not) = match archive {
        Ok((archive, secret)) => (Some(archive), Some(secret), String::new()),
        Err(why_not) => (None, None, why_not),
    };
    config.secret = secret.map_or_else(random::bytes, Ok)?;
    config.history = args.history().filter(|_| archive.is_some());
    config.keeps = archive.is_some();
    let clock = Clock::start();
    searchers::share(&sockets);
    let groups = config
        .discovery
        .and_then(|discovery| searchers::listen(&discovery, clock.now(), &options, &mut sockets));
    let mut hub = Hub::new(config);
    if let Some(archive) = &archive {
        archive.restore(&mut hub, clock.now())?;
        while let Some(event) = hub.poll_event() {
            if let Event::Keep(keep) = event {
                archive.keep(keep);
            }
        }
        archive.settle();
    }
    announce(&hub, &sockets);

    let kept = match (hub.config().history, &archive) {
        (Some(_), Some(archive)) => Kept::All(archive.folder().to_owned()),
        (None, Some(archive)) => Kept::Names(archive.folder().to_owned()),
        (_, None) => Kept::Nothing { why: why_not },
    };
    invite(&hub, &sockets, &interfaces, words::language(), kept);
    let ipmsg = settings.map(|s| ipmsg::Link::start(&mut hub, &s, &interfaces, &waker));
    let ipmsg = ipmsg.transpose()?;

    hub.set_wall(wall(clock.now()));
    let shows_messages = hub.config().report_messages;
    let driver = Driver::over(hub, sockets).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock);
    // Set once, here.
    let _ = waker.set(driver.waker());
    let wanted = args.console == Switch::On;
    let commands = ui::console::start(reader, &printer, driver.waker(), wanted)?;
    // What came before the waker was there.
    driver.waker().wake();
    notify(&[State::Ready, State::Status("serving")]);

    let mut operator = Operator {
        commands,
        stop,
        reload,
        reread,
        level,
        printer: printer.clone(),
        journal: Journal::default(),
        next_wall: clock.now() + WALL_EVERY,
        watchdog: Watchdog::start(clock.now()),
        archive,
        ipmsg,
        groups,
        shows_messages,
        suggestions,
        next_names: clock.now(),
    };
    let outcome = driver.run(&mut operator);
    notify(&[State::Stopping]);
    if let Some(ipmsg) = operator.ipmsg.take() {
        ipmsg.close();
    }
    if let Some(archive) = operator.archive.take() {
        archive.close();
    }
    let unprinted = printer.data.dropped() + printer.notes.dropped();
    journal::farewell(&mut operator.journal, driver.machine().statistics(), unprinted);
    // The hub has done its work, even if nobody reads its console.
    let _ = printer.close(Instant::now() + LAST_WORDS);
    outcome?;
    Ok(Status::Done)
}

/// Opens a socket for each door. `None` if the hub is stopped while it waits for an address.
fn open(
    doors: &[DoorArg],
    options: &SocketOptions,
    wait: Switch,
    stop: &Stop,
) -> anyhow::Result<Option<Vec<Socket>>> {
    let mut sockets = Vec::new();
    let mut warned = false;
    while let Some(door) = doors.get(sockets.len()) {
        match try_bind(door.listen, options) {
            Ok(socket) => sockets.push(socket),
            Err(error) if !is_address_missing(&error) => return Err(explain(error)),
            Err(error) if wait == Switch::Off => {
                // Nothing is wrong with the settings: the address may come, and then it works.
                return Err(anyhow::anyhow!(system_error::chain(&explain(error))));
            }
            Err(_) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!(
                        "waiting for the address of {door}, which this host does not have yet; \
                         --wait-for-address off ends the hub instead"
                    );
                }
                let status = format!("waiting for the address of {door}");
                notify(&[State::Starting(PATIENCE), State::Status(&status)]);
                let until = Instant::now() + RETRY;
                while Instant::now() < until {
                    if stop.is_set() {
                        return Ok(None);
                    }
                    std::thread::sleep(RETRY / 20);
                }
            }
        }
    }
    Ok(Some(sockets))
}

fn config(
    args: &Args,
    doors: Vec<Door>,
    password: Option<Password>,
    sockets: &[Socket],
    interfaces: &Interfaces,
    interactive: bool,
) -> anyhow::Result<Config> {
    let bound = || sockets.iter().map(Socket::local_addr);
    let discovery = match args.discoverable {
        Switch::On => searchers::answer(sockets)?,
        Switch::Off => None,
    };
    let mut config = Config {
        doors,
        sources: source_rules(&args.open, bound(), interfaces),
        name: args.name.clone(),
        encoding: args.encoding,
        discovery,
        hash_keys: random::hash_keys()?,
        run: u128::from_be_bytes(random::bytes()?),
        report_messages: args.messages.map_or(interactive, |switch| switch == Switch::On),
        ..Config::default()
    };
    limit(args, password, &mut config);
    Ok(config)
}

/// Sets what can change while the hub runs.
fn limit(args: &Args, password: Option<Password>, config: &mut Config) {
    let defaults = Config::default();
    config.timeout = args.timeout;
    config.sources.open = args.open.0.clone();
    config.password = password.map(Password::into_inner);
    config.max_members = args.max_members as usize;
    config.max_per_room = args.max_per_room.map(|n| n as usize);
    config.max_per_address = args.max_per_address.map(|n| n as usize).or(defaults.max_per_address);
    config.loopback_counts = args.max_per_address.is_some();
    config.rate = rates(defaults.rate, args.rate, args.rate_bytes);
    config.hub_rate = rates(defaults.hub_rate, args.hub_rate, args.hub_rate_bytes);
    config.work = args.work;
    config.max_text = args.max_text;
    config.notices_up_to = args.notices_up_to;
    config.language = args.language();
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
        untrusted: one(defaults.untrusted),
    }
}

fn announce(hub: &Hub, sockets: &[Socket]) {
    let config = hub.config();
    for (door, socket) in config.doors.iter().zip(sockets) {
        let can = socket.capabilities();
        info!(
            format = %door.format,
            room = %door.room,
            timeout = ?config.timeout,
            max_members = config.max_members,
            gso = can.gso,
            gro = can.gro,
            receive_buffer = can.receive_buffer,
            "listening on {}",
            socket.local_addr()
        );
    }
}

/// Says how others join.
fn invite(hub: &Hub, sockets: &[Socket], interfaces: &Interfaces, language: Language, kept: Kept) {
    let config = hub.config();
    let doors = config.doors.iter().cloned();
    let doors: Vec<_> = doors.zip(sockets.iter().map(Socket::local_addr)).collect();
    let lines = invitation::lines(language, &doors, interfaces, config.password.is_some(), kept);
    lines.into_iter().for_each(|line| info!("{line}"));
}

/// A message as the console shows it: `21:04 lobby 狗哥: 你好`.
fn shown(message: &pigeon_hub::Message) -> String {
    let time = crate::output::wall::local(Some(message.wall)).strftime("%H:%M").to_string();
    let (room, text) = (&message.room, pigeon_text::escape(&message.text));
    format!("{time} {room} {}: {text}", message.label)
}

/// The operator: the console, the log, signals, the service manager.
struct Operator {
    commands: Receiver<Command>,
    stop: Stop,
    reload: Reload,
    reread: fn() -> anyhow::Result<Args>,
    level: Level,
    printer: Printer,
    journal: Journal,
    /// When the wall clock is read again.
    next_wall: datagram::Instant,
    watchdog: Watchdog,
    archive: Option<Archive>,
    ipmsg: Option<ipmsg::Link>,
    /// Where it hears those who look for hubs.
    groups: Option<GroupSockets>,
    /// Whether messages are for stdout too.
    shows_messages: bool,
    /// What Tab completes at the console, and when it is brought up to date.
    suggestions: Suggestions,
    next_names: datagram::Instant,
}

impl Operator {
    /// Reads the settings again and applies what can change while the hub runs. A mistake in them
    /// changes nothing.
    fn reload(&mut self, hub: &mut Hub) {
        notify(&[State::Reloading]);
        let read = (self.reread)().and_then(|args| Ok((args.password()?, args)));
        match read {
            Ok(((password, warnings), args)) => {
                warnings.iter().for_each(|warning| warn!("{warning}"));
                self.level.set(args.log_level);
                let mut config = hub.config().clone();
                limit(&args, password, &mut config);
                hub.reconfigure(&config);
                let asked = if config.password.is_some() { "is asked" } else { "none is asked" };
                info!(
                    password = asked,
                    "settings read again: password, open networks, limits, time-out, language and \
                     log level are in force; all others after a restart"
                );
            }
            Err(error) => {
                let why = system_error::chain(&error);
                error!("{}", say!("hub-not-reloaded", why = why));
            }
        }
        notify(&[State::Ready]);
    }
}

impl Host<Hub> for Operator {
    fn woken(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.reload.take() {
            self.reload(hub);
        }
        if let Some(archive) = &mut self.archive {
            archive.woken(hub, io.now);
        }
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.woken(hub, io.now);
        }
        hub.set_now(io.now);
        let mut quit = self.stop.is_set();
        let commands: Vec<Command> = self.commands.try_iter().take(ui::console::WAITING).collect();
        for command in commands {
            quit |= command == Command::Quit;
            if command == Command::Reload {
                self.reload(hub);
            }
            let stats = io.stats();
            let console = console::Console {
                hub,
                now: io.now,
                stats: &stats,
                archive: self.archive.as_mut(),
            };
            for line in console.answer(command) {
                self.printer.data.line(line);
            }
        }
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.settle(hub);
        }
        if quit {
            hub.stop();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, hub: &mut Hub, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.event(hub, &event);
        }
        match (event, &self.archive) {
            (Event::Message(message), archive) => {
                if self.shows_messages {
                    self.printer.data.line(shown(&message));
                }
                let history = hub.config().history;
                if let Some(archive) = archive
                    && history.is_some_and(|history| history.keeps_raw || !message.is_raw)
                {
                    archive.message(message);
                }
            }
            (Event::Keep(keep), Some(archive)) => archive.keep(keep),
            (Event::Lookup(lookup), Some(archive)) => archive.look_up(hub, io.now, lookup),
            (event, _) => self.journal.note(io.now, &event),
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<datagram::Instant> {
        let archive = self.archive.as_ref().map(Archive::next);
        let names = self.printer.interactive.then_some(self.next_names);
        let groups = self.groups.as_ref().map(GroupSockets::deadline);
        let timers = [self.watchdog.next(), archive, groups, names, Some(self.next_wall)];
        timers.into_iter().flatten().min()
    }

    fn tick(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        self.watchdog.feed(io.now);
        if let Some(archive) = &mut self.archive {
            archive.tick(hub, io.now);
        }
        if let Some(groups) = &mut self.groups {
            groups.tick(io.now, io.sockets).into_iter().for_each(searchers::tell);
        }
        if self.next_names <= io.now {
            self.next_names = io.now + NAMES_EVERY;
            self.suggestions.set_names(console::names(hub));
        }
        if self.next_wall <= io.now {
            self.next_wall = io.now + WALL_EVERY;
            hub.set_wall(wall(io.now));
        }
        ControlFlow::Continue(())
    }
}
