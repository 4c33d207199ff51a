//! The word that was probably meant by a mistyped one.

/// The known word nearest to `word`, unless it takes many edits. `_` and `-` are one character here,
/// and so are capitals and small letters.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let most = (word.chars().count() / 3).clamp(1, 3);
    known
        .map(|known| (strsim::damerau_levenshtein(&word, &plain(known)), known))
        .filter(|&(edits, _)| edits <= most)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        let known = ["timeout", "max-members", "rate", "max-text"];
        let nearest = |word| nearest(word, known.into_iter());
        assert_eq!(nearest("timeuot"), Some("timeout"));
        assert_eq!(nearest("max_members"), Some("max-members"));
        assert_eq!(nearest("MAX_MEMBRES"), Some("max-members"));
        assert_eq!(nearest("rte"), Some("rate"));
        assert_eq!(nearest("timuot"), Some("timeout"));
        assert_eq!(nearest("history"), None);
        assert_eq!(nearest(""), None);
    }
}
