//! `pigeon relay` between real programs: transparent by default, and with conditions.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pigeon_capture::{Decoder, Reader};

use crate::moved::Hosts;
use crate::namespace::{Namespace, skipped};
use crate::peers::{address_of, client, installed, python, tools, udp_port};
use crate::pigeon::{Serving, address_in, pigeon, relay};
use crate::ports::lasting;
use crate::process::{Process, SOON, Voice, wait_until};
use crate::services::Services;

/// A socket with a time limit for receiving.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn connected(to: SocketAddr) -> UdpSocket {
    let socket = socket();
    socket.connect(to).unwrap();
    socket
}

/// The next datagram and its sender.
fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (length, from) =
        crate::process::uninterrupted(|| socket.recv_from(&mut buffer)).expect("a datagram comes");
    buffer.truncate(length);
    (buffer, from)
}

/// A count in the last object that the relay printed.
fn count(relay: &Serving, field: &str) -> Option<u64> {
    let line = relay.lines(Voice::Out).into_iter().rfind(|line| line.starts_with('{'))?;
    serde_json::from_str::<serde_json::Value>(&line).ok()?[field].as_u64()
}

fn end(mut relay: Serving) -> Serving {
    relay.signal("TERM");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));
    relay
}

#[test]
fn told_nothing_it_is_transparent() {
    let target = socket();
    let relay = relay(target.local_addr().unwrap(), &[]);
    let clients: Vec<UdpSocket> = (0..20).map(|_| connected(relay.address)).collect();
    let mut ends: Vec<SocketAddr> = Vec::new();
    // Each client gets a separate socket at the target, in the order of arrival.
    for (n, client) in (0..).zip(&clients) {
        client.send(&[n]).unwrap();
        let (payload, from) = receive(&target);
        assert_eq!(payload, [n]);
        ends.push(from);
    }
    assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), clients.len());

    // All sizes, byte for byte and in order; each answer reaches its own client.
    let largest: Vec<u8> = (0..65_507_u32).map(|at| (at % 251) as u8).collect();
    let payloads: Vec<Vec<u8>> = [0, 1, 2, 63, 64, 64, 64, 1_400, 9_000, 65_507]
        .map(|length| largest[..length].to_vec())
        .into();
    for (client, end) in clients.iter().zip(&ends) {
        for payload in &payloads {
            client.send(payload).unwrap();
            let (received, from) = receive(&target);
            assert!(received == *payload && from == *end, "{} bytes were changed", payload.len());
            target.send_to(payload, end).unwrap();
            assert!(receive(client).0 == *payload, "{} bytes were changed", payload.len());
        }
        (0..200_u8).for_each(|n| assert_eq!(client.send(&[n]).unwrap(), 1));
        for n in 0..200_u8 {
            assert_eq!(receive(&target), (vec![n], *end));
        }
    }
    end(relay);
}

#[test]
fn programs_of_all_kinds_talk_through_it() {
    for tool in tools() {
        let server = python("echo_server.py", &[]);
        let relay = relay(address_of(&server), &[]);
        let mut client = client(tool, relay.address);
        client.say("你好");
        client.expect_output("你好", SOON);
    }
}

/// The numbers below `count` that get through a relay with loss, in order of arrival.
fn survivors(loss: &str, seed: &str, count: u32) -> Vec<u32> {
    let target = socket();
    let args = ["--up", loss, "--seed", seed];
    let mut relay = relay(target.local_addr().unwrap(), &args);
    let client = connected(relay.address);
    let mut through = Vec::new();
    // Sends at most as many at once as every buffer on the way holds.
    for sent in (100..=count).step_by(100) {
        (sent - 100..sent).for_each(|n| assert_eq!(client.send(&n.to_be_bytes()).unwrap(), 4));
        let out = wait_until("the relay has had them all", || {
            relay.say("stats");
            let line =
                relay.lines(Voice::Out).into_iter().rfind(|line| line.starts_with("up: "))?;
            let rest = line.strip_prefix(&format!("up: {sent} in ("))?.to_string();
            let out = rest.split(" bytes), ").nth(1)?.split(" out").next()?.parse().ok()?;
            Some::<usize>(out)
        });
        while through.len() < out {
            let payload = receive(&target).0;
            through.push(u32::from_be_bytes(payload.try_into().unwrap()));
        }
    }
    end(relay);
    through
}

