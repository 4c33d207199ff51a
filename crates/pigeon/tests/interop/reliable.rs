//! Reliable members over a bad network, while hub and clients are killed: every acknowledged
//! message is in every follower's ledger once, and all ledgers have the same order.
//!
//! `PIGEON_KILLS=200 cargo test -p pigeon --test interop reliable` kills the hub 200 times, clients
//! 100 times and both 50 times; the default is a tenth of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use pigeon_client::reliable::{Event as SessionEvent, From};
use pigeon_member::Event;
use pigeon_proto::{Identity, Position, RoomName, Seen};
use serde_json::Value;

use crate::peers;
use crate::pigeon::{Serving, relay};
use crate::ports::lasting;
use crate::process::{Process, wait_until, wait_within};

/// Time limit for a wait without any progress: a busy machine may need long for all of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a command may wait for the hub. The test ends it earlier, after [`PATIENCE`].
const WAIT: &str = "1h";

fn fresh(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("reliable-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn pigeon(folder: &Path, who: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.env("PIGEON_STATE", folder.join(who)).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// A hub that can be killed and restarted on the same port.
struct Hub {
    folder: PathBuf,
    ports: [u16; 2],
    child: Child,
    fingerprint: String,
}

impl Hub {
    fn start(folder: &Path) -> Hub {
        let ports = lasting();
        let (child, fingerprint) = Hub::spawn(folder, ports);
        Hub { folder: folder.into(), ports, child, fingerprint }
    }

    fn spawn(folder: &Path, [plain, secure]: [u16; 2]) -> (Child, String) {
        let mut child = pigeon(folder, "hub")
            .args(["hub", &format!("127.0.0.1:{plain}"), "--secure", &secure.to_string()])
            .args(["--data", folder.join("log").to_str().unwrap(), "--console", "off"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let fingerprint = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("fingerprint ").map(|(_, rest)| rest.trim().to_string())
        });
        let fingerprint = fingerprint.expect("the hub says its fingerprint");
        // Keeps reading, or the hub's log would fill the pipe.
        spawn(move || lines.for_each(drop));
        (child, fingerprint)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        let (child, fingerprint) = Hub::spawn(&self.folder, self.ports);
        assert_eq!(fingerprint, self.fingerprint, "the hub is the same after a restart");
        self.child = child;
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that may be killed, by the name of their user.
type Victims = Arc<Mutex<BTreeMap<String, u32>>>;

/// Runs a command that may be killed. `None` if it was.
fn run(victims: &Victims, who: &str, command: &mut Command) -> Option<bool> {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    victims.lock().unwrap().insert(who.into(), child.id());
    let mut said = String::new();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.lines().map_while(Result::ok).for_each(|line| said = line);
    let status = child.wait().unwrap();
    victims.lock().unwrap().remove(who);
    let code = status.code()?;
    assert!(code == 0, "{who}: {said}");
    Some(true)
}

/// A writer's acknowledged numbers, and how many it used.
#[derive(Default)]
struct Written {
    acknowledged: BTreeSet<u64>,
    used: u64,
}

/// Sends `NAME NUMBER`, with one command each, until it is stopped.
fn writer(
    folder: PathBuf,
    url: String,
    name: String,
    victims: Victims,
    stop: Arc<AtomicBool>,
) -> JoinHandle<Written> {
    spawn(move || {
        let mut written = Written::default();
        while !stop.load(Ordering::Relaxed) {
            written.used += 1;
            let text = format!("{name} {}", written.used);
            let mut command = pigeon(&folder, &name);
            command.args(["send", &url, &text, "--wait", WAIT]);
            if run(&victims, &name, &mut command).is_some() {
                written.acknowledged.insert(written.used);
            }
        }
        written
    })
}

/// Sends many lines with one command that is never killed.
fn stream(
    folder: PathBuf,
    url: String,
    name: String,
    stop: Arc<AtomicBool>,
) -> JoinHandle<Written> {
    spawn(move || {
        let mut command = pigeon(&folder, &name);
        command.args(["send", &url, "--wait", WAIT]).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut written = Written::default();
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..5 {
                written.used += 1;
                writeln!(stdin, "{name} {}", written.used).unwrap();
                written.acknowledged.insert(written.used);
            }
            sleep(Duration::from_millis(20));
        }
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{name}: all of it is stored");
        written
    })
}

/// A follower's lines, and the position of the last.
#[derive(Default)]
struct Ledger {
    lines: Vec<String>,
    at: Option<String>,
}

/// The beginning of a room, which comes before its first message.
const BEGINNING: &str = "0/00000000000000000000000000000000/0000000000000000/0";

/// Follows the lobby from its beginning. After each kill it continues from the last complete line of
/// its ledger.
fn follower(
    folder: PathBuf,
    url: String,
    name: String,
    victims: Victims,
    over: Arc<AtomicBool>,
) -> Arc<Mutex<Ledger>> {
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let kept = Arc::clone(&ledger);
    spawn(move || {
        while !over.load(Ordering::Relaxed) {
            let mut command = pigeon(&folder, &name);
            command.args(["listen", &url, "--json", "--after"]);
            command.arg(kept.lock().unwrap().at.as_deref().unwrap_or(BEGINNING));
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            victims.lock().unwrap().insert(name.clone(), child.id());
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            // A line without its end was cut off by a kill.
            while stdout.read_line(&mut line).is_ok_and(|length| length > 0) && line.ends_with('\n')
            {
                let value: Value = serde_json::from_str(&line).unwrap();
                line.clear();
                if let (Some(text), Some(at)) = (value["text"].as_str(), value["at"].as_str()) {
                    let mut kept = kept.lock().unwrap();
                    kept.lines.push(text.into());
                    kept.at = Some(at.into());
                }
            }
            let _ = child.kill();
            child.wait().unwrap();
            victims.lock().unwrap().remove(&name);
        }
    });
    ledger
}

/// A small generator: victims must differ between rounds, and need not be random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Waits for a condition while the ledgers grow. False if they stopped growing before.
fn wait_while_it_goes_on(ledgers: &[Arc<Mutex<Ledger>>], is_so: impl Fn() -> bool) -> bool {
    let grown = || ledgers.iter().map(|ledger| ledger.lock().unwrap().lines.len()).sum::<usize>();
    let (mut before, mut since) = (grown(), Instant::now());
    while !is_so() {
        if since.elapsed() > PATIENCE {
            return false;
        }
        sleep(Duration::from_millis(50));
        let now = grown();
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    true
}

fn kill_a_client(victims: &Victims, dice: &mut Dice) -> bool {
    let victims = victims.lock().unwrap();
    let count = victims.len() as u64;
    let Some((_, &id)) =
        (count > 0).then(|| victims.iter().nth(dice.roll(count) as usize)).flatten()
    else {
        return false;
    };
    // The process may have ended meanwhile; then the command fails.
    Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status().unwrap();
    true
}

#[test]
fn a_hub_at_every_address_takes_members_by_ipv4_and_ipv6_and_by_invitation() {
    let folder = fresh("every-address");
    let [plain, secure]: [u16; 2] = lasting();
    let mut hub = pigeon(&folder, "hub")
        .args(["hub", &format!("*:{plain}"), "--secure", &secure.to_string(), "--console", "off"])
        .args(["--data", folder.join("log").to_str().unwrap(), "--discoverable", "off"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(hub.stderr.take().unwrap()).lines().map_while(Result::ok);
    let invitation = lines.find_map(|line| Some(line.split_once("invitation: ")?.1.to_string()));
    let invitation = invitation.expect("the hub prints an invitation");
    spawn(move || lines.for_each(drop));
    let port = secure.to_string();
    let by_address = ["127.0.0.1", "[::1]"].map(|ip| format!("pigeon://{ip}:{port}"));
    for target in by_address.iter().chain([&invitation]) {
        let sent = pigeon(&folder, "sender").args(["send", target, "hi"]).output().unwrap();
        assert!(sent.status.success(), "{target}: {}", String::from_utf8_lossy(&sent.stderr));
    }
    let last = if invitation.ends_with('0') { '1' } else { '0' };
    let other = format!("{}{last}", &invitation[..invitation.len() - 1]);
    let refused = pigeon(&folder, "stranger").args(["send", &other, "hi"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "another key than the invitation's");
    hub.kill().unwrap();
    hub.wait().unwrap();
}

#[test]
fn what_was_acknowledged_is_in_every_ledger_once_whatever_is_killed() {
    let kills: u32 = std::env::var("PIGEON_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let folder = fresh("killed");
    let mut hub = Hub::start(&folder);
    let secure = format!("127.0.0.1:{}", hub.ports[1]).parse().unwrap();
    let bad: Serving = relay(secure, &["--loss", "10%"]);
    let url = format!("pigeon://{}/#{}", bad.address, hub.fingerprint);

    let victims: Victims = Arc::default();
    let (stop, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let ledgers: Vec<_> = ["reader-a", "reader-b"]
        .map(|name| {
            follower(folder.clone(), url.clone(), name.into(), victims.clone(), over.clone())
        })
        .into();
    let names = ["ann", "bob"];
    let mut writers: Vec<(String, JoinHandle<Written>)> = names
        .map(|name| {
            let (folder, url, name) = (folder.clone(), url.clone(), name.to_string());
            (name.clone(), writer(folder, url, name, victims.clone(), stop.clone()))
        })
        .into();
    let streaming = stream(folder.clone(), url.clone(), "stream".into(), stop.clone());
    writers.push(("stream".into(), streaming));

    let (mut dice, counts) = (Dice(7), [(); 3].map(|()| AtomicU32::new(0)));
    let (of_hub, of_clients, of_both) = (kills, kills / 2, kills / 4);
    for round in 0..of_hub + of_clients + of_both {
        sleep(Duration::from_millis(100 + dice.roll(400)));
        // Kills both, a hub or a client, spread over the whole run.
        let kind = match round {
            _ if round % 7 == 6 && counts[2].load(Ordering::Relaxed) < of_both => 2,
            _ if round % 3 == 2 && counts[1].load(Ordering::Relaxed) < of_clients => 1,
            _ => 0,
        };
        counts[kind].fetch_add(1, Ordering::Relaxed);
        if kind != 1 {
            hub.kill();
        }
        if kind != 0 {
            while !kill_a_client(&victims, &mut dice) {
                sleep(Duration::from_millis(5));
            }
        }
        if kind != 1 {
            hub.restart();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let have_ended = || writers.iter().all(|(_, writer)| writer.is_finished());
    assert!(wait_while_it_goes_on(&ledgers, have_ended), "everything said is stored");
    let written: BTreeMap<String, Written> =
        writers.into_iter().map(|(name, writer)| (name, writer.join().unwrap())).collect();
    // The next command sends what a killed one left in its outbox.
    for name in names {
        let text = format!("{name} {}", written[name].used + 1);
        let mut command = pigeon(&folder, name);
        assert!(command.args(["send", &url, &text, "--wait", "90s"]).status().unwrap().success());
    }

    let has_all = |ledger: &Ledger| {
        let lines: BTreeSet<&str> = ledger.lines.iter().map(String::as_str).collect();
        let ends = names
            .iter()
            .all(|name| lines.contains(format!("{name} {}", written[*name].used + 1).as_str()));
        ends && written.iter().all(|(name, written)| {
            written
                .acknowledged
                .iter()
                .all(|number| lines.contains(format!("{name} {number}").as_str()))
        })
    };
    // The check below says what is missing.
    wait_while_it_goes_on(&ledgers, || ledgers.iter().all(|it| has_all(&it.lock().unwrap())));
    over.store(true, Ordering::Relaxed);
    let ledgers: Vec<Vec<String>> =
        ledgers.iter().map(|ledger| ledger.lock().unwrap().lines.clone()).collect();
    let acknowledged: usize = written.values().map(|written| written.acknowledged.len()).sum();
    for (lines, name) in ledgers.iter().zip(["a", "b"]) {
        check(lines, &written, name);
    }
    assert_eq!(ledgers[0], ledgers[1], "one order for all");
    let counts = counts.map(|count| count.into_inner());
    println!(
        "{} kills of the hub, {} of a client, {} of both; {acknowledged} messages acknowledged, {} in \
         each ledger: 0 lost, 0 doubled, 0 out of order",
        counts[0],
        counts[1],
        counts[2],
        ledgers[0].len()
    );
    victims.lock().unwrap().values().for_each(|id| {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).stderr(Stdio::null()).status();
    });
}

/// Checks that nothing is missing, duplicated or out of order.
fn check(lines: &[String], written: &BTreeMap<String, Written>, ledger: &str) {
    let mut read: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in lines {
        let (name, number) = line.split_once(' ').unwrap();
        read.entry(name).or_default().push(number.parse().unwrap());
    }
    for (name, written) in written {
        let read = read.get(name.as_str()).cloned().unwrap_or_default();
        assert!(read.is_sorted_by(|a, b| a < b), "ledger {ledger}, {name}: {read:?}");
        let read: BTreeSet<u64> = read.into_iter().collect();
        let lost: Vec<&u64> = written.acknowledged.difference(&read).collect();
        assert!(lost.is_empty(), "ledger {ledger}, {name} lost {lost:?}");
    }
}

/// A member of the library, with a folder of its own.
fn member(folder: &Path, hub: &Hub) -> pigeon_member::Hub {
    let address = ([127, 0, 0, 1], hub.ports[1]).into();
    pigeon_member::Hub::connect(pigeon_member::Options::new(address, folder.join("member")))
        .unwrap()
}

#[test]
fn a_program_that_takes_no_events_may_wait_for_its_messages() {
    let folder = fresh("waits");
    let hub = Hub::start(&folder);
    let mut member = member(&folder, &hub);
    let lobby = RoomName::lobby();
    let mut say = |number: usize| member.say(&lobby, &format!("{number}")).unwrap();
    // More than the queue of events holds: for each message, its status, and then the message itself.
    let said: Vec<_> = (0..3_000).map(&mut say).collect();
    said.iter().for_each(|said| said.wait(PATIENCE).unwrap());
    let identity = Identity { author: 0, outbox: 0, number: 0 };
    let start = Seen { position: Position::START, identity };
    member.follow(&lobby, From::After(start)).unwrap();
    let is_message = |event: &Event| matches!(event, Event::Session(SessionEvent::Message(_)));
    while !is_message(&member.next(PATIENCE).expect("messages come")) {}
    // The acknowledgement comes behind the messages of the room.
    member.say(&lobby, "the last").unwrap().wait(PATIENCE).unwrap();
    let mut got = 1;
    while got < 3_001 {
        got += usize::from(is_message(&member.next(PATIENCE).expect("messages come")));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A client in Python, written from docs/reliable.md alone, with aioquic in `target/aioquic`.
struct Stranger<'a> {
    python: &'a Path,
    state: PathBuf,
    process: Process,
}

impl Stranger<'_> {
    fn start<'a>(folder: &Path, python: &'a Path, hub: &Hub) -> Stranger<'a> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/reliable_client.py");
        let state = folder.join("stranger");
        let invitation = format!("pigeon://127.0.0.1:{}/#{}", hub.ports[1], hub.fingerprint);
        let mut command = Command::new(python);
        command.args([program, &invitation]).arg(&state).arg("stranger");
        Stranger { python, state, process: Process::spawn("reliable_client.py", &mut command) }
    }

    /// The texts of a table of its SQLite file, in order.
    fn texts(&self, table: &str) -> Vec<String> {
        let program = "import json, sqlite3, sys
db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
print(json.dumps([text for text, in db.execute(f'SELECT text FROM {sys.argv[2]} ORDER BY id')]))";
        let mut command = Command::new(self.python);
        let output =
            command.args(["-c", program]).arg(&self.state).arg(table).output().unwrap().stdout;
        serde_json::from_slice(&output).unwrap_or_default()
    }

    /// The texts that it has read.
    fn ledger(&self) -> Vec<String> {
        self.texts("heard")
    }

    /// How many lines it has taken: the number in the last one that it says.
    fn taken(&self) -> usize {
        let texts = self.texts("own");
        texts.last().map_or(0, |text| text.strip_prefix("line ").unwrap().parse().unwrap())
    }

    #[track_caller]
    fn expect(&self, status: &str) {
        self.process.expect_status(|line| line == status, PATIENCE);
    }
}

#[test]
fn a_client_written_from_the_documentation_loses_and_doubles_nothing() {
    let python = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("aioquic/bin/python3");
    if !python.exists() {
        return peers::skipped("aioquic (python3 -m venv, pip install aioquic)");
    }
    if !peers::installed("nc") {
        return;
    }
    let folder = fresh("documentation");
    let mut hub = Hub::start(&folder);
    // Numbers begin with 1. The hub refuses the empty line for good.
    let lines: Vec<String> =
        (1..=51).map(|n| if n == 8 { String::new() } else { format!("line {n}") }).collect();
    let mut nc = peers::client("nc", ([127, 0, 0, 1], hub.ports[0]).into());

    let mut stranger = Stranger::start(&folder, &python, &hub);
    stranger.expect("live 0");
    nc.say("from nc");
    stranger.process.expect_line(|line| line.contains("from nc"), PATIENCE);
    lines[..20].iter().for_each(|line| stranger.process.say(line));
    stranger.process.expect_status(|line| line.starts_with("refused 8 "), PATIENCE);
    stranger.expect("stored 20");
    // What it says to a dead hub waits in its outbox. The hub's log is copied meanwhile.
    hub.kill();
    copy_folder(&folder.join("log"), &folder.join("copy"));
    lines[20..30].iter().for_each(|line| stranger.process.say(line));
    wait_until("it takes ten lines", || (stranger.taken() == 30).then_some(()));
    hub.restart();
    stranger.expect("stored 30");
    // Both are killed while it speaks. It goes on after the last line in its outbox.
    lines[30..40].iter().for_each(|line| stranger.process.say(line));
    wait_until("it takes a line", || (stranger.taken() > 30).then_some(()));
    hub.kill();
    stranger.process.signal("KILL");
    stranger.process.expect_end(PATIENCE);
    let taken = stranger.taken();
    hub.restart();
    nc.say("from nc meanwhile");
    nc.expect_line(|line| line.ends_with("from nc meanwhile"), PATIENCE);
    stranger = Stranger::start(&folder, &python, &hub);
    lines[taken..].iter().for_each(|line| stranger.process.say(line));
    // Each start has an outbox of its own.
    stranger.expect(&format!("stored {}", lines.len() - taken));
    // The hub goes on with the copy. It gets again what was said since, from two outboxes.
    hub.kill();
    fs::remove_dir_all(folder.join("log")).unwrap();
    copy_folder(&folder.join("copy"), &folder.join("log"));
    hub.restart();
    stranger.process.expect_status(|line| line.starts_with("reset "), PATIENCE);
    let url = format!("pigeon://127.0.0.1:{}/#{}", hub.ports[1], hub.fingerprint);
    let (victims, over): (Victims, _) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let other = follower(folder.clone(), url, "reader".into(), victims.clone(), over.clone());
    let has = |ledger: &Ledger, text: &str| ledger.lines.iter().any(|line| line == text);
    wait_within("all is said again", PATIENCE, || {
        has(&other.lock().unwrap(), lines.last().unwrap()).then_some(())
    });
    nc.say("from nc again");
    wait_within("the ledger has the last message", PATIENCE, || {
        stranger.ledger().contains(&"from nc again".into()).then_some(())
    });
    stranger.process.end_stdin();
    assert!(stranger.process.expect_end(PATIENCE).success(), "everything is stored");

    let ledger = stranger.ledger();
    let said: Vec<&String> = ledger.iter().filter(|text| text.starts_with("line")).collect();
    let wished: Vec<&String> = lines.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(said, wished, "each once, in order");
    let heard: Vec<&String> = ledger.iter().filter(|text| !text.starts_with("line")).collect();
    assert_eq!(heard, ["from nc", "from nc meanwhile", "from nc again"]);
    // A client of another author reads the same, but for what only the lost log held.
    let left: Vec<String> =
        ledger.iter().filter(|text| *text != "from nc meanwhile").cloned().collect();
    wait_within("the reader has everything", PATIENCE, || {
        (other.lock().unwrap().lines.len() >= left.len()).then_some(())
    });
    over.store(true, Ordering::Relaxed);
    while !kill_a_client(&victims, &mut Dice(1)) {}
    assert_eq!(other.lock().unwrap().lines, left, "one order for all");
    println!(
        "{} lines said, 3 kills of the hub, 1 of the client, an older log: 0 lost, 0 doubled",
        said.len()
    );
}
