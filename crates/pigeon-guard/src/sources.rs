//! Which senders may be answered, and their origin.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Networks that are trusted by default: loopback, private (RFC 1918), link-local (RFC 3927, RFC
/// 4291 section 2.5.6) and unique local (RFC 4193).
const DEFAULT_OPEN: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fe80::/10",
    "fc00::/7",
];

/// The addresses by which a server judges senders.
#[derive(Clone, Debug)]
pub struct SourceRules {
    /// Networks with sender addresses that are believed to be genuine.
    pub open: Vec<IpNet>,
    /// The server's own addresses, and those of other servers in its process. A datagram from one
    /// of them is a loop.
    pub own: Vec<SocketAddr>,
    /// Addresses that are never answered on any port: the interfaces' broadcast addresses.
    pub never: Vec<IpAddr>,
}

/// Why a sender must not be answered, regardless of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSource {
    /// Port 0, or a multicast, broadcast or unspecified address: not a valid sender.
    Forged,
    /// The server's own address.
    Own,
}

/// The trust class of a sender's network, which decides its permissions and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This host.
    Loopback,
    /// A trusted network (`--open`).
    Open,
    /// Any other network: the address may be forged.
    Untrusted,
}

impl SourceRules {
    /// Rejects senders that must not be answered. Fails with the reason the address is rejected.
    pub fn check(&self, from: SocketAddr) -> Result<(), BadSource> {
        let ip = from.ip();
        let is_broadcast =
            matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) || self.never.contains(&ip);
        if from.port() == 0 || ip.is_multicast() || ip.is_unspecified() || is_broadcast {
            return Err(BadSource::Forged);
        }
        // Regardless of scope: a link-local address of ours is ours on every link.
        match self.own.iter().any(|own| own.ip() == ip && own.port() == from.port()) {
            true => Err(BadSource::Own),
            false => Ok(()),
        }
    }

    /// Classifies an address. Loopback counts as [`Origin::Loopback`] only while its network is
    /// open.
    pub fn origin(&self, ip: IpAddr) -> Origin {
        match self.open.iter().any(|net| net.contains(&ip)) {
            true if ip.is_loopback() => Origin::Loopback,
            true => Origin::Open,
            false => Origin::Untrusted,
        }
    }

    /// The address under which a sender's rate is counted. Outside the open networks an IPv6 /64
    /// counts as one address, because the holder of one of its addresses has them all (RFC 6177).
    /// Inside them a /64 is a link with many hosts, so each address counts alone.
    pub fn counted_as(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V6(v6) if self.origin(ip) == Origin::Untrusted => {
                Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()
            }
            _ => ip,
        }
    }
}

impl Default for SourceRules {
    fn default() -> Self {
        let open = DEFAULT_OPEN.iter().filter_map(|net| net.parse().ok()).collect();
        SourceRules { open, own: Vec::new(), never: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_network_is_read() {
        assert_eq!(SourceRules::default().open.len(), DEFAULT_OPEN.len());
    }

    #[test]
    fn no_answer_goes_to_who_cannot_have_sent() {
        let rules = SourceRules {
            own: vec!["127.0.0.1:7000".parse().unwrap(), "[fe80::1]:7000".parse().unwrap()],
            never: vec!["192.168.1.255".parse().unwrap()],
            ..SourceRules::default()
        };
        for (source, expected) in [
            ("10.0.0.1:0", Err(BadSource::Forged)),
            ("224.0.0.1:5000", Err(BadSource::Forged)),
            ("[ff02::1]:5000", Err(BadSource::Forged)),
            ("255.255.255.255:5000", Err(BadSource::Forged)),
            ("192.168.1.255:5000", Err(BadSource::Forged)),
            ("0.0.0.0:5000", Err(BadSource::Forged)),
            ("[::]:5000", Err(BadSource::Forged)),
            ("127.0.0.1:7000", Err(BadSource::Own)),
            ("[fe80::1]:7000", Err(BadSource::Own)),
            ("[fe80::1%3]:7000", Err(BadSource::Own)),
            ("127.0.0.1:7001", Ok(())),
            ("192.168.1.254:65535", Ok(())),
            ("[fe80::2%3]:7000", Ok(())),
        ] {
            assert_eq!(rules.check(source.parse().unwrap()), expected, "{source}");
        }
    }

    #[test]
    fn origins_follow_the_open_networks() {
        let origin = |rules: &SourceRules, ip: &str| rules.origin(ip.parse().unwrap());
        let rules = SourceRules::default();
        for (ip, expected) in [
            ("127.3.4.5", Origin::Loopback),
            ("::1", Origin::Loopback),
            ("192.168.7.7", Origin::Open),
            ("fe80::1", Origin::Open),
            ("fd00::1", Origin::Open),
            ("8.8.8.8", Origin::Untrusted),
            ("2001:db8::1", Origin::Untrusted),
            ("172.32.0.1", Origin::Untrusted),
        ] {
            assert_eq!(origin(&rules, ip), expected, "{ip}");
        }
        let closed = SourceRules { open: vec![], ..rules };
        assert_eq!(origin(&closed, "127.0.0.1"), Origin::Untrusted);
    }

    #[test]
    fn a_stranger_has_a_network_and_a_neighbour_an_address() {
        let rules = SourceRules::default();
        for (ip, expected) in [
            ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::5", "2001:db8:1:2::"),
            ("fe80::1", "fe80::1"),
            ("fd00::1:2", "fd00::1:2"),
            ("::1", "::1"),
            ("203.0.113.9", "203.0.113.9"),
            ("10.0.0.9", "10.0.0.9"),
        ] {
            let counted: IpAddr = expected.parse().unwrap();
            assert_eq!(rules.counted_as(ip.parse().unwrap()), counted, "{ip}");
        }
    }
}
