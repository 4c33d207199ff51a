//! Names quoted for a shell's command line by completion.
//!
//! The first byte selects the open quotes, the rest is names, one per line. A model of bash without
//! expansions reads them back unchanged and finds no special character; sometimes the real bash
//! reads the word too.
#![no_main]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use libfuzzer_sys::fuzz_target;
use pigeon_text::shell::{Quoting, quote_bash, quote_fish, read_bash, read_fish, single_quoted};

/// One word in [`REAL`] is also parsed by the real bash. More would slow the fuzzer: bash takes a
/// millisecond to start.
const REAL: u32 = 1_024;

/// Characters that need no quotes in a name.
const PLAIN: &str = "-_./,+%@:=";

fuzz_target!(|data: &[u8]| {
    let [selector, bytes @ ..] = data else { return };
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    // Any unfinished word is parsed without a panic.
    let (_, _) = (read_bash(&text), read_fish(&text));

    let quoting = [Quoting::Unquoted, Quoting::Single, Quoting::Double, Quoting::Dollar];
    let quoting = quoting[usize::from(selector % 4)];
    one(&text, quoting);
    let names: Vec<String> = text.split('\n').map(str::to_string).collect();
    several(&names, quoting);
    assert_eq!(model(&single_quoted(&text)), Some((text.clone(), Quoting::Unquoted)));
    assert_eq!(read_fish(&quote_fish(&text)), text);
});

/// The open quotes in front, and their closing.
fn quotes(quoting: Quoting) -> (&'static str, &'static str) {
    match quoting {
        Quoting::Unquoted => ("", ""),
        Quoting::Single => ("'", "'"),
        Quoting::Double => ("\"", "\""),
        Quoting::Dollar => ("$'", "'"),
    }
}

/// A single candidate: readline closes the quotes behind it, unless it ends in one.
fn one(name: &str, quoting: Quoting) {
    let inserted = quote_bash(&[name.to_string()], quoting).remove(0);
    let (open, close) = quotes(quoting);
    let close = if !close.is_empty() && inserted.ends_with(close) { "" } else { close };
    let word = format!("{open}{inserted}{close}");
    assert_eq!(model(&word), Some((name.to_string(), Quoting::Unquoted)), "{word}");
    assert_eq!(read_bash(&word), (name.to_string(), Quoting::Unquoted), "{word}");
    static WORDS: AtomicU32 = AtomicU32::new(0);
    if WORDS.fetch_add(1, Ordering::Relaxed).is_multiple_of(REAL) {
        real(&word, name);
    }
}

/// Several candidates: readline inserts their common prefix.
fn several(names: &[String], quoting: Quoting) {
    let quoted = quote_bash(names, quoting);
    let common = quoted.iter().skip(1).fold(quoted[0].as_str(), |common, other| {
        let same = common.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(c, _)| c.len_utf8()).sum()]
    });
    let word = format!("{}{common}", quotes(quoting).0);
    let read = model(&word);
    if matches!(quoting, Quoting::Unquoted | Quoting::Single) {
        let (text, _) = read.unwrap_or_else(|| panic!("{word} ends within an escape"));
        assert!(names.iter().all(|name| name.starts_with(&text)), "{word}");
    }
}

/// A model of bash: the word's text and the quotes open at its end; `None` if it ends within an
/// escape. Panics at a special character.
fn model(word: &str) -> Option<(String, Quoting)> {
    let mut text = String::new();
    let mut quoting = Quoting::Unquoted;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        quoting = match (quoting, c) {
            (Quoting::Unquoted, '\'') => Quoting::Single,
            (Quoting::Unquoted, '"') => Quoting::Double,
            (Quoting::Unquoted, '$') => match chars.next()? {
                '\'' => Quoting::Dollar,
                c => panic!("${c} is expanded: {word}"),
            },
            (Quoting::Single | Quoting::Dollar, '\'') => Quoting::Unquoted,
            (Quoting::Double, '"') => Quoting::Unquoted,
            (Quoting::Single, c) => {
                text.push(c);
                quoting
            }
            (_, '\\') => {
                let c = chars.next()?;
                let is_escape = match quoting {
                    Quoting::Double => "$`\"\\".contains(c),
                    Quoting::Dollar => "'\\".contains(c),
                    _ => c != '\n',
                };
                assert!(is_escape, "\\{c} is no escape here: {word}");
                text.push(c);
                quoting
            }
            (Quoting::Unquoted, c) if !c.is_alphanumeric() && !PLAIN.contains(c) => {
                panic!("{c:?} stands unquoted: {word}")
            }
            (Quoting::Double, '$' | '`' | '!') => panic!("{c} is expanded: {word}"),
            (_, c) => {
                text.push(c);
                quoting
            }
        };
    }
    Some((text, quoting))
}

/// The real bash prints the word; its PATH is empty.
fn real(word: &str, name: &str) {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &format!("PATH=; printf %s {word}")]);
    let Ok(output) = bash.stdin(Stdio::null()).output() else { return };
    assert!(output.stderr.is_empty(), "{word}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), name, "{word}");
}
