//! Names of members and rooms.

use std::fmt;

use crate::language::Language;
use crate::lookalike;
use crate::sentence;
use crate::words::NONE;

/// Maximum number of characters in a name.
pub const MAX_NAME_CHARS: usize = 32;

/// Maximum number of characters of a name's NFKC form, where `ﷺ` has eighteen. Limits the cost of
/// comparing names.
const MAX_UNFOLDED_CHARS: usize = 2 * MAX_NAME_CHARS;

/// A valid member name, which may precede `: ` in a line of chat.
///
/// It has 1 to [`MAX_NAME_CHARS`] visible characters. Not allowed, even in full-width form, are
/// white space (it would end the word of a command), `:` (it ends the name in a line), `,` and `;`
/// (they separate names in notices) and `@` (it separates a name from its hub or link). A name must
/// not begin with `/`, `*` or `^`, which begin commands, notices and heartbeats. It must not look
/// like an IP address, which labels a member without a name. `-` alone means "no name" in control
/// lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Why a text is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was left after trimming.
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    TooLong,
    /// White space, or a form of `:`, `,`, `;` or `@`.
    Reserved(char),
    /// A first character with a special meaning at the start of a line.
    Begins(char),
    /// A character that does not display as itself, or bytes that are not UTF-8.
    Unprintable,
    /// An invisible character, such as a variation selector.
    Invisible(char),
    /// An IP address, with or without a port, or something that looks like one.
    Address,
    /// `-`, which means "no name".
    Dash,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence::name_error(*self, Language::English))
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Validates a requested name.
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
        // Most names, quickly: none of the rules below concerns them.
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Name(text.into()));
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
        // A mark may follow a letter; in front it would attach to the text before the name.
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

    /// The default name of the hub's operator, and of the hub itself.
    pub fn operator() -> Name {
        Name("hub".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folded name, for looking it up in commands.
    pub fn folded(&self) -> Box<str> {
        lookalike::fold(&self.0)
    }

    /// The name's skeletons. Two names that share either one are confusable, and only one of them
    /// may be in use.
    pub fn skeletons(&self) -> [Box<str>; 2] {
        lookalike::skeletons(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A room's name. The rules of [`Name`] apply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Name);

impl RoomName {
    /// Validates a requested room name.
    pub fn parse(bytes: &[u8]) -> Result<RoomName, NameError> {
        Name::parse(bytes).map(RoomName)
    }

    /// The default room.
    pub fn lobby() -> RoomName {
        RoomName(Name("lobby".into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The folded name, which must differ between rooms.
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
