//! A line's fields: words separated by single spaces.

/// Stands for an empty field.
pub(crate) const NONE: &str = "-";

/// The start of every control line.
pub(crate) const PREFIX: &str = "^hb^ ";

/// Iterates over the words of a line.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Words(text)
    }

    /// The next word. `None` at the end, or at an empty word.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next word as a number.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        // `parse` would also accept `+7`, which is never written.
        let word = self.word().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?;
        word.parse().ok()
    }

    /// The rest of the line.
    pub(crate) fn rest(self) -> &'a str {
        self.0
    }
}

/// Formats an optional field.
pub(crate) fn or_none<T: std::fmt::Display>(field: Option<T>) -> String {
    field.map_or_else(|| NONE.to_string(), |field| field.to_string())
}

/// Parses an optional field. The outer `None` means that `read` rejected the word.
pub(crate) fn maybe<'a, T>(
    word: &'a str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Option<Option<T>> {
    if word == NONE { Some(None) } else { read(word).map(Some) }
}
