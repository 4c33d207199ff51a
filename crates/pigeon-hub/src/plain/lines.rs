//! Lines of the hub's own, for members that read sentences.

use pigeon_proto::{Format, Gone, Language, News, Notice, sentence};

/// A notice as a line of this format. Raw members get none: what they receive is data.
pub(super) fn line(notice: &Notice, language: Language, format: Format) -> Option<String> {
    let goodbye = Notice::Gone(Gone::Stopped);
    Some(match (format, notice) {
        (Format::Raw, _) => return None,
        (_, Notice::Gone(Gone::Stopped)) => sentence::line(notice, language),
        // The format of tutorials has one word for the end, whatever its reason.
        (Format::Classic, Notice::Gone(_)) => sentence::line(&goodbye, language),
        (Format::Classic, _) => sentence::line(notice, language),
        (Format::Chat, _) => sentence::line(notice, language) + "\n",
    })
}

/// What was said at a time, as a line of this format.
pub(super) fn said(when: &str, notice: &Notice, language: Language, format: Format) -> String {
    let line = sentence::said(when, notice, language);
    if format == Format::Chat { line + "\n" } else { line }
}

/// The news of a room as a line of chat, the one format with news.
pub(super) fn news(news: &[News], language: Language) -> String {
    format!("* {}\n", sentence::news(news, language))
}
