//! Substring search with a full-text index: converts texts and queries to short pieces (grams).
//!
//! Search by whole words is useless in Chinese, where words have no boundaries, and poor for
//! numbers and addresses. So every substring is found, in any script. Texts are compared folded:
//! without case, and with full-width forms as ASCII.
//!
//! The index stores a *gram* for each character of a text: the character and the one or two after
//! it. In large alphabets, such as Chinese, two characters are selective enough. In others a gram
//! has three, because pairs of Latin letters occur in most messages and would make searches slow.
//! At the end of a run grams get shorter:
//!
//! ```text
//! 温度ok21   →   温度 度ok ok2 k21 21 1
//! ```
//!
//! A query is split the same way. Its last grams may be shorter than the text's, because the text
//! continues; a query with only such grams becomes a prefix search. The index yields candidates,
//! and [`Query::matches`] verifies them, so grams may match too much but never too little.
//!
//! SQLite's own `trigram` tokenizer cannot find Chinese words of two characters. Its `unicode61`
//! would fold and split by an older Unicode's tables; `ascii` takes grams unchanged.

/// Creates one table of the index. It is contentless, so that no text is stored twice. `room` holds
/// one gram, the room's id. Column sizes are off: they serve ranking, and results are ordered by
/// position.
pub(crate) fn create_table(name: &str) -> String {
    format!(
        r##"CREATE VIRTUAL TABLE {name} USING fts5(
            body, room, content = '', columnsize = 0,
            tokenize = "ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\]^_`{{|}}~'")"##
    )
}

/// Folds a text for comparison.
///
/// The folding rules of names do not apply: they may become stricter, and the index contains texts
/// as folded when they were indexed.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
        return out;
    }
    out.extend(text.chars().flat_map(char::to_lowercase).map(half_width));
    out
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Appends the grams of a folded text, each after a space.
pub(crate) fn push_grams(folded: &str, out: &mut String) {
    for run in runs(folded) {
        // Three characters of look-ahead, as byte offsets.
        let mut ahead = run.char_indices().map(|(at, c)| (at, wide(c))).peekable();
        while let Some((at, first_wide)) = ahead.next() {
            let mut after = ahead.clone();
            let second = after.next();
            let third = after.next();
            let end = |character: Option<(usize, bool)>| character.map_or(run.len(), |(at, _)| at);
            let end = match second {
                None => run.len(),
                Some((_, true)) if first_wide => end(third),
                Some(_) if third.is_some() => after.next().map_or(run.len(), |(at, _)| at),
                Some(_) => run.len(),
            };
            out.push(' ');
            out.push_str(&run[at..end]);
        }
    }
}

pub(crate) fn room_gram(room: i64) -> String {
    format!("r{room}")
}

/// A search query. A text matches if it contains every word, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    words: Vec<Box<str>>,
}

/// Maximum number of words of a query; further words are ignored.
const MAX_WORDS: usize = 16;

impl Query {
    /// Splits a query into words at white space. `None` if it has none.
    ///
    /// A single character counts as a word. In Chinese it may be one; in other scripts it matches a
    /// lot but costs little, because the newest matches come first.
    pub fn parse(text: &str) -> Option<Query> {
        let words: Vec<Box<str>> =
            folded(text).split_whitespace().take(MAX_WORDS).map(Into::into).collect();
        (!words.is_empty()).then_some(Query { words })
    }

    /// Whether a text contains every word.
    pub fn matches(&self, text: &str) -> bool {
        let text = folded(text);
        self.words.iter().all(|word| text.contains(&**word))
    }

    /// The FTS5 query for the index, and its number of grams. With a `room`, the query finds only
    /// messages of that room. `None` if the index cannot help, because the words contain only
    /// control characters.
    ///
    /// The number of grams is limited; [`Query::matches`] checks the words beyond the limit. A
    /// prefix search costs as much as many grams, so it is used only if all words are shorter than
    /// a gram.
    ///
    /// Every gram is quoted, so that no part of a query acts as an operator.
    pub(crate) fn expression(&self, room: Option<i64>) -> Option<(String, usize)> {
        let mut phrases = Vec::new();
        let mut grams = 0;
        let mut longest = "";
        for run in self.words.iter().flat_map(|word| runs(word)) {
            let (phrase, count) = phrase(run, MAX_GRAMS - grams);
            if count > 0 {
                phrases.push(phrase);
                grams += count;
            }
            if run.len() > longest.len() {
                longest = run;
            }
        }
        if phrases.is_empty() && !longest.is_empty() {
            phrases.push(prefix(longest));
            grams = PREFIX_GRAMS;
        }
        if phrases.is_empty() {
            return None;
        }
        if let Some(room) = room {
            phrases.push(format!("room : \"{}\"", room_gram(room)));
            grams += 1;
        }
        Some((phrases.join(" AND "), grams))
    }
}

