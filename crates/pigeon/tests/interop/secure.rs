//! Tests `pigeon join` as a member with a key: the reports of delivery on the screen, in lines and
//! with `--json`; encryption; other servers at a known hub's address; changed addresses; and
//! messages left on the disk.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pigeon::{HEARTBEAT, hub};
use crate::ports::lasting;
use crate::process::{Process, SOON, Voice, wait_until};
use crate::pty::Terminal;

const SIZE: (u16, u16) = (180, 24);

/// Where a [`Wire`] stands for the hub on 127.0.0.1.
const FAR: [u8; 4] = [127, 0, 0, 2];

/// Longer than `join` waits for its last messages to be stored.
const LEAVING: Duration = Duration::from_secs(30);

const STORED: &str = "encrypted, stored by the hub";
const WARNING: &str = "another hub answers there";

/// A folder of a test's own.
pub(crate) fn fresh(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("secure-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// `pigeon ARGS…` with the state of one user.
pub(crate) fn pigeon(folder: &Path, who: &str, args: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    Process::spawn(who, command.args(args).env("PIGEON_STATE", folder.join(who)))
}

/// A hub that can be killed and started again on the same ports.
pub(crate) struct Hub {
    pub(crate) folder: PathBuf,
    port: u16,
    args: Vec<String>,
    pub(crate) process: Process,
    fingerprint: String,
}

impl Hub {
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Hub {
        let [port, _] = lasting();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let (process, fingerprint) = Hub::spawn(folder, port, &args);
        Hub { folder: folder.into(), port, args, process, fingerprint }
    }

    fn spawn(folder: &Path, port: u16, args: &[String]) -> (Process, String) {
        let (at, data) = (format!("127.0.0.1:{port}"), folder.join("data"));
        let mut all = vec!["hub", &at, "--data", data.to_str().unwrap()];
        all.extend(args.iter().map(String::as_str));
        let process = pigeon(folder, "hub", &all);
        let line = process.expect_status(|line| line.contains("fingerprint "), SOON);
        let fingerprint = line.split("fingerprint ").nth(1).unwrap().trim().to_string();
        (process, fingerprint)
    }

    pub(crate) fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.expect_end(SOON);
    }

    pub(crate) fn restart(&mut self) {
        (self.process, self.fingerprint) = Hub::spawn(&self.folder, self.port, &self.args);
    }

    fn mute(&mut self, name: &str) {
        self.process.say(&format!("mute {name}"));
        self.process.expect_line(|line| line.contains(&format!("{name} is muted")), SOON);
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The hub's address as an argument of `send` and `listen`.
    fn target(&self) -> String {
        format!("hub:{}", self.address())
    }

    /// The address of wires to the hub.
    fn far(&self) -> String {
        SocketAddr::from((FAR, self.port)).to_string()
    }

    /// Wires to the hub's plain port, and to the one for members with a key.
    fn wires(&self) -> [Wire; 2] {
        [self.port, self.port + 1].map(|port| {
            Wire::new(SocketAddr::from((FAR, port)), SocketAddr::from(([127, 0, 0, 1], port)))
        })
    }

    /// All texts of the lobby, in the hub's order.
    fn texts(&self, who: &str) -> Vec<String> {
        let target = self.target();
        let mut end = pigeon(&self.folder, who, &["send", &target, "(end)"]);
        assert!(end.expect_end(SOON).success());
        let args = ["listen", &target, "--json", "--last", "1000"];
        let listener = pigeon(&self.folder, who, &args);
        listener.expect_line(|line| line.contains("(end)"), SOON);
        let texts = listener.lines(Voice::Out);
        let texts = texts.iter().filter_map(|line| Some(json(line)["text"].as_str()?.to_string()));
        texts.filter(|text| text != "(end)").collect()
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// How often the screen shows `text` as a message of dog, live or earlier.
fn times_said(screen: &str, text: &str) -> usize {
    let [live, earlier] = [format!("dog: {text}"), format!("dog (key): {text}")];
    screen.lines().filter(|line| line.contains(&live) || line.contains(&earlier)).count()
}

/// `pigeon join --json` under a name.
fn join_json(folder: &Path, who: &str, at: &str) -> Process {
    let args = ["join", at, "--json", "--nick", who, "--heartbeat", HEARTBEAT, "--wait", "100ms"];
    pigeon(folder, who, &args)
}

/// Waits for a JSON object of this kind in which a field has this value.
#[track_caller]
fn expect_json(process: &Process, kind: &str, field: &str, value: &str) -> Value {
    let is_it = |line: &str| {
        let line = json(line);
        line["kind"] == kind && line[field] == value
    };
    json(&process.expect_line(is_it, SOON))
}

/// Carries datagrams to the hub and back, like a router with address translation, and keeps a copy
/// of all bytes.
struct Wire {
    carried: Arc<Mutex<Vec<u8>>>,
    /// Changes with the address that the hub sees.
    address: Arc<AtomicU32>,
    is_over: Arc<AtomicBool>,
}

impl Wire {
    fn new(from: SocketAddr, to: SocketAddr) -> Wire {
        let wire =
            Wire { carried: Arc::default(), address: Arc::default(), is_over: Arc::default() };
        let near = UdpSocket::bind(from).unwrap();
        near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (carried, address, is_over) =
            (wire.carried.clone(), wire.address.clone(), wire.is_over.clone());
        thread::spawn(move || {
            let mut far: HashMap<(SocketAddr, u32), Arc<UdpSocket>> = HashMap::new();
            let mut buffer = [0; 65_536];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((length, client)) = near.recv_from(&mut buffer) else { continue };
                carried.lock().unwrap().extend_from_slice(&buffer[..length]);
                let now = address.load(Ordering::Relaxed);
                let far = far.entry((client, now)).or_insert_with(|| {
                    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
                    far.connect(to).unwrap();
                    far.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    let (back, near) = (far.clone(), near.try_clone().unwrap());
                    let (carried, address, is_over) =
                        (carried.clone(), address.clone(), is_over.clone());
                    thread::spawn(move || {
                        let mut buffer = [0; 65_536];
                        // Answers to a previous address are lost.
                        while !is_over.load(Ordering::Relaxed)
                            && address.load(Ordering::Relaxed) == now
                        {
                            let Ok(length) = back.recv(&mut buffer) else { continue };
                            carried.lock().unwrap().extend_from_slice(&buffer[..length]);
                            let _ = near.send_to(&buffer[..length], client);
                        }
                    });
                    far
                });
                // The hub may be away.
                let _ = far.send(&buffer[..length]);
            }
        });
        wire
    }

    /// From now on the hub sees another address.
    fn change_address(&self) {
        self.address.fetch_add(1, Ordering::Relaxed);
    }

    fn has_carried(&self, text: &str) -> bool {
        let carried = self.carried.lock().unwrap();
        carried.windows(text.len()).any(|part| part == text.as_bytes())
    }

    fn bytes(&self) -> usize {
        self.carried.lock().unwrap().len()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Another server on a hub's plain port. Its answers to heartbeats announce a port for members
/// with a key.
struct Fake {
    got: Arc<Mutex<Vec<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Fake {
    fn new(port: u16, announced: u16) -> Fake {
        let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let (kept, over) = (got.clone(), is_over.clone());
        let thread = thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while !over.load(Ordering::Relaxed) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        kept.lock().unwrap().push(buffer[..length].to_vec());
                        if buffer.starts_with(b"^hb^ ") {
                            let answer = format!("^hb^ pigeon/1 1 {announced} chat dog lobby");
                            socket.send_to(answer.as_bytes(), from).unwrap();
                        }
                    }
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                        "{error}"
                    ),
                }
            }
        });
        Fake { got, is_over, thread: Some(thread) }
    }

    fn has_got(&self, text: &str) -> bool {
        let got = self.got.lock().unwrap();
        got.iter().any(|datagram| String::from_utf8_lossy(datagram).contains(text))
    }

    fn datagrams(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Whether a file of a user's state holds this text.
fn is_on_disk(folder: &Path, who: &str, text: &str) -> bool {
    fn holds(folder: &Path, text: &[u8]) -> bool {
        fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| match entry.path() {
            path if path.is_dir() => holds(&path, text),
            path => {
                fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text))
            }
        })
    }
    holds(&folder.join(who).join("member"), text.as_bytes())
}

