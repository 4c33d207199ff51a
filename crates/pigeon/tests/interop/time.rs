//! Network time: `pigeon time` with other servers, and other clients with ours.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peers::{address_of, installed, python};
use crate::pigeon::{pigeon, relay};
use crate::ports::{ClosedPort, lasting};
use crate::process::{Process, SOON, Voice};
use crate::services::{Services, serve};

/// The largest difference between two readings of one clock on a busy machine, in seconds.
const NEAR: f64 = 1.0;

/// Programs that set clocks are slow.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

// Text.

#[test]
fn the_time_is_asked_of_our_own_service() {
    let services = serve(&["time:0"]);
    let at = services.at("time");
    expect_times(at);
    let ours = ended(time(at, &["%Y-%m-%Q"]), 0);
    assert_eq!(ours.output(), "error: bad format at character 7\n");
}

#[test]
fn the_time_is_asked_of_a_tutorial_server() {
    if !installed("python3") {
        return;
    }
    let theirs = python("time_server.py", &[]);
    expect_times(address_of(&theirs));
}

#[test]
fn the_time_is_told_in_json() {
    let services = serve(&["time:0"]);
    let at = services.at("time");
    let told = json(&ended(time(at, &["%Y年", "--json"]), 0));
    assert_eq!(told["to"], at.to_string());
    assert_eq!((&told["result"], &told["attempts"]), (&"reply".into(), &1.into()));
    assert!(told["text"].as_str().unwrap().ends_with('年'), "{told}");
}

#[test]
fn no_time_is_told_where_nobody_is() {
    let nobody = ClosedPort::new();
    for args in [&[][..], &["--sntp"]] {
        let ours = ended(time(nobody.at(), args), 1);
        assert!(ours.lines(Voice::Err).concat().contains("refused"));
    }
}

// NTP.

