//! Addresses in canonical form: IPv4-mapped ones as IPv4.

use std::net::{IpAddr, SocketAddr};

/// Converts an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) to IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        // Only a real IPv6 address keeps its scope.
        IpAddr::V6(_) => address,
        v4 => SocketAddr::new(v4, address.port()),
    }
}
