//! `pigeon listen --write` and Wireshark: `tshark` reads the file and verifies the checksums.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use pigeon_capture::{Decoder, Reader};

use crate::peers::{hex, installed};
use crate::pigeon::{address_in, pigeon};
use crate::ports::ClosedPort;
use crate::process::{Process, SOON, Voice, wait_until};

/// The compared fields; the last two are 1 for a correct checksum.
const FIELDS: [&str; 9] = [
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "udp.checksum.status",
    "ip.checksum.status",
];

#[test]
fn ipv4_datagrams_are_read_by_tshark() {
    expect_captured("127.0.0.1:0", 65_507);
}

#[test]
fn ipv6_datagrams_are_read_by_tshark() {
    expect_captured("[::1]:0", 65_527);
}

/// A dual-stack socket keeps the families apart.
#[test]
fn both_families_stand_in_one_file() {
    if !installed("tshark") {
        return;
    }
    let file = scratch("both");
    let (ours, at) = listen("0", &["--write", file.to_str().unwrap(), "--count", "2"]);
    let senders = ["127.0.0.1", "[::1]"].map(|host| {
        let socket = UdpSocket::bind(format!("{host}:0")).unwrap();
        socket.send_to(b"hello", format!("{host}:{}", at.port())).unwrap();
        socket.local_addr().unwrap()
    });
    ended(ours, 0);
    let port = at.port().to_string();
    let expected = senders.map(|from| {
        let (ip, source) = (from.ip().to_string(), from.port().to_string());
        match from.is_ipv4() {
            true => format!("{ip}|{ip}|||{source}|{port}|13|1|1"),
            false => format!("||{ip}|{ip}|{source}|{port}|13|1|"),
        }
    });
    assert_eq!(tshark(&file, &FIELDS), expected);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let file = scratch("kept");
    fs::write(&file, "precious").unwrap();
    let args = ["listen", "127.0.0.1:0", "--write", file.to_str().unwrap(), "--for", "5s"];
    let ours = ended(pigeon("pigeon listen", &args), 2);
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains("kept") && note.contains("exists"), "{note}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    fs::remove_file(file).unwrap();
}

/// A reader finds complete datagrams while the file is being written.
#[test]
fn the_file_can_be_read_while_it_is_written() {
    if !installed("tshark") {
        return;
    }
    let file = scratch("live");
    let (ours, at) = listen("127.0.0.1:0", &["--write", file.to_str().unwrap()]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for count in 1..=3 {
        socket.send_to(b"hello", at).unwrap();
        ours.expect_lines(count, SOON);
    }
    wait_until("three datagrams are in the file", || {
        (tshark(&file, &["data.data"]) == [hex(b"hello"), hex(b"hello"), hex(b"hello")])
            .then_some(())
    });
    fs::remove_file(file).unwrap();
}

/// The capture is valid also before the first datagram, and after the process was killed.
#[test]
fn a_file_is_a_capture_from_its_first_moment() {
    let file = scratch("first");
    let (mut ours, at) = listen("127.0.0.1:0", &["--write", file.to_str().unwrap()]);
    assert_eq!(payloads(&fs::read(&file).unwrap()), Some(vec![]));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"hello", at).unwrap();
    wait_until("the datagram is in the file", || {
        payloads(&fs::read(&file).unwrap()).filter(|payloads| *payloads == [b"hello"])
    });
    ours.signal("KILL");
    ours.expect_end(SOON);
    assert_eq!(payloads(&fs::read(&file).unwrap()), Some(vec![b"hello".to_vec()]));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_capture_may_go_to_stdout() {
    let expect_on_stdout = |ours: Process, at: SocketAddr| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"hello", at).unwrap();
        wait_until("stdout is a capture of it", || {
            payloads(&ours.bytes(Voice::Out)).filter(|payloads| *payloads == [b"hello"])
        });
    };
    for name in ["-", "/dev/stdout"] {
        let (ours, at) = listen("127.0.0.1:0", &["--write", name]);
        expect_on_stdout(ours, at);
    }
    let target = ClosedPort::new();
    let ours =
        pigeon("pigeon relay", &["relay", "127.0.0.1:0", &target.address(), "--record", "-"]);
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    expect_on_stdout(ours, at);
    let ours = pigeon("pigeon listen", &["listen", "127.0.0.1:0", "--write", "-", "--json"]);
    ended(ours, 2);
}

