//! Socket addresses in the kernel's format: `struct sockaddr_in` (ip(7)) and `struct sockaddr_in6`
//! (ipv6(7)).

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Bytes of a `sockaddr_in6`, the larger of the two.
const SIZE: usize = 28;
/// Bytes of a `sockaddr_in`.
const SIZE_V4: usize = 16;

/// Storage for one address, aligned like the kernel's structures.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    bytes: [u8; SIZE],
    length: u32,
}

impl Name {
    pub(super) const EMPTY: Name = Name { bytes: [0; SIZE], length: 0 };

    /// A destination, for a socket of either address family.
    pub(super) fn new(address: SocketAddr, v6_socket: bool) -> Name {
        let mut bytes = [0; SIZE];
        let length = match address {
            SocketAddr::V4(v4) if !v6_socket => {
                bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                SIZE_V4
            }
            // A dual-stack socket uses IPv4-mapped addresses for IPv4 peers.
            _ => {
                let (ip, flow, scope) = match address {
                    SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0, 0),
                    SocketAddr::V6(v6) => (*v6.ip(), v6.flowinfo(), v6.scope_id()),
                };
                bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&flow.to_be_bytes());
                bytes[8..24].copy_from_slice(&ip.octets());
                bytes[24..].copy_from_slice(&scope.to_ne_bytes());
                SIZE
            }
        };
        Name { bytes, length: length as u32 }
    }

    /// The bytes in use.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length as usize).unwrap_or_default()
    }

    /// The whole storage, for the kernel to write into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Sets the number of bytes that the kernel has written.
    pub(super) fn set_length(&mut self, length: usize) {
        self.length = length.min(SIZE) as u32;
    }

    /// The address that the kernel wrote; an IPv4-mapped one becomes IPv4.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let bytes = self.bytes();
        let family = u16::from_ne_bytes(array(bytes, 0)?);
        let port = u16::from_be_bytes(array(bytes, 2)?);
        match i32::from(family) {
            libc::AF_INET => Some((array::<4>(bytes, 4)?, port).into()),
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(array::<16>(bytes, 8)?);
                let scope = u32::from_ne_bytes(array(bytes, 24)?);
                match ip.to_canonical() {
                    IpAddr::V6(ip) => Some(SocketAddrV6::new(ip, port, 0, scope).into()),
                    v4 => Some(SocketAddr::new(v4, port)),
                }
            }
            _ => None,
        }
    }
}

/// The `N` bytes at `start`, if `bytes` is long enough.
pub(super) fn array<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for (text, v6_socket) in [
            ("192.0.2.1:9", false),
            ("192.0.2.1:9", true),
            ("[2001:db8::1]:65535", true),
            ("[fe80::1%7]:1", true),
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Name::new(address, v6_socket).address(), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        assert_eq!(Name::EMPTY.address(), None);
        let mut short = Name::new("[::1]:1".parse().unwrap(), true);
        short.set_length(10);
        assert_eq!(short.address(), None);
    }
}
