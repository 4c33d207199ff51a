//! A log in its own folder, and its reports.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use pigeon_log::{
    Append, Entry, Identity, Log, Numbering, OpenError, Options, Outcome, Position, ReadError,
    Reader, Report, Ticket,
};
use pigeon_proto::{LinkKind, RoomName};
use tempfile::TempDir;

/// How long a test waits for an expected report.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) log: Option<Log>,
    sender: Sender<Report>,
    reports: Receiver<Report>,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let (sender, reports) = mpsc::channel();
        let mut fixture = Fixture { folder, log: None, sender, reports };
        fixture.open(options).unwrap();
        fixture
    }

    pub(crate) fn open(&mut self, options: Options) -> Result<(), OpenError> {
        self.log = None;
        let sender = self.sender.clone();
        let report = move |report| drop(sender.send(report));
        self.log = Some(Log::open(self.folder.path(), options, report)?);
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    /// Queues messages and returns their outcomes.
    pub(crate) fn append(&self, messages: impl IntoIterator<Item = Append>) -> Vec<Outcome> {
        let tickets: Vec<Ticket> =
            messages.into_iter().map(|message| self.log().try_append(message).unwrap()).collect();
        self.outcomes(&tickets)
    }

    pub(crate) fn append_one(&self, message: Append) -> Outcome {
        self.append([message])[0]
    }

    pub(crate) fn outcomes(&self, tickets: &[Ticket]) -> Vec<Outcome> {
        let mut found = Vec::new();
        while found.len() < tickets.len() {
            if let Report::Settled { outcomes, durable } = self.report() {
                for (ticket, outcome) in outcomes {
                    if let Outcome::Stored { position } = outcome {
                        assert!(position <= durable, "an acknowledgement means durable");
                    }
                    if let Some(expected) = tickets.get(found.len())
                        && ticket == *expected
                    {
                        found.push(outcome);
                    }
                }
            }
        }
        found
    }

    pub(crate) fn report(&self) -> Report {
        self.reports.recv_timeout(PATIENCE).expect("a report in time")
    }

    pub(crate) fn wait_for<T>(&self, mut wanted: impl FnMut(&Report) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.report()) {
                return found;
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Entry> {
        everything(&self.log().reader().unwrap()).unwrap()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.all().iter().map(text).collect()
    }

    /// Waits until everything is in the index.
    pub(crate) fn wait_indexed(&self) {
        wait_until("the index", || self.log().indexed() >= self.log().durable());
    }
}

/// Reads a log from the beginning to its end.
pub(crate) fn everything(reader: &Reader) -> Result<Vec<Entry>, ReadError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let position = all.last().map_or(Position::START, Entry::position);
        let entries = reader.after(position, None, 100_000)?;
        if entries.is_empty() {
            return Ok(all);
        }
        all.extend(entries);
    }
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn text(entry: &Entry) -> String {
    match entry {
        Entry::Message(message) => String::from_utf8_lossy(&message.text).into_owned(),
        Entry::Gap(gap) => format!("gap of {}", gap.count),
    }
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name.as_bytes()).unwrap()
}

/// A message of a member with a key.
pub(crate) fn keyed(author: u128, number: u64, text: &str) -> Append {
    Append {
        room: room("lobby"),
        speaker: "狗哥".into(),
        link: LinkKind::Key,
        wall: Duration::from_millis(1_795_824_000_000 + number),
        text: text.as_bytes().into(),
        identity: Identity { author, outbox: 7, number },
        numbering: Numbering::ByAuthor { after: number.saturating_sub(1) },
    }
}

/// A message of a member without a key.
pub(crate) fn plain(number: u64, text: &str) -> Append {
    Append {
        link: LinkKind::Plain,
        identity: Identity { author: 1, outbox: 0, number },
        numbering: Numbering::ByHub,
        ..keyed(1, number, text)
    }
}

/// Reproducible pseudorandom numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound.max(1)
    }

    pub(crate) fn chance(&mut self, one_of: usize) -> bool {
        self.below(one_of) == 0
    }
}

/// The number of random rounds: `default`, or the environment's.
pub(crate) fn rounds(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
