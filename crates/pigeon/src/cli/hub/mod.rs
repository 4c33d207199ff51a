//! `pigeon hub`: serves group chat on one or more UDP ports.

mod archive;
mod check;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(not(feature = "cluster"))]
#[path = "cluster_absent.rs"]
mod cluster;
mod console;
mod door;
mod ending;
mod figure;
pub(super) mod invitation;
#[cfg(feature = "ipmsg")]
mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "ipmsg_absent.rs"]
mod ipmsg;
mod journal;
#[cfg(feature = "page")]
mod page;
#[cfg(not(feature = "page"))]
#[path = "page_absent.rs"]
mod page;
mod password;
mod reliable;
mod room_log;
mod searchers;
#[cfg(feature = "quic")]
mod secure;
#[cfg(not(feature = "quic"))]
#[path = "secure_absent.rs"]
mod secure;
mod service;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use clap_complete::ArgValueCandidates;
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
use crate::base::endpoint::ListenAddress;
use crate::base::groups::GroupSockets;
use crate::base::invitation::{Invitation, Kept as KeptInvitation};
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

/// Time limit for writing output after the loop has ended. The last drain takes up to 0.8 s, so a
/// stop takes less than a second.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Time between attempts to bind an address that this host does not have yet; the service manager's
/// timeout is extended by it.
const RETRY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between readings of the wall clock, which may be set while the hub runs.
const WALL_EVERY: Duration = Duration::from_secs(10);

/// Time between updates of the names that Tab completes at the console.
const NAMES_EVERY: Duration = Duration::from_secs(1);

/// Run a hub: group chat on a UDP port, for anything that can send a datagram
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon hub  # for programs on this machine
  pigeon hub '*:9999'  # for the local network
  pigeon hub '*:9999' 'raw@*:9998=video'  # and a room for data, such as a video
  pigeon hub --config hub.toml  # settings from a file
  echo 'hello' | nc -u -w1 127.0.0.1 9999  # any program can speak

Settings can also be given in the environment (--max-text as PIGEON_HUB_MAX_TEXT) or in a file
(--config); a flag overrides the environment, the environment overrides the file. docs/hub.toml
shows every setting.

Commands at its terminal:
  members, rooms, stats  print who is here, the rooms, the counts
  say, msg  speak to a room, to a member
  kick, ban, unban, bans  remove a member, or keep it out
  mute, unmute, mutes, slow  silence a member, slow a room down
  forget  deletes history
  password, page, reload  change the password, show the page's address, read the settings again
  help, quit  explain the commands, stop the hub

Exit status:
  0  stopped; with --check, the settings and the data are good
  1  the hub could not listen or open its data

Files:
  ~/.local/state/pigeon/  names, bans and history, one folder per first --listen

Environment:
  PIGEON_STATE  the state directory instead of ~/.local/state/pigeon; empty keeps nothing")]
pub(crate) struct Args {
    /// Read settings from a TOML file; its keys are the names of the flags
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CONFIG")]
    config: Option<PathBuf>,

    /// Check the settings and the data, change nothing, and exit: 0 if all is good
    #[arg(long)]
    check: bool,

    /// Where to listen, short for --listen
    #[arg(value_name = "[ADDR:]PORT", id = "port")]
    doors: Vec<DoorArg>,

