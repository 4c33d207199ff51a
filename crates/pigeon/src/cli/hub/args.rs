//! The arguments of `pigeon hub`: what a flag, the environment and the configuration file may say.
//! [`settings`](super::settings) makes of them what the hub and its links are started with.

use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use clap_complete::ArgValueCandidates;
use pigeon_proto::{Format, Language, Name};
use pigeon_text::{Charset, Encoding};

use super::door::DoorArg;
use super::ipmsg::{self, IpmsgAddress, ScanNets};
use super::journal::{LogFormat, LogLevel};
use super::password::Password;
use super::{cluster, page, secure};
use crate::base::endpoint::ListenAddress;
use crate::base::locale;
use crate::base::networks::Nets;
use crate::base::payload;
use crate::base::quantity::{self, BytesPerSecond, PerSecond};
use crate::base::switch::Switch;
use crate::words;
use crate::words::say;

/// Help headings.
const NETWORK: &str = "Network";
const MEMBERS: &str = "Members and rooms";
const HISTORY: &str = "History";
const LIMITS: &str = "Limits";
const IPMSG: &str = "IP Messenger";
const PAGE: &str = "Page";
const CLUSTER: &str = "Several hubs";

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
    pub(super) config: Option<PathBuf>,

    /// Check the settings and the data, change nothing, and exit: 0 if all is good
    #[arg(long)]
    pub(super) check: bool,

    /// Where to listen, short for --listen
    #[arg(value_name = "[ADDR:]PORT", id = "port")]
    pub(super) doors: Vec<DoorArg>,

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
    pub(super) listen: Vec<DoorArg>,

    /// What plain members receive, unless --listen says otherwise
    #[arg(long, value_enum, env = "PIGEON_HUB_FORMAT", default_value_t = FormatArg::Chat, help_heading = MEMBERS)]
    pub(super) format: FormatArg,

    /// Language of the hub's sentences to plain members, of its console and of its help [default: from
    /// LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "en|zh", env = "PIGEON_HUB_LANGUAGE", value_parser = locale::parse, add = ArgValueCandidates::new(locale::candidates), help_heading = MEMBERS)]
    pub(super) language: Option<Language>,

    /// Encoding of plain members until they choose another with /encoding: a label such as gbk, or
    /// auto, which detects UTF-8 and GB18030 and answers in the same
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_ENCODING", default_value = "utf-8", value_parser = charset, help_heading = MEMBERS)]
    pub(super) encoding: Charset,

    /// Name of the hub: its operator speaks under it, and discovery shows it
    #[arg(long, env = "PIGEON_HUB_NAME", default_value = "hub", value_parser = name, help_heading = MEMBERS)]
    pub(super) name: Name,

    /// Drop a member that is silent for this long
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_TIMEOUT", default_value = "30s", value_parser = quantity::interval, help_heading = MEMBERS)]
    pub(super) timeout: Duration,

    /// Networks from which everyone may join; an address elsewhere must first prove that it receives
    /// there [default: this machine and private networks: 127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12,
    /// 192.168.0.0/16, 169.254.0.0/16, fe80::/10, fc00::/7]
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_OPEN", default_value_t = Nets::default(), hide_default_value = true, help_heading = NETWORK)]
    pub(super) open: Nets,

    /// Password that everyone must give with /pass before taking part. Other users of this machine can
    /// see it here; prefer --password-file
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_PASSWORD", hide_env_values = true, value_parser = Password::parse, help_heading = MEMBERS)]
    pub(super) password: Option<Password>,

    /// File with the password as its only line; nobody else may be able to read it
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_PASSWORD_FILE", help_heading = MEMBERS)]
    pub(super) password_file: Option<PathBuf>,

    /// Where the password and its file come from.
    #[arg(skip)]
    pub(super) password_origins: [Option<ValueSource>; 2],

    /// Answer `pigeon discover`, if the hub listens beyond this machine
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_DISCOVERABLE", default_value_t = Switch::On, help_heading = NETWORK)]
    pub(super) discoverable: Switch,

    /// Maximum number of members
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_MEMBERS", default_value_t = 100_000, value_parser = quantity::whole(1_u32..=1 << 30), help_heading = LIMITS)]
    pub(super) max_members: u32,

    /// Maximum number of members in one room [default: as --max-members]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ROOM", value_parser = quantity::whole(1_u32..), help_heading = LIMITS)]
    pub(super) max_per_room: Option<u32>,

    /// Maximum number of members from one IP address, or outside --open from one IPv6 /64; loopback is
    /// exempt unless this is given [default: 256]
    #[arg(long, value_name = "N", env = "PIGEON_HUB_MAX_PER_ADDRESS", value_parser = quantity::whole(1_u32..), help_heading = LIMITS)]
    pub(super) max_per_address: Option<u32>,

    /// Messages per second from one member [default: 50k/s from this machine, 5k/s from --open
    /// networks, 20/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_RATE", value_parser = quantity::per_second, help_heading = LIMITS)]
    pub(super) rate: Option<PerSecond>,

    /// Bytes per second from one member [default: 256MiB/s, 8MiB/s, 64KiB/s, likewise]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second, help_heading = LIMITS)]
    pub(super) rate_bytes: Option<BytesPerSecond>,

    /// Messages per second from all members together [default: unlimited from this machine, 50k/s from
    /// --open networks, 1k/s from elsewhere]
    #[arg(long, value_name = "N/s", env = "PIGEON_HUB_HUB_RATE", value_parser = quantity::per_second, help_heading = LIMITS)]
    pub(super) hub_rate: Option<PerSecond>,

    /// Bytes per second from all members together [default: unlimited, 64MiB/s, 3200KiB/s, likewise]
    #[arg(long, value_name = "SIZE/s", env = "PIGEON_HUB_HUB_RATE_BYTES", value_parser = quantity::bytes_per_second, help_heading = LIMITS)]
    pub(super) hub_rate_bytes: Option<BytesPerSecond>,

    /// CPU time per second that members on other machines may use together; one address gets at most
    /// half of what the others leave, unless it is alone
    #[arg(long, value_name = "DURATION", env = "PIGEON_HUB_WORK", default_value = "500ms", value_parser = quantity::duration, help_heading = LIMITS)]
    pub(super) work: Duration,

    /// Maximum text of a message in bytes [default: 8KiB; raw: as much as a datagram holds]
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_MAX_TEXT", value_parser = quantity::length, help_heading = LIMITS)]
    pub(super) max_text: Option<usize>,

    /// Announce who comes and goes in rooms of up to this many members
    #[arg(long, value_name = "N", env = "PIGEON_HUB_NOTICES_UP_TO", default_value_t = 100, value_parser = quantity::whole(0_usize..), help_heading = MEMBERS)]
    pub(super) notices_up_to: usize,

    /// Keep what is said, for /history, /search and `pigeon history`; off still keeps names, bans and
    /// mutes [default: on; off for raw rooms, and if the first port is 0 and --data is not given]
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_HISTORY", help_heading = HISTORY)]
    pub(super) history: Option<Switch>,

    /// Folder for names, bans and history, used by this hub only [default: a folder in the state
    /// directory, named after the first --listen]
    #[arg(long, value_name = "DIR", env = "PIGEON_HUB_DATA", help_heading = HISTORY)]
    pub(super) data: Option<PathBuf>,

    /// Port for members with a key of their own, encrypted (QUIC): a port, on (the port after the
    /// first --listen), or off
    #[arg(long, value_name = "PORT|on|off", env = "PIGEON_HUB_SECURE", default_value = "on", help_heading = NETWORK)]
    pub(super) secure: secure::SecurePort,

    /// How long to keep messages, counted back from the newest: 90d, 12h, or forever
    #[arg(long, value_name = "DURATION|forever", env = "PIGEON_HUB_KEEP", default_value = "90d", value_parser = keep, help_heading = HISTORY)]
    pub(super) keep: Keep,

    /// Maximum size of the history; beyond it, the oldest messages of the largest speaker in the
    /// largest room are deleted first
    #[arg(long, value_name = "SIZE", env = "PIGEON_HUB_KEEP_SIZE", default_value = "1GiB", value_parser = quantity::size, help_heading = HISTORY)]
    pub(super) keep_size: usize,

    /// How many messages to show a newcomer who takes a name; 0 shows none
    #[arg(long, value_name = "N", env = "PIGEON_HUB_BACKLOG", default_value_t = 20, value_parser = quantity::whole(0_u16..=100), help_heading = HISTORY)]
    pub(super) backlog: u16,

    /// Let users of IP Messenger, FeiQ and iptux join, from --open networks: ADDR is an IPv4 address
    /// of this host, or * for all (the default). Uses UDP port 2425
    #[arg(long, value_name = "ADDR", env = "PIGEON_HUB_IPMSG", num_args = 0..=1, default_missing_value = "*", help_heading = IPMSG)]
    pub(super) ipmsg: Option<IpmsgAddress>,

    /// Networks to search for IP Messenger users address by address, as broadcasts do not reach them:
    /// twenty a second, repeated every ten minutes
    #[arg(long, value_name = "NETS", env = "PIGEON_HUB_IPMSG_SCAN", help_heading = IPMSG)]
    pub(super) ipmsg_scan: Option<ScanNets>,

    /// Encoding of IP Messenger programs without UTF-8: gb18030 in China, shift_jis in Japan
    #[arg(long, value_name = "LABEL", env = "PIGEON_HUB_IPMSG_ENCODING", default_value = "gb18030", value_parser = ipmsg::legacy_encoding, help_heading = IPMSG)]
    pub(super) ipmsg_encoding: Encoding,

    /// Serve a page for browsers at this TCP port, on every address unless ADDR is given: who opens it
    /// is a member. Needs history
    #[arg(long, value_name = "[ADDR:]PORT", env = "PIGEON_HUB_PAGE", help_heading = PAGE)]
    pub(super) page: Option<ListenAddress>,

    /// PEM file with a certificate, its chain and its private key: the page is served over https
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_PAGE_CERTIFICATE", help_heading = PAGE)]
    pub(super) page_certificate: Option<PathBuf>,

    /// Another name under which browsers open the page, such as chat.example.org; may be repeated, or a
    /// list with commas. Addresses, localhost and this host's name always work
    #[arg(long, value_name = "NAME", env = "PIGEON_HUB_PAGE_NAME", value_delimiter = ',', value_parser = page::name, help_heading = PAGE)]
    pub(super) page_name: Vec<String>,

    /// Who may read /metrics at the page's port, for Prometheus: this machine, everyone, or nobody
    #[arg(long, value_enum, value_name = "WHO", env = "PIGEON_HUB_METRICS", default_value_t = page::Metrics::Loopback, help_heading = PAGE)]
    pub(super) metrics: page::Metrics,

    /// NATS servers over which hubs share rooms, such as nats://10.0.0.1 or tls://a.example:4222; may
    /// be repeated, or a list with commas. Needs history
    #[arg(long, value_name = "URL", env = "PIGEON_HUB_CLUSTER", value_delimiter = ',', help_heading = CLUSTER)]
    pub(super) cluster: Vec<cluster::Broker>,

    /// Name of the cluster: hubs with the same name share rooms
    #[arg(long, value_name = "NAME", env = "PIGEON_HUB_CLUSTER_NAME", default_value = "pigeon", value_parser = cluster::name, help_heading = CLUSTER)]
    pub(super) cluster_name: String,

    /// User at the NATS servers
    #[arg(long, value_name = "USER", env = "PIGEON_HUB_CLUSTER_USER", help_heading = CLUSTER)]
    pub(super) cluster_user: Option<String>,

    /// Password at the NATS servers. Other users of this machine can see it here; prefer the
    /// environment
    #[arg(long, value_name = "SECRET", env = "PIGEON_HUB_CLUSTER_PASSWORD", hide_env_values = true, value_parser = Password::parse, help_heading = CLUSTER)]
    pub(super) cluster_password: Option<Password>,

    /// File with credentials for the NATS servers, as nsc writes it, instead of a user and a password
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CLUSTER_CREDENTIALS", help_heading = CLUSTER)]
    pub(super) cluster_credentials: Option<PathBuf>,

    /// PEM file with the certificate of the authority that has signed the NATS servers' certificates
    #[arg(long, value_name = "FILE", env = "PIGEON_HUB_CLUSTER_AUTHORITY", help_heading = CLUSTER)]
    pub(super) cluster_authority: Option<PathBuf>,

    /// Where the brokers and the password at them come from.
    #[arg(skip)]
    pub(super) cluster_origins: [Option<ValueSource>; 3],

    /// Read commands from stdin; the end of stdin does not stop the hub
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_CONSOLE", default_value_t = Switch::On)]
    pub(super) console: Switch,

    /// Print members' messages on stdout [default: on at a terminal, else off]
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_MESSAGES")]
    pub(super) messages: Option<Switch>,

    /// How to write the log to stderr
    #[arg(long, value_enum, value_name = "FORMAT", env = "PIGEON_HUB_LOG", default_value_t = LogFormat::Text)]
    pub(super) log: LogFormat,

    /// How much to log: this level and the ones before it
    #[arg(long, value_enum, value_name = "LEVEL", env = "PIGEON_HUB_LOG_LEVEL", default_value_t = LogLevel::Info)]
    pub(super) log_level: LogLevel,

    /// Wait for an address that this host does not have yet; off exits with 1
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_WAIT_FOR_ADDRESS", default_value_t = Switch::On, help_heading = NETWORK)]
    pub(super) wait_for_address: Switch,

    /// Send and receive in batches of the kernel (GSO, GRO)
    #[arg(long, value_enum, value_name = "on|off", env = "PIGEON_HUB_OFFLOAD", default_value_t = Switch::On, help_heading = NETWORK)]
    pub(super) offload: Switch,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatArg {
    /// `NAME: TEXT` and a newline, safe to display; notices begin with `* `
    Chat,
    /// `Ack TEXT. from IP:PORT`, in capitals
    Classic,
    /// the payload untouched, to everyone but its sender
    Raw,
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

    pub(super) fn language(&self) -> Language {
        self.language.unwrap_or_else(locale::asked)
    }

    /// Records where the password came from: on a command line, other users can read it.
    pub(crate) fn note_origins(&mut self, matches: &ArgMatches) {
        self.password_origins = ["password", "password_file"].map(|id| matches.value_source(id));
        self.cluster_origins =
            ["cluster", "cluster_password", "cluster_name"].map(|id| matches.value_source(id));
    }

    pub(super) fn doors(&self) -> &[DoorArg] {
        if self.doors.is_empty() { &self.listen } else { &self.doors }
    }
}

/// How long messages are kept; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep(pub(super) Option<Duration>);

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

fn charset(label: &str) -> Result<Charset, String> {
    let charset = payload::charset(label)?;
    match charset.is_ascii_compatible() {
        true => Ok(charset),
        false => Err(say!("hub-encoding-not-ascii", encoding = &charset)),
    }
}
