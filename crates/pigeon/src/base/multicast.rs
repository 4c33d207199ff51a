//! Multicast groups and interfaces as arguments.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use pigeon_net::{Interfaces, local_addresses};
use pigeon_text::escape;

use super::status::UsageError;
use crate::words::say;

/// A multicast group, on every interface or on one: `239.1.2.3`, `ff02::fb%eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) address: IpAddr,
    /// The only interface to use, given by name, index or address.
    pub(crate) interface: Option<String>,
}

impl Group {
    /// The addresses of the interfaces to use for the group. Fails if this host lacks the given
    /// interface.
    pub(crate) fn select(&self, all: &Interfaces) -> Result<Interfaces, UsageError> {
        match &self.interface {
            None => Ok(all.clone()),
            Some(wanted) => all.only(wanted).ok_or_else(|| no_interface(wanted, all)),
        }
    }

    /// Whether the group's address is local to each link, so that a socket for it must be bound to
    /// an interface (RFC 4291 section 2.7: scopes 1 and 2).
    pub(crate) fn is_link_local(&self) -> bool {
        matches!(self.address, IpAddr::V6(ip) if ip.octets()[1] & 0xf <= 2)
    }
}

impl From<IpAddr> for Group {
    fn from(address: IpAddr) -> Group {
        Group { address, interface: None }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

/// Parses a multicast group, an IPv6 one optionally with its interface.
pub(crate) fn group(text: &str) -> Result<Group, String> {
    let (address, interface) = match text.split_once('%') {
        Some((address, interface)) => (address, Some(interface.to_string())),
        None => (text, None),
    };
    let group = address.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
    // Only IPv6 has zones (RFC 4007).
    let group = group.filter(|group| group.is_ipv6() || interface.is_none());
    let wrong = || say!("errors-group", text = &escape(text));
    group.map(|address| Group { address, interface }).ok_or_else(wrong)
}

/// The interface of `--multicast-interface` for datagrams to `to`, in the form for a socket.
pub(crate) fn interface(
    wanted: Option<&str>,
    to: SocketAddr,
) -> anyhow::Result<Option<(Option<Ipv4Addr>, u32)>> {
    let Some(wanted) = wanted else { return Ok(None) };
    if !to.ip().is_multicast() {
        let error = say!("errors-interface-without-group", ip = &to.ip());
        return Err(UsageError(error).into());
    }
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    Ok(Some(interfaces.find(wanted).ok_or_else(|| no_interface(wanted, &interfaces))?))
}

/// The error for a missing interface; it lists the existing ones.
pub(crate) fn no_interface(wanted: &str, interfaces: &Interfaces) -> UsageError {
    let mut names: Vec<&str> = interfaces.iter().map(|local| local.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    UsageError(say!("errors-interface", wanted = &escape(wanted), names = names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_name_its_interface() {
        let read =
            |text: &str| group(text).map(|group| (group.address.to_string(), group.interface));
        assert_eq!(read("239.1.2.3"), Ok(("239.1.2.3".into(), None)));
        assert_eq!(read("ff02::fb%eth0"), Ok(("ff02::fb".into(), Some("eth0".into()))));
        for wrong in ["10.1.2.3", "239.1.2.3%eth0", "fe80::1%eth0", "", "x%y"] {
            assert!(read(wrong).unwrap_err().contains("not a multicast group"), "{wrong}");
        }
        let is_link_local = |text: &str| group(text).unwrap().is_link_local();
        assert!(is_link_local("ff02::fb") && is_link_local("ff01::1"));
        assert!(!is_link_local("ff15::77") && !is_link_local("224.0.0.251"));
    }
}
