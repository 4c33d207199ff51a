//! Words of a shell's command line: read while they are being typed, and quoted so that the shell takes
//! them for text and nothing else.
//!
//! What a shell inserts at a Tab stands in a command line that is run at Enter. A name such as
//! `$(reboot)` must reach the program as these nine characters.

/// In which quotes the end of an unfinished word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// In none.
    Unquoted,
    /// `'…`
    Single,
    /// `"…`
    Double,
    /// `$'…`
    Dollar,
}

/// What a word of bash says, and where its end stands. Nothing is expanded: `$HOME` is itself.
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

/// Texts as bash inserts them where a word's end stands in these quotes. readline inserts what they
/// begin with in common, and closes the quotes behind the only one unless it ends in that quote.
pub fn quote_bash(texts: &[String], quoting: Quoting) -> Vec<String> {
    match quoting {
        Quoting::Unquoted if texts.iter().all(|text| is_plain(text)) => texts.to_vec(),
        // All of them: within single quotes only the quote has an escape, so what two have in common
        // never ends within an escape.
        Quoting::Unquoted => texts.iter().map(|text| single_quoted(text)).collect(),
        _ => texts.iter().map(|text| within(text, quoting)).collect(),
    }
}

/// A text within quotes that are open.
fn within(text: &str, quoting: Quoting) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match (quoting, c) {
            (Quoting::Single, '\'') => quoted.push_str(r"'\''"),
            // No backslash protects it from the history within double quotes.
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

/// A text in single quotes, for bash and zsh, and every shell of POSIX.
pub fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether a text needs no quotes in bash.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_./,+%@:=".contains(c))
}

/// What a word of fish says, as far as it was typed. fish(1), "Quotes" and "Escaping characters".
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

/// A text in single quotes for fish, which has a backslash within them.
pub fn quote_fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as attackers choose them.
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

    /// The word that results where nothing but the name is inserted, and readline closes the quotes.
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
                // Without bash the model above is all there is.
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