#[test]
fn the_share_asked_for_is_lost() {
    let through = survivors("loss=10%", "7", 2_000);
    // Five standard deviations of a binomial of 2,000 at a tenth: 13.4 each.
    let lost = 2_000 - through.len();
    assert!((133..=267).contains(&lost), "{lost} were lost");
    assert!(through.is_sorted(), "the order was changed");
}

/// The same traffic with the same seed has the same result, even in another process.
#[test]
fn a_seed_repeats_a_run() {
    let run = |seed: &str| survivors("loss=30%:3", seed, 500);
    let first = run("42");
    assert_eq!(first, run("42"));
    assert_ne!(first, run("43"));
}

#[test]
fn the_delay_is_kept_each_way() {
    let target = socket();
    let relay =
        relay(target.local_addr().unwrap(), &["--up", "delay=40ms", "--down", "delay=80ms"]);
    let client = connected(relay.address);
    // The quickest of several: other work on the machine only adds time.
    let (mut up, mut both) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        client.send(b"ping").unwrap();
        let (payload, from) = receive(&target);
        up = up.min(start.elapsed());
        target.send_to(&payload, from).unwrap();
        receive(&client);
        both = both.min(start.elapsed());
    }
    let ms = Duration::from_millis;
    assert!(up >= ms(40) && up < ms(120), "{up:?}");
    assert!(both >= ms(120) && both < ms(240), "{both:?}");
    end(relay);
}

#[test]
fn what_exceeds_the_mtu_is_dropped_and_told() {
    let target = socket();
    let relay = relay(target.local_addr().unwrap(), &["--mtu", "100", "--json"]);
    let client = connected(relay.address);
    for length in [100, 101, 99] {
        client.send(&vec![b'x'; length]).unwrap();
    }
    assert_eq!(receive(&target).0.len(), 100);
    assert_eq!(receive(&target).0.len(), 99);
    relay.expect_status(
        |line| line == "up: 101 bytes are too large for the MTU of 100; dropped",
        SOON,
    );
    wait_until("it is counted", || (count(&relay, "up_dropped_mtu")? == 1).then_some(()));
    end(relay);
}

#[test]
fn conditions_change_while_it_runs() {
    let target = socket();
    let mut relay = relay(target.local_addr().unwrap(), &[]);
    let client = connected(relay.address);
    client.send(b"before").unwrap();
    assert_eq!(receive(&target).0, b"before");
    relay.say("up loss 100%");
    relay.expect_status(|line| line == "up: loss 100%", SOON);
    client.send(b"meanwhile").unwrap();
    // Invalid conditions change nothing.
    relay.say("loss 120%");
    relay.expect_status(|line| line.starts_with("loss: \"120%\" is not between"), SOON);
    relay.say("jitter 5ms");
    relay.expect_status(|line| line.starts_with("a jitter of 5ms exceeds the delay of 0:"), SOON);
    relay.say("stats");
    relay.expect_line(|line| line.starts_with("up: 2 in (15 bytes), 1 out, 1 lost"), SOON);
    relay.say("clear");
    // The conditions are also printed at the start.
    wait_until("the path is perfect again", || {
        let said = relay.lines(Voice::Err);
        (said.iter().filter(|line| *line == "both ways: perfect").count() == 2).then_some(())
    });
    client.send(b"after").unwrap();
    assert_eq!(receive(&target).0, b"after");
    relay.say("clients");
    relay.expect_line(|line| line == "1 client", SOON);
    relay.say("quit");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));
}

#[test]
fn idle_clients_make_room_for_others() {
    let target = socket();
    let args = ["--max-clients", "1", "--idle", "300ms", "--json"];
    let relay = relay(target.local_addr().unwrap(), &args);
    let (first, second) = (connected(relay.address), connected(relay.address));
    first.send(b"first").unwrap();
    let (_, end_of_first) = receive(&target);
    second.send(b"too many").unwrap();
    relay.expect_status(|line| line.contains("is turned away"), SOON);
    relay.expect_status(|line| line.contains("is idle, its socket is closed"), SOON);
    second.send(b"second").unwrap();
    let (payload, end_of_second) = receive(&target);
    assert_eq!(payload, b"second");
    assert_ne!(end_of_first, end_of_second);
    let last = end(relay);
    assert_eq!((count(&last, "turned_away"), count(&last, "joined")), (Some(1), Some(2)));
}