    /// Where to listen: [FORMAT@][ADDR:]PORT[=ROOM]; may be repeated, or a list with commas. A port
    /// alone means this machine, * every address; port 0 lets the system choose. Members who come in
    /// there get FORMAT and start in ROOM
    #[arg(
        long,
        value_name = "DOOR",
        env = "PIGEON_HUB_LISTEN",
        default_value = "127.0.0.1:9999",
        value_delimiter = ',',
        help_heading = NETWORK
    )]
    listen: Vec<DoorArg>,

    /// What plain members receive, unless --listen says otherwise
    #[arg(long, value_enum, env = "PIGEON_HUB_FORMAT", default_value_t = FormatArg::Chat, help_heading = MEMBERS)]
    format: FormatArg,

    /// Language of the hub's sentences to plain members, of its console and of its help [default: from
    /// LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "en|zh", env = "PIGEON_HUB_LANGUAGE", value_parser = locale::parse, add = ArgValueCandidates::new(locale::candidates), help_heading = MEMBERS)]
    language: Option<Language>,

    /// Encoding of plain members until they choose another with /encoding: a label such as gbk, or
    /// auto, which detects UTF-8 and GB18030 and answers in the same
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_ENCODING", default_value = "utf-8", value_parser = charset, help_heading = MEMBERS)]
    encoding: Charset,

    /// Name of the hub: its operator speaks under it, and discovery shows it
    #[arg(long, env = "PIGEON_HUB_NAME", default_value = "hub", value_parser = name, help_heading = MEMBERS)]
    name: Name,

    /// Drop a member that is silent for this long
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_TIMEOUT", default_value = "30s", value_parser = quantity::interval, help_heading = MEMBERS)]
    timeout: Duration,

    /// Networks from which everyone may join; an address elsewhere must first prove that it receives
    /// there [default: this machine and private networks: 127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12,
    /// 192.168.0.0/16, 169.254.0.0/16, fe80::/10, fc00::/7]
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_OPEN", default_value_t = Nets::default(), hide_default_value = true, help_heading = NETWORK)]
    open: Nets,

    /// Password that everyone must give with /pass before taking part. Other users of this machine can
    /// see it here; prefer --password-file
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_PASSWORD", hide_env_values = true, value_parser = Password::parse, help_heading = MEMBERS)]
    password: Option<Password>,

    /// File with the password as its only line; nobody else may be able to read it
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_PASSWORD_FILE", help_heading = MEMBERS)]
    password_file: Option<PathBuf>,

    /// Where the password and its file come from.
    #[arg(skip)]
    password_origins: [Option<ValueSource>; 2],

    /// Answer `pigeon discover`, if the hub listens beyond this machine
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_DISCOVERABLE", default_value_t = Switch::On, help_heading = NETWORK)]
    discoverable: Switch,

    /// Maximum number of members
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_MEMBERS", default_value_t = 100_000, value_parser = quantity::whole(1_u32..=1 << 30), help_heading = LIMITS)]
    max_members: u32,

    /// Maximum number of members in one room [default: as --max-members]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ROOM", value_parser = quantity::whole(1_u32..), help_heading = LIMITS)]
    max_per_room: Option<u32>,

    /// Maximum number of members from one IP address, or outside --open from one IPv6 /64; loopback is
    /// exempt unless this is given [default: 256]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ADDRESS", value_parser = quantity::whole(1_u32..), help_heading = LIMITS)]
    max_per_address: Option<u32>,

    /// Messages per second from one member [default: 50k/s from this machine, 5k/s from --open
    /// networks, 20/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_RATE", value_parser = quantity::per_second, help_heading = LIMITS)]
    rate: Option<PerSecond>,

    /// Bytes per second from one member [default: 256MiB/s, 8MiB/s, 64KiB/s, likewise]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second, help_heading = LIMITS)]
    rate_bytes: Option<BytesPerSecond>,

    /// Messages per second from all members together [default: unlimited from this machine, 50k/s from
    /// --open networks, 1k/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_HUB_RATE", value_parser = quantity::per_second, help_heading = LIMITS)]
    hub_rate: Option<PerSecond>,

    /// Bytes per second from all members together [default: unlimited, 64MiB/s, 3200KiB/s, likewise]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second, help_heading = LIMITS)]
    hub_rate_bytes: Option<BytesPerSecond>,

    /// CPU time per second that members on other machines may use together; one address gets at most
    /// half of what the others leave, unless it is alone
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_WORK", default_value = "500ms", value_parser = quantity::duration, help_heading = LIMITS)]
    work: Duration,

    /// Maximum text of a message in bytes [default: 8KiB; raw: as much as a datagram holds]
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_MAX_TEXT", value_parser = quantity::length, help_heading = LIMITS)]
    max_text: Option<usize>,

    /// Announce who comes and goes in rooms of up to this many members
    #[arg(long, value_name = "N", env = "PIGEON_HUB_NOTICES_UP_TO", default_value_t = 100, value_parser = quantity::whole(0_usize..), help_heading = MEMBERS)]
    notices_up_to: usize,

    /// Keep what is said, for /history, /search and `pigeon history`; off still keeps names, bans and
    /// mutes [default: on; off for raw rooms, and if the first port is 0 and --data is not given]
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_HISTORY", help_heading = HISTORY)]
    history: Option<Switch>,

    /// Folder for names, bans and history, used by this hub only [default: a folder in the state
    /// directory, named after the first --listen]
    #[arg(long, value_name = "DIR", env = "PIGEON_HUB_DATA", help_heading = HISTORY)]
    data: Option<PathBuf>,

    /// Port for members with a key of their own, encrypted (QUIC): a port, on (the port after the
    /// first --listen), or off
    #[arg(long, value_name = "PORT|on|off", env = "PIGEON_HUB_SECURE", default_value = "on", help_heading = NETWORK)]
    secure: secure::SecurePort,

    /// How long to keep messages, counted back from the newest: 90d, 12h, or forever
    #[arg(long, value_name = "DURATION|forever", env = "PIGEON_HUB_KEEP", default_value = "90d", value_parser = keep, help_heading = HISTORY)]
    keep: Keep,

    /// Maximum size of the history; beyond it, the oldest messages of the largest speaker in the
    /// largest room are deleted first
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_KEEP_SIZE", default_value = "1GiB", value_parser = quantity::size, help_heading = HISTORY)]
    keep_size: usize,

    /// How many messages to show a newcomer who takes a name; 0 shows none
    #[arg(long, value_name = "N", env = "PIGEON_HUB_BACKLOG", default_value_t = 20, value_parser = quantity::whole(0_u16..=100), help_heading = HISTORY)]
    backlog: u16,

    /// Let users of IP Messenger, FeiQ and iptux join, from --open networks: ADDR is an IPv4 address
    /// of this host, or * for all (the default). Uses UDP port 2425
    #[arg(long, value_name = "ADDR", env = "PIGEON_HUB_IPMSG", num_args = 0..=1, default_missing_value = "*", help_heading = IPMSG)]
    ipmsg: Option<IpmsgAddress>,

    /// Networks to search for IP Messenger users address by address, as broadcasts do not reach them:
    /// twenty a second, repeated every ten minutes
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_IPMSG_SCAN", help_heading = IPMSG)]
    ipmsg_scan: Option<ScanNets>,

    /// Encoding of IP Messenger programs without UTF-8: gb18030 in China, shift_jis in Japan
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_IPMSG_ENCODING", default_value = "gb18030", value_parser = ipmsg::legacy_encoding, help_heading = IPMSG)]
    ipmsg_encoding: Encoding,

    /// Serve a page for browsers at this TCP port, on every address unless ADDR is given: who opens it
    /// is a member. Needs history
    #[arg(long, value_name = "[ADDR:]PORT", env = "PIGEON_HUB_PAGE", help_heading = PAGE)]
    page: Option<ListenAddress>,

    /// PEM file with a certificate, its chain and its private key: the page is served over https
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_PAGE_CERTIFICATE", help_heading = PAGE)]
    page_certificate: Option<PathBuf>,

    /// Another name under which browsers open the page, such as chat.example.org; may be repeated, or a
    /// list with commas. Addresses, localhost and this host's name always work
    #[arg(long, value_name = "NAME", env = "PIGEON_HUB_PAGE_NAME", value_delimiter = ',', value_parser = page::name, help_heading = PAGE)]
    page_name: Vec<String>,

    /// Who may read /metrics at the page's port, for Prometheus: this machine, everyone, or nobody
    #[arg(long, value_enum, value_name = "WHO", env = "PIGEON_HUB_METRICS", default_value_t = page::Metrics::Loopback, help_heading = PAGE)]
    metrics: page::Metrics,

    /// NATS servers over which hubs share rooms, such as nats://10.0.0.1 or tls://a.example:4222; may
    /// be repeated, or a list with commas. Needs history
    #[arg(long, value_name = "URL", env = "PIGEON_HUB_CLUSTER", value_delimiter = ',', help_heading = CLUSTER)]
    cluster: Vec<cluster::Broker>,

    /// Name of the cluster: hubs with the same name share rooms
    #[arg(long, value_name = "NAME", env = "PIGEON_HUB_CLUSTER_NAME", default_value = "pigeon", value_parser = cluster::name, help_heading = CLUSTER)]
    cluster_name: String,

    /// User at the NATS servers
    #[arg(long, value_name = "USER", env = "PIGEON_HUB_CLUSTER_USER", help_heading = CLUSTER)]
    cluster_user: Option<String>,

    /// Password at the NATS servers. Other users of this machine can see it here; prefer the
    /// environment
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_CLUSTER_PASSWORD", hide_env_values = true, value_parser = Password::parse, help_heading = CLUSTER)]
    cluster_password: Option<Password>,

    /// File with credentials for the NATS servers, as nsc writes it, instead of a user and a password
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CLUSTER_CREDENTIALS", help_heading = CLUSTER)]
    cluster_credentials: Option<PathBuf>,

    /// PEM file with the certificate of the authority that has signed the NATS servers' certificates
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CLUSTER_AUTHORITY", help_heading = CLUSTER)]
    cluster_authority: Option<PathBuf>,

    /// Where the brokers and the password at them come from.
    #[arg(skip)]
    cluster_origins: [Option<ValueSource>; 3],

    /// Read commands from stdin; the end of stdin does not stop the hub
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_CONSOLE", default_value_t = Switch::On)]
    console: Switch,

    /// Print members' messages on stdout [default: on at a terminal, else off]
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_MESSAGES")]
    messages: Option<Switch>,

    /// How to write the log to stderr
    #[arg(long, value_enum, value_name = "FORMAT", env = "PIGEON_HUB_LOG", default_value_t = LogFormat::Text)]
    log: LogFormat,

    /// How much to log: this level and the ones before it
    #[arg(long, value_enum, value_name = "LEVEL", env = "PIGEON_HUB_LOG_LEVEL", default_value_t = LogLevel::Info)]
    log_level: LogLevel,

    /// Wait for an address that this host does not have yet; off exits with 1
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_WAIT_FOR_ADDRESS", default_value_t = Switch::On, help_heading = NETWORK)]
    wait_for_address: Switch,

    /// Send and receive in batches of the kernel (GSO, GRO)
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_OFFLOAD", default_value_t = Switch::On, help_heading = NETWORK)]
    offload: Switch,
}

