//! JSON encodings of the fields of frames.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Language, LinkKind, Name, Position, RoomName};

type Text<'de> = std::borrow::Cow<'de, str>;

const END: u64 = 1 << 53;

/// The largest number of a message: the one after it must be a number too, for `expect`.
pub(super) const LAST_SAID: u64 = END - 2;

/// A number below 2^53.
pub(super) mod number {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        number: &u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*number)
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let is_known = number < END;
        is_known
            .then_some(number)
            .ok_or_else(|| Error::invalid_value(Unexpected::Unsigned(number), &"less than 2^53"))
    }
}

/// An optional number below 2^53.
pub(super) mod maybe_number {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        number: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.serialize(serializer)
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        struct Number(#[serde(with = "number")] u64);
        Ok(Option::<Number>::deserialize(deserializer)?.map(|Number(number)| number))
    }
}

/// A time since the Unix epoch, in whole milliseconds.
pub(super) mod millis {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        serializer.serialize_u64(millis.min(END - 1))
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        number::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// An author: 32 hexadecimal digits.
pub(super) mod author {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        author: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{author:032x}"))
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        hex(deserializer, 32)
    }
}

/// An outbox: 16 hexadecimal digits.
pub(super) mod outbox {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        outbox: &u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{outbox:016x}"))
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        hex(deserializer, 16).map(|number| number as u64)
    }
}

fn hex<'de, D: Deserializer<'de>>(deserializer: D, digits: usize) -> Result<u128, D::Error> {
    let text = Text::deserialize(deserializer)?;
    let is_hex = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(&text, 16).ok()).flatten();
    number.ok_or_else(|| Error::custom(format_args!("expected {digits} hexadecimal digits")))
}

/// A fixed number of bytes as base64url without padding.
pub(super) mod bytes {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = Text::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| Error::custom(format_args!("expected {N} bytes as base64url")))
    }
}

/// Maximum bytes that JSON's escapes may add to a text. With more, the longest text would not fit a
/// frame any more.
const MAX_ESCAPES: usize = 32 << 10;

/// The field for a text, and its value.
pub(super) fn said(text: &[u8]) -> (&'static str, Text<'_>) {
    let added = |&byte: &u8| match byte {
        b'"' | b'\\' => 1,
        0..b' ' => 5,
        _ => 0,
    };
    let is_short = text.len() <= MAX_ESCAPES / 5;
    let is_plain = || text.iter().map(added).sum::<usize>() <= MAX_ESCAPES;
    match std::str::from_utf8(text) {
        Ok(text) if is_short || is_plain() => ("text", text.into()),
        _ => ("base64", STANDARD.encode(text).into()),
    }
}

/// Reads a message's text from its two fields.
pub(super) fn text_of(
    text: Option<String>,
    base64: Option<String>,
) -> Result<Box<[u8]>, &'static str> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes().into()),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map(Vec::into_boxed_slice).map_err(|_| "base64 is not valid")
        }
        _ => Err("expected either text or base64"),
    }
}

/// A language's code; an unknown one is ignored.
pub(super) mod language {
    use super::*;

    pub(in crate::frame) fn serialize<S: Serializer>(
        language: &Option<Language>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        language.map(Language::word).serialize(serializer)
    }

    pub(in crate::frame) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Language>, D::Error> {
        let word = Option::<Text<'de>>::deserialize(deserializer)?;
        Ok(word.and_then(|word| Language::parse(&word)))
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number::deserialize(deserializer).map(|number| Position::new(number).unwrap_or_default())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Name::parse(text.as_bytes()).map_err(Error::custom)
    }
}

impl Serialize for RoomName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        RoomName::parse(text.as_bytes()).map_err(Error::custom)
    }
}

impl Serialize for LinkKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for LinkKind {
    /// An unknown link, perhaps of a later version, is no more trusted than a plain one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Text::deserialize(deserializer)?;
        let known = LinkKind::ALL.into_iter().find(|link| link.word() == word);
        Ok(known.unwrap_or(LinkKind::Plain))
    }
}
