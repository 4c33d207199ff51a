//! The addresses of this host. A hub needs them to reject itself and broadcast addresses as
//! members.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// The addresses of this host's interfaces at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    addresses: Vec<LocalAddress>,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The interface's name, such as `eth0`.
    pub interface: String,
    /// The interface's index (if_nametoindex(3)). An interface that is removed and added again gets
    /// a new one.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// The network's directed broadcast address, if it has one: the configured one, or else the
    /// network's last address (RFC 919), which the kernel treats as broadcast anyway.
    pub broadcast: Option<Ipv4Addr>,
}

impl Interfaces {
    /// Every address, in the system's order. An interface may have several, or none.
    pub fn iter(&self) -> impl Iterator<Item = &LocalAddress> {
        self.addresses.iter()
    }

    /// The addresses of one interface, given by name, index or one of its addresses. `None` if
    /// there is no such interface.
    pub fn only(&self, interface: &str) -> Option<Interfaces> {
        let found = self.named(interface)?;
        let same = |local: &&LocalAddress| local.index == found.index;
        Some(Interfaces { addresses: self.iter().filter(same).cloned().collect() })
    }

    /// Finds an interface by name, index or one of its addresses; returns its first IPv4 address,
    /// if any, and its index.
    pub fn find(&self, interface: &str) -> Option<(Option<Ipv4Addr>, u32)> {
        let ip = interface.parse::<IpAddr>().ok();
        let found = self.named(interface)?;
        let v4 =
            self.iter().filter(|local| local.interface == found.interface).find_map(
                |local| match (local.address, ip) {
                    (_, Some(IpAddr::V4(wanted))) => Some(wanted),
                    (IpAddr::V4(address), _) => Some(address),
                    _ => None,
                },
            );
        Some((v4, found.index))
    }

    /// The first address of the interface with this name, index or address.
    fn named(&self, interface: &str) -> Option<&LocalAddress> {
        let (ip, index) = (interface.parse::<IpAddr>().ok(), interface.parse::<u32>().ok());
        // A name may look like an index, and takes precedence.
        self.iter().find(|local| local.interface == interface).or_else(|| {
            self.iter().find(|local| Some(local.address) == ip || Some(local.index) == index)
        })
    }

    /// The interfaces with an address in the family of `ip`: name and index of each.
    pub fn with_family_of(&self, ip: IpAddr) -> Vec<(&str, u32)> {
        let mut found: Vec<(&str, u32)> = Vec::new();
        for local in self.iter().filter(|local| local.address.is_ipv4() == ip.is_ipv4()) {
            if found.iter().all(|&(_, index)| index != local.index) {
                found.push((&local.interface, local.index));
            }
        }
        found
    }

    /// Whether the address is one of this host's. All of 127.0.0.0/8 and `::1` count (RFC 1122
    /// section
    /// 3.2.1.3, RFC 4291 section 2.5.3).
    pub fn is_own(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.iter().any(|local| local.address == ip)
    }

    /// Whether the address is 255.255.255.255 or the broadcast address of one of this host's
    /// networks.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_broadcast() || self.iter().any(|l| l.broadcast == Some(ip)),
            IpAddr::V6(_) => false,
        }
    }
}

/// This host's current addresses (getifaddrs(3)).
#[cfg(unix)]
pub fn local_addresses() -> io::Result<Interfaces> {
    use nix::net::if_::InterfaceFlags;

    let mut addresses = Vec::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let Some(address) = entry.address.as_ref().and_then(ip) else { continue };
        // The field also holds the far end of a point-to-point link; the flag distinguishes them.
        let may_broadcast = entry.flags.contains(InterfaceFlags::IFF_BROADCAST);
        let broadcast = match entry.broadcast.as_ref().filter(|_| may_broadcast).and_then(ip) {
            // Without a configured one, glibc reports the address itself.
            Some(IpAddr::V4(broadcast)) if broadcast != address && !broadcast.is_unspecified() => {
                Some(broadcast)
            }
            _ if may_broadcast => {
                let length = entry.netmask.as_ref().and_then(ip).and_then(prefix_length);
                length.and_then(|length| last_of(address, length))
            }
            _ => None,
        };
        // The interface may be gone by now.
        let Some(index) = index(&entry.interface_name) else { continue };
        let interface = entry.interface_name;
        addresses.push(LocalAddress { interface, index, address, broadcast });
    }
    Ok(Interfaces { addresses })
}

