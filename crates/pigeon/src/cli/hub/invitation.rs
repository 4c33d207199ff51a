//! The hub's messages at its start: how to join, and what is stored. In the operator's language if
//! the log is for people.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use pigeon_hub::Door;
use pigeon_net::Interfaces;
use pigeon_proto::{Format, Language};
use pigeon_text::escape;

use crate::words::{self, say_in};

/// The default port of `pigeon join`.
const USUAL_PORT: u16 = 9_999;

/// Maximum number of addresses shown. A host with containers has many.
const MAX_ADDRESSES: usize = 6;

/// One line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sentence {
    /// Only programs on this machine can join, with these commands.
    OnlyHere { join: Join, opened: String },
    /// Programs on this machine and the network can join with these commands.
    OnNetwork { joins: Vec<Join>, more: usize },
    /// The socket accepts other hosts' programs, but this host has no address that they could send
    /// to.
    NoNetwork,
    /// The start of a sentence about a socket with its own format or room.
    Door { format: Format, room: String, rest: Box<Sentence> },
    /// Members must send a password.
    Password,
    /// Anyone on the network can join.
    NoPassword,
    /// What the hub stores on disk.
    Kept(Kept),
}

/// Two commands that join, ready to type.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Join {
    /// `pigeon join 192.168.1.20`
    pigeon: String,
    /// `nc -u 192.168.1.20 9999`
    netcat: String,
}

/// What is stored, and in which folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Messages, names, bans and mutes.
    All(PathBuf),
    /// Names, bans and mutes.
    Names(PathBuf),
    /// Nothing, for this reason.
    Nothing { why: String },
}

/// The lines for these sockets with their bound addresses.
pub(super) fn lines(
    language: Language,
    doors: &[(Door, SocketAddr)],
    interfaces: &Interfaces,
    has_password: bool,
    kept: Kept,
) -> Vec<String> {
    let first = doors.first().map(|(door, _)| door);
    let mut sentences = Vec::new();
    for (door, bound) in doors {
        let sentence = sentence(*bound, interfaces);
        let is_special = door.format != Format::Chat || first.is_some_and(|f| f.room != door.room);
        sentences.push(match is_special {
            true => Sentence::Door {
                format: door.format,
                room: door.room.to_string(),
                rest: Box::new(sentence),
            },
            false => sentence,
        });
    }
    sentences.push(if has_password { Sentence::Password } else { Sentence::NoPassword });
    sentences.push(Sentence::Kept(kept));
    sentences.iter().map(|sentence| sentence.in_language(language)).collect()
}

/// How to join through a socket, as one line.
pub(in crate::cli) fn way_in(
    language: Language,
    bound: SocketAddr,
    interfaces: &Interfaces,
) -> String {
    sentence(bound, interfaces).in_language(language)
}

/// How to join through a socket.
fn sentence(bound: SocketAddr, interfaces: &Interfaces) -> Sentence {
    let (ip, port) = (bound.ip(), bound.port());
    if ip.is_loopback() {
        let opened = format!("pigeon hub '*:{port}'");
        return Sentence::OnlyHere { join: join(ip, port), opened };
    }
    let reached: Vec<IpAddr> = match ip.is_unspecified() {
        true => interfaces
            .iter()
            .map(|local| local.address)
            .filter(|address| ip.is_ipv6() || address.is_ipv4())
            .filter(is_for_others)
            .collect(),
        false => vec![ip],
    };
    if reached.is_empty() {
        return Sentence::NoNetwork;
    }
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = reached.iter().partition(|ip| ip.is_ipv4());
    let joins: Vec<Join> =
        v4.into_iter().chain(v6).map(|ip| join(ip, port)).take(MAX_ADDRESSES).collect();
    Sentence::OnNetwork { more: reached.len() - joins.len(), joins }
}

