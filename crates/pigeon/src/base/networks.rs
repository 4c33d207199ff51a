//! Networks as arguments (`--open`), and the resulting rules for senders, together with this host's
//! interfaces.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::words::say;
use ipnet::IpNet;
use pigeon_guard::SourceRules;
use pigeon_net::Interfaces;

/// Parses a network or an address.
pub(crate) fn net(text: &str) -> Result<IpNet, String> {
    parse_net(text, "192.168.1.0/24")
}

fn parse_net(text: &str, example: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let parsed = text.parse().ok().or_else(alone);
    parsed.ok_or_else(|| say!("errors-network", text = text, example = example))
}

/// Networks, such as `10.0.0.0/8,192.168.0.0/16`; an empty text means none.
#[derive(Clone, Debug)]
pub(crate) struct Nets(pub(crate) Vec<IpNet>);

impl Default for Nets {
    fn default() -> Self {
        Nets(SourceRules::default().open)
    }
}

impl fmt::Display for Nets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nets: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&nets.join(","))
    }
}

impl FromStr for Nets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |net: &str| parse_net(net, "192.168.0.0/16");
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        Ok(Nets(words.map(one).collect::<Result<_, _>>()?))
    }
}

/// The rules for sockets bound to these addresses: a datagram from one of them is a loop.
pub(crate) fn source_rules(
    open: &Nets,
    bound: impl IntoIterator<Item = SocketAddr>,
    interfaces: &Interfaces,
) -> SourceRules {
    let all = |bound: SocketAddr| -> Vec<SocketAddr> {
        match bound.ip().is_unspecified() {
            true => interfaces.iter().map(|i| SocketAddr::new(i.address, bound.port())).collect(),
            false => vec![bound],
        }
    };
    SourceRules {
        open: open.0.clone(),
        own: bound.into_iter().flat_map(all).collect(),
        never: interfaces.iter().filter_map(|i| i.broadcast).map(IpAddr::V4).collect(),
    }
}