/// Help headings.
const NETWORK: &str = "Network";
const MEMBERS: &str = "Members and rooms";
const HISTORY: &str = "History";
const LIMITS: &str = "Limits";
const IPMSG: &str = "IP Messenger";
const PAGE: &str = "Page";
const CLUSTER: &str = "Several hubs";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// `NAME: TEXT` and a newline, safe to display; notices begin with `* `
    Chat,
    /// `Ack TEXT. from IP:PORT`, in capitals
    Classic,
    /// the payload untouched, to everyone but its sender
    Raw,
}

fn charset(label: &str) -> Result<Charset, String> {
    let charset = payload::charset(label)?;
    match charset.is_ascii_compatible() {
        true => Ok(charset),
        false => Err(say!("hub-encoding-not-ascii", encoding = &charset)),
    }
}

/// How long messages are kept; `None`: for ever.
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
    /// Sets the process's language to the hub's, which the environment or the configuration file
    /// may set. With a JSON log, for programs, it is English.
    pub(crate) fn set_language(&self) {
        words::set_language(match self.log {
            LogFormat::Text => self.language(),
            LogFormat::Json => Language::English,
        });
    }

    /// Records where the password came from: on a command line, other users can read it.
    pub(crate) fn note_origins(&mut self, matches: &ArgMatches) {
        self.password_origins = ["password", "password_file"].map(|id| matches.value_source(id));
        self.cluster_origins =
            ["cluster", "cluster_password", "cluster_name"].map(|id| matches.value_source(id));
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

    /// Which messages are kept, if any.
    fn history(&self) -> Option<History> {
        let doors = self.doors();
        let is_fixed = doors.first().is_some_and(|door| door.listen.port != 0);
        let has_lines =
            doors.iter().any(|door| door.door(self.format.into()).format != Format::Raw);
        let wanted = match self.history {
            None => (is_fixed || self.data.is_some()) && has_lines,
            Some(switch) => switch == Switch::On,
        };
        // Raw data is kept on request only: it may be a video.
        let keeps_raw = self.history.is_some();
        wanted.then_some(History { backlog: self.backlog, keeps_raw })
    }

    /// Opens the persistent state. `None` if there is none: a port chosen by the system names no
    /// folder, or no folder is available and none was requested.
    ///
    /// Otherwise a missing folder is an error.
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

    /// The address for members with a key, given the bound address of the first socket.
    fn secure(&self, first: SocketAddr) -> Option<ListenAddress> {
        let listen = self.doors().first()?.listen;
        let port = match self.secure {
            secure::SecurePort::Off => return None,
            secure::SecurePort::Port(port) => port,
            secure::SecurePort::Next => first.port().checked_add(1)?,
        };
        Some(ListenAddress { port, ..listen })
    }

    /// The settings of the IP Messenger link, if enabled.
    fn ipmsg(&self) -> Result<Option<ipmsg::Settings>, UsageError> {
        let (scan, legacy) = (self.ipmsg_scan.clone(), self.ipmsg_encoding);
        match self.ipmsg {
            None if scan.is_some() => Err(UsageError(say!("hub-ipmsg-scan"))),
            address => Ok(address.map(|address| ipmsg::Settings { address, scan, legacy })),
        }
    }

    /// The settings of the page, if enabled.
    fn page(&self) -> anyhow::Result<Option<page::Settings>> {
        let is_more = self.page_certificate.is_some() || !self.page_name.is_empty();
        let Some(address) = self.page else {
            return match is_more {
                true => Err(UsageError(say!("hub-page-missing")).into()),
                false => Ok(None),
            };
        };
        let certificate = self.page_certificate.as_deref().map(page::certificate).transpose()?;
        let (names, metrics) = (self.page_name.clone(), self.metrics);
        Ok(Some(page::Settings { address, certificate, names, metrics }))
    }

    /// The settings of the cluster, if there is one, and warnings.
    fn cluster(&self) -> anyhow::Result<(Option<cluster::Settings>, Vec<String>)> {
        let password = self.cluster_password.as_ref();
        let [brokers, secret, name] = self.cluster_origins;
        let is_more = matches!(name, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
            || self.cluster_user.is_some()
            || password.is_some()
            || self.cluster_credentials.is_some()
            || self.cluster_authority.is_some();
        if self.cluster.is_empty() {
            return match is_more {
                true => Err(UsageError(say!("hub-cluster-missing")).into()),
                false => Ok((None, Vec::new())),
            };
        }
        if self.history().is_none() {
            return Err(UsageError(say!("hub-cluster-without-history")).into());
        }
        let settings = cluster::Settings::new(
            self.cluster.clone(),
            self.cluster_name.clone(),
            (self.cluster_user.clone(), password.cloned().map(Password::into_inner)),
            self.cluster_credentials.as_deref(),
            self.cluster_authority.clone(),
            (self.keep.0, self.keep_size as u64),
        )?;
        let is_seen = |origin| origin == Some(ValueSource::CommandLine);
        let is_told = password.is_some() && is_seen(secret)
            || settings.has_password_in_address() && is_seen(brokers);
        let warning = is_told.then(|| say!("hub-cluster-on-command-line"));
        Ok((Some(settings), warning.into_iter().collect()))
    }

    fn language(&self) -> Language {
        self.language.unwrap_or_else(locale::asked)
    }
}

/// Runs the hub until it is stopped. `unknown` are warnings about the environment; `reread` reads
/// the settings again.
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
    let page = args.page()?;
    let (cluster, of_cluster) = args.cluster()?;
    let (password, warnings) = args.password()?;
    let suggestions = console::suggestions();
    let (reader, printer) = lines::open("hub> ", suggestions.clone())?;
    let level = journal::start(args.log, args.log_level, color, printer.notes.clone());
    unknown.iter().chain(&warnings).chain(&of_cluster).for_each(|warning| warn!("{warning}"));

    // Signals before sockets, so that a hub waiting for its address can be stopped.
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
    // After the sockets, so that a hub that does not get its port leaves no folder behind.
    let archive = args.archive(&waker)?;
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let doors: Vec<Door> = doors.iter().map(|door| door.door(args.format.into())).collect();
    let mut config = config(&args, doors, password, &sockets, &interfaces, printer.interactive)?;
    let (mut archive, secret, why_not) = match archive {
        Ok((archive, secret)) => (Some(archive), Some(secret), String::new()),
        Err(why_not) => (None, None, why_not),
    };
    config.secret = secret.map_or_else(random::bytes, Ok)?;
    config.history = args.history().filter(|_| archive.is_some());
    config.keeps = archive.is_some();
    let has_lines = config.doors.iter().any(|door| door.format != Format::Raw);
    let first = sockets.first().map(Socket::local_addr);
    // The link needs a folder, for a lasting certificate, and messages in lines: raw data may be a
    // video, of which the last 4 MiB in memory would serve nobody.
    let secure = first
        .and_then(|first| args.secure(first))
        .filter(|_| archive.is_some() && (config.history.is_some() || has_lines));
    if let (Some(archive), None) = (&mut archive, config.history) {
        archive.keep_no_history()?;
    }
    config.secure_port = secure.map(|address| address.port);
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
    match (&mut archive, &cluster) {
        (Some(archive), _) => {
            archive.join_cluster(cluster.as_ref(), &mut hub, clock.now())?;
        }
        (None, Some(_)) => return Err(UsageError(say!("hub-cluster-without-history")).into()),
        (None, None) => {}
    }

    let kept = match (hub.config().history, &archive) {
        (Some(_), Some(archive)) => Kept::All(archive.folder().to_owned()),
        (None, Some(archive)) => Kept::Names(archive.folder().to_owned()),
        (_, None) => Kept::Nothing { why: why_not },
    };
    invite(&hub, &sockets, &interfaces, words::language(), kept);
    let secure = match (&archive, secure) {
        (Some(archive), Some(address)) => {
            let sources = hub.config().sources.clone();
            let now = clock.now();
            Some(secure::Secure::start(&mut hub, archive, address, sources, &waker, now)?)
        }
        _ => None,
    };
    if let Some(archive) = &mut archive {
        archive.set_place(secure.as_ref().map(secure::Secure::here));
    }
    let page = match (&archive, page) {
        (Some(archive), Some(settings)) if hub.config().history.is_some() => {
            let sources = hub.config().sources.clone();
            Some(page::Page::start(&mut hub, archive, settings, sources, &waker)?)
        }
        (_, Some(_)) => return Err(UsageError(say!("hub-page-without-history")).into()),
        (_, None) => None,
    };
    let invitation = archive.as_ref().and_then(|archive| {
        let invitation = Invitation {
            hub: hub.config().name.to_string(),
            listen: sockets.iter().map(Socket::local_addr).take(hub.config().doors.len()).collect(),
            page: page.as_ref().and_then(page::Page::place),
            keyed: secure.as_ref().map(secure::Secure::place),
        };
        let kept = invitation.keep(archive.folder());
        kept.inspect_err(|error| warn!("`pigeon invite` does not find this hub: {error}")).ok()
    });
    let ipmsg = settings.map(|s| ipmsg::Link::start(&mut hub, &s, &interfaces, &waker));
    let ipmsg = ipmsg.transpose()?;

    hub.set_wall(wall(clock.now()));
    let shows_messages = hub.config().report_messages;
    let driver = Driver::over(hub, sockets).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock);
    // The only call of `set`.
    let _ = waker.set(driver.waker());
    let wanted = args.console == Switch::On;
    let commands = ui::console::start(reader, &printer, driver.waker(), wanted)?;
    // For signals that came before the waker was set.
    driver.waker().wake();
    notify(&[State::Ready, State::Status("serving")]);

    let is_colored = color.enabled(&std::io::stderr());
    if printer.interactive {
        let lines = page.iter().flat_map(|page| page.invitation(is_colored));
        for line in lines {
            printer.notes.line(line);
        }
    }
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
        secure,
        page,
        _invitation: invitation,
        ipmsg,
        groups,
        shows_messages,
        color: is_colored,
        suggestions,
        next_names: clock.now(),
    };
    let outcome = driver.run(&mut operator);
    notify(&[State::Stopping]);
    if let Some(ipmsg) = operator.ipmsg.take() {
        ipmsg.close();
    }
    // Both say goodbye at the same time.
    let page = operator.page.take();
    page.iter().for_each(page::Page::wake);
    let keyed = operator.secure.take().and_then(secure::Secure::close);
    if let Some(page) = page {
        page.close();
    }
    if let Some(archive) = operator.archive.take() {
        archive.close();
    }
    let unprinted = printer.data.dropped() + printer.notes.dropped();
    keyed.iter().for_each(secure::Counters::log);
    journal::farewell(&mut operator.journal, driver.machine().statistics(), unprinted);
    // Ignored: the hub has stopped, even if its console is closed.
    let _ = printer.close(Instant::now() + LAST_WORDS);
    outcome?;
    Ok(Status::Done)
}

