//! Suggests a command for an unknown one.

use pigeon_proto::Verb;

use crate::base::nearest::nearest;

/// Commands of `pigeon join` that are not the hub's.
pub(super) const OWN: &[&str] = &["me", "quit"];

/// Commands of the full screen.
pub(super) const OWN_OF_SCREEN: &[&str] = &["me", "quit", "bell", "clear", "close", "ignore"];

/// Words of other programs, and the commands that do the same here.
const ALIASES: [(&str, &str); 21] = [
    ("bye", "quit"),
    ("channels", "rooms"),
    ("dm", "msg"),
    ("exit", "quit"),
    ("find", "search"),
    ("list", "who"),
    ("log", "history"),
    ("logout", "quit"),
    ("ls", "who"),
    ("members", "who"),
    ("name", "nick"),
    ("names", "who"),
    ("part", "leave"),
    ("password", "pass"),
    ("pm", "msg"),
    ("q", "quit"),
    ("query", "msg"),
    ("room", "rooms"),
    ("tell", "msg"),
    ("w", "msg"),
    ("whisper", "msg"),
];

/// The command that a typed line probably means, with its slash: the hub's or one of `own`. `None`
/// if it begins with a known command, or with none.
pub(super) fn meant(line: &str, own: &'static [&'static str]) -> Option<String> {
    let line = line.trim();
    // The key of the slash writes `、` with an input method for Chinese. Only a command's own word
    // after it is no text.
    if let Some(word) = line.strip_prefix('、').and_then(|it| it.split_whitespace().next()) {
        let mut known = Verb::ALL.into_iter().map(Verb::word).chain(own.iter().copied());
        return known.find(|known| *known == word).map(|known| format!("/{known}"));
    }
    let word = line.strip_prefix(['/', '／'])?.split(char::is_whitespace).next()?;
    let known = || Verb::ALL.into_iter().map(Verb::word).chain(own.iter().copied());
    if known().any(|known| known == word) || word.is_empty() || word.contains(['/', '／']) {
        return None;
    }
    let lower = word.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, known)| *known);
    // `/msg小红`: Chinese is written without spaces.
    let ascii = &lower[..lower.find(|c: char| !c.is_ascii()).unwrap_or(lower.len())];
    let is_it = |known: &&str| *known == lower || (*known == ascii && ascii.len() < lower.len());
    let meant = known().find(is_it).or(alias).or_else(|| nearest(&lower, known()))?;
    Some(format!("/{meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_taken_for_the_nearest() {
        for (line, expected) in [
            ("/WHO", "/who"),
            ("／Who 7", "/who"),
            ("/exit", "/quit"),
            ("/list", "/who"),
            ("/whisper 小红 psst", "/msg"),
            ("/msg小红 psst", "/msg"),
            ("/hsitory", "/history"),
            ("、who", "/who"),
            ("、nick 小红", "/nick"),
        ] {
            assert_eq!(meant(line, OWN).as_deref(), Some(expected), "{line}");
        }
        for line in [
            "/who",
            "/me waves",
            "//WHO",
            "WHO",
            "/",
            "/dev/null",
            "/dance",
            "/跳舞",
            "、",
            "、对",
            "、whoo",
            "",
        ] {
            assert_eq!(meant(line, OWN), None, "{line}");
        }
        assert_eq!(meant("/Clear", OWN_OF_SCREEN).as_deref(), Some("/clear"));
        assert_eq!(meant("/Clear", OWN), None);
    }
}
