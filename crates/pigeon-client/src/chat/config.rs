//! How a chat behaves, and what it counts.

use ipnet::IpNet;
use pigeon_text::Charset;

/// How a chat behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// How those are read and written who have no encoding of their own.
    pub charset: Charset,
    /// Strangers are heard only from these networks; if there are none, from anywhere. Peers that
    /// the person opened or answered are always heard.
    pub from: Vec<IpNet>,
    /// The most conversations. At the bound the stranger's is forgotten that has been quiet longest;
    /// those that the person opened or answered never are, and if there is nothing else, further
    /// strangers are not heard.
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

/// What a chat has not shown, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of strangers from beyond [`Config::from`].
    pub filtered: u64,
    /// Messages of strangers dropped because there was no capacity for another conversation.
    pub crowded_out: u64,
    /// Conversations of strangers that were forgotten.
    pub forgotten: u64,
    /// Events dropped because nobody collected them.
    pub events_lost: u64,
}
