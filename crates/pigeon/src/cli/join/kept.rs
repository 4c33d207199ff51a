//! The stored messages of a room that this session requests: the newest when it enters, and search
//! results.
//!
//! `said` lines answer both `/history` and `/search`. Those that contain every word of a running
//! search belong to it.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Answer, Command, fold};

/// Number of lines requested when entering a room.
const AT_FIRST: u16 = 20;

/// How long the hub may take to send them without a request.
const UNASKED_WITHIN: Duration = Duration::from_secs(1);

/// A search counts as running for this long after its last hit: longer than the interval between
/// repeated requests.
const SEARCHES_FOR: Duration = Duration::from_secs(8);

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Whether the hub is known to store messages.
    keeps: bool,
    /// When to request the newest messages.
    ask_at: Option<Instant>,
    /// When to compare `newest` with the room's newest position: lines sent just before we entered
    /// may not have been stored yet.
    compare_at: Option<Instant>,
    /// The newest position received of this room.
    newest: u64,
    search: Option<Search>,
}

#[derive(Debug)]
struct Search {
    words: Vec<String>,
    until: Instant,
}

impl Kept {
    /// Whether the hub stores messages.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Handles an answer to a heartbeat. Returns whether it is news.
    pub(super) fn answered(&mut self, now: Instant, answer: &Answer) -> bool {
        if self.compare_at.take_if(|at| *at <= now).is_some() && answer.last > Some(self.newest) {
            self.ask_at = Some(now);
        }
        let keeps = self.keeps || answer.last.is_some_and(|last| last > 0);
        std::mem::replace(&mut self.keeps, keeps) != keeps
    }

    /// The hub does not store messages.
    pub(super) fn keeps_nothing(&mut self) {
        self.keeps = false;
    }

    pub(super) fn entered(&mut self, now: Instant) {
        let at = Some(now + UNASKED_WITHIN);
        (self.ask_at, self.compare_at, self.newest) = (at, at, 0);
    }

    /// Requests the newest messages if the hub has not sent them. `ask` returns false if the hub
    /// cannot be asked now.
    pub(super) fn questions(&mut self, now: Instant, ask: impl FnOnce(&Command<'_>) -> bool) {
        let is_due = self.keeps && self.ask_at.is_some_and(|at| at <= now);
        if is_due && ask(&Command::History { count: Some(AT_FIRST), before: None }) {
            self.ask_at = None;
        }
    }

    /// Returns the words to search for, if the line is a search.
    pub(super) fn typed<'a>(&mut self, now: Instant, line: &'a str) -> Option<&'a str> {
        let query = line.trim().strip_prefix(['/', '／'])?.strip_prefix("search")?;
        let query = query.strip_prefix(char::is_whitespace)?.trim();
        let words: Vec<String> = query.split_whitespace().map(|word| fold(word).into()).collect();
        (!words.is_empty()).then(|| {
            self.search = Some(Search { words, until: now + SEARCHES_FOR });
            query
        })
    }

    /// The hub refused the search. Returns whether there was one.
    pub(super) fn refused(&mut self) -> bool {
        self.search.take().is_some()
    }

    /// Handles a stored line. Returns whether it belongs to the search.
    pub(super) fn said(&mut self, now: Instant, position: u64, name: &str, text: &str) -> bool {
        let search = self.search.as_mut().filter(|search| now < search.until);
        let (name, text) = (fold(name), fold(text));
        let holds = |word: &String| text.contains(&**word) || name.contains(&**word);
        match search.filter(|search| search.words.iter().all(holds)) {
            Some(search) => {
                search.until = now + SEARCHES_FOR;
                true
            }
            None => {
                self.ask_at = None;
                self.newest = self.newest.max(position);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn answer(last: u64) -> Answer {
        Answer::parse(format!("^hb^ pigeon/1 3 0 chat - lobby 7 {last}").as_bytes()).unwrap()
    }

    fn keeping() -> Kept {
        let mut kept = Kept::default();
        for (last, is_news) in [(0, false), (12, true), (0, false)] {
            assert_eq!(kept.answered(at(0), &answer(last)), is_news);
        }
        kept
    }

    #[test]
    fn the_end_of_a_room_is_asked_for_unless_it_comes() {
        let mut kept = keeping();
        kept.entered(at(0));
        kept.questions(at(0), |_| panic!("too early"));
        kept.questions(at(1), |_| false);
        let mut asked = Vec::new();
        for _ in 0..2 {
            kept.questions(at(2), |command| {
                asked.push(command.to_bytes());
                true
            });
        }
        assert_eq!(asked, [b"/history 20"]);
        kept.entered(at(3));
        kept.said(at(3), 12, "dog", "hi");
        kept.questions(at(9), |_| panic!("it came"));
        kept.answered(at(10), &answer(12));
        kept.questions(at(10), |_| panic!("all of it came"));
        // The last message was not stored yet when the others arrived.
        kept.entered(at(20));
        kept.said(at(20), 12, "dog", "hi");
        kept.answered(at(20), &answer(13));
        kept.questions(at(21), |_| panic!("too early"));
        kept.answered(at(21), &answer(13));
        kept.questions(at(21), |_| true);
        kept.answered(at(30), &answer(14));
        kept.questions(at(30), |_| panic!("that came live"));
        let mut nothing = Kept::default();
        nothing.entered(at(0));
        nothing.questions(at(9), |_| panic!("nothing is kept"));
    }

    #[test]
    fn hits_hold_every_word_while_the_search_goes_on() {
        let mut kept = keeping();
        assert_eq!(kept.typed(at(0), "/searching x"), None);
        assert_eq!(kept.typed(at(0), "/search "), None);
        assert_eq!(kept.typed(at(0), "／search  Tea 狗哥 "), Some("Tea 狗哥"));
        assert!(kept.said(at(7), 7, "狗哥", "green TEA"));
        assert!(!kept.said(at(7), 7, "猴哥", "green tea"));
        assert!(kept.said(at(14), 7, "狗哥", "tea"));
        assert!(!kept.said(at(30), 7, "狗哥", "tea"));
        assert!(kept.refused() && !kept.refused());
        assert!(!kept.said(at(30), 7, "狗哥", "tea"));
    }
}
