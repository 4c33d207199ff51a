//! Who said a line of chat. This is the message format `NAME: TEXT` and nothing more: a hub's own
//! words come as control lines.

use pigeon_proto::Label;

/// A message in the chat format, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// `NAME: TEXT`, said to the room.
    Said {
        /// A name, or an address.
        name: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// Anything else.
    Other(&'a str),
}

impl<'a> Spoken<'a> {
    /// Reads a message.
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
