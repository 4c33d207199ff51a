//! Finds the clients and servers of a capture. TARGET replaces the servers, so their datagrams are
//! not sent.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Maximum number of addresses remembered. Later ones always count as unknown.
const MAX_ADDRESSES: usize = 65_536;

/// Distinguishes replies from requests: the first sender is a client, and its peer a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction(HashMap<SocketAddr, Role>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

impl Direction {
    /// A direction with a known server.
    pub(super) fn to(server: SocketAddr) -> Direction {
        Direction(HashMap::from([(server, Role::Server)]))
    }

    /// Whether a server sent this. An unknown sender that writes to a client is a server: some
    /// answer from another port, as TFTP does.
    pub(super) fn is_reply(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        match (self.0.get(&from), self.0.get(&to)) {
            (Some(Role::Server), _) => true,
            (None, Some(Role::Client)) => {
                self.note(from, Role::Server);
                true
            }
            (Some(Role::Client) | None, _) => {
                self.note(from, Role::Client);
                self.note(to, Role::Server);
                false
            }
        }
    }

    /// An address keeps its first role: a peer that answers from the same port does not become a
    /// server.
    fn note(&mut self, address: SocketAddr, role: Role) {
        if self.0.len() < MAX_ADDRESSES {
            self.0.entry(address).or_insert(role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each datagram is a reply, given hosts and ports of one network.
    fn replies(ways: &[(&str, &str)]) -> Vec<bool> {
        let at = |text: &str| format!("10.0.0.{text}").parse().unwrap();
        let mut direction = Direction::to(at("99:53"));
        ways.iter().map(|(from, to)| direction.is_reply(at(from), at(to))).collect()
    }

    #[test]
    fn replies_are_told_from_questions() {
        // Two clients of one server.
        let ways = [("1:50000", "9:53"), ("9:53", "1:50000"), ("2:4", "9:53"), ("1:50000", "9:53")];
        assert_eq!(replies(&ways), [false, true, false, false]);
        // TFTP answers from another port.
        let ways = [("1:50000", "9:69"), ("9:40000", "1:50000"), ("1:50000", "9:40000")];
        assert_eq!(replies(&ways), [false, true, false]);
        // Hosts that write to a group, each from the same port.
        let ways = [("1:5353", "251:5353"), ("2:5353", "251:5353"), ("1:5353", "251:5353")];
        assert_eq!(replies(&ways), [false; 3]);
        // The target itself.
        assert_eq!(replies(&[("99:53", "1:4"), ("1:4", "99:53")]), [true, false]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut direction = Direction::default();
        let to = ([10, 0, 0, 9], 53).into();
        for number in 0..u32::try_from(MAX_ADDRESSES).unwrap() + 10 {
            assert!(!direction.is_reply((number.to_be_bytes(), 7).into(), to));
        }
        assert_eq!(direction.0.len(), MAX_ADDRESSES);
        assert!(direction.is_reply(to, ([0, 0, 0, 1], 7).into()));
    }
}
