//! Notices as sentences for people. Sentences are never parsed: programs read control lines.
//!
//! Each language has a file with a function for each kind of sentence. A new value of [`Notice`] or
//! [`Reason`](crate::Reason) makes the compiler require a sentence in every language.

mod en;
mod zh;

use crate::label::Label;
use crate::language::Language;
use crate::name::NameError;
use crate::notice::{Change, Gone, LinkKind, News, Notice};
use crate::refusal::Refusal;

/// The sentences of one language.
trait Sentences {
    fn notice(&self, notice: &Notice) -> String;
    fn refusal(&self, refusal: &Refusal) -> String;
    fn name_error(&self, error: NameError) -> String;
    fn news(&self, change: Change, who: &str) -> String;
    /// Replaces a message that exceeds a datagram in the reader's encoding.
    fn left_out(&self) -> &'static str;
    /// Separators: between names, between an old and a new name, between parts of a line.
    const MARKS: Marks;
    /// `a, b and 3 more`.
    fn more(&self, names: &str, more: u64) -> String;
}

struct Marks {
    names: &'static str,
    becomes: &'static str,
    parts: &'static str,
}

/// A notice as a sentence, without the start and end of a line.
pub fn of(notice: &Notice, language: Language) -> String {
    match language {
        Language::English => notice_in(&en::English, notice),
        Language::Chinese => notice_in(&zh::Chinese, notice),
    }
}

fn notice_in(language: &impl Sentences, notice: &Notice) -> String {
    match notice {
        Notice::Refused(refusal) => language.refusal(refusal),
        Notice::News(news) => news_in(language, std::slice::from_ref(news)),
        notice => language.notice(notice),
    }
}

/// Several changes of one room as one sentence.
pub fn news(news: &[News], language: Language) -> String {
    match language {
        Language::English => news_in(&en::English, news),
        Language::Chinese => news_in(&zh::Chinese, news),
    }
}

/// The line for a plain member, without its end. Private messages begin with a name, and `Bye!`
/// stands alone; all others begin with `* `, which no member's line can.
pub fn line(notice: &Notice, language: Language) -> String {
    let sentence = of(notice, language);
    match notice {
        Notice::MsgFrom { .. } | Notice::MsgTo { .. } | Notice::Gone(Gone::Stopped) => sentence,
        _ => format!("* {sentence}"),
    }
}

/// The line for a plain member about an earlier message with its time, without its end.
pub fn said(when: &str, notice: &Notice, language: Language) -> String {
    format!("* {when} {}", of(notice, language))
}

/// A link's name.
pub fn link(link: LinkKind, language: Language) -> &'static str {
    match language {
        Language::English => en::link_name(link),
        Language::Chinese => zh::link_name(link),
    }
}

/// Why a text is not a valid name.
pub fn name_error(error: NameError, language: Language) -> String {
    match language {
        Language::English => en::English.name_error(error),
        Language::Chinese => zh::Chinese.name_error(error),
    }
}

/// The replacement for a message that exceeds a datagram in the reader's encoding.
pub fn left_out(language: Language) -> &'static str {
    match language {
        Language::English => en::English.left_out(),
        Language::Chinese => zh::Chinese.left_out(),
    }
}

fn news_in<L: Sentences>(language: &L, news: &[News]) -> String {
    let part = |news: &News| {
        let pair = |pair: &[Label]| {
            let words: Vec<&str> = pair.iter().map(Label::as_str).collect();
            words.join(L::MARKS.becomes)
        };
        let size = if news.change == Change::Renamed { 2 } else { 1 };
        let names: Vec<String> = news.names.chunks(size).map(pair).collect();
        let who = list(language, &names, news.more.into());
        language.news(news.change, &who)
    };
    news.iter().map(part).collect::<Vec<_>>().join(L::MARKS.parts)
}

/// A member in a list: `狗哥`, or `狗哥 (ipmsg)`.
fn named_by_link((name, link): (&Label, Option<LinkKind>)) -> String {
    match link {
        Some(LinkKind::PageHttp) => format!("{name} (page, http)"),
        Some(link) => format!("{name} ({})", link.word()),
        None => name.to_string(),
    }
}

fn list<L: Sentences>(language: &L, names: &[impl AsRef<str>], more: u64) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let named = names.join(L::MARKS.names);
    if more == 0 { named } else { language.more(&named, more) }
}
