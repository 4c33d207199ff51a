//! Records of the stream: one JSON object each. Unknown types and fields are ignored.
//!
//! ```json
//! {"said": {"stamp": {"hub": "…", "epoch": 7, "round": 0, "step": 4, "seen": 812, "digest": "…"},
//!           "messages": [{"message": {…}, "after": 3, "numbered": "author"}, …]}}
//! ```

use pigeon_proto::{Identity, Message};
use serde::{Deserialize, Serialize};

use crate::hex;

/// Maximum outboxes in one `have`.
pub(crate) const OUTBOXES: usize = 1_000;

/// Maximum messages in one record.
pub(crate) const MESSAGES: usize = 256;

/// Maximum bytes of their texts, unless it is one message.
pub(crate) const TEXTS: usize = 128 << 10;

/// Maximum bytes of a record, which is what brokers accept without configuration.
pub const RECORD: usize = 1 << 20;

/// Maximum bytes of a record besides its messages or outboxes, of a message besides its text, and of
/// an outbox.
const STAMP: usize = 300;
const FIELDS: usize = 1_000;
const OUTBOX: usize = 128;

/// Maximum bytes of a speaker's name that `FIELDS` has room for. A faulty hub's name may be longer.
const NAME: usize = 64;

/// Maximum bytes of one byte in a JSON string.
const ESCAPE: usize = 6;

/// Maximum bytes that JSON's escapes add to a text. One with more of them is written in base64.
const ESCAPES: usize = 32 << 10;

/// Maximum outboxes in one `have` of so many bytes.
pub(crate) fn outboxes_in(bytes: usize) -> usize {
    (bytes.saturating_sub(STAMP) / OUTBOX).clamp(1, OUTBOXES)
}

/// Maximum messages in one record of so many bytes.
pub(crate) fn messages_in(bytes: usize) -> usize {
    (room_in(bytes) / FIELDS).clamp(1, MESSAGES)
}

/// The largest record of one message with a text of so many bytes.
pub fn largest(text: usize) -> usize {
    let (escaped, base64) = (text + (text * 5).min(ESCAPES), text * 4 / 3 + 4);
    STAMP + FIELDS + escaped.max(base64)
}

/// The number of bytes that a record has for messages.
pub(crate) fn room_in(bytes: usize) -> usize {
    bytes.saturating_sub(STAMP)
}

/// A record of the stream.
///
/// ```text
///   hub A            stream             hub B
///     │ ── epoch 7 ───▶ │ ── epoch 7 ───▶ │   expects the register that A has read
///     │ ── have ──────▶ │ ◀──── have ──── │   what each log holds
///     │ ── said again ▶ │ ── said again ▶ │   what the other lacks
///     │ ── done ──────▶ │ ── done ──────▶ │   B may show this epoch to its followers
///     │ ── said ──────▶ │ ── said ──────▶ │   new messages, several in a record
/// ```
///
/// Neither the type nor the stamp is a field beside others: serde would copy every field first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A new epoch begins with this record.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// The hub that opens it.
        #[serde(with = "hex::id")]
        hub: u128,
    },
    /// Messages, new ones or such that other hubs lack.
    Said {
        /// The publisher and its view.
        stamp: Stamp,
        /// At most 256 messages, in order.
        messages: Vec<Said>,
    },
    /// A part of what a hub's log holds.
    Have {
        /// The publisher and its view.
        stamp: Stamp,
        /// Outboxes and the last number of each.
        outboxes: Vec<Outbox>,
        /// The position where the hub joined: it needs nothing earlier.
        joined: u64,
        /// Whether this is the last part.
        last: bool,
    },
    /// Everything that the publisher holds and a `have` lacked precedes this record.
    Done {
        /// The publisher and its view.
        stamp: Stamp,
        /// The hub that said `have`.
        #[serde(with = "hex::id")]
        have: u128,
    },
}

/// The publisher of a record, the record's place in its queue, and the part of the stream that the
/// publisher has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The hub's run.
    #[serde(with = "hex::id")]
    pub hub: u128,
    /// The epoch that the publisher is in. The record is void in any other one.
    pub epoch: u64,
    /// The round: increases when the publisher goes back and publishes again.
    pub round: u64,
    /// The record's number within the round, from 0. A record is void unless the one before it in
    /// its round is in the stream.
    pub step: u64,
    /// The last sequence that the publisher has read.
    pub seen: u64,
    /// The digest of the epoch up to there.
    #[serde(with = "hex::digest")]
    pub digest: u64,
}

