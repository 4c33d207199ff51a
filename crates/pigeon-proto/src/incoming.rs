//! Classifies a plain datagram that a hub receives. `docs/protocol.md` has the table.

use crate::discovery::{Discover, Prove};
use crate::format::Format;
use crate::heartbeat;
use crate::words::PREFIX;

/// A datagram's meaning.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// `^hb^`.
    Heartbeat {
        /// Whether the heartbeat is padded, which requests an answer of at most its length.
        padded: bool,
    },
    /// `quit`.
    Quit,
    /// Only white space: keeps the sender a member.
    Empty,
    /// `/…`: the text after the slash, for [`Command::parse`](crate::Command::parse).
    Command(&'a [u8]),
    /// A datagram that only hubs send: a control line, or an answer to a request. Never answered
    /// and never relayed.
    Reply,
    /// `/prove TOKEN`: the sender returns the token it received.
    Prove(Prove<'a>),
    /// `/discover NONCE`: a client looks for hubs.
    Discover(Discover<'a>),
    /// Anything else: a message to relay.
    Message(&'a [u8]),
}

impl<'a> Incoming<'a> {
    /// Classifies `payload` at a listening address of this format.
    pub fn parse(format: Format, payload: &'a [u8]) -> Incoming<'a> {
        let text = payload.trim_ascii();
        if text == heartbeat::PLAIN {
            let padded = payload.len() >= heartbeat::ANSWERED_FROM;
            return Incoming::Heartbeat { padded };
        }
        if is_control_line(text) {
            return Incoming::Reply;
        }
        if text == b"quit" {
            return Incoming::Quit;
        }
        if let Some(prove) = Prove::parse(text) {
            return Incoming::Prove(prove);
        }
        // Checked first, because trimming a long datagram twice would be expensive.
        if text.starts_with(b"/discover ")
            && let Some(discover) = Discover::parse(payload)
        {
            return Incoming::Discover(discover);
        }
        match (format, text) {
            (Format::Raw, _) if payload.is_empty() => Incoming::Empty,
            (Format::Raw, _) => Incoming::Message(payload),
            (_, []) => Incoming::Empty,
            (_, [b'/', b'/', ..]) => Incoming::Message(&text[1..]),
            (_, [b'/', line @ ..]) => {
                let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
                match &line[..end] {
                    // A misdirected answer, or a request too short to be answered.
                    b"here" | b"HERE" | b"discover" => Incoming::Reply,
                    _ => Incoming::Command(line),
                }
            }
            _ => Incoming::Message(text),
        }
    }
}

/// Whether a payload is a control line, known or not. Ignores case, because an upper-casing service
/// may have returned it.
pub fn is_control_line(payload: &[u8]) -> bool {
    let (prefix, text) = (PREFIX.as_bytes(), payload.trim_ascii());
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN_FORMATS: [Format; 2] = [Format::Chat, Format::Classic];

    #[test]
    fn heartbeats_are_told_by_their_length() {
        let padded = |n: usize| format!("{:n$}", "^hb^").into_bytes();
        for format in Format::ALL {
            let parse = |payload: &[u8]| format!("{:?}", Incoming::parse(format, payload));
            let heartbeat = |padded| format!("{:?}", Incoming::Heartbeat { padded });
            assert_eq!(parse(b"^hb^"), heartbeat(false));
            assert_eq!(parse(b" ^hb^\r\n"), heartbeat(false));
            assert_eq!(parse(&padded(63)), heartbeat(false));
            assert_eq!(parse(&padded(64)), heartbeat(true));
            assert_eq!(parse(heartbeat::PADDED), heartbeat(true));
            assert_eq!(parse(&padded(1400)), heartbeat(true));
            assert_eq!(parse(b"^hb^ pigeon/1 3 0"), "Reply");
            assert_eq!(parse(b"^HB^ GONE KICKED\n"), "Reply");
            assert_eq!(parse(b"quit\n"), "Quit");
        }
        assert_eq!(Incoming::parse(Format::Chat, b"^hb^x"), Incoming::Message(b"^hb^x"));
    }

    #[test]
    fn commands_are_what_stands_behind_one_slash() {
        for format in PLAIN_FORMATS {
            let parse = |payload| Incoming::parse(format, payload);
            assert_eq!(parse(b"/nick  dog \n"), Incoming::Command(b"nick  dog"));
            assert_eq!(parse(b"/"), Incoming::Command(b""));
            assert_eq!(parse(b"//dev/null x"), Incoming::Message(b"/dev/null x"));
            assert_eq!(parse(b"/here 7 name 3 0"), Incoming::Reply);
            assert_eq!(parse(b"quit now"), Incoming::Message(b"quit now"));
        }
    }

    #[test]
    fn proofs_and_questions_are_known_in_every_format() {
        let question = |text: &str| format!("{text:200}").into_bytes();
        for format in Format::ALL {
            let token = b"abcdefghijklmnop";
            let proof = [b"/prove ", token.as_slice(), b"\n"].concat();
            assert_eq!(Incoming::parse(format, &proof), Incoming::Prove(Prove { token }));
            let asked = question("/discover 7f3a");
            let parsed = Incoming::parse(format, &asked);
            assert!(matches!(parsed, Incoming::Discover(d) if d.nonce.as_str() == "7f3a"));
            for other in ["/discover", "/discover a b", "/discover \u{1b}", "/prove it"] {
                let payload = question(other);
                let incoming = Incoming::parse(format, &payload);
                assert!(!matches!(incoming, Incoming::Discover(_) | Incoming::Prove(_)));
            }
        }
    }

    #[test]
    fn raw_recognises_few_texts_and_touches_nothing_else() {
        let raw = |bytes| Incoming::parse(Format::Raw, bytes);
        assert_eq!(raw(b""), Incoming::Empty);
        assert_eq!(raw(b" \n"), Incoming::Message(b" \n"));
        assert_eq!(raw(b"/nick x"), Incoming::Message(b"/nick x"));
        assert_eq!(raw(b"//x"), Incoming::Message(b"//x"));
        assert_eq!(Incoming::parse(Format::Chat, b" \n"), Incoming::Empty);
    }
}
