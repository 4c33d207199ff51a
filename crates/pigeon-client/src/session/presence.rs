//! Whether the hub is there, and whether the session is a member.
//!
//! ```text
//!             heartbeat answered                     three unanswered, refused, or `gone stopped`
//!   Asking ───────────────────────▶ Answering ────────────────────────────────────┐
//!     │  no answer for 3 s             ▲  ▲        answered, or anything heard     ▼
//!     ▼                                │  └───────────────────────────────────── Away
//!   Plain ─── answered after all ──────┘                                         ▲  │
//!     │                       refused                                            │  │
//!     └──────────────────────────────────────────────────────────────────────────┘  │
//!     ▲          heard, or a heartbeat no longer refused                            │
//!     └─────────────────────────────────────────────────────────────────────────────┘
//!
//!   Answering ── `gone kicked|banned` ──▶ SentAway ── a heartbeat once a minute is answered ──▶ Answering
//!   Answering ── `gone moved` ──────────▶ Moved    ── the user sends a line ──▶ Away
//! ```
//!
//! A server that does not answer padded heartbeats (as in tutorials) is indistinguishable from an
//! absent one unless its port is closed, so a plain session never reports silence.

use std::time::Duration;

use pigeon_datagram::Instant;

use super::event::Contact;

/// How long the session waits for the first datagram before it reports the state.
const PLAIN_AFTER: Duration = Duration::from_secs(3);

/// The first wait before an absent hub is tried again; it doubles up to the heartbeat interval.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asking,
    Plain,
    Answering,
    Away { plain: bool, retry: Duration },
    SentAway,
    Moved,
}

/// What to expect after a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// An answer; otherwise the heartbeat is repeated, and then the hub counts as silent.
    Repeat,
    /// A refusal within this time; otherwise the server is there.
    Refusal(Duration),
    /// Nothing: the next heartbeat follows at its time.
    Nothing,
}

/// The state change caused by a datagram from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// None.
    Nothing,
    /// The server is a pigeon hub.
    Joined,
    /// The server has sent its first datagram, but does not answer heartbeats.
    JoinedPlainly,
    /// The hub is back after this time.
    Again(Duration),
}

#[derive(Debug)]
pub(super) struct Presence {
    state: State,
    began: Instant,
    heard: Option<Instant>,
    /// When the session stops waiting for the first datagram.
    decide: Option<Instant>,
}

impl Presence {
    pub(super) fn new(now: Instant, plain: bool) -> Self {
        Presence {
            state: if plain { State::Plain } else { State::Asking },
            began: now,
            heard: None,
            decide: Some(now + PLAIN_AFTER),
        }
    }

    /// When the hub was last heard.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.heard
    }

    /// When the hub was last heard, or when the session began.
    pub(super) fn since(&self) -> Instant {
        self.heard.unwrap_or(self.began)
    }

    pub(super) fn contact(&self, is_missing: bool) -> Contact {
        match self.state {
            State::Asking => Contact::Asking,
            State::Plain if self.heard.is_none() => Contact::Unheard,
            State::Plain => Contact::Plain,
            State::Answering if is_missing => Contact::Silent,
            State::Answering => Contact::Answering,
            State::Away { .. } => Contact::Silent,
            State::SentAway | State::Moved => Contact::Removed,
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.state == State::Asking
    }

    pub(super) fn is_answering(&self) -> bool {
        self.state == State::Answering
    }

    /// Whether datagrams sent now are probably lost.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.state, State::Away { .. } | State::SentAway)
    }

    /// Whether the hub has given our name to another address.
    pub(super) fn is_moved(&self) -> bool {
        self.state == State::Moved
    }

    /// Whether the hub has removed the session.
    pub(super) fn is_removed(&self) -> bool {
        matches!(self.state, State::SentAway | State::Moved)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.decide
    }

    // State changes.

    /// A heartbeat is sent. Returns what to expect, and the time until the next one if it differs
    /// from the interval.
    pub(super) fn beat(&mut self, interval: Duration) -> (Watch, Option<Duration>) {
        match &mut self.state {
            State::Asking | State::Answering => (Watch::Repeat, None),
            State::Plain | State::Moved => (Watch::Nothing, None),
            State::SentAway => (Watch::Nothing, Some(SENT_AWAY_RETRY)),
            State::Away { plain, retry } => {
                *retry = (*retry * 2).min(interval);
                let watch = if *plain { Watch::Refusal(FIRST_RETRY) } else { Watch::Nothing };
                (watch, Some(*retry))
            }
        }
    }

    /// The hub sent a datagram: the answer to a heartbeat, or any other.
    pub(super) fn hear(&mut self, now: Instant, is_answer: bool) -> Heard {
        let since = self.since();
        let is_first = self.heard.replace(now).is_none();
        match self.state {
            State::Asking | State::Plain if is_answer => {
                self.state = State::Answering;
                self.decide = None;
                Heard::Joined
            }
            // The answer may still arrive: in a busy room messages come first.
            State::Asking => Heard::Nothing,
            State::Plain if is_first => {
                self.decide = None;
                Heard::JoinedPlainly
            }
            State::Away { plain, .. } => {
                self.state = if plain && !is_answer { State::Plain } else { State::Answering };
                Heard::Again(now - since)
            }
            State::SentAway if is_answer => {
                self.state = State::Answering;
                Heard::Again(now - since)
            }
            State::Plain | State::Answering | State::SentAway | State::Moved => Heard::Nothing,
        }
    }

    /// Ends the wait for the first datagram. Returns whether anything was received; `None` while
    /// the wait lasts.
    pub(super) fn decide(&mut self, now: Instant) -> Option<bool> {
        self.decide.take_if(|decide| *decide <= now)?;
        if self.state == State::Asking {
            self.state = State::Plain;
        }
        Some(self.heard.is_some())
    }

    /// The hub is away: silent, refusing or stopped. Returns false if that is known.
    pub(super) fn lose(&mut self) -> bool {
        if matches!(self.state, State::Away { .. } | State::SentAway | State::Moved) {
            return false;
        }
        let plain = self.state != State::Answering;
        self.state = State::Away { plain, retry: FIRST_RETRY };
        self.decide = None;
        true
    }

    /// A plain server no longer refuses. Returns how long it was away, if it was ever heard.
    pub(super) fn find_plainly(&mut self, now: Instant) -> Option<Duration> {
        self.state = State::Plain;
        self.heard.map(|heard| now - heard)
    }

    /// Whether a plain server is away.
    pub(super) fn is_plain_and_away(&self) -> bool {
        matches!(self.state, State::Away { plain: true, .. })
    }

    /// The hub has removed the session. Returns false if that is known.
    pub(super) fn send_away(&mut self) -> bool {
        let is_news = self.state != State::SentAway;
        self.state = State::SentAway;
        self.decide = None;
        is_news
    }

    /// The hub has given our name to another address. Returns false if that is known.
    pub(super) fn move_away(&mut self) -> bool {
        let is_news = self.state != State::Moved;
        self.state = State::Moved;
        is_news
    }

    /// The user wants to be a member again.
    pub(super) fn try_again(&mut self) {
        self.state = State::Away { plain: false, retry: FIRST_RETRY };
    }
}

/// How often a kicked or banned session tries again.
pub(super) const SENT_AWAY_RETRY: Duration = Duration::from_secs(60);
