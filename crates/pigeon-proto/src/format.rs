//! What plain members receive.

use std::fmt;

/// How a hub writes a message for plain members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `NAME: TEXT` and a newline, escaped; the hub's sentences begin with `* `.
    #[default]
    Chat,
    /// `Ack TEXT. from IP:PORT`, the text's ASCII letters in capitals, as tutorials teach it.
    Classic,
    /// The payload untouched, to everyone but its sender.
    Raw,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Chat, Format::Classic, Format::Raw];

    /// The word for it in answers and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Chat => "chat",
            Format::Classic => "classic",
            Format::Raw => "raw",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.word() == word)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
