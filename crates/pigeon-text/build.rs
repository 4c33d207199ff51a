//! Writes the tables of `escape.rs`, from those of `unicode_properties`, which name each category.

#![allow(clippy::unwrap_used, reason = "a build script fails by panicking")]

use std::fmt::Write as _;
use std::path::PathBuf;

use unicode_properties::{GeneralCategory as Gc, UnicodeEmoji, UnicodeGeneralCategory};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let fate = |c: char| match c.general_category() {
        Gc::Control
        | Gc::Format
        | Gc::LineSeparator
        | Gc::ParagraphSeparator
        | Gc::Unassigned
        | Gc::PrivateUse
        | Gc::Surrogate => Some("Fate::Escape"),
        Gc::NonspacingMark | Gc::EnclosingMark => Some("Fate::Mark"),
        _ => None,
    };
    let mut code = String::new();
    write_ranges(&mut code, "FATES", "Fate", fate);
    write_ranges(&mut code, "EMOJI", "()", |c| c.is_emoji_char().then_some("()"));
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap());
    std::fs::write(out.join("categories.rs"), code).unwrap();
}

/// Writes a table of ranges, ascending, each with the value of its characters.
fn write_ranges(
    code: &mut String,
    name: &str,
    kind: &str,
    value: impl Fn(char) -> Option<&'static str>,
) {
    let mut ranges: Vec<(char, char, &str)> = Vec::new();
    let mut before = None;
    for c in '\0'..=char::MAX {
        let value = value(c);
        match (ranges.last_mut(), value) {
            (_, None) => {}
            (Some((_, last, same)), Some(value)) if Some(*last) == before && *same == value => {
                *last = c;
            }
            (_, Some(value)) => ranges.push((c, c, value)),
        }
        before = Some(c);
    }
    writeln!(code, "static {name}: [(char, char, {kind}); {}] = [", ranges.len()).unwrap();
    for (first, last, value) in ranges {
        writeln!(code, "({first:?}, {last:?}, {value}),").unwrap();
    }
    code.push_str("];\n");
}