/// Whether others can write to it as printed: a link-local address needs the name of their
/// interface.
fn is_for_others(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

fn join(ip: IpAddr, port: u16) -> Join {
    let hub = match (ip, port) {
        (ip, port) if ip.is_loopback() && ip.is_ipv4() && port == USUAL_PORT => String::new(),
        (IpAddr::V4(ip), USUAL_PORT) => format!(" {ip}"),
        (IpAddr::V6(ip), USUAL_PORT) => format!(" '[{ip}]'"),
        (IpAddr::V4(ip), port) => format!(" {ip}:{port}"),
        (IpAddr::V6(ip), port) => format!(" '[{ip}]:{port}'"),
    };
    Join { pigeon: format!("pigeon join{hub}"), netcat: format!("nc -u {ip} {port}") }
}

impl Sentence {
    fn in_language(&self, language: Language) -> String {
        let either = |join: &Join| {
            say_in!(language, "hub-join-or", pigeon = &join.pigeon, netcat = &join.netcat)
        };
        let shown = |folder: &PathBuf| escape(&*folder.to_string_lossy()).to_string();
        match self {
            Sentence::OnlyHere { join, opened } => {
                say_in!(language, "hub-only-here", join = either(join), opened = opened)
            }
            Sentence::OnNetwork { joins, more } => {
                let joins: Vec<String> = joins.iter().map(either).collect();
                let joins = joins.join(words::between_parts_in(language));
                match *more {
                    0 => say_in!(language, "hub-on-network", joins = joins),
                    more => {
                        say_in!(language, "hub-on-network-more", joins = joins, more = more)
                    }
                }
            }
            Sentence::NoNetwork => say_in!(language, "hub-no-network"),
            Sentence::Door { format, room, rest } => say_in!(
                language,
                "hub-door",
                format = format,
                room = room,
                rest = rest.in_language(language),
            ),
            Sentence::Password => say_in!(language, "hub-asks-password"),
            Sentence::NoPassword => say_in!(language, "hub-asks-no-password"),
            Sentence::Kept(Kept::All(folder)) => {
                say_in!(language, "hub-kept-all", folder = shown(folder))
            }
            Sentence::Kept(Kept::Names(folder)) => {
                say_in!(language, "hub-kept-names", folder = shown(folder))
            }
            Sentence::Kept(Kept::Nothing { why }) => {
                say_in!(language, "hub-kept-nothing", why = why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::RoomName;

    use super::*;

    fn bound(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn chat(address: &str) -> (Door, SocketAddr) {
        (Door::of(Format::Chat), bound(address))
    }

    fn said(language: Language, doors: &[(Door, SocketAddr)], password: bool) -> Vec<String> {
        let kept = Kept::Nothing { why: "x".into() };
        let mut lines = lines(language, doors, &Interfaces::default(), password, kept);
        assert!(
            lines.pop().is_some_and(|last| last.contains("nothing") || last.contains("不保存"))
        );
        lines
    }

    #[test]
    fn a_door_says_how_others_come_in() {
        for (address, expected) in [
            (
                "127.0.0.1:9999",
                "only this machine can join: pigeon join, or nc -u 127.0.0.1 9999; pigeon hub \
                 '*:9999' opens it to the network",
            ),
            (
                "127.0.0.1:7000",
                "only this machine can join: pigeon join 127.0.0.1:7000, or nc -u 127.0.0.1 7000; \
                 pigeon hub '*:7000' opens it to the network",
            ),
            (
                "192.168.1.20:9999",
                "on this network: pigeon join 192.168.1.20, or nc -u 192.168.1.20 9999",
            ),
            (
                "[2001:db8::1]:9998",
                "on this network: pigeon join '[2001:db8::1]:9998', or nc -u 2001:db8::1 9998",
            ),
            (
                "0.0.0.0:9999",
                "this host has no address on a network yet, so only this machine can join",
            ),
        ] {
            let lines = said(Language::English, &[chat(address)], false);
            assert_eq!(lines, [expected, "no password is asked"]);
        }
    }

    #[test]
    fn each_door_is_named_in_the_operators_language() {
        let raw = Door { format: Format::Raw, room: RoomName::parse(b"video").unwrap() };
        let doors = [chat("192.168.1.20:9999"), (raw, bound("192.168.1.20:9998"))];
        assert_eq!(
            said(Language::English, &doors, true),
            [
                "on this network: pigeon join 192.168.1.20, or nc -u 192.168.1.20 9999",
                "raw, room video: on this network: pigeon join 192.168.1.20:9998, or nc -u \
                 192.168.1.20 9998",
                "a password is asked: members give it by /pass",
            ]
        );
        assert_eq!(
            said(Language::Chinese, &doors, true),
            [
                "局域网内加入：pigeon join 192.168.1.20 或 nc -u 192.168.1.20 9999",
                "raw 格式，房间 video：局域网内加入：pigeon join 192.168.1.20:9998 或 nc -u \
                 192.168.1.20 9998",
                "需要密码：成员用 /pass 输入",
            ]
        );
        assert!(said(Language::Chinese, &[chat("127.0.0.1:9999")], false)[0].contains("只有本机"));
    }

    #[test]
    fn addresses_that_others_cannot_use_are_left_out() {
        for (address, is_ours) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("fe80::1", false),
            ("10.0.0.1", true),
            ("fd00::1", true),
        ] {
            assert_eq!(is_for_others(&address.parse().unwrap()), is_ours, "{address}");
        }
    }
}
