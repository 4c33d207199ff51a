//! Names of contacts.

use std::fmt;
use std::net::IpAddr;

use crate::words::{self, say};
use pigeon_proto::{Name, sentence};
use pigeon_text::escape;

/// A contact's name: any valid member name that does not look like an endpoint or a flag.
///
/// Names that differ only in case, or in the composition of é, are equal: they look the same to a
/// person who types them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContactName(Name);

impl ContactName {
    /// Validates a name.
    pub(crate) fn parse(text: &str) -> Result<ContactName, String> {
        let refused = |why: &str| Err(say!("errors-contact-name", name = &escape(text), why = why));
        if looks_like_endpoint(text) {
            return refused(&say!("errors-name-endpoint"));
        }
        if text.starts_with('-') {
            return refused(&say!("errors-name-flag"));
        }
        match Name::parse(text.as_bytes()) {
            Ok(name) => Ok(ContactName(name)),
            Err(why) => refused(&sentence::name_error(why, words::language())),
        }
    }

    /// The name as written.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether two names are equal.
    pub(crate) fn is(&self, other: &ContactName) -> bool {
        self.folded() == other.folded()
    }

    /// The folded name.
    pub(super) fn folded(&self) -> Box<str> {
        self.0.folded()
    }
}

impl fmt::Display for ContactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a word can only be an endpoint or a part of one: it contains a `:` (even full-width), is
/// a port, or an address. Such a word is never looked up among the contacts.
pub(crate) fn looks_like_endpoint(word: &str) -> bool {
    let bare_port = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    bare_port
        || word.contains([':', '：'])
        || word.starts_with('[')
        || word.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_are_fine() {
        for name in ["狗哥", "Zoë", "sensor-7", "🐶", "192", "1.2.3", "hub.local"] {
            let parsed = ContactName::parse(name);
            assert_eq!(parsed.is_ok(), name != "192", "{name}");
        }
        let name = |text: &str| ContactName::parse(text).unwrap();
        assert!(name("ZOË").is(&name("zoë")) && !name("Zoe").is(&name("Zoë")));
    }

    #[test]
    fn what_would_mislead_is_refused_with_its_reason() {
        let why = |text: &str| ContactName::parse(text).unwrap_err();
        for endpoint in ["1.2.3.4:5", "host:port", "8080", "[::1]:5", "10.0.0.1", "::1", "[x"] {
            assert!(why(endpoint).ends_with("it looks like an endpoint"), "{endpoint}");
        }
        assert_eq!(why(""), "`` cannot be a contact's name: a name has at least one character");
        assert!(why(&"字".repeat(33)).ends_with("at most 32 characters"));
        assert!(why(" 狗哥").ends_with("a name is one word"));
        assert!(why("-x").ends_with("it looks like a flag"));
        assert_eq!(
            why("a\x1b[2J"),
            r"`a\x1b[2J` cannot be a contact's name: it holds characters that do not display"
        );
        assert!(why("a\u{202e}b").contains(r"\u{202e}"));
    }
}
