//! Resolves the peer that a word names.

use std::net::SocketAddr;
use std::sync::Arc;

use pigeon_client::chat::Known;

use crate::base::bind::one_host;
use crate::base::endpoint::Family;
use crate::base::lookup::Find;
use crate::contacts::peer;

/// A resolved peer.
pub(super) struct Found {
    pub(super) peer: SocketAddr,
    pub(super) known: Known,
    /// Resolves the name again; `None` for an IP address.
    pub(super) again: Option<Arc<Find>>,
}

/// Resolves the peer that a word names. Blocks as long as the resolver does.
pub(super) fn find(word: &str, family: Family) -> anyhow::Result<Found> {
    let words: Vec<String> = word.split_whitespace().map(str::to_string).collect();
    let words = peer::with_ports(&words)?;
    let found = peer::parse(if let [one] = &words[..] { one } else { word }, None)?;
    let again = found.finder(family);
    let name = found.name.map(|name| name.as_str().into());
    let peer = found.endpoint.resolve_in(family)?;
    one_host(peer)?;
    Ok(Found { peer, known: Known { name, charset: found.charset }, again })
}
