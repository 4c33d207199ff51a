//! The name a member wishes to go by: asked for, granted, forgotten by the hub, taken back.
//!
//! A wish goes out when the hub is met and when it is back. It may be lost, and so may the answer:
//! whoever is called by its address asks again, and so does, with a heartbeat, whoever knows that the
//! hub has lines of its own. In the raw format everything that is sent is passed on as data; there
//! the hub says nothing, and nothing is repeated.

use std::net::SocketAddr;

use pigeon_datagram::Instant;
use rand_core::Rng;

use super::{Presence, Session};

/// How often the word is sent that takes a name back, until a name is granted.
const RESUMES: u8 = 3;

/// The longest resume word that is remembered; a hub's has a number and 16 characters.
const MAX_WORD: usize = 64;

impl<R: Rng> Session<R> {
    pub(super) fn ask_for_nick(&mut self, now: Instant) {
        if let Some(nick) = &self.config.nick {
            let command = format!("/nick {nick}");
            self.asked = Some(now);
            self.send(command.as_bytes());
        }
    }

    /// Whether the name was asked for longer ago than an answer takes.
    pub(super) fn waits_for_name(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now - asked >= self.patience())
    }

    /// Keeps the name: notes when the hub grants it, and asks again when the hub shows that it
    /// has forgotten it, by calling us by our address or by saying that we had dropped out. A
    /// hub killed and started again between two heartbeats gives no other sign. A name that a
    /// former self of ours still holds, from behind another port, is taken back with the word.
    pub(super) fn mind_name(&mut self, now: Instant, payload: &[u8]) {
        if self.presence == Presence::Removed {
            return;
        }
        let text = String::from_utf8_lossy(payload.trim_ascii_end());
        self.has_lines |= text.starts_with("* ");
        if let Some(granted) = text.strip_prefix("* you are ") {
            let (name, word) = read_grant(granted);
            let expected = [self.wish.as_deref(), self.config.nick.as_deref()];
            if expected.contains(&Some(name)) {
                self.config.nick = Some(name.to_string());
                self.wish = None;
                self.named = true;
                self.asked = None;
                self.resumed = 0;
                let word = word.filter(|word| word.len() <= MAX_WORD && word.is_ascii());
                self.resume_word = word.map(str::to_string).or(self.resume_word.take());
            }
            return;
        }
        let Some(nick) = &self.config.nick else { return };
        let wanted = !self.named || self.wish.as_ref() == Some(nick);
        if wanted && text.starts_with("* you stay ") && text.ends_with(" is in use") {
            self.asked = None;
            // It may be lost as everything may, but a word that does not help is not repeated for
            // ever.
            if let Some(word) = self.resume_word.clone().filter(|_| self.resumed < RESUMES) {
                self.resumed += 1;
                self.asked = Some(now);
                self.send(format!("/resume {word}").as_bytes());
            }
            return;
        }
        let by_address = |local: SocketAddr| {
            payload
                .strip_prefix(local.to_string().as_bytes())
                .is_some_and(|rest| rest.starts_with(b": "))
        };
        let dropped = payload.starts_with(b"* you were silent ");
        let may_ask = self.named || self.waits_for_name(now);
        if may_ask && (dropped || self.config.local.is_some_and(by_address)) {
            self.named = false;
            self.ask_for_nick(now);
        }
    }
}

/// The name and the word of `NAME; /resume WORD …`, `NAME again, in ROOM` or `NAME already`.
fn read_grant(granted: &str) -> (&str, Option<&str>) {
    if let Some((name, rest)) = granted.split_once("; /resume ") {
        return (name, rest.split(' ').next());
    }
    let again = granted.split_once(" again, in ").map(|(name, _)| name);
    (again.or(granted.strip_suffix(" already")).unwrap_or(granted), None)
}
