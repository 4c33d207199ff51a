//! Three hubs over one real nats-server: what they store, and that a broker that was killed or has
//! lost its stream costs nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pigeon_cluster::{
    Again, Found, Held, MemoryLog, Numbered, Outbox, Outcome, Said, Saved, State,
};
use pigeon_nats::{Credentials, Event, Input, Link, Settings};
use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};

const PATIENCE: Duration = Duration::from_secs(60);

/// A broker, or `None` where nats-server is not installed.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(port: u16, folder: &Path) -> Option<Broker> {
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Broker { child, port }),
            Err(_) if std::env::var_os("PIGEON_REQUIRE_PEERS").is_some() => {
                panic!("nats-server is not installed")
            }
            Err(_) => {
                println!("SKIPPED: nats-server is not installed");
                None
            }
        }
    }

    fn kill(mut self) -> u16 {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.port
    }
}

/// Below the range that the system hands out: no other socket gets it while the broker is away.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + (std::process::id() % 1_000) as u16;
    let mut ports = std::iter::from_fn(|| Some(start + NEXT.fetch_add(1, Ordering::Relaxed)));
    ports.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap()
}

/// A log that the hub's thread and the test share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<MemoryLog>>);

impl Held for Shared {
    fn last_number(&self, author: u128, outbox: u64) -> u64 {
        self.0.lock().unwrap().last_number(author, outbox)
    }

    fn find(&self, message: &Message) -> Found {
        self.0.lock().unwrap().find(message)
    }

    fn outboxes(&self, after: Position) -> Vec<Outbox> {
        self.0.lock().unwrap().outboxes(after)
    }

    fn of_outbox(&self, author: u128, outbox: u64, after: u64, limit: usize) -> Vec<Message> {
        self.0.lock().unwrap().of_outbox(author, outbox, after, limit)
    }

    fn number_before(&self, author: u128, outbox: u64, number: u64) -> Option<u64> {
        self.0.lock().unwrap().number_before(author, outbox, number)
    }
}

#[derive(Default)]
struct Seen {
    stores: Vec<(Vec<Said>, Saved)>,
    settled: Vec<(u64, Outcome)>,
    heard: Vec<Identity>,
    state: Option<State>,
    others: usize,
}

struct Hub {
    link: Link,
    log: Shared,
    seen: Arc<Mutex<Seen>>,
    run: u128,
    /// Numbers that wait for their outcome.
    waiting: BTreeSet<u64>,
}

impl Hub {
    fn start(run: u128, port: u16, log: Shared) -> Hub {
        let settings = Settings {
            servers: vec![format!("nats://127.0.0.1:{port}")],
            name: "test".into(),
            credentials: Credentials::None,
            authority: None,
            keep: Some(Duration::from_secs(3_600)),
            keep_size: Some(64 << 20),
        };
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let report = {
            let seen = Arc::clone(&seen);
            move |event| {
                let mut seen = seen.lock().unwrap();
                match event {
                    Event::Store { messages, saved } => seen.stores.push((messages, saved)),
                    Event::Settled(settled) => seen.settled.extend(settled),
                    Event::Heard(messages) => {
                        seen.heard.extend(messages.iter().map(|it| it.identity));
                    }
                    Event::State { state, others } => {
                        (seen.state, seen.others) = (Some(state), others);
                    }
                    Event::Differs(what) => panic!("{what:?}"),
                    Event::Trouble(why) => println!("{run}: {why}"),
                    _ => {}
                }
            }
        };
        let (saved, newest) = {
            let log = log.0.lock().unwrap();
            (log.saved.clone(), log.newest())
        };
        let held = Box::new(log.clone());
        let link = Link::start(settings, run, saved, newest, held, Box::new(report)).unwrap();
        Hub { link, log, seen, run, waiting: BTreeSet::new() }
    }

    fn say(&mut self, author: u128, number: u64) {
        let text = format!("{author} {number}").into_bytes();
        let message = message(Identity { author, outbox: 7, number }, LinkKind::Key, text);
        let (after, numbered) = (number - 1, Numbered::Author);
        self.waiting.insert(number);
        let said = Said { message, after, numbered, again: Again::No };
        assert!(self.link.input(Input::Say { ticket: number, said }));
    }

    fn say_plain(&mut self, number: u64) {
        let identity = Identity { author: self.run, outbox: 0, number };
        self.link.input(Input::Plain(vec![message(identity, LinkKind::Plain, b"plain".to_vec())]));
    }

    /// Stores what is to be stored, and notes outcomes.
    fn turn(&mut self) {
        let (stores, settled) = {
            let mut seen = self.seen.lock().unwrap();
            (std::mem::take(&mut seen.stores), std::mem::take(&mut seen.settled))
        };
        for (messages, saved) in stores {
            let mut log = self.log.0.lock().unwrap();
            messages.iter().for_each(|said| log.store(said).unwrap());
            log.saved = saved;
            drop(log);
            self.link.input(Input::Stored(true));
        }
        for (number, outcome) in settled {
            assert!(matches!(outcome, Outcome::Stored | Outcome::Again), "{number}: {outcome:?}");
            self.waiting.remove(&number);
        }
    }

    fn order(&self) -> Vec<(Position, Identity)> {
        let log = self.log.0.lock().unwrap();
        log.entries.iter().map(|it| (it.position, it.identity)).collect()
    }
}

fn message(identity: Identity, link: LinkKind, text: Vec<u8>) -> Message {
    Message {
        position: Position::START,
        room: RoomName::lobby(),
        speaker: "小明".into(),
        link,
        wall: Duration::from_secs(1),
        text: text.into(),
        identity,
    }
}

