//! The user's language: from a flag, else from the environment.

use std::ffi::OsString;

use clap_complete::CompletionCandidate;
use pigeon_proto::Language;
use pigeon_text::escape;

use crate::words::say;

/// The language from this process's arguments, else from its locale.
pub(crate) fn asked() -> Language {
    of_arguments(std::env::args_os().skip(1))
}

/// The language before arguments are parsed, and for errors in them: that of the last `--language`,
/// else the locale's.
fn of_arguments(arguments: impl IntoIterator<Item = OsString>) -> Language {
    let words: Vec<OsString> = arguments.into_iter().take_while(|word| word != "--").collect();
    let values = words.iter().enumerate().filter_map(|(place, word)| {
        match word.to_str()?.strip_prefix("--language")? {
            "" => words.get(place + 1)?.to_str(),
            value => value.strip_prefix('='),
        }
    });
    values.filter_map(Language::parse).next_back().unwrap_or_else(language)
}

/// The locale's language: `LC_ALL`, else `LC_MESSAGES`, else `LANG` (locale(7)).
pub(crate) fn language() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    Language::of_locale(&locale.or_else(of_system).unwrap_or_default())
}

/// The user's language in the settings of Windows, such as `zh-CN`.
#[cfg(windows)]
fn of_system() -> Option<String> {
    sys_locale::get_locale()
}

#[cfg(not(windows))]
fn of_system() -> Option<String> {
    None
}

/// Parses a language argument.
pub(crate) fn parse(word: &str) -> Result<Language, String> {
    Language::parse(word).ok_or_else(|| say!("errors-language", word = &escape(word)))
}

/// The languages, for shell completion.
pub(crate) fn candidates() -> Vec<CompletionCandidate> {
    Language::ALL.map(|language| CompletionCandidate::new(language.word())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_found_before_the_arguments_are_read() {
        for (line, expected) in [
            ("pigeon hub --language zh", Language::Chinese),
            ("pigeon --language=zh send x", Language::Chinese),
            ("pigeon hub --language zh --language en", Language::English),
            ("pigeon send x --language zh -- --language en", Language::Chinese),
        ] {
            assert_eq!(of_arguments(line.split(' ').map(OsString::from)), expected, "{line}");
        }
    }
}
