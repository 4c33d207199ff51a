//! What every command that answers strangers needs: which addresses are its own, and the settings
//! that keep it from loops and amplification.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use jiff::tz::TimeZone;
use pigeon_net::Interfaces;
use pigeon_services::{Config, Event};

use super::hub::Nets;
use super::quantity::PerSecond;

/// Every address of sockets bound to these: what comes from there is a loop.
pub(crate) fn own_addresses(
    bound: impl IntoIterator<Item = SocketAddr>,
    interfaces: &Interfaces,
) -> Vec<SocketAddr> {
    let all = |bound: SocketAddr| -> Vec<SocketAddr> {
        match bound.ip().is_unspecified() {
            true => interfaces.iter().map(|i| SocketAddr::new(i.address, bound.port())).collect(),
            false => vec![bound],
        }
    };
    bound.into_iter().flat_map(all).collect()
}

/// The settings of a service, from what was asked for and what this host is.
pub(crate) fn config(
    open: &Nets,
    per_source: Option<PerSecond>,
    own: &[SocketAddr],
    interfaces: &Interfaces,
) -> anyhow::Result<Config> {
    let defaults = Config::default();
    let mut hash_keys = [0; 4];
    for key in &mut hash_keys {
        *key = getrandom::u64().context("the system gives no random numbers")?;
    }
    Ok(Config {
        open: open.0.clone(),
        per_source: per_source.map_or(defaults.per_source, |given| given.0),
        loopback_counts: per_source.is_some(),
        own: own.to_vec(),
        never: interfaces.iter().filter_map(|i| i.broadcast).map(IpAddr::V4).collect(),
        zone: TimeZone::system(),
        hash_keys,
        ..defaults
    })
}

/// What the operator is told of a bound that was hit, or of a loop that hits none.
pub(crate) fn warning(event: &Event) -> Option<String> {
    match event {
        Event::Limited { source, bound, requests } => {
            let s = if *requests == 1 { "" } else { "s" };
            let bound = bound.describe();
            Some(format!(
                "{source} asks too much ({bound}): {requests} request{s} not answered; a loop?"
            ))
        }
        Event::Repeating { source, length, a_second } => {
            let s = if *length == 1 { "" } else { "s" };
            Some(format!(
                "{source} sends the same {length} byte{s} {a_second} times a second; a loop? \
                 --per-source 1k/s would bound it"
            ))
        }
        Event::Datagram { .. } => None,
    }
}