// Reports of delivery.

#[test]
fn the_status_line_never_says_more_than_is_true() {
    let folder = fresh("status");
    let state = folder.join("dog");
    let state = state.to_str().unwrap();

    let plain = hub(&[]);
    let at = plain.address.to_string();
    let args = ["join", &at, "--nick", "dog", "--heartbeat", HEARTBEAT];
    let dog = Terminal::start_keeping(state, "dog", SIZE, &args);
    let screen = dog.expect_text("plain: may be lost, can be read by others");
    assert!(!screen.contains("encrypted") && !screen.contains("stored"), "{screen}");
    drop((dog, plain));

    let mut hub = Hub::start(&folder, &["--max-text", "40"]);
    let at = hub.address();
    let args = ["join", &at, "--nick", "dog", "--heartbeat", HEARTBEAT];
    let dog = Terminal::start_keeping(state, "dog", SIZE, &args);
    let screen = dog.expect_text(STORED);
    assert!(screen.contains(&hub.fingerprint), "first contact: {screen}");
    assert!(!screen.contains("plain:"), "{screen}");
    dog.press("one\r");
    let is_stored = |screen: &str, text| times_said(screen, text) == 1 && screen.contains(STORED);
    dog.expect("one, stored", |screen| is_stored(screen, "one"));

    hub.kill();
    dog.press("two\r");
    let screen = dog.expect_text("not connected; one message waits on this disk");
    assert!(!screen.contains(STORED) && times_said(&screen, "two") == 0, "{screen}");
    dog.press("/msg ape psst\r");
    dog.expect_text("probably lost");
    hub.restart();
    dog.expect("two, stored", |screen| {
        screen.contains("connected again") && is_stored(screen, "two")
    });

    dog.press("a line that is far longer than the forty bytes of this hub\r");
    let screen = dog.expect_text("not stored, and nobody has heard it: a line that is far longer");
    assert!(screen.contains("at most 40") && !screen.contains("dog: a line"), "{screen}");
    hub.mute("dog");
    dog.press("three\r");
    let screen = dog.expect_text("not stored, and nobody has heard it: three");
    assert!(!screen.contains("dog: three"), "{screen}");
    // Nothing waits any more.
    dog.expect_text(STORED);
    dog.press("quit\r");
    drop(dog);
    assert_eq!(hub.texts("ape"), ["one", "two"]);
}

