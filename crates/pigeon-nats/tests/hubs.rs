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
    Again, Found, Held, MemoryLog, Numbered, Outbox, Outcome, Said, Saved, State, Statistics,
};
use pigeon_nats::{Credentials, Event, Input, Link, Settings};
use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};

const PATIENCE: Duration = Duration::from_secs(60);

/// The run of a hub with a stream that is not as it should be.
const FULL: u128 = 9;

/// A broker, or `None` where nats-server is not installed.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(port: u16, folder: &Path) -> Option<Broker> {
        Broker::with(port, folder, "")
    }

    /// With lines of its configuration.
    fn with(port: u16, folder: &Path, config: &str) -> Option<Broker> {
        let file = folder.with_extension("conf");
        std::fs::write(&file, format!("{config}\n")).unwrap();
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"])
            .arg(folder)
            .arg("-c")
            .arg(&file)
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
    limit: usize,
    troubles: Vec<String>,
    statistics: Statistics,
}

struct Hub {
    link: Link,
    log: Shared,
    seen: Arc<Mutex<Seen>>,
    run: u128,
    /// Numbers that wait for their outcome.
    waiting: BTreeSet<u64>,
    /// Numbers that were refused for good, and those that are to be said again.
    too_long: Vec<u64>,
    again: BTreeSet<u64>,
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
                    Event::Differs(what) => assert_eq!(run, FULL, "{what:?}"),
                    Event::Trouble(why) => {
                        println!("{run}: {why}");
                        seen.troubles.push(why);
                    }
                    Event::Limit(limit) => seen.limit = limit,
                    Event::Counts { statistics, .. } => seen.statistics = statistics,
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
        let (waiting, too_long, again) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        Hub { link, log, seen, run, waiting, too_long, again }
    }

    fn say(&mut self, author: u128, number: u64) {
        self.say_text(author, number, format!("{author} {number}").into_bytes());
    }

    fn say_text(&mut self, author: u128, number: u64, text: Vec<u8>) {
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
            match outcome {
                Outcome::Stored | Outcome::Again => {}
                Outcome::TooLong { .. } => self.too_long.push(number),
                Outcome::Expected(_) => drop(self.again.insert(number)),
                other => panic!("{number}: {other:?}"),
            }
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

/// Says messages of one outbox, one of them larger than the broker accepts, which is refused alone.
fn say_around(hubs: &mut [Hub], first: u64, large: u64, last: u64) {
    (first..large).for_each(|number| hubs[0].say_text(100, number, vec![b'x'; 1_000]));
    hubs[0].say_text(100, large, vec![b'x'; 100_000]);
    (large + 1..=last).for_each(|number| hubs[0].say_text(100, number, vec![b'y'; 1_000]));
    until("all but one settled", hubs, are_settled);
    assert_eq!(std::mem::take(&mut hubs[0].too_long), [large]);
    let again = std::mem::take(&mut hubs[0].again);
    assert!(again.into_iter().eq(large + 1..=last), "they follow one that has no number");
    (large..last).for_each(|number| hubs[0].say_text(100, number, vec![b'y'; 1_000]));
    until("the others follow", hubs, are_settled);
    until("everywhere", hubs, |hubs| have(hubs, last as usize - 1));
    assert!(hubs[0].too_long.is_empty() && hubs[0].again.is_empty());
}

#[test]
fn a_broker_that_accepts_only_small_records_gets_small_ones_and_what_it_cannot_take_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (port, store) = (free_port(), folder.path().join("store"));
    let Some(broker) = Broker::with(port, &store, "max_payload: 65536") else { return };
    let mut hubs = [1, 2].map(|run| Hub::start(run, port, Shared::default()));
    until("in order", &mut hubs, are_in_order);
    assert_eq!(hubs[0].seen.lock().unwrap().limit, 65_536);
    say_around(&mut hubs, 1, 500, 600);
    // A list that it cannot take is counted.
    hubs[1].link.input(Input::Tell("x".repeat(70_000).into()));
    until("counted", &mut hubs, |hubs| {
        let too_large = |hub: &Hub| hub.seen.lock().unwrap().statistics.too_large;
        (too_large(&hubs[0]), too_large(&hubs[1])) == (1, 1)
    });
    let troubles = |hubs: &[Hub]| hubs[0].seen.lock().unwrap().troubles.clone();
    assert_eq!(troubles(&hubs), Vec::<String>::new());

    // The stream itself accepts less from now on, which the hubs learn by a refusal only.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let stream = context.get_stream("pigeon-test").await.unwrap();
        let config = stream.cached_info().config.clone();
        let less = async_nats::jetstream::stream::Config { max_message_size: 20_000, ..config };
        context.update_stream(less).await.unwrap();
    });
    (600..=699).for_each(|number| hubs[0].say_text(100, number, vec![b'z'; 1_000]));
    hubs[0].say_text(100, 700, vec![b'z'; 30_000]);
    until("all but one settled", &mut hubs, are_settled);
    assert_eq!((&hubs[0].too_long[..], hubs[0].again.len()), (&[700][..], 0));
    hubs[0].say(100, 700);
    until("and the next one", &mut hubs, are_settled);
    until("everywhere", &mut hubs, |hubs| have(hubs, 700));
    assert!(hubs[0].seen.lock().unwrap().limit < 65_536, "it is told");
    drop(hubs);
    broker.kill();
}

#[test]
fn brokers_that_refuse_the_first_epoch_are_reported_once_and_are_not_asked_at_full_speed() {
    let folder = tempfile::tempdir().unwrap();
    let (port, store) = (free_port(), folder.path().join("store"));
    let Some(broker) = Broker::with(port, &store, "") else { return };
    let mut hubs = [Hub::start(1, port, Shared::default())];
    until("in order", &mut hubs, are_in_order);
    drop(hubs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(format!("127.0.0.1:{port}")).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let stream = context.get_stream("pigeon-test").await.unwrap();
        stream.purge().await.unwrap();
        let config = stream.cached_info().config.clone();
        let full = async_nats::jetstream::stream::Config {
            max_bytes: 1,
            discard: async_nats::jetstream::stream::DiscardPolicy::New,
            ..config
        };
        context.update_stream(full).await.unwrap();
    });
    let mut hubs = [Hub::start(FULL, port, Shared::default())];
    let troubles = |hub: &Hub| hub.seen.lock().unwrap().troubles.clone();
    until("reported", &mut hubs, |hubs| !troubles(&hubs[0]).is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let all = troubles(&hubs[0]);
    assert_eq!(all.len(), 1, "{all:?}");
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
    // Plain members' messages have used up their share, and not that of the reliable ones.
    let said = |number| {
        let identity = Identity { author: 100, outbox: 7, number };
        let (after, numbered, again) = (number - 1, Numbered::Author, Again::No);
        let message = message(identity, LinkKind::Key, format!("100 {number}").into_bytes());
        Input::Say { ticket: number, said: Said { message, after, numbered, again } }
    };
    let taken = (2..100_000).take_while(|number| hubs[0].link.input(said(*number))).count() as u64;
    assert!((30_000..65_536).contains(&taken), "{taken}");
    hubs[0].waiting.extend(2..taken + 2);
    drop(hanging);
    until("settled", &mut hubs, are_settled);
    hubs[0].say(100, taken + 2);
    until("settled once there is room", &mut hubs, are_settled);
    drop(hubs);
    broker.kill();
}
