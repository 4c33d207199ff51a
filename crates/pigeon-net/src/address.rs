//! Addresses in the one form that the rest of the program knows.

use std::net::{IpAddr, SocketAddr};

/// The address with an IPv4-mapped IPv6 one (RFC 4291 section 2.5.5.2) turned into its IPv4 one.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        // Only a real IPv6 address keeps its scope.
        IpAddr::V6(_) => address,
        v4 => SocketAddr::new(v4, address.port()),
    }
}
