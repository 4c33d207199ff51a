//! Measures the log's overhead over bare loops on the same SQLite.
//!
//! ```text
//! cargo bench -p pigeon-log --bench log -- [durable|indexed|search|export|all]
//! ```
//!
//! - `durable`: messages per second in groups of 1, 8, 64 and 512, one transaction each; while one
//!   group is synced, the next is queued. The index catches up between the rounds. The floor
//!   (`bare.rs`) inserts the same rows into one table without an index, one transaction per group.
//!   Target: 0.6 of the floor.
//! - `indexed`: messages per second until all are stored *and* indexed. The floor inserts into the
//!   table and the index (pairs of Chinese characters, `unicode61`) in one transaction of
//!   512. Target: 0.8 of it.
//! - `search`: 2,000 queries among 1,000,000 messages, the newest 20 of each. Target: 99 of 100
//!   within 20 ms. The worst possible queries: no call takes more than 100 ms.
//! - `export`: messages per second in groups of 64 during a continuous export, compared with the
//!   rate without one. Target: 0.9.
//!
//! Rounds of the log and of the floor alternate, and each round yields a ratio. The files are in
//! Cargo's target folder, so that folder's disk is measured. Takes some minutes and 2 GB. Linux
//! only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

mod bare;
mod text;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use pigeon_log::{
    Append, AppendError, Identity, Log, Numbering, Options, Outcome, Position, Query, Reader,
    Report,
};
use pigeon_perf::cargo::Cargo;
use pigeon_perf::parts;
use pigeon_perf::report::{self, Row, Wanted};
use pigeon_perf::spread::{Spread, percentile};
use pigeon_proto::{LinkKind, RoomName};

use crate::bare::Bare;
use crate::text::Text;

const ROUNDS: usize = 5;
const INDEXED_MESSAGES: usize = 150_000;
const SEARCHED_MESSAGES: usize = 1_000_000;
const QUERIES: usize = 2_000;
const ROOMS: usize = 8;
const SPEAKERS: usize = 200;

/// Group sizes, and messages per round: about half a second of work.
const GROUPS: [(usize, usize); 4] = [(1, 4_000), (8, 30_000), (64, 100_000), (512, 200_000)];

type Part = fn(&mut report::Report);

fn main() {
    pigeon_perf::cargo::set(Cargo {
        pigeon: "",
        package: env!("CARGO_MANIFEST_DIR"),
        target_tmp: env!("CARGO_TARGET_TMPDIR"),
    });
    let all: [(&str, Part); 4] =
        [("durable", durable), ("indexed", indexed), ("search", search), ("export", export)];
    let mut report = report::Report::new("log");
    for part in parts::chosen(&parts::words(), &all) {
        part(&mut report);
    }
    report::end([report]);
}

fn durable(report: &mut report::Report) {
    report.section("messages of 200 bytes a second, each group on the disk before it counts");
    let text = Text::latin(200);
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for (group, messages) in GROUPS {
        let mut ours = Ours::new(Options { index_lag: usize::MAX, ..Options::default() });
        let mut bare = Bare::new(&folder("bare"), false);
        let (mut our_rates, mut bare_rates) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let our_rate = ours.rate(&text, group, messages);
            ours.wait_indexed();
            let bare_rate = bare.rate(&text, group, messages);
            // The first round only warms up: it touches memory and creates files.
            if round > 0 {
                our_rates.push(our_rate);
                bare_rates.push(bare_rate);
            }
        }
        let ratio = Spread::of(our_rates.iter().zip(&bare_rates).map(|(ours, bare)| ours / bare));
        let row: Row = vec![
            ("log_a_second", Spread::of(our_rates).into()),
            ("bare_a_second", Spread::of(bare_rates).into()),
        ];
        rows.push((format!("groups of {group}"), row));
        ratios.push((format!("log / bare, groups of {group}"), ratio));
    }
    report.table(rows);
    for (name, ratio) in ratios {
        report.judge(&name, ratio, Wanted::AtLeast(0.6));
    }
}

fn indexed(report: &mut report::Report) {
    // `PIGEON_LOG_INDEXED=4000000` makes a longer run, in one round.
    let given = std::env::var("PIGEON_LOG_INDEXED").ok().and_then(|count| count.parse().ok());
    let rounds = if given.is_some() { 1 } else { ROUNDS };
    let messages = given.unwrap_or(INDEXED_MESSAGES);
    report.section(&format!("{messages} messages like real ones, stored and indexed"));
    let text = Text::mixed();
    let (mut our_rates, mut bare_rates) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut ours = Ours::new(Options { keep_size: None, ..Options::default() });
        let start = Instant::now();
        ours.fill(&text, messages);
        ours.wait_indexed();
        our_rates.push(messages as f64 / start.elapsed().as_secs_f64());
        let mut bare = Bare::new(&folder("bare"), true);
        bare_rates.push(bare.rate(&text, 512, messages));
    }
    let ratio = Spread::of(our_rates.iter().zip(&bare_rates).map(|(ours, bare)| ours / bare));
    let row: Row = vec![
        ("log_a_second", Spread::of(our_rates).into()),
        ("bare_a_second", Spread::of(bare_rates).into()),
    ];
    report.table(vec![("stored and indexed".into(), row)]);
    report.judge("log / bare, stored and indexed", ratio, Wanted::AtLeast(0.8));
}

