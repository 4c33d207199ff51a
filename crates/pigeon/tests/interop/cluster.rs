//! Hubs that share rooms over a real nats-server.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peers;
use crate::ports::lasting;
use crate::process::{Process, Voice, wait_within};

/// Time limit for anything that takes the hubs some seconds: leases, epochs, a broker's restart.
const PATIENCE: Duration = Duration::from_secs(60);

/// The beginning of a room, which comes before its first message.
const BEGINNING: &str = "0/00000000000000000000000000000000/0000000000000000/0";

fn fresh(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// nats-server with JetStream.
struct Broker {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Broker {
    /// `None` where nats-server is not installed.
    fn start(folder: &Path) -> Option<Broker> {
        if !peers::installed("nats-server") {
            return None;
        }
        let [port] = lasting();
        let folder = folder.join("broker");
        Some(Broker { child: Broker::spawn(&folder, port), port, folder })
    }

    fn spawn(folder: &Path, port: u16) -> Child {
        Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn restart(&mut self) {
        self.child = Broker::spawn(&self.folder, self.port);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Hub {
    process: Process,
    folder: PathBuf,
    /// The ports for plain members and for those with a key.
    ports: (u16, u16),
    broker: u16,
    name: &'static str,
}

impl Hub {
    fn start(folder: &Path, name: &'static str, broker: &Broker) -> Hub {
        let [plain, secure] = lasting();
        Hub::start_at(folder, name, broker.port, (plain, secure))
    }

    fn start_at(folder: &Path, name: &'static str, broker: u16, ports: (u16, u16)) -> Hub {
        let data = folder.join(name);
        let process = Process::spawn(
            name,
            Command::new(env!("CARGO_BIN_EXE_pigeon"))
                .args(["hub", &format!("127.0.0.1:{}", ports.0), "--secure", &ports.1.to_string()])
                .args(["--name", name, "--data", data.to_str().unwrap()])
                .args(["--cluster", &format!("nats://127.0.0.1:{broker}")])
                .env("PIGEON_STATE", folder.join("state")),
        );
        Hub { process, folder: folder.into(), ports, broker, name }
    }

    fn is_in_order(&self) {
        self.process.expect_status(|line| line.contains("cluster: in order"), PATIENCE);
    }

    fn kill(self) -> (PathBuf, &'static str, u16, (u16, u16)) {
        self.process.signal("KILL");
        (self.folder.clone(), self.name, self.broker, self.ports)
    }

    fn url(&self) -> String {
        format!("pigeon://127.0.0.1:{}", self.ports.1)
    }

    fn plain(&self, name: &str) -> Plain {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.0))).unwrap();
        let plain = Plain { socket, heard: Vec::new() };
        plain.say(&format!("/nick {name}"));
        plain
    }

    /// A reliable member that sends a line and ends once it is stored.
    fn sender(&self, who: &str, text: &str) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["send", &self.url(), text, "--wait", "60s"]);
        Process::spawn(who, command.env("PIGEON_STATE", self.folder.join(who)))
    }

    #[track_caller]
    fn send(&self, who: &str, text: &str) {
        assert!(self.sender(who, text).expect_end(PATIENCE).success(), "{text} is stored");
    }

    /// A reliable member that reads the lobby from its beginning.
    fn follower(&self, who: &str) -> Process {
        Process::spawn(
            who,
            Command::new(env!("CARGO_BIN_EXE_pigeon"))
                .args(["listen", &self.url(), "--json", "--after", BEGINNING])
                .env("PIGEON_STATE", self.folder.join(who)),
        )
    }
}

/// A plain member.
struct Plain {
    socket: UdpSocket,
    heard: Vec<String>,
}

impl Plain {
    fn say(&self, text: &str) {
        self.socket.send(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut buffer = [0; 65_535];
        wait_within(&format!("a plain member hears {line:?}"), PATIENCE, || {
            while let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).trim_end().to_string();
                self.heard.push(text);
            }
            self.heard.iter().any(|heard| heard.contains(line)).then_some(())
        });
    }

    fn count(&self, line: &str) -> usize {
        self.heard.iter().filter(|heard| *heard == line).count()
    }
}

/// What a follower has read: position and text.
fn ledger(follower: &Process) -> Vec<(u64, String)> {
    let lines = follower.lines(Voice::Out).into_iter();
    lines
        .filter_map(|line| {
            let value: Value = serde_json::from_str(&line).unwrap();
            Some((value["position"].as_u64()?, value["text"].as_str()?.to_string()))
        })
        .collect()
}

