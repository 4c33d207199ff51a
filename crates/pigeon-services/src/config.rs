//! The settings of a service.

use jiff::tz::TimeZone;
use pigeon_guard::SourceRules;

use crate::sntp;

/// A service's settings. `Config::default()` equals the defaults of `pigeon serve`, except for the
/// time zone, the addresses and the hash keys, which the driver must supply.
#[derive(Clone, Debug)]
pub struct Config {
    /// Senders that are never answered, and the trusted networks. Outside them a reply is never
    /// longer than its request.
    pub sources: SourceRules,
    /// Maximum number of replies per second to one source (an IP address); `None` for no limit.
    /// Bursts of a second's worth are allowed.
    pub per_source: Option<u32>,
    /// Maximum number of replies per second to all sources together; `None` for no limit.
    pub in_all: Option<u32>,
    /// Whether `per_source` also applies on loopback, to every service: true if the operator set
    /// the rate explicitly. It always applies to `echo`, `upper` and `fixed`. `in_all` never
    /// applies on loopback, because such replies stay on this host.
    pub loopback_counts: bool,
    /// The time zone of `time` and `daytime`.
    pub zone: TimeZone,
    /// The clock parameters of the `sntp` service.
    pub sntp: sntp::Server,
    /// The reply of the `fixed` service.
    pub reply: Vec<u8>,
    /// Keys of the hash that maps sources to rates. The driver draws them at random, so that an
    /// attacker cannot choose addresses that share another's rate.
    pub hash_keys: [u64; 4],
    /// Whether to report every datagram as an [`Event`](crate::Event).
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