#[test]
fn lines_say_what_became_of_them() {
    let folder = fresh("lines");
    let mut hub = Hub::start(&folder, &[]);
    let (state, at) = (folder.join("dog"), hub.address());
    let args = ["join", &at, "--line", "--nick", "dog", "--heartbeat", HEARTBEAT];
    let mut dog = Terminal::start_keeping(state.to_str().unwrap(), "dog", SIZE, &args);
    dog.expect_text("encrypted from now on; the hub says what it has stored");
    dog.press("one\r");
    dog.expect("one", |screen| times_said(screen, "one") == 1);
    hub.kill();
    dog.press("two\r");
    let screen = dog.expect_text("not connected to the hub; what you say waits on this disk");
    assert!(times_said(&screen, "two") == 0 && !screen.contains("connected again"), "{screen}");
    hub.restart();
    dog.expect_text("connected again");
    dog.expect("two, once", |screen| times_said(screen, "two") == 1);
    hub.mute("dog");
    dog.press("three\r");
    dog.expect_text("not stored, and nobody has heard it: three");
    hub.kill();
    dog.press("four\r");
    wait_until("it is on the disk", || is_on_disk(&folder, "dog", "four").then_some(()));
    dog.press("quit\r");
    dog.expect_text("the hub has not stored one message");
    assert_eq!(dog.expect_end(), 1);
}