/// Maximum number of grams of one query to the index.
const MAX_GRAMS: usize = 16;

/// The cost of a prefix, in grams.
const PREFIX_GRAMS: usize = 16;

/// The whole grams of a run, as a phrase of at most `most` grams; and their number.
fn phrase(run: &str, most: usize) -> (String, usize) {
    let characters: Vec<char> = run.chars().collect();
    let mut phrase = String::from("body : \"");
    let mut whole = 0;
    for at in 0..characters.len().min(most) {
        let rest = &characters[at..];
        let length = if let [first, second, ..] = rest
            && wide(*first)
            && wide(*second)
        {
            2
        } else {
            3
        };
        let Some(gram) = rest.get(..length) else { break };
        if whole > 0 {
            phrase.push(' ');
        }
        push_quoted(gram.iter().copied(), &mut phrase);
        whole += 1;
    }
    phrase.push('"');
    (phrase, whole)
}

/// A gram prefix that occurs in any text with this run.
fn prefix(run: &str) -> String {
    let mut phrase = String::from("body : \"");
    push_quoted(run.chars(), &mut phrase);
    phrase.push_str("\" *");
    phrase
}

fn push_quoted(gram: impl Iterator<Item = char>, out: &mut String) {
    for c in gram {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
}

/// Splits a text at characters that no gram may contain: a C string would end at NUL, and the
/// tokenizer splits at control characters.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|run| !run.is_empty())
}

/// Whether a character belongs to a large alphabet: Chinese, Japanese or Korean.
fn wide(c: char) -> bool {
    matches!(u32::from(c),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grams(text: &str) -> String {
        let mut out = String::new();
        push_grams(&folded(text), &mut out);
        out.trim_start().to_string()
    }

    #[test]
    fn a_gram_begins_at_every_character() {
        assert_eq!(grams("温度ok21"), "温度 度ok ok2 k21 21 1");
        assert_eq!(grams("吃饭了吗"), "吃饭 饭了 了吗 吗");
        assert_eq!(grams("a bc\u{0}def"), "a bc c def ef f");
        assert_eq!(grams("Ｏｋ　温"), "ok k 温");
        assert_eq!(grams(""), "");
    }

    #[test]
    fn a_query_is_a_phrase_of_whole_grams_or_one_prefix() {
        let of = |text: &str| Query::parse(text).unwrap().expression(None).unwrap().0;
        assert_eq!(of("温度"), "body : \"温度\"");
        assert_eq!(of("传感器"), "body : \"传感 感器\"");
        assert_eq!(of("Sensor"), "body : \"sen ens nso sor\"");
        assert_eq!(of("ok"), "body : \"ok\" *");
        assert_eq!(of("度ok"), "body : \"度ok\"");
        assert_eq!(of("温度o"), "body : \"温度\"");
        assert_eq!(of("\" OR"), "body : \"or\" *", "one prefix, the longest");
        assert_eq!(of("ok 温度 \""), "body : \"温度\"", "and none beside a whole gram");
        let long = of(&format!("{} {}", "长".repeat(30), "abc"));
        assert_eq!(long.matches("长长").count(), MAX_GRAMS);
        assert!(!long.contains("abc"));
        assert_eq!(
            Query::parse("温度").unwrap().expression(Some(7)).unwrap(),
            ("body : \"温度\" AND room : \"r7\"".to_owned(), 2)
        );
    }

    #[test]
    fn words_match_in_any_order_without_regard_to_capitals_and_width() {
        let query = Query::parse("  SENSOR　温度 ").unwrap();
        assert!(query.matches("温度：ｓｅｎｓｏｒ-7"));
        assert!(!query.matches("温 度 sensor"));
        assert_eq!(Query::parse(" \u{3000}\n"), None);
        assert_eq!(Query::parse("\u{1}").unwrap().expression(None), None);
    }
}
