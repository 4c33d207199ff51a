//! Tab completion at a prompt: the first word to a command, later ones to a name.

use std::sync::{Arc, Mutex, PoisonError};

/// The possible words. Clones share the names, which the loop updates.
#[derive(Clone, Default)]
pub(crate) struct Suggestions {
    commands: Arc<[Box<str>]>,
    names: Arc<Mutex<Vec<Box<str>>>>,
}

impl Suggestions {
    pub(crate) fn new<'a>(commands: impl Iterator<Item = &'a str>) -> Self {
        Suggestions { commands: commands.map(Into::into).collect(), names: Arc::default() }
    }

    /// Replaces the names.
    pub(crate) fn set_names(&self, names: Vec<Box<str>>) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// The start of the last word of a text, and its completions.
    pub(crate) fn of(&self, text: &str) -> (usize, Vec<String>) {
        let start = text.rfind(char::is_whitespace).map_or(0, |at| {
            at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let (before, word) = text.split_at(start);
        let begun = |known: &[Box<str>]| {
            let begins = |known: &str| known.to_lowercase().starts_with(&word.to_lowercase());
            known.iter().filter(|known| begins(known)).map(|known| format!("{known} ")).collect()
        };
        let words = match before.trim().is_empty() {
            true => begun(&self.commands),
            false => begun(&self.names.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        (start, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_a_command_and_the_others_are_names() {
        let suggestions = Suggestions::new(["members", "msg", "mute", "kick"].into_iter());
        suggestions.set_names(vec!["狗哥".into(), "狗狗".into(), "Ada".into()]);
        assert_eq!(suggestions.of("m").1, ["members ", "msg ", "mute "]);
        assert_eq!(suggestions.of("  ki"), (2, vec!["kick ".to_string()]));
        assert_eq!(suggestions.of("kick 狗"), (5, vec!["狗哥 ".to_string(), "狗狗 ".to_string()]));
        assert_eq!(suggestions.of("msg\u{3000}a"), (6, vec!["Ada ".to_string()]));
        assert!(suggestions.of("dance").1.is_empty());
    }
}
