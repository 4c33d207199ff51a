//! `pigeon replay`: sends captured datagrams again, with their timing.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peers::installed;
use crate::pigeon::{pigeon, relay};
use crate::process::{Process, SOON, Voice, wait_until};

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length =
        crate::process::uninterrupted(|| socket.recv(&mut buffer)).expect("a datagram comes");
    buffer.truncate(length);
    buffer
}

fn replay(file: &Path, to: &UdpSocket, args: &[&str]) -> Process {
    let to = to.local_addr().unwrap().to_string();
    pigeon("pigeon replay", &[&["replay", file.to_str().unwrap(), &to], args].concat())
}

/// Runs the replay; checks the status and returns the summary of `--json`.
#[track_caller]
fn ended(mut process: Process, status: i32) -> Value {
    assert_eq!(process.expect_end(SOON).code(), Some(status));
    let line = process.lines(Voice::Out).into_iter().next().unwrap_or("null".into());
    serde_json::from_str(&line).unwrap()
}

/// An IPv4 packet from 10.0.0.1:7 to 10.0.0.2:9.
fn udp(payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28 + payload.len() as u8, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9, 0, 8 + payload.len() as u8, 0, 0]);
    packet.extend(payload);
    packet
}

/// A pcap file of raw IP: packets with their times in milliseconds and their kept bytes.
fn pcap(name: &str, packets: &[(u32, Vec<u8>, usize)]) -> PathBuf {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([64_u32.to_le_bytes(), 101_u32.to_le_bytes()].concat());
    for (millis, packet, kept) in packets {
        let words = [millis / 1_000, millis % 1_000 * 1_000, *kept as u32, packet.len() as u32];
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes.extend(&packet[..*kept]);
    }
    let path = scratch(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A relay's traffic is sent again in order, with the same intervals.
#[test]
fn what_a_relay_recorded_is_replayed_with_its_timing() {
    let file = scratch("round-trip.pcapng");
    let target = socket();
    let mut relay = relay(target.local_addr().unwrap(), &["--record", file.to_str().unwrap()]);
    let client = socket();
    let payloads: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; usize::from(n) * 70]).collect();
    // The relay records each between the times of sending and of receiving.
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for payload in &payloads {
        before.push(Instant::now());
        client.send_to(payload, relay.address).unwrap();
        assert_eq!(receive(&target), *payload);
        after.push(Instant::now());
        std::thread::sleep(Duration::from_millis(15));
    }
    relay.signal("TERM");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));

    let again = socket();
    let ours = replay(&file, &again, &["--json"]);
    payloads.iter().for_each(|payload| assert_eq!(receive(&again), *payload));
    let told = ended(ours, 0);
    assert_eq!((&told["sent"], &told["packets"]), (&20.into(), &20.into()));
    let seconds = |field: &str| Duration::from_secs_f64(told[field].as_f64().unwrap());
    let (elapsed, late) = (seconds("elapsed"), seconds("worst_late"));
    let (least, most) = (before[19] - after[0], after[19] - before[0]);
    // At its end it waits for errors that come back.
    let slack = Duration::from_secs(2);
    assert!(elapsed >= least, "{elapsed:?} instead of at least {least:?}");
    assert!(elapsed < most + late + slack, "{elapsed:?} instead of {most:?}, {late:?} late");
    fs::remove_file(file).unwrap();
}

