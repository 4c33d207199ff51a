//! Random answers to a client: a search for hubs, a request with retries, and a request for the
//! time.
//!
//! The clients never panic, send only to the requested hosts, end in time, and report the actual
//! answers.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_client::{Ask, Asked, Discover, NoReply, Question, RetryPolicy, Search};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::person;
use pigeon_fuzz::drain::{Sent, drain};
use pigeon_proto::{Format, Name};
use pigeon_services::{WallClock, sntp};

const MAX_OPERATIONS: usize = 100;
const LASTS: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = "几点了?".as_bytes();

#[derive(Arbitrary, Debug)]
struct Input {
    anybody: bool,
    asks_of: u8,
    patience: u16,
    operations: Vec<Operation>,
    time: Vec<u8>,
    originate: bool,
    clock: u64,
    took: u32,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Bytes {
        from: u8,
        bytes: Vec<u8>,
    },
    Here {
        from: u8,
        question: u8,
        name: Vec<u8>,
        members: u64,
        port: u16,
        door: Option<(u64, u16, u8)>,
    },
    Again {
        from: u8,
        question: u8,
    },
    Refused,
    Wait(u16),
}

fuzz_target!(|input: Input| {
    time(&input);
    search(&input);
    request(&input);
});

/// A reply from an NTP server, valid or not.
fn time(input: &Input) {
    let request = sntp::request(input.clock | 1);
    let mut reply = input.time.clone();
    // Most replies with a wrong originate time end there.
    if input.originate && reply.len() >= 32 {
        reply[24..32].copy_from_slice(&request[40..]);
    }
    let sent = WallClock::new(Duration::from_nanos(input.clock), Instant::ORIGIN);
    let received = Instant::ORIGIN + Duration::from_micros(input.took.into());
    if let Ok(told) = sntp::measure(&reply, &request, sent, received) {
        assert!(input.originate, "a reply to another request");
        assert!((1..=15).contains(&told.stratum), "{told:?}");
        let _ = told.reference.to_string();
    }
}

fn search(input: &Input) {
    let targets = [person(3), person(7)];
    let question = match input.anybody {
        true => Question::Anybody(REQUEST.into()),
        false => Question::Hubs(7),
    };
    let mut search = Discover::new(Instant::ORIGIN, targets.to_vec(), question, LASTS);
    let mut questions: Vec<Vec<u8>> = Vec::new();
    let mut now = Instant::ORIGIN;
    let mut answered: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    let (mut found, mut over) = (BTreeSet::new(), None);
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        for (to, question) in drain(&mut search) {
            assert!(targets.contains(&to), "{to} was asked");
            assert!(input.anybody || question.len() == 256, "{} bytes", question.len());
            if to == targets[0] {
                questions.push(question);
            }
        }
        assert!(questions.len() <= 3, "asked {} times", questions.len());
        if let Some((from, bytes)) = datagram(operation, &questions) {
            search.handle_datagram(now, &Received::new(from, &bytes));
            answered.push((from, bytes));
        }
        if let Operation::Wait(millis) = operation {
            now = now + Duration::from_millis((*millis).into());
            search.handle_timeout(now);
        }
        while let Some(event) = search.poll_event() {
            assert_eq!(over, None, "something happens after the end");
            match event {
                Search::Over => over = Some(now),
                Search::Found(one) => {
                    assert!(found.insert(one.from), "{} is found twice", one.from);
                    let (from, bytes) = answered.last().expect("an answer");
                    assert_eq!((one.from, &*one.payload), (*from, &bytes[..]));
                    assert_eq!(one.hub.is_some(), !input.anybody);
                    assert!(one.round_trip <= now - Instant::ORIGIN);
                    if let (Operation::Here { name, members, port, door, .. }, Some(hub)) =
                        (operation, one.hub)
                        && Name::parse(name).is_ok()
                    {
                        assert_eq!(hub.name.as_str().as_bytes(), &name[..]);
                        assert_eq!((hub.members, hub.secure_port.unwrap_or(0)), (*members, *port));
                        let told = hub.door.map(|door| (door.id, door.port, door.format));
                        assert_eq!(told, door.map(|(id, port, style)| (id, port, format(style))));
                    }
                }
            }
        }
    }
    while let Some(due) = search.poll_timeout() {
        assert!(due <= Instant::ORIGIN + LASTS, "it lasts longer");
        now = now.max(due);
        search.handle_timeout(now);
        drain(&mut search);
    }
    let ends = std::iter::from_fn(|| search.poll_event()).filter(|event| *event == Search::Over);
    assert_eq!(ends.count() + usize::from(over.is_some()), 1, "it ends once");
}

