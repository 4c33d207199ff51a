//! Selects the hub to join: the one named, this machine's, or one that answers on the network.
//!
//! ```text
//!   no HOST ──▶ a socket here has port 9999 ──▶ this machine
//!          └──▶ hubs that answer `discover` ──▶ the only one, or the user's choice
//!   NAME    ──▶ a contact ──▶ a host in DNS ──▶ a hub of that name that answers `discover`
//! ```
//!
//! If the hub goes away, NAME is resolved again by the same step.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use pigeon_proto::{Name, fold};
use pigeon_text::escape;

use super::DEFAULT_PORT;
use crate::base::choice;
use crate::base::endpoint::Family;
use crate::base::lookup::Find;
use crate::base::status::UsageError;
use crate::cli::discover::{FoundHub, find_hubs};
use crate::contacts::peer::{self, Peer};
use crate::output::remark;
use crate::words::say;

/// Time limit for hubs on the network: they delay answers by up to 0.2 s, and are asked three
/// times.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A hub.
pub(super) struct Found {
    pub(super) address: SocketAddr,
    /// The hub's name, if it was asked.
    pub(super) name: Option<Name>,
    /// Resolves the hub's address again; `None` if the hub was not given by name.
    pub(super) again: Option<Arc<Find>>,
}

impl From<SocketAddr> for Found {
    fn from(address: SocketAddr) -> Self {
        Found { address, name: None, again: None }
    }
}

impl Found {
    /// The hub at `address`, which an argument names.
    fn peer(peer: &Peer, address: SocketAddr, family: Family) -> Found {
        Found { address, name: None, again: peer.finder(family) }
    }
}

/// Finds the hub that the arguments mean. Fails if there is none, or if there are several and no
/// terminal to ask at.
pub(super) fn find(host: Option<&str>, port: Option<u16>, family: Family) -> anyhow::Result<Found> {
    match (host, port) {
        (None, _) => unnamed(family),
        (Some(host), None) => named(host, family),
        (Some(host), port) => {
            let peer = peer::parse_words(host, port)?;
            Ok(Found::peer(&peer, peer.endpoint.resolve_in(family)?, family))
        }
    }
}

fn named(name: &str, family: Family) -> anyhow::Result<Found> {
    let may_be_hub = peer::may_be_contact(name);
    // No host has such a name, and a DNS query may take long.
    let is_host = name.is_ascii() || peer::is_contact(name)?;
    let error = match is_host || !may_be_hub {
        true => {
            let peer = peer::parse(name, Some(DEFAULT_PORT))?;
            match peer::resolve_peer(&peer, name, family) {
                Err(error) if may_be_hub => error,
                address => return Ok(Found::peer(&peer, address?, family)),
            }
        }
        false => anyhow!(peer::unknown(name)),
    };
    remark(say!("join-looking-for", name = &escape(name)));
    let hubs = called(name, family)?;
    match hubs.len() {
        0 => Err(error.context(say!("join-no-hub-named", name = &escape(name)))),
        _ => {
            let found = pick(&hubs)?;
            let name = name.to_string();
            let again = move || match &called(&name, family)?[..] {
                [hub] => Ok(hub.address),
                hubs => Err(anyhow!(say!("join-hubs-share-name", hubs = hubs.len(), name = &name))),
            };
            Ok(Found { again: Some(Arc::new(again)), ..found })
        }
    }
}

/// The hubs on the network with this name.
fn called(name: &str, family: Family) -> anyhow::Result<Vec<FoundHub>> {
    let mut hubs = around(family)?;
    hubs.retain(|hub| fold(hub.name.as_str()) == fold(name));
    Ok(hubs)
}

/// The hub if no name is given.
fn unnamed(family: Family) -> anyhow::Result<Found> {
    let here = [SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)), {
        SocketAddr::from((Ipv6Addr::LOCALHOST, DEFAULT_PORT))
    }];
    if let Some(hub) = here.into_iter().find(|&hub| family.has(hub.ip()) && is_taken(hub)) {
        return Ok(hub.into());
    }
    remark(say!("join-looking"));
    let hubs = around(family)?;
    if hubs.is_empty() {
        return Err(anyhow!(say!("join-no-hub")));
    }
    pick(&hubs)
}

impl From<&FoundHub> for Found {
    fn from(hub: &FoundHub) -> Self {
        Found { address: hub.address, name: Some(hub.name.clone()), again: None }
    }
}

/// Whether a socket on this machine has the address, which is the case if binding it fails.
fn is_taken(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

fn around(family: Family) -> anyhow::Result<Vec<FoundHub>> {
    find_hubs(ANSWER_WITHIN, |ip| family.has(ip))
}

/// The only hub, or the one that the user picks.
fn pick(hubs: &[FoundHub]) -> anyhow::Result<Found> {
    if let [hub] = hubs {
        remark(say!("join-found", name = &hub.name, hub = &hub.address));
        return Ok(hub.into());
    }
    choice::list(hubs.iter().map(|hub| {
        let members = say!("join-members", members = hub.members);
        format!("{}  {}  {members}", hub.name, hub.address)
    }));
    if !choice::is_at_terminal() {
        return Err(UsageError(say!("join-several")).into());
    }
    let names: Vec<&str> = hubs.iter().map(|hub| hub.name.as_str()).collect();
    match choice::ask(&say!("join-which", hubs = hubs.len()), &names)? {
        Some(place) => Ok((&hubs[place]).into()),
        None => Err(UsageError(say!("join-none-chosen")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_a_socket_has_is_taken() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(is_taken(address));
        drop(socket);
        assert!(!is_taken(address));
    }
}
