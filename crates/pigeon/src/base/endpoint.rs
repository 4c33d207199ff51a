//! Endpoints in command-line notation: `HOST:PORT`, `[V6]:PORT`, `HOST PORT`, or a part of these.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use anyhow::{Context, bail};

use pigeon_net::local_addresses;
use pigeon_text::{escape, is_displayable};

use super::status::UsageError;
use crate::words::say;

/// A destination: a host and a port, not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Parses `HOST:PORT` or `[V6]:PORT`; without `:PORT`, uses `default_port` if given. A
    /// full-width `：`, from Chinese input methods, counts as `:`.
    pub(crate) fn parse(text: &str, default_port: Option<u16>) -> Result<Endpoint, String> {
        let text = &text.replace(WIDE_COLON, ":");
        if text.is_empty() {
            return Err(say!("errors-endpoint-empty"));
        }
        let (host, port) = split(text)?;
        if port.is_none() && host.bytes().all(|b| b.is_ascii_digit()) {
            // The resolver would take a number for an address: 9999 is 0.0.39.15.
            return Err(say!("errors-only-a-port", port = host));
        }
        let port = match (port, default_port) {
            (Some(port), _) => peer_port(port)?,
            (None, Some(port)) => port,
            (None, None) => return Err(say!("errors-no-port", host = text)),
        };
        if host.is_empty() {
            return Err(say!("errors-no-host", port = &port));
        }
        check_host(host)?;
        Ok(Endpoint { host: host.to_string(), port })
    }

    /// The address, if the host is a literal one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let (ip, zone) = zoned(&self.host)?;
        Some(as_answered(with_zone(ip, self.port, zone.ok()?)))
    }

    /// Resolves the host. Prefers IPv4 addresses, because a hub listens on IPv4 by default.
    pub(crate) fn resolve(&self) -> anyhow::Result<SocketAddr> {
        self.resolve_in(Family::default())
    }

    /// Like [`resolve`](Self::resolve), limited to a family. A literal address of the other family
    /// is a usage error: retrying cannot help.
    pub(crate) fn resolve_in(&self, family: Family) -> anyhow::Result<SocketAddr> {
        if let Some((ip, zone)) = zoned(&self.host) {
            if let (IpAddr::V6(link_local), Ok(0)) = (ip, &zone)
                && link_local.is_unicast_link_local()
            {
                // The system's error would be "invalid argument".
                return Err(
                    UsageError(say!("errors-link-local", ip = &ip, port = &self.port)).into()
                );
            }
            let address = as_answered(with_zone(ip, self.port, zone.map_err(UsageError)?));
            family.check(address.ip())?;
            return Ok(address);
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<_> = found
            .with_context(|| say!("errors-cannot-find", host = &escape(&self.host)))?
            .map(as_answered)
            .filter(|address| family.has(address.ip()))
            .collect();
        match found.iter().find(|address| address.is_ipv4()).or(found.first()) {
            Some(&address) => Ok(address),
            None => {
                bail!(say!("errors-no-such-family", host = &escape(&self.host), family = &family))
            }
        }
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Endpoint::parse(text, None)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The colon of Chinese input methods.
const WIDE_COLON: char = '：';

/// Parses an address with an optional zone: `fe80::1%eth0` or `fe80::1%2` yield the interface's
/// index, others 0 (RFC 4007 section 11). `None` if the text is not an address.
fn zoned(host: &str) -> Option<(IpAddr, Result<u32, String>)> {
    let Some((ip, zone)) = host.split_once('%') else {
        return Some((host.parse().ok()?, Ok(0)));
    };
    let ip = IpAddr::V6(ip.parse().ok()?);
    if let Ok(index) = zone.parse() {
        return Some((ip, Ok(index)));
    }
    let found = local_addresses().ok().and_then(|interfaces| interfaces.find(zone));
    let unknown = || say!("errors-no-such-interface", name = &escape(zone));
    Some((ip, found.map(|(_, index)| index).ok_or_else(unknown)))
}

fn with_zone(ip: IpAddr, port: u16, zone: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, zone).into(),
        ip => SocketAddr::new(ip, port),
    }
}

/// Parses an address and a port, `127.0.0.1:9999` or `[fe80::1%eth0]:9999`; no names.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let text = &text.replace(WIDE_COLON, ":");
    let (host, port) = split(text)?;
    let wrong = || say!("errors-socket-address");
    let (ip, zone) = zoned(host).ok_or_else(wrong)?;
    Ok(with_zone(ip, parse_port(port.ok_or_else(wrong)?)?, zone?))
}

