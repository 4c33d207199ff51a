//! Opens a command's socket, with an error that says what to do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::anyhow;
use pigeon_net::{OpenError, Operation, Socket, SocketOptions, local_addresses};

use super::cause::Cause;
use super::endpoint::ListenAddress;
use super::port_holder;
use super::status::UsageError;
use crate::words::say;

/// Binds the address that the command listens on.
pub(crate) fn bind(listen: ListenAddress, options: &SocketOptions) -> anyhow::Result<Socket> {
    try_bind(listen, options).map_err(explain)
}

/// Like `bind`, but returns the system's error, for a command that handles it.
pub(crate) fn try_bind(
    listen: ListenAddress,
    options: &SocketOptions,
) -> Result<Socket, OpenError> {
    match listen.address() {
        Some(address) => Socket::bind(address, options),
        None => Socket::bind_any(listen.port, options),
    }
}

/// Whether this host does not have the address, at least not yet.
pub(crate) fn is_address_missing(error: &OpenError) -> bool {
    error.operation == Operation::Bind
        && error.source.kind() == std::io::ErrorKind::AddrNotAvailable
}

/// Rejects a broadcast address where a command needs one host. The system's own error is
/// "permission denied", which is ambiguous.
pub(crate) fn one_host(to: SocketAddr) -> Result<(), UsageError> {
    let ip = to.ip();
    match is_broadcast(ip) {
        true => Err(UsageError(say!("errors-broadcast-one-host", ip = &ip))),
        false => Ok(()),
    }
}

/// Whether an address is the broadcast address of one of this host's networks.
pub(crate) fn is_broadcast(ip: IpAddr) -> bool {
    // If the addresses cannot be listed, the system will reject it.
    local_addresses().is_ok_and(|interfaces| interfaces.is_broadcast(ip))
}

/// The unspecified address of the IP version of `to`, with port 0.
pub(crate) fn unspecified(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// The address that a datagram was sent to, as far as known, on a socket bound to `bound`.
pub(crate) fn local_of(local: Option<IpAddr>, from: SocketAddr, bound: SocketAddr) -> SocketAddr {
    let ip = match local {
        Some(local) => local,
        // On a dual-stack socket an IPv4 peer used an IPv4 address.
        None if bound.ip().is_unspecified() && from.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        None => bound.ip(),
    };
    SocketAddr::new(ip, bound.port())
}

/// Whether an address needs a zone (RFC 4007) but has none.
fn lacks_zone(address: SocketAddr) -> bool {
    match address {
        SocketAddr::V6(v6) => v6.scope_id() == 0 && v6.ip().is_unicast_link_local(),
        SocketAddr::V4(_) => false,
    }
}

/// The error with advice.
pub(crate) fn explain(error: OpenError) -> anyhow::Error {
    let address = error.address;
    match error.operation {
        Operation::Bind => {}
        Operation::Connect => {
            return anyhow!(say!(
                "errors-cannot-send-to",
                to = &address,
                cause = Cause::unconnected(address, &error.source).said(),
            ));
        }
        _ => return error.into(),
    }
    match error.source.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!(match port_holder::find(address) {
                Some(holder) => say!("errors-in-use-by", address = &address, holder = holder),
                None => say!("errors-in-use", address = &address),
            })
        }
        std::io::ErrorKind::AddrNotAvailable => {
            UsageError(say!("errors-not-our-address", ip = &address.ip())).into()
        }
        // Without a zone the system cannot know the link.
        std::io::ErrorKind::InvalidInput if lacks_zone(address) => {
            let (ip, port) = (address.ip(), address.port());
            UsageError(say!("errors-link-local", ip = &ip, port = &port)).into()
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow!(say!("errors-bind-denied", address = &address))
        }
        _ => error.into(),
    }
}

/// The address for others to write to: only the port if the chat listens on every address.
pub(crate) fn reached_at(bound: SocketAddr) -> String {
    match bound.ip().is_unspecified() {
        true => say!("chat-port", port = bound.port()),
        false => bound.to_string(),
    }
}
