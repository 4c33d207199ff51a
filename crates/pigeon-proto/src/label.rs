//! A member's label in lists and lines: its name or its address.

use std::fmt;
use std::net::SocketAddr;

use crate::Name;

/// A member's name, or without one a word for its address, such as `IP:PORT`.
///
/// A label is one word without `,` and `;`, so that lists in control lines can separate labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

/// Maximum number of bytes of a label: a name of 32 characters of four bytes.
pub(crate) const MAX_LABEL: usize = 128;

impl Label {
    /// Parses a label. `None` if no hub would use it.
    pub fn parse(text: &str) -> Option<Label> {
        let one_word = !text.is_empty() && !text.contains(|c: char| c.is_whitespace());
        let fits = text.len() <= MAX_LABEL && text != crate::words::NONE;
        let plain = !text.contains([',', ';']) && pigeon_text::escape(text).to_string() == text;
        let known = !text.contains(':') || text.parse::<SocketAddr>().is_ok();
        (one_word && fits && plain && known).then(|| Label(text.into()))
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Name> for Label {
    fn from(name: &Name) -> Label {
        Label(name.as_str().into())
    }
}

impl From<SocketAddr> for Label {
    fn from(address: SocketAddr) -> Label {
        Label(address.to_string().into())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_name_or_an_address() {
        for text in ["狗哥", "127.0.0.1:5000", "[::1]:9", "[fe80::1%3]:9", "a/b*", "hub"] {
            assert_eq!(Label::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "-", "a b", "a,b", "a;b", "a:b", "a\u{202e}b", "x\u{3000}y"] {
            assert_eq!(Label::parse(text), None, "{text}");
        }
    }
}