fn request(input: &Input) {
    let to = person(input.asks_of);
    let policy = RetryPolicy {
        most: Duration::from_millis(input.patience.into()),
        ..RetryPolicy::default()
    };
    let mut ask = Ask::new(Instant::ORIGIN, to, REQUEST, policy);
    let mut now = Instant::ORIGIN;
    let mut attempts = 0;
    let mut count = |sent: Vec<Sent>| {
        for (at, bytes) in sent {
            assert_eq!((at, &bytes[..]), (to, REQUEST));
            attempts += 1;
        }
        attempts
    };
    let (mut outcome, mut elsewhere) = (None, Vec::new());
    let questions = [REQUEST.to_vec()];
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        count(drain(&mut ask));
        let answer = datagram(operation, &questions);
        match (operation, &answer) {
            (_, Some((from, bytes))) => ask.handle_datagram(now, &Received::new(*from, bytes)),
            (Operation::Refused, _) => ask.handle_refused(now, SocketId::FIRST),
            (Operation::Wait(millis), _) => {
                now = now + Duration::from_millis((*millis).into());
                ask.handle_timeout(now);
            }
            _ => {}
        }
        let attempts = count(drain(&mut ask));
        while let Some(event) = ask.poll_event() {
            assert_eq!(outcome, None, "something happens after the end");
            match event {
                Asked::Stray { from, payload, why } => {
                    let came = answer.as_ref().expect("an answer");
                    assert!(from != to && from.ip() == to.ip() && why.is_none(), "{from}");
                    assert_eq!((came.0, &came.1[..]), (from, &payload[..]));
                    elsewhere.push((from, payload));
                }
                Asked::Over(told) => {
                    assert_eq!((told.attempts, told.elapsed), (attempts, now - Instant::ORIGIN));
                    assert_eq!(told.strays, elsewhere.len() as u64);
                    match &told.result {
                        // A reply from another port counts only after one more attempt, and then
                        // the first such reply.
                        Ok(reply) if reply.0 != to && reply.0.ip() == to.ip() => {
                            assert_eq!(Some(reply), elsewhere.first());
                        }
                        Ok((from, reply)) => {
                            assert!(*from == to || to.ip().is_multicast(), "a stranger's");
                            let came = answer.as_ref().expect("an answer");
                            assert_eq!((came.0, &came.1[..]), (*from, &reply[..]));
                        }
                        Err(NoReply::Refused) => assert!(matches!(operation, Operation::Refused)),
                        Err(NoReply::TimedOut) => assert!(matches!(operation, Operation::Wait(_))),
                        Err(why) => panic!("{why:?}, though all was sent"),
                    }
                    outcome = Some(told);
                }
                event => panic!("{event:?}, though all was sent"),
            }
        }
    }
    // Without input it gives up.
    for _ in 0..32 {
        let Some(due) = ask.poll_timeout() else { break };
        ask.handle_timeout(due.max(now));
        now = now.max(due);
        drain(&mut ask);
    }
    assert_eq!(ask.poll_timeout(), None, "it never ends");
    let ends =
        std::iter::from_fn(|| ask.poll_event()).filter(|event| matches!(event, Asked::Over(_)));
    assert_eq!(ends.count() + usize::from(outcome.is_some()), 1, "it ends once");
}

fn format(style: u8) -> Format {
    Format::ALL[usize::from(style) % Format::ALL.len()]
}

/// The datagram of this operation and its sender.
fn datagram(operation: &Operation, questions: &[Vec<u8>]) -> Option<(SocketAddr, Vec<u8>)> {
    let asked = |number: &u8| {
        let number = usize::from(*number) % questions.len().max(1);
        questions.get(number).map_or(&[][..], |question| question.trim_ascii_end())
    };
    match operation {
        Operation::Bytes { from, bytes } => Some((person(*from), bytes.clone())),
        Operation::Again { from, question } => Some((person(*from), asked(question).to_vec())),
        Operation::Here { from, question, name, members, port, door } => {
            let nonce = asked(question).strip_prefix(b"/discover ").unwrap_or_default();
            let door = door.map(|(id, port, style)| format!(" {id:016x} {port} {}", format(style)));
            let numbers = format!(" {members} {port}{}", door.unwrap_or_default());
            let bytes = [b"/here ", nonce, b" ", name, numbers.as_bytes()].concat();
            Some((person(*from), bytes))
        }
        Operation::Refused | Operation::Wait(_) => None,
    }
}
