//! `pigeon listen --write` and Wireshark: its `tshark` reads what we wrote, checksums and all.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::{hex, installed};
use crate::pigeon::{address_in, pigeon};
use crate::process::{Process, SOON, Voice};

/// The fields that are compared; the last two are 1 for a checksum that is right.
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

/// A socket for both families keeps them apart.
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

/// A reader finds whole datagrams while the file is being written.
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
    crate::process::wait_until("three datagrams are in the file", || {
        (tshark(&file, &["data.data"]) == [hex(b"hello"), hex(b"hello"), hex(b"hello")])
            .then_some(())
    });
    fs::remove_file(file).unwrap();
}

// What the tests above share.

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
    // An odd length as well: the checksum takes two bytes at a time.
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

/// A line a datagram, the fields between bars. Nothing but UDP and its payload is taken apart,
/// whatever the ports: the system chose them, and some belong to protocols.
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

/// A file of this test's own that is not there yet.
fn scratch(name: &str) -> PathBuf {
    let file = format!("capture-{name}-{}.pcapng", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    // Left by a test that failed, under a process id that came round again.
    let _ = fs::remove_file(&file);
    file
}
