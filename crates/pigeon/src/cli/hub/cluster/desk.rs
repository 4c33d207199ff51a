//! What three threads share: the cluster's own, the log's writer, and the hub's loop.
//!
//! ```text
//!   the hub's loop ── Input ──────────────▶ the cluster's thread
//!        ▲                                    │ Event::Store
//!        │ Desk: settled, heard, news         ▼
//!        └──────────────────────────────── the log's writer ── Stored ──▶ the cluster's thread
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pigeon_cluster::{Outcome as Decided, Rewind, Said, Saved, State, Statistics, Waiting};
use pigeon_hub::{LinkId, Message};
use pigeon_log::{Append, DecidedEntries, Fact, Numbering, Outcome, Ticket};
use pigeon_nats::{Event, Input, Inputs};
use pigeon_net::Waker;
use pigeon_proto::{Position, Reason};
use serde_json::Value;
use tracing::error;

use super::shown::Shown;
use crate::cli::hub::archive::{Settled, Unstored};
use crate::words::say;

/// Maximum number of reliable members' messages without an outcome.
const MOST_SAYS: usize = 65_536;

/// Maximum number of messages from other hubs that wait for the hub's loop.
const MOST_HEARD: usize = 65_536;

/// Maximum number of them that the hub relays before it serves its sockets again.
const AT_ONCE: usize = 1_024;

/// Something for people.
pub(super) enum News {
    /// The state, and the number of other hubs.
    State(State, usize),
    Differs(Vec<String>),
    Trouble(String),
    /// The maximum bytes that the brokers accept at once.
    Limit(usize),
    /// What another hub says about itself.
    About(u128, Value),
    Broadcast(u128, Value),
    Gone(u128),
}

/// Maximum number of news that wait.
const MOST_NEWS: usize = 4_096;

#[derive(Default)]
struct Inner {
    /// What is being stored.
    storing: Option<(Ticket, Saved)>,
    tickets: u64,
    /// Reliable members' messages without an outcome.
    says: BTreeMap<u64, Unsettled>,
    settled: BTreeMap<LinkId, Vec<Settled>>,
    /// The longest time until an outcome, since it was last asked for.
    lag: Duration,
    heard: VecDeque<Message>,
    rewinds: Vec<Rewind>,
    news: Vec<News>,
    counts: Counts,
}

/// Counters.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) order: Statistics,
    pub(super) waiting: Waiting,
    /// Plain members' messages, of this hub or of others, that had no room before or after the order.
    lost: u64,
    /// Reliable members' messages that had no room before the order.
    refused: u64,
}

impl Counts {
    /// Plain members' messages that had no room to wait.
    pub(super) fn dropped(&self) -> u64 {
        self.lost + self.order.dropped
    }

    /// Reliable members' messages that had no room to wait.
    pub(super) fn refused(&self) -> u64 {
        self.refused + self.order.refused
    }
}

struct Unsettled {
    link: LinkId,
    unstored: Unstored,
    since: Instant,
}

pub(super) struct Desk {
    inner: Mutex<Inner>,
    inputs: OnceLock<Inputs>,
    entries: DecidedEntries,
    pub(super) shown: Shown,
    hub: Arc<OnceLock<Waker>>,
}

impl Desk {
    pub(super) fn new(entries: DecidedEntries, shown: Shown, hub: Arc<OnceLock<Waker>>) -> Desk {
        Desk { inner: Mutex::default(), inputs: OnceLock::new(), entries, shown, hub }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.hub.get().into_iter().for_each(Waker::wake);
    }

    /// Starts handing in. Events that come before wait for it.
    pub(super) fn start(&self, inputs: Inputs) {
        let _ = self.inputs.set(inputs);
    }

    pub(super) fn input(&self, input: Input) -> bool {
        self.inputs.wait().input(input)
    }

    /// What the other hubs hear about this one.
    pub(super) fn set_about(&self, about: Value) {
        self.inputs.wait().set_about(about);
    }
}

/// The cluster's thread.
impl Desk {
    pub(super) fn event(&self, event: Event) {
        match event {
            Event::Store { messages, saved } => return self.store(messages, saved),
            Event::Settled(settled) => self.settle(settled),
            Event::Heard(messages) => self.hear(messages),
            Event::Rewound(rewind) => {
                let rewinds = &mut self.lock().rewinds;
                // One for all messages of an epoch: each costs a walk over all followers.
                if !rewinds.last_mut().is_some_and(|last| last.extend(rewind)) {
                    rewinds.push(rewind);
                }
            }
            // Followed by a place that says so.
            Event::Released => {}
            Event::State { state, others } => {
                self.shown.set_in_order(state == State::InOrder);
                self.tell(News::State(state, others));
            }
            Event::About { hub, about } => self.tell(News::About(hub, about)),
            Event::Broadcast { hub, body } => self.tell(News::Broadcast(hub, body)),
            Event::Gone(hub) => self.tell(News::Gone(hub)),
            Event::Differs(what) => self.tell(News::Differs(what)),
            Event::Trouble(why) => self.tell(News::Trouble(why)),
            Event::Limit(bytes) => self.tell(News::Limit(bytes)),
            Event::Counts { statistics, waiting } => {
                let counts = &mut self.lock().counts;
                (counts.order, counts.waiting) = (statistics, waiting);
                return;
            }
        }
        self.wake();
    }

