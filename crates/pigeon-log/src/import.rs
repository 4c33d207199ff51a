//! Import of JSON lines, as written by [`export`](crate::Reader::export).
//!
//! A message keeps its identity, so a second import changes nothing. It gets a new position and the
//! link [`LinkKind::Import`], which marks its author as unverified.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pigeon_proto::{LinkKind, NameError, RoomName};
use serde_json::Value;
use thiserror::Error;

use crate::queue::Queue;
use crate::{Append, Identity, Numbering, Outcome, Trouble};

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries stored.
    pub stored: u64,
    /// Entries that the log had already.
    pub known: u64,
    /// Messages not stored because another message has the same identity.
    pub conflicts: u64,
    /// Invalid lines, which were skipped.
    pub bad: u64,
    /// The first bad lines, by line number, with the error.
    pub bad_lines: Vec<(u64, BadLine)>,
}

/// Why a line is not an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadLine {
    /// It is longer than this number of bytes.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// This field is missing, or not a text.
    #[error("`{0}` is not a text")]
    NotText(&'static str),
    /// This field is missing, or not a number.
    #[error("`{0}` is not a number")]
    NotNumber(&'static str),
    /// This field is not hexadecimal.
    #[error("`{0}` is not hexadecimal")]
    NotHex(&'static str),
    /// The number in this field is too large, or 0.
    #[error("`{0}` is out of range")]
    OutOfRange(&'static str),
    /// The room's name is not valid.
    #[error("`room`: {0}")]
    Room(NameError),
    /// The field `base64` cannot be decoded.
    #[error("`base64`: {0}")]
    NotBase64(String),
}

/// Why an import stopped early. Entries stored so far stay; importing again continues.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The lines could not be read.
    #[error("cannot read line {line}: {source}")]
    Read {
        /// The line.
        line: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The log cannot be written at present.
    #[error("cannot store what is before line {line}: {trouble}")]
    Unable {
        /// The next line.
        line: u64,
        /// The reason.
        trouble: Trouble,
    },
    /// The log is closed.
    #[error("cannot store what is before line {line}: the log is closed")]
    Closed {
        /// The next line.
        line: u64,
    },
}

/// Imported entries for one transaction.
pub(crate) struct Chunk {
    pub(crate) items: Vec<ChunkItem>,
    pub(crate) reply: Sender<Result<Vec<Outcome>, Trouble>>,
}

pub(crate) enum ChunkItem {
    Message(Append),
    Gap(ImportedGap),
}

pub(crate) struct ImportedGap {
    pub(crate) room: RoomName,
    pub(crate) count: u64,
    pub(crate) wall: Duration,
}

/// Lines per transaction: the hub's messages wait no longer than that takes.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 1 << 20;
/// The longest line accepted.
const MAX_LINE: usize = 1 << 20;
/// Maximum number of invalid lines reported individually.
const MAX_BAD_LINES: usize = 100;

/// Reads all lines and waits until they are stored.
pub(crate) fn import(queue: &Queue, lines: impl BufRead) -> Result<Imported, ImportError> {
    let imported = store_lines(queue, lines);
    // An empty chunk is the last. If the log is closed, the next start finishes the import.
    let (reply, _) = mpsc::channel();
    let _ = queue.push_chunk(Chunk { items: Vec::new(), reply });
    imported
}

fn store_lines(queue: &Queue, mut lines: impl BufRead) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let (mut items, mut bytes, mut line) = (Vec::new(), 0, 0);
    let mut buffer = Vec::new();
    loop {
        line += 1;
        buffer.clear();
        let read = (&mut lines).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut buffer);
        let read = read.map_err(|source| ImportError::Read { line, source })?;
        if read > MAX_LINE {
            skip_line(&mut lines).map_err(|source| ImportError::Read { line, source })?;
            imported.note_bad(line, BadLine::TooLong(MAX_LINE));
        } else if !buffer.trim_ascii().is_empty() {
            match parse(buffer.trim_ascii()) {
                Ok(item) => items.push(item),
                Err(what) => imported.note_bad(line, what),
            }
            bytes += read;
        }
        if items.len() >= CHUNK || bytes >= CHUNK_BYTES || (read == 0 && !items.is_empty()) {
            imported.store(queue, std::mem::take(&mut items), line)?;
            bytes = 0;
        }
        if read == 0 {
            return Ok(imported);
        }
    }
}

impl Imported {
    fn note_bad(&mut self, line: u64, what: BadLine) {
        self.bad += 1;
        if self.bad_lines.len() < MAX_BAD_LINES {
            self.bad_lines.push((line, what));
        }
    }

    fn store(
        &mut self,
        queue: &Queue,
        items: Vec<ChunkItem>,
        line: u64,
    ) -> Result<(), ImportError> {
        let (reply, answer) = mpsc::channel();
        if !queue.push_chunk(Chunk { items, reply }) {
            return Err(ImportError::Closed { line });
        }
        let outcomes = answer.recv().map_err(|_| ImportError::Closed { line })?;
        for outcome in outcomes.map_err(|trouble| ImportError::Unable { line, trouble })? {
            match outcome {
                Outcome::Stored { .. } => self.stored += 1,
                Outcome::Again { .. } => self.known += 1,
                _ => self.conflicts += 1,
            }
        }
        Ok(())
    }
}

fn skip_line(lines: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = lines.fill_buf()?;
        let (skip, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        lines.consume(skip);
        if done {
            return Ok(());
        }
    }
}

fn parse(line: &[u8]) -> Result<ChunkItem, BadLine> {
    let value: Value =
        serde_json::from_slice(line).map_err(|error| BadLine::NotJson(error.to_string()))?;
    let field = |name: &str| value.get(name);
    let text = |name| field(name).and_then(Value::as_str).ok_or(BadLine::NotText(name));
    let number = |name| field(name).and_then(Value::as_u64).ok_or(BadLine::NotNumber(name));
    let room = RoomName::parse(text("room")?.as_bytes()).map_err(BadLine::Room)?;
    let wall = Duration::from_millis(number("unix_ms")?);
    if field("missing").is_some() {
        let count = number("missing")?;
        if i64::try_from(count).is_err() {
            return Err(BadLine::OutOfRange("missing"));
        }
        return Ok(ChunkItem::Gap(ImportedGap { room, count, wall }));
    }
    let said = match field("base64") {
        Some(_) => STANDARD
            .decode(text("base64")?)
            .map_err(|error| BadLine::NotBase64(error.to_string()))?,
        None => text("text")?.as_bytes().to_vec(),
    };
    let hex = |name| u128::from_str_radix(text(name)?, 16).map_err(|_| BadLine::NotHex(name));
    let outbox = u64::try_from(hex("outbox")?).map_err(|_| BadLine::OutOfRange("outbox"))?;
    let number = number("number")?;
    if number == 0 || i64::try_from(number).is_err() {
        return Err(BadLine::OutOfRange("number"));
    }
    Ok(ChunkItem::Message(Append {
        room,
        speaker: text("from")?.into(),
        link: LinkKind::Import,
        wall,
        text: said.into(),
        identity: Identity { author: hex("author")?, outbox, number },
        numbering: Numbering::ByHub,
    }))
}
