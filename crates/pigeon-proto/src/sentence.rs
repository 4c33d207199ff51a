//! Notices in words. Written here alone, and parsed nowhere: programs read control lines.
//!
//! Each language has a file with one function for each kind of sentence. To add a sentence, add a
//! value to [`Notice`] or [`Reason`](crate::Reason); the compiler then asks every language for its
//! words.

mod en;
mod zh;

use crate::label::Label;
use crate::language::Language;
use crate::name::NameError;
use crate::notice::{Change, Gone, LinkKind, News, Notice};
use crate::refusal::Refusal;

/// What one language has to say.
trait Sentences {
    fn notice(&self, notice: &Notice) -> String;
    fn refusal(&self, refusal: &Refusal) -> String;
    fn name_error(&self, error: NameError) -> String;
    fn news(&self, change: Change, who: &str) -> String;
    /// Sent in place of a message that is longer than a datagram in the reader's encoding.
    fn left_out(&self) -> &'static str;
    /// Between names, between a name and its successor, between parts of a line.
    const MARKS: Marks;
    /// `a, b and 3 more`.
    fn more(&self, names: &str, more: u64) -> String;
}

struct Marks {
    names: &'static str,
    becomes: &'static str,
    parts: &'static str,
}

/// A notice in words, without what begins or ends a line.
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

/// Several news of one room as one sentence.
pub fn news(news: &[News], language: Language) -> String {
    match language {
        Language::English => news_in(&en::English, news),
        Language::Chinese => news_in(&zh::Chinese, news),
    }
}

/// The line that a plain member gets, without its end. Messages to one member begin with a name, and
/// `Bye!` stands alone; everything else begins with `* `, as no member's line can.
pub fn line(notice: &Notice, language: Language) -> String {
    let sentence = of(notice, language);
    match notice {
        Notice::MsgFrom { .. } | Notice::MsgTo { .. } | Notice::Gone(Gone::Stopped) => sentence,
        _ => format!("* {sentence}"),
    }
}

/// The line that a plain member gets of what was said at a time, without its end.
pub fn said(when: &str, notice: &Notice, language: Language) -> String {
    format!("* {when} {}", of(notice, language))
}

/// By which link a message came.
pub fn link(link: LinkKind, language: Language) -> &'static str {
    match language {
        Language::English => en::link_name(link),
        Language::Chinese => zh::link_name(link),
    }
}

/// Why a text is not a name.
pub fn name_error(error: NameError, language: Language) -> String {
    match language {
        Language::English => en::English.name_error(error),
        Language::Chinese => zh::Chinese.name_error(error),
    }
}

/// What readers of an encoding get in place of a message that is too long for a datagram in it.
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

/// `a, b and 3 more`, as far as there is anything.
/// A member in a list: `狗哥`, or `狗哥 (ipmsg)`.
fn named_by_link((name, link): (&Label, Option<LinkKind>)) -> String {
    match link {
        Some(link) => format!("{name} ({})", link.word()),
        None => name.to_string(),
    }
}

fn list<L: Sentences>(language: &L, names: &[impl AsRef<str>], more: u64) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let named = names.join(L::MARKS.names);
    if more == 0 { named } else { language.more(&named, more) }
}