    fn store(&self, messages: Vec<Said>, saved: Saved) {
        let appends = messages.into_iter().map(append).collect();
        let place = serde_json::to_string(&saved).unwrap_or_default().into();
        let fact = Fact::Place { epoch: saved.epoch, place };
        // Locked until the ticket is known, or the writer could settle it first.
        let mut inner = self.lock();
        match self.entries.try_store(appends, &fact) {
            Ok(ticket) => inner.storing = Some((ticket, saved)),
            Err(_) => {
                drop(inner);
                self.input(Input::Stored(false));
            }
        }
    }

    fn settle(&self, settled: Vec<(u64, Decided)>) {
        let mut inner = self.lock();
        for (ticket, decided) in settled {
            let Some(unsettled) = inner.says.remove(&ticket) else { continue };
            let Unsettled { link, unstored: Unstored { id, message, .. }, since } = unsettled;
            inner.lag = inner.lag.max(since.elapsed());
            let position = Position::START;
            let outcome = match decided {
                Decided::Stored => Ok(Outcome::Stored { position }),
                Decided::Again => Ok(Outcome::Again { position: Some(position) }),
                Decided::Deleted => Ok(Outcome::Again { position: None }),
                Decided::Conflict => Ok(Outcome::Conflict { position }),
                Decided::Expected(expected) => Ok(Outcome::Gap { expected }),
                Decided::Full => Ok(Outcome::NotStored),
                Decided::TooLong { most } => {
                    Err(Reason::TooLong { length: message.text.len() as u64, most })
                }
            };
            inner.settled.entry(link).or_default().push(Settled { id, message, outcome });
        }
    }

    fn hear(&self, messages: Vec<pigeon_proto::Message>) {
        let mut inner = self.lock();
        let room = MOST_HEARD.saturating_sub(inner.heard.len());
        inner.counts.lost += messages.len().saturating_sub(room) as u64;
        inner.heard.extend(messages.into_iter().take(room).map(heard));
    }

    fn tell(&self, news: News) {
        let mut inner = self.lock();
        // What is told may be lost, and comes again.
        if inner.news.len() < MOST_NEWS || !matches!(news, News::Broadcast(..) | News::Trouble(_)) {
            inner.news.push(news);
        }
    }
}

/// The log's writer.
impl Desk {
    /// Outcomes of the log.
    pub(super) fn stored(&self, outcomes: &[(Ticket, Outcome)]) {
        let mut inner = self.lock();
        let Some((ticket, _)) = &inner.storing else { return };
        let Some((_, outcome)) = outcomes.iter().find(|(other, _)| other == ticket) else { return };
        let Some((_, saved)) = inner.storing.take() else { return };
        drop(inner);
        let is_stored = *outcome == Outcome::Kept;
        match is_stored {
            true => self.shown.stored(saved),
            false => error!("{}", say!("hub-cluster-unstored")),
        }
        self.input(Input::Stored(is_stored));
    }
}

/// The hub's loop.
impl Desk {
    /// Hands in a reliable member's message. False if too many wait.
    pub(super) fn say(&self, link: LinkId, unstored: Unstored, said: Said) -> bool {
        let mut inner = self.lock();
        if inner.says.len() >= MOST_SAYS {
            inner.counts.refused += 1;
            return false;
        }
        inner.tickets += 1;
        let (ticket, since) = (inner.tickets, Instant::now());
        inner.says.insert(ticket, Unsettled { link, unstored, since });
        drop(inner);
        let is_taken = self.input(Input::Say { ticket, said });
        if !is_taken {
            let mut inner = self.lock();
            inner.says.remove(&ticket);
            inner.counts.refused += 1;
        }
        is_taken
    }

    pub(super) fn say_plain(&self, messages: Vec<pigeon_proto::Message>) {
        let count = messages.len() as u64;
        if !self.input(Input::Plain(messages)) {
            self.lock().counts.lost += count;
        }
    }

    pub(super) fn settled(&self, link: LinkId) -> Vec<Settled> {
        self.lock().settled.remove(&link).unwrap_or_default()
    }

    /// The next messages from other hubs. The hub is woken again if there are more.
    pub(super) fn take_heard(&self) -> Vec<Message> {
        let mut inner = self.lock();
        let count = inner.heard.len().min(AT_ONCE);
        let heard = inner.heard.drain(..count).collect();
        if !inner.heard.is_empty() {
            self.wake();
        }
        heard
    }

    pub(super) fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.lock().news)
    }

    pub(super) fn take_rewinds(&self) -> Vec<Rewind> {
        std::mem::take(&mut self.lock().rewinds)
    }

    /// The longest time until an outcome, or that a message has waited, since the last call; and how
    /// many wait.
    pub(super) fn take_lag(&self) -> (Duration, usize) {
        let mut inner = self.lock();
        let oldest = inner.says.first_key_value().map(|(_, oldest)| oldest.since.elapsed());
        let lag = std::mem::take(&mut inner.lag).max(oldest.unwrap_or_default());
        (lag, inner.says.len())
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }
}

/// A message from another hub, for the hub's loop.
fn heard(message: pigeon_proto::Message) -> Message {
    let pigeon_proto::Message { room, speaker, link, wall, text, identity, .. } = message;
    Message {
        room,
        speaker: None,
        label: speaker,
        link,
        wall,
        text,
        identity,
        is_raw: false,
        is_stored: true,
    }
}

fn append(said: Said) -> Append {
    let pigeon_proto::Message { position, room, speaker, link, wall, text, identity } =
        said.message;
    let numbering = Numbering::Decided { position };
    Append { room, speaker, link, wall, text, identity, numbering }
}
