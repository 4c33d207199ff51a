//! Who may be a member: addresses that never are, and the bounds of the table.

use std::net::{IpAddr, SocketAddr};

use crate::members::Members;
use crate::{Config, Dropped};

/// Refuses senders that no answer may go to: what comes from them is forged or the hub's own.
pub(crate) fn check_source(config: &Config, from: SocketAddr) -> Result<(), Dropped> {
    let forged = from.port() == 0
        || from.ip().is_multicast()
        || from.ip().is_unspecified()
        || is_broadcast(config, from.ip());
    if forged || config.own.contains(&from) { Err(Dropped::BadSource) } else { Ok(()) }
}

fn is_broadcast(config: &Config, ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_broadcast()) || config.never.contains(&ip)
}

/// Whether there is room for one more member from this address.
pub(crate) fn check_room(
    config: &Config,
    members: &Members,
    from: SocketAddr,
) -> Result<(), Dropped> {
    if members.len() >= config.max_members {
        return Err(Dropped::HubFull);
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
}