fn search(report: &mut report::Report) {
    report.section(&format!("{QUERIES} queries among {SEARCHED_MESSAGES} messages, the newest 20"));
    let text = Text::mixed();
    let mut ours = Ours::new(Options { keep_size: None, ..Options::default() });
    let start = Instant::now();
    ours.fill(&text, SEARCHED_MESSAGES);
    ours.wait_indexed();
    report.remark(&format!("filled and indexed in {:.0} s", start.elapsed().as_secs_f64()));
    let reader = ours.log.reader().expect("a reader");
    let rooms: Vec<RoomName> = (0..ROOMS).map(room).collect();
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for (kind, queries) in text.queries(QUERIES) {
        let mut times = Vec::new();
        let mut hits = 0;
        for (index, words) in queries.iter().enumerate() {
            let Some(query) = Query::parse(words) else { continue };
            let room = (index % 3 == 0).then(|| &rooms[index % ROOMS]);
            let start = Instant::now();
            let found = reader.search(&query, room, 20, Position::END).expect("a search");
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
            hits += found.messages.len();
        }
        all.extend_from_slice(&times);
        rows.push((kind.to_string(), search_row(times, hits)));
    }
    report.table(rows);
    all.sort_by(f64::total_cmp);
    report.judge("99 % of all queries, in ms", percentile(&all, 0.99), Wanted::AtMost(20.0));
    report.ratio("the slowest query, in ms", percentile(&all, 1.0));
    let slowest = exhaust(&reader, report);
    report.judge("one call of the worst queries, in ms", slowest, Wanted::AtMost(100.0));
    let bytes = std::fs::metadata(ours.folder.join("log.sqlite")).map_or(0, |file| file.len());
    report.ratio("bytes of the file a message", bytes as f64 / SEARCHED_MESSAGES as f64);
    drop(reader);
    let start = Instant::now();
    ours.reopen();
    report.ratio("opened again, in s, with the whole file examined", start.elapsed().as_secs_f64());
}

/// Runs the most expensive queries to their end. Returns the slowest call.
fn exhaust(reader: &Reader, report: &mut report::Report) -> f64 {
    let long = "传感器温度吃饭".repeat(8);
    let queries = [
        ("a word of many and a letter of none", "sensor ő"),
        ("two letters of many and one of none", "se ő"),
        ("nine words of many", "sensor room hub release lunch 温度 传感器 吃饭 21.5"),
        ("a long line of common grams", &long),
        ("what nobody said", "qqq"),
    ];
    let (mut rows, mut slowest) = (Vec::new(), 0_f64);
    for (kind, words) in queries {
        let query = Query::parse(words).expect("words");
        let (mut times, mut hits, mut before) = (Vec::new(), 0, Position::END);
        loop {
            let start = Instant::now();
            let found = reader.search(&query, None, 1_000, before).expect("a search");
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
            hits += found.messages.len();
            let Some(more) = found.more else { break };
            before = more;
        }
        slowest = times.iter().fold(slowest, |slowest, time| slowest.max(*time));
        rows.push((format!("to the end: {kind}"), search_row(times, hits)));
    }
    report.table(rows);
    slowest
}

fn search_row(mut times: Vec<f64>, hits: usize) -> Row {
    times.sort_by(f64::total_cmp);
    vec![
        ("queries", times.len().into()),
        ("hits", hits.into()),
        ("median_ms", percentile(&times, 0.5).into()),
        ("p99_ms", percentile(&times, 0.99).into()),
        ("max_ms", percentile(&times, 1.0).into()),
    ]
}

fn export(report: &mut report::Report) {
    report.section("messages a second in groups of 64 beside a reader that exports");
    let text = Text::mixed();
    let mut ours = Ours::new(Options { index_lag: usize::MAX, ..Options::default() });
    ours.fill(&text, 200_000);
    ours.wait_indexed();
    let (mut alone, mut beside, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        alone.push(ours.rate(&text, 64, 150_000));
        ours.wait_indexed();
        let done = AtomicBool::new(false);
        let exported = AtomicU64::new(0);
        let reader = Reader::open(&ours.folder).expect("a reader");
        beside.push(std::thread::scope(|scope| {
            let (done, exported) = (&done, &exported);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let out = Stopping { done, bytes: exported };
                    // Fails when the measurement is over.
                    let _ = reader.export(Position::START, None, out);
                }
            });
            let rate = ours.rate(&text, 64, 150_000);
            done.store(true, Ordering::Release);
            rate
        }));
        bytes += exported.into_inner();
        ours.wait_indexed();
    }
    let ratio = Spread::of(beside.iter().zip(&alone).map(|(beside, alone)| beside / alone));
    let row: Row = vec![
        ("alone_a_second", Spread::of(alone).into()),
        ("beside_a_second", Spread::of(beside).into()),
    ];
    report.table(vec![("stored".into(), row)]);
    report.remark(&format!("{} MB were exported meanwhile", bytes / 1_000_000));
    report.judge("beside an export / alone", ratio, Wanted::AtLeast(0.9));
}

