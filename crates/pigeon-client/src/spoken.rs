//! The speaker of a line of chat. Parses only the message format `NAME: TEXT`: a hub's own notices
//! are control lines.

use pigeon_proto::Label;

/// A line in the chat format, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// `NAME: TEXT`, a message to the room.
    Said {
        /// A name, or an address.
        name: &'a str,
        /// The message.
        text: &'a str,
    },
    /// Anything else.
    Other(&'a str),
}

impl<'a> Spoken<'a> {
    /// Parses a line.
    pub fn parse(line: &'a str) -> Spoken<'a> {
        match line.split_once(": ") {
            Some((name, text)) if Label::parse(name).is_some() => Spoken::Said { name, text },
            _ => Spoken::Other(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_name_or_an_address_before_it() {
        let said = |name, text| Spoken::Said { name, text };
        assert_eq!(Spoken::parse("狗哥: 你好: 再见"), said("狗哥", "你好: 再见"));
        assert_eq!(Spoken::parse("[::1]:5000: x"), said("[::1]:5000", "x"));
        for other in [
            "* a left",
            "dog (to you): psst",
            "Ack HI. from 127.0.0.1:1",
            "two words: x",
            "a:b: x",
            "temp=21.5",
            ": x",
            "",
        ] {
            assert_eq!(Spoken::parse(other), Spoken::Other(other));
        }
    }
}
