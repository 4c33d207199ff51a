//! The settings of a hub.

use std::net::IpAddr;
use std::time::Duration;

use pigeon_datagram::{MAX_PAYLOAD_V4, SocketId};
use pigeon_guard::{Origin, SourceRules};
use pigeon_proto::{Format, Language, Name, RoomName};
use pigeon_text::Charset;

/// A hub's settings. `Config::default()` equals the defaults of `pigeon hub`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listening sockets for plain datagrams, in the order of their socket numbers; at least
    /// one.
    pub doors: Vec<Door>,
    /// How long a plain member may be silent: three heartbeats of 10 s.
    pub timeout: Duration,
    /// Addresses that can never be members, and networks from which hosts may join directly. Other
    /// addresses must prove that they receive.
    pub sources: SourceRules,
    /// The password that members must send with `/pass`.
    pub password: Option<Box<str>>,
    /// Maximum number of members. Further ones are refused with a line that says so.
    pub max_members: usize,
    /// Maximum number of members in one room; `None` means no limit besides `max_members`.
    pub max_per_room: Option<usize>,
    /// Maximum number of members from one IP address; `None` for no limit. Without
    /// `loopback_counts`, loopback is exempt, because many programs of one class may run on one
    /// host.
    pub max_per_address: Option<usize>,
    /// Whether `max_per_address` applies on loopback too: true if the operator set it explicitly.
    pub loopback_counts: bool,
    /// One member's rate.
    pub rate: PerOrigin<Rate>,
    /// The rate of all members of one origin together.
    pub hub_rate: PerOrigin<Rate>,
    /// The work per second that the hub may do for all members outside its own host. The cost of a
    /// datagram is estimated, not measured.
    pub work: Duration,
    /// The longest text of a message in bytes, before escaping. `None`: 8 KiB, or in the raw format
    /// the payload that fits a datagram over both IPv4 and IPv6.
    pub max_text: Option<usize>,
    /// Rooms with more members than this get no notices of joins and leaves.
    pub notices_up_to: usize,
    /// The hub's name: the operator's `say` uses it, and no member may take it.
    pub name: Name,
    /// The default language of notices.
    pub language: Language,
    /// The default encoding of plain members. It must be a superset of ASCII.
    pub encoding: Charset,
    /// The answer to `/discover`. `None`: no answer, as for hubs that only listen on loopback.
    pub discovery: Option<Discovery>,
    /// Hash keys, drawn at random by the driver so that attackers cannot choose addresses that
    /// collide.
    pub hash_keys: [u64; 4],
    /// The key of proofs and resume tokens, drawn at random by the driver.
    pub secret: [u8; 16],
    /// The author id of messages from members without a key: random at each start, so that messages
    /// of different runs never share an identity.
    pub run: u128,
    /// Whether to report messages as [`Event`](crate::Event)s for a console. Other links and the
    /// history get them in any case.
    pub report_messages: bool,
    /// The UDP port for members with a key, announced in answers to heartbeats and `/discover`.
    pub secure_port: Option<u16>,
    /// The history's settings. `None`: no messages are stored.
    pub history: Option<History>,
    /// Whether to report changes of persistent state as [`Event`](crate::Event)s.
    pub keeps: bool,
}

/// The history's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The number of earlier messages shown to a member when it takes a name.
    pub backlog: u16,
    /// Whether messages of raw rooms are stored, too.
    pub keeps_raw: bool,
}

/// A listening socket for plain datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The message format.
    pub format: Format,
    /// The room of members that join at this socket.
    pub room: RoomName,
}

impl Door {
    /// A listening socket for members that start in the lobby.
    pub fn of(format: Format) -> Door {
        Door { format, room: RoomName::lobby() }
    }
}

/// The fields of answers to `/discover`, besides the hub's name and members.
///
/// Requests arrive at a listening socket, or at a separate one for groups and broadcasts: all
/// sockets with higher numbers are separate ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// A random number drawn at the start: the same at each address of one hub.
    pub id: u64,
    /// The port of the first listening socket that others can reach.
    pub port: u16,
    /// The number of that socket. It answers requests that arrive at separate sockets.
    pub door: SocketId,
    /// The only address of that socket; `None` if it listens on every address. Hosts in networks of
    /// other addresses cannot reach it, and get no answer.
    pub address: Option<IpAddr>,
}

/// A rate limit. `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Messages and commands per second. Heartbeats have a separate limit.
    pub messages: Option<u32>,
    /// Bytes of messages and commands per second.
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

/// A value for each [`Origin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerOrigin<T> {
    /// The value for this host.
    pub loopback: T,
    /// The value for open networks.
    pub open: T,
    /// The value for all other addresses.
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

    /// The value for an origin, mutably.
    pub fn get_mut(&mut self, origin: Origin) -> &mut T {
        match origin {
            Origin::Loopback => &mut self.loopback,
            Origin::Open => &mut self.open,
            Origin::Untrusted => &mut self.untrusted,
        }
    }
}

/// The default rates of one member: a program on this host, a program on an open network, and a
/// person elsewhere.
const DEFAULT_RATE: PerOrigin<Rate> = PerOrigin {
    loopback: Rate { messages: Some(50_000), bytes: Some(256 << 20) },
    open: Rate { messages: Some(5_000), bytes: Some(8 << 20) },
    untrusted: Rate { messages: Some(20), bytes: Some(64 << 10) },
};

/// The default rates of all members of an origin: for open networks ten members at the full rate
/// (but fewer bytes: half of a fast network), for others fifty. If one member's rate equalled the
/// total, one stranger could silence all others. This host is unlimited: it is the operator's.
const DEFAULT_HUB_RATE: PerOrigin<Rate> = PerOrigin {
    loopback: Rate::UNLIMITED,
    open: Rate { messages: Some(50_000), bytes: Some(64 << 20) },
    untrusted: Rate { messages: Some(1_000), bytes: Some(50 * (64 << 10)) },
};

impl Config {
    /// The longest text of a message in this format, in bytes.
    pub fn most_text(&self, format: Format) -> usize {
        self.max_text.unwrap_or(match format {
            Format::Chat | Format::Classic => 8 * 1024,
            Format::Raw => MAX_PAYLOAD_V4,
        })
    }

    /// The default encoding at a listening socket of this format. Raw data has none.
    pub(crate) fn charset(&self, format: Format) -> Charset {
        match format {
            Format::Raw => Charset::default(),
            _ => self.encoding,
        }
    }

    /// The default settings with one socket of this format.
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
