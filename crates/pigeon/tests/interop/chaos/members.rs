//! Members of a cluster: reliable ones by the library, each with a ledger on disk, and plain ones
//! by a socket each.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pigeon_client::reliable::{Event as SessionEvent, From};
use pigeon_member::{Event, Hub, NotSaid, Options, Said};
use pigeon_proto::{Identity, Position, RoomName, Seen};
use pigeon_quic::Fingerprint;

use super::ledger::Line;

/// The most messages of a reliable member that wait for `stored`.
const MOST_WAITING: usize = 64;

/// Time between two messages of a plain member, and between heartbeats.
const PLAIN_PACE: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What members do now.
pub(super) struct Orders {
    /// Time between two messages of a reliable member.
    pace: Duration,
    pub(super) speak: AtomicBool,
    pub(super) end: AtomicBool,
}

impl Orders {
    pub(super) fn with_pace(pace: Duration) -> Arc<Orders> {
        Arc::new(Orders { pace, speak: AtomicBool::new(false), end: AtomicBool::new(false) })
    }
}

/// What a reliable member has said and read.
#[derive(Default)]
pub(super) struct Book {
    pub(super) said: u64,
    pub(super) acknowledged: BTreeSet<u64>,
    /// The texts read.
    pub(super) texts: BTreeSet<String>,
    /// The key of the hub where it is.
    pub(super) hub: Option<Fingerprint>,
    pub(super) moves: u32,
    /// What must not come: refusals, gaps, deletions, broken frames.
    pub(super) troubles: Vec<String>,
    /// When messages came, by their text.
    pub(super) last: Option<(Instant, String)>,
}

/// A reliable member, in a thread of its own.
pub(super) struct Reliable {
    pub(super) name: String,
    pub(super) ledger: PathBuf,
    book: Arc<Mutex<Book>>,
    thread: JoinHandle<()>,
}

/// Where members with a key join.
#[derive(Clone, Copy)]
pub(super) struct Door {
    pub(super) secure: SocketAddr,
    pub(super) fingerprint: Fingerprint,
}

/// A message in front of every position: the follower gets the whole room.
fn beginning() -> From {
    let identity = Identity { author: 0, outbox: 0, number: 0 };
    From::After(Seen { position: Position::START, identity })
}

