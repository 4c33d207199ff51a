//! The encoding used with one peer: a fixed one, or detected.

use std::borrow::Cow;
use std::fmt;

use super::{Auto, Encoding, UnknownLabel, Unmappable};

/// An encoding, or `auto`: reads UTF-8 or GB18030, writes what the peer last used.
///
/// ```
/// use pigeon_text::Charset;
///
/// assert_eq!(Charset::for_label("GB2312")?.to_string(), "gb2312");
/// assert_eq!(Charset::for_label("auto")?, Charset::Auto);
/// # Ok::<(), pigeon_text::UnknownLabel>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Detected from the peer's messages.
    Auto,
    /// Always this encoding.
    Fixed(Encoding),
}

impl Charset {
    /// Parses `auto`, or any label that [`Encoding::for_label`] knows.
    pub fn for_label(label: &str) -> Result<Charset, UnknownLabel> {
        match label.trim() {
            auto if auto.eq_ignore_ascii_case("auto") => Ok(Charset::Auto),
            label => Encoding::for_label(label).map(Charset::Fixed),
        }
    }

    /// Whether ASCII text has the same bytes, as in [`Encoding::is_ascii_compatible`].
    pub fn is_ascii_compatible(self) -> bool {
        match self {
            Charset::Auto => true,
            Charset::Fixed(encoding) => encoding.is_ascii_compatible(),
        }
    }
}

impl Default for Charset {
    fn default() -> Charset {
        Charset::Fixed(Encoding::UTF_8)
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Charset::Auto => f.write_str("auto"),
            Charset::Fixed(encoding) => encoding.fmt(f),
        }
    }
}

/// Why input cannot be converted. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// The input is not valid UTF-8, so its characters are unknown.
    NotUtf8 {
        /// The position of the first bad byte, counted from 1.
        byte: usize,
        /// The target encoding.
        encoding: Encoding,
    },
    /// The encoding lacks a character.
    Unmappable(Unmappable),
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwritable::NotUtf8 { byte, encoding } => {
                write!(f, "byte {byte} is not valid UTF-8, so it cannot be sent in {encoding}")
            }
            Unwritable::Unmappable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unwritable {}

/// A [`Charset`] in use with one peer, and that peer's detected encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCharset {
    charset: Charset,
    auto: Auto,
}

impl From<Charset> for PeerCharset {
    fn from(charset: Charset) -> PeerCharset {
        PeerCharset { charset, auto: Auto::default() }
    }
}

impl PeerCharset {
    /// The configured charset.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The encoding used for writing now.
    pub fn encoding(&self) -> Encoding {
        match self.charset {
            Charset::Auto => self.auto.last(),
            Charset::Fixed(encoding) => encoding,
        }
    }

    /// Decodes `bytes`; invalid bytes become escapes.
    pub fn decode<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        match self.charset {
            Charset::Auto => self.auto.decode(bytes),
            Charset::Fixed(encoding) => encoding.decode(bytes),
        }
    }

    /// Decodes `bytes` if they are valid throughout. Checks by encoding the text again and
    /// comparing.
    pub fn decode_whole(&self, bytes: &[u8]) -> Option<String> {
        let encoding = match self.charset {
            Charset::Auto => self.auto.guess(bytes),
            Charset::Fixed(Encoding::UTF_8) => {
                return std::str::from_utf8(bytes).ok().map(str::to_string);
            }
            Charset::Fixed(encoding) => encoding,
        };
        let text = encoding.decode(bytes);
        let same = encoding.encode(&text).is_ok_and(|again| *again == *bytes);
        same.then(|| text.into_owned())
    }

    /// Converts input, which is UTF-8 text, to the peer's encoding. With UTF-8 any bytes pass
    /// unchanged, so a pipe may carry binary data.
    pub fn encode<'w>(&self, written: &'w [u8]) -> Result<Cow<'w, [u8]>, Unwritable> {
        let encoding = self.encoding();
        if self.charset == Charset::Fixed(Encoding::UTF_8) {
            return Ok(Cow::Borrowed(written));
        }
        let text = std::str::from_utf8(written)
            .map_err(|error| Unwritable::NotUtf8 { byte: error.valid_up_to() + 1, encoding })?;
        encoding.encode(text).map_err(Unwritable::Unmappable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_answered_in_its_encoding_where_nothing_is_fixed() {
        let mut auto = PeerCharset::from(Charset::Auto);
        assert_eq!(*auto.encode("你".as_bytes()).unwrap(), *"你".as_bytes());
        assert_eq!(auto.decode(b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(*auto.encode("你".as_bytes()).unwrap(), *b"\xc4\xe3");
        assert_eq!(auto.encoding(), Encoding::GB18030);
        assert!(auto.encode(b"\xff").is_err());
    }

    #[test]
    fn a_fixed_one_refuses_what_it_lacks() {
        let gb2312 = PeerCharset::from(Charset::for_label("gb2312").unwrap());
        assert!(gb2312.encode("a😀".as_bytes()).unwrap_err().to_string().contains("😀"));
        assert_eq!(
            gb2312.encode(b"a\xff").unwrap_err().to_string(),
            "byte 2 is not valid UTF-8, so it cannot be sent in gb2312"
        );
        assert_eq!(gb2312.decode_whole(b"\xc4\xe3"), Some("你".to_string()));
        assert_eq!(gb2312.decode_whole(b"\xff\xff"), None);
        assert_eq!(*PeerCharset::default().encode(b"\xff").unwrap(), *b"\xff");
        assert_eq!(PeerCharset::default().decode_whole(b"\xff"), None);
    }
}
