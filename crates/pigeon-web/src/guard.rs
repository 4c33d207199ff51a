//! Which `Host` and `Origin` are allowed.
//!
//! A page of another site can send a browser here under a name of its own that resolves to this
//! address (DNS rebinding), and can open WebSockets to any address. Both show: the name is in `Host`,
//! the site in `Origin`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The names under which the page is served.
#[derive(Clone, Debug)]
pub struct Guard {
    /// In lower case.
    own: Vec<Box<str>>,
    /// Names given by the operator, in lower case.
    given: Vec<Box<str>>,
    is_https: bool,
}

/// Where a page came from, as its browser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The origin, such as `http://192.168.1.5:8080`.
    pub origin: Box<str>,
    /// Whether it came by https.
    pub is_https: bool,
}

/// A text that is not a host's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardError;

impl fmt::Display for GuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a name such as chat.example.org, without a port")
    }
}

impl std::error::Error for GuardError {}

impl Guard {
    /// Allows IP addresses, `localhost`, this host's name (and `.local`), and `names`.
    pub fn new(hostname: Option<&str>, names: &[String], is_https: bool) -> Guard {
        let lower = |name: &str| name.to_ascii_lowercase().into_boxed_str();
        let hostname = hostname.filter(|name| Guard::check(name).is_ok()).map(lower);
        let local = hostname.iter().filter(|name| !name.contains('.'));
        let local = local.map(|name| format!("{name}.local").into_boxed_str()).collect::<Vec<_>>();
        let own = hostname.into_iter().chain(local).chain(["localhost".into()]).collect();
        Guard { own, given: names.iter().map(|name| lower(name)).collect(), is_https }
    }

    /// Checks a name. Fails if no URL can have it as its host.
    pub fn check(name: &str) -> Result<(), GuardError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed);
        if is_name { Ok(()) } else { Err(GuardError) }
    }

    /// Whether a `Host` is allowed.
    pub(crate) fn allows_host(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        let is_v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_address = match is_v6 {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok(),
        };
        is_address
            || self.own.iter().any(|own| own.eq_ignore_ascii_case(name))
            || self.is_given(name)
    }

    fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|given| given.eq_ignore_ascii_case(name))
    }

    /// The site that opens a WebSocket. `None` if it is another than this one.
    ///
    /// A proxy that speaks https speaks http to this server, so `https` is allowed then for the names
    /// that the operator has given.
    pub(crate) fn site(&self, host: &str, origin: Option<&str>) -> Option<Site> {
        let (scheme, rest) = origin?.split_once("://")?;
        let is_https = match scheme {
            "https" => self.is_https || name_of(host).is_some_and(|name| self.is_given(name)),
            "http" if !self.is_https => false,
            _ => return None,
        };
        let is_same = rest.eq_ignore_ascii_case(host) && self.allows_host(host);
        let is_scheme = is_https == (scheme == "https");
        (is_same && is_scheme).then(|| Site { origin: origin.unwrap_or_default().into(), is_https })
    }
}

/// The name in a `Host`, without its port. `None` if the rest is not a port.
fn name_of(host: &str) -> Option<&str> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port.is_empty() || is_port(port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(is_https: bool) -> Guard {
        Guard::new(Some("Desk"), &["Chat.example.org".into()], is_https)
    }

    #[test]
    fn addresses_and_own_names_are_allowed_and_others_are_not() {
        let guard = guard(false);
        for host in [
            "127.0.0.1:8080",
            "192.168.1.5",
            "[::1]:8080",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:80",
            "desk:8080",
            "desk.local",
            "chat.example.org:8080",
        ] {
            assert!(guard.allows_host(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "localhost:x",
            "localhost:80:80",
            "localhost.",
            "desk.evil",
            "user@localhost",
            "[::1",
            "[::1]x",
            "[localhost]",
            "::1",
            "127.1",
            "0x7f000001",
            "desk\u{0}",
        ] {
            assert!(!guard.allows_host(host), "{host}");
        }
    }

    #[test]
    fn the_origin_is_this_site() {
        let http = guard(false);
        let site = |origin: &str, is_https| Some(Site { origin: origin.into(), is_https });
        let host = "192.168.1.5:8080";
        let origin = "http://192.168.1.5:8080";
        assert_eq!(http.site(host, Some(origin)), site(origin, false));
        for origin in [
            None,
            Some("null"),
            Some(""),
            Some("http://evil.example"),
            Some("http://192.168.1.5:8081"),
            Some("http://192.168.1.5"),
            Some("https://192.168.1.5:8080"),
            Some("file://192.168.1.5:8080"),
            Some("http://192.168.1.5:8080/"),
            Some("http://evil@192.168.1.5:8080"),
        ] {
            assert_eq!(http.site(host, origin), None, "{origin:?}");
        }
        assert_eq!(http.site("evil.example", Some("http://evil.example")), None);
        let https = guard(true);
        let origin = "https://192.168.1.5:8080";
        assert_eq!(https.site(host, Some(origin)), site(origin, true));
        assert_eq!(https.site(host, Some("http://192.168.1.5:8080")), None);
    }

    #[test]
    fn a_proxy_speaks_https_for_a_given_name() {
        let http = guard(false);
        let origin = "https://chat.example.org";
        let site = http.site("chat.example.org", Some(origin));
        assert_eq!(site, Some(Site { origin: origin.into(), is_https: true }));
        assert_eq!(http.site("desk", Some("https://desk")), None);
    }

    #[test]
    fn names_are_checked() {
        for name in ["chat.example.org", "a", "a-b_c"] {
            assert_eq!(Guard::check(name), Ok(()), "{name}");
        }
        for name in ["", "a:80", "https://a", "a/b", "狗", "a b", &"x".repeat(254)] {
            assert_eq!(Guard::check(name), Err(GuardError), "{name}");
        }
    }
}
