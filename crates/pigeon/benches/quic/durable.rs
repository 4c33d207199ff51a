//! How many messages a second the real hub stores, and how long each takes from the member's `say`
//! to the hub's `stored`. Beside it with as many messages waiting: the hub's log alone in this
//! program, and the floor, a bare file of frames with one `fdatasync` for all that wait. The file is
//! overwritten again and again, as the log's journal is: a file that grows costs the file system more.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pigeon_log::{Append, Identity, Log, Numbering, Options, Report as LogReport};
use pigeon_member::{Hub as RealMember, Options as MemberOptions};
use pigeon_perf::cpu::Cpus;
use pigeon_perf::report::{Report, Row};
use pigeon_perf::spread::{Spread, percentile};
use pigeon_proto::frame::HubFrame;
use pigeon_proto::{LinkKind, RoomName};

use crate::hub::{Hub, empty};
use crate::keyed::Keyed;

const TEXT: &str = "a message of 64 bytes, as people write them, or programs: 012345";

/// Duration of one turn, and number of turns.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 5;

/// Time limit for the messages that still wait at the end of a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients, and the messages of each that wait for `stored`.
const LOADS: [(u32, u64); 4] = [(1, 1), (1, 256), (64, 1), (64, 64)];

/// Bytes of the floor's file.
const FILE: usize = 4 << 20;

/// Latencies in seconds, and messages per second.
#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    latencies: Vec<f64>,
}

impl Measured {
    fn row(mut self) -> (Row, f64) {
        self.latencies.sort_by(f64::total_cmp);
        let micros = |part| percentile(&self.latencies, part) * 1e6;
        let rate = Spread::of(self.rates);
        let row = vec![
            ("stored_a_second", rate.into()),
            ("median_us", micros(0.5).into()),
            ("p99_us", micros(0.99).into()),
            ("messages", self.latencies.len().into()),
        ];
        (row, rate.median)
    }
}

pub(crate) fn measure(cpus: Cpus) -> Report {
    let mut report = Report::new("quic-durable");
    report.section("messages of 64 bytes, each on the hub's disk before it counts");
    let hub = Hub::start(&[cpus.hub], "durable");
    let mut log = LogAlone::open();
    let mut file = File::create(empty("durable-floor").with_extension("bytes")).expect("a file");
    file.write_all(&vec![0; FILE]).expect("the disk has room");
    file.sync_all().expect("the disk works");
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for (count, window) in LOADS {
        let mut clients: Vec<Keyed> =
            (0..count).map(|seed| Keyed::join(seed, hub.secure)).collect();
        let [mut ours, mut alone, mut floor] = [(); 3].map(|()| Measured::default());
        for _ in 0..TURNS {
            turn(&mut clients, window, &mut ours);
            log.turn(u64::from(count) * window, &mut alone);
            bare(&mut file, u64::from(count) * window, &mut floor);
        }
        clients.into_iter().for_each(|client| client.member.close());
        let name = format!("{count} clients, {window} waiting each");
        let (row, rate) = ours.row();
        let (alone_row, alone_rate) = alone.row();
        let (floor_row, floor_rate) = floor.row();
        rows.push((format!("{name}: hub"), row));
        rows.push((format!("{name}: log alone"), alone_row));
        rows.push((format!("{name}: bare file"), floor_row));
        ratios.push((format!("hub / log alone, {name}"), rate / alone_rate));
        ratios.push((format!("hub / bare file, {name}"), rate / floor_rate));
    }
    rows.push(("pigeon-member, one at a time".into(), real_member(&hub, 1).row().0));
    rows.push(("pigeon-member, 256 waiting".into(), real_member(&hub, 256).row().0));
    report.table(rows);
    ratios.into_iter().for_each(|(name, ratio)| report.ratio(&name, ratio));
    report.remark("pigeon-member syncs each message to its own disk first: one disk for both");
    report
}