#[test]
fn programs_read_what_became_of_each_message() {
    let folder = fresh("json");
    let mut hub = Hub::start(&folder, &["--max-text", "40"]);
    let mut dog = join_json(&folder, "dog", &hub.address());
    let first = expect_json(&dog, "secure", "fingerprint", &hub.fingerprint);
    assert_eq!(first["first"], true);
    dog.say("one");
    let stored = expect_json(&dog, "delivery", "text", "one");
    assert_eq!(stored["state"], "stored");
    hub.kill();
    dog.say("two");
    expect_json(&dog, "delivery", "state", "waiting");
    assert!(dog.lines(Voice::Out).iter().all(|line| json(line)["text"] != "two"));
    hub.restart();
    expect_json(&dog, "delivery", "state", "back");
    assert_eq!(expect_json(&dog, "delivery", "text", "two")["state"], "stored");
    let long = "x".repeat(41);
    dog.say(&long);
    let refused = expect_json(&dog, "delivery", "text", &long);
    assert_eq!(refused["state"], "refused");
    hub.mute("dog");
    dog.say("three");
    let refused = expect_json(&dog, "delivery", "text", "three");
    assert_eq!(refused["state"], "refused");
    assert!(refused["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{refused}");
    dog.end_stdin();
    assert_eq!(dog.expect_end(LEAVING).code(), Some(1), "lines were refused");
    let heard = |text: &str| {
        let lines = dog.lines(Voice::Out);
        let is_it = |line: &&String| {
            let line = json(line);
            ["message", "said"].iter().any(|kind| line["kind"] == *kind) && line["text"] == text
        };
        lines.iter().filter(is_it).count()
    };
    assert_eq!(["one", "two", "three"].map(heard), [1, 1, 0]);
    // The message has dog's name, although the restarted hub reserves that name for its last
    // holder.
    let two =
        dog.expect_line(|line| json(line)["from"] == "dog" && json(line)["text"] == "two", SOON);
    assert!(["message", "said"].contains(&json(&two)["kind"].as_str().unwrap()), "{two}");
    // The second time, the hub is known.
    let again = join_json(&folder, "dog", &hub.address());
    again.expect_line(|line| json(line)["kind"] == "joined", SOON);
}

#[test]
fn a_hub_without_history_relays_and_says_so() {
    let folder = fresh("relayed");
    let mut hub = Hub::start(&folder, &["--history", "off"]);
    let mut cat = join_json(&folder, "cat", &hub.address());
    expect_json(&cat, "delivery", "state", "keeps-nothing");
    let mut dog = join_json(&folder, "dog", &hub.address());
    expect_json(&dog, "delivery", "state", "keeps-nothing");
    dog.say("one");
    assert_eq!(expect_json(&dog, "delivery", "text", "one")["state"], "relayed");
    expect_json(&cat, "message", "text", "one");
    // A message is not stored, so a script must not believe that it is.
    let mut sent = pigeon(&folder, "cron", &["send", &hub.target(), "two"]);
    sent.expect_status(|line| line.contains("relayed and not stored"), SOON);
    assert_eq!(sent.expect_end(SOON).code(), Some(1));
    expect_json(&cat, "message", "text", "two");
    // What waits for a hub that is gone is said once it is back, and nothing before it again.
    hub.kill();
    dog.say("three");
    expect_json(&dog, "delivery", "state", "waiting");
    hub.restart();
    assert_eq!(expect_json(&dog, "delivery", "text", "three")["state"], "relayed");
    // One that says nothing notices the restart some seconds later.
    cat.expect_line(|line| json(line)["text"] == "three", LEAVING);
    cat.say("four");
    expect_json(&dog, "message", "text", "four");
    let heard = |text: &str| {
        let lines = cat.lines(Voice::Out);
        lines.iter().map(|line| json(line)).filter(|line| line["text"] == text).count()
    };
    assert_eq!(["one", "two", "three"].map(heard), [1, 1, 1]);
}

#[test]
fn the_console_counts_what_members_with_a_key_do() {
    let folder = fresh("counters");
    let mut hub = Hub::start(&folder, &[]);
    let mut dog = join_json(&folder, "dog", &hub.address());
    dog.say("one");
    assert_eq!(expect_json(&dog, "delivery", "text", "one")["state"], "stored");
    hub.process.say("stats");
    // The last row.
    hub.process.expect_line(|line| line.trim().starts_with("came to learn"), SOON);
    let lines = hub.process.lines(Voice::Out);
    let count = |name: &str| -> u64 {
        let row = lines.iter().rev().find(|row| row.trim().starts_with(name)).unwrap();
        row.split_whitespace().last().unwrap().parse().unwrap()
    };
    assert_eq!((count("members with a key"), count("messages said")), (1, 1), "{lines:?}");
    assert_eq!(count("connections since"), 1, "{lines:?}");
    // The first contact is a connection of its own, to learn the hub's key.
    assert_eq!((count("asked to prove"), count("came to learn")), (2, 1), "{lines:?}");
    assert!(!lines.iter().any(|row| row.contains("handshakes failed")), "{lines:?}");
    assert!(count("bytes read") > 100 && count("bytes written") > 100, "{lines:?}");
    hub.process.say("quit");
    hub.process.expect_status(|line| line.contains("members with a key: stopped"), SOON);
}

// Encryption.

#[test]
fn nothing_of_a_session_can_be_read_on_the_way() {
    let folder = fresh("capture");
    let hub = Hub::start(&folder, &["--password", "芝麻开门"]);
    let [plain, secure] = hub.wires();
    let password = folder.join("password");
    fs::write(&password, "芝麻开门\n").unwrap();
    let far = hub.far();
    let args = ["join", &far, "--json", "--nick", "小明", "--heartbeat", HEARTBEAT];
    let args = [&args[..], &["--password-file", password.to_str().unwrap()]].concat();
    let mut dog = pigeon(&folder, "dog", &args);
    // Sends at once, before `join` knows whether the hub accepts members with a key.
    dog.say("a secret of the first hour");
    expect_json(&dog, "delivery", "text", "a secret of the first hour");
    dog.say("/me 写下密语");
    dog.say("/msg 小红 nobody is called so");
    dog.expect_line(|line| json(line)["kind"] == "refused", SOON);
    assert!(secure.bytes() > 3_000, "the session went over the wire");
    for secret in ["secret", "first hour", "小明", "密语", "小红", "nobody", "芝麻开门"] {
        assert!(!secure.has_carried(secret), "{secret} in the QUIC session");
        assert!(!plain.has_carried(secret), "{secret} in clear text");
    }
    assert_eq!(expect_json(&dog, "name", "name", "小明")["room"], "lobby");
}

#[test]
fn a_typed_password_goes_encrypted_only_and_nothing_before_it() {
    let folder = fresh("password");
    let hub = Hub::start(&folder, &["--password", "芝麻开门"]);
    let [plain, secure] = hub.wires();
    let (state, far) = (folder.join("dog"), hub.far());
    let args = ["join", &far, "--nick", "小明", "--heartbeat", HEARTBEAT];
    let dog = Terminal::start_keeping(state.to_str().unwrap(), "dog", SIZE, &args);
    dog.expect_text("needs a password");
    dog.press("too early\r");
    dog.expect_text("* not sent:");
    dog.press("/pass 开门大吉\r");
    dog.expect_text("encrypted from now on");
    dog.expect("the password is wrong", |screen| {
        screen.matches("needs a password").count() >= 2 || screen.contains("wrong")
    });
    dog.press("still too early\r");
    dog.press("/pass 芝麻开门\r");
    dog.expect_text(STORED);
    dog.press("in time\r");
    dog.expect_text("小明: in time");
    for secret in ["early", "in time", "小明", "芝麻开门", "开门大吉"] {
        assert!(!secure.has_carried(secret), "{secret} in the QUIC session");
        assert!(!plain.has_carried(secret), "{secret} in clear text");
    }
}

#[test]
fn a_hub_with_another_key_is_told_nothing() {
    let folder = fresh("certificate");
    let mut hub = Hub::start(&folder, &[]);
    let mut dog = join_json(&folder, "dog", &hub.far());
    let wires = hub.wires();
    dog.say("to the first");
    expect_json(&dog, "delivery", "text", "to the first");
    dog.end_stdin();
    dog.expect_end(LEAVING);
    let mut ape = pigeon(&folder, "ape", &["send", &hub.target(), "hello"]);
    assert!(ape.expect_end(SOON).success());

    let first = hub.fingerprint.clone();
    hub.kill();
    let certificate = find(&folder.join("data"), "certificate.pem").expect("a certificate");
    fs::remove_file(certificate).unwrap();
    hub.restart();
    assert_ne!(hub.fingerprint, first);

    let carried = wires[0].bytes();
    let mut dog = join_json(&folder, "dog", &hub.far());
    dog.say("to another");
    dog.expect_status(|line| line.contains(WARNING), SOON);
    expect_json(&dog, "delivery", "state", "another-hub");
    assert_eq!(dog.expect_end(SOON).code(), Some(1));
    assert_eq!(wires[0].bytes(), carried, "the plain port was not asked");
    let (state, far) = (folder.join("dog"), hub.far());
    let mut screen = Terminal::start_keeping(
        state.to_str().unwrap(),
        "screen",
        SIZE,
        &["join", &far, "--nick", "dog"],
    );
    assert_eq!(screen.expect_end(), 1);
    screen.expect_text(WARNING);

    let target = hub.target();
    for args in [&["send", &target, "to another"][..], &["listen", &target]] {
        let mut ape = pigeon(&folder, "ape", args);
        assert_ne!(ape.expect_end(SOON).code(), Some(0), "{args:?}");
        let said = ape.lines(Voice::Err).join("\n");
        assert!(said.contains("key") && !said.contains("panicked"), "{args:?}: {said}");
    }
    assert_eq!(hub.texts("stranger"), ["to the first", "hello"]);
}

/// The first file with this name in a folder or its subfolders.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    paths.find_map(|path| match path.is_dir() {
        true => find(&path, name),
        false => path.ends_with(name).then_some(path),
    })
}