#[track_caller]
fn expect_ledgers(followers: &[&Process], texts: &[&str]) {
    let wanted: BTreeSet<&str> = texts.iter().copied().collect();
    wait_within(&format!("every ledger has {texts:?}"), PATIENCE, || {
        let has_all = |follower: &&Process| {
            let ledger = ledger(follower);
            let found: BTreeSet<&str> = ledger.iter().map(|(_, text)| text.as_str()).collect();
            wanted.is_subset(&found)
        };
        followers.iter().all(has_all).then_some(())
    });
    let first = ledger(followers[0]);
    for follower in followers {
        let ledger = ledger(follower);
        let texts: BTreeSet<&str> = ledger.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts.len(), ledger.len(), "nothing twice: {ledger:?}");
        assert_eq!(ledger, first, "one order for all");
    }
}

#[test]
fn two_hubs_share_rooms_in_one_order_also_after_the_broker_was_away() {
    let folder = fresh("two");
    let Some(mut broker) = Broker::start(&folder) else { return };
    let (a, b) = (Hub::start(&folder, "a", &broker), Hub::start(&folder, "b", &broker));
    [&a, &b].iter().for_each(|hub| hub.is_in_order());
    let (mut ann, mut bob) = (a.plain("ann"), b.plain("bob"));
    ann.expect("* you are ann, in lobby");
    bob.expect("* you are bob, in lobby");
    let followers = [a.follower("at-a"), b.follower("at-b")];

    ann.say("plain at a");
    bob.say("plain at b");
    a.send("kim", "reliable at a");
    b.send("kim", "reliable at b");
    for member in [&mut ann, &mut bob] {
        member.expect("ann: plain at a");
        member.expect("bob: plain at b");
    }
    let all = ["plain at a", "plain at b", "reliable at a", "reliable at b"];
    expect_ledgers(&followers.each_ref(), &all);

    // Cut off, each hub goes on for its own plain members, and says so.
    broker.kill();
    for member in [&mut ann, &mut bob] {
        member.expect("* the other hubs cannot be reached: only people at this hub hear you now");
    }
    ann.say("alone at a");
    ann.expect("ann: alone at a");
    let mut waits = a.sender("lee", "waits");
    assert_eq!(bob.count("ann: alone at a"), 0);

    // Everything takes its place when the broker is back, once.
    broker.restart();
    for member in [&mut ann, &mut bob] {
        member.expect("* the other hubs can be reached again");
        member.expect("ann: alone at a");
    }
    assert!(waits.expect_end(PATIENCE).success(), "it was not lost");
    b.send("kim", "after");
    expect_ledgers(&followers.each_ref(), &[&all[..], &["alone at a", "waits", "after"]].concat());
    assert_eq!((ann.count("ann: alone at a"), bob.count("ann: alone at a")), (1, 1));

    // A hub that was killed goes on where it was, and reads what it has missed.
    let (at, name, port, ports) = b.kill();
    a.send("kim", "while b is away");
    let b = Hub::start_at(&at, name, port, ports);
    b.is_in_order();
    expect_ledgers(&followers.each_ref(), &["while b is away"]);
    b.send("kim", "b again");
    expect_ledgers(&followers.each_ref(), &["while b is away", "b again"]);
}

/// Names in a `/who` line.
fn names(line: &str) -> BTreeSet<String> {
    let list = line.rsplit(": ").next().unwrap_or_default();
    list.split(", ").map(|name| name.trim().to_string()).collect()
}

impl Plain {
    /// Asks who is here until the answer is as wished.
    #[track_caller]
    fn expect_who(&mut self, wished: impl Fn(&BTreeSet<String>) -> bool, within: Duration) {
        let mut last = String::new();
        let mut buffer = [0; 65_535];
        self.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let deadline = Instant::now() + within;
        loop {
            self.say("/who");
            while let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).trim_end().to_string();
                if text.contains("people") || text.contains("person") {
                    last.clone_from(&text);
                }
                self.heard.push(text);
            }
            if wished(&names(&last)) {
                return;
            }
            assert!(Instant::now() < deadline, "who: {last}");
        }
    }
}

#[test]
fn members_of_other_hubs_are_seen_and_written_to_and_go_with_their_hub() {
    let folder = fresh("elsewhere");
    let Some(broker) = Broker::start(&folder) else { return };
    let (a, b) = (Hub::start(&folder, "a", &broker), Hub::start(&folder, "b", &broker));
    [&a, &b].iter().for_each(|hub| hub.is_in_order());
    let (mut ann, mut bob) = (a.plain("ann"), b.plain("bob"));
    let has = |name: &'static str| move |names: &BTreeSet<String>| names.contains(name);
    ann.expect_who(has("bob"), PATIENCE);
    bob.expect_who(has("ann"), PATIENCE);
    ann.say("/msg bob 悄悄话");
    bob.expect("ann (to you): 悄悄话");
    bob.say("/msg ann 收到");
    ann.expect("bob (to you): 收到");
    // The same name at two hubs.
    let _other = b.plain("ann");
    ann.expect_who(has("ann@b"), PATIENCE);
    bob.expect_who(has("ann@a"), PATIENCE);
    bob.say("/msg ann@a still you");
    ann.expect("bob (to you): still you");
    // A hub that is killed takes its members with it.
    b.kill();
    ann.expect_who(|names| !names.contains("bob") && names.contains("ann"), PATIENCE / 3);
}

