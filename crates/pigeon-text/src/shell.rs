//! Shell words for completion: parsing an unfinished word, and quoting names so that the shell
//! takes them literally.
//!
//! A shell inserts completions into a command line that runs at Enter, so a name such as
//! `$(reboot)` must be quoted to stay nine literal characters.

/// The quotes that are open at the end of an unfinished word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// No quotes.
    Unquoted,
    /// `'…`
    Single,
    /// `"…`
    Double,
    /// `$'…`
    Dollar,
}

/// Parses an unfinished bash word, and returns its literal text and the open quotes. Expands
/// nothing: `$HOME` stays itself.
///
/// bash(1), QUOTING.
pub fn read_bash(word: &str) -> (String, Quoting) {
    let mut text = String::new();
    let mut quoting = Quoting::Unquoted;
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoting, c) {
            (Quoting::Unquoted, '\'') => quoting = Quoting::Single,
            (Quoting::Unquoted, '"') => quoting = Quoting::Double,
            (Quoting::Unquoted, '$') if chars.next_if_eq(&'\'').is_some() => {
                quoting = Quoting::Dollar;
            }
            (Quoting::Single | Quoting::Dollar, '\'') | (Quoting::Double, '"') => {
                quoting = Quoting::Unquoted;
            }
            (Quoting::Single, _) => text.push(c),
            (Quoting::Unquoted, '\\') => text.extend(chars.next().filter(|&c| c != '\n')),
            (Quoting::Double, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(c @ ('$' | '`' | '"' | '\\')) => text.push(c),
                Some(c) => text.extend(['\\', c]),
            },
            (Quoting::Dollar, '\\') => match chars.next() {
                None => {}
                Some(c @ ('\\' | '\'' | '"' | '?')) => text.push(c),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c) => text.extend(['\\', c]),
            },
            (_, c) => text.push(c),
        }
    }
    (text, quoting)
}

/// Quotes texts as completions of a word with these open quotes. readline inserts their common
/// prefix, and closes the quotes behind a single completion unless it ends in that quote.
pub fn quote_bash(texts: &[String], quoting: Quoting) -> Vec<String> {
    match quoting {
        Quoting::Unquoted if texts.iter().all(|text| is_plain(text)) => texts.to_vec(),
        // Quotes all of them: within single quotes only the quote needs an escape, so a common
        // prefix never ends within one.
        Quoting::Unquoted => texts.iter().map(|text| single_quoted(text)).collect(),
        _ => texts.iter().map(|text| within(text, quoting)).collect(),
    }
}

/// A text inside open quotes.
fn within(text: &str, quoting: Quoting) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match (quoting, c) {
            (Quoting::Single, '\'') => quoted.push_str(r"'\''"),
            // Within double quotes no backslash protects `!` from history expansion.
            (Quoting::Double, '!') => quoted.push_str(r#""\!""#),
            (Quoting::Double, '$' | '`' | '"' | '\\') | (Quoting::Dollar, '\\' | '\'') => {
                quoted.extend(['\\', c]);
            }
            (_, c) => quoted.push(c),
        }
    }
    let quote = if quoting == Quoting::Double { '"' } else { '\'' };
    if quoted.ends_with(quote) {
        quoted.push(quote);
    }
    quoted
}

/// A text in single quotes, for bash, zsh and every POSIX shell.
pub fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether a text needs no quotes in bash.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_./,+%@:=".contains(c))
}

/// Parses an unfinished fish word. fish(1), "Quotes" and "Escaping characters".
pub fn read_fish(word: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '\\') => text.extend(chars.next().filter(|&c| c != '\n')),
            (Some(open), '\\') => match chars.next() {
                Some('\n') if open == '"' => {}
                Some('\\') => text.push('\\'),
                Some(c) if c == open || (open == '"' && c == '$') => text.push(c),
                Some(c) => text.extend(['\\', c]),
                None => {}
            },
            (_, c) => text.push(c),
        }
    }
    text
}

/// A text in single quotes for fish, where a backslash escapes.
pub fn quote_fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that an attacker might choose.
    const NAMES: [&str; 14] = [
        "plain",
        "狗哥",
        "$(touch pwned)",
        "`touch pwned`",
        "a b",
        "it's",
        "say \"hi\"",
        r"back\slash\",
        "wow!",
        "!!",
        "-x;y&z|w",
        "~/$HOME/*",
        "two\nlines",
        "'",
    ];

    /// The whole word after readline inserts the name and closes the quotes.
    fn completed(name: &str, quoting: Quoting) -> String {
        let inserted = &quote_bash(&[name.to_string()], quoting)[0];
        let (open, close) = match quoting {
            Quoting::Unquoted => ("", ""),
            Quoting::Single => ("'", "'"),
            Quoting::Double => ("\"", "\""),
            Quoting::Dollar => ("$'", "'"),
        };
        let close = if !close.is_empty() && inserted.ends_with(close) { "" } else { close };
        format!("{open}{inserted}{close}")
    }

    #[test]
    fn what_is_quoted_reads_back_as_itself() {
        use Quoting::{Dollar, Double, Single, Unquoted};
        for name in NAMES {
            for quoting in [Unquoted, Single, Double, Dollar] {
                let word = completed(name, quoting);
                assert_eq!(read_bash(&word), (name.to_string(), Unquoted), "{word}");
            }
            assert_eq!(read_fish(&quote_fish(name)), name);
        }
    }

    #[test]
    fn bash_itself_reads_the_same_and_runs_nothing() {
        use Quoting::{Dollar, Double, Single, Unquoted};
        for name in NAMES {
            for quoting in [Unquoted, Single, Double, Dollar] {
                let word = completed(name, quoting);
                let script = format!("printf %s {word}");
                let bash = std::process::Command::new("bash").args(["-c", &script]).output();
                // Without bash only the model above is tested.
                let Ok(output) = bash else { return };
                assert_eq!(String::from_utf8_lossy(&output.stdout), name, "{word}");
            }
        }
    }

    #[test]
    fn a_word_is_read_while_it_is_typed() {
        use Quoting::{Dollar, Double, Single, Unquoted};
        for (word, text, quoting) in [
            ("--record=my", "--record=my", Unquoted),
            ("'it", "it", Single),
            ("\"a\\$b\\c", r"a$b\c", Double),
            (r"a\ b\", "a b", Unquoted),
            (r"$'a\'b", "a'b", Dollar),
            ("a'b'\"c", "abc", Double),
        ] {
            assert_eq!(read_bash(word), (text.to_string(), quoting), "{word}");
        }
        assert_eq!(read_fish(r"'it\'s \x' a\ b"), r"it's \x a b");
    }

    #[test]
    fn several_are_quoted_alike() {
        let texts = ["a$b", "ab"].map(str::to_string);
        assert_eq!(quote_bash(&texts, Quoting::Unquoted), ["'a$b'", "'ab'"]);
        assert_eq!(quote_bash(&texts[1..], Quoting::Unquoted), ["ab"]);
    }
}
