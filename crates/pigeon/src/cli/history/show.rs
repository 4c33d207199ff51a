//! Prints messages, oldest first.

use std::io::{self, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pigeon_log::{Entry, Position, Query, Reader};
use pigeon_proto::{RoomName, sentence};
use pigeon_text::escape;
use serde_json::Value;

use super::progress::Progress;
use crate::base::status::Status;
use crate::output::{json, remark, wall};
use crate::words::{self, say};

/// Entries per read.
const AT_ONCE: usize = 512;

/// Filter for messages.
pub(super) struct Wanted {
    pub(super) room: Option<RoomName>,
    /// Start, since the Unix epoch, inclusive.
    pub(super) since: Option<Duration>,
    /// End, exclusive.
    pub(super) until: Option<Duration>,
    /// A case-folded name.
    pub(super) from: Option<Box<str>>,
    pub(super) search: Option<Query>,
}

impl Wanted {
    /// Whether an entry passes the filter. The log itself searches for words.
    fn includes(&self, entry: &Entry) -> bool {
        let (wall, speaker) = match entry {
            Entry::Message(message) => (message.wall, Some(&*message.speaker)),
            Entry::Gap(gap) => (gap.wall, None),
        };
        self.since.is_none_or(|since| since <= wall)
            && self.until.is_none_or(|until| wall < until)
            && self.from.as_ref().is_none_or(|from| {
                speaker.is_some_and(|speaker| pigeon_proto::fold(speaker) == *from)
            })
    }
}

/// Prints the matching messages, or a note if none match.
pub(super) fn show(reader: &Reader, wanted: &Wanted, json: bool) -> anyhow::Result<Status> {
    let mut shown: u64 = 0;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut print = |entries: &[Entry]| -> io::Result<()> {
        for entry in entries.iter().filter(|entry| wanted.includes(entry)) {
            match json {
                true => writeln!(out, "{}", object(entry))?,
                false => writeln!(out, "{}", line(entry, wanted.room.is_none()))?,
            }
            shown += 1;
        }
        // So that the next program in a pipe gets them at once.
        out.flush()
    };
    let printed = match &wanted.search {
        Some(query) => search(reader, wanted, query, &mut print)?,
        None => all(reader, wanted, &mut print)?,
    };
    if let Err(error) = printed
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(anyhow::Error::new(error).context(say!("errors-stdout")));
    }
    if shown == 0 {
        remark(say!("history-nothing"));
    }
    Ok(Status::Done)
}

type Print<'a> = &'a mut dyn FnMut(&[Entry]) -> io::Result<()>;

/// Prints up to the entry that is newest now: a busy hub would extend the output for ever.
fn all(reader: &Reader, wanted: &Wanted, print: Print<'_>) -> anyhow::Result<io::Result<()>> {
    let room = wanted.room.as_ref();
    let end = reader.newest(room)?;
    let mut progress = Progress::new(true);
    let (mut position, mut read) = (Position::START, 0);
    while position < end {
        let entries = reader.after(position, room, AT_ONCE)?;
        let Some(last) = entries.last() else { break };
        position = last.position();
        let until = entries.partition_point(|entry| entry.position() <= end);
        if let Err(error) = print(&entries[..until]) {
            return Ok(Err(error));
        }
        read += until;
        progress.step(|| say!("history-looked-at", count = read));
    }
    Ok(Ok(()))
}

/// Prints entries that contain the words. A search goes from newest to oldest, so it collects
/// positions first.
fn search(
    reader: &Reader,
    wanted: &Wanted,
    query: &Query,
    print: Print<'_>,
) -> anyhow::Result<io::Result<()>> {
    let mut progress = Progress::new(false);
    let (mut found, mut before) = (Vec::new(), Position::END);
    loop {
        let page = reader.search(query, wanted.room.as_ref(), AT_ONCE, before)?;
        let fits =
            page.messages.iter().filter(|it| wanted.includes(&Entry::Message((*it).clone())));
        found.extend(fits.map(|message| message.position));
        progress.step(|| say!("history-found", count = found.len()));
        let Some(more) = page.more else { break };
        before = more;
    }
    drop(progress);
    for position in found.into_iter().rev() {
        if let Some(entry) = entry_at(reader, position)?
            && let Err(error) = print(&[entry])
        {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// Reads an entry; `None` if it has been deleted.
fn entry_at(reader: &Reader, position: Position) -> anyhow::Result<Option<Entry>> {
    let before = Position::new(position.get().saturating_sub(1)).unwrap_or_default();
    let entry = reader.after(before, None, 1)?.pop();
    Ok(entry.filter(|entry| entry.position() == position))
}

/// An entry for people: `[2026-11-20 21:04:05] lobby 狗哥 (plain): 你好`.
fn line(entry: &Entry, with_room: bool) -> String {
    let time = |wall| wall::date_and_seconds(&wall::local(Some(wall)));
    let room = match with_room {
        true => format!("{} ", escape(entry.room().as_str())),
        false => String::new(),
    };
    match entry {
        Entry::Message(message) => format!(
            "[{}] {room}{} ({}): {}",
            time(message.wall),
            escape(&*message.speaker),
            sentence::link(message.link, words::language()),
            escape(&*message.text)
        ),
        Entry::Gap(gap) => {
            format!("[{}] {room}* {}", time(gap.wall), say!("history-missing", count = gap.count))
        }
    }
}

/// An entry as JSON, as the help describes it.
fn object(entry: &Entry) -> String {
    let wall = match entry {
        Entry::Message(message) => message.wall,
        Entry::Gap(gap) => gap.wall,
    };
    let kind = if entry.message().is_some() { "message" } else { "gap" };
    let mut fields: Vec<(&str, Value)> = vec![
        ("time", wall::rfc3339(&wall::local(Some(wall))).into()),
        ("kind", kind.into()),
        ("position", entry.position().get().into()),
        ("room", entry.room().as_str().into()),
    ];
    match entry {
        Entry::Message(message) => {
            fields.push(("from", (*message.speaker).into()));
            fields.push(("link", message.link.word().into()));
            fields.push(match std::str::from_utf8(&message.text) {
                Ok(text) => ("text", text.into()),
                Err(_) => ("base64", STANDARD.encode(&message.text).into()),
            });
        }
        Entry::Gap(gap) => fields.push(("missing", gap.count.into())),
    }
    json::counts(&fields)
}
