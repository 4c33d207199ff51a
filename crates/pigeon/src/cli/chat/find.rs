//! Finding the peer that a word names.

use std::net::SocketAddr;

use pigeon_client::chat::Known;

use crate::base::bind::one_host;
use crate::base::endpoint::Family;
use crate::contacts::peer;

/// Looks up the peer that a word names. It may take as long as the resolver does.
pub(super) fn find(word: &str, family: Family) -> anyhow::Result<(SocketAddr, Known)> {
    let words: Vec<String> = word.split_whitespace().map(str::to_string).collect();
    let words = peer::with_ports(&words)?;
    let found = peer::parse(if let [one] = &words[..] { one } else { word }, None)?;
    let name = found.name.map(|name| name.as_str().into());
    let peer = found.endpoint.resolve_in(family)?;
    one_host(peer)?;
    Ok((peer, Known { name, charset: found.charset }))
}
