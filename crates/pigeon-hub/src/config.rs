//! What a hub is told when it is made.

use std::time::Duration;

use pigeon_datagram::MAX_PAYLOAD_V4;
use pigeon_guard::SourceRules;

use crate::{Name, PerOrigin, Rate};

/// The settings of a hub. `Config::default()` is what `pigeon hub` runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What members receive.
    pub format: Format,
    /// How long a member may be silent: three heartbeats of 10 s.
    pub timeout: Duration,
    /// Who is never a member, and the networks from which everyone may join. An address elsewhere
    /// must prove that it receives.
    pub sources: SourceRules,
    /// What everyone must give with `/pass` before taking part.
    pub password: Option<Box<str>>,
    /// The most members at once. One more is refused and told so.
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
    /// The most bytes of text in one message, before escaping. `None`: 8 KiB, or in the raw format
    /// what a datagram holds over IPv4 as well as IPv6.
    pub max_text: Option<usize>,
    /// Rooms with more members than this get no notices.
    pub notices_up_to: usize,
    /// The hub's name: the operator's `say` speaks under it, and no member may take it.
    pub name: Name,
    /// Whether `/discover` is answered. Hubs that only listen on loopback leave it to others.
    pub discoverable: bool,
    /// Keys of the tables' hashes, drawn at random by the driver so that nobody outside can choose
    /// addresses that collide.
    pub hash_keys: [u64; 4],
    /// The key of proofs and resume words, drawn at random by the driver.
    pub secret: [u8; 16],
    /// Whether every message is also reported as an [`Event`](crate::Event).
    pub report_messages: bool,
}

/// 50,000 messages a second from a network that is open, 20 from anywhere else, any number from
/// this host. Bytes: what so many messages of a LAN's and of a chat line's size come to.
const DEFAULT_RATE: PerOrigin<Rate> = PerOrigin {
    loopback: Rate::UNLIMITED,
    open: Rate { messages: Some(50_000), bytes: Some(64 << 20) },
    beyond: Rate { messages: Some(20), bytes: Some(64 << 10) },
};

impl Config {
    /// The most bytes of text in one message.
    pub fn most_text(&self) -> usize {
        self.max_text.unwrap_or(match self.format {
            Format::Chat | Format::Classic => 8 * 1024,
            Format::Raw => MAX_PAYLOAD_V4,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            format: Format::Chat,
            timeout: Duration::from_secs(30),
            sources: SourceRules::default(),
            password: None,
            max_members: 100_000,
            max_per_room: None,
            max_per_address: Some(256),
            loopback_counts: false,
            rate: DEFAULT_RATE,
            hub_rate: DEFAULT_RATE,
            max_text: None,
            notices_up_to: 100,
            name: Name::operator(),
            discoverable: false,
            hash_keys: [0; 4],
            secret: [0; 16],
            report_messages: false,
        }
    }
}

/// What plain members receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `NAME: TEXT` and a newline, escaped; notices are lines that begin `* `.
    #[default]
    Chat,
    /// `Ack TEXT. from IP:PORT`, the text's ASCII letters in capitals, as tutorials teach it.
    Classic,
    /// The payload untouched, to everyone but its sender.
    Raw,
}
