//! The message formats of plain datagrams.

use std::fmt;

/// The format of messages to plain members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `NAME: TEXT` and a newline, escaped; notices begin with `* `.
    #[default]
    Chat,
    /// `Ack TEXT. from IP:PORT`, with the text's ASCII letters in capitals, as in tutorials.
    Classic,
    /// The payload unchanged, to everyone but its sender.
    Raw,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Chat, Format::Classic, Format::Raw];

    /// The format's name in answers and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Chat => "chat",
            Format::Classic => "classic",
            Format::Raw => "raw",
        }
    }

    /// Parses a format's name.
    pub fn parse(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.word() == word)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
