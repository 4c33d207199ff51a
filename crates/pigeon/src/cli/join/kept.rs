//! What the hub keeps of a room, as far as this session asks for it: the end of the room when it is
//! entered, and what a search finds.
//!
//! `said` lines answer `/history` and `/search` alike. Those that hold every word of a search that is
//! going on belong to it.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Answer, Command, fold};

/// How many lines are asked for when a room is entered.
const AT_FIRST: u16 = 20;

/// How long the hub may take to send them of its own accord.
const UNASKED_WITHIN: Duration = Duration::from_secs(1);

/// How long after its last hit a search is taken to go on: longer than a question is repeated.
const SEARCHES_FOR: Duration = Duration::from_secs(8);

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Whether the hub keeps what is said, as far as it has shown.
    keeps: bool,
    /// When to ask for the end of the room.
    ask_at: Option<Instant>,
    search: Option<Search>,
}

#[derive(Debug)]
struct Search {
    words: Vec<String>,
    until: Instant,
}

impl Kept {
    /// Whether the hub keeps what is said.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// The answer to a heartbeat. Returns whether it says something new.
    pub(super) fn answered(&mut self, answer: &Answer) -> bool {
        let keeps = self.keeps || answer.last.is_some_and(|last| last > 0);
        std::mem::replace(&mut self.keeps, keeps) != keeps
    }

    /// The hub says that it keeps nothing.
    pub(super) fn keeps_nothing(&mut self) {
        self.keeps = false;
    }

    /// A room was entered.
    pub(super) fn entered(&mut self, now: Instant) {
        self.ask_at = Some(now + UNASKED_WITHIN);
    }

    /// Asks for the end of the room if the hub has not sent it. `ask` returns false where the hub
    /// cannot be asked now.
    pub(super) fn questions(&mut self, now: Instant, ask: impl FnOnce(&Command<'_>) -> bool) {
        let is_due = self.keeps && self.ask_at.is_some_and(|at| at <= now);
        if is_due && ask(&Command::History { count: Some(AT_FIRST), before: None }) {
            self.ask_at = None;
        }
    }

    /// The person searches. Returns what for, if the line is a search.
    pub(super) fn typed<'a>(&mut self, now: Instant, line: &'a str) -> Option<&'a str> {
        let query = line.trim().strip_prefix(['/', '／'])?.strip_prefix("search")?;
        let query = query.strip_prefix(char::is_whitespace)?.trim();
        let words: Vec<String> = query.split_whitespace().map(|word| fold(word).into()).collect();
        (!words.is_empty()).then(|| {
            self.search = Some(Search { words, until: now + SEARCHES_FOR });
            query
        })
    }

    /// The hub refuses the search. Returns whether there was one.
    pub(super) fn refused(&mut self) -> bool {
        self.search.take().is_some()
    }

    /// A line that the hub keeps. Returns whether it belongs to the search.
    pub(super) fn said(&mut self, now: Instant, name: &str, text: &str) -> bool {
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

    fn keeping() -> Kept {
        let mut kept = Kept::default();
        let answer = |line: &str| Answer::parse(line.as_bytes()).unwrap();
        assert!(!kept.answered(&answer("^hb^ pigeon/1 3 0 chat - lobby 7 0")));
        assert!(kept.answered(&answer("^hb^ pigeon/1 3 0 chat - lobby 7 12")));
        assert!(!kept.answered(&answer("^hb^ pigeon/1 3 0 chat - empty 1 0")));
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
        kept.said(at(3), "dog", "hi");
        kept.questions(at(9), |_| panic!("it came"));
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
        assert!(kept.said(at(7), "狗哥", "green TEA"));
        assert!(!kept.said(at(7), "猴哥", "green tea"));
        assert!(kept.said(at(14), "狗哥", "tea"));
        assert!(!kept.said(at(30), "狗哥", "tea"));
        assert!(kept.refused() && !kept.refused());
        assert!(!kept.said(at(30), "狗哥", "tea"));
    }
}