#[test]
fn a_reliable_member_goes_on_at_another_hub() {
    let folder = fresh("moving");
    let Some(broker) = Broker::start(&folder) else { return };
    let (a, b) = (Hub::start(&folder, "a", &broker), Hub::start(&folder, "b", &broker));
    [&a, &b].iter().for_each(|hub| hub.is_in_order());
    let reader = a.follower("reader");
    let witness = b.follower("witness");
    a.send("kim", "before");
    expect_ledgers(&[&reader, &witness], &["before"]);
    // The members have heard of the other hub by now.
    let (_, _, _, ports) = a.kill();
    b.send("lee", "after");
    let killed = Instant::now();
    expect_ledgers(&[&reader, &witness], &["before", "after"]);
    println!("the reader was silent for {:?}", killed.elapsed());
    assert!(killed.elapsed() < PATIENCE / 4, "it did not wait for its own hub");
    // A program that starts while its hub is away goes on at the other one.
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    let url = format!("pigeon://127.0.0.1:{}", ports.1);
    command.args(["send", &url, "elsewhere", "--wait", "30s"]);
    let mut sender = Process::spawn("kim", command.env("PIGEON_STATE", folder.join("kim")));
    assert!(sender.expect_end(PATIENCE).success());
    expect_ledgers(&[&reader, &witness], &["before", "after", "elsewhere"]);
}

#[test]
fn a_reliable_member_goes_on_when_its_hub_hangs_and_a_hub_that_hung_catches_up() {
    let folder = fresh("hangs");
    let Some(broker) = Broker::start(&folder) else { return };
    let (a, b) = (Hub::start(&folder, "a", &broker), Hub::start(&folder, "b", &broker));
    [&a, &b].iter().for_each(|hub| hub.is_in_order());
    let (reader, witness) = (a.follower("reader"), b.follower("witness"));
    a.send("kim", "before");
    expect_ledgers(&[&reader, &witness], &["before"]);
    a.process.signal("STOP");
    b.send("lee", "meanwhile");
    let hung = Instant::now();
    expect_ledgers(&[&reader, &witness], &["before", "meanwhile"]);
    println!("the reader was silent for {:?}", hung.elapsed());
    assert!(hung.elapsed() < PATIENCE / 4, "it did not wait for its own hub");
    a.process.signal("CONT");
    a.send("kim", "after");
    let late = a.follower("late");
    expect_ledgers(&[&reader, &witness, &late], &["before", "meanwhile", "after"]);
}

/// Members without a name, with a key.
fn keys(names: &BTreeSet<String>) -> Vec<String> {
    let keys = names.iter().filter(|name| name.starts_with("key-"));
    keys.map(|name| name[..12].to_string()).collect()
}

impl Hub {
    /// The lines of a console command's answer, which ends with a sum such as `3 members`.
    fn ask(&mut self, command: &str, sum: &str) -> Vec<String> {
        let before = self.process.lines(Voice::Out).len();
        self.process.say(command);
        wait_within(&format!("the answer to {command}"), PATIENCE, || {
            let lines = self.process.lines(Voice::Out).split_off(before);
            lines.iter().any(|line| line.contains(sum)).then_some(lines)
        })
    }
}

#[test]
fn a_reliable_member_that_went_on_is_listed_once_also_when_its_hub_wakes_up() {
    let folder = fresh("once");
    let Some(broker) = Broker::start(&folder) else { return };
    let [mut a, b, c] = ["a", "b", "c"].map(|name| Hub::start(&folder, name, &broker));
    [&a, &b, &c].iter().for_each(|hub| hub.is_in_order());
    let mut witnesses = [a.plain("at-a"), b.plain("at-b"), c.plain("at-c")];
    let reader = a.follower("reader");
    let label = RefCell::new(String::new());
    for witness in &mut witnesses {
        let is_there = |names: &BTreeSet<String>| match &keys(names)[..] {
            [key] => {
                label.borrow_mut().clone_from(key);
                names.contains("at-a") && names.contains("at-b") && names.contains("at-c")
            }
            _ => false,
        };
        witness.expect_who(is_there, PATIENCE);
    }
    let label = label.into_inner();
    let is_once =
        |names: &BTreeSet<String>| keys(names).into_iter().filter(|key| *key == label).count() == 1;
    a.process.signal("STOP");
    c.send("lee", "meanwhile");
    expect_ledgers(&[&reader], &["meanwhile"]);
    a.process.signal("CONT");
    let woken = Instant::now();
    for witness in &mut witnesses {
        witness.expect_who(is_once, PATIENCE / 3);
    }
    // The hub finds its connection dead long before that times out.
    wait_within("the connection at the hub that hung ends", PATIENCE / 3, || {
        let members = a.ask("members", " member");
        let is_here = |line: &String| line.contains(&label) && line.contains("127.0.0.1");
        (!members.iter().any(is_here)).then_some(())
    });
    println!("the connection at the hub that hung ended after {:?}", woken.elapsed());
    for witness in &mut witnesses {
        witness.expect_who(is_once, PATIENCE / 3);
    }
    c.send("lee", "after");
    expect_ledgers(&[&reader], &["meanwhile", "after"]);
}

