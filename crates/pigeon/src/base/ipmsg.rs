//! Shared by the commands that use IP Messenger without a hub.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::Instant;
use pigeon_guard::SourceRules;
pub(crate) use pigeon_ipmsg::PORT;
use pigeon_ipmsg::{Config, Identity, Messenger, Program};
use pigeon_net::{Interfaces, Socket, SocketOptions};
use pigeon_text::Encoding;

use super::bind::explain;
use super::networks::{Nets, source_rules};
use super::{host_name, random, services};
use crate::words::say;

/// A messenger with this user's name, and its socket.
pub(crate) fn open(
    source: Option<SocketAddr>,
    legacy: Encoding,
    interfaces: &Interfaces,
) -> anyhow::Result<(Messenger, Socket)> {
    let bound = source.unwrap_or((Ipv4Addr::UNSPECIFIED, PORT).into());
    let options = SocketOptions {
        broadcast: true,
        refusals: true,
        timestamps: false,
        ..SocketOptions::default()
    };

    let socket = Socket::bind(bound, &options)
        .map_err(explain)
        .with_context(|| say!("errors-ipmsg-port"))?;
    let user = user();
    let config = Config {
        identity: Identity {
            version: format!("1_pigeon {}", env!("CARGO_PKG_VERSION")),
            nick: user.clone(),
            group: "pigeon".into(),
            user,
            host: host_name::find(),
        },
        legacy,
        sources: source_rules(&Nets(SourceRules::default().open), [bound], interfaces),
        is_gateway: false,
        joins_texts: false,
        pace: Duration::ZERO,
        seed: random::u64()?,
        wall: services::wall(Instant::ORIGIN),
    };
    Ok((Messenger::new(config), socket))
}

/// This user's login name.
fn user() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "pigeon".to_string())
}

/// The broadcast addresses of the networks of a socket bound to `bound`.
pub(crate) fn broadcast_addresses(bound: SocketAddr, interfaces: &Interfaces) -> Vec<SocketAddr> {
    if bound.ip().is_loopback() {
        return Vec::new();
    }
    let is_bound = |address: IpAddr| bound.ip().is_unspecified() || address == bound.ip();
    let here = interfaces.iter().filter(|local| is_bound(local.address));
    let directed = here.filter_map(|local| local.broadcast);
    let mut all: Vec<Ipv4Addr> = directed.chain([Ipv4Addr::BROADCAST]).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|ip| (ip, PORT).into()).collect()
}

/// A program's usual name.
pub(crate) fn program_name(program: Program) -> &'static str {
    match program {
        Program::Iptux => "iptux",
        Program::FeiQ => "FeiQ",
        Program::IpMessenger => "IP Messenger",
        Program::Pigeon => "pigeon",
        Program::Other => "another program",
    }
}