#[test]
fn chronyd_accepts_our_sntp() {
    if !installed("chronyd") {
        return;
    }
    let services = serve(&["sntp:0"]);
    let server = format!("server 127.0.0.1 port {} iburst", services.at("sntp").port());
    for sources in [format!("{server} maxsamples 1"), server] {
        let mut theirs = chronyd(&["-Q", "-t", "10", &sources]);
        let status = theirs.expect_end(PATIENCE);
        let said = [theirs.output(), theirs.lines(Voice::Err).join("\n")].concat();
        let wrong = said
            .split("System clock wrong by ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
        assert!(wrong.is_some_and(|wrong| wrong.abs() < NEAR), "{said}");
        assert!(status.success());
    }
}

/// It only uses port 123.
#[test]
fn ntpdate_accepts_our_sntp() {
    if !installed("ntpdate") {
        return;
    }
    let Some(host) = Namespace::new() else { return };
    let specs = ["sntp:123"];
    let served = host.pigeon("pigeon serve", &[&["serve"], &specs[..]].concat());
    let _services = Services::new(served, &specs);
    let mut theirs = host.run("ntpdate", "ntpdate", &["-q", "127.0.0.1"]);
    let status = theirs.expect_end(PATIENCE);
    assert!(status.success());
    // `2026-11-20 21:04:05.123456 (+0000) -0.000123 +/- 0.000456 127.0.0.1 s10 no-leap`
    let line = theirs.output();
    let words: Vec<&str> = line.split_whitespace().collect();
    let offset: f64 = words[3].parse().unwrap_or_else(|_| panic!("{line}"));
    assert!(offset.abs() < NEAR, "{line}");
    assert_eq!(words[6..], ["127.0.0.1", "s10", "no-leap"]);
}

#[test]
fn chronyd_is_asked_how_far_our_clock_is_off() {
    if !installed("chronyd") {
        return;
    }
    // chronyd treats port 0 as none.
    let [port] = lasting();
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chrony-{}", at.port()));
    fs::create_dir_all(&folder).unwrap();
    let conf = folder.join("chrony.conf");
    let lines = [
        format!("port {}", at.port()),
        "bindaddress 127.0.0.1".to_string(),
        "allow 127.0.0.1".to_string(),
        "local stratum 8".to_string(),
        "cmdport 0".to_string(),
        "bindcmdaddress /".to_string(),
        format!("pidfile {}", folder.join("pid").display()),
    ];
    fs::write(&conf, lines.join("\n") + "\n").unwrap();
    let _theirs = chronyd(&["-x", "-d", "-f", conf.to_str().unwrap()]);

    // Before it serves, requests are refused.
    let told = crate::process::wait_until("chronyd answers", || {
        let mut ours = time(at, &["--sntp", "--json"]);
        ours.expect_end(SOON).success().then(|| json(&ours))
    });
    assert_eq!(told["to"], at.to_string());
    assert_eq!((&told["result"], &told["stratum"]), (&"reply".into(), &8.into()));
    assert!(told["offset"].as_f64().unwrap().abs() < NEAR, "{told}");
    let delay = told["delay"].as_f64().unwrap();
    assert!((0.0..NEAR).contains(&delay), "{told}");
    assert!(told["time"].as_str().unwrap().starts_with("20"), "{told}");

    let ours = ended(time(at, &["--sntp"]), 0);
    let line = ours.output();
    assert!(line.contains(" stratum 8 ") && line.contains("offset "), "{line}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn our_own_sntp_is_asked() {
    let services = serve(&["sntp:0"]);
    let told = json(&ended(time(services.at("sntp"), &["--sntp", "--json"]), 0));
    assert!(told["offset"].as_f64().unwrap().abs() < NEAR, "{told}");
}

/// The first request's answer arrives after the second request; offset and delay are the first
/// one's.
#[test]
fn an_answer_to_an_earlier_question_is_taken_for_what_it_is() {
    let services = serve(&["sntp:0"]);
    let slow = relay(services.at("sntp"), &["--delay", "400ms"]);
    let told = json(&ended(time(slow.address, &["--sntp", "--json"]), 0));
    assert!(told["offset"].as_f64().unwrap().abs() < NEAR, "{told}");
    let delay = told["delay"].as_f64().unwrap();
    assert!((0.8..0.8 + NEAR).contains(&delay), "{told}");
    assert_eq!(told["attempts"], 2);
}

/// A stray reply just before the good one is shown and does no harm.
#[test]
fn a_stray_reply_does_not_end_the_wait() {
    let services = serve(&["sntp:0"]);
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let asked = server.local_addr().unwrap();
    let ours = time(asked, &["--sntp", "--json"]);
    let mut question = [0; 48];
    let (_, asker) = server.recv_from(&mut question).unwrap();
    // The datagram is too short, and the next answers another request.
    server.send_to(b"spam", asker).unwrap();
    server.send_to(&[[0x24, 1], [0, 0]].concat().repeat(12), asker).unwrap();
    let behind = UdpSocket::bind("127.0.0.1:0").unwrap();
    behind.send_to(&question, services.at("sntp")).unwrap();
    let mut answer = [0; 48];
    behind.recv_from(&mut answer).unwrap();
    server.send_to(&answer, asker).unwrap();
    let ours = ended(ours, 0);
    let told = json(&ours);
    assert!(told["offset"].as_f64().unwrap().abs() < NEAR, "{told}");
    let notes = ours.lines(Voice::Err);
    assert!(notes[0].contains("not an answer: 4 bytes are too few"), "{notes:?}");
    assert!(notes[1].contains("not an answer: a reply to another request"), "{notes:?}");
}

/// A reply that is not NTP counts as silence, not as a refusal.
#[test]
fn what_is_no_ntp_is_not_believed() {
    let services = serve(&["size:0"]);
    let ours = ended(time(services.at("size"), &["--sntp"]), 1);
    let said = ours.lines(Voice::Err).pop().unwrap();
    for part in ["no reply after 3 attempts in ", "3 datagrams came that did not answer it"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(ours.output(), "");
}

fn time(at: SocketAddr, args: &[&str]) -> Process {
    pigeon("pigeon time", &[&["time", &at.to_string()], args].concat())
}

#[track_caller]
fn expect_times(at: SocketAddr) {
    for (format, expected) in [
        (&[][..], "0000-00-00 00:00:00\n"),
        (&["%H:%M"], "00:00\n"),
        (&["%Y", "%j"], "0000 000\n"),
        (&["现在 %H 点"], "现在 00 点\n"),
    ] {
        let told = ended(time(at, format), 0).output();
        let shape: String =
            told.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, expected, "{format:?}");
    }
}

/// `chronyd` without setting the clock or changing users.
fn chronyd(args: &[&str]) -> Process {
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    Process::spawn("chronyd", Command::new("chronyd").args(["-U", "-u", user.trim()]).args(args))
}

#[track_caller]
fn ended(mut ours: Process, code: i32) -> Process {
    assert_eq!(ours.expect_end(SOON).code(), Some(code));
    ours
}

#[track_caller]
fn json(ours: &Process) -> Value {
    serde_json::from_str(&ours.output()).unwrap_or_else(|error| panic!("no JSON: {error}"))
}