impl Reliable {
    /// Joins the hub at this door, reads the lobby from its beginning, and speaks when it is told to.
    pub(super) fn start(name: &str, door: Door, folder: &Path, orders: Arc<Orders>) -> Reliable {
        let ledger = folder.join(format!("{name}.ledger"));
        let book = Arc::new(Mutex::new(Book { hub: Some(door.fingerprint), ..Book::default() }));
        let thread = {
            let (name, book) = (name.to_string(), Arc::clone(&book));
            let mut file = File::create(&ledger).unwrap();
            let folder = folder.join(&name);
            std::thread::spawn(move || {
                let mut options = Options::new(door.secure, folder);
                options.fingerprint = Some(door.fingerprint);
                options.session.name = Some(name.as_str().into());
                let mut hub = Hub::connect(options).unwrap();
                hub.follow(&RoomName::lobby(), beginning()).unwrap();
                let mut waiting: VecDeque<(u64, Said)> = VecDeque::new();
                let mut next = Instant::now();
                while !orders.end.load(Ordering::Relaxed) {
                    while let Some(event) = hub.next(Duration::from_millis(20)) {
                        note(&mut hub, event, &mut file, &book);
                        if next <= Instant::now() {
                            break;
                        }
                    }
                    settle(&mut waiting, &book);
                    let speaks = orders.speak.load(Ordering::Relaxed);
                    if speaks && next <= Instant::now() && waiting.len() < MOST_WAITING {
                        let number = lock(&book).said + 1;
                        let said = hub.say(&RoomName::lobby(), &format!("{name} {number}"));
                        waiting.push_back((number, said.unwrap()));
                        lock(&book).said = number;
                        next = Instant::now() + orders.pace;
                    }
                }
            })
        };
        Reliable { name: name.into(), ledger, book, thread }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    pub(super) fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    pub(super) fn join(self) {
        self.thread.join().unwrap();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap()
}

fn note(hub: &mut Hub, event: Event, file: &mut File, book: &Mutex<Book>) {
    match event {
        Event::Session(SessionEvent::Message(message)) => {
            let line = Line::new(&message);
            file.write_all(line.written().as_bytes()).unwrap();
            hub.processed(&message).unwrap();
            let mut book = lock(book);
            book.last = Some((Instant::now(), line.text.clone()));
            book.texts.insert(line.text);
        }
        Event::Met(fingerprint) => {
            let mut book = lock(book);
            if book.hub.replace(fingerprint) != Some(fingerprint) {
                book.moves += 1;
            }
        }
        Event::NotTheHub(_)
        | Event::Session(
            SessionEvent::Gap(_)
            | SessionEvent::Forgot { .. }
            | SessionEvent::Reset { forgotten: true, .. }
            | SessionEvent::Broken(_)
            | SessionEvent::DiskFailed
            | SessionEvent::Renumbered { .. },
        ) => lock(book).troubles.push(format!("{event:?}")),
        _ => {}
    }
}

/// Notes what is stored now.
fn settle(waiting: &mut VecDeque<(u64, Said)>, book: &Mutex<Book>) {
    while let Some((number, said)) = waiting.front() {
        match said.wait(Duration::ZERO) {
            Ok(()) if said.is_relayed() => {
                lock(book).troubles.push(format!("{number} only relayed"));
            }
            Ok(()) => drop(lock(book).acknowledged.insert(*number)),
            Err(NotSaid::Waiting) => return,
            Err(why) => lock(book).troubles.push(format!("{number}: {why}")),
        }
        waiting.pop_front();
    }
}

/// A plain member: a socket. It sends padded heartbeats, as `pigeon join --plain` does.
pub(super) struct Plain {
    pub(super) name: String,
    pub(super) hub: SocketAddr,
    socket: UdpSocket,
    beats: Instant,
    speaks: Instant,
    said: u64,
    /// Proves to the hub that the name is its own.
    word: Option<String>,
    /// Texts heard, without their speakers' names, since they were last cleared.
    pub(super) heard: BTreeSet<String>,
    /// Control lines received, but for the answers to heartbeats and `/who`.
    pub(super) told: Vec<String>,
    /// The names of the room's members, as far as pages of the answer have come.
    names: Vec<String>,
    /// The whole answer to the last `/who`.
    pub(super) roster: Option<BTreeSet<String>>,
}

/// The most control lines that a plain member keeps.
const MOST_TOLD: usize = 1_000;

impl Plain {
    pub(super) fn join(name: &str, hub: SocketAddr) -> Plain {
        let mine = if hub.ip().is_loopback() { "127.0.0.1:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(mine).unwrap();
        socket.set_nonblocking(true).unwrap();
        let now = Instant::now();
        let plain = Plain {
            name: name.into(),
            hub,
            socket,
            beats: now,
            speaks: now,
            said: 0,
            word: None,
            heard: BTreeSet::new(),
            told: Vec::new(),
            names: Vec::new(),
            roster: None,
        };
        plain.send(&format!("/nick {name}"));
        plain
    }

    pub(super) fn send(&self, text: &str) {
        // Fails while no way leads to the hub.
        let _ = self.socket.send_to(text.as_bytes(), self.hub);
    }

    /// Asks who is in the room. The answer comes in `roster`.
    pub(super) fn ask(&mut self) {
        self.roster = None;
        self.names.clear();
        self.send("/who");
    }

    /// Reads what has come, and sends what is due.
    fn turn(&mut self, speaks: bool) {
        let mut buffer = [0; 16_384];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            if from == self.hub {
                self.read(&String::from_utf8_lossy(&buffer[..length]));
            }
        }
        let now = Instant::now();
        if self.beats <= now {
            self.beats = now + HEARTBEAT;
            self.send(&format!("{:336}", "^hb^"));
        }
        if speaks && self.speaks <= now {
            self.speaks = now + PLAIN_PACE;
            self.said += 1;
            self.send(&format!("{} {}", self.name, self.said));
        }
    }

    fn read(&mut self, text: &str) {
        let Some(line) = text.strip_prefix("^hb^ ") else {
            let said = text.trim_end().split_once(": ").map_or(text, |(_, said)| said);
            self.heard.insert(said.to_string());
            return;
        };
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        match words[..] {
            ["pigeon/1", _, _, _, name, ..] if name != self.name => match &self.word {
                Some(word) => self.send(&format!("/resume {word}")),
                None => self.send(&format!("/nick {}", self.name)),
            },
            ["name", name, _, word, ..] if name == self.name => self.word = Some(word.into()),
            ["refused", "resume", ..] | ["refused", "/resume", ..] => self.word = None,
            ["pigeon/1", ..] => {}
            ["roster", _, _, people, senders, from, ref names @ ..] => {
                let number = |word: &str| word.parse::<usize>().unwrap();
                if number(from) != self.names.len() {
                    return;
                }
                self.names.extend(names.iter().map(|name| name.to_string()));
                let all = number(people) + number(senders);
                if self.names.len() >= all {
                    self.roster = Some(self.names.drain(..).collect());
                } else if !names.is_empty() {
                    self.send(&format!("/who {}", self.names.len()));
                }
            }
            _ if self.told.len() < MOST_TOLD => self.told.push(line.to_string()),
            _ => {}
        }
    }
}

/// Plain members, all turned by one thread.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Mutex<Vec<Plain>>>);

impl Crowd {
    pub(super) fn start(members: Vec<Plain>, orders: Arc<Orders>) -> Crowd {
        let crowd = Crowd(Arc::new(Mutex::new(members)));
        let turned = crowd.clone();
        std::thread::spawn(move || {
            while !orders.end.load(Ordering::Relaxed) {
                let speaks = orders.speak.load(Ordering::Relaxed);
                turned.lock().iter_mut().for_each(|member| member.turn(speaks));
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        crowd
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Plain>> {
        self.0.lock().unwrap()
    }
}

/// A name in a roster without the link and the hub that stand with it.
pub(super) fn bare(name: &str) -> &str {
    let name = name.split(';').next().unwrap_or(name);
    name.split('@').next().unwrap_or(name)
}