/// A message in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The message. Its position is decided by the stream.
    pub message: Message,
    /// The outbox's number before this one.
    pub after: u64,
    /// Who numbers the outbox.
    pub numbered: Numbered,
    /// Whether the message was in the stream before.
    #[serde(default, skip_serializing_if = "Again::is_new")]
    pub again: Again,
}

/// Who numbers an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbered {
    /// Its author: numbers form a chain, and none is missing.
    Author,
    /// The hub, for members without a key: numbers increase.
    Hub,
}

/// Whether a message was in the stream before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// It is new.
    #[default]
    No,
    /// A log still holds it.
    Yes,
    /// A log still holds it, and nothing earlier of the outbox.
    Oldest,
}

impl Again {
    fn is_new(&self) -> bool {
        *self == Again::No
    }
}

/// An outbox and the last number that a log holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Outbox {
    /// The author.
    #[serde(with = "hex::id")]
    pub author: u128,
    /// The outbox.
    #[serde(with = "hex::digest")]
    pub outbox: u64,
    /// The last number.
    pub last: u64,
}

impl Record {
    /// Parses a record. `None` if it is not one, or of another version.
    pub fn parse(bytes: &[u8]) -> Option<Record> {
        let record = serde_json::from_slice(bytes).ok()?;
        match &record {
            // The positions of more would be those of the next record.
            Record::Said { messages, .. } if messages.len() > MESSAGES => None,
            _ => Some(record),
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Records have string keys and no maps of other types, so this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self {
            Record::Said { stamp, .. }
            | Record::Have { stamp, .. }
            | Record::Done { stamp, .. } => Some(*stamp),
            Record::Epoch { .. } => None,
        }
    }
}

impl Said {
    pub(crate) fn identity(&self) -> Identity {
        self.message.identity
    }

    /// An upper bound of its bytes in a record. Encoding it only to count them was rejected: that costs
    /// as much as publishing it.
    pub(crate) fn bound(&self) -> usize {
        let name = self.message.speaker.len().saturating_sub(NAME) * ESCAPE;
        largest(self.message.text.len()) - STAMP + name
    }

