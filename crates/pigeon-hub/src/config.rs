//! The settings of a hub.

use std::net::IpAddr;
use std::time::Duration;

use pigeon_datagram::{MAX_PAYLOAD_V4, SocketId};
use pigeon_guard::{Origin, SourceRules};
use pigeon_proto::{Format, Language, Name, RoomName};
use pigeon_text::Charset;

/// The settings of a hub. `Config::default()` is what `pigeon hub` runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where plain datagrams come in, in the order of their sockets: at least one.
    pub doors: Vec<Door>,
    /// How long a plain member may be silent: three heartbeats of 10 s.
    pub timeout: Duration,
    /// The addresses that may never be members, and the networks from which everyone may join. An
    /// address elsewhere must prove that it receives.
    pub sources: SourceRules,
    /// What everyone must give with `/pass` before taking part.
    pub password: Option<Box<str>>,
    /// The most members at once. A further one is refused and gets a line that says so.
    pub max_members: usize,
    /// The most members in one room; `None` for as many as the hub may have.
    pub max_per_room: Option<usize>,
    /// The most members from one IP address; `None` for no bound. Without `loopback_counts`,
    /// loopback addresses are exempt: a classroom's programs all run on one machine.
    pub max_per_address: Option<usize>,
    /// Whether `max_per_address` holds for loopback too (when the operator set it outright).
    pub loopback_counts: bool,
    /// What one member may say in a second.
    pub rate: PerOrigin<Rate>,
    /// What all members of one origin together may say in a second.
    pub hub_rate: PerOrigin<Rate>,
    /// How much of a second the hub may work for all members together that are not on its own host.
    /// What a datagram costs is estimated, never measured.
    pub work: Duration,
    /// The most bytes of text in one message, before escaping. `None`: 8 KiB, or in the raw format
    /// what a datagram holds over IPv4 as well as IPv6.
    pub max_text: Option<usize>,
    /// Rooms with more members than this get no notices.
    pub notices_up_to: usize,
    /// The hub's name: the operator's `say` speaks under it, and no member may take it.
    pub name: Name,
    /// The language of sentences, until a member chooses another.
    pub language: Language,
    /// What plain members read and write, until a member chooses otherwise. It contains ASCII.
    pub encoding: Charset,
    /// How `/discover` is answered. `None`: not at all, as by hubs that only listen on loopback.
    pub discovery: Option<Discovery>,
    /// Keys of the tables' hashes, drawn at random by the driver so that nobody outside can choose
    /// addresses that collide.
    pub hash_keys: [u64; 4],
    /// The key of proofs and resume words, drawn at random by the driver.
    pub secret: [u8; 16],
    /// The author of messages from members without a key of their own: drawn at each start, so that
    /// no message of another run has the same identity.
    pub run: u128,
    /// Whether messages are also reported as [`Event`](crate::Event)s for a console. They are
    /// reported to other links, and for the history, in any case.
    pub report_messages: bool,
    /// Where members with a key of their own come in, as heartbeats and `/discover` are answered.
    /// `None`: nowhere.
    pub secure_port: Option<u16>,
    /// What is kept of messages. `None`: nothing.
    pub history: Option<History>,
    /// Whether changes of what outlives a restart are reported as [`Event`](crate::Event)s.
    pub keeps: bool,
}

/// What is kept of messages, and who is shown it unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How many messages a newcomer is shown who takes a name.
    pub backlog: u16,
    /// Whether the messages of raw rooms are kept too.
    pub keeps_raw: bool,
}

/// A socket for plain datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// How messages are written here.
    pub format: Format,
    /// The room in which everyone begins who comes in by this door.
    pub room: RoomName,
}

impl Door {
    /// A door to the lobby.
    pub fn of(format: Format) -> Door {
        Door { format, room: RoomName::lobby() }
    }
}