#[test]
fn a_scenario_changes_conditions_and_addresses() {
    let file = scratch("scenario.toml");
    fs::write(
        &file,
        "description = 'a test'\n[[step]]\nat = '0s'\nmtu = 10\n\
         [[step]]\nat = '400ms'\nnote = 'moved'\nmtu = 'none'\nhandover = true\n",
    )
    .unwrap();
    let target = socket();
    let relay = relay(target.local_addr().unwrap(), &["--scenario", file.to_str().unwrap()]);
    relay.expect_status(|line| line == "scenario of 2 steps: a test", SOON);
    let client = connected(relay.address);
    client.send(b"small").unwrap();
    let (_, before) = receive(&target);
    relay.expect_status(|line| line == "scenario: moved", SOON);
    client.send(b"too large for the first step").unwrap();
    let (payload, after) = receive(&target);
    assert_eq!(payload, b"too large for the first step");
    assert_ne!(before, after, "the target sees a new address");
    // The previous address is ignored; the new one reaches the client.
    target.send_to(b"old", before).unwrap();
    target.send_to(b"new", after).unwrap();
    assert_eq!(receive(&client).0, b"new");
    end(relay);
    fs::remove_file(file).unwrap();
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let broken = scratch("broken.toml");
    fs::write(&broken, "[[step]]\nat = '0s'\nloss = '120%'\n").unwrap();
    let broken = broken.to_str().unwrap();
    let not_there = scratch("not-there.toml");
    for (args, reason) in [
        (&["--loss", "120%"][..], "\"120%\" is not between 0 and 1"),
        (&["--delay", "-5ms"], "write a number with its unit"),
        (&["--delay", "5ms", "--jitter", "9ms"], "a jitter of 9ms exceeds the delay of 5ms"),
        (&["--up", "los=1%"], "los is not a condition"),
        (&["--queue", "8KiB"], "--queue has no effect without --rate"),
        (&["--scenario", broken], "line 3, column 8: loss: \"120%\" is not between"),
        (&["--scenario", not_there.to_str().unwrap()], "cannot read"),
    ] {
        let args = [&["relay", "0", "127.0.0.1:9"], args].concat();
        let mut process = pigeon("relay", &args);
        assert_eq!(process.expect_end(SOON).code(), Some(2), "{args:?}");
        let said = process.lines(Voice::Err);
        assert!(said[0].contains(reason), "{said:?}");
    }
    fs::remove_file(broken).unwrap();
}

#[test]
fn a_relay_to_itself_is_refused() {
    let [port] = lasting();
    for (listen, target) in
        [("127.0.0.1", "127.0.0.1"), ("*", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")]
    {
        let (listen, target) = (format!("{listen}:{port}"), format!("{target}:{port}"));
        let mut process = pigeon("relay", &["relay", &listen, &target]);
        assert_eq!(process.expect_end(SOON).code(), Some(2));
        let said = process.lines(Voice::Err);
        assert!(said[0].contains("is this relay itself"), "{said:?}");
    }
}

/// Two relays that lead to each other: datagrams do not circulate for ever.
#[test]
fn a_circle_of_relays_ends() {
    let [port] = lasting();
    let far = SocketAddr::from(([127, 0, 0, 1], port));
    let near = relay(far, &["--max-clients", "5", "--json"]);
    let args = ["relay", &far.to_string(), &near.address.to_string(), "--max-clients", "5"];
    let other = pigeon("relay", &args);
    other.expect_status(|line| line.contains("listening on "), SOON);
    connected(near.address).send(b"round").unwrap();
    near.expect_status(|line| line.contains("is turned away"), SOON);
    wait_until("it has stopped", || {
        let before = count(&near, "up_received")?;
        std::thread::sleep(Duration::from_millis(1_100));
        (count(&near, "up_received")? == before && before > 0).then_some(())
    });
}

/// A relay in a private namespace, where senders can be forged.
fn relay_in(host: &Namespace, listen: &str, target: SocketAddr) -> (Process, SocketAddr) {
    let relay = host.pigeon("relay", &["relay", listen, &target.to_string(), "--json"]);
    let at = address_in(&relay.expect_status(|line| line.contains("listening on "), SOON));
    (relay, SocketAddr::new([127, 0, 0, 1].into(), at.port()))
}

/// Sends one datagram to `to` with the forged sender `from`, both on 127.0.0.1.
#[track_caller]
fn forge(host: &Namespace, from: SocketAddr, to: SocketAddr) {
    let (from, to) = (from.port().to_string(), to.port().to_string());
    let mut forger = host.python("forge.py", &[&from, &to, "round and round"]);
    assert!(forger.expect_end(SOON).success());
}

/// Stops a relay, and returns some of its counts.
#[track_caller]
fn counts<const N: usize>(mut relay: Process, fields: [&str; N]) -> [u64; N] {
    relay.signal("TERM");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));
    let line = relay.lines(Voice::Out).pop().unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    fields.map(|field| line[field].as_u64().unwrap())
}

