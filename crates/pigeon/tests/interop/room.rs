//! A room with every kind of member: each message reaches everyone, once and unchanged.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::peers::{client, hex, installed, python_to, tools};
use crate::pigeon::{Serving, hub, join, join_nameless};
use crate::process::{Process, SOON, Voice};

#[test]
fn in_chat_everyone_sees_every_line_once() {
    let hub = hub(&[]);
    let mut members = everyone(&hub);
    for member in others_programs(&mut members) {
        let nick = nick_of(member);
        member.say(&format!("/nick {nick}"));
        member.expect_line(|line| line.starts_with("* ") && line.contains(&nick), SOON);
    }

    let mut lines = Vec::new();
    for speaker in 0..members.len() {
        // Two spaces and a backslash reveal wrong escaping or splitting.
        let nick = nick_of(&members[speaker]);
        let text = format!(r#"我是 {nick}:你好,世界 🐦  "100 %" \o/"#);
        members[speaker].say(&text);
        lines.push(format!("{nick}: {text}"));
        for member in &members {
            member.expect_line(|line| line == lines[speaker], SOON);
        }
    }

    // Datagrams arrive in order: a second copy would come before this.
    members[0].say("that is all");
    for member in &members {
        member.expect_line(|line| line.ends_with(": that is all"), SOON);
        for line in &lines {
            let copies = member.lines(Voice::Out).iter().filter(|seen| *seen == line).count();
            assert_eq!(copies, 1, "{} saw {line:?} {copies} times", member.name());
        }
    }
}

#[test]
fn in_classic_everyone_sees_every_ack_once() {
    let hub = hub(&["--format", "classic"]);
    let mut members = everyone(&hub);
    for member in others_programs(&mut members) {
        member.say("^hb^");
    }
    hub.expect_members(members.len());

    // Acks have no line ends: in most programs' output they are concatenated.
    let mut acks = Vec::new();
    let mut addresses = BTreeSet::new();
    for speaker in 0..members.len() {
        let name = members[speaker].name().to_string();
        members[speaker].say(&format!("{name} says 你好"));
        let begins = format!("Ack {} SAYS 你好. from ", name.to_ascii_uppercase());
        // `join` shows each datagram as a line.
        let pigeon = members.last().unwrap();
        let ack = pigeon.expect_line(|line| line.starts_with(&begins), SOON);
        let from: SocketAddr = ack[begins.len()..].parse().expect("an ack ends in IP:PORT");
        assert!(addresses.insert(from), "{from} spoke twice");
        for member in &members {
            member.expect_output(&ack, SOON);
        }
        acks.push(ack);
    }

    members[0].say("that is all");
    for member in &members {
        member.expect_output("Ack THAT IS ALL. from ", SOON);
        for ack in &acks {
            let copies = member.output().matches(ack).count();
            assert_eq!(copies, 1, "{} saw {ack:?} {copies} times", member.name());
        }
    }
}

#[test]
fn in_raw_every_byte_passes_to_everyone_else() {
    if !installed("python3") {
        return;
    }
    let hub = hub(&["--format", "raw"]);
    let mut speaker = python_to("hex_peer.py", hub.address, &[]);
    let mut listener = python_to("hex_peer.py", hub.address, &[]);
    let mut ada = join_nameless(hub.address);
    for peer in [&mut speaker, &mut listener] {
        peer.say(&hex(b"^hb^"));
    }
    hub.expect_members(3);

    // Invalid UTF-8, white space that other formats trim, and commands of other formats.
    let payloads: [&[u8]; 4] =
        [b"\xff\xfe\x00\x80\xc3(\x1b[m", b"  spaced \r\n", b"/nick nobody", "你好".as_bytes()];
    for payload in payloads {
        speaker.say(&hex(payload));
    }
    ada.expect_line(|line| line == r"\xff\xfe\x00\x80\xc3(\x1b[m", SOON);
    ada.expect_line(|line| line == "/nick nobody", SOON);
    ada.expect_line(|line| line == "你好", SOON);
    ada.say("从 ada");

    let seen = listener.expect_lines(1 + payloads.len() + 1, SOON);
    let mut expected: Vec<String> = payloads.map(hex).to_vec();
    expected.push(hex("从 ada".as_bytes()));
    let from_hub = |bytes| format!("{} {bytes}", hub.address);
    assert_eq!(seen[1..], expected.into_iter().map(from_hub).collect::<Vec<_>>());

    // A raw hub sends the speaker no copy of its own datagrams, so the first that the speaker
    // receives is another member's.
    let seen = speaker.expect_lines(2, SOON);
    assert_eq!(seen[1], from_hub(hex("从 ada".as_bytes())));
}

#[test]
fn a_sensor_that_only_sends_is_heard() {
    if !installed("python3") {
        return;
    }
    let hub = hub(&[]);
    let ada = join(hub.address, "ada");
    let mut sensor = python_to("sensor.py", hub.address, &[]);
    assert!(sensor.expect_end(SOON).success());
    ada.expect_line(|line| line.ends_with(": temp=21.4"), SOON);
    let lines = ada.lines(Voice::Out);
    let readings: Vec<_> = lines.iter().filter_map(|line| line.split_once(": temp=")).collect();
    assert_eq!(
        readings.iter().map(|reading| reading.1).collect::<Vec<_>>(),
        ["21.5", "21.6", "21.4"]
    );
    let sensor: SocketAddr = readings[0].0.parse().expect("a sensor is called by its address");
    assert!(readings.iter().all(|reading| reading.0 == sensor.to_string()));
}

/// Every kind of member, our own two last. Only ours have contacted the hub already.
fn everyone(hub: &Serving) -> Vec<Process> {
    let mut members: Vec<Process> =
        tools().into_iter().map(|tool| client(tool, hub.address)).collect();
    if installed("python3") {
        members.push(python_to("plain_member.py", hub.address, &[]));
        members.push(python_to("tutorial_client.py", hub.address, &[]));
    }
    members.push(join(hub.address, "ada"));
    members.push(join(hub.address, "猴哥"));
    members
}

fn others_programs(members: &mut [Process]) -> &mut [Process] {
    let ours = 2;
    let count = members.len() - ours;
    &mut members[..count]
}

/// A program's name without characters that look like an address or a notice.
fn nick_of(member: &Process) -> String {
    member.name().trim_end_matches(".py").to_string()
}
