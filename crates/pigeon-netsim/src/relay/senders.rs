//! Decides which senders can never be clients.
//!
//! A relay forwards its target's answers to clients. If the target or the relay itself became a
//! client, one datagram with a forged sender would circulate for ever: the target's answer would
//! reach the target again as a request, as fast as the CPU allows.

use std::net::{IpAddr, SocketAddr};

/// The addresses of the relay and of its target.
#[derive(Debug)]
pub(super) struct Senders {
    target: SocketAddr,
    listen: SocketAddr,
    local: Vec<IpAddr>,
}

/// Why a sender is not a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotClient {
    /// Port 0 is not a valid sender (RFC 768).
    Nobody,
    /// The target, perhaps at another address of its host.
    Target,
    /// The socket that clients send to.
    Relay,
}

impl Senders {
    pub(super) fn new(target: SocketAddr, listen: SocketAddr, local: Vec<IpAddr>) -> Senders {
        Senders { target: canonical(target), listen: canonical(listen), local }
    }

    pub(super) fn set_target(&mut self, target: SocketAddr) {
        self.target = canonical(target);
    }

    /// Why this sender cannot be a client.
    pub(super) fn check(&self, from: SocketAddr) -> Option<NotClient> {
        let from = canonical(from);
        match from.port() {
            0 => Some(NotClient::Nobody),
            port if port == self.target.port() && self.is_target(from.ip()) => {
                Some(NotClient::Target)
            }
            port if port == self.listen.port() && self.is_listen(from.ip()) => {
                Some(NotClient::Relay)
            }
            _ => None,
        }
    }

    /// A target on this host may be bound to all its addresses, and then answers from any of them.
    fn is_target(&self, ip: IpAddr) -> bool {
        let target = self.target.ip();
        let is_here = target.is_unspecified() || self.is_local(target);
        ip == target || is_here && self.is_local(ip)
    }

    fn is_listen(&self, ip: IpAddr) -> bool {
        let listen = self.listen.ip();
        ip == listen || listen.is_unspecified() && self.is_local(ip)
    }

    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.local.contains(&ip)
    }
}

/// Converts an IPv4-mapped address to IPv4 and removes the scope: link-local addresses are compared
/// by their bits alone.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn check(target: &str, listen: &str, from: &str) -> Option<NotClient> {
        let local = vec!["10.0.0.7".parse().unwrap(), "fe80::7".parse().unwrap()];
        Senders::new(address(target), address(listen), local).check(address(from))
    }

    #[test]
    fn a_target_is_known_by_every_address_of_its_host() {
        let from = |from: &str| check("127.0.0.1:9", "127.0.0.1:5000", from);
        for target in
            ["127.0.0.1:9", "[::ffff:127.0.0.1]:9", "127.9.9.9:9", "10.0.0.7:9", "[fe80::7%3]:9"]
        {
            assert_eq!(from(target), Some(NotClient::Target), "{target}");
        }
        for client in ["127.0.0.1:10", "10.0.0.8:9", "[fe80::8]:9", "192.0.2.1:9"] {
            assert_eq!(from(client), None, "{client}");
        }
        assert_eq!(from("127.0.0.1:0"), Some(NotClient::Nobody));
    }

    #[test]
    fn of_another_host_only_the_address_given_is_known() {
        let from = |from: &str| check("192.0.2.1:9", "10.0.0.7:5000", from);
        assert_eq!(from("192.0.2.1:9"), Some(NotClient::Target));
        assert_eq!(from("[::ffff:192.0.2.1]:9"), Some(NotClient::Target));
        assert_eq!(from("192.0.2.2:9"), None);
        assert_eq!(from("127.0.0.1:9"), None);
    }

    #[test]
    fn a_relay_is_not_its_own_client() {
        let here = |from: &str| check("192.0.2.1:9", "10.0.0.7:5000", from);
        assert_eq!(here("10.0.0.7:5000"), Some(NotClient::Relay));
        // Another program may use the same port at another address.
        assert_eq!(here("127.0.0.1:5000"), None);
        let everywhere = |from: &str| check("192.0.2.1:9", "[::]:5000", from);
        for own in ["127.0.0.1:5000", "[::1]:5000", "[::ffff:10.0.0.7]:5000", "[fe80::7]:5000"] {
            assert_eq!(everywhere(own), Some(NotClient::Relay), "{own}");
        }
        assert_eq!(everywhere("10.0.0.8:5000"), None);
    }
}