#[test]
fn one_forged_datagram_does_not_make_the_target_talk_to_itself() {
    if !installed("python3") {
        return;
    }
    let Some(host) = Namespace::new() else { return };
    // The service's own rate must not end the loop.
    let args = ["serve", "echo:0", "--per-source", "unlimited"];
    for listen in ["127.0.0.1:0", "*:0"] {
        let echo = Services::new(host.pigeon("echo", &args), &["echo:0"]);
        let (relay, at) = relay_in(&host, listen, echo.at("echo"));
        forge(&host, echo.at("echo"), at);
        let told = relay.expect_status(|line| line.contains("it is the target"), SOON);
        assert!(told.contains(&echo.at("echo").to_string()), "{told}");
        forge(&host, at, at);
        relay.expect_status(|line| line.contains("they come from this relay"), SOON);
        let fields = ["from_target", "looped", "joined", "up_received", "down_received"];
        assert_eq!(counts(relay, fields), [1, 1, 0, 0, 0], "{listen}");
    }
}

/// A hub with the relay as a member sends it all messages; the relay ignores them.
#[test]
fn a_hub_that_has_the_relay_as_a_member_gets_nothing_back() {
    if !installed("python3") {
        return;
    }
    let Some(host) = Namespace::new() else { return };
    let hub = host.pigeon("hub", &["hub", "raw@127.0.0.1:0"]);
    let at_hub = address_in(&hub.expect_status(|line| line.contains("listening on "), SOON));
    let (relay, at) = relay_in(&host, "127.0.0.1:0", at_hub);
    // A member through the relay, and then the relay itself.
    let mut member = host.pigeon("join", &["join", &at.to_string()]);
    member.expect_status(|line| line.contains("joined "), SOON);
    forge(&host, at, at_hub);
    member.expect_output("round and round", SOON);
    member.say("hello");
    relay.expect_status(|line| line.contains("it is the target"), SOON);
    member.signal("TERM");
    member.expect_end(SOON);
    let [from_target, up, joined] = counts(relay, ["from_target", "up_received", "joined"]);
    // Heartbeats, the line, `quit`; and perhaps the hub's probes.
    assert!(
        (1..=4).contains(&from_target) && up < 20 && joined == 1,
        "{from_target} {up} {joined}"
    );
}

#[test]
fn a_target_that_refuses_is_told_and_survived() {
    let target = socket();
    let address = target.local_addr().unwrap();
    drop(target);
    let relay = relay(address, &[]);
    let client = connected(relay.address);
    client.send(b"anybody?").unwrap();
    relay.expect_status(|line| line == "the target refuses: nobody listens there", SOON);
    let target = UdpSocket::bind(address).unwrap();
    target.set_read_timeout(Some(SOON)).unwrap();
    client.send(b"now?").unwrap();
    assert_eq!(receive(&target).0, b"now?");
    end(relay);
}

#[test]
fn a_target_whose_name_gets_another_address_is_followed() {
    let Some(hosts) = Hosts::new("relay", "mytarget", "127.0.0.1") else { return };
    let target = socket();
    let port = target.local_addr().unwrap().port();
    let elsewhere = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    elsewhere.set_read_timeout(Some(SOON)).unwrap();
    let relay = Serving::new(hosts.pigeon(&["relay", "0", &format!("mytarget:{port}"), "--json"]));
    let [old, new] = [connected(relay.address), connected(relay.address)];
    old.send(b"hello").unwrap();
    assert_eq!(receive(&target).0, b"hello");
    drop(target);
    hosts.set("mytarget", "127.0.0.2");
    // Refused: the name is resolved again.
    old.send(b"anybody?").unwrap();
    let told = format!("the target's name now stands for 127.0.0.2:{port}");
    relay.expect_status(|line| line.starts_with(&told), SOON);
    for client in [old, new] {
        client.send(b"here?").unwrap();
        let (payload, from) = receive(&elsewhere);
        assert_eq!(payload, b"here?");
        elsewhere.send_to(b"here!", from).unwrap();
        assert_eq!(receive(&client).0, b"here!");
    }
    end(relay);
}