/// What answers to `/discover` say besides the hub's name and members.
///
/// Questions arrive at a door, or at a socket beside the doors that hears only groups and broadcasts:
/// all sockets with numbers beyond the doors' are such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Drawn at start: distinguishes one hub at several addresses from several hubs.
    pub id: u64,
    /// The port of the first door that others can reach.
    pub port: u16,
    /// The socket of that door. It answers the questions that arrive beside the doors.
    pub door: SocketId,
    /// The only address of that door; `None` where it has every address of its host. Who is in a
    /// network of another address cannot reach it, and is not answered.
    pub address: Option<IpAddr>,
}

/// How much may be said in a second. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Messages and commands. Heartbeats have a limit of their own.
    pub messages: Option<u32>,
    /// Bytes of messages and commands.
    pub bytes: Option<u64>,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Rate = Rate { messages: None, bytes: None };

    /// Whether there is no limit.
    pub fn is_unlimited(self) -> bool {
        self == Rate::UNLIMITED
    }
}

/// One value for each [`Origin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerOrigin<T> {
    /// For this host.
    pub loopback: T,
    /// For open networks.
    pub open: T,
    /// For everyone else.
    pub untrusted: T,
}

impl<T> PerOrigin<T> {
    /// The value for an origin.
    pub fn get(&self, origin: Origin) -> &T {
        match origin {
            Origin::Loopback => &self.loopback,
            Origin::Open => &self.open,
            Origin::Untrusted => &self.untrusted,
        }
    }

    /// The value for an origin, to be changed.
    pub fn get_mut(&mut self, origin: Origin) -> &mut T {
        match origin {
            Origin::Loopback => &mut self.loopback,
            Origin::Open => &mut self.open,
            Origin::Untrusted => &mut self.untrusted,
        }
    }
}

/// What one member may say: a program on this host, one on a network that is open, and a person
/// anywhere else.
const DEFAULT_RATE: PerOrigin<Rate> = PerOrigin {
    loopback: Rate { messages: Some(50_000), bytes: Some(256 << 20) },
    open: Rate { messages: Some(5_000), bytes: Some(8 << 20) },
    untrusted: Rate { messages: Some(20), bytes: Some(64 << 10) },
};

/// What all members of one origin together may say: of open networks ten members at their full rate
/// (and somewhat less than their bytes, which is half of a fast network), and of everyone else fifty.
/// One rate for one member and for all would let anybody beyond silence all others there. This host
/// is its operator's own.
const DEFAULT_HUB_RATE: PerOrigin<Rate> = PerOrigin {
    loopback: Rate::UNLIMITED,
    open: Rate { messages: Some(50_000), bytes: Some(64 << 20) },
    untrusted: Rate { messages: Some(1_000), bytes: Some(50 * (64 << 10)) },
};

impl Config {
    /// The most bytes of text in one message at a door of this format.
    pub fn most_text(&self, format: Format) -> usize {
        self.max_text.unwrap_or(match format {
            Format::Chat | Format::Classic => 8 * 1024,
            Format::Raw => MAX_PAYLOAD_V4,
        })
    }

    /// What plain members read and write at a door of this format, until they choose otherwise. Raw
    /// data has no encoding.
    pub(crate) fn charset(&self, format: Format) -> Charset {
        match format {
            Format::Raw => Charset::default(),
            _ => self.encoding,
        }
    }

    /// The default settings with one door of this format.
    pub fn of(format: Format) -> Config {
        Config { doors: vec![Door::of(format)], ..Config::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            doors: vec![Door::of(Format::Chat)],
            timeout: Duration::from_secs(30),
            sources: SourceRules::default(),
            password: None,
            max_members: 100_000,
            max_per_room: None,
            max_per_address: Some(256),
            loopback_counts: false,
            rate: DEFAULT_RATE,
            hub_rate: DEFAULT_HUB_RATE,
            work: Duration::from_millis(500),
            max_text: None,
            notices_up_to: 100,
            name: Name::operator(),
            language: Language::English,
            encoding: Charset::default(),
            discovery: None,
            hash_keys: [0; 4],
            secret: [0; 16],
            run: 0,
            report_messages: false,
            secure_port: None,
            history: None,
            keeps: false,
        }
    }
}
