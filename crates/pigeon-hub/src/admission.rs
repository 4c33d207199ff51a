//! Who may be a member: addresses that never are, those that must prove themselves first, and the
//! bounds of the table.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pigeon_datagram::Received;

use crate::members::Members;
use crate::{Config, Dropped};

/// Where somebody comes from, which decides what it may do and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This host.
    Loopback,
    /// A network from which everyone may join (`--open`).
    Open,
    /// Anywhere else: an address must first prove that it receives there.
    Beyond,
}

/// One value for each [`Origin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerOrigin<T> {
    /// For this host.
    pub loopback: T,
    /// For open networks.
    pub open: T,
    /// For everyone else.
    pub beyond: T,
}

impl<T> PerOrigin<T> {
    pub(crate) fn get(&self, origin: Origin) -> &T {
        match origin {
            Origin::Loopback => &self.loopback,
            Origin::Open => &self.open,
            Origin::Beyond => &self.beyond,
        }
    }

    pub(crate) fn get_mut(&mut self, origin: Origin) -> &mut T {
        match origin {
            Origin::Loopback => &mut self.loopback,
            Origin::Open => &mut self.open,
            Origin::Beyond => &mut self.beyond,
        }
    }
}

/// Tells where an address comes from. Loopback is only loopback while its network is open.
pub(crate) fn origin(config: &Config, ip: IpAddr) -> Origin {
    match config.open.iter().any(|net| net.contains(&ip)) {
        true if ip.is_loopback() => Origin::Loopback,
        true => Origin::Open,
        false => Origin::Beyond,
    }
}

/// Refuses senders that no answer may go to: what comes from them is forged or the hub's own.
pub(crate) fn check_source(config: &Config, from: SocketAddr) -> Result<(), Dropped> {
    let forged = from.port() == 0
        || from.ip().is_multicast()
        || from.ip().is_unspecified()
        || is_broadcast(config, from.ip());
    // Whatever the scope: a link-local address of ours is ours on every link.
    let own = |own: &SocketAddr| own.ip() == from.ip() && own.port() == from.port();
    if forged || config.own.iter().any(own) { Err(Dropped::BadSource) } else { Ok(()) }
}

fn is_broadcast(config: &Config, ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) || config.never.contains(&ip)
}

/// Whether there is room for one more member, from this address and at that of the hub's.
pub(crate) fn check_room(
    config: &Config,
    members: &Members,
    datagram: &Received<'_>,
) -> Result<(), Dropped> {
    let from = datagram.from;
    if members.len() >= config.max_members {
        return Err(Dropped::HubFull);
    }
    if !members.can_answer_from(datagram.local) {
        return Err(Dropped::LocalsFull);
    }
    match config.max_per_address {
        Some(most) if counts(config, from.ip()) && members.at(from.ip()) >= most => {
            Err(Dropped::AddressFull)
        }
        _ => Ok(()),
    }
}

/// Whether members from this address are counted at all.
pub(crate) fn counts(config: &Config, ip: IpAddr) -> bool {
    config.max_per_address.is_some() && (config.loopback_counts || !ip.is_loopback())
}

/// The most networks that can be banned at once.
pub(crate) const MAX_BANS: usize = 10_000;

/// Networks that are neither heard nor answered.
#[derive(Debug, Default)]
pub(crate) struct Bans(Vec<IpNet>);

impl Bans {
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        // An operator bans a handful; a search through them is one comparison for most hubs.
        self.0.iter().any(|net| net.contains(&ip))
    }

    /// False if there are too many.
    pub(crate) fn add(&mut self, net: IpNet) -> bool {
        if !self.0.contains(&net) && self.0.len() < MAX_BANS {
            self.0.push(net);
        }
        self.0.contains(&net)
    }

    /// False if it was not banned.
    pub(crate) fn remove(&mut self, net: IpNet) -> bool {
        let before = self.0.len();
        self.0.retain(|banned| *banned != net);
        self.0.len() < before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_and_own_addresses_are_never_members() {
        let own: SocketAddr = "127.0.0.1:9999".parse().unwrap();
        let config = Config {
            own: vec![own],
            never: vec!["192.168.1.255".parse().unwrap()],
            ..Config::default()
        };
        for bad in [
            "127.0.0.1:9999",
            "10.0.0.1:0",
            "224.0.0.1:5",
            "[ff02::1]:5",
            "255.255.255.255:5",
            "192.168.1.255:5",
            "0.0.0.0:5",
        ] {
            assert_eq!(
                check_source(&config, bad.parse().unwrap()),
                Err(Dropped::BadSource),
                "{bad}"
            );
        }
        for good in ["127.0.0.1:9998", "192.168.1.254:5", "[fe80::1%3]:5"] {
            assert_eq!(check_source(&config, good.parse().unwrap()), Ok(()), "{good}");
        }
    }

    #[test]
    fn origins_follow_the_open_networks() {
        let origin_of = |config: &Config, ip: &str| origin(config, ip.parse().unwrap());
        let config = Config::default();
        for (ip, expected) in [
            ("127.3.4.5", Origin::Loopback),
            ("::1", Origin::Loopback),
            ("192.168.7.7", Origin::Open),
            ("fe80::1", Origin::Open),
            ("fd00::1", Origin::Open),
            ("8.8.8.8", Origin::Beyond),
            ("2001:db8::1", Origin::Beyond),
            ("172.32.0.1", Origin::Beyond),
        ] {
            assert_eq!(origin_of(&config, ip), expected, "{ip}");
        }
        let closed = Config { open: vec![], ..config };
        assert_eq!(origin_of(&closed, "127.0.0.1"), Origin::Beyond);
    }

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
}