#[test]
fn a_record_has_the_address_that_the_target_has_then() {
    let Some(hosts) = Hosts::new("record", "mytarget", "127.0.0.1") else { return };
    let target = socket();
    let port = target.local_addr().unwrap().port();
    let elsewhere = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    elsewhere.set_read_timeout(Some(SOON)).unwrap();
    let (file, at) = (scratch("moved.pcapng"), format!("mytarget:{port}"));
    let relay =
        Serving::new(hosts.pigeon(&["relay", "0", &at, "--record", file.to_str().unwrap()]));
    let client = connected(relay.address);
    let from = client.local_addr().unwrap();
    client.send(b"first").unwrap();
    assert_eq!(receive(&target).0, b"first");
    hosts.set("mytarget", "127.0.0.2");
    client.send(b"anybody?").unwrap();
    relay
        .expect_status(|line| line.starts_with("the target's name now stands for 127.0.0.2"), SOON);
    client.send(b"here?").unwrap();
    let (_, ours) = receive(&elsewhere);
    elsewhere.send_to(b"here!", ours).unwrap();
    assert_eq!(receive(&client).0, b"here!");
    end(relay);
    let (old, new) = (target.local_addr().unwrap(), elsewhere.local_addr().unwrap());
    let mut reader = Reader::new(fs::File::open(&file).unwrap()).unwrap();
    let (mut decoder, mut recorded) = (Decoder::new(), Vec::new());
    while let Some(packet) = reader.next_packet().unwrap() {
        let found = decoder.decode(&packet).unwrap();
        recorded.push((found.from, found.to, found.payload.to_vec()));
    }
    // The name may be resolved before or after this datagram.
    recorded.retain(|(_, _, payload)| payload != b"anybody?");
    let expected = [
        (from, old, b"first".to_vec()),
        (from, new, b"here?".to_vec()),
        (new, from, b"here!".to_vec()),
    ];
    assert_eq!(recorded, expected);
    fs::remove_file(file).unwrap();
}

/// A silent target is resolved again too: a firewall may drop datagrams.
#[test]
fn the_name_of_a_silent_target_is_looked_up_again() {
    let Some(hosts) = Hosts::new("silent", "mytarget", "127.0.0.1") else { return };
    let silent = socket();
    let port = silent.local_addr().unwrap().port();
    let elsewhere = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    elsewhere.set_read_timeout(Some(SOON)).unwrap();
    let relay = Serving::new(hosts.pigeon(&["relay", "0", &format!("mytarget:{port}")]));
    hosts.set("mytarget", "127.0.0.2");
    let client = connected(relay.address);
    client.send(b"anybody?").unwrap();
    let told = format!("the target's name now stands for 127.0.0.2:{port}");
    relay.expect_status(|line| line.starts_with(&told), SOON);
    client.send(b"here?").unwrap();
    assert_eq!(receive(&elsewhere).0, b"here?");
    end(relay);
}

/// This host's firewall rejects datagrams to the target, then to a client.
#[test]
fn what_a_firewall_forbids_is_told_and_is_no_loss() {
    let Some(host) = Namespace::new() else { return };
    let echo = Services::new(host.pigeon("echo", &["serve", "echo:0"]), &["echo:0"]);
    let (relay, at) = relay_in(&host, "127.0.0.1:0", echo.at("echo"));
    let ask = |name: &str, source: u16| {
        let (to, source) = (at.to_string(), format!("127.0.0.1:{source}"));
        host.pigeon(name, &["send", &to, "hello", "--source", &source, "--wait", "100ms"])
    };
    // The namespace is private, so these ports are free.
    let (client, port) = (7, echo.at("echo").port());
    if !host.forbid(client) {
        return;
    }
    assert_eq!(ask("no answer gets back", client).expect_end(SOON).code(), Some(1));
    let told = relay.expect_status(|line| line.contains("do not arrive"), SOON);
    assert!(told.starts_with("datagrams to the client 127.0.0.1:7 "), "{told}");
    assert!(told.contains("Operation not permitted"), "{told}");
    assert!(host.forbid(port));
    assert_eq!(ask("nothing gets there", 8).expect_end(SOON).code(), Some(1));
    relay.expect_status(|line| line.starts_with("datagrams to the target 127.0.0.1:"), SOON);
    let fields = ["up_unsent", "down_unsent", "not_sent", "up_lost", "down_lost", "down_received"];
    let fields = [&fields[..], &["up_delivered", "down_delivered"]].concat();
    let fields: [&str; 8] = fields.try_into().unwrap();
    // The first request arrived there.
    assert_eq!(counts(relay, fields), [1, 1, 2, 0, 0, 1, 1, 0]);
}