/// All clients keep `window` messages waiting for a while, in turn.
fn turn(clients: &mut [Keyed], window: u64, measured: &mut Measured) {
    let mut waiting: Vec<VecDeque<(u64, Instant)>> = vec![VecDeque::new(); clients.len()];
    let (start, mut stored) = (Instant::now(), 0u64);
    while start.elapsed() < TURN || waiting.iter().any(|waiting| !waiting.is_empty()) {
        let is_over = start.elapsed() >= TURN;
        assert!(start.elapsed() < TURN + PATIENCE, "the hub stores nothing more");
        for (client, waiting) in clients.iter_mut().zip(&mut waiting) {
            if !is_over {
                let more = window - waiting.len() as u64;
                // Sends half a window at a time, so that a datagram carries several messages.
                if more * 2 >= window {
                    let now = Instant::now();
                    let first = client.number + 1;
                    client.say((0..more).map(|_| TEXT));
                    waiting.extend((first..first + more).map(|number| (number, now)));
                }
            }
            client.member.turn();
            let lines = client.lines();
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let HubFrame::Stored { number: last } = HubFrame::parse(line).expect("a frame")
                else {
                    continue;
                };
                while waiting.front().is_some_and(|(number, _)| *number <= last) {
                    let Some((_, said)) = waiting.pop_front() else { break };
                    measured.latencies.push(said.elapsed().as_secs_f64());
                    stored += u64::from(!is_over);
                }
            }
        }
    }
    measured.rates.push(stored as f64 / TURN.as_secs_f64());
}

/// Writes as many frames as wait, syncs them, and begins again.
fn bare(file: &mut File, window: u64, measured: &mut Measured) {
    let frames = [b'x'; 261].repeat(window as usize);
    let (start, mut stored) = (Instant::now(), 0u64);
    while start.elapsed() < TURN {
        let said = Instant::now();
        if file.stream_position().expect("a file") as usize + frames.len() > FILE {
            file.rewind().expect("a file");
        }
        file.write_all(&frames).expect("the disk has room");
        file.sync_data().expect("the disk works");
        measured.latencies.extend((0..window).map(|_| said.elapsed().as_secs_f64()));
        stored += window;
    }
    measured.rates.push(stored as f64 / start.elapsed().as_secs_f64());
}

/// A member of the library: with a disk, and in its own thread.
fn real_member(hub: &Hub, window: usize) -> Measured {
    let mut options = MemberOptions::new(hub.secure, empty(&format!("durable-member-{window}")));
    options.session.name = Some(format!("member{window}").into());
    let mut member = RealMember::connect(options).expect("a member");
    let (lobby, mut measured) = (RoomName::lobby(), Measured::default());
    let mut say = |waiting: &mut VecDeque<_>| {
        let now = Instant::now();
        waiting.push_back((member.say(&lobby, TEXT).expect("the outbox has room"), now));
    };
    // The first waits for the connection.
    let mut waiting = VecDeque::new();
    say(&mut waiting);
    waiting.pop_front().expect("it was said").0.wait(PATIENCE).expect("stored");
    let (start, mut stored) = (Instant::now(), 0u64);
    while start.elapsed() < TURN * 2 {
        while waiting.len() < window {
            say(&mut waiting);
        }
        let (said, since) = waiting.pop_front().expect("one waits");
        said.wait(PATIENCE).expect("it is stored");
        measured.latencies.push(since.elapsed().as_secs_f64());
        stored += 1;
    }
    measured.rates.push(stored as f64 / start.elapsed().as_secs_f64());
    waiting.iter().for_each(|(said, _)| drop(said.wait(PATIENCE)));
    measured
}

/// The log in this program.
struct LogAlone {
    log: Log,
    stored: std::sync::mpsc::Receiver<usize>,
    number: u64,
}

impl LogAlone {
    fn open() -> LogAlone {
        let (sender, stored) = channel();
        let report = move |report| {
            if let LogReport::Settled { outcomes, .. } = report {
                // The receiver is gone at the end.
                let _ = sender.send(outcomes.len());
            }
        };
        let log = Log::open(&empty("durable-log"), Options::default(), report).expect("a log");
        LogAlone { log, stored, number: 0 }
    }

    fn turn(&mut self, window: u64, measured: &mut Measured) {
        let mut waiting = VecDeque::new();
        let (start, mut stored) = (Instant::now(), 0u64);
        loop {
            let is_over = start.elapsed() >= TURN;
            while !is_over && (waiting.len() as u64) < window {
                self.number += 1;
                let append = Append {
                    room: RoomName::lobby(),
                    speaker: "00000000".into(),
                    link: LinkKind::Key,
                    wall: Duration::from_secs(1_795_824_000),
                    text: TEXT.as_bytes().into(),
                    identity: Identity { author: 1, outbox: 1, number: self.number },
                    numbering: Numbering::ByAuthor { after: self.number - 1 },
                };
                self.log.try_append(append).expect("the queue has room");
                waiting.push_back(Instant::now());
            }
            if waiting.is_empty() {
                break;
            }
            let settled = self.stored.recv_timeout(PATIENCE).expect("it stores");
            for said in waiting.drain(..settled) {
                measured.latencies.push(said.elapsed().as_secs_f64());
                stored += u64::from(!is_over);
            }
        }
        measured.rates.push(stored as f64 / TURN.as_secs_f64());
    }
}
