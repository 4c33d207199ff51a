//! `pigeon discover` across network namespaces, because loopback has no broadcast: host `a` is in
//! both networks, `b` in the first, `c` in the second; each network is a bridge.
//!
//! ```text
//!   b ── 10.77.1.0/24 ── a ── 10.77.2.0/24 ── c
//! ```

use std::io::{self, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::peers::installed;
use crate::process::{Process, SOON, Voice, wait_until};
use crate::pty::Terminal;

/// Receives at an address and port 7000, and answers from port 7001: a socket bound to a broadcast
/// address or group receives nothing else, but cannot send. Joins the group if an argument says
/// how.
const RESPONDER: &str = r"
import socket, sys
heard, answers = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
heard.bind((sys.argv[1], 7000))
if len(sys.argv) > 2:
    membership = socket.inet_aton(sys.argv[1]) + socket.inet_aton(sys.argv[2])
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
answers.bind(('', 7001))
print('ready')
while True:
    data, sender = heard.recvfrom(65535)
    answers.sendto(b'\x1b[2Jheard ' + data, sender)
";

#[test]
fn hubs_of_every_network_are_found_once() {
    let Some(networks) = Networks::make() else { return };
    let _b = networks.hub("b", &["--name", "library"]);
    let _c = networks.hub("c", &["--name", "kitchen"]);
    let _hidden = networks.hub_at("c", "*:9998", &["--discoverable", "off"]);
    let found = networks.discover_json(&[]);
    for (address, interface, name) in
        [("10.77.1.2:9999", "leg1", "library"), ("10.77.2.2:9999", "leg2", "kitchen")]
    {
        let [hub] = &of(&found, address)[..] else { panic!("{address} once in {found:#?}") };
        assert_eq!((&hub["interface"], &hub["name"]), (&interface.into(), &name.into()));
        assert_eq!((&hub["members"], &hub["secure_port"]), (&0.into(), &0.into()));
        assert_eq!(hub["rtt_exact"], true);
        let rtt = hub["rtt"].as_f64().unwrap();
        assert!(rtt > 0.0 && rtt < 0.5, "{rtt}");
    }
    for hub in &found {
        let from = hub["from"].as_str().unwrap();
        assert_eq!(of(&found, from).len(), 1, "{from} once in {found:#?}");
        assert!(from.ends_with(":9999"), "{from}");
    }
    if networks.has_ipv6() {
        let v6 = found.iter().filter(|hub| hub["from"].as_str().unwrap().starts_with("[fe80"));
        let mut names: Vec<&str> = v6.map(|hub| hub["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["kitchen", "library"], "by the IPv6 group: {found:#?}");
    }
}

#[test]
fn a_hub_on_this_very_host_is_found() {
    let Some(networks) = Networks::make() else { return };
    let _hub = networks.hub("a", &[]);
    let (status, lines, notes) = networks.discover(&[]);
    assert_eq!(status, 0, "{notes:?}");
    // The hub answers on both networks, but is one hub: the first answer counts.
    let [line] = &lines[..] else { panic!("one hub in {lines:?}") };
    let first = ["10.77.1.1:9999 on leg1, ", "10.77.2.1:9999 on leg2, "];
    assert!(first.iter().any(|place| line.starts_with(place)), "{line:?}");
}

/// Whatever its listening addresses, a hub receives requests at UDP 9999; several hubs may share a
/// host.
#[test]
fn a_hub_on_one_address_and_two_hubs_of_one_host_are_found() {
    let Some(networks) = Networks::make() else { return };
    for doors in [["10.77.1.2:9999", "*:9998"], ["10.77.1.2:9998", "*:9999"], ["*:9999", "*:9998"]]
    {
        let name = |door: &str| if door.ends_with(":9999") { "library" } else { "kitchen" };
        let hubs = doors.map(|door| networks.hub_at("b", door, &["--name", name(door)]));
        // The separate discovery sockets do not share the port with a second hub.
        let mut second = networks.pigeon("b", &["hub", "--listen", doors[1]]);
        assert_eq!(second.expect_end(SOON).code(), Some(1), "{doors:?}");
        let found = networks.discover_json(&[]);
        for port in [9999, 9998] {
            let found: Vec<_> = found.iter().filter(|hub| hub["port"] == port).collect();
            let v4 = format!("10.77.1.2:{port}");
            assert!(found.iter().any(|hub| hub["from"] == v4), "{v4} of {doors:?} in {found:#?}");
            let name = name(&v4);
            assert!(found.iter().all(|hub| hub["name"] == name), "{found:#?}");
            if networks.has_ipv6() && doors.contains(&&*format!("*:{port}")) {
                let is_v6 = |hub: &&&Value| hub["from"].as_str().unwrap().starts_with("[fe80");
                assert_eq!(found.iter().filter(is_v6).count(), 1, "{found:#?}");
            }
        }
        drop(hubs);
    }
}

#[test]
fn a_hub_is_found_in_the_network_of_its_address_alone_and_holds_no_other() {
    let Some(networks) = Networks::make() else { return };
    let _hub = networks.hub_at("a", "10.77.1.1:7000", &["--name", "library"]);
    // The first listening address that others can reach.
    let _second = networks.hub_at("a", "127.0.0.1:9999", &["--listen", "10.77.1.1:7001"]);
    let (status, lines, notes) = networks.discover_at("b", &[]);
    assert_eq!(status, 0, "{notes:?}");
    let mut ports: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, ["10.77.1.1:7000", "10.77.1.1:7001"], "{lines:?}");
    let (status, lines, _) = networks.discover_at("c", &[]);
    assert_eq!((status, lines.len()), (1, 0), "{lines:?}");
    let (_, lines, _) = networks.discover_at("a", &[]);
    assert!(lines.concat().contains("10.77.1.1:7000"), "on its own host: {lines:?}");
    // The discovery sockets do not block the port for others.
    let _third = networks.hub_at("a", "*:9998", &[]);
    let (_, lines, _) = networks.discover_at("c", &[]);
    assert!(lines.concat().contains("10.77.2.1:9998"), "{lines:?}");
}

#[test]
fn a_hub_says_who_keeps_the_question_from_it_and_is_found_once_it_can_be() {
    let Some(networks) = Networks::make() else { return };
    let mut holder = networks.pigeon("b", &["listen", "9999"]);
    holder.expect_status(|line| line.contains("listening on "), SOON);
    let hub = networks.hub_at("b", "10.77.1.2:7000", &[]);
    hub.expect_status(|line| line.contains("may not find this hub"), SOON);
    let told = hub.lines(Voice::Err).join("\n");
    assert!(told.contains("is in use by pigeon (pid "), "{told}");
    assert_eq!(networks.discover(&[]).0, 1);
    holder.signal("INT");
    holder.expect_end(SOON);
    hub.expect_status(|line| line.contains("joined 239.255.99.99 on leg1"), SOON);
    let found = networks.discover_json(&[]);
    assert_eq!(of(&found, "10.77.1.2:7000").len(), 1, "{found:#?}");
}

#[test]
fn an_interface_that_comes_up_later_finds_the_hub_too() {
    let Some(networks) = Networks::make() else { return };
    let hubs = [("b", "*:9999"), ("c", "*:9998")];
    let hubs = hubs.map(|(host, door)| networks.hub_at(host, door, &[]));
    networks.plug("b", "2", "3");
    networks.plug("c", "1", "3");
    for hub in &hubs {
        hub.expect_status(|line| line.contains("joined 239.255.99.99 on leg"), SOON);
    }
    let found = networks.discover_json(&[]);
    for address in ["10.77.1.2:9999", "10.77.2.3:9999", "10.77.2.2:9998", "10.77.1.3:9998"] {
        assert_eq!(of(&found, address).len(), 1, "{address} in {found:#?}");
    }
}

/// RIP answers only requests from port 520.
const PICKY: &str = r"
import socket
picky = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
picky.bind(('', 520))
print('ready')
while True:
    data, sender = picky.recvfrom(65535)
    if sender[1] == 520:
        picky.sendto(b'routes for ' + sender[0].encode(), sender)
";

#[test]
fn what_answers_one_port_only_is_asked_from_it() {
    if !installed("python3") {
        return;
    }
    let Some(networks) = Networks::make() else { return };
    let mut answering = Vec::new();
    for host in ["b", "c"] {
        let picky = networks.run(host, &["python3", "-c", PICKY]);
        picky.expect_line(|line| line == "ready", SOON);
        answering.push(picky);
    }
    let (status, _, notes) = networks.discover(&["520", "--for", "300ms"]);
    assert_eq!(status, 1);
    assert!(notes.iter().any(|line| line.contains("--for 6s")), "{notes:?}");
    assert!(notes.iter().any(|line| line.contains("--source 520")), "{notes:?}");
    let found = networks.discover_json(&["520", "--source", "520"]);
    let mut texts: Vec<&str> = found.iter().map(|one| one["text"].as_str().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["routes for 10.77.1.1", "routes for 10.77.2.1"]);
    let found = networks.discover_json(&["520", "--source", "10.77.2.1:520"]);
    let [one] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(one["from"], "10.77.2.2:520");
    for missing in ["10.1.2.3:520", "10.1.2.3"] {
        let (status, _, notes) = networks.discover(&["520", "--source", missing]);
        assert_eq!(status, 2);
        assert!(notes.concat().contains("no network to ask from 10.1.2.3;"), "{notes:?}");
    }
    // An address alone leaves the port to the system, and these answer only one port.
    let (status, ..) = networks.discover(&["520", "--source", "10.77.2.1", "--for", "300ms"]);
    assert_eq!(status, 1);
    // Another program has the port at one of the addresses.
    let holder = networks.pigeon("a", &["listen", "10.77.1.1:520"]);
    holder.expect_status(|line| line.contains("listening on "), SOON);
    let (status, lines, notes) = networks.discover(&["520", "--source", "520"]);
    assert_eq!((status, lines.len()), (0, 1), "{notes:?}");
    let told = notes.iter().find(|line| line.starts_with("not everybody is asked: ")).unwrap();
    assert!(told.contains("leg1 10.77.1.1") && told.contains("in use by pigeon"), "{told}");
}

/// A RIP router, asked for all its routes (RFC 2453 section 3.9.1).
#[test]
fn a_rip_router_answers_who_asks_from_its_port() {
    if !installed("bird") {
        return;
    }
    let Some(networks) = Networks::make() else { return };
    let folder = std::env::temp_dir().join(&networks.prefix);
    std::fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_string();
    let config = "router id 10.77.1.2; protocol device {}
        protocol static { ipv4; route 192.0.2.0/24 blackhole; }
        protocol rip { ipv4 { export all; }; interface \"leg1\" { version 2; }; }";
    std::fs::write(path("conf"), config).unwrap();
    let (config, control) = (path("conf"), path("ctl"));
    let bird = networks.run("b", &["bird", "-f", "-c", &config, "-s", &control]);
    let question = format!("01020000{}10", "0".repeat(38));
    let ask = ["520", "--source", "520", "--group", "224.0.0.9", "--hex", &question];
    // The router has no routes before it has read its configuration.
    let route = wait_until("the router tells its route", || {
        let (_, lines, _) = networks.discover(&[&ask[..], &["--for", "200ms"]].concat());
        lines.into_iter().find(|line| line.starts_with("10.77.1.2:520 on leg1, "))
    });
    // IPv4, a tag; 192.0.2.0 with its mask.
    assert!(route.contains("00020000c0000200ffffff00"), "{route}");
    drop(bird);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn questions_that_a_firewall_forbids_are_told_for_each_interface() {
    if !installed("nft") {
        return;
    }
    let Some(networks) = Networks::make() else { return };
    let _hub = networks.hub("c", &[]);
    let forbid = |interface: &str| {
        let rules = format!(
            "add table inet wall; \
             add chain inet wall out {{ type filter hook output priority 0; }}; \
             add rule inet wall out oifname \"{interface}\" udp dport 9999 drop"
        );
        networks.run("a", &["nft", &rules]).expect_end(SOON).success()
    };
    if !forbid("leg1") {
        skipped("nftables", "the kernel has none");
        return;
    }
    let (status, _, notes) = networks.discover(&[]);
    assert_eq!(status, 0, "{notes:?}");
    let told = |notes: &[String], place: &str| {
        let line = notes.iter().find(|line| line.contains(place)).unwrap_or_else(|| {
            panic!("{place} in {notes:?}");
        });
        assert!(line.contains("questions not sent, such as to "), "{line}");
        assert!(line.contains("a firewall rule of this host"), "{line}");
    };
    told(&notes, "leg1 10.77.1.1");
    assert!(!notes.concat().contains("leg2 10.77.2.1:"), "{notes:?}");
    assert!(notes[0].contains("leg1"), "told at once, before the end: {notes:?}");
    assert!(forbid("leg2"));
    let (status, _, notes) = networks.discover(&[]);
    assert_eq!(status, 1);
    told(&notes, "leg1 10.77.1.1");
    told(&notes, "leg2 10.77.2.1");
    assert!(!notes.concat().contains("Wi-Fi"), "no guesses where the cause is known: {notes:?}");
}

#[test]
fn where_nobody_is_it_says_what_it_tried_and_why_that_may_have_failed() {
    let Some(networks) = Networks::make() else { return };
    let _loopback_only = networks.hub_at("b", "127.0.0.1:9999", &[]);
    let _silent = networks.hub("c", &["--discoverable", "off"]);
    let (status, lines, notes) = networks.discover(&[]);
    assert_eq!((status, lines.len()), (1, 0), "{lines:?}");
    let notes = notes.join("\n");
    for said in [
        "no hub answered in 1 s",
        "  leg1 10.77.1.1: 255.255.255.255, 10.77.1.255, 239.255.99.99\n",
        "  leg2 10.77.2.1: 255.255.255.255, 10.77.2.255, 239.255.99.99\n",
        "--listen '*:9999'",
        "firewall",
        "routers",
        "Wi-Fi",
    ] {
        assert!(notes.contains(said), "{said:?} in:\n{notes}");
    }

    networks.ip(&["-n", &networks.name("a"), "link", "set", "leg1", "down"]);
    let (status, _, notes) = networks.discover(&["7000", "--for", "100ms"]);
    assert_eq!(status, 1);
    let line = notes.iter().find(|line| line.starts_with("  leg1 10.77.1.1")).unwrap();
    // For an interface that is down, the kernel accepts limited broadcasts and drops them silently.
    assert!(line.contains("3 of 6 questions not sent, such as to 10.77.1.255"), "{line}");
}

#[test]
fn a_host_without_a_network_is_told_so() {
    let Some(networks) = Networks::make() else { return };
    let mut alone = networks.pigeon("switch", &["discover", "--for", "100ms"]);
    assert_eq!(alone.expect_end(SOON).code(), Some(1));
    alone.expect_status(|line| line.starts_with("No interface but loopback"), SOON);
}

#[test]
fn whoever_answers_at_a_port_is_found_by_limited_and_by_directed_broadcast() {
    if !installed("python3") {
        return;
    }
    let Some(networks) = Networks::make() else { return };
    for heard_at in [["255.255.255.255"; 2], ["10.77.1.255", "10.77.2.255"]] {
        let _responders = [("b", heard_at[0]), ("c", heard_at[1])]
            .map(|(host, at)| networks.responder(host, &[at]));
        let (status, mut lines, notes) = networks.discover(&["7000", "who", "is", "there?"]);
        assert_eq!(status, 0, "{notes:?}");
        lines.sort_unstable();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, from) in
            lines.iter().zip(["10.77.1.2:7001 on leg1, ", "10.77.2.2:7001 on leg2, "])
        {
            assert!(line.starts_with(from), "{line}");
            assert!(line.ends_with(r" ms: \x1b[2Jheard who is there?"), "{line:?}");
        }
    }
}

#[test]
fn a_group_of_ones_own_is_asked_instead() {
    if !installed("python3") {
        return;
    }
    let Some(networks) = Networks::make() else { return };
    let _responder = networks.responder("c", &["239.1.2.3", "10.77.2.2"]);
    let found = networks.discover_json(&["7000", "--group", "239.1.2.3"]);
    let [one] = &found[..] else { panic!("once in {found:#?}") };
    assert_eq!((&one["from"], &one["interface"]), (&"10.77.2.2:7001".into(), &"leg2".into()));
    assert_eq!((&one["text"], &one["name"]), (&"\x1b[2Jheard ".into(), &Value::Null));

    let (status, _, notes) = networks.discover(&["7000", "--group", "239.9.9.9", "--for", "100ms"]);
    assert_eq!(status, 1);
    let tried = "  leg2 10.77.2.1: 239.9.9.9";
    assert!(notes.iter().any(|line| line == tried), "{notes:?}");
}

fn of<'a>(found: &'a [Value], address: &str) -> Vec<&'a Value> {
    found.iter().filter(|one| one["from"] == address).collect()
}

/// The hosts and their networks. Dropped last: programs in it must be declared after it.
struct Networks {
    prefix: String,
}

impl Networks {
    /// Creates the networks; `None`, with a note, without permission.
    fn make() -> Option<Networks> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let networks = Networks { prefix: format!("pigeon-{}-{number}", std::process::id()) };
        for host in ["switch", "a", "b", "c"] {
            if let Err(why) = ip(&["netns", "add", &networks.name(host)]) {
                return skipped("network namespaces", &why);
            }
            // The switch needs no address. The others skip IPv6's duplicate address detection.
            let setting = if host == "switch" { "disable_ipv6=1" } else { "accept_dad=0" };
            for devices in ["all", "default"] {
                let setting = format!("net.ipv6.conf.{devices}.{setting}");
                // Fails without IPv6, where there is nothing to set.
                networks.run(host, &["sysctl", "-w", &setting]).expect_end(SOON);
            }
        }
        let switch = networks.name("switch");
        for network in ["1", "2"] {
            let bridge = format!("bridge{network}");
            if let Err(why) = ip(&["-n", &switch, "link", "add", &bridge, "type", "bridge"]) {
                return skipped("bridges", &why);
            }
            networks.ip(&["-n", &switch, "link", "set", &bridge, "up"]);
            networks.plug("a", network, "1");
        }
        networks.plug("b", "1", "2");
        networks.plug("c", "2", "2");
        Some(networks)
    }

    /// Connects a host to a network.
    fn plug(&self, host: &str, network: &str, number: &str) {
        let (switch, name) = (self.name("switch"), self.name(host));
        let (leg, port) = (format!("leg{network}"), format!("{host}{network}"));
        let address = format!("10.77.{network}.{number}/24");
        self.ip(&[
            "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", &leg, "netns",
            &name,
        ]);
        let bridge = format!("bridge{network}");
        self.ip(&["-n", &switch, "link", "set", &port, "master", &bridge, "up"]);
        self.ip(&["-n", &name, "addr", "add", &address, "dev", &leg]);
        self.ip(&["-n", &name, "link", "set", "lo", "up"]);
        self.ip(&["-n", &name, "link", "set", &leg, "up"]);
    }

    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    #[track_caller]
    fn ip(&self, args: &[&str]) {
        if let Err(why) = ip(args) {
            panic!("ip {}: {why}", args.join(" "));
        }
    }

    fn has_ipv6(&self) -> bool {
        let mut shown = self.run("a", &["ip", "-6", "addr", "show", "dev", "leg1"]);
        shown.expect_end(SOON);
        shown.output().contains("fe80")
    }

    fn run(&self, host: &str, command: &[&str]) -> Process {
        let name = self.name(host);
        let args = [&["netns", "exec", &name], command].concat();
        Process::spawn(&format!("{} at {host}", command[0]), Command::new("ip").args(args))
    }

    fn pigeon(&self, host: &str, args: &[&str]) -> Process {
        self.run(host, &[&[env!("CARGO_BIN_EXE_pigeon")], args].concat())
    }

    fn responder(&self, host: &str, args: &[&str]) -> Process {
        let responder = self.run(host, &[&["python3", "-c", RESPONDER], args].concat());
        responder.expect_line(|line| line == "ready", SOON);
        responder
    }

    fn hub(&self, host: &str, args: &[&str]) -> Process {
        self.hub_at(host, "*:9999", args)
    }

    fn hub_at(&self, host: &str, listen: &str, args: &[&str]) -> Process {
        let hub = self.pigeon(host, &[&["hub", "--listen", listen], args].concat());
        hub.expect_status(|line| line.contains("listening on "), SOON);
        hub
    }

    /// `pigeon discover` at host `a`: its exit status and output.
    fn discover(&self, args: &[&str]) -> (i32, Vec<String>, Vec<String>) {
        self.discover_at("a", args)
    }

    fn discover_at(&self, host: &str, args: &[&str]) -> (i32, Vec<String>, Vec<String>) {
        let mut discover = self.pigeon(host, &[&["discover"], args].concat());
        let status = discover.expect_end(SOON).code().unwrap();
        (status, discover.lines(Voice::Out), discover.lines(Voice::Err))
    }

    fn discover_json(&self, args: &[&str]) -> Vec<Value> {
        let (status, lines, notes) = self.discover(&[args, &["--json"]].concat());
        assert_eq!(status, 0, "{notes:?}");
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for host in ["a", "b", "c", "switch"] {
            // Some may not exist.
            let _ = ip(&["netns", "del", &self.name(host)]);
        }
    }
}

/// Notes a skipped test, even if peers are required: installing something is not enough.
fn skipped(what: &str, why: &str) -> Option<Networks> {
    // Not `eprintln!`: the test harness hides its output when a test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: no {what} here: {why}");
    None
}

/// Runs iproute2; returns its error message.
fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_string();
    if output.status.success() { Ok(()) } else { Err(said()) }
}

