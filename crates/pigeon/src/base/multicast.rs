//! Multicast groups on the command line, and the interface to use for them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use pigeon_net::{Interfaces, local_addresses};
use pigeon_text::escape;

use super::status::UsageError;

/// Reads a multicast group.
pub(crate) fn group(text: &str) -> Result<IpAddr, String> {
    let group = text.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
    group.ok_or_else(|| format!("`{}` is no multicast group; e.g. 239.1.2.3", escape(text)))
}

/// The interface that `--multicast-interface` names for datagrams to `to`, as a socket takes it.
pub(crate) fn interface(
    wanted: Option<&str>,
    to: SocketAddr,
) -> anyhow::Result<Option<(Option<Ipv4Addr>, u32)>> {
    let Some(wanted) = wanted else { return Ok(None) };
    if !to.ip().is_multicast() {
        let error = format!("--multicast-interface: {} is not a multicast address", to.ip());
        return Err(UsageError(error).into());
    }
    let interfaces = local_addresses().context("cannot list this host's addresses")?;
    Ok(Some(interfaces.find(wanted).ok_or_else(|| no_interface(wanted, &interfaces))?))
}

/// The error for an interface that this host does not have; it lists those it has.
pub(crate) fn no_interface(wanted: &str, interfaces: &Interfaces) -> UsageError {
    let mut names: Vec<&str> = interfaces.iter().map(|local| local.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let wanted = escape(wanted);
    UsageError(format!("there is no interface {wanted}; there are {}", names.join(", ")))
}
