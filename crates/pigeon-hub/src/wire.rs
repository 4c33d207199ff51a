//! What a plain datagram means. The table stands in `docs/protocol.md`.

use pigeon_guard::Code;

use crate::Format;

/// A heartbeat of at least this many bytes is answered: the answer always fits into it.
pub(crate) const PADDED_HEARTBEAT: usize = 64;

const HEARTBEAT: &[u8] = b"^hb^";

/// A datagram of at least this many bytes, from an address that has not proved itself, is answered
/// by `/prove TOKEN`, which is shorter.
pub(crate) const PROVABLE: usize = 64;

/// `/discover NONCE` is padded to 200 bytes; from this many on it is a question.
const PADDED_QUESTION: usize = 64;

/// The most characters of a nonce.
const MAX_NONCE: usize = 32;

/// A datagram by its meaning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// `^hb^`, padded or not.
    Heartbeat {
        padded: bool,
    },
    Quit,
    /// Nothing but white space: keeps alive.
    Empty,
    /// `/WORD REST`, without the slash; both trimmed.
    Command {
        word: &'a [u8],
        rest: &'a [u8],
    },
    /// The answer to somebody's question: never answered, never relayed.
    Reply,
    /// `/prove WORD`: the sender shows that it received the word.
    Prove {
        word: &'a [u8],
    },
    /// `/discover NONCE`: somebody looks for hubs.
    Discover {
        nonce: &'a [u8],
    },
    /// Anything else: `text` as members may see it.
    Message {
        text: &'a [u8],
    },
}

/// Tells what `payload` means to a hub of this format.
pub(crate) fn classify(format: Format, payload: &[u8]) -> Incoming<'_> {
    let text = payload.trim_ascii();
    if text == HEARTBEAT {
        return Incoming::Heartbeat { padded: payload.len() >= PADDED_HEARTBEAT };
    }
    // In any case: an upper-casing service returns it too.
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"^hb^ ")) {
        return Incoming::Reply;
    }
    if text == b"quit" {
        return Incoming::Quit;
    }
    if let Some(word) = text.strip_prefix(b"/prove ").filter(|word| word.len() == Code::LETTERS) {
        return Incoming::Prove { word };
    }
    // Padding tells a question from a line of data that only looks like one.
    if payload.len() >= PADDED_QUESTION
        && let Some(nonce) = text.strip_prefix(b"/discover ")
        && (1..=MAX_NONCE).contains(&nonce.len())
        && nonce.iter().all(u8::is_ascii_alphanumeric)
    {
        return Incoming::Discover { nonce };
    }
    if format == Format::Raw {
        return match payload {
            [] => Incoming::Empty,
            _ => Incoming::Message { text: payload },
        };
    }
    match text {
        [] => Incoming::Empty,
        [b'/', command @ ..] => {
            let end = command.iter().position(u8::is_ascii_whitespace).unwrap_or(command.len());
            let (word, rest) = command.split_at(end);
            match word {
                // A question that is not padded cannot be answered.
                b"here" | b"HERE" | b"discover" => Incoming::Reply,
                _ => Incoming::Command { word, rest: rest.trim_ascii() },
            }
        }
        _ => Incoming::Message { text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_told_by_their_length() {
        let padded = |n: usize| format!("{:n$}", "^hb^").into_bytes();
        for format in [Format::Chat, Format::Classic, Format::Raw] {
            assert_eq!(classify(format, b"^hb^"), Incoming::Heartbeat { padded: false });
            assert_eq!(classify(format, b" ^hb^\r\n"), Incoming::Heartbeat { padded: false });
            assert_eq!(classify(format, &padded(63)), Incoming::Heartbeat { padded: false });
            assert_eq!(classify(format, &padded(64)), Incoming::Heartbeat { padded: true });
            assert_eq!(classify(format, &padded(1400)), Incoming::Heartbeat { padded: true });
            assert_eq!(classify(format, b"^hb^ pigeon/1 3 0"), Incoming::Reply);
            assert_eq!(classify(format, b"quit\n"), Incoming::Quit);
        }
        assert_eq!(classify(Format::Chat, b"^hb^x"), Incoming::Message { text: b"^hb^x" });
    }

    #[test]
    fn commands_are_a_word_and_the_rest() {
        let nick = Incoming::Command { word: b"nick", rest: "狗哥".as_bytes() };
        assert_eq!(classify(Format::Chat, "/nick  狗哥 \n".as_bytes()), nick);
        assert_eq!(classify(Format::Classic, b"/"), Incoming::Command { word: b"", rest: b"" });
        assert_eq!(classify(Format::Chat, b"/here 7 name 3 0"), Incoming::Reply);
        assert_eq!(classify(Format::Chat, b"quit now"), Incoming::Message { text: b"quit now" });
    }

    #[test]
    fn proofs_and_questions_are_known_in_every_format() {
        let question = |text: &str| format!("{text:200}").into_bytes();
        for format in [Format::Chat, Format::Classic, Format::Raw] {
            let word = b"abcdefghijklmnop";
            let proof = [b"/prove ", word.as_slice(), b"\n"].concat();
            assert_eq!(classify(format, &proof), Incoming::Prove { word });
            let asked = question("/discover 7f3a");
            assert_eq!(classify(format, &asked), Incoming::Discover { nonce: b"7f3a" });
            for other in ["/discover", "/discover a b", "/discover \u{1b}", "/prove it"] {
                let payload = question(other);
                let incoming = classify(format, &payload);
                assert!(!matches!(incoming, Incoming::Discover { .. } | Incoming::Prove { .. }));
            }
        }
    }

    #[test]
    fn raw_recognises_few_texts_and_touches_nothing_else() {
        let raw = |bytes| classify(Format::Raw, bytes);
        assert_eq!(raw(b""), Incoming::Empty);
        assert_eq!(raw(b" \n"), Incoming::Message { text: b" \n" });
        assert_eq!(raw(b"/nick x"), Incoming::Message { text: b"/nick x" });
        assert_eq!(classify(Format::Chat, b" \n"), Incoming::Empty);
    }
}
