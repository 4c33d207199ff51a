//! What a hub is told when it is made.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::MAX_PAYLOAD_V6;

use crate::Name;

/// The settings of a hub. `Config::default()` is what `pigeon hub` runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What members receive.
    pub format: Format,
    /// How long a member may be silent: three heartbeats of 10 s.
    pub timeout: Duration,
    /// The most members at once. One more is refused and told so.
    pub max_members: usize,
    /// The most members from one IP address; `None` for no bound. Without `loopback_counts`,
    /// loopback addresses are exempt: a classroom's programs all run on one machine.
    pub max_per_address: Option<usize>,
    /// Whether `max_per_address` holds for loopback too (when the operator set it outright).
    pub loopback_counts: bool,
    /// The most bytes of text in one message, before escaping. `None`: 8 KiB, or in the raw format
    /// what a datagram holds.
    pub max_text: Option<usize>,
    /// Rooms with more members than this get no notices.
    pub notices_up_to: usize,
    /// The name that the operator's `say` speaks under; no member may take it.
    pub operator: Name,
    /// The hub's own addresses, which are never members.
    pub own: Vec<SocketAddr>,
    /// Addresses that are never members whatever the port: the interfaces' broadcast addresses.
    pub never: Vec<IpAddr>,
    /// Keys of the member table's hash, drawn at random by the driver so that nobody outside can
    /// choose addresses that collide.
    pub hash_keys: [u64; 4],
    /// Whether every message is also reported as an [`Event`](crate::Event).
    pub report_messages: bool,
}

impl Config {
    /// The most bytes of text in one message.
    pub fn most_text(&self) -> usize {
        self.max_text.unwrap_or(match self.format {
            Format::Chat | Format::Classic => 8 * 1024,
            Format::Raw => MAX_PAYLOAD_V6,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            format: Format::Chat,
            timeout: Duration::from_secs(30),
            max_members: 100_000,
            max_per_address: Some(256),
            loopback_counts: false,
            max_text: None,
            notices_up_to: 100,
            operator: Name::operator(),
            own: Vec::new(),
            never: Vec::new(),
            hash_keys: [0; 4],
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
