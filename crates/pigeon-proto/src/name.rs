//! What a member or a room may be called.

use std::fmt;

use crate::language::Language;
use crate::lookalike;
use crate::sentence;
use crate::words::NONE;

/// The most characters in a name.
pub const MAX_NAME_CHARS: usize = 32;

/// The most characters that a name may have in Unicode's form NFKC, where `ﷺ` is eighteen. It bounds
/// what the comparison with other names costs.
const MAX_UNFOLDED_CHARS: usize = 2 * MAX_NAME_CHARS;

/// A name that may stand before `: ` in a line of chat.
///
/// It has 1 to [`MAX_NAME_CHARS`] characters that everybody sees. White space would end the word of a
/// command, `:` would end the name in a line, `,` and `;` separate names in notices, and `@` separates
/// a name from its hub or link; none of these is allowed, nor a full-width form of them. `/`, `*` and
/// `^` begin commands, sentences and heartbeats, so no name begins with one. A name does not look like
/// an IP address either, because that is what a member without a name is called. `-` alone stands for
/// "no name" in control lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was left after trimming.
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    TooLong,
    /// A character that is white space, or a form of `:`, `,`, `;`, `@`.
    Reserved(char),
    /// A first character that means something else at the beginning of a line.
    Begins(char),
    /// A character that does not display as itself, or bytes that are not UTF-8.
    Unprintable,
    /// A character that leaves no mark on a display, such as a variation selector.
    Invisible(char),
    /// An IP address, with a port or without, or something that looks like one.
    Address,
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
        let reserved = |c: &char| {
            let equals = |form| [':', ',', ';', '@'].contains(&form);
            c.is_whitespace() || lookalike::compatible(*c).any(equals)
        };
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
        if let Some(c) = text.chars().find(|&c| lookalike::is_invisible(c)) {
            return Err(NameError::Invisible(c));
        }
        if text.chars().flat_map(lookalike::compatible).count() > MAX_UNFOLDED_CHARS {
            return Err(NameError::TooLong);
        }
        if lookalike::is_address(text) {
            return Err(NameError::Address);
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

    /// The name as commands look it up: without the difference of capitals.
    pub fn folded(&self) -> Box<str> {
        lookalike::fold(&self.0)
    }

    /// What the name looks like. Two names of which either skeleton is the same look alike, and only
    /// one of them may be in use.
    pub fn skeletons(&self) -> [Box<str>; 2] {
        lookalike::skeletons(&self.0)
    }
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
