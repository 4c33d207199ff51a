//! Notices as lines, for members that read sentences.

use pigeon_proto::{Format, Gone, Language, News, Notice, sentence};

/// A notice as a line of this format. Raw members get none: they receive only data.
pub(super) fn line(notice: &Notice, language: Language, format: Format) -> Option<String> {
    let goodbye = Notice::Gone(Gone::Stopped);
    Some(match (format, notice) {
        (Format::Raw, _) => return None,
        (_, Notice::Gone(Gone::Stopped)) => sentence::line(notice, language),
        // The classic format has one word for the end, whatever the reason.
        (Format::Classic, Notice::Gone(_)) => sentence::line(&goodbye, language),
        (Format::Classic, _) => sentence::line(notice, language),
        (Format::Chat, _) => sentence::line(notice, language) + "\n",
    })
}

/// An earlier message with its time, as a line of this format.
pub(super) fn said(when: &str, notice: &Notice, language: Language, format: Format) -> String {
    let line = sentence::said(when, notice, language);
    if format == Format::Chat { line + "\n" } else { line }
}

/// A room's changes as a line of chat, the only format that has them.
pub(super) fn news(news: &[News], language: Language) -> String {
    format!("* {}\n", sentence::news(news, language))
}