/// Turns all hubs until a condition holds.
fn until(what: &str, hubs: &mut [Hub], mut holds: impl FnMut(&[Hub]) -> bool) {
    let start = Instant::now();
    while !holds(hubs) {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: {:?}",
            hubs.iter()
                .map(|hub| {
                    let seen = hub.seen.lock().unwrap();
                    (seen.state, seen.others, hub.waiting.len(), hub.order().len())
                })
                .collect::<Vec<_>>()
        );
        hubs.iter_mut().for_each(Hub::turn);
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{what}: {:?}", start.elapsed());
}

fn are_settled(hubs: &[Hub]) -> bool {
    hubs.iter().all(|hub| hub.waiting.is_empty())
}

fn have(hubs: &[Hub], keyed: usize) -> bool {
    hubs.iter().all(|hub| hub.order().iter().filter(|(_, it)| it.outbox != 0).count() == keyed)
}

fn are_in_order(hubs: &[Hub]) -> bool {
    hubs.iter().all(|hub| hub.seen.lock().unwrap().state == Some(State::InOrder))
}

#[test]
fn hubs_store_the_same_in_one_order_whatever_becomes_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("one");
    let Some(broker) = Broker::start(free_port(), &store) else { return };
    let logs: Vec<Shared> = (0..3).map(|_| Shared::default()).collect();
    let mut hubs: Vec<Hub> = (0..3_usize)
        .map(|hub| Hub::start(hub as u128 + 1, broker.port, logs[hub].clone()))
        .collect();
    until("all in order", &mut hubs, are_in_order);
    for number in 1..=200 {
        for (author, hub) in hubs.iter_mut().enumerate() {
            hub.say(author as u128 + 100, number);
        }
    }
    (1..=50).for_each(|number| hubs[0].say_plain(number));
    until("600 messages settled", &mut hubs, are_settled);
    until("everywhere", &mut hubs, |hubs| have(hubs, 600));
    until("plain ones too", &mut hubs, |hubs| hubs.iter().all(|hub| hub.order().len() == 650));
    assert_eq!(hubs[0].order(), hubs[1].order());
    assert_eq!(hubs[0].order(), hubs[2].order());

    // The broker is killed while they speak.
    (201..=300).for_each(|number| hubs[1].say(101, number));
    let port = broker.kill();
    (301..=400).for_each(|number| hubs[1].say(101, number));
    until("cut off", &mut hubs, |hubs| {
        hubs.iter().all(|hub| hub.seen.lock().unwrap().state == Some(State::CutOff))
    });
    assert!(!hubs[1].waiting.is_empty());
    let broker = Broker::start(port, &store).unwrap();
    until("after the broker's restart", &mut hubs, are_settled);
    until("everywhere", &mut hubs, |hubs| have(hubs, 800));

    // Its storage is deleted.
    let port = broker.kill();
    let broker = Broker::start(port, &folder.path().join("two")).unwrap();
    (401..=450).for_each(|number| hubs[1].say(101, number));
    until("with an empty broker", &mut hubs, are_settled);
    until("everywhere", &mut hubs, |hubs| have(hubs, 850));

    // A hub ends and comes back with an older log, and its client goes on at another hub.
    let older = logs[2].0.lock().unwrap().clone();
    drop(hubs.pop());
    (451..=500).for_each(|number| hubs[0].say(101, number));
    until("at another hub", &mut hubs, are_settled);
    *logs[2].0.lock().unwrap() = older;
    hubs.push(Hub::start(9, port, logs[2].clone()));
    until("with a restored hub", &mut hubs, |hubs| have(hubs, 900));

    // One order within an epoch, and nothing twice.
    let places: Vec<std::collections::BTreeMap<(u64, Identity), Position>> = hubs
        .iter()
        .map(|hub| hub.order().into_iter().map(|(at, it)| ((at.epoch(), it), at)).collect())
        .collect();
    for (key, position) in &places[0] {
        for other in &places[1..] {
            assert!(other.get(key).is_none_or(|it| it == position), "{key:?}");
        }
    }
    for hub in &hubs {
        let order = hub.order();
        assert_eq!(order.iter().map(|(_, it)| it).collect::<BTreeSet<_>>().len(), order.len());
        let heard = hub.seen.lock().unwrap().heard.clone();
        assert_eq!(heard.iter().collect::<BTreeSet<_>>().len(), heard.len(), "heard once");
    }
    drop(hubs);
    broker.kill();
}

#[test]
fn what_a_hub_hands_in_is_bounded_while_its_log_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start(free_port(), folder.path()) else { return };
    let log = Shared::default();
    let mut hubs = [Hub::start(1, broker.port, log.clone())];
    until("in order", &mut hubs, are_in_order);
    let hanging = log.0.lock().unwrap();
    hubs[0].say(100, 1);
    let plain = |number| {
        let identity = Identity { author: 1, outbox: 0, number };
        Input::Plain(vec![message(identity, LinkKind::Plain, vec![b'x'; 200])])
    };
    let taken = (1..100_000).take_while(|number| hubs[0].link.input(plain(*number))).count();
    assert!(taken < 65_536, "{taken}");
    let identity = Identity { author: 100, outbox: 7, number: 2 };
    let said = Said {
        message: message(identity, LinkKind::Key, b"refused".to_vec()),
        after: 1,
        numbered: Numbered::Author,
        again: Again::No,
    };
    assert!(!hubs[0].link.input(Input::Say { ticket: 2, said }), "refused, so said again");
    drop(hanging);
    until("settled", &mut hubs, are_settled);
    hubs[0].say(100, 2);
    until("settled once there is room", &mut hubs, are_settled);
    drop(hubs);
    broker.kill();
}
