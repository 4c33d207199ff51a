//! The flags of `--cluster`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use pigeon_nats::Credentials;
use pigeon_text::escape;

use crate::base::status::UsageError;
use crate::base::text_file;
use crate::words::say;

/// The port of a broker without one.
const PORT: u16 = 4222;

/// A broker: `nats://HOST[:PORT]`, or `tls://HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cli::hub) struct Broker {
    is_tls: bool,
    host: String,
    port: u16,
    /// A user and a password, where the address contains them.
    user: Option<(String, String)>,
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Broker, String> {
        let wrong = || say!("hub-cluster-broker", broker = hidden(text));
        let (is_tls, rest) = match text.split_once("://") {
            Some(("nats", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => {
                let (user, password) = user.split_once(':').ok_or_else(wrong)?;
                (Some((user.to_owned(), password.to_owned())), rest)
            }
            None => (None, rest),
        };
        let is_v6_alone = rest.starts_with('[') && rest.ends_with(']');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !is_v6_alone => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, PORT),
        };
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/?#@,".contains(c);
        let is_v6 = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.contains(is_odd) || host.contains(':') != is_v6 || port == 0 {
            return Err(wrong());
        }
        Ok(Broker { is_tls, host: host.to_owned(), port, user })
    }
}

/// An address without its password.
fn hidden(text: &str) -> String {
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    escape(&shown).to_string()
}

impl fmt::Display for Broker {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "nats" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses a cluster's name.
pub(in crate::cli::hub) fn name(text: &str) -> Result<String, String> {
    match pigeon_nats::Settings::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(say!("hub-cluster-name", name = &escape(&text))),
    }
}

/// Maximum bytes of a credentials file.
const MOST_CREDENTIALS: u64 = 64 << 10;

/// The first line of a certificate in PEM form (RFC 7468).
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn read(file: &Path) -> anyhow::Result<String> {
    let cannot = || unreadable(file);
    let text = text_file::read_secret(file, MOST_CREDENTIALS).with_context(cannot)?;
    String::from_utf8(text).with_context(cannot)
}

fn unreadable(file: &Path) -> UsageError {
    UsageError(say!("hub-cluster-unreadable", file = shown(file)))
}

fn shown(file: &Path) -> String {
    escape(&*file.to_string_lossy()).to_string()
}

/// The settings of a cluster.
#[derive(Clone, Debug)]
pub(in crate::cli::hub) struct Settings {
    brokers: Vec<Broker>,
    name: String,
    credentials: Credentials,
    authority: Option<PathBuf>,
    keep: Option<Duration>,
    keep_size: u64,
}

impl Settings {
    pub(in crate::cli::hub) fn new(
        brokers: Vec<Broker>,
        name: String,
        (user, password): (Option<String>, Option<Box<str>>),
        file: Option<&Path>,
        authority: Option<PathBuf>,
        (keep, keep_size): (Option<Duration>, u64),
    ) -> anyhow::Result<Settings> {
        let credentials = match (user, password, file) {
            (None, None, None) => Credentials::None,
            (Some(user), Some(password), None) => {
                Credentials::Password { user, password: password.into() }
            }
            (None, None, Some(file)) => Credentials::from_file(read(file)?)
                .ok_or_else(|| UsageError(say!("hub-cluster-creds", file = shown(file))))?,
            _ => return Err(UsageError(say!("hub-cluster-credentials")).into()),
        };
        if let Some(file) = &authority {
            let text = std::fs::read(file).with_context(|| unreadable(file))?;
            if !text.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE) {
                return Err(UsageError(say!("hub-cluster-authority", file = shown(file))).into());
            }
        }
        Ok(Settings { brokers, name, credentials, authority, keep, keep_size })
    }

    pub(super) fn link(&self) -> pigeon_nats::Settings {
        let of_address = self.brokers.iter().find_map(|broker| broker.user.clone());
        let credentials = match (&self.credentials, of_address) {
            (Credentials::None, Some((user, password))) => Credentials::Password { user, password },
            (given, _) => given.clone(),
        };
        pigeon_nats::Settings {
            servers: self.brokers.iter().map(Broker::to_string).collect(),
            name: self.name.clone(),
            credentials,
            authority: self.authority.clone(),
            keep: self.keep,
            keep_size: Some(self.keep_size),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The brokers, for people.
    pub(super) fn brokers(&self) -> String {
        self.brokers.iter().map(Broker::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether a broker's address contains a password.
    pub(in crate::cli::hub) fn has_password_in_address(&self) -> bool {
        self.brokers.iter().any(|broker| broker.user.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_with_or_without_scheme_and_port() {
        let parsed = |text: &str| text.parse::<Broker>().map(|broker| broker.to_string());
        assert_eq!(parsed("nats://a.example").unwrap(), "nats://a.example:4222");
        assert_eq!(parsed("10.0.0.1:4333").unwrap(), "nats://10.0.0.1:4333");
        assert_eq!(parsed("tls://[::1]/").unwrap(), "tls://[::1]:4222");
        let secret = "nats://hub:secret@a:1".parse::<Broker>().unwrap();
        assert_eq!(secret.user, Some(("hub".into(), "secret".into())));
        assert!(!format!("{secret:?}").contains("secret"));
        for wrong in ["", "http://a", "nats://", "a:b", "a:0", "::1", "nats://a b", "x@a"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert!(!parsed("ftp://u:secret@h").unwrap_err().contains("secret"));
    }
}