#[test]
fn a_banned_key_is_kept_out_of_all_hubs_until_it_is_let_in_again() {
    let folder = fresh("bans");
    let Some(broker) = Broker::start(&folder) else { return };
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| Hub::start(&folder, name, &broker));
    [&a, &b, &c].iter().for_each(|hub| hub.is_in_order());
    let mut witness = a.plain("ann");
    let reader = b.follower("reader");
    let label = RefCell::new(String::new());
    let is_there = |names: &BTreeSet<String>| {
        keys(names).first().inspect(|key| label.borrow_mut().clone_from(key)).is_some()
    };
    witness.expect_who(is_there, PATIENCE);
    let label = label.into_inner();
    // The operator sees where it is, and is told that a kick is a matter of its hub.
    let members = a.ask("members", "members");
    assert!(members.iter().any(|line| line.contains(&label) && line.contains("at the hub b")));
    a.ask(&format!("kick {label}"), "is at the hub b: kick it there");
    // By its name, from the console of another hub.
    a.process.say(&format!("ban {label}"));
    let is_told = |line: &str| line.contains("ended the connection") && line.contains("banned");
    reader.expect_status(is_told, PATIENCE);
    // One folder is one program's at a time.
    reader.signal("KILL");
    drop(reader);
    let bans = a.ask("bans", " kicked");
    let key = bans.iter().find_map(|line| line.strip_suffix(" (a key)")).unwrap().to_string();
    wait_within("all hubs know the ban", PATIENCE, || {
        c.ask("bans", " kicked").iter().any(|line| line.contains(&key)).then_some(())
    });
    let mut refused = c.sender("reader", "let me in");
    assert!(!refused.expect_end(PATIENCE).success());
    let why = refused.lines(Voice::Err).concat();
    assert!(why.contains("does not let this member in") && why.contains("banned"), "{why}");
    // A hub that was away when it was lifted.
    let (at, name, port, ports) = c.kill();
    a.process.say(&format!("unban {key}"));
    let hears_of_it = |hub: &mut Hub| {
        wait_within("it hears of it", PATIENCE, || {
            hub.ask("bans", " kicked").iter().any(|line| line.starts_with("0 banned")).then_some(())
        });
    };
    hears_of_it(&mut b);
    b.send("reader", "here again");
    let mut c = Hub::start_at(&at, name, port, ports);
    hears_of_it(&mut c);
    c.send("reader", "and here");
    // Its new run took the place of the one before at once.
    let lines = a.process.lines(Voice::Err);
    assert!(!lines.iter().any(|line| line.contains("other hubs alive: 3")), "{lines:?}");
}

#[test]
fn a_hub_that_was_restarted_while_the_broker_is_away_names_the_other_hubs() {
    let folder = fresh("named");
    let Some(mut broker) = Broker::start(&folder) else { return };
    let (a, b) = (Hub::start(&folder, "a", &broker), Hub::start(&folder, "b", &broker));
    [&a, &b].iter().for_each(|hub| hub.is_in_order());
    a.send("kim", "before");
    let witness = b.follower("witness");
    expect_ledgers(&[&witness], &["before"]);
    // The hubs have heard of each other.
    a.process.expect_status(|line| line.contains("other hubs alive: 1"), PATIENCE);
    let mut ann = a.plain("ann");
    ann.expect_who(|names| !keys(names).is_empty(), PATIENCE);
    broker.kill();
    let (at, name, port, ports) = a.kill();
    let a = Hub::start_at(&at, name, port, ports);
    a.process.expect_status(|line| line.contains("members with a key: UDP port"), PATIENCE);
    // A client that has never met a hub.
    let reader = a.follower("reader");
    // A folder for each hub, with the other ones.
    let folder = folder.join("reader/member");
    wait_within("it has heard of the other hub", PATIENCE, || {
        let hubs = fs::read_dir(&folder).ok()?.flatten().map(|hub| hub.path().join("hubs"));
        hubs.into_iter().any(|others| others.exists()).then_some(())
    });
    a.kill();
    broker.restart();
    b.send("lee", "after");
    expect_ledgers(&[&reader, &witness], &["before", "after"]);
}