/// Discards exported bytes, and fails once the measurement is over.
struct Stopping<'a> {
    done: &'a AtomicBool,
    bytes: &'a AtomicU64,
}

impl std::io::Write for Stopping<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.done.load(Ordering::Acquire) {
            return Err(std::io::ErrorKind::Other.into());
        }
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A log in its own folder.
struct Ours {
    log: Log,
    folder: PathBuf,
    settled: Receiver<usize>,
    early: usize,
    rooms: Vec<RoomName>,
    number: u64,
    options: Options,
}

impl Ours {
    fn new(options: Options) -> Ours {
        let folder = folder("ours");
        let rooms = (0..ROOMS).map(room).collect();
        let (log, settled) = open(&folder, options.clone());
        Ours { log, folder, settled, early: 0, rooms, number: 0, options }
    }

    fn reopen(&mut self) {
        // Waits for the writer to release the folder's lock.
        let elsewhere = folder("other");
        let (other, _) = open(&elsewhere, Options::default());
        drop(std::mem::replace(&mut self.log, other));
        (self.log, self.settled) = open(&self.folder, self.options.clone());
    }

    /// Messages per second, written in groups. While one group is synced, the next is queued, as in
    /// a hub that keeps receiving. No further group is queued, because the log would join them.
    fn rate(&mut self, text: &Text, group: usize, messages: usize) -> f64 {
        let start = Instant::now();
        for round in 0..messages / group {
            for _ in 0..group {
                let append = self.next(text);
                self.log.try_append(append).expect("room in the queue");
            }
            if round > 0 {
                self.wait(group);
            }
        }
        self.wait(group);
        (messages / group * group) as f64 / start.elapsed().as_secs_f64()
    }

    /// Appends as fast as the queue accepts.
    fn fill(&mut self, text: &Text, messages: usize) {
        let mut waiting = 0;
        for _ in 0..messages {
            let append = self.next(text);
            match self.log.try_append(append) {
                Ok(_) => {}
                Err(AppendError::Full(append) | AppendError::Closed(append)) => {
                    queue_patiently(&self.log, append);
                }
            }
            waiting += 1;
            // A hub receives up to 4,096 messages at a time.
            if waiting >= 4_096 {
                self.wait(2_048);
                waiting -= 2_048;
            }
        }
        self.wait(waiting);
    }

    /// Waits until `count` more messages are durable. Surplus counts for the next wait.
    fn wait(&mut self, count: usize) {
        while self.early < count {
            self.early += self.settled.recv().expect("the writer runs");
        }
        self.early -= count;
    }

    fn next(&mut self, text: &Text) -> Append {
        self.number += 1;
        let n = self.number as usize;
        Append {
            room: self.rooms[n % ROOMS].clone(),
            speaker: format!("speaker{}", n % SPEAKERS).into(),
            link: LinkKind::Plain,
            wall: Duration::from_millis(1_795_824_000_000 + self.number),
            text: text.line(n).as_bytes().into(),
            identity: Identity { author: 1, outbox: 0, number: self.number },
            numbering: Numbering::ByHub,
        }
    }

    fn wait_indexed(&self) {
        while self.log.indexed() < self.log.durable() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn queue_patiently(log: &Log, mut append: Append) {
    loop {
        match log.try_append(append) {
            Ok(_) => return,
            Err(AppendError::Full(again) | AppendError::Closed(again)) => append = again,
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn open(folder: &std::path::Path, options: Options) -> (Log, Receiver<usize>) {
    let (sender, settled) = mpsc::channel();
    let log = Log::open(folder, options, move |report| {
        if let Report::Settled { outcomes, .. } = report {
            let stored = |outcome: &Outcome| matches!(outcome, Outcome::Stored { .. });
            assert!(outcomes.iter().all(|(_, outcome)| stored(outcome)), "{outcomes:?}");
            let _ = sender.send(outcomes.len());
        } else {
            eprintln!("{report:?}");
        }
    });
    (log.expect("a log"), settled)
}

fn room(index: usize) -> RoomName {
    RoomName::parse(format!("room{index}").as_bytes()).expect("a name")
}

/// An empty folder on the measured disk.
fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("log-{name}-{count}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    folder
}