/// Opens the listening sockets. `None` if the hub is stopped while it waits for an address.
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
                // Not wrong usage: the address may appear, and then the same settings work.
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

/// Applies the settings that can change at run time.
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

/// A given rate applies to all origins.
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

/// Prints how others join.
fn invite(hub: &Hub, sockets: &[Socket], interfaces: &Interfaces, language: Language, kept: Kept) {
    let config = hub.config();
    let doors = config.doors.iter().cloned();
    let doors: Vec<_> = doors.zip(sockets.iter().map(Socket::local_addr)).collect();
    let lines = invitation::lines(language, &doors, interfaces, config.password.is_some(), kept);
    lines.into_iter().for_each(|line| info!("{line}"));
}

/// A message as shown on the console: `21:04 lobby 狗哥: 你好`.
fn shown(message: &pigeon_hub::Message) -> String {
    let time = crate::output::wall::local(Some(message.wall)).strftime("%H:%M").to_string();
    let (room, text) = (&message.room, pigeon_text::escape(&message.text));
    format!("{time} {room} {}: {text}", message.label)
}

/// The host of the hub: console, log, signals, service manager.
struct Operator {
    commands: Receiver<Command>,
    stop: Stop,
    reload: Reload,
    reread: fn() -> anyhow::Result<Args>,
    level: Level,
    printer: Printer,
    journal: Journal,
    /// When to read the wall clock again.
    next_wall: datagram::Instant,
    watchdog: Watchdog,
    archive: Option<Archive>,
    secure: Option<secure::Secure>,
    page: Option<page::Page>,
    /// Says while it lives that the hub runs.
    _invitation: Option<KeptInvitation>,
    ipmsg: Option<ipmsg::Link>,
    /// The sockets that receive discovery requests.
    groups: Option<GroupSockets>,
    /// Whether messages are printed on stdout.
    shows_messages: bool,
    /// Whether the console is in colour.
    color: bool,
    /// The console's Tab candidates, and when to update them.
    suggestions: Suggestions,
    next_names: datagram::Instant,
}