#[test]
fn a_hub_once_met_with_a_key_is_never_joined_plainly() {
    let folder = fresh("forged");
    let mut hub = Hub::start(&folder, &[]);
    let mut dog = join_json(&folder, "dog", &hub.address());
    dog.say("one");
    expect_json(&dog, "delivery", "text", "one");
    dog.end_stdin();
    dog.expect_end(LEAVING);
    // This user has contacted the hub only with `send`.
    let mut ape = pigeon(&folder, "ape", &["send", &hub.target(), "two"]);
    assert!(ape.expect_end(SOON).success());
    hub.kill();
    // The hub announces no port, and then the port of another hub.
    let other_folder = fresh("forged-other");
    let other = Hub::start(&other_folder, &[]);
    for (n, announced) in [0, other.port + 1].into_iter().enumerate() {
        let fake = Fake::new(hub.port, announced);
        let members = ["dog", "ape"].map(|who| {
            let mut member = join_json(&folder, who, &hub.address());
            member.say(&format!("secret {who} {n}"));
            member.end_stdin();
            (who, member)
        });
        for (who, mut member) in members {
            assert_eq!(member.expect_end(LEAVING).code(), Some(1), "{who}");
            member.expect_status(|line| line.contains("has not stored"), SOON);
            assert!(is_on_disk(&folder, who, &format!("secret {who} {n}")), "{who}");
        }
        assert_eq!(fake.datagrams(), 0, "announced {announced}");
        // Only on request.
        if announced == 0 {
            let args = ["join", &hub.address(), "--plain", "--wait", "100ms"];
            let mut plain = pigeon(&folder, "dog", &args);
            plain.say("not a secret");
            wait_until("the other server has it", || fake.has_got("not a secret").then_some(()));
            plain.end_stdin();
            plain.expect_end(LEAVING);
        }
    }
    assert_eq!(other.texts("stranger"), Vec::<String>::new());
    // Everything that waited is stored once the hub is back, and once only.
    hub.restart();
    let mut dog = join_json(&folder, "dog", &hub.address());
    dog.say("end");
    expect_json(&dog, "delivery", "text", "end");
    let mut ape = pigeon(&folder, "ape", &["send", &hub.target(), "end"]);
    assert!(ape.expect_end(SOON).success());
    let mut texts = hub.texts("stranger");
    texts.sort();
    let mut expected: Vec<String> = ["one", "two", "end", "end"].map(String::from).into();
    expected.extend((0..2).flat_map(|n| ["dog", "ape"].map(|who| format!("secret {who} {n}"))));
    expected.sort();
    assert_eq!(texts, expected);
}

