//! The person's language: from a flag, else from the environment.

use clap_complete::CompletionCandidate;
use pigeon_proto::Language;

/// What the locale asks for: `LC_ALL`, else `LC_MESSAGES`, else `LANG` (locale(7)).
pub(crate) fn language() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    Language::of_locale(&locale.unwrap_or_default())
}

/// Reads a language as an argument.
pub(crate) fn parse(word: &str) -> Result<Language, String> {
    Language::parse(word).ok_or_else(|| "a language is zh or en".to_string())
}

/// The languages, for the shell to complete.
pub(crate) fn candidates() -> Vec<CompletionCandidate> {
    Language::ALL.map(|language| CompletionCandidate::new(language.word())).into()
}