    /// The size of a record with this message alone, with the longest stamp.
    pub(crate) fn size(&self) -> usize {
        // What fits now has to fit when it is said again, with one more field.
        let again = if self.again.is_new() { r#","again":"oldest""#.len() } else { 0 };
        STAMP + again + serde_json::to_vec(self).map_or(0, |bytes| bytes.len())
    }

    /// The size of a record with this message alone, if it is above a limit.
    pub(crate) fn exceeds(&self, limit: usize) -> Option<usize> {
        if self.bound() <= room_in(limit) {
            return None;
        }
        Some(self.size()).filter(|size| *size > limit)
    }
}

/// The approximate length of a text that fits a limit, from one that needs a record of a larger size.
pub(crate) fn longest_text(text: usize, size: usize, limit: usize) -> usize {
    text * limit.saturating_sub(STAMP + FIELDS) / size.max(1)
}

/// A stable 64-bit hash (FNV-1a) of a record's bytes. Finds differences between streams; brokers
/// are trusted.
pub fn hash(bytes: &[u8]) -> u64 {
    mix(0xcbf2_9ce4_8422_2325, bytes)
}

pub(crate) fn mix(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    #[test]
    fn records_are_read_as_they_were_written() {
        let stamp = Stamp { hub: 7, epoch: 3, round: 2, step: 1, seen: 9, digest: u64::MAX };
        let said = Said {
            message: message(5, 6, 7, "你好"),
            after: 6,
            numbered: Numbered::Author,
            again: Again::Oldest,
        };
        let raw = Said {
            message: pigeon_proto::Message { text: (*b"\xff\x00").into(), ..message(5, 6, 8, "") },
            after: 7,
            numbered: Numbered::Hub,
            again: Again::No,
        };
        let outboxes = vec![Outbox { author: 1, outbox: 2, last: 3 }];
        for record in [
            Record::Epoch { epoch: 3, hub: u128::MAX },
            Record::Said { stamp, messages: vec![said, raw] },
            Record::Have { stamp, outboxes, joined: 4, last: true },
            Record::Done { stamp, have: 8 },
        ] {
            assert_eq!(Record::parse(&record.to_bytes()), Some(record));
        }
        for other in ["{", r#"{"later":{"x":1}}"#, r#"{"type":"epoch","epoch":3,"hub":"7"}"#] {
            assert_eq!(Record::parse(other.as_bytes()), None);
        }
    }

    #[test]
    fn the_longest_record_is_below_a_mebibyte() {
        let stamp = Stamp { hub: 7, epoch: 3, round: 2, step: 1, seen: 9, digest: u64::MAX };
        let (numbered, again) = (Numbered::Author, Again::Oldest);
        for byte in [b'"', 1, 0xff] {
            for count in [2, MESSAGES] {
                let text = vec![byte; TEXTS / count];
                let identity = Identity { author: u128::MAX, outbox: u64::MAX, number: u64::MAX };
                let speaker = "\"".repeat(64).into();
                let message =
                    Message { text: text.into(), identity, speaker, ..message(1, 2, 3, "") };
                let said = Said { message, after: u64::MAX, numbered, again };
                let bound = room_in(RECORD) >= count * said.bound();
                let record = Record::Said { stamp, messages: vec![said; count] };
                assert!(record.to_bytes().len() < RECORD && bound, "{count} of {byte}");
            }
        }
        let outbox = Outbox { author: u128::MAX, outbox: u64::MAX, last: u64::MAX };
        for limit in [1_024, 64 << 10, RECORD] {
            let outboxes = vec![outbox; outboxes_in(limit)];
            let have = Record::Have { stamp, outboxes, joined: u64::MAX, last: false };
            assert!(have.to_bytes().len() <= limit, "{limit}");
        }
    }

    #[test]
    fn a_message_that_exceeds_a_limit_is_found_by_its_encoded_size() {
        let (numbered, again) = (Numbered::Author, Again::No);
        let (epoch, round, step, seen) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
        let stamp = Stamp { hub: 7, epoch, round, step, seen, digest: 0 };
        let said = |text: &str| Said { message: message(1, 2, 3, text), after: 2, numbered, again };
        let (plain, escaped) = (said(&"x".repeat(8_192)), said(&"\u{1}".repeat(8_192)));
        assert_eq!(plain.exceeds(16 << 10), None);
        let size = escaped.exceeds(9 << 10).unwrap();
        assert!((8_192..largest(8_192)).contains(&size), "{size}");
        let size = plain.exceeds(8_192).unwrap();
        let fits = said(&"x".repeat(longest_text(8_192, size, 8_192)));
        assert_eq!(fits.exceeds(8_192), None);
        for text in [0, 100, 6_000, 7_000, 8_192, 40_000, 100_000] {
            for byte in ["\"", "\u{1}", "x", "\u{1}xxxxxxx"] {
                let said = said(&byte.repeat(text / byte.len()));
                let again = Said { again: Again::Oldest, ..said };
                let record = Record::Said { stamp, messages: vec![again.clone()] };
                let (size, record) = (again.exceeds(0).unwrap(), record.to_bytes().len());
                assert!(size <= largest(text) && record <= size, "{text} of {byte:?}: {record}");
            }
        }
    }

    #[test]
    fn the_bound_of_a_message_counts_a_long_name() {
        for name in ["\u{1}".repeat(64), "\u{1}".repeat(65), "\u{1}".repeat(100_000)] {
            let message = Message { speaker: name.into(), ..message(u128::MAX, 2, 3, "x") };
            let said = Said { message, after: 2, numbered: Numbered::Hub, again: Again::No };
            let size = said.size();
            assert!(size <= STAMP + said.bound());
            assert_eq!((said.exceeds(size - 1), said.exceeds(size)), (Some(size), None));
        }
    }

    #[test]
    fn a_record_with_too_many_messages_is_not_valid() {
        let stamp = Stamp { hub: 7, epoch: 3, round: 2, step: 1, seen: 9, digest: 0 };
        let (numbered, again) = (Numbered::Hub, Again::No);
        let said = Said { message: message(1, 2, 3, "x"), after: 0, numbered, again };
        let record = |count| Record::Said { stamp, messages: vec![said.clone(); count] };
        assert!(Record::parse(&record(MESSAGES).to_bytes()).is_some());
        assert_eq!(Record::parse(&record(MESSAGES + 1).to_bytes()), None);
    }
}