/// The namespace has only loopback, and no other route.
#[test]
fn without_a_route_nothing_is_out_and_the_client_is_one() {
    let Some(host) = Namespace::new() else { return };
    let mut relay = host.pigeon("relay", &["relay", "127.0.0.1:0", "10.9.9.9:5"]);
    let at = address_in(&relay.expect_status(|line| line.contains("listening on "), SOON));
    let args = ["send", &at.to_string(), "hi", "--count", "5", "--every", "20ms"];
    assert_eq!(host.pigeon("client", &args).expect_end(SOON).code(), Some(0));
    wait_until("all of it came", || {
        relay.say("stats");
        relay.output().contains("up: 5 in (10 bytes), 0 out").then_some(())
    });
    relay.signal("TERM");
    assert_eq!(relay.expect_end(SOON).code(), Some(0));
    let told = relay.lines(Voice::Err);
    let times = |what: &str| told.iter().filter(|line| line.contains(what)).count();
    assert_eq!(times("client 127.0.0.1:"), 1, "{told:?}");
    assert_eq!(times("Network is unreachable"), 1, "{told:?}");
    assert!(times("1 ever") == 1 && times("5 not sent to the target") == 1, "{told:?}");
    assert_eq!(times("had gone"), 0, "{told:?}");
}

/// The first request is answered from a new port, and later datagrams go there, separately for each
/// client.
#[test]
fn a_target_that_answers_from_a_new_port_is_followed() {
    if !installed("python3") {
        return;
    }
    let server = python("new_port_server.py", &[]);
    let relay = relay(address_of(&server), &["--json"]);
    let clients = [connected(relay.address), connected(relay.address)];
    for (n, client) in clients.iter().enumerate() {
        client.send(format!("hello {n}").as_bytes()).unwrap();
        assert_eq!(receive(client).0, format!("new: hello {n}").into_bytes());
    }
    // The server answers `new` to each datagram at its well-known port.
    for (n, client) in clients.iter().enumerate().rev() {
        client.send(format!("again {n}").as_bytes()).unwrap();
        assert_eq!(receive(client).0, format!("again {n}").into_bytes());
    }
    relay.expect_status(|line| line.starts_with("the target answers 127.0.0.1:"), SOON);
    wait_until("both are counted", || (count(&relay, "followed")? == 2).then_some(()));
    end(relay);
}

#[test]
fn following_can_be_switched_off() {
    if !installed("python3") {
        return;
    }
    let server = python("new_port_server.py", &[]);
    let relay = relay(address_of(&server), &["--follow", "off"]);
    let client = connected(relay.address);
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    client.send(b"hello").unwrap();
    assert!(client.recv(&mut [0; 64]).is_err(), "an answer from another port came through");
    end(relay);
}

/// A real TFTP server for the folder of these tests, with a retransmission time in microseconds.
fn tftp_server(again: &str) -> Option<(Process, SocketAddr)> {
    if !installed("in.tftpd") || !installed("tftp") {
        return None;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        skipped("in.tftpd wants to be root");
        return None;
    }
    // in.tftpd does not accept port 0. Another program that takes the port meanwhile fails the
    // test.
    let at = socket().local_addr().unwrap();
    let mut command = std::process::Command::new("in.tftpd");
    command.args(["-4", "-L", "--address", &at.to_string(), "-u", "root", "-p", "-T", again]);
    let server = Process::spawn("in.tftpd", command.arg(env!("CARGO_TARGET_TMPDIR")));
    wait_until("in.tftpd listens", || udp_port(server.id()));
    Some((server, at))
}

/// A file of this length with no two equal blocks.
fn file_of(name: &str, length: u32) -> PathBuf {
    let file = scratch(name);
    let bytes: Vec<u8> = (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&file, bytes).unwrap();
    file
}

