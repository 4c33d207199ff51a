//! The peer of a command-line argument: a contact or an endpoint.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;
use clap_complete::CompletionCandidate;
use pigeon_text::{Charset, escape};

use super::file::load;
use super::list::Contact;
use super::name::{ContactName, looks_like_endpoint};
use crate::base::endpoint::{Endpoint, Family};
use crate::base::lookup::Find;
use crate::base::status::UsageError;
use crate::base::system_error;
use crate::words::{self, say};

/// A destination.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    /// The contact's name, if the peer is a contact.
    pub(crate) name: Option<ContactName>,
    /// The contact's encoding, if given.
    pub(crate) charset: Option<Charset>,
    /// Whether the peer is a contact that uses IP Messenger.
    pub(crate) is_ipmsg: bool,
}

impl Peer {
    /// Resolves the address again later, with the contacts file and the resolver of that time.
    /// `None` for a literal address, which cannot change.
    pub(crate) fn finder(&self, family: Family) -> Option<Arc<Find>> {
        let endpoint = self.endpoint.clone();
        match self.name.clone() {
            Some(name) => {
                Some(Arc::new(move || parse(name.as_str(), None)?.endpoint.resolve_in(family)))
            }
            None if endpoint.address().is_some() => None,
            None => Some(Arc::new(move || endpoint.resolve_in(family))),
        }
    }
}

impl From<Endpoint> for Peer {
    fn from(endpoint: Endpoint) -> Peer {
        Peer { endpoint, name: None, charset: None, is_ipmsg: false }
    }
}

/// Parses an argument. A word that can only be an endpoint is never looked up, so a damaged
/// contacts file affects only users of contacts. Any other word is a host if there is a
/// `default_port`, else an error with the nearest contacts.
pub(crate) fn parse(word: &str, default_port: Option<u16>) -> anyhow::Result<Peer> {
    if let Some(contact) = contact(word)? {
        return Ok(contact);
    }
    let why = match Endpoint::parse(word, default_port) {
        Ok(endpoint) => return Ok(endpoint.into()),
        Err(why) => why,
    };
    match may_be_contact(word) {
        false => {
            Err(UsageError(say!("errors-bad-endpoint", word = &escape(word), why = &escape(&why)))
                .into())
        }
        true => {
            let unknown = load()?.unknown(word);
            Err(UsageError(say!("errors-peer-unknown", unknown = unknown, word = &escape(word)))
                .into())
        }
    }
}

/// Resolves a contact, or a host if there is a `default_port`. The error for an unknown word
/// suggests similar contacts.
pub(crate) fn resolve(word: &str, default_port: u16, family: Family) -> anyhow::Result<SocketAddr> {
    resolve_peer(&parse(word, Some(default_port))?, word, family)
}

/// Like `resolve`, for a parsed peer; `word` is its text.
pub(crate) fn resolve_peer(peer: &Peer, word: &str, family: Family) -> anyhow::Result<SocketAddr> {
    peer.endpoint.resolve_in(family).map_err(|error| match peer.name {
        None if may_be_contact(word) => {
            anyhow!("{}{}{}", system_error::chain(&error), words::between_parts(), unknown(word))
        }
        _ => error,
    })
}

/// Parses `PEER TEXT…` or `HOST PORT TEXT…`. The second word is a port if it is a number and the
/// first is neither a contact nor has a port. Alone the first word would be an error, so no text
/// can be taken for a port by mistake.
pub(crate) fn parse_with_text<'a>(
    first: &str,
    rest: &'a [String],
) -> anyhow::Result<(Peer, &'a [String])> {
    if let Some((port, text)) = rest.split_first()
        && let Some(endpoint) = joined(first, port)?
    {
        return Ok((parse(&endpoint, None)?, text));
    }
    Ok((parse(first, None)?, rest))
}

/// Parses `PEER` or `HOST PORT`.
pub(crate) fn parse_words(word: &str, port: Option<u16>) -> anyhow::Result<Peer> {
    let words: Vec<String> = port.iter().map(u16::to_string).collect();
    match parse_with_text(word, &words)? {
        (peer, []) => Ok(peer),
        (_, rest) => {
            let error = say!("errors-port-twice", word = &escape(word), port = rest.join(" "));
            Err(UsageError(error).into())
        }
    }
}

/// Converts several peers, `PEER` or `HOST PORT` each, to one word each.
pub(crate) fn with_ports(words: &[String]) -> anyhow::Result<Vec<String>> {
    let mut peers: Vec<String> = Vec::new();
    for word in words {
        let before = peers.last().map(|before| joined(before, word)).transpose()?.flatten();
        match (peers.last_mut(), before) {
            (Some(last), Some(endpoint)) => *last = endpoint,
            _ => peers.push(word.clone()),
        }
    }
    Ok(peers)
}