impl Operator {
    /// Reads the settings again and applies those that can change at run time. An error in them
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
            let forgotten = archive.take_forgotten();
            if let (Some(places), Some(secure)) = (archive.take_places(), &self.secure) {
                secure.hubs(places);
            }
            for (to, up_to) in archive.take_rewinds() {
                self.secure.iter().for_each(|secure| secure.rewound(to, up_to));
                self.page.iter().for_each(|page| page.rewound(to, up_to));
            }
            if let Some(secure) = &mut self.secure {
                forgotten.iter().for_each(|what| secure.forgot(what));
                secure.woken(hub, archive, io.now);
            }
            if let Some(page) = &mut self.page {
                forgotten.iter().for_each(|what| page.forgot(what));
                page.woken(hub, archive, io.now);
            }
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
            if command == Command::Page {
                let lines = self.page.as_ref().map(|page| page.invitation(self.color));
                let lines = lines.unwrap_or_else(|| vec![say!("hub-page-off")]);
                for line in lines {
                    self.printer.data.line(line);
                }
            }
            let stats = io.stats();
            let console = console::Console {
                hub,
                now: io.now,
                stats: &stats,
                archive: self.archive.as_mut(),
                secure: self.secure.as_ref(),
                page: self.page.as_ref(),
            };
            for line in console.answer(command) {
                self.printer.data.line(line);
            }
        }
        if let Some(page) = &self.page {
            for (from, command) in page.take_commands() {
                let (stats, archive) = (io.stats(), self.archive.as_mut());
                let secure = self.secure.as_ref();
                let console = console::Console {
                    hub,
                    now: io.now,
                    stats: &stats,
                    archive,
                    secure,
                    page: Some(page),
                };
                page.answer(from, &console.answer(command));
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
        if let Some(secure) = &mut self.secure {
            secure.event(&event);
        }
        if let Some(page) = &mut self.page {
            page.event(&event);
        }
        if let Some(archive) = &mut self.archive {
            archive.event(hub, io.now, &event);
        }
        match (event, &self.archive) {
            (Event::Message(message), archive) => {
                if self.shows_messages {
                    self.printer.data.line(shown(&message));
                }
                let history = hub.config().history;
                let keeps_raw = history.is_some_and(|history| history.keeps_raw);
                if let Some(archive) = archive
                    && !message.is_stored
                    && (keeps_raw || !message.is_raw)
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
        let secure = self.secure.as_ref().and_then(secure::Secure::deadline);
        let page = self.page.as_ref().and_then(page::Page::deadline);
        let timers =
            [self.watchdog.next(), secure, page, archive, groups, names, Some(self.next_wall)];
        timers.into_iter().flatten().min()
    }

    fn tick(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        self.watchdog.feed(io.now);
        if let Some(archive) = &mut self.archive {
            archive.tick(hub, io.now);
            if let Some(secure) = &mut self.secure {
                archive.take_probes().into_iter().for_each(|author| secure.elsewhere(author));
                secure.tick(hub, archive, io.now);
            }
            if let Some(page) = &mut self.page {
                page.tick(hub, archive, io.now);
                let secure = self.secure.as_ref().and_then(secure::Secure::state);
                let now = io.now;
                page.measure(hub, archive, secure, || io.stats(), now);
            }
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
