//! `pigeon sockets`, compared with iproute2's `ss`, for the test's own sockets.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::peers::installed;
use crate::pigeon::{address_in, listen, pigeon};
use crate::process::{Process, SOON, Voice, wait_until};

/// More than any receive buffer of these tests holds; the system's default holds fewer than ten.
const TOO_MANY: usize = 200;

#[test]
fn what_ss_says_is_what_we_say() {
    if !installed("ss") {
        return;
    }
    let quiet = UdpSocket::bind("127.0.0.1:0").unwrap();
    let anywhere = UdpSocket::bind("0.0.0.0:0").unwrap();
    let v6 = UdpSocket::bind("[::1]:0").unwrap();
    let dual = UdpSocket::bind("[::]:0").unwrap();
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect(local(&quiet)).unwrap();
    let connected_v6 = UdpSocket::bind("[::1]:0").unwrap();
    connected_v6.connect(local(&v6)).unwrap();
    let unread = UdpSocket::bind("127.0.0.1:0").unwrap();
    fill(&unread, b"one", 3);
    let unread_v6 = UdpSocket::bind("[::1]:0").unwrap();
    fill(&unread_v6, b"two", 2);
    let overflowing = UdpSocket::bind("127.0.0.1:0").unwrap();
    fill(&overflowing, &[0; 60_000], TOO_MANY);
    let overflowing_v6 = UdpSocket::bind("[::1]:0").unwrap();
    fill(&overflowing_v6, &[0; 60_000], TOO_MANY);

    let sockets = [quiet, anywhere, v6, dual, connected, connected_v6];
    let waiting = [unread, unread_v6];
    let losing = [overflowing, overflowing_v6];
    for socket in sockets.iter().chain(&waiting).chain(&losing) {
        // Another test's program may briefly hold it too, between its fork and its exec.
        let ours = wait_until("we say what ss says, and that we alone hold it", || {
            let ours = ours(local(socket));
            let alone = ours["other_pids"] == Value::Null;
            (alone && digest(&ours) == ss(local(socket))).then_some(ours)
        });
        assert_eq!(ours["pid"], std::process::id());
        let family = if local(socket).is_ipv4() { "IPv4" } else { "IPv6" };
        assert_eq!(ours["family"], family);
    }
    for socket in waiting.iter().chain(&losing) {
        assert_ne!(ours(local(socket))["receive_queue"], 0);
    }
    for socket in &losing {
        let drops = ours(local(socket))["drops"].as_u64().unwrap();
        assert!((1..TOO_MANY as u64).contains(&drops), "{drops}");
    }
}

#[test]
fn the_table_names_the_holder_and_marks_losses_in_words() {
    let fine = UdpSocket::bind("127.0.0.1:0").unwrap();
    let losing = UdpSocket::bind("127.0.0.1:0").unwrap();
    fill(&losing, &[0; 60_000], TOO_MANY);
    let me = format!("(pid {})", std::process::id());
    for (socket, marked) in [(&fine, false), (&losing, true)] {
        let (status, lines, notes) = sockets(&[&format!(":{}", local(socket).port())]);
        assert_eq!((status, notes.len()), (0, 0), "{notes:?}");
        assert!(lines[0].starts_with("LOCAL "), "{lines:?}");
        let address = local(socket).to_string();
        let line = lines.iter().find(|line| line.starts_with(&address)).unwrap();
        assert!(line.contains(&me), "{line}");
        assert_eq!(line.ends_with("HAS LOST DATA"), marked, "{line}");
        assert!(!line.contains('\x1b'), "no colour into a pipe: {line:?}");
    }
}

#[test]
fn the_whole_table_is_json_in_the_order_of_ports() {
    let _some = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let (status, lines, _) = sockets(&["--json"]);
    assert_eq!(status, 0);
    let parsed = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ports: Vec<u16> = parsed.map(|socket| address(&socket["local"]).unwrap().port()).collect();
    assert!(ports.len() >= 3 && ports.is_sorted(), "{ports:?}");
}

