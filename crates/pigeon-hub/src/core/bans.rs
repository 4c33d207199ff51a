//! Banned networks: the hub ignores their datagrams.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// Maximum number of bans.
pub(crate) const MAX_BANS: usize = 10_000;

/// The set of banned networks.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    nets: BTreeSet<IpNet>,
    /// Networks not contained in another, sorted: an address can only be in the last one that
    /// starts before it, so a lookup is a binary search. Two networks are either nested or
    /// disjoint.
    outermost: Vec<IpNet>,
}

impl Bans {
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        self.around(ip).is_some_and(|net| net.contains(&ip))
    }

    /// Adds a ban. Returns false if there are too many.
    pub(crate) fn add(&mut self, net: IpNet) -> bool {
        let net = net.trunc();
        if self.nets.contains(&net) {
            return true;
        }
        if self.nets.len() >= MAX_BANS {
            return false;
        }
        self.nets.insert(net);
        self.add_outermost(net);
        true
    }

    /// Removes a ban. Returns false if there is none.
    pub(crate) fn remove(&mut self, net: IpNet) -> bool {
        let found = self.nets.remove(&net.trunc());
        // Rebuilt, because networks inside it may be outermost now. Bans are lifted rarely.
        self.outermost.clear();
        for net in self.nets.clone() {
            self.add_outermost(net);
        }
        found
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.nets.iter().copied()
    }

    /// The only outermost network that can contain this address.
    fn around(&self, ip: IpAddr) -> Option<&IpNet> {
        let behind = self.outermost.partition_point(|net| net.addr() <= ip);
        self.outermost[..behind].last()
    }

    fn add_outermost(&mut self, net: IpNet) {
        if self.around(net.addr()).is_some_and(|wider| wider.contains(&net)) {
            return;
        }
        let first = self.outermost.partition_point(|other| other.addr() < net.addr());
        let within = self.outermost[first..].iter().take_while(|other| net.contains(*other));
        let end = first + within.count();
        self.outermost.splice(first..end, [net]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bans_are_bounded_and_can_be_lifted() {
        let mut bans = Bans::default();
        for n in 0..=MAX_BANS as u32 {
            let net = IpNet::from(IpAddr::from(n.to_be_bytes()));
            assert_eq!(bans.add(net), n < MAX_BANS as u32);
        }
        assert!(bans.contains("0.0.0.7".parse().unwrap()));
        assert!(bans.remove("0.0.0.7/32".parse().unwrap()));
        assert!(!bans.contains("0.0.0.7".parse().unwrap()));
    }

    #[test]
    fn a_datagram_costs_a_binary_search_among_the_networks_that_lie_in_no_other() {
        let mut bans = Bans::default();
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        for wide in ["10.0.0.0/8", "10.0.0.0/16", "10.255.0.0/16", "fd00::/8", "fd00::/64"] {
            bans.add(net(wide));
        }
        assert_eq!(bans.outermost, [net("10.0.0.0/8"), net("fd00::/8")]);
        bans.remove(net("10.0.0.0/8"));
        assert_eq!(bans.outermost, ["10.0.0.0/16", "10.255.0.0/16", "fd00::/8"].map(net));
    }

    /// Networks and addresses that differ in few bits, so that many are nested.
    fn net() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<u16>(), 0..=16u8).prop_map(|(ip, prefix)| {
            IpNet::new(IpAddr::from((u32::from(ip) << 16).to_be_bytes()), prefix)
        });
        let v6 = (any::<u16>(), 0..=16u8).prop_map(|(ip, prefix)| {
            IpNet::new(IpAddr::from((u128::from(ip) << 112).to_be_bytes()), prefix)
        });
        prop_oneof![v4, v6].prop_map(|net| net.unwrap().trunc())
    }

    proptest! {
        #[test]
        fn banned_is_what_lies_in_a_banned_network(
            nets in prop::collection::vec(net(), 0..40),
            lifted in any::<prop::sample::Index>(),
            addresses in prop::collection::vec(net(), 40),
        ) {
            let mut bans = Bans::default();
            nets.iter().for_each(|net| assert!(bans.add(*net)));
            let lifted = (!nets.is_empty()).then(|| nets[lifted.index(nets.len())]);
            lifted.iter().for_each(|net| assert!(bans.remove(*net)));
            for ip in addresses.iter().map(IpNet::addr) {
                let banned = nets.iter().any(|net| Some(*net) != lifted && net.contains(&ip));
                prop_assert_eq!(bans.contains(ip), banned, "{} {:?}", ip, nets);
            }
        }
    }
}