/// An interactive TFTP client that fetches a file.
fn fetch(from: SocketAddr, there: &Path, here: &Path) -> Process {
    let (host, port) = (from.ip().to_string(), from.port().to_string());
    let mut command = std::process::Command::new("tftp");
    let mut client = Process::spawn("tftp", command.args(["-4", "-m", "octet", &host, &port]));
    client.say(&format!("get {} {}", there.display(), here.display()));
    client
}

/// Checks that two files are equal, and removes them.
#[track_caller]
fn expect_equal(files: [PathBuf; 2]) {
    let [there, here] = files.each_ref().map(|file| fs::read(file).unwrap());
    assert!(there == here, "{} bytes of {} came", here.len(), there.len());
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
}

/// Two transfers at once, each from a different server port, with loss and reordering.
#[test]
fn tftp_completes_through_loss() {
    let Some((_server, at)) = tftp_server("50000") else { return };
    let args = ["--loss", "5%", "--reorder", "5%", "--seed", "7", "--json"];
    let relay = relay(at, &args);
    let files = [("a", 60_000), ("b", 40_321)]
        .map(|(name, length)| [file_of(name, length), scratch(&format!("{name}-here"))]);
    let mut clients = files.each_ref().map(|[there, here]| fetch(relay.address, there, here));
    for client in &mut clients {
        client.say("quit");
        assert_eq!(client.expect_end(6 * SOON).code(), Some(0), "{:?}", client.lines(Voice::Out));
    }
    files.into_iter().for_each(expect_equal);
    let relay = end(relay);
    assert_eq!(count(&relay, "followed"), Some(2));
    assert!(count(&relay, "down_lost").is_some_and(|lost| lost > 0));
}

/// The second request meets the closed port of the first transfer, but still reaches the server.
#[test]
fn a_tftp_client_fetches_one_file_after_the_other() {
    let Some((server, at)) = tftp_server("5000000") else { return };
    let relay = relay(at, &["--json"]);
    let files = [("c", 3_000), ("d", 2_048)]
        .map(|(name, length)| [file_of(name, length), scratch(&format!("{name}-here"))]);
    let [[there, here], [there_too, here_too]] = &files;
    let mut client = fetch(relay.address, there, here);
    // The server handles each transfer in a separate process, which ends.
    wait_until("the first file is there", || {
        let children = format!("/proc/{0}/task/{0}/children", server.id());
        let is_over = fs::read_to_string(children).unwrap().is_empty();
        (is_over && fs::read(here).is_ok_and(|bytes| bytes.len() == 3_000)).then_some(())
    });
    client.say(&format!("get {} {}", there_too.display(), here_too.display()));
    client.say("quit");
    assert_eq!(client.expect_end(2 * SOON).code(), Some(0));
    files.into_iter().for_each(expect_equal);
    let relay = end(relay);
    assert_eq!(["joined", "refused", "followed"].map(|n| count(&relay, n)), [1, 1, 2].map(Some));
    // A request, and one acknowledgement per block: the client retransmitted nothing.
    assert_eq!(count(&relay, "up_received"), Some(7 + 6));
}

#[test]
fn a_record_is_read_by_tshark() {
    if !installed("tshark") {
        return;
    }
    let file = scratch("record.pcapng");
    let target = socket();
    let at = target.local_addr().unwrap();
    let relay = relay(at, &["--loss", "100%", "--record", file.to_str().unwrap()]);
    let client = connected(relay.address);
    let from = client.local_addr().unwrap();
    client.send(b"hello").unwrap();
    client.send(b"").unwrap();
    relay.expect_status(|line| line.starts_with("client "), SOON);
    end(relay);
    // Recorded before the loss: as received, end to end.
    let output = std::process::Command::new("tshark")
        .args(["-r", file.to_str().unwrap(), "--disable-protocol", "ALL"])
        .args(["pcapng", "frame", "raw", "ip", "udp"].map(|p| format!("--enable-protocol={p}")))
        .args(["-T", "fields", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "udp.length"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (source, port) = (from.port(), at.port());
    assert_eq!(said, format!("{source}\t{port}\t13\n{source}\t{port}\t8\n"));
    fs::remove_file(file).unwrap();
}

/// A path of this test's own that does not exist yet.
fn scratch(name: &str) -> PathBuf {
    let file = format!("relay-{}-{name}", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let _ = fs::remove_file(&file);
    file
}