#[test]
fn a_port_that_nobody_holds_is_told_with_status_1() {
    let (status, lines, notes) = sockets(&[":1"]);
    assert_eq!((status, lines.len()), (1, 0));
    assert_eq!(notes, ["pigeon: no UDP socket of this host is bound to port 1"]);
    assert_eq!(sockets(&[":http"]).0, 2);
}

#[test]
fn a_hostile_process_name_is_escaped() {
    let folder = std::env::temp_dir().join(format!("pigeon-sockets-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // A process has its file's name.
    let program = folder.join("\x1b[2J狗\u{202e}");
    symlink(env!("CARGO_BIN_EXE_pigeon"), &program).unwrap();
    let listener =
        Process::spawn("hostile", Command::new(&program).args(["listen", "127.0.0.1:0"]));
    let line = listener.expect_status(|line| line.contains("listening on "), SOON);
    let name = r"\x1b[2J狗\u{202e}";
    assert_eq!(ours(address_in(&line))["process"], name);
    let (_, lines, _) = sockets(&[&format!(":{}", address_in(&line).port())]);
    assert!(lines[1].contains(&format!("{name} (pid {})", listener.id())), "{lines:?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_root_it_says_how_many_holders_it_cannot_see() {
    if !installed("setpriv") {
        return;
    }
    let unprivileged = |args: &[&str]| {
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(env!("CARGO_BIN_EXE_pigeon")).args(args);
        ended(Process::spawn("pigeon of nobody", &mut command))
    };
    if unprivileged(&["--version"]).0 != 0 {
        // Not `eprintln!`: the test harness hides its output when a test passes.
        let _ = writeln!(io::stderr(), "SKIPPED: cannot run pigeon as nobody; that needs root");
        return;
    }
    let listener = listen(&[]);
    let port = format!(":{}", listener.address.port());
    let (status, lines, notes) = unprivileged(&["sockets", &port]);
    assert_eq!(status, 0);
    assert!(lines[1].contains("(not visible)"), "{lines:?}");
    assert_eq!(notes, ["cannot see which programs hold 1 of 1 socket; root can"]);

    let (_, lines, _) = unprivileged(&["sockets", "--json", &port]);
    let socket: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&socket["pid"], &socket["process"]), (&Value::Null, &Value::Null));
    assert_eq!((&socket["uid"], &socket["user"]), (&0.into(), &"root".into()));
}

/// With this mount option, procfs lists no processes of other users.
#[test]
fn processes_that_are_not_even_listed_are_not_taken_for_none() {
    if !installed("setpriv") || !installed("unshare") {
        return;
    }
    let listener = listen(&[]);
    let port = format!(":{}", listener.address.port());
    let script = "mount -t proc -o hidepid=2 proc /proc || { echo SKIPPED; exit; }
        exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.args([env!("CARGO_BIN_EXE_pigeon"), "sockets", &port]);
    let (_, lines, notes) = ended(Process::spawn("pigeon behind hidepid", &mut command));
    if lines.first().is_none_or(|line| line == "SKIPPED") {
        let _ = writeln!(io::stderr(), "SKIPPED: cannot mount a procfs; that needs root");
        return;
    }
    assert!(lines[1].contains("(not visible)"), "{lines:?}");
    assert_eq!(notes, ["cannot see which programs hold 1 of 1 socket; root can"]);
}

#[test]
fn changes_are_shown_as_they_come() {
    let losing = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = local(&losing).port();
    let filter = format!(":{port}");
    let people = pigeon("pigeon sockets", &["sockets", &filter, "--watch"]);
    let program = pigeon("pigeon sockets", &["sockets", &filter, "--watch", "--json"]);
    people.expect_lines(2, SOON);
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].clone();
    program.expect_line(|line| event(line) == "open", SOON);
    fill(&losing, &[0; 60_000], TOO_MANY);
    people.expect_line(|line| line.contains(" lost  127.0.0.1:"), SOON);
    let lost = program.expect_line(|line| event(line) == "lost", SOON);
    let lost = serde_json::from_str::<Value>(&lost).unwrap();
    let counts = ["lost", "drops"].map(|field| lost[field].as_u64().unwrap());
    assert!(0 < counts[0] && counts[0] <= counts[1], "{lost}");
    let other = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    people.expect_line(|line| line.contains(" new   127.0.0.2:"), SOON);
    program.expect_line(|line| event(line) == "new", SOON);
    drop(other);
    people.expect_line(|line| line.contains(" gone  127.0.0.2:"), SOON);
    program.expect_line(|line| event(line) == "gone", SOON);
}

