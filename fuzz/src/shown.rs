//! Checks that a line is safe to show. Independent of `escape`: uses code points instead of Unicode
//! categories.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pigeon_proto::{Answer, Notice, Setting};
use pigeon_text::{Charset, Encoding, escape};

use crate::drain::Sent;

/// Panics unless `text` can be shown unescaped.
pub fn assert_harmless(text: &str) {
    assert!(is_harmless(text), "{text:?}");
}

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || is_hidden(c))
}

/// Bidi controls, separators, tags and other characters that move or hide their neighbours. Not
/// U+200D, which joins emoji.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
            | '\u{e000}'..='\u{f8ff}'
    )
}

/// Whether a client takes a datagram for a control line.
pub fn is_control_line(bytes: &[u8]) -> bool {
    Notice::parse(bytes).is_some() || Answer::parse(bytes).is_some()
}

/// The fault of a line of chat: it must be harmless, and clearly from the hub or a member. Control
/// lines have no newline.
fn fault(text: &str) -> Option<&'static str> {
    let for_programs = ["/prove ", "/here "];
    let is_for_programs = for_programs.iter().any(|start| text.starts_with(start));
    let bare = text == "Bye!" || is_for_programs || is_control_line(text.as_bytes());
    let line = if bare { Some(text) } else { text.strip_suffix('\n') };
    match line {
        None => Some("no newline"),
        Some(line) if !is_harmless(line) => Some("something harmful"),
        Some(line) if !bare && !line.starts_with("* ") && !line.contains(": ") => {
            Some("neither a notice nor a message")
        }
        Some(_) => None,
    }
}

/// Checks lines of chat in their readers' encodings.
#[derive(Default)]
pub struct Readers(BTreeMap<SocketAddr, Vec<Encoding>>);

impl Readers {
    /// Panics unless all of `sent` can be shown.
    pub fn check(&mut self, sent: &[Sent]) {
        // The answer to /encoding is ASCII, which is the same in every encoding the hub allows.
        for (to, bytes) in sent {
            let granted = bytes.strip_prefix(b"* you read and write ").map(<[u8]>::trim_ascii_end);
            let name = granted.and_then(|name| std::str::from_utf8(name).ok());
            let in_words = name.and_then(|name| Encoding::for_label(name).ok());
            let set = match Notice::parse(bytes) {
                Some(Notice::Set(Setting::Encoding(Charset::Fixed(encoding)))) => Some(encoding),
                _ => in_words,
            };
            self.0.entry(*to).or_default().extend(set);
        }
        for (to, bytes) in sent {
            let utf8 = [Encoding::UTF_8];
            // One batch may contain lines from before and after the change.
            let chosen = self.0.get(to).into_iter().flatten().chain(&utf8);
            let faults: Vec<_> = chosen
                .map(|encoding| fault(&encoding.decode(bytes)).map(|fault| (*encoding, fault)))
                .collect();
            let fine = faults.iter().any(Option::is_none);
            assert!(fine, "{faults:?}: {}", escape(bytes));
        }
    }
}
