//! Reads older entries in a separate thread, so that no loop waits for a disk.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pigeon_hub::reliable::{Answer, Earlier, Read, ReadId, search};
use pigeon_log::{Entry, Query, ReadError, Reader};
use pigeon_net::Waker;
use pigeon_proto::{Identity, Position, RoomName};
use tracing::warn;

use crate::base::{system_error, thread};
use crate::cli::hub::cluster::Shown;
use crate::cli::hub::room_log::All;

/// Length of the queue. Each connection has one request at a time, and repeats it if the queue is
/// full.
const QUESTIONS: usize = 1_024;

/// A thread that reads the log.
pub(super) struct Reading {
    questions: SyncSender<(ReadId, Read)>,
    answers: Arc<Mutex<Vec<(ReadId, Answer)>>>,
}

impl Reading {
    /// Starts the thread. It wakes the loop after each answer.
    pub(super) fn start(name: &str, log: All, waker: Waker) -> anyhow::Result<Reading> {
        let (questions, asked): (_, Receiver<(ReadId, Read)>) = sync_channel(QUESTIONS);
        let answers: Arc<Mutex<Vec<_>>> = Arc::default();
        let given = Arc::clone(&answers);
        thread::spawn(name, move || {
            let mut unknown = Unknown::default();
            for (id, question) in asked {
                let answer = match &log {
                    All::Memory(log) => match &question {
                        Read::Earlier(earlier) => {
                            let entries = log.lock().before(earlier);
                            search(entries, earlier)
                        }
                        question => log.lock().read(question),
                    },
                    All::Disk(reader, shown) => {
                        let answer = match shown {
                            None => read(reader, question),
                            Some(shown) => read_shown(reader, shown, question, &mut unknown),
                        };
                        answer.unwrap_or_else(|error| {
                            warn!("{}", system_error::whole(&error));
                            Answer::Failed
                        })
                    }
                };
                given.lock().unwrap_or_else(PoisonError::into_inner).push((id, answer));
                waker.wake();
            }
        })?;
        Ok(Reading { questions, answers })
    }

    /// Queues a request. False if the queue is full.
    pub(super) fn ask(&self, id: ReadId, read: Read) -> bool {
        match self.questions.try_send((id, read)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The answers since the last call.
    pub(super) fn answers(&self) -> Vec<(ReadId, Answer)> {
        std::mem::take(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(reader: &Reader, question: Read) -> Result<Answer, ReadError> {
    Ok(match question {
        Read::Outbox { author, outbox } => Answer::Last(reader.last_number(author, outbox)?),
        Read::Follow { seen, deletion } => Answer::Follow(reader.follow(Some(seen), deletion)?),
        Read::Before { room, count } => read_before(reader, Position::END, &room, count)?,
        Read::Earlier(earlier) => read_earlier(reader, &earlier)?,
        Read::After { room, after, limit } => {
            Answer::Entries(reader.after(after, Some(&room), limit)?)
        }
    })
}

/// Messages that followers from other hubs have seen and this log does not hold, and since when.
type Unknown = HashMap<(Position, Identity), Instant>;

/// How long a follower from another hub waits for this one to read what that one had read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum number of such messages.
const MOST_UNKNOWN: usize = 10_000;

/// Reads what followers may read while other hubs decide the order.
fn read_shown(
    reader: &Reader,
    shown: &Shown,
    question: Read,
    unknown: &mut Unknown,
) -> Result<Answer, ReadError> {
    Ok(match question {
        // Another hub may have stored more of the outbox.
        Read::Outbox { .. } if !shown.is_in_order() => Answer::NotYet,
        Read::Follow { seen, deletion } => {
            let follow = reader.follow(Some(seen), deletion)?;
            if unknown.len() >= MOST_UNKNOWN {
                unknown.clear();
            }
            let key = (seen.position, seen.identity);
            let waits = unknown.get(&key).is_none_or(|since| since.elapsed() < PATIENCE);
            match shown.follow(reader, seen, follow, waits)? {
                Some(follow) => {
                    unknown.remove(&key);
                    Answer::Follow(follow)
                }
                None => {
                    unknown.entry(key).or_insert_with(Instant::now);
                    Answer::NotYet
                }
            }
        }
        Read::Before { room, count } => read_before(reader, shown.before(), &room, count)?,
        Read::Earlier(earlier) => {
            let before = earlier.before.min(shown.before());
            read_earlier(reader, &Earlier { before, ..earlier })?
        }
        Read::After { room, after, limit } => {
            let mut entries = reader.after(after, Some(&room), limit)?;
            shown.cut(&mut entries);
            Answer::Entries(entries)
        }
        question @ Read::Outbox { .. } => read(reader, question)?,
    })
}

fn read_before(
    reader: &Reader,
    end: Position,
    room: &RoomName,
    count: usize,
) -> Result<Answer, ReadError> {
    let entries = reader.before(end, Some(room), count)?;
    let newest = entries.last().map_or(Position::START, |last| last.position());
    // Reading after the predecessor of the first entry starts with the first entry.
    let before = match entries.first() {
        Some(first) => reader.before(first.position(), Some(room), 1)?,
        None => Vec::new(),
    };
    let place = before.last().map(|entry| entry.position());
    let first = entries.first().map(|entry| entry.position());
    Ok(Answer::Before(match (place, first) {
        (Some(place), _) => place,
        (None, Some(_)) => Position::START,
        (None, None) => newest,
    }))
}

/// Maximum number of steps of a search with few results. Each takes some milliseconds.
const SEARCHES: usize = 4;

fn read_earlier(reader: &Reader, earlier: &Earlier) -> Result<Answer, ReadError> {
    let Earlier { room, words, before, limit, .. } = earlier;
    let nothing = Answer::Earlier { entries: Vec::new(), more: None };
    if *limit == 0 {
        return Ok(nothing);
    }
    let Some(words) = words else {
        let entries = reader.before(*before, Some(room), *limit)?;
        // A read returns fewer entries than requested where these are large.
        let first = entries.first().map(Entry::position);
        let has_more = match first {
            Some(first) => !reader.before(first, Some(room), 1)?.is_empty(),
            None => false,
        };
        return Ok(Answer::Earlier { entries, more: first.filter(|_| has_more) });
    };
    let Some(query) = Query::parse(words) else { return Ok(nothing) };
    let (mut messages, mut more) = (Vec::new(), Some(*before));
    for _ in 0..SEARCHES {
        let Some(position) = more.filter(|_| messages.len() < *limit) else { break };
        let found = reader.search(&query, Some(room), limit - messages.len(), position)?;
        messages.extend(found.messages);
        more = found.more;
    }
    let entries = messages.into_iter().rev().map(Entry::Message).collect();
    Ok(Answer::Earlier { entries, more })
}
