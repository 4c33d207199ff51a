//! Messages stored per second: in the stream and on the hub's disk, through one, two and three hubs,
//! beside messages that JetStream alone has acknowledged. Both have the same brokers, three
//! replicas, and as many senders with as many messages waiting.

use std::time::{Duration, Instant};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::report::{Report, Row};
use pigeon_perf::server::Server;
use pigeon_perf::spread::Spread;
use pigeon_proto::frame::HubFrame;

use crate::SITES;
use crate::jetstream::Publisher;
use crate::keyed::Keyed;
use crate::servers::{Hub, brokers, hubs};

const TEXT: &str = "a message of 64 bytes, as people write them, or programs: 012345";

/// Senders, and the messages of each that wait.
const SENDERS: usize = 48;
const WINDOW: usize = 64;

/// Duration of one turn, and number of turns.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;

/// Time limit for the messages that still wait at the end of a turn.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure(cpus: Cpus) -> Report {
    let mut report = Report::new("cluster-stored");
    report.section(&format!("messages of 64 bytes, {SENDERS} senders with {WINDOW} waiting each"));
    let brokers = brokers(cpus);
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for count in 1..=SITES {
        let hubs = hubs(cpus, &brokers, &format!("stored{count}"), count);
        let mut ours = senders(&hubs);
        let mut theirs = publishers(&brokers[..count], count);
        let (mut rates, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            rates.push(turn(&mut ours));
            bare.push(turn_of_brokers(&mut theirs, count));
        }
        let ratio = Spread::of(rates.iter().zip(&bare).map(|(ours, bare)| ours / bare));
        ratios.push((format!("{count} hubs / JetStream alone"), ratio));
        let row = |rates: Vec<f64>| -> Row { vec![("stored_a_second", Spread::of(rates).into())] };
        rows.push((format!("{count} hubs"), row(rates)));
        rows.push((format!("JetStream alone, {count} brokers taken"), row(bare)));
        ours.into_iter().for_each(|sender| sender.keyed.member.close());
    }
    report.table(rows);
    ratios.into_iter().for_each(|(name, ratio)| report.ratio(&name, ratio));
    report
}

/// A member with a key, and the number of its last acknowledged message.
struct Sender {
    keyed: Keyed,
    stored: u64,
}

fn senders(hubs: &[Hub]) -> Vec<Sender> {
    let join = |n: usize| {
        let keyed = Keyed::join(n as u32, hubs[n % hubs.len()].secure);
        let stored = keyed.number;
        Sender { keyed, stored }
    };
    (0..SENDERS).map(join).collect()
}

/// Messages stored a second, while every sender has its window full.
fn turn(senders: &mut [Sender]) -> f64 {
    let (start, mut stored) = (Instant::now(), 0);
    while start.elapsed() < TURN || senders.iter().any(|it| it.stored < it.keyed.number) {
        let is_over = start.elapsed() >= TURN;
        assert!(start.elapsed() < TURN + PATIENCE, "the hub stores nothing more");
        for sender in &mut *senders {
            let more = WINDOW - (sender.keyed.number - sender.stored) as usize;
            // Half a window at a time, so that a datagram carries several messages.
            if !is_over && more * 2 >= WINDOW {
                sender.keyed.say(std::iter::repeat_n(TEXT, more));
            }
            sender.keyed.member.turn();
            let lines = sender.keyed.lines();
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if let HubFrame::Stored { number } = HubFrame::parse(line).expect("a frame") {
                    stored += if is_over { 0 } else { number - sender.stored };
                    sender.stored = number;
                }
            }
        }
    }
    stored as f64 / TURN.as_secs_f64()
}

fn publishers(brokers: &[Server], count: usize) -> Vec<(Publisher, String)> {
    let stream = format!("bare{count}");
    let connect = |n: usize| {
        let mut publisher = Publisher::connect(brokers[n % brokers.len()].address);
        if n == 0 {
            assert!(publisher.create(&stream, SITES), "the stream cannot be made");
        }
        let inbox = format!("inbox.{count}.{n}");
        publisher.listen(&inbox);
        (publisher, inbox)
    };
    (0..SENDERS).map(connect).collect()
}

fn turn_of_brokers(publishers: &mut [(Publisher, String)], count: usize) -> f64 {
    let subject = format!("bare{count}.log");
    let (start, mut stored) = (Instant::now(), 0);
    while start.elapsed() < TURN || publishers.iter().any(|it| it.0.waiting > 0) {
        let is_over = start.elapsed() >= TURN;
        assert!(start.elapsed() < TURN + PATIENCE, "JetStream acknowledges nothing more");
        for (publisher, inbox) in &mut *publishers {
            if !is_over {
                publisher.publish(&subject, inbox, TEXT, WINDOW);
            }
            let more = publisher.acknowledged();
            stored += if is_over { 0 } else { more };
        }
    }
    stored as f64 / TURN.as_secs_f64()
}
