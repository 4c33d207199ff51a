//! Translated messages: [`say!`] formats a message in the process's language, from the tables in
//! `crates/pigeon/words`.
//!
//! A table is a Fluent file (<https://projectfluent.org/fluent/guide>), one for each subject and
//! language: `words/en/hub.ftl`, `words/zh/hub.ftl`. A message's key begins with the name of its
//! table, so that `hub-said-everywhere` lives in `hub.ftl`. Tables are parsed on first use.
//!
//! ```text
//! // in a table                                      // in the code
//! hub-banned = { $net } is banned                    say!("hub-banned", net = &net)
//! hub-members = { $count ->                          say!("hub-members", count = members.len())
//!     [one] one member
//!    *[other] { $count } members
//! }
//! ```
//!
//! **An argument by reference is a text, an integer by value is a number**: only numbers select
//! plurals. The caller escapes untrusted text ([`pigeon_text::escape`]).
//!
//! **Why Fluent**: translators edit tables without code, placeholders have names and may be
//! reordered, and each language selects its own plurals. gettext was rejected: its keys are the
//! English texts, so changing one loses its translation, and its plurals support one number per
//! message. A `match` on the language, as in `pigeon-proto`, is checked by the compiler but
//! scatters a language over all files. Here tests check that both languages have the same keys and
//! placeholders, and that the code and the tables agree.
//!
//! **What it costs**: 130 kB of the published file, nothing at the start of a run that says
//! nothing, and 0.2 ms of 2.2 ms where one table is parsed (November 2026).
//!
//! JSON, the log's lines about members and exit statuses never come from here: programs read them.

mod tables;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use pigeon_proto::Language;

use tables::SUBJECTS;

/// A message in the process's language: `say!("hub-banned", net = &net)`.
macro_rules! say {
    ($key:expr $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::words::say_in!($crate::words::language(), $key $(, $name = $value)*)
    };
}

/// A message in a given language: `say_in!(language, "hub-banned", net = &net)`.
macro_rules! say_in {
    ($language:expr, $key:expr $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::words::message(
            $language,
            $key,
            &[$((stringify!($name), $crate::words::Argument::value($value))),*],
        )
    };
}

/// A key that is said elsewhere, marked so that the tests find it in the tables.
macro_rules! key {
    ($key:literal) => {
        $key
    };
}

pub(crate) use {key, say, say_in};

static IS_CHINESE: AtomicBool = AtomicBool::new(false);

/// Sets the process's language: at its start, and when the user changes it (`/language`).
pub(crate) fn set_language(language: Language) {
    IS_CHINESE.store(language == Language::Chinese, Ordering::Relaxed);
}

/// The process's language; English until it is set.
pub(crate) fn language() -> Language {
    match IS_CHINESE.load(Ordering::Relaxed) {
        true => Language::Chinese,
        false => Language::English,
    }
}

/// Whether a table has this key, for keys that are put together, such as those of help.
pub(crate) fn has(language: Language, key: &str) -> bool {
    table(language, key).is_some_and(|table| table.has_message(key))
}

/// The separator between the parts of a line: `no reply; the system said: …`.
pub(crate) fn between_parts() -> &'static str {
    between_parts_in(language())
}

/// The separator of `between_parts` in a given language.
pub(crate) fn between_parts_in(language: Language) -> &'static str {
    match language {
        Language::English => "; ",
        Language::Chinese => "；",
    }
}

/// The separator between list items: `3 datagrams, 2 replies`.
pub(crate) fn between_items() -> &'static str {
    match language() {
        Language::English => ", ",
        Language::Chinese => "，",
    }
}

/// The separator before a reason: `cannot read x: No such file or directory`.
pub(crate) fn before_reason(language: Language) -> &'static str {
    match language {
        Language::English => ": ",
        Language::Chinese => "：",
    }
}

/// `cannot read x: No such file or directory`.
pub(crate) fn because(what: impl Display, why: impl Display) -> String {
    format!("{what}{}{why}", before_reason(language()))
}

/// `a or b`.
pub(crate) fn any_of(words: &[&str]) -> String {
    words.join(&say!("errors-or"))
}

/// The value of a placeholder.
pub(crate) trait Argument {
    fn value(self) -> FluentValue<'static>;
}

impl<T: Display + ?Sized> Argument for &T {
    fn value(self) -> FluentValue<'static> {
        self.to_string().into()
    }
}

impl Argument for String {
    fn value(self) -> FluentValue<'static> {
        self.into()
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Argument for $number {
            fn value(self) -> FluentValue<'static> {
                self.into()
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64 usize i32 i64);

/// The message of a key. Falls back to English, then to the key itself: an error in a table must
/// not stop the program.
pub(crate) fn message(
    language: Language,
    key: &str,
    arguments: &[(&'static str, FluentValue<'static>)],
) -> String {
    let arguments: FluentArgs<'_> =
        arguments.iter().map(|(name, value)| (*name, value.clone())).collect();
    [language, Language::English]
        .into_iter()
        .find_map(|language| formatted(language, key, &arguments))
        .unwrap_or_else(|| key.to_string())
}

fn formatted(language: Language, key: &str, arguments: &FluentArgs<'_>) -> Option<String> {
    let table = table(language, key)?;
    let pattern = table.get_message(key)?.value()?;
    // A missing argument is shown as `{$name}`.
    Some(table.format_pattern(pattern, Some(arguments), &mut Vec::new()).into_owned())
}

/// The table of a key, parsed on first use.
fn table(language: Language, key: &str) -> Option<&'static FluentBundle<FluentResource>> {
    type Tables = [OnceLock<FluentBundle<FluentResource>>; SUBJECTS.len()];
    static TABLES: [Tables; Language::ALL.len()] =
        [const { [const { OnceLock::new() }; SUBJECTS.len()] }; Language::ALL.len()];
    let subject = key.split('-').next()?;
    let place = SUBJECTS.iter().position(|(known, _)| *known == subject)?;
    let parse = || parsed(language, tables::text(language, place));
    Some(TABLES[language as usize][place].get_or_init(parse))
}

/// Parses a table. Skips what cannot be parsed.
fn parsed(language: Language, text: String) -> FluentBundle<FluentResource> {
    let locale = language.word().parse().unwrap_or_default();
    let mut table = FluentBundle::new_concurrent(vec![locale]);
    // Unicode isolation marks show as boxes on many terminals.
    table.set_use_isolating(false);
    let resource = FluentResource::try_new(text).unwrap_or_else(|(resource, _)| resource);
    table.add_resource_overriding(resource);
    table
}