#[test]
fn a_capture_may_go_through_a_pipe_with_a_name() {
    let pipe = scratch("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Process::spawn("cat", Command::new("cat").arg(&pipe));
    let (ours, at) = listen("127.0.0.1:0", &["--write", pipe.to_str().unwrap()]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"hello", at).unwrap();
    wait_until("it comes out of the pipe", || {
        payloads(&reader.bytes(Voice::Out)).filter(|payloads| *payloads == [b"hello"])
    });
    // Without its reader it keeps listening, and reports that.
    drop(reader);
    socket.send_to(b"more", at).unwrap();
    ours.expect_status(|line| line.starts_with("pigeon: cannot write"), SOON);
    socket.send_to(b"last", at).unwrap();
    ours.expect_line(|line| line.ends_with("last"), SOON);
    ours.signal("TERM");
    let ours = ended(ours, 1);
    let said = ours.lines(Voice::Err);
    assert!(
        said.last().unwrap().starts_with("pigeon: 2 datagrams could not be written"),
        "{said:?}"
    );
    fs::remove_file(pipe).unwrap();
}

/// A limit (`ulimit -f`) acts like a full disk: the file stays a valid capture, and listening
/// continues.
#[test]
fn a_full_disk_is_told_at_once_and_costs_datagrams_only() {
    let file = scratch("full");
    let program = env!("CARGO_BIN_EXE_pigeon");
    let shown = file.to_str().unwrap();
    // `ulimit` counts in units of 512 or 1,024 bytes, depending on the shell.
    let line = format!("ulimit -f 2; exec {program} listen 127.0.0.1:0 --write {shown}");
    let ours = Process::spawn("pigeon listen", Command::new("sh").args(["-c", &line]));
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for count in 1..=5 {
        socket.send_to(&[b'x'; 700], at).unwrap();
        ours.expect_lines(count, SOON);
    }
    ours.expect_status(
        |line| line.contains("cannot write") && line.contains("File too large"),
        SOON,
    );
    let kept = payloads(&fs::read(&file).unwrap()).unwrap();
    assert!(kept == [[b'x'; 700]] || kept == [[b'x'; 700]; 2], "{kept:?}");
    // A short one still fits.
    socket.send_to(b"short", at).unwrap();
    ours.expect_status(|line| line.contains("is written again; "), SOON);
    ours.signal("TERM");
    let ours = ended(ours, 1);
    let said = ours.lines(Voice::Err);
    assert!(said.last().unwrap().contains("could not be written"), "{said:?}");
    let again = payloads(&fs::read(&file).unwrap()).unwrap();
    assert_eq!((again.len(), &again[kept.len()][..]), (kept.len() + 1, &b"short"[..]));
    fs::remove_file(file).unwrap();

    let full =
        ended(pigeon("pigeon listen", &["listen", "127.0.0.1:0", "--write", "/dev/full"]), 2);
    let said = full.lines(Voice::Err).concat();
    assert!(said.contains("cannot write /dev/full: No space left"), "{said}");
}

/// Reads a file argument from an endless device, and from a pipe.
#[test]
fn texts_are_read_from_stdin_and_no_further_than_allowed() {
    for args in [
        &["relay", "0", "127.0.0.1:9", "--scenario", "/dev/zero"][..],
        &["hub", "--listen", "127.0.0.1:0", "--config", "/dev/zero"],
    ] {
        let ours = ended(pigeon("pigeon", args), 2);
        let said = ours.lines(Voice::Err).concat();
        assert!(said.contains("/dev/zero: it has more than 1048576 bytes"), "{said}");
    }
    let mut ours = pigeon("pigeon hub", &["hub", "--listen", "127.0.0.1:0", "--config", "-"]);
    ours.say("no-such-setting = 1");
    ours.end_stdin();
    let ours = ended(ours, 2);
    let said = ours.lines(Voice::Err).concat();
    assert!(said.contains("no-such-setting"), "{said}");
}

/// The payloads in a capture. `None` if it is incomplete.
fn payloads(capture: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader::new(capture).ok()?;
    let (mut decoder, mut payloads) = (Decoder::new(), Vec::new());
    while let Some(packet) = reader.next_packet().ok()? {
        payloads.push(decoder.decode(&packet).unwrap().payload.to_vec());
    }
    Some(payloads)
}

#[track_caller]
fn expect_captured(bind: &str, largest: usize) {
    if !installed("tshark") {
        return;
    }
    let name = if bind.starts_with('[') { "v6" } else { "v4" };
    let file = scratch(name);
    let (ours, at) = listen(bind, &["--write", file.to_str().unwrap(), "--count", "4"]);
    let socket = UdpSocket::bind(bind).unwrap();
    let largest: Vec<u8> = (0..largest).map(|at| (at % 251) as u8).collect();
    // Includes an odd length, because the checksum takes two bytes at a time.
    let payloads = [&b""[..], "你好!".as_bytes(), b"odd", &largest];
    for payload in payloads {
        socket.send_to(payload, at).unwrap();
    }
    ended(ours, 0);
    let from = socket.local_addr().unwrap();
    let (ip, source, port) = (at.ip(), from.port(), at.port());
    let expected = payloads.map(|payload| {
        let length = payload.len() + 8;
        match at.is_ipv4() {
            true => format!("{ip}|{ip}|||{source}|{port}|{length}|1|1"),
            false => format!("||{ip}|{ip}|{source}|{port}|{length}|1|"),
        }
    });
    assert_eq!(tshark(&file, &FIELDS), expected);
    let data = tshark(&file, &["data.data"]);
    assert!(data == payloads.map(hex), "the payloads were changed");
    fs::remove_file(file).unwrap();
}

fn listen(bind: &str, args: &[&str]) -> (Process, SocketAddr) {
    let ours = pigeon("pigeon listen", &[&["listen", bind], args].concat());
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    (ours, at)
}

#[track_caller]
fn ended(mut ours: Process, code: i32) -> Process {
    assert_eq!(ours.expect_end(SOON).code(), Some(code));
    ours
}

/// One line per datagram, with the fields between bars. Decodes only UDP and its payload: the
/// system chose the ports, and some belong to other protocols.
fn tshark(file: &Path, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file);
    command.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.args(["--disable-protocol", "ALL"]);
    for protocol in ["pcapng", "frame", "raw", "eth", "ip", "ipv6", "udp", "data"] {
        command.args(["--enable-protocol", protocol]);
    }
    command.args(["-T", "fields", "-E", "separator=|"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect()
}

/// A path of this test's own that does not exist yet.
fn scratch(name: &str) -> PathBuf {
    let file = format!("capture-{name}-{}.pcapng", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    // Left by a failed test with the same process id.
    let _ = fs::remove_file(&file);
    file
}
