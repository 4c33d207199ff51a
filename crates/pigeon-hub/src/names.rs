//! What a member may be called.

use std::fmt;

/// The most characters in a name.
pub const MAX_NAME_CHARS: usize = 32;

/// A name that may stand before `: ` in a line of chat.
///
/// 1 to [`MAX_NAME_CHARS`] characters that display as themselves, without white space (a name is
/// one word of a command) and without `:` (nobody can pass for `IP:PORT`, and nobody can put a
/// `: ` of their own into a line). `,` and `;` stand between names in notices, and `/`, `*`, `^` begin
/// commands, notices and heartbeats: no name holds the former or begins with the latter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Box<str>);

/// Why a name is refused. The text is what its chooser is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was left after trimming.
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    TooLong,
    /// A character that is white space, or `:`, `,`, `;`.
    Reserved(char),
    /// A first character that means something else at the beginning of a line.
    Begins(char),
    /// A character that does not display as itself, or bytes that are no UTF-8.
    Unprintable,
    /// Somebody has it, or one that differs only in capitals.
    Taken,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => write!(f, "a name has at least one character"),
            NameError::TooLong => write!(f, "a name has at most {MAX_NAME_CHARS} characters"),
            NameError::Reserved(c) if c.is_whitespace() => write!(f, "a name is one word"),
            NameError::Reserved(c) => write!(f, "a name holds no '{c}'"),
            NameError::Begins(c) => write!(f, "a name does not begin with '{c}'"),
            NameError::Unprintable => write!(f, "it holds characters that do not display"),
            NameError::Taken => write!(f, "that name is in use"),
        }
    }
}

impl Name {
    /// Checks what somebody wants to be called.
    pub fn parse(bytes: &[u8]) -> Result<Name, NameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NameError::Unprintable)?;
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(NameError::TooLong);
        }
        let reserved = |c: &char| c.is_whitespace() || [':', ',', ';'].contains(c);
        if let Some(c) = text.chars().find(reserved) {
            return Err(NameError::Reserved(c));
        }
        if let Some(c) = text.chars().next().filter(|c| ['/', '*', '^'].contains(c)) {
            return Err(NameError::Begins(c));
        }
        // A mark may follow a letter; at the front it would sit on whatever stands before the name.
        let combining = |c: char| pigeon_text::width(c.encode_utf8(&mut [0; 4])) == 0;
        let shows = pigeon_text::escape(text).to_string() == text;
        if !shows || text.chars().next().is_some_and(combining) {
            return Err(NameError::Unprintable);
        }
        Ok(Name(text.into()))
    }

    /// The name of whoever sits at the hub's console, and of the hub itself.
    pub(crate) fn operator() -> Name {
        Name("hub".into())
    }

    /// The room where everyone begins.
    pub(crate) fn lobby() -> Name {
        Name("lobby".into())
    }

    /// What the porch is called in code; it holds a space, so nobody can ask for it.
    pub(crate) fn porch() -> Name {
        Name("the porch".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must differ between two names: capitals alone do not tell people apart.
    pub fn folded(&self) -> Box<str> {
        fold(&self.0)
    }
}

/// A text without the difference of capitals. Character by character: `str::to_lowercase` makes
/// another letter of a last Σ than of one in the middle, and so two names of one.
pub(crate) fn fold(text: &str) -> Box<str> {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_are_fine() {
        for name in ["狗哥", "Zoë", "sensor-7", "🐶", "e\u{301}", "a/b*"] {
            assert_eq!(Name::parse(name.as_bytes()).unwrap().as_str(), name);
        }
        assert!(Name::parse("字".repeat(32).as_bytes()).is_ok());
    }

    #[test]
    fn capitals_make_no_difference_in_any_script() {
        let folded = |name: &str| Name::parse(name.as_bytes()).unwrap().folded();
        assert_eq!(folded("ΑΣ"), folded("ασ"));
        assert_eq!(folded("Zoë"), folded("ZOË"));
    }

    #[test]
    fn names_that_could_mislead_are_refused_with_a_reason() {
        let refused = |name: &str| Name::parse(name.as_bytes()).unwrap_err();
        assert_eq!(refused(""), NameError::Empty);
        assert_eq!(refused(&"字".repeat(33)), NameError::TooLong);
        assert_eq!(refused("127.0.0.1:5000"), NameError::Reserved(':'));
        assert_eq!(refused("x;"), NameError::Reserved(';'));
        assert_eq!(refused("/who"), NameError::Begins('/'));
        assert_eq!(refused("a\u{3000}b"), NameError::Reserved('\u{3000}'));
        assert_eq!(refused("a\u{202e}b"), NameError::Unprintable);
        assert_eq!(refused("\u{301}a"), NameError::Unprintable);
        assert_eq!(Name::parse(b"\xff").unwrap_err(), NameError::Unprintable);
    }
}
