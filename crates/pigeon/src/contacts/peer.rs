//! The peer that a word on the command line names: a contact, or an endpoint.

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

/// Somebody to send to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    /// The contact's name, if it is one.
    pub(crate) name: Option<ContactName>,
    /// The contact's encoding, where it has one of its own.
    pub(crate) charset: Option<Charset>,
}

impl Peer {
    /// Finds the address anew, as the contacts file and the resolver have it by then. `None` where
    /// the address itself is written, which does not change.
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
        Peer { endpoint, name: None, charset: None }
    }
}

/// Reads one word. What can only be an endpoint is never looked up, so a spoilt contacts file is
/// in nobody's way who uses none. A word that is no contact is a host where there is a
/// `default_port` for it, else an error that names the nearest contacts.
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
            Err(UsageError(format!("bad endpoint `{}`: {}", escape(word), escape(&why))).into())
        }
        true => {
            let unknown = load()?.unknown(word);
            Err(UsageError(format!("{unknown} (an endpoint is written {}:PORT)", escape(word)))
                .into())
        }
    }
}

/// Looks up a contact, or a host for which there is a `default_port`. A word that is neither may be
/// a contact's name, mistyped.
pub(crate) fn resolve(word: &str, default_port: u16, family: Family) -> anyhow::Result<SocketAddr> {
    resolve_peer(&parse(word, Some(default_port))?, word, family)
}

/// The same for a peer that was read already, from this word.
pub(crate) fn resolve_peer(peer: &Peer, word: &str, family: Family) -> anyhow::Result<SocketAddr> {
    peer.endpoint.resolve_in(family).map_err(|error| match peer.name {
        None if may_be_contact(word) => anyhow!("{error:#}; {}", unknown(word)),
        _ => error,
    })
}

/// `PEER TEXT…`, or `HOST PORT TEXT…` where HOST is no contact.
pub(crate) fn parse_with_text<'a>(
    first: &str,
    rest: &'a [String],
) -> anyhow::Result<(Peer, &'a [String])> {
    if let Some((port, text)) = rest.split_first()
        && !has_port(first)
        // Also one that is too large: it says so itself.
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && contact(first)?.is_none()
    {
        let host = first.trim_matches(['[', ']']);
        let bracket = host.contains(':');
        let joined = if bracket { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        return Ok((parse(&joined, None)?, text));
    }
    Ok((parse(first, None)?, rest))
}

/// That there is no such contact, and which ones have nearly that name.
pub(crate) fn unknown(word: &str) -> String {
    load().unwrap_or_default().unknown(word)
}

/// Whether a contact has this name.
///
/// # Errors
/// The contacts cannot be read.
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
    }))
}

/// Whether the word carries a port of its own; a bare IPv6 address only seems to.
fn has_port(word: &str) -> bool {
    let bare_v6 = word.parse::<std::net::Ipv6Addr>().is_ok();
    !bare_v6 && !word.ends_with(']') && word.contains(':')
}

/// The contacts' names for the shell to complete; none where they cannot be read.
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
        assert!(parsed(&["127.0.0.1", "hello"]).unwrap_err().contains("no port"));
        assert!(parsed(&["127.0.0.1", "99999"]).unwrap_err().contains("`99999` is no port"));
    }
}