/// This host's current addresses (GetAdaptersAddresses).
#[cfg(windows)]
pub fn local_addresses() -> io::Result<Interfaces> {
    let addresses = crate::windows::adapter_addresses()?.into_iter().map(|adapter| {
        let address = adapter.address;
        let broadcast = match address.is_loopback() {
            true => None,
            false => last_of(address, adapter.prefix_length),
        };
        LocalAddress { interface: adapter.interface, index: adapter.index, address, broadcast }
    });
    Ok(Interfaces { addresses: addresses.collect() })
}

/// None on this system. Loopback and the limited broadcast address are recognised anyway.
#[cfg(not(any(unix, windows)))]
pub fn local_addresses() -> io::Result<Interfaces> {
    Ok(Interfaces::default())
}

#[cfg(unix)]
fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// The last address of a network, its broadcast address; `None` for a network of one or two
/// addresses (RFC 3021).
#[cfg(any(unix, windows))]
fn last_of(address: IpAddr, prefix_length: u32) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) if prefix_length < 31 => {
            Some(Ipv4Addr::from_bits(address.to_bits() | u32::MAX >> prefix_length))
        }
        _ => None,
    }
}

#[cfg(unix)]
fn prefix_length(mask: IpAddr) -> Option<u32> {
    match mask {
        IpAddr::V4(mask) => Some(mask.to_bits().leading_ones()),
        IpAddr::V6(_) => None,
    }
}

#[cfg(unix)]
fn index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn this_host_has_a_loopback_address() {
        let interfaces = local_addresses().unwrap();
        assert!(interfaces.iter().any(|local| local.address.is_loopback()));
    }

    #[cfg(unix)]
    #[test]
    fn the_last_address_of_a_network_is_its_broadcast_address() {
        let last = |address: [u8; 4], mask: [u8; 4]| {
            last_of(address.into(), prefix_length(mask.into()).unwrap())
        };
        assert_eq!(last([10, 1, 2, 3], [255, 255, 240, 0]), Some([10, 1, 15, 255].into()));
        assert_eq!(last([10, 1, 2, 3], [255, 255, 255, 252]), Some([10, 1, 2, 3].into()));
        assert_eq!(last([10, 1, 2, 3], [255, 255, 255, 254]), None);
        assert_eq!(last([10, 1, 2, 3], [255, 255, 255, 255]), None);
    }

    #[test]
    fn own_and_broadcast_addresses_are_known_mapped_or_not() {
        let interfaces = Interfaces {
            addresses: vec![LocalAddress {
                interface: "eth0".into(),
                index: 2,
                address: [192, 0, 2, 7].into(),
                broadcast: Some([192, 0, 2, 255].into()),
            }],
        };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for own in ["192.0.2.7", "::ffff:192.0.2.7", "127.9.9.9", "::1"] {
            assert!(interfaces.is_own(ip(own)), "{own}");
        }
        assert!(!interfaces.is_own(ip("192.0.2.8")));
        for broadcast in ["192.0.2.255", "::ffff:192.0.2.255", "255.255.255.255"] {
            assert!(interfaces.is_broadcast(ip(broadcast)), "{broadcast}");
        }
        assert!(!interfaces.is_broadcast(ip("192.0.3.255")));
        for named in ["eth0", "2", "192.0.2.7"] {
            assert_eq!(interfaces.find(named), Some((Some([192, 0, 2, 7].into()), 2)), "{named}");
        }
        assert_eq!(interfaces.find("3"), None);
        assert_eq!(interfaces.with_family_of(ip("239.1.2.3")), [("eth0", 2)]);
        assert_eq!(interfaces.with_family_of(ip("ff02::1")), []);
    }
}
