//! The heartbeat and its answer, as `docs/protocol.md` describes them.

/// A heartbeat as any program sends it: keeps the sender a member, and is not answered.
pub(crate) const PLAIN: &[u8] = b"^hb^";

/// A heartbeat padded to 64 bytes, which a pigeon hub answers. A server that trims what it
/// receives sees a plain one.
pub(crate) const PADDED: &[u8; 64] =
    b"^hb^                                                            ";

/// What a pigeon hub answers to a padded heartbeat: `^hb^ pigeon/1 MEMBERS SECUREPORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many members the hub has, this one included.
    pub members: u64,
    /// The port of the hub's encrypted side; `None` if it has none.
    pub secure_port: Option<u16>,
}

impl Answer {
    /// Reads an answer. `None` if it is something else, or of another version.
    pub(crate) fn parse(payload: &[u8]) -> Option<Answer> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut words = text.split_ascii_whitespace();
        if (words.next()?, words.next()?) != ("^hb^", "pigeon/1") {
            return None;
        }
        let members = words.next()?.parse().ok()?;
        let port: u16 = words.next()?.parse().ok()?;
        Some(Answer { members, secure_port: (port != 0).then_some(port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_nothing_else_is() {
        assert_eq!(
            Answer::parse(b"^hb^ pigeon/1 3 0"),
            Some(Answer { members: 3, secure_port: None })
        );
        assert_eq!(
            Answer::parse(b"^hb^ pigeon/1 12 10000 more"),
            Some(Answer { members: 12, secure_port: Some(10_000) })
        );
        for other in
            ["^hb^", "^hb^ pigeon/2 3 0", "^hb^ pigeon/1 x 0", "^hb^ pigeon/1 3 65536", "hello"]
        {
            assert_eq!(Answer::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(PADDED.trim_ascii(), PLAIN);
    }
}
