//! Limits on members: in the hub, from untrusted addresses, per IP address, and per IPv6 network.

use std::net::{IpAddr, Ipv6Addr};

use pigeon_guard::Origin;

use super::input::Source;
use super::per_address::PerAddress;
use crate::config::Config;
use crate::statistics::Dropped;

/// Maximum number of members from one IPv6 /64 of an open network, or `max_per_address` if that is
/// larger: enough for a large school, but not the whole hub.
const MAX_PER_NETWORK: usize = 4_096;

/// The number of members, by source.
pub(crate) struct Capacity {
    total: usize,
    /// Members from untrusted addresses.
    untrusted: usize,
    by_address: PerAddress,
    /// Members by IPv6 /64 of open networks.
    by_network: PerAddress,
}

impl Capacity {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        let by = || PerAddress::new(hash_keys);
        Capacity { total: 0, untrusted: 0, by_address: by(), by_network: by() }
    }

    /// Whether the hub is full for a newcomer of this origin.
    pub(crate) fn is_full_for(&self, config: &Config, origin: Origin) -> bool {
        self.total >= config.max_members
            || origin == Origin::Untrusted && self.is_at_bound_untrusted(config)
    }

    /// Whether members from untrusted addresses hold three quarters of all places, their limit. So
    /// strangers cannot lock out members nearby.
    pub(crate) fn is_at_bound_untrusted(&self, config: &Config) -> bool {
        let most = config.max_members;
        self.untrusted >= most - most / 4
    }

    /// Checks the limits of an address and its network for one more member.
    pub(crate) fn check_address(&self, config: &Config, source: Source) -> Result<(), Dropped> {
        let (Some(most), Some(ip)) = (config.max_per_address, counted_as(config, source.ip)) else {
            return Ok(());
        };
        let in_network = network_of(config, source).map_or(0, |ip| self.by_network.at(ip));
        match self.by_address.at(ip) >= most || in_network >= most.max(MAX_PER_NETWORK) {
            true => Err(Dropped::AddressFull),
            false => Ok(()),
        }
    }

    /// Whether all members come from the address of `source`.
    pub(crate) fn is_alone(&self, config: &Config, source: Source) -> bool {
        let here = counted_as(config, source.ip).map_or(1, |ip| self.by_address.at(ip));
        self.total <= here
    }

    /// Counts a new member.
    pub(crate) fn add(&mut self, config: &Config, source: Source) {
        self.total += 1;
        self.untrusted += usize::from(source.origin == Origin::Untrusted);
        if let Some(ip) = counted_as(config, source.ip) {
            self.by_address.add(ip);
        }
        if let Some(ip) = network_of(config, source) {
            self.by_network.add(ip);
        }
    }

    /// Counts a member that left.
    pub(crate) fn remove(&mut self, config: &Config, source: Source) {
        self.total -= 1;
        self.untrusted -= usize::from(source.origin == Origin::Untrusted);
        if let Some(ip) = counted_as(config, source.ip) {
            self.by_address.remove(ip);
        }
        if let Some(ip) = network_of(config, source) {
            self.by_network.remove(ip);
        }
    }
}

/// The IPv6 /64 of a member in an open network, where a host can use any address of it. Elsewhere
/// [`counted_as`] treats the /64 as one address.
fn network_of(config: &Config, source: Source) -> Option<IpAddr> {
    match source.ip {
        IpAddr::V6(v6) if source.origin == Origin::Open => config
            .max_per_address
            .map(|_| Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
        _ => None,
    }
}

/// The address under which a member is counted; `None` if it is exempt.
fn counted_as(config: &Config, ip: IpAddr) -> Option<IpAddr> {
    let counts = config.max_per_address.is_some() && (config.loopback_counts || !ip.is_loopback());
    counts.then(|| config.sources.counted_as(ip))
}
