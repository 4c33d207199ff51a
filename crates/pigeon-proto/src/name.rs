//! What a member or a room may be called.

use std::fmt;

use crate::language::Language;
use crate::sentence;
use crate::words::NONE;

/// The most characters in a name.
pub const MAX_NAME_CHARS: usize = 32;

/// A name that may stand before `: ` in a line of chat.
///
/// 1 to [`MAX_NAME_CHARS`] characters that display as themselves, without white space (a name is
/// one word of a command) and without `:` (nobody can pass for `IP:PORT`, and nobody can put a
/// `: ` of their own into a line). `,` and `;` stand between names in notices, and `/`, `*`, `^` begin
/// commands, sentences and heartbeats: no name holds the former or begins with the latter. `-` alone
/// stands for "no name" in control lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Why a text is not a name.
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
    /// A character that does not display as itself, or bytes that are not UTF-8.
    Unprintable,
    /// `-`, which stands for "no name".
    Dash,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence::name_error(*self, Language::English))
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Checks what somebody wants to be called.
    pub fn parse(bytes: &[u8]) -> Result<Name, NameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NameError::Unprintable)?;
        match text {
            "" => return Err(NameError::Empty),
            NONE => return Err(NameError::Dash),
            _ => {}
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

    /// The name of the operator at the hub's console, and of the hub itself, unless another is set.
    pub fn operator() -> Name {
        Name("hub".into())
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
pub fn fold(text: &str) -> Box<str> {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a room. The rules are those of [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Name);

impl RoomName {
    /// Checks what somebody wants to call a room.
    pub fn parse(bytes: &[u8]) -> Result<RoomName, NameError> {
        Name::parse(bytes).map(RoomName)
    }

    /// The room where everyone begins, unless a door leads to another.
    pub fn lobby() -> RoomName {
        RoomName(Name("lobby".into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What must differ between the names of two rooms.
    pub fn folded(&self) -> Box<str> {
        self.0.folded()
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
        assert_eq!(refused("-"), NameError::Dash);
        assert_eq!(refused("/who"), NameError::Begins('/'));
        assert_eq!(refused("a\u{3000}b"), NameError::Reserved('\u{3000}'));
        assert_eq!(refused("a\u{202e}b"), NameError::Unprintable);
        assert_eq!(refused("\u{301}a"), NameError::Unprintable);
        assert_eq!(Name::parse(b"\xff").unwrap_err(), NameError::Unprintable);
    }
}