// Changed addresses, restarts, kills.

#[test]
fn a_message_after_a_change_of_address_is_stored_soon() {
    let folder = fresh("roaming");
    let hub = Hub::start(&folder, &[]);
    let [_plain, secure] = hub.wires();
    let mut dog = join_json(&folder, "dog", &hub.far());
    dog.say("before");
    expect_json(&dog, "delivery", "text", "before");
    let mut took = Vec::new();
    for n in 0..5 {
        secure.change_address();
        let start = Instant::now();
        let text = format!("after change {n}");
        dog.say(&text);
        assert_eq!(expect_json(&dog, "delivery", "text", &text)["state"], "stored");
        took.push(start.elapsed());
    }
    let waited = dog.lines(Voice::Out).iter().any(|line| json(line)["state"] == "waiting");
    assert!(!waited, "the connection goes on");
    println!("stored after a change of address in {took:.1?}");
    let texts = hub.texts("ape");
    assert_eq!(texts.len(), 6, "{texts:?}");
}

#[test]
fn after_restarts_of_both_ends_what_was_missed_comes_at_once() {
    let folder = fresh("missed");
    let mut hub = Hub::start(&folder, &[]);
    let dog = join_json(&folder, "dog", &hub.address());
    dog.expect_line(|line| json(line)["kind"] == "secure", SOON);
    let ape = |hub: &Hub, texts: std::ops::Range<u32>| {
        let mut ape = pigeon(&folder, "ape", &["send", &hub.target()]);
        texts.for_each(|n| ape.say(&format!("line {n}")));
        ape.end_stdin();
        assert!(ape.expect_end(SOON).success());
    };
    ape(&hub, 0..10);
    dog.expect_line(|line| json(line)["text"] == "line 9", SOON);
    dog.signal("KILL");
    drop(dog);
    hub.kill();
    hub.restart();
    ape(&hub, 10..60);
    hub.kill();
    hub.restart();
    let start = Instant::now();
    let dog = join_json(&folder, "dog", &hub.address());
    dog.expect_line(|line| json(line)["text"] == "line 59", SOON);
    println!("50 missed messages {:.1?} after the start of the program", start.elapsed());
    ape(&hub, 60..61);
    dog.expect_line(|line| json(line)["text"] == "line 60", SOON);
    let lines = dog.lines(Voice::Out).into_iter().map(|line| json(&line));
    let texts: Vec<String> =
        lines.filter_map(|line| Some(line["text"].as_str()?.to_string())).collect();
    assert_eq!(texts, (10..61).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn what_a_killed_program_left_on_the_disk_is_sent_once() {
    let folder = fresh("left");
    let mut hub = Hub::start(&folder, &[]);
    for (n, next) in ["join", "send"].into_iter().enumerate() {
        let mut dog = join_json(&folder, "dog", &hub.address());
        dog.say(&format!("before {n}"));
        expect_json(&dog, "delivery", "text", &format!("before {n}"));
        hub.kill();
        let text = format!("left {n}");
        dog.say(&text);
        wait_until("it is on the disk", || is_on_disk(&folder, "dog", &text).then_some(()));
        dog.signal("KILL");
        drop(dog);
        hub.restart();
        match next {
            // With an empty stdin, `join` leaves at once, but not before the waiting message is
            // stored.
            "join" => {
                let mut dog = join_json(&folder, "dog", &hub.address());
                dog.end_stdin();
                assert_eq!(dog.expect_end(LEAVING).code(), Some(0));
            }
            _ => {
                let mut dog = pigeon(&folder, "dog", &["send", &hub.target(), "after"]);
                assert!(dog.expect_end(SOON).success());
            }
        }
    }
    assert_eq!(hub.texts("ape"), ["before 0", "left 0", "before 1", "left 1", "after"]);
}