#[test]
fn it_goes_as_fast_as_asked() {
    let packets: Vec<_> = (0..5).map(|n| (n * 100, udp(&[n as u8]), 29)).collect();
    let file = pcap("speed.pcap", &packets);
    for (speed, least) in [("2x", 0.2), ("max", 0.0), ("4x", 0.1)] {
        let target = socket();
        let ours = replay(&file, &target, &["--speed", speed, "--json"]);
        for n in 0..5 {
            assert_eq!(receive(&target), [n]);
        }
        let told = ended(ours, 0);
        assert!(told["elapsed"].as_f64().unwrap() >= least, "{speed}: {told}");
        assert_eq!(told["sent"], 5);
        if speed == "max" {
            assert_eq!(told["late"], 0);
        }
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn what_is_no_whole_datagram_is_counted_and_told() {
    let mut tcp = udp(b"tcp");
    tcp[9] = 6;
    let mut fragment = udp(b"one part");
    fragment[6] = 0x20;
    let packets = [
        (0, udp(b"one"), 31),
        (0, tcp, 31),
        (1, fragment, 36),
        (2, udp(b"only the beginning was kept"), 40),
        (3, udp(b""), 28),
    ];
    let file = pcap("mixed.pcap", &packets);
    let target = socket();
    let mut ours = replay(&file, &target, &[]);
    assert_eq!((receive(&target), receive(&target)), (b"one".to_vec(), vec![]));
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let said = ours.lines(Voice::Err).concat();
    assert!(said.starts_with("2 datagrams (3 bytes) in "), "{said}");
    let left_out = "left out: 1 not UDP, 1 fragments of incomplete datagrams, \
                    1 cut short by the capture (snaplen)";
    assert!(said.ends_with(left_out), "{said}");
    fs::remove_file(file).unwrap();
}

#[test]
fn filters_choose_what_is_sent() {
    let file = pcap("filters.pcap", &[(0, udp(b"here"), 32)]);
    let target = socket();
    for (args, status) in [
        (["--from", "10.0.0.0/24"], 0),
        (["--to", "10.0.0.2:9"], 0),
        (["--port", "9"], 0),
        (["--from", "10.0.0.2"], 1),
        (["--to", "10.0.0.2:10"], 1),
        (["--port", "10"], 1),
    ] {
        let told = ended(replay(&file, &target, &[&args[..], &["--json"]].concat()), status);
        assert_eq!(told["filtered"], status, "{args:?}");
        if status == 0 {
            assert_eq!(receive(&target), b"here");
        }
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn a_file_that_is_no_capture_or_not_whole_says_so() {
    let target = socket();
    let text = scratch("text.pcap");
    fs::write(&text, "once upon a time").unwrap();
    let mut ours = replay(&text, &target, &[]);
    assert_eq!(ours.expect_end(SOON).code(), Some(2));
    let said = ours.lines(Voice::Err);
    assert!(
        said.len() == 1 && said[0].ends_with("is not a capture: neither pcap nor pcapng"),
        "{said:?}"
    );

    let whole = pcap("whole.pcap", &[(0, udp(b"one"), 31), (0, udp(b"two"), 31)]);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&whole, &bytes[..bytes.len() - 5]).unwrap();
    let mut ours = replay(&whole, &target, &[]);
    assert_eq!(receive(&target), b"one");
    assert_eq!(ours.expect_end(SOON).code(), Some(1));
    let said = ours.lines(Voice::Err);
    assert!(said[1].ends_with("whole.pcap is cut short, after 1 packet"), "{said:?}");

    let mut ours = replay(&scratch("not-there.pcap"), &target, &[]);
    assert_eq!(ours.expect_end(SOON).code(), Some(2));
    for file in [text, whole] {
        fs::remove_file(file).unwrap();
    }
}

/// A receiver that restarts loses only the datagrams sent meanwhile.
#[test]
fn a_target_that_refuses_gets_the_rest() {
    let packets: Vec<_> = (0..100).map(|n| (n * 50, udp(&[n as u8]), 29)).collect();
    let file = pcap("refused.pcap", &packets);
    let target = socket();
    let to = target.local_addr().unwrap();
    drop(target);
    let args = ["replay", file.to_str().unwrap(), &to.to_string(), "--speed", "10x", "--json"];
    let ours = pigeon("pigeon replay", &args);
    ours.expect_status(|line| line.contains(&format!("{to} refused: nobody listens there")), SOON);
    let target = UdpSocket::bind(to).unwrap();
    target.set_read_timeout(Some(SOON)).unwrap();
    while receive(&target) != [99] {}
    let told = ended(ours, 1);
    assert!(told["refused"].as_u64() >= Some(1), "{told}");
    fs::remove_file(file).unwrap();
}

#[test]
fn nobody_at_the_target_fails() {
    let file = pcap("nobody.pcap", &[(0, udp(b"one"), 31)]);
    let target = socket();
    let to = target.local_addr().unwrap();
    drop(target);
    let mut ours = pigeon("pigeon replay", &["replay", file.to_str().unwrap(), &to.to_string()]);
    assert_eq!(ours.expect_end(SOON).code(), Some(1));
    let said = ours.lines(Voice::Err);
    assert_eq!(said.last().unwrap(), &format!("pigeon: {to} refused 1 time: nobody listens there"));
    fs::remove_file(file).unwrap();
}

/// A firewall's error is reported as the system's, not as an empty capture.
#[test]
fn what_the_system_says_is_told_and_counted() {
    let Some(host) = Namespace::new().filter(|_| installed("nft")) else { return };
    let rules = "add table ip t; add chain ip t out { type filter hook output priority 0; }; \
                 add rule ip t out udp dport 9 drop";
    let mut firewall = host.run("nft", "nft", &[rules]);
    assert!(firewall.expect_end(SOON).success());
    let packets: Vec<_> = (0..3).map(|n| (n * 100, udp(&[n as u8]), 29)).collect();
    let file = pcap("forbidden.pcap", &packets);
    let args = ["replay", file.to_str().unwrap(), "127.0.0.1:9", "--json"];
    let ours = host.pigeon("pigeon replay", &args);
    ours.expect_status(|line| line.contains("Operation not permitted"), SOON);
    let last = "pigeon: 3 datagrams could not be sent to 127.0.0.1:9: Operation not permitted";
    ours.expect_status(|line| line.starts_with(last), SOON);
    let told = ended(ours, 1);
    assert_eq!((&told["sent"], &told["not_sent"]), (&0.into(), &3.into()));
    fs::remove_file(file).unwrap();
}

/// ICMP errors, which the system reports only to sockets that request them.
#[test]
fn what_the_network_says_is_told_and_counted() {
    let Some([near, far]) = Namespace::pair() else { return };
    let packets: Vec<_> = (0..3).map(|n| (n * 100, udp(&[n as u8]), 29)).collect();
    let file = pcap("unreachable.pcap", &packets);
    for (port, icmp, words) in [
        (7101, "host-unreachable", "No route to host (os error 113): no host answers at that"),
        (7102, "no-route", "Network is unreachable (os error 101): a router on the way has no"),
    ] {
        if !far.reject(port, icmp) {
            return;
        }
        let to = format!("10.77.1.2:{port}");
        let args = ["replay", file.to_str().unwrap(), &to, "--json"];
        let ours = near.pigeon("pigeon replay", &args);
        // Two rejections at the same time may count as one.
        let last = format!(" came back from the way to {to}: {words}");
        ours.expect_status(|line| line.contains(&last), SOON);
        let said = ours.lines(Voice::Err);
        let told = format!("pigeon: cannot send to {to}: {words}");
        assert_eq!(said.iter().filter(|line| line.starts_with(&told)).count(), 1, "{said:?}");
        let told = ended(ours, 1);
        assert!(told["sent"] == 3 && told["errors"].as_u64() >= Some(1), "{told}");
    }
    fs::remove_file(file).unwrap();
}

/// An ICMP rejection by another firewall arrives after the datagram was sent.
#[test]
fn what_a_firewall_on_the_way_rejects_is_told_and_counted() {
    let Some(host) = Namespace::new() else { return };
    if !host.nft(
        "add table ip wall
         add chain ip wall input { type filter hook input priority 0; }
         add rule ip wall input udp dport 9 reject with icmp type admin-prohibited",
    ) {
        return;
    }
    let packets: Vec<_> = (0..3).map(|n| (n * 100, udp(&[n as u8]), 29)).collect();
    let file = pcap("rejected.pcap", &packets);
    let args = ["replay", file.to_str().unwrap(), "127.0.0.1:9", "--json"];
    let ours = host.pigeon("pigeon replay", &args);
    ours.expect_status(|line| line.contains("cannot send to 127.0.0.1:9: No route to host"), SOON);
    // Two rejections at the same time may count as one.
    let last = " came back from the way to 127.0.0.1:9: No route to host";
    ours.expect_status(|line| line.contains(last), SOON);
    let told = ended(ours, 1);
    assert!(told["sent"] == 3 && told["errors"].as_u64() >= Some(1), "{told}");
    fs::remove_file(file).unwrap();
}

/// IPv6 carries slightly more than IPv4.
#[test]
fn a_payload_too_long_for_the_target_is_told_and_the_rest_is_sent() {
    let long = 65_508_u16;
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
    packet[4..6].copy_from_slice(&(8 + long).to_be_bytes());
    packet.extend([[0; 15].as_slice(), &[1], &[0; 15], &[2], &[0, 7, 0, 9]].concat());
    packet.extend((8 + long).to_be_bytes());
    packet.resize(packet.len() + 2 + usize::from(long), b'x');
    let length = packet.len();
    let file = pcap("long.pcap", &[(0, packet, length), (0, udp(b"rest"), 32)]);
    let target = socket();
    let ours = replay(&file, &target, &["--json"]);
    assert_eq!(receive(&target), b"rest");
    let to = target.local_addr().unwrap();
    let told =
        format!("pigeon: a datagram of 65508 bytes is not sent: one to {to} carries at most 65507");
    ours.expect_status(|line| line == told, SOON);
    let last = format!("pigeon: 1 datagram could not be sent to {to}");
    ours.expect_status(|line| line == last, SOON);
    let told = ended(ours, 1);
    assert_eq!((&told["sent"], &told["not_sent"]), (&1.into(), &1.into()));
    fs::remove_file(file).unwrap();
}

/// The target acts as the server, and gets none of its replies.
#[test]
fn only_what_clients_sent_is_sent() {
    let mut reply = udp(b"reply");
    reply[12..24].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1, 0, 9, 0, 7]);
    let packets = [(0, udp(b"one"), 31), (0, reply, 33), (0, udp(b"two"), 31)];
    let file = pcap("both.pcap", &packets);
    let target = socket();
    let told = ended(replay(&file, &target, &["--json"]), 0);
    assert_eq!((receive(&target), receive(&target)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!((&told["sent"], &told["other_direction"]), (&2.into(), &1.into()));
    let told = ended(replay(&file, &target, &["--json", "--both"]), 0);
    assert_eq!((&told["sent"], &told["other_direction"]), (&3.into(), &0.into()));
    let told = ended(replay(&file, &target, &["--json", "--from", "10.0.0.2"]), 0);
    assert_eq!(told["sent"], 1);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_long_pause_is_told_and_may_be_cut() {
    let file = pcap("pause.pcap", &[(0, udp(b"one"), 31), (3_600_000, udp(b"two"), 31)]);
    let target = socket();
    let ours = replay(&file, &target, &[]);
    ours.expect_status(|line| line.starts_with("the next datagram follows in 60 min"), SOON);
    ours.signal("INT");
    ended(ours, 130);
    assert_eq!(receive(&target), b"one");
    let told = ended(replay(&file, &target, &["--json", "--max-pause", "20ms"]), 0);
    assert_eq!((receive(&target), receive(&target)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!(told["sent"], 2);
    fs::remove_file(file).unwrap();
}

/// A block without a time must not count as from 1970: the next packet would be decades later.
#[test]
fn a_packet_without_a_time_is_sent_at_once() {
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &body, &length].concat()
    };
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let section = [words(&[0x1a2b_3c4d, 1]), vec![0xff; 8]].concat();
    let (first, second) = (udp(b"one"), udp(b"two"));
    let simple = [words(&[first.len() as u32]), first].concat();
    let micros = 1_700_000_000_000_000_u64;
    let [high, low, length] = [(micros >> 32) as u32, micros as u32, second.len() as u32];
    let enhanced = [words(&[0, high, low, length, length]), second].concat();
    let interface = block(1, &words(&[101, 0]));
    let file = scratch("simple.pcapng");
    let blocks = [block(0x0a0d_0d0a, &section), interface, block(3, &simple), block(6, &enhanced)];
    fs::write(&file, blocks.concat()).unwrap();
    let target = socket();
    let told = ended(replay(&file, &target, &["--json"]), 0);
    assert_eq!((receive(&target), receive(&target)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!(told["sent"], 2);
    fs::remove_file(file).unwrap();
}

/// Like `tcpdump -w - | pigeon replay -`: packets are sent before the capture ends.
#[test]
fn a_capture_is_replayed_while_it_comes_through_a_pipe() {
    let file = pcap("pipe.pcap", &[(0, udp(b"one"), 31), (0, udp(b"two"), 31)]);
    let bytes = fs::read(&file).unwrap();
    let (first, second) = bytes.split_at(24 + 16 + 31);
    for through_stdin in [false, true] {
        let (target, pipe) = (socket(), fifo("pipe"));
        let path = pipe.to_str().unwrap();
        let to = target.local_addr().unwrap().to_string();
        let ours = match through_stdin {
            false => replay(&pipe, &target, &["--json"]),
            true => {
                let line =
                    format!("exec {} replay - {to} --json <{path}", env!("CARGO_BIN_EXE_pigeon"));
                Process::spawn("pigeon replay -", Command::new("sh").args(["-c", &line]))
            }
        };
        let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        writer.write_all(first).unwrap();
        assert_eq!(receive(&target), b"one");
        writer.write_all(second).unwrap();
        assert_eq!(receive(&target), b"two");
        drop(writer);
        assert_eq!(ended(ours, 0)["sent"], 2);
        fs::remove_file(pipe).unwrap();
    }
    fs::remove_file(file).unwrap();
}

/// A capture of the target network contains the replayed datagrams.
#[test]
fn what_a_replay_sends_is_not_replayed() {
    let (target, pipe) = (socket(), fifo("loop"));
    let ours = replay(&pipe, &target, &["--json"]);
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let file = pcap("loop.pcap", &[(0, udp(b"one"), 31)]);
    writer.write_all(&fs::read(&file).unwrap()).unwrap();
    let mut buffer = [0; 16];
    let (_, from) = crate::process::uninterrupted(|| target.recv_from(&mut buffer)).unwrap();
    let mut own = udp(b"one");
    own[12..16].copy_from_slice(&[127, 0, 0, 1]);
    own[20..22].copy_from_slice(&from.port().to_be_bytes());
    let packets = fs::read(pcap("loop.pcap", &[(0, own, 31), (0, udp(b"two"), 31)])).unwrap();
    writer.write_all(&packets[24..]).unwrap();
    drop(writer);
    assert_eq!(receive(&target), b"two");
    let told = ended(ours, 0);
    assert_eq!((&told["sent"], &told["own"]), (&2.into(), &1.into()));
    for file in [file, pipe] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_pipe_that_stays_silent_does_not_keep_it_from_stopping() {
    let (target, pipe) = (socket(), fifo("silent"));
    let ours = replay(&pipe, &target, &[]);
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let file = pcap("silent.pcap", &[(0, udp(b"one"), 31)]);
    writer.write_all(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(receive(&target), b"one");
    ours.signal("INT");
    ended(ours, 130);
    for file in [file, pipe] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_compressed_file_is_named() {
    let (target, file) = (socket(), scratch("capture.pcap.gz"));
    fs::write(&file, b"\x1f\x8b\x08\x00\x00\x00").unwrap();
    let mut ours = replay(&file, &target, &[]);
    assert_eq!(ours.expect_end(SOON).code(), Some(2));
    let said = ours.lines(Voice::Err).concat();
    assert!(said.contains("is compressed with gzip") && said.contains("gunzip"), "{said}");
    fs::remove_file(file).unwrap();
}

/// Files of Wireshark's own tools: Ethernet frames in pcapng, in microseconds.
#[test]
fn captures_of_other_programs_are_read() {
    if !installed("text2pcap") {
        return;
    }
    let (text, file) = (scratch("hex.txt"), scratch("text2pcap.pcapng"));
    fs::write(&text, "0000 68 65 6c 6c 6f\n\n0000 77 6f 72 6c 64\n").unwrap();
    let made = Command::new("text2pcap")
        .args(["-q", "-u", "1000,2000", text.to_str().unwrap(), file.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(made.success());
    let target = socket();
    let told = ended(replay(&file, &target, &["--json", "--port", "2000"]), 0);
    assert_eq!((receive(&target), receive(&target)), (b"hello".to_vec(), b"world".to_vec()));
    assert_eq!(told["sent"], 2);
    for file in [text, file] {
        fs::remove_file(file).unwrap();
    }
}

/// Each sender gets a separate socket again.
#[test]
fn senders_are_told_apart() {
    let mut other = udp(b"two");
    other[15] = 99;
    let file = pcap("senders.pcap", &[(0, udp(b"one"), 31), (0, other, 31), (0, udp(b"one"), 31)]);
    let target = socket();
    let ours = replay(&file, &target, &[]);
    let mut buffer = [0; 16];
    let mut from = || crate::process::uninterrupted(|| target.recv_from(&mut buffer)).unwrap().1;
    let [one, two, three] = [from(), from(), from()];
    // The kernel decides the order of several sockets; two of the three are one sender's.
    let same = [one == two, two == three, one == three];
    assert_eq!(same.iter().filter(|same| **same).count(), 1);
    wait_until("it ends", || ours.lines(Voice::Err).first().cloned());
    fs::remove_file(file).unwrap();
}

/// A named pipe.
fn fifo(name: &str) -> PathBuf {
    let path = scratch(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A path of this test's own that does not exist yet.
fn scratch(name: &str) -> PathBuf {
    let file = format!("replay-{}-{name}", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let _ = fs::remove_file(&file);
    file
}
