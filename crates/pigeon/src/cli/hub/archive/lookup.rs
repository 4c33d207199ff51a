//! Members' requests for what was said before, answered on reader threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use pigeon_hub::{Found, FoundLine, Lookup, Wanted};
use pigeon_log::{Entry, Log, Position, Query, ReadError, Reader};
use pigeon_proto::{Label, Notice, Text};
use tracing::warn;

use super::shared::Shared;
use crate::base::system_error;
use crate::base::thread;
use crate::output::wall;
use crate::words::say;

/// Queue length of each reader. If it is full, the member's request is refused.
const QUESTIONS: usize = 256;

/// Maximum number of steps of a search with few results. Each takes some milliseconds.
const SEARCHES: usize = 8;

/// Starts a reader thread.
pub(super) fn read_on_a_thread(
    name: &str,
    log: &Log,
    shared: Arc<Shared>,
) -> anyhow::Result<SyncSender<Lookup>> {
    let reader = log.reader().with_context(|| say!("hub-log-unread"))?;
    let (sender, questions): (_, Receiver<Lookup>) = sync_channel(QUESTIONS);
    thread::spawn(name, move || {
        for lookup in questions {
            let found = find(&reader, &lookup);
            if let Err(error) = &found {
                warn!("{}", system_error::whole(error));
            }
            shared.answer(lookup, found.ok().flatten());
        }
    })?;
    Ok(sender)
}

/// Reads what was requested. `None`: it would take too long.
fn find(reader: &Reader, lookup: &Lookup) -> Result<Option<Found>, ReadError> {
    let most = usize::from(lookup.most);
    let (mut entries, has_earlier) = match &lookup.wanted {
        Wanted::Before(position) => {
            let before = position.and_then(Position::new).unwrap_or(Position::END);
            // One more than requested shows whether there are more.
            let mut entries = reader.before(before, Some(&lookup.room), most + 1)?;
            let has_earlier = entries.len() > most;
            entries.drain(..entries.len().saturating_sub(most));
            (entries, has_earlier)
        }
        Wanted::Matching(words) => {
            let Some(query) = Query::parse(words) else { return Ok(Some(Found::default())) };
            let (mut messages, mut before) = (Vec::new(), Some(Position::END));
            for _ in 0..SEARCHES {
                let Some(position) = before.filter(|_| messages.len() < most) else { break };
                let left = most - messages.len();
                let found = reader.search(&query, Some(&lookup.room), left, position)?;
                messages.extend(found.messages);
                before = found.more;
            }
            if messages.is_empty() && before.is_some() {
                return Ok(None);
            }
            let entries = messages.into_iter().rev().map(Entry::Message).collect();
            // In a search, a position does not say where to continue.
            (entries, false)
        }
    };
    Ok(Some(Found { lines: entries.drain(..).filter_map(|it| line(&it)).collect(), has_earlier }))
}

/// An entry as sent to members. `None` if it has no text, which only an import can cause.
fn line(entry: &Entry) -> Option<FoundLine> {
    let (notice, wall) = match entry {
        Entry::Message(message) => {
            let unknown = || Label::parse("?");
            let notice = Notice::Said {
                position: message.position.get(),
                time: message.wall.as_secs(),
                link: message.link,
                name: Label::parse(&message.speaker).or_else(unknown)?,
                text: Text::of(&message.text)?,
            };
            (notice, message.wall)
        }
        Entry::Gap(gap) => {
            let (position, time) = (gap.position.get(), gap.wall.as_secs());
            (Notice::Missing { position, time, count: gap.count }, gap.wall)
        }
    };
    let when = wall::local(Some(wall)).strftime("%Y-%m-%d %H:%M").to_string();
    Some(FoundLine { notice, when: when.into() })
}