/// The address that answers will come from; answers are recognised by it. Systems convert an
/// IPv4-mapped address to IPv4, and the unspecified one, which servers on every address print, to
/// this host's.
fn as_answered(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip if ip == address.ip() => return address,
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Which version of IP to use, where there is a choice.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct Family {
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6", display_order = 900)]
    ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, display_order = 900)]
    ipv6: bool,

    /// Accepted for users of `nc -u`, and ignored: pigeon always uses UDP
    #[arg(short = 'u', hide = true)]
    _udp: bool,
}

impl Family {
    /// Whether an address is of this family.
    pub(crate) fn has(self, ip: IpAddr) -> bool {
        !(self.ipv4 && ip.is_ipv6() || self.ipv6 && ip.is_ipv4())
    }

    /// Rejects an address of the other version.
    pub(crate) fn check(self, ip: IpAddr) -> Result<(), UsageError> {
        match self.has(ip) {
            true => Ok(()),
            false => Err(UsageError(say!("errors-other-family", ip = &ip, family = &self))),
        }
    }

    /// The address to listen on: the given one, or every address of this family. Fails if the given
    /// one is of the other family.
    pub(crate) fn listen(self, address: ListenAddress) -> Result<ListenAddress, UsageError> {
        let every = match (self.ipv4, self.ipv6) {
            (true, _) => ListenHost::Ip(Ipv4Addr::UNSPECIFIED.into()),
            (_, true) => ListenHost::Ip(Ipv6Addr::UNSPECIFIED.into()),
            _ => ListenHost::Every,
        };
        match address.host {
            ListenHost::Ip(ip) => self.check(ip).map(|()| address),
            ListenHost::Every => Ok(ListenAddress { host: every, ..address }),
            _ => Ok(address.or(every)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.ipv4, self.ipv6) {
            (true, _) => "IPv4",
            (_, true) => "IPv6",
            _ => "IP",
        })
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    pub(crate) host: ListenHost,
    /// 0 lets the system choose.
    pub(crate) port: u16,
    /// The interface's index from `%` in `[fe80::1%eth0]`; 0 if not given.
    pub(crate) zone: u32,
}

/// The host part of an address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenHost {
    /// The family is not given: the command decides.
    Unsaid,
    /// `*`: every local address, IPv4 and IPv6.
    Every,
    /// A single address.
    Ip(IpAddr),
}

impl ListenAddress {
    /// The default without an argument.
    pub(crate) const UNSAID: ListenAddress =
        ListenAddress { host: ListenHost::Unsaid, port: 0, zone: 0 };

    /// The address to bind; `None` is every address of this host, of both families.
    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self.host {
            ListenHost::Ip(ip) => Some(with_zone(ip, self.port, self.zone)),
            ListenHost::Unsaid | ListenHost::Every => None,
        }
    }

    /// Fills in a host if none was given.
    pub(crate) fn or(self, host: ListenHost) -> ListenAddress {
        match self.host {
            ListenHost::Unsaid => ListenAddress { host, ..self },
            _ => self,
        }
    }

    /// Fills in loopback if no host was given.
    pub(crate) fn or_this_machine(self) -> ListenAddress {
        self.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()))
    }

    /// Whether two sockets cannot be bound to both; each must have a host.
    pub(crate) fn overlaps(self, other: ListenAddress) -> bool {
        let hosts = match (self.address(), other.address()) {
            (Some(a), Some(b)) => {
                let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
                a == b || (wild && a.is_ipv4() == b.is_ipv4())
            }
            _ => true,
        };
        hosts && self.port == other.port && self.port != 0
    }
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    /// Parses `PORT`, `:PORT`, `ADDR:PORT`, `[V6]:PORT` or `*:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = &text.replace(WIDE_COLON, ":");
        if text.is_empty() {
            return Err(say!("errors-listen-empty"));
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(ListenAddress { port: parse_port(text)?, ..ListenAddress::UNSAID });
        }
        let (host, port) = split(text)?;
        let Some(port) = port else {
            let is_host = matches!(host, "*" | "localhost") || zoned(host).is_some();
            return Err(match is_host {
                true => say!("errors-no-port", host = text),
                false => {
                    say!("errors-listen-not-a-port", text = text)
                }
            });
        };
        let mut zone = 0;
        let host = match host {
            "" => ListenHost::Unsaid,
            "*" => ListenHost::Every,
            "localhost" => ListenHost::Ip(Ipv4Addr::LOCALHOST.into()),
            host => {
                let (ip, named) =
                    zoned(host).ok_or_else(|| say!("errors-listen-not-an-ip", host = host))?;
                zone = named?;
                ListenHost::Ip(ip)
            }
        };
        Ok(ListenAddress { host, port: parse_port(port)?, zone })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            ListenHost::Unsaid => write!(f, "{}", self.port),
            ListenHost::Every => write!(f, "*:{}", self.port),
            ListenHost::Ip(ip) => write!(f, "{}", with_zone(ip, self.port, self.zone)),
        }
    }
}

