//! The fields of a line: words with single spaces between them.

/// What stands for a field that is empty.
pub(crate) const NONE: &str = "-";

/// What every control line begins with.
pub(crate) const PREFIX: &str = "^hb^ ";

/// The words of a line, one after the other, and what follows them.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The words of a text.
    pub(crate) fn of(text: &'a str) -> Self {
        Words(text)
    }

    /// The next word. `None` at the end; an empty word is an end too.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next word as a number.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        // `parse` takes `+7` too, which nobody writes.
        let word = self.word().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?;
        word.parse().ok()
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a str {
        self.0
    }
}

/// A field that may be empty.
pub(crate) fn or_none<T: std::fmt::Display>(field: Option<T>) -> String {
    field.map_or_else(|| NONE.to_string(), |field| field.to_string())
}

/// Reads a field that may be empty. The outer `None` is a word that `read` does not take.
pub(crate) fn maybe<'a, T>(
    word: &'a str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Option<Option<T>> {
    if word == NONE { Some(None) } else { read(word).map(Some) }
}