/// `HOST:PORT` from two words, if they are a host and its port.
fn joined(host: &str, port: &str) -> anyhow::Result<Option<String>> {
    // A number that is too large has its own error.
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || has_port(host) || contact(host)?.is_some() {
        return Ok(None);
    }
    Ok(Some(with_port(host, port)))
}

pub(crate) fn with_port(host: &str, port: impl Display) -> String {
    let host = host.trim_matches(['[', ']']);
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The error for an unknown contact, with similar names.
pub(crate) fn unknown(word: &str) -> String {
    load().unwrap_or_default().unknown(word)
}

/// Whether a contact has this name. Fails if the contacts cannot be read.
pub(crate) fn is_contact(word: &str) -> anyhow::Result<bool> {
    Ok(contact(word)?.is_some())
}

/// Whether a word can be a contact's name, and so a hub's.
pub(crate) fn may_be_contact(word: &str) -> bool {
    !looks_like_endpoint(word) && ContactName::parse(word).is_ok()
}

fn contact(word: &str) -> anyhow::Result<Option<Peer>> {
    if !may_be_contact(word) {
        return Ok(None);
    }
    let contacts = load()?;
    Ok(contacts.find(word).map(|contact| Peer {
        endpoint: contact.endpoint.clone(),
        name: Some(contact.name.clone()),
        charset: contact.charset,
        is_ipmsg: contact.is_ipmsg,
    }))
}

/// Whether the word has a port; a bare IPv6 address only seems to.
fn has_port(word: &str) -> bool {
    let address = word.split('%').next().unwrap_or(word);
    let bare_v6 = address.parse::<std::net::Ipv6Addr>().is_ok();
    !bare_v6 && !word.ends_with(']') && word.contains([':', '：'])
}

/// The contacts' names for shell completion; none if they cannot be read.
pub(crate) fn candidates() -> Vec<CompletionCandidate> {
    let contacts = load().unwrap_or_default();
    let candidate = |contact: &Contact| {
        let help = contact.endpoint.to_string();
        CompletionCandidate::new(contact.name.as_str()).help(Some(help.into()))
    };
    contacts.iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<(String, usize), String> {
        let rest: Vec<String> = words[1..].iter().map(ToString::to_string).collect();
        let found = parse_with_text(words[0], &rest);
        let shown = |(peer, text): (Peer, &[String])| (peer.endpoint.to_string(), text.len());
        found.map(shown).map_err(|error| error.to_string())
    }

    #[test]
    fn the_port_may_be_a_word_of_its_own() {
        assert_eq!(parsed(&["127.0.0.1:9", "a", "b"]), Ok(("127.0.0.1:9".into(), 2)));
        assert_eq!(parsed(&["127.0.0.1", "9", "a"]), Ok(("127.0.0.1:9".into(), 1)));
        assert_eq!(parsed(&["::1", "9"]), Ok(("[::1]:9".into(), 0)));
        assert_eq!(parsed(&["[::1]", "9"]), Ok(("[::1]:9".into(), 0)));
        assert_eq!(parsed(&["127.0.0.1:9", "10"]), Ok(("127.0.0.1:9".into(), 1)));
        assert_eq!(parsed(&["fe80::1%lo", "9"]), Ok(("[fe80::1%lo]:9".into(), 0)));
        assert_eq!(parsed(&["[fe80::1%lo]", "9"]), Ok(("[fe80::1%lo]:9".into(), 0)));
        assert_eq!(parsed(&["127.0.0.1：9", "10"]), Ok(("127.0.0.1:9".into(), 1)));
        assert!(parsed(&["127.0.0.1", "hello"]).unwrap_err().contains("no port"));
        assert!(
            parsed(&["127.0.0.1", "99999"]).unwrap_err().contains("`99999` is not a valid port")
        );
    }

    #[test]
    fn one_peer_has_one_port() {
        let parsed = |word: &str, port| {
            let parsed = parse_words(word, port).map(|peer| peer.endpoint.to_string());
            parsed.map_err(|error| error.to_string())
        };
        assert_eq!(parsed("127.0.0.1", Some(9)), Ok("127.0.0.1:9".into()));
        assert_eq!(parsed("127.0.0.1:9", None), Ok("127.0.0.1:9".into()));
        let error = parsed("127.0.0.1:9", Some(10)).unwrap_err();
        assert_eq!(error, "127.0.0.1:9 already names a port: 10 is one word too many");
    }

    #[test]
    fn several_peers_may_each_have_a_port_of_their_own() {
        let peers = |words: &[&str]| {
            with_ports(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(peers(&["h:1", "10.0.0.2", "2", "::1", "3"]), ["h:1", "10.0.0.2:2", "[::1]:3"]);
        // The second number is not a valid host, which is detected later.
        assert_eq!(peers(&["10.0.0.2", "2", "3"]), ["10.0.0.2:2", "3"]);
        assert!(peers(&[]).is_empty());
    }
}
