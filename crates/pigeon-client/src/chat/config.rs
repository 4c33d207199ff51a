//! A chat's settings and counters.

use ipnet::IpNet;
use pigeon_text::Charset;

/// A chat's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The encoding of peers without their own.
    pub charset: Charset,
    /// The networks that strangers are accepted from; if empty, any. Peers that the user has opened
    /// or answered are always accepted.
    pub from: Vec<IpNet>,
    /// Maximum number of conversations. At the limit, a new one replaces the stranger's
    /// conversation that has been quiet longest. Conversations that the user has opened or answered
    /// stay; if there are no others, further strangers are ignored.
    pub max_conversations: usize,
    /// Whether the socket reaches IPv4 addresses.
    pub ipv4: bool,
    /// Whether the socket reaches IPv6 addresses.
    pub ipv6: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            charset: Charset::default(),
            from: Vec::new(),
            max_conversations: 1_000,
            ipv4: true,
            ipv6: true,
        }
    }
}

/// Counts of messages not shown, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of strangers outside [`Config::from`].
    pub filtered: u64,
    /// Messages of strangers dropped because there was no capacity for another conversation.
    pub crowded_out: u64,
    /// Conversations of strangers that were dropped.
    pub forgotten: u64,
    /// Events dropped because the driver did not collect them.
    pub events_lost: u64,
}
