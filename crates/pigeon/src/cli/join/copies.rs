//! Copies of our own lines: a server that relays our lines may also send them to us.

use std::collections::VecDeque;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Reason, Refusal, Subject};
use pigeon_text::escape;

/// Time limit for a copy, after which the line is reported as unconfirmed.
const WITHIN: Duration = Duration::from_secs(2);

/// How long no copies are expected after a refusal: a hub reports a limit once for many lines.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// Maximum number of lines that wait for a copy.
const MAX_AWAITED: usize = 64;

/// Whether a server sends copies, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Unknown,
    Sends,
    /// The first expected copy never came. It may have been lost, but a raw hub sends none at all.
    SendsNone,
}

/// A line without a copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) said: String,
    /// Whether the server may never send copies.
    pub(super) may_be_raw: bool,
}

/// Lines sent to the room without a copy so far.
#[derive(Debug, Default)]
pub(super) struct Copies {
    habit: Habit,
    /// When each line was sent, and how its copy is displayed.
    awaited: VecDeque<(Instant, String)>,
    refused_until: Option<Instant>,
}

impl Copies {
    /// Whether the server seems to send copies.
    pub(super) fn are_sent(&self) -> bool {
        self.habit != Habit::SendsNone
    }

    /// Records that the server sends no copies.
    pub(super) fn expect_none(&mut self) {
        self.habit = Habit::SendsNone;
    }

    /// Records that a line was sent, and awaits its copy.
    pub(super) fn wait_for(&mut self, now: Instant, said: &str) {
        let is_refused = self.refused_until.is_some_and(|until| now < until);
        if self.awaited.len() < MAX_AWAITED && !is_refused && self.are_sent() {
            self.awaited.push_back((now, escape(said).to_string()));
        }
    }

    /// Restarts the wait: the lines have not been sent yet.
    pub(super) fn wait_longer(&mut self, now: Instant) {
        self.awaited.iter_mut().for_each(|(sent, _)| *sent = now);
    }

    /// Drops all lines: the hub has removed us, which explains missing copies.
    pub(super) fn forget(&mut self) {
        self.awaited.clear();
    }

    /// A message arrived.
    pub(super) fn came(&mut self, text: &str) {
        if self.awaited.is_empty() {
            return;
        }
        // A server from a tutorial returns lines in capitals, so case is ignored.
        let came = text.to_lowercase();
        let is_in = |said: &String| came.contains(&said.to_lowercase());
        if let Some(copy) = self.awaited.iter().position(|(_, said)| is_in(said)) {
            self.awaited.remove(copy);
            self.habit = Habit::Sends;
            self.refused_until = None;
        }
    }

    /// The hub refused a line, without naming it.
    pub(super) fn refused(&mut self, now: Instant, refusal: &Refusal) {
        match (refusal.what, &refusal.why) {
            (Subject::Say, Reason::TooLong { .. } | Reason::Wrapped) => {
                let longest = self.awaited.iter().map(|(_, said)| said.len()).max();
                let at = self.awaited.iter().position(|(_, said)| Some(said.len()) == longest);
                at.and_then(|at| self.awaited.remove(at));
            }
            (Subject::Say | Subject::Member, _) => {
                self.awaited.clear();
                self.refused_until = Some(now + REFUSED_FOR);
            }
            _ => {}
        }
    }

    /// The next line with a late copy. If `is_unknown`, and the server responds, the first one
    /// shows that it sends no copies.
    pub(super) fn missing(&mut self, now: Instant, is_unknown: bool) -> Option<Missing> {
        self.awaited.front().filter(|(sent, _)| now - *sent >= WITHIN)?;
        let (_, said) = self.awaited.pop_front()?;
        let may_be_raw = is_unknown && self.habit == Habit::Unknown;
        if may_be_raw {
            self.expect_none();
            self.awaited.clear();
        }
        Some(Missing { said, may_be_raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn refused(why: Reason) -> Refusal {
        Refusal::new(Subject::Say, why)
    }

    /// Copies of a server that has sent one.
    fn copies() -> Copies {
        let mut copies = Copies::default();
        copies.wait_for(at(0), "hi");
        copies.came("dog: HI");
        assert_eq!(copies.missing(at(9), true), None);
        copies
    }

    #[test]
    fn a_line_without_a_copy_is_missing_after_two_seconds() {
        let mut copies = copies();
        copies.wait_for(at(0), "where?");
        assert_eq!(copies.missing(at(1), true), None);
        copies.wait_longer(at(2));
        assert_eq!(copies.missing(at(3), true), None);
        let missing = Missing { said: "where?".into(), may_be_raw: false };
        assert_eq!(
            (copies.missing(at(4), true), copies.missing(at(4), true)),
            (Some(missing), None)
        );
    }

    #[test]
    fn of_a_server_that_sends_none_one_line_is_missing() {
        let mut copies = Copies::default();
        for line in ["one", "two"] {
            copies.wait_for(at(0), line);
        }
        let missing = Missing { said: "one".into(), may_be_raw: true };
        assert_eq!(
            (copies.missing(at(2), true), copies.missing(at(2), true)),
            (Some(missing), None)
        );
        assert!(!copies.are_sent());
        copies.wait_for(at(3), "three");
        assert_eq!(copies.missing(at(9), true), None);
    }

    #[test]
    fn nobody_and_a_hub_show_nothing_by_a_copy_that_is_late() {
        let mut copies = Copies::default();
        for line in ["one", "two"] {
            copies.wait_for(at(0), line);
        }
        for line in ["one", "two"] {
            let missing = Missing { said: line.into(), may_be_raw: false };
            assert_eq!(copies.missing(at(2), false), Some(missing));
        }
        assert!(copies.are_sent());
    }

    #[test]
    fn what_was_refused_is_not_missing_too() {
        let mut limited = copies();
        for line in ["one", "two"] {
            limited.wait_for(at(0), line);
        }
        limited.refused(at(1), &refused(Reason::Rate { messages: Some(20), bytes: None }));
        // The hub reports a limit once; this line meets the same limit.
        limited.wait_for(at(2), "three");
        assert_eq!(limited.missing(at(9), true), None);
        assert!(limited.are_sent());
        limited.wait_for(at(12), "four");
        assert!(limited.missing(at(14), true).is_some());

        let mut long = copies();
        for line in ["short", "far too long"] {
            long.wait_for(at(0), line);
        }
        long.refused(at(1), &refused(Reason::TooLong { length: 12, most: 6 }));
        assert_eq!(long.missing(at(2), true).map(|missing| missing.said).as_deref(), Some("short"));
        assert_eq!(long.missing(at(2), true), None);
    }
}
