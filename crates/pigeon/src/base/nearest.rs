//! Suggestions for unknown words: another program's, or mistyped ones.

/// Settings of other programs, and possible equivalents: the first known one is suggested.
const SETTINGS: [(&[&str], &[&str]); 14] = [
    (&["addr", "address", "bind", "host", "interface", "local"], &["listen", "bind", "source"]),
    (&["port", "ports"], &["listen", "bind", "source"]),
    (&["name", "nickname", "user", "username"], &["nick", "name"]),
    (&["pass", "passwd", "secret"], &["password", "password-file"]),
    (&["duration", "seconds", "time"], &["for", "wait"]),
    (&["timeout"], &["for", "wait", "max"]),
    (&["delay", "interval", "period"], &["every", "interval"]),
    (&["latency"], &["delay"]),
    (&["drop"], &["loss"]),
    (&["number", "repeat", "times"], &["count"]),
    (&["bandwidth", "bitrate", "pps"], &["rate"]),
    (&["charset", "codec"], &["encoding"]),
    (&["file", "out", "output", "pcap", "save"], &["write", "record", "export"]),
    (&["no-color", "no-colour", "colour"], &["color"]),
];

/// The known setting for an unknown one: the equivalent of another program's, else the nearest.
pub(crate) fn setting_meant<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    let same = SETTINGS.iter().filter(|(words, _)| words.contains(&plain(word).as_str()));
    same.flat_map(|(_, meant)| *meant)
        .find_map(|meant| known.iter().copied().find(|known| plain(known) == *meant))
        .or_else(|| nearest(word, known.into_iter()))
}

/// The known word nearest to `word`, unless it takes many edits. Ignores case, and the difference
/// of `_` and `-`.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let most = (word.chars().count() / 3).clamp(1, 3);
    known
        .map(|known| (strsim::damerau_levenshtein(&word, &plain(known)), known))
        .filter(|&(edits, _)| edits <= most)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, known)| known)
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
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

    #[test]
    fn the_words_of_other_programs_are_understood() {
        let meant = |word, known: &[&'static str]| setting_meant(word, known.iter().copied());
        assert_eq!(meant("port", &["format", "listen"]), Some("listen"));
        assert_eq!(meant("PORT", &["FORMAT", "LISTEN"]), Some("LISTEN"));
        assert_eq!(meant("port", &["format", "rate"]), None);
        assert_eq!(meant("fromat", &["format", "listen"]), Some("format"));
    }
}
