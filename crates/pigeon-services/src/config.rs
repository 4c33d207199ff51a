//! What a service is told when it is made.

use jiff::tz::TimeZone;
use pigeon_guard::SourceRules;

use crate::sntp;

/// The settings of a service. `Config::default()` is what `pigeon serve` runs with, but for the
/// time zone, the addresses and the hash keys, which only the driver knows.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is never answered, and the networks that are answered freely. Beyond them no reply is
    /// longer than its request.
    pub sources: SourceRules,
    /// The most replies to one source (an IP address) in a second; `None` for no bound. As much as
    /// a second's worth may come at once.
    pub per_source: Option<u32>,
    /// The most replies to all sources together in a second; `None` for no bound.
    pub in_all: Option<u32>,
    /// Whether `per_source` holds on loopback for every service (when the operator set it outright).
    /// It always does for `echo`, `upper` and `fixed`. `in_all` never does: what goes to loopback
    /// stays on this host.
    pub loopback_counts: bool,
    /// The zone of local time, for `time` and `daytime`.
    pub zone: TimeZone,
    /// What the `sntp` service says of its clock.
    pub sntp: sntp::Server,
    /// What the `fixed` service replies.
    pub reply: Vec<u8>,
    /// Keys of the hash that tells sources apart, drawn at random by the driver so that nobody
    /// outside can choose addresses that share another's rate.
    pub hash_keys: [u64; 4],
    /// Whether every datagram is also reported as an [`Event`](crate::Event).
    pub report_datagrams: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sources: SourceRules::default(),
            per_source: Some(1_000),
            in_all: Some(100_000),
            loopback_counts: false,
            zone: TimeZone::UTC,
            sntp: sntp::Server::default(),
            reply: Vec::new(),
            hash_keys: [0; 4],
            report_datagrams: false,
        }
    }
}