#[test]
fn without_a_host_one_joins_this_machines_hub_or_the_only_one_around() {
    let Some(networks) = Networks::make() else { return };
    let joins = |host: &str, args: &[&str], at: &str| {
        let join = networks.pigeon(host, &[&["join", "--wait", "100ms"], args].concat());
        let is_joined = |line: &str| line.starts_with("joined ") && line.contains(at);
        join.expect_status(is_joined, SOON);
        join
    };
    let mut nowhere = networks.pigeon("b", &["join"]);
    nowhere.expect_status(|line| line.contains("none answered on the network"), SOON);
    assert_eq!(nowhere.expect_end(SOON).code(), Some(1));

    let _kitchen = networks.hub("c", &["--name", "kitchen"]);
    let found = joins("a", &[], "10.77.2.2:9999");
    found.expect_status(|line| line == "found kitchen at 10.77.2.2:9999", SOON);
    joins("c", &[], "127.0.0.1:9999");
    joins("a", &["10.77.2.2", "9999"], "10.77.2.2:9999");
    // Not requested over IPv4: a link-local address.
    if networks.has_ipv6() {
        let v6 = networks.pigeon("a", &["join", "-6"]);
        v6.expect_status(|line| line.starts_with("joined ") && line.contains("[fe80::"), SOON);
    }

    let _library = networks.hub("b", &["--name", "图书馆"]);
    let mut several = networks.pigeon("a", &["join"]);
    several.expect_status(|line| line.contains("several hubs answered"), SOON);
    assert_eq!(several.expect_end(SOON).code(), Some(2));
    let listed = several.lines(Voice::Err).join("\n");
    for hub in ["kitchen  10.77.2.2:9999", "图书馆  10.77.1.2:9999"] {
        assert!(listed.contains(hub), "{listed}");
    }
    let person = Terminal::start_in(&networks.name("a"), (80, 20), &["join"]);
    person.expect_text("Which one? (1 to 2)");
    person.press("3\r");
    person.expect("the question again", |screen| screen.matches("Which one?").count() == 2);
    person.press("图书馆\r");
    person.expect_text("-- joined 图书馆 (10.77.1.2:9999)");
    drop(person);
    joins("a", &["图书馆"], "10.77.1.2:9999");
    joins("a", &["Kitchen"], "10.77.2.2:9999");
    let mut unknown = networks.pigeon("a", &["join", "garden"]);
    unknown.expect_status(|line| line.contains("no hub named garden answered"), SOON);
    assert_eq!(unknown.expect_end(SOON).code(), Some(1));
}

#[test]
fn what_the_system_says_of_the_way_is_told() {
    let Some(networks) = Networks::make() else { return };
    let _hub = networks.hub("b", &[]);
    let mut member = networks.pigeon("a", &["join", "10.77.1.2", "--heartbeat", "300ms"]);
    member.expect_status(|line| line.starts_with("joined 10.77.1.2:9999"), SOON);
    networks.ip(&["-n", &networks.name("a"), "link", "set", "leg1", "down"]);
    let said = "cannot reach 10.77.1.2:9999: Network is unreachable";
    member.expect_status(|line| line.starts_with(said), SOON);
    member.say("hello?");
    member.end_stdin();
    member.expect_end(SOON);
    let lines = member.lines(Voice::Err);
    assert_eq!(lines.iter().filter(|line| line.starts_with(said)).count(), 1, "{lines:?}");
}