// Pigeon's sockets.

/// Runs `pigeon sockets ARGS…`: its status, and the lines of stdout and stderr.
fn sockets(args: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    ended(pigeon("pigeon sockets", &[&["sockets"], args].concat()))
}

fn ended(mut process: Process) -> (i32, Vec<String>, Vec<String>) {
    let status = process.expect_end(SOON).code().unwrap();
    (status, process.lines(Voice::Out), process.lines(Voice::Err))
}

/// Our entry for the socket bound to an address.
#[track_caller]
fn ours(local: SocketAddr) -> Value {
    let (status, lines, _) = sockets(&["--json", &format!(":{}", local.port())]);
    assert_eq!(status, 0);
    let mut sockets = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    sockets.find(|socket| socket["local"] == local.to_string()).expect("it is in the table")
}

/// The fields that `ss` has too.
#[derive(Debug, PartialEq, Eq)]
struct Digest {
    remote: Option<SocketAddr>,
    holder: String,
    inode: u64,
    receive_queue: u64,
    send_queue: u64,
    drops: u64,
}

fn digest(socket: &Value) -> Digest {
    let number = |key: &str| socket[key].as_u64().unwrap();
    Digest {
        remote: address(&socket["remote"]),
        holder: format!("\"{}\",pid={}", socket["process"].as_str().unwrap(), socket["pid"]),
        inode: number("inode"),
        receive_queue: number("receive_queue"),
        send_queue: number("send_queue"),
        drops: number("drops"),
    }
}

fn address(text: &Value) -> Option<SocketAddr> {
    text.as_str().map(|text| text.parse().unwrap())
}

// Other programs' sockets.

/// `ss`'s entry for the socket bound to an address, a line such as `UNCONN 0 0 127.0.0.1:9
/// 0.0.0.0:* users:(("cat",pid=7,fd=3)) ino:42 sk:1 <-> skmem:(r0,…,d0)`.
#[track_caller]
fn ss(local: SocketAddr) -> Digest {
    let filter = format!("sport = :{}", local.port());
    let output = Command::new("ss").args(["-uanpemOH", &filter]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    // `*` stands for a dual-stack socket.
    let spelt = local.to_string().replace("[::]:", "*:");
    let fields = output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let fields = fields.into_iter().find(|fields| fields[3] == spelt).expect("ss lists it");
    let tagged = |tag: &str| fields.iter().find_map(|field| field.strip_prefix(tag)).unwrap();
    let (holder, _) = tagged("users:((").split_once(",fd=").unwrap();
    let (_, drops) = tagged("skmem:(").rsplit_once(",d").unwrap();
    Digest {
        remote: fields[4].parse().ok(),
        holder: holder.to_string(),
        inode: tagged("ino:").parse().unwrap(),
        receive_queue: fields[1].parse().unwrap(),
        send_queue: fields[2].parse().unwrap(),
        drops: drops.trim_end_matches(')').parse().unwrap(),
    }
}

// The test's sockets.

fn local(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

/// Sends datagrams to a socket without reading them.
fn fill(socket: &UdpSocket, payload: &[u8], count: usize) {
    let to = local(socket);
    let sender = UdpSocket::bind((to.ip(), 0)).unwrap();
    for _ in 0..count {
        sender.send_to(payload, to).unwrap();
    }
}