/// Rejects invalid hosts before the resolver sees them: it would only report that it found nothing,
/// or read 010.0.0.1 as 8.0.0.1, because leading zeros once meant octal (inet_aton(3)).
fn check_host(host: &str) -> Result<(), String> {
    if host.contains(char::is_whitespace) {
        return Err(say!("errors-host-blank"));
    }
    if !host.chars().all(is_displayable) {
        return Err(say!("errors-host-undisplayable", host = &escape(host)));
    }
    if host.contains([':', '%']) && zoned(host).is_none() {
        return Err(say!("errors-not-ipv6", host = host));
    }
    let numbers = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numbers && host.matches('.').count() == 3 && host.parse::<Ipv4Addr>().is_err() {
        return Err(say!("errors-not-ipv4", host = host));
    }
    Ok(())
}

/// Splits `host` and an optional `port`, without brackets.
fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(say!("errors-url", scheme = scheme));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else {
            return Err(say!("errors-bracket"));
        };
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(say!("errors-behind-bracket", rest = rest)),
        };
    }
    if text.matches(':').count() > 1 {
        // 2001:db8::1:9999 is ambiguous without brackets.
        return Err(say!("errors-ipv6-brackets", text = text));
    }
    Ok(match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

/// Parses a peer's port.
pub(crate) fn peer_port(text: &str) -> Result<u16, String> {
    match parse_port(text)? {
        0 => Err(say!("errors-port-zero")),
        port => Ok(port),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    // `parse` alone would accept +99.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits);
    port.ok_or_else(|| say!("errors-not-a-port", text = text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_in_every_spelling() {
        let shown = |text: &str| Endpoint::parse(text, Some(9999)).unwrap().to_string();
        assert_eq!(shown("127.0.0.1:8080"), "127.0.0.1:8080");
        assert_eq!(shown("127.0.0.1"), "127.0.0.1:9999");
        assert_eq!(shown("[::1]:8080"), "[::1]:8080");
        assert_eq!(shown("[::1]"), "[::1]:9999");
        assert_eq!(shown("hub.local"), "hub.local:9999");
        assert_eq!(shown("192.168.1.7：8080"), "192.168.1.7:8080");
        assert_eq!(shown("[fe80::1%eth0]:8080"), "[fe80::1%eth0]:8080");
    }

    #[test]
    fn an_interface_is_named_behind_a_percent_sign() {
        let resolve = |text: &str| {
            let resolved = Endpoint::parse(text, None).unwrap().resolve();
            resolved.map(|address| address.to_string()).map_err(|error| format!("{error:#}"))
        };
        // The loopback interface has index 1.
        assert_eq!(resolve("[fe80::1%lo]:7"), Ok("[fe80::1%1]:7".into()));
        assert_eq!(resolve("[fe80::1%1]:7"), Ok("[fe80::1%1]:7".into()));
        let unknown = resolve("[fe80::1%nosuch0]:7").unwrap_err();
        assert!(unknown.starts_with(r"nosuch0: this host has no such interface"), "{unknown}");
        assert!(resolve("[fe80::1]:7").unwrap_err().contains("[fe80::1%eth0]:7"));
        let listen = "[fe80::1%lo]:7".parse::<ListenAddress>().unwrap();
        assert_eq!(listen.to_string(), "[fe80::1%1]:7");
        assert_eq!(socket_address("[fe80::1%lo]:7").unwrap().to_string(), "[fe80::1%1]:7");
        assert_eq!(socket_address("127.0.0.1：7").unwrap().to_string(), "127.0.0.1:7");
        assert!(socket_address("127.0.0.1").is_err() && socket_address("localhost:7").is_err());
    }

    #[test]
    fn an_endpoint_is_the_address_that_answers() {
        for (written, answers) in [
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
            ("[::ffff:10.0.0.1]:7", "10.0.0.1:7"),
            ("[::ffff:0.0.0.0]:7", "127.0.0.1:7"),
            ("[fe80::1%2]:7", "[fe80::1%2]:7"),
            ("10.0.0.1:7", "10.0.0.1:7"),
        ] {
            let endpoint = Endpoint::parse(written, None).unwrap();
            let answers: SocketAddr = answers.parse().unwrap();
            assert_eq!(endpoint.address(), Some(answers));
            assert_eq!(endpoint.resolve().unwrap(), answers);
        }
    }

    #[test]
    fn a_bad_endpoint_says_what_to_write_instead() {
        let error = |text: &str| Endpoint::parse(text, None).unwrap_err();
        assert_eq!(error("127.0.0.1"), "no port; write 127.0.0.1:PORT, e.g. 127.0.0.1:9999");
        assert_eq!(error("host:http"), "`http` is not a valid port; write a number up to 65535");
        assert_eq!(error("host:70000"), "`70000` is not a valid port; write a number up to 65535");
        assert_eq!(error("::1"), "put an IPv6 address in brackets, [ADDRESS]:PORT; found ::1");
        assert_eq!(error("9999"), "9999 is only a port; write HOST:9999, e.g. 127.0.0.1:9999");
        assert_eq!(error("host:+99"), "`+99` is not a valid port; write a number up to 65535");
        assert_eq!(
            error("[::1"),
            "the bracket of the IPv6 address is not closed; write [ADDRESS]:PORT"
        );
        assert_eq!(error(":99"), "no host; write HOST:99, e.g. 127.0.0.1:99");
        assert_eq!(error("host:0"), "port 0 cannot be reached; write a number from 1 to 65535");
        assert_eq!(error("[10.0.0.1:9]:8"), "10.0.0.1:9 is not a valid IPv6 address");
        assert_eq!(error("10.0.0.1%eth0:8"), "10.0.0.1%eth0 is not a valid IPv6 address");
        let undisplayed =
            r"a\x1b[31m is not a valid host name: it contains characters that cannot be displayed";
        assert_eq!(error("a\u{1b}[31m:9"), undisplayed);
        assert_eq!(error(" :9"), "a host name contains no white space");
        assert_eq!(
            error("udp://h:9"),
            "a URL does not fit here; leave udp:// out, and write HOST:PORT"
        );
        for wrong in ["300.1.1.1", "010.0.0.1", "1..2.3"] {
            let why = "its numbers go from 0 to 255, without leading zeros";
            assert_eq!(
                error(&format!("{wrong}:9")),
                format!("{wrong} is not a valid IPv4 address: {why}")
            );
        }
    }

    #[test]
    fn a_listen_address_may_leave_the_host_out() {
        let parse = |text: &str| text.parse::<ListenAddress>();
        assert_eq!(parse("9999").unwrap().to_string(), "9999");
        assert_eq!(parse(":9999").unwrap().host, ListenHost::Unsaid);
        assert_eq!(parse("*:9999").unwrap().to_string(), "*:9999");
        assert_eq!(parse("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(parse("[::]:80").unwrap().to_string(), "[::]:80");
        assert!(parse("127.0.0.1").unwrap_err().starts_with("no port; "));
        assert_eq!(parse("*：9999").unwrap().to_string(), "*:9999");
        assert!(parse("x").unwrap_err().starts_with("`x` is not a valid port; "));
        assert!(parse("").is_err());
        assert!(parse("example.org:80").is_err());
    }

    #[test]
    fn two_listen_addresses_overlap_where_the_system_would_refuse_the_second() {
        let overlap = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|text| text.parse::<ListenAddress>().unwrap());
            assert_eq!(a.overlaps(b), b.overlaps(a));
            a.overlaps(b)
        };
        assert!(overlap("127.0.0.1:7", "127.0.0.1:7") && !overlap("127.0.0.1:7", "127.0.0.1:8"));
        assert!(overlap("*:7", "127.0.0.1:7") && overlap("0.0.0.0:7", "127.0.0.1:7"));
        assert!(!overlap("127.0.0.1:7", "[::1]:7") && !overlap("0.0.0.0:7", "[::]:7"));
        assert!(!overlap("127.0.0.1:0", "127.0.0.1:0"));
    }
}
