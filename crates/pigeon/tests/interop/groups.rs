//! What a datagram carries besides its text, and where it goes when not to one host: pace, source,
//! TTL, multicast groups and broadcast.

use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peers::{address_of, installed, python};
use crate::pigeon::{address_in, listen, pigeon, send};
use crate::process::{Process, SOON, Voice};

const GROUP: &str = "239.1.2.3";

/// How much longer than planned a number of datagrams may take on a busy machine, in seconds.
const LATE: f64 = 1.0;

// One host.

#[test]
fn a_count_is_sent_and_no_more() {
    let Some((theirs, at)) = receiver() else { return };
    assert_eq!(ended(send(at, &["tick", "--count", "7"])).0, Some(0));
    assert_eq!(ended(send(at, &["end"])).0, Some(0));
    let texts: Vec<String> = heard(&theirs, 8).into_iter().map(|heard| heard.text).collect();
    assert_eq!(texts, ["tick", "tick", "tick", "tick", "tick", "tick", "tick", "end"]);
}

#[test]
fn datagrams_keep_the_pace_that_was_asked() {
    for pace in [["--every", "20ms"], ["--rate", "50/s"]] {
        let Some((theirs, at)) = receiver() else { return };
        let args = [&["tick", "--count", "26"], &pace[..]].concat();
        assert_eq!(ended(send(at, &args)).0, Some(0));
        let times: Vec<f64> = heard(&theirs, 26).iter().map(|heard| heard.time).collect();
        let total = times[25] - times[0];
        // 25 intervals; the first datagram may have been late and the last not.
        assert!((0.4..0.5 + LATE).contains(&total), "{pace:?}: {total} s");
    }
}

#[test]
fn lines_of_stdin_are_paced_and_counted_too() {
    let Some((theirs, at)) = receiver() else { return };
    let mut ours = send(at, &["--every", "50ms", "--count", "3"]);
    ours.say("one\ntwo\nthree\nfour");
    ours.end_stdin();
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    assert_eq!(ended(send(at, &["end"])).0, Some(0));
    let all = heard(&theirs, 4);
    let texts: Vec<&str> = all.iter().map(|heard| heard.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three", "end"]);
    assert!((0.05..0.1 + LATE).contains(&(all[2].time - all[0].time)), "paced otherwise");
}

#[test]
fn the_source_is_the_one_that_was_asked() {
    let Some((theirs, at)) = receiver() else { return };
    let free = UdpSocket::bind("127.0.0.5:0").unwrap().local_addr().unwrap();
    assert_eq!(ended(send(at, &["x", "--source", &free.to_string()])).0, Some(0));
    assert_eq!(ended(send(at, &["x", "--source", "127.0.0.6:0"])).0, Some(0));
    let all = heard(&theirs, 2);
    assert_eq!(all[0].from, free);
    assert_eq!(all[1].from.ip().to_string(), "127.0.0.6");

    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let (code, ours) = ended(send(at, &["x", "--source", &taken.to_string()]));
    assert_eq!(code, Some(1));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains(&taken.to_string()) && note.contains("in use"), "{note}");
}

#[test]
fn the_ttl_is_the_one_that_was_asked() {
    let Some((theirs, at)) = receiver() else { return };
    for ttl in ["7", "255"] {
        assert_eq!(ended(send(at, &["x", "--ttl", ttl])).0, Some(0));
    }
    assert_eq!(ended(send(at, &["x"])).0, Some(0));
    let ttls: Vec<u32> = heard(&theirs, 3).iter().map(|heard| heard.ttl).collect();
    assert_eq!(ttls[..2], [7, 255]);
    assert!(ttls[2] >= 32, "the system's own: {ttls:?}");
}

#[test]
fn what_comes_from_elsewhere_is_not_shown_and_counted() {
    let mut listener = listen(&["--from", "127.0.0.8/30", "--from", "127.0.0.20", "--count", "3"]);
    for source in ["127.0.0.7", "127.0.0.8", "127.0.0.11", "127.0.0.12", "127.0.0.20"] {
        let args = [source, "--source", &format!("{source}:0")];
        assert_eq!(ended(send(listener.address, &args)).0, Some(0));
    }
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    let shown = listener.lines(Voice::Out);
    let texts: Vec<&str> = shown.iter().filter_map(|line| line.rsplit(": ").next()).collect();
    assert_eq!(texts, ["127.0.0.8", "127.0.0.11", "127.0.0.20"]);
    let summary = listener.lines(Voice::Err).pop().unwrap();
    assert_eq!(summary, "3 datagrams, 2 from elsewhere not shown");
}

// Two hosts.

#[test]
fn a_group_is_heard_on_another_host() {
    let Some([here, there]) = Namespace::pair() else { return };
    for interface in [&[][..], &["--multicast-interface", "far"]] {
        let (heard, at) = listening(&there, &[&["--join", GROUP, "--json"], interface].concat());
        let to = format!("{GROUP}:{}", at.port());
        let near = ["--multicast-interface", "near"];
        let sent = here.pigeon("pigeon send", &[&["send", &to, "你好"], &near[..]].concat());
        assert_eq!(ended(sent).0, Some(0));
        let told = json(&heard.expect_line(|_| true, SOON));
        assert_eq!(told["text"], "你好");
        assert_eq!(told["to"], to);
        assert!(told["from"].as_str().unwrap().starts_with("10.77.1.1:"), "{told}");
    }
}

