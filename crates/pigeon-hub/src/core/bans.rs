//! Bans: the hub ignores datagrams of a banned network, and lets nobody in with a banned key.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Maximum number of bans.
pub(crate) const MAX_BANS: usize = 10_000;

/// The number of hexadecimal digits of a key.
const KEY_DIGITS: usize = 32;

/// What is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// A network, or one address.
    Net(IpNet),
    /// A member's key, as its author: the first 16 bytes of the SHA-256 of the public key.
    Key(u128),
}

impl Banned {
    /// Whether it is a network that contains this address.
    pub fn contains(&self, ip: &IpAddr) -> bool {
        matches!(self, Banned::Net(net) if net.contains(ip))
    }
}

impl fmt::Display for Banned {
    /// A network, or 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Banned::Net(net) => net.fmt(f),
            Banned::Key(author) => write!(f, "{author:0KEY_DIGITS$x}"),
        }
    }
}

impl FromStr for Banned {
    type Err = NotBannable;

    /// Parses a network, an address, or the 32 hexadecimal digits of a key.
    fn from_str(text: &str) -> Result<Banned, NotBannable> {
        if text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return u128::from_str_radix(text, 16).map(Banned::Key).map_err(|_| NotBannable);
        }
        let net = text.parse::<IpNet>().ok();
        let alone = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
        net.or_else(alone).map(|net| Banned::Net(net.trunc())).ok_or(NotBannable)
    }
}

/// The text is neither a network nor a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBannable;

impl fmt::Display for NotBannable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a network nor a key")
    }
}

impl std::error::Error for NotBannable {}

/// The banned networks and keys.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    keys: BTreeSet<u128>,
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

    pub(crate) fn contains_key(&self, author: u128) -> bool {
        self.keys.contains(&author)
    }

    /// Adds a ban. Returns false if there are too many.
    pub(crate) fn add(&mut self, banned: Banned) -> bool {
        let is_full = self.nets.len() + self.keys.len() >= MAX_BANS;
        match banned {
            Banned::Key(author) => {
                self.keys.contains(&author) || !is_full && self.keys.insert(author)
            }
            Banned::Net(net) => {
                let net = net.trunc();
                if self.nets.contains(&net) {
                    return true;
                }
                if !is_full {
                    self.nets.insert(net);
                    self.add_outermost(net);
                }
                !is_full
            }
        }
    }

    /// Removes a ban. Returns false if there is none.
    pub(crate) fn remove(&mut self, banned: Banned) -> bool {
        let found = match banned {
            Banned::Key(author) => return self.keys.remove(&author),
            Banned::Net(net) => self.nets.remove(&net.trunc()),
        };
        // Rebuilt, because networks inside it may be outermost now. Bans are lifted rarely.
        self.outermost.clear();
        for net in self.nets.clone() {
            self.add_outermost(net);
        }
        found
    }

    /// The networks, then the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Banned> + '_ {
        let nets = self.nets.iter().copied().map(Banned::Net);
        nets.chain(self.keys.iter().copied().map(Banned::Key))
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
            let banned = match n % 2 {
                0 => Banned::Net(IpNet::from(IpAddr::from(n.to_be_bytes()))),
                _ => Banned::Key(n.into()),
            };
            assert_eq!(bans.add(banned), n < MAX_BANS as u32);
        }
        assert!(bans.contains("0.0.0.6".parse().unwrap()) && bans.contains_key(7));
        let [net, key] =
            ["0.0.0.6/32", "00000000000000000000000000000007"].map(|it| it.parse().unwrap());
        assert!(bans.add(net) && bans.add(key), "they are there");
        assert!(bans.remove(net) && bans.remove(key));
        assert!(!bans.contains("0.0.0.6".parse().unwrap()) && !bans.contains_key(7));
        assert!(!bans.remove(net) && !bans.remove(key));
    }

    #[test]
    fn what_is_banned_is_read_as_it_is_written() {
        for text in ["10.0.0.0/8", "203.0.113.7/32", "fd00::/8", "0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(text.parse::<Banned>().unwrap().to_string(), text);
        }
        let key = "0123456789ABCDEF0123456789ABCDEF".parse::<Banned>().unwrap();
        assert_eq!(key, Banned::Key(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!("10.0.0.7".parse::<Banned>().unwrap().to_string(), "10.0.0.7/32");
        for nothing in
            ["", "dog", "0123456789abcdef", "+123456789abcdef0123456789abcdef", "10.0.0.0/33"]
        {
            assert!(nothing.parse::<Banned>().is_err(), "{nothing}");
        }
    }

    #[test]
    fn a_datagram_costs_a_binary_search_among_the_networks_that_lie_in_no_other() {
        let mut bans = Bans::default();
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        for wide in ["10.0.0.0/8", "10.0.0.0/16", "10.255.0.0/16", "fd00::/8", "fd00::/64"] {
            bans.add(Banned::Net(net(wide)));
        }
        assert_eq!(bans.outermost, [net("10.0.0.0/8"), net("fd00::/8")]);
        bans.remove(Banned::Net(net("10.0.0.0/8")));
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
            nets.iter().for_each(|net| assert!(bans.add(Banned::Net(*net))));
            let lifted = (!nets.is_empty()).then(|| nets[lifted.index(nets.len())]);
            lifted.iter().for_each(|net| assert!(bans.remove(Banned::Net(*net))));
            for ip in addresses.iter().map(IpNet::addr) {
                let banned = nets.iter().any(|net| Some(*net) != lifted && net.contains(&ip));
                prop_assert_eq!(bans.contains(ip), banned, "{} {:?}", ip, nets);
            }
        }
    }
}
