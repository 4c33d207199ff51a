//! A small set of sender addresses, so that the fuzzer finds interactions between them.

use std::net::SocketAddr;

use pigeon_datagram::SocketId;

/// The hub's address.
pub const HUB: &str = "10.0.2.99:9999";

/// Loopback, open networks of both families with several ports per address, untrusted addresses,
/// and some that can never be members.
const PEOPLE: [&str; 14] = [
    "127.0.0.1:5001",
    "127.0.0.1:5002",
    "[::1]:5001",
    "10.0.2.1:7",
    "10.0.2.1:8",
    "10.0.2.1:9",
    "[fd00::7]:9",
    "203.0.113.5:4000",
    "203.0.113.5:4001",
    "[2001:db8::1]:4000",
    HUB,
    "127.0.0.1:0",
    "224.0.0.1:5",
    "255.255.255.255:5",
];

/// An address of the set, for any number.
pub fn person(number: u8) -> SocketAddr {
    parse(PEOPLE[usize::from(number) % PEOPLE.len()])
}

/// The second listening socket of hubs with two.
pub const SECOND: SocketId = SocketId::new(1);

/// An address's listening socket at a hub with two. Always the same, so that an address is one
/// member.
pub fn door(address: SocketAddr) -> SocketId {
    let at_second = ["127.0.0.1:5002", "10.0.2.1:8", "[fd00::7]:9", "203.0.113.5:4001"];
    if at_second.contains(&address.to_string().as_str()) { SECOND } else { SocketId::FIRST }
}

/// Parses a literal address.
pub fn parse(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// Whether the address must never get an answer.
pub fn is_bad(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = ip == std::net::Ipv4Addr::BROADCAST;
    address.port() == 0 || ip.is_multicast() || broadcast || address == parse(HUB)
}

/// Whether the address is outside the networks that are open by default.
pub fn is_beyond(address: SocketAddr) -> bool {
    ["203.0.113.5", "2001:db8::1"].contains(&address.ip().to_string().as_str())
}