#[test]
fn a_group_of_ipv6_is_heard_on_another_host() {
    let Some([here, there]) = Namespace::pair() else { return };
    let ours = there.pigeon("pigeon listen", &["listen", "[::]:0", "--join", "ff15::77"]);
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    let to = format!("[ff15::77]:{}", at.port());
    // A link-local address is not used before it is known to be nobody else's.
    crate::process::wait_until("the group is heard", || {
        let args = ["send", &to, "hello", "--multicast-interface", "near"];
        ended(here.pigeon("pigeon send", &args));
        ours.output().contains(" 5 bytes: hello").then_some(())
    });
}

#[test]
fn a_group_that_was_not_joined_is_not_heard() {
    let Some([here, there]) = Namespace::pair() else { return };
    let (heard, at) = listening(&there, &["--join", GROUP]);
    for (host, text) in [("239.9.9.9", "stray"), (GROUP, "ours")] {
        let to = format!("{host}:{}", at.port());
        let args = ["send", &to, text, "--multicast-interface", "near"];
        assert_eq!(ended(here.pigeon("pigeon send", &args)).0, Some(0));
    }
    let line = heard.expect_line(|_| true, SOON);
    assert!(line.ends_with(": ours"), "{line}");
}

/// Replies come from single hosts, and each line says from which.
#[test]
fn whoever_answers_a_group_is_shown_with_his_address() {
    if !installed("python3") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    let theirs = there.python(
        "ttl_receiver.py",
        &["--bind", "0.0.0.0", "--join", GROUP, "--interface", "10.77.1.2", "--answer"],
    );
    let to = format!("{GROUP}:{}", address_of(&theirs).port());
    for (ttl, seen) in [(&[][..], 1), (&["--ttl", "4"], 4)] {
        let args = ["send", &to, "who?", "--wait", "2s", "--multicast-interface", "10.77.1.1"];
        let (code, ours) = ended(here.pigeon("pigeon send", &[&args[..], ttl].concat()));
        assert_eq!(code, Some(0));
        let line = format!("10.77.1.2:{}: who?", address_of(&theirs).port());
        assert_eq!(ours.lines(Voice::Out), [line]);
        theirs.expect_line(|line| line.ends_with(&format!(" {seen} who?")), SOON);
    }
}

#[test]
fn broadcast_is_sent_only_where_it_is_meant() {
    let Some([here, there]) = Namespace::pair() else { return };
    let (heard, at) = listening(&there, &["--json"]);
    let to = format!("10.77.1.255:{}", at.port());
    let (code, ours) = ended(here.pigeon("pigeon send", &["send", &to, "by mistake"]));
    assert_eq!(code, Some(2));
    assert!(ours.lines(Voice::Err).concat().contains("--broadcast"));
    let meant = ["send", &to, "meant", "--broadcast"];
    assert_eq!(ended(here.pigeon("pigeon send", &meant)).0, Some(0));
    let told = json(&heard.expect_line(|_| true, SOON));
    assert_eq!(told["text"], "meant");
    assert_eq!(told["to"], to);
}

#[test]
fn a_group_on_an_interface_that_is_not_there_is_refused() {
    let args = ["listen", "127.0.0.1:0", "--join", GROUP, "--multicast-interface", "nowhere0"];
    let (code, ours) = ended(pigeon("pigeon listen", &args));
    assert_eq!(code, Some(2));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains("nowhere0") && note.contains("lo"), "{note}");
    let (code, _) = ended(pigeon("pigeon listen", &["listen", "0", "--join", "10.1.2.3"]));
    assert_eq!(code, Some(2));
}

// What the tests above share.

/// What `ttl_receiver.py` prints of a datagram.
struct Told {
    time: f64,
    from: SocketAddr,
    ttl: u32,
    text: String,
}

/// The Python receiver and where it listens; `None` if there is no Python.
fn receiver() -> Option<(Process, SocketAddr)> {
    installed("python3").then(|| {
        let receiver = python("ttl_receiver.py", &[]);
        let address = address_of(&receiver);
        (receiver, address)
    })
}

#[track_caller]
fn heard(receiver: &Process, count: usize) -> Vec<Told> {
    let lines = receiver.expect_lines(1 + count, SOON);
    let told = lines[1..].iter().map(|line| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        Told {
            time: word().parse().unwrap(),
            from: word().parse().unwrap(),
            ttl: word().parse().unwrap(),
            text: word().to_string(),
        }
    });
    told.collect()
}

/// `pigeon listen` on every IPv4 address of a host.
#[track_caller]
fn listening(host: &Namespace, args: &[&str]) -> (Process, SocketAddr) {
    let ours = host.pigeon("pigeon listen", &[&["listen", "0.0.0.0:0"], args].concat());
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    (ours, at)
}

#[track_caller]
fn ended(mut process: Process) -> (Option<i32>, Process) {
    let status = process.expect_end(SOON);
    (status.code(), process)
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}
