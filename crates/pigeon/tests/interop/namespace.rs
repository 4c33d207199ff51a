//! Private network namespaces: a loopback of its own, or two hosts connected by a cable, which may
//! be a bad one.
//!
//! Creating them needs root. Without it a test prints `SKIPPED` and ends, even with
//! `PIGEON_REQUIRE_PEERS`, because a missing permission is not a missing program.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::peers::installed;
use crate::process::{Process, SOON, Voice};

/// The ends of the cable. Bit 1 of the first byte: locally administered.
const NEAR_MAC: &str = "02:00:00:00:00:01";
const FAR_MAC: &str = "02:00:00:00:00:02";

/// A network namespace with loopback, removed when dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// A new one; `None`, with a note, without permission.
    pub(crate) fn new() -> Option<Namespace> {
        let namespace = Namespace::if_possible();
        if namespace.is_none() {
            skipped("network namespaces cannot be made here");
        }
        namespace
    }

    /// Like `new`, without a note.
    pub(crate) fn if_possible() -> Option<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace { name: format!("pigeon-{}-{number}", std::process::id()) };
        let made = ip(&["netns", "add", &namespace.name]);
        (made && namespace.ip(&["link", "set", "lo", "up"])).then_some(namespace)
    }

    /// Two of them with a cable between, `10.77.1.1/24` and `10.77.1.2/24`. They have static ARP
    /// entries, because a bad path would lose and delay ARP. Trains are split before they leave:
    /// otherwise anything that drops and counts packets would count one.
    pub(crate) fn pair() -> Option<[Namespace; 2]> {
        let hosts = [Namespace::new()?, Namespace::new()?];
        let far = &hosts[1].name;
        let cable = [
            ["link", "add", "near", "address", NEAR_MAC, "type", "veth"],
            ["peer", "name", "far", "address", FAR_MAC, "netns", far],
        ];
        if !hosts[0].ip(&cable.concat()) {
            skipped("there are no veth interfaces here");
            return None;
        }
        for (host, interface, address, peer, peers_mac) in [
            (&hosts[0], "near", "10.77.1.1/24", "10.77.1.2", FAR_MAC),
            (&hosts[1], "far", "10.77.1.2/24", "10.77.1.1", NEAR_MAC),
        ] {
            assert!(host.ip(&["address", "add", address, "broadcast", "+", "dev", interface]));
            assert!(host.ip(&["link", "set", interface, "gso_max_segs", "1", "up"]));
            let known = ["neighbour", "add", peer, "lladdr", peers_mac, "dev", interface];
            assert!(host.ip(&known));
        }
        Some(hosts)
    }

    /// Runs `tc`, which shows and changes the queueing disciplines of interfaces. `None` if the
    /// kernel lacks the feature.
    pub(crate) fn tc(&self, words: &str) -> Option<String> {
        let mut tc = Command::new("ip");
        tc.args(["netns", "exec", &self.name, "tc"]).args(words.split(' '));
        let output = tc.output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The counts of a queueing discipline: `packets` sent, `drops`, and queued ones (`qlen`).
    pub(crate) fn queue(&self, interface: &str, kind: &str) -> Value {
        let said = self.tc(&format!("-s -j qdisc show dev {interface}")).unwrap();
        let queues: Vec<Value> = serde_json::from_str(&said).unwrap();
        queues.into_iter().find(|queue| queue["kind"] == kind).unwrap_or_else(|| panic!("{said}"))
    }

    /// Runs a program in the namespace.
    pub(crate) fn run(&self, name: &str, program: &str, args: &[&str]) -> Process {
        let mut command = Command::new("ip");
        // Replaced by the program, so signals reach that.
        command.args(["netns", "exec", &self.name, program]).args(args);
        Process::spawn(name, &mut command)
    }

    /// Runs our own program in the namespace.
    pub(crate) fn pigeon(&self, name: &str, args: &[&str]) -> Process {
        self.run(name, env!("CARGO_BIN_EXE_pigeon"), args)
    }

    /// Runs one of the tests' Python programs in the namespace.
    pub(crate) fn python(&self, program: &str, args: &[&str]) -> Process {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
        self.run(program, "python3", &[&[path.to_str().unwrap()], args].concat())
    }

    /// Makes the firewall reject datagrams to this port: sending them fails with EPERM. If there is
    /// no packet filter, prints a note and returns false.
    pub(crate) fn forbid(&self, port: u16) -> bool {
        let rule = format!(
            "add table ip wall; \
             add chain ip wall out {{ type filter hook output priority 0; }}; \
             add rule ip wall out udp dport {port} drop"
        );
        let done = installed("nft") && self.run("nft", "nft", &[&rule]).expect_end(SOON).success();
        if !done {
            skipped("there is no nftables here");
        }
        done
    }

    /// Answers datagrams to this port with an ICMP message, in nft's notation (`icmpx type`).
    /// Returns false, with a note, without `nft`.
    pub(crate) fn reject(&self, port: u16, icmp: &str) -> bool {
        // By default only the first few of many are answered (icmp(7)).
        let unlimited = "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit";
        assert!(self.run("sh", "sh", &["-c", unlimited]).expect_end(SOON).success());
        self.nft(&format!(
            "add table inet wall
             add chain inet wall input {{ type filter hook input priority 0; }}
             add rule inet wall input udp dport {port} reject with icmpx {icmp}"
        ))
    }

    /// Sets up firewall rules, one per line; returns false, with a note, without `nft`.
    pub(crate) fn nft(&self, rules: &str) -> bool {
        if !installed("nft") {
            return false;
        }
        let rules: String = rules.lines().map(|line| format!("{}\n", line.trim())).collect();
        let mut nft = self.run("nft", "nft", &["-f", "-"]);
        nft.say(rules.trim_end());
        nft.end_stdin();
        assert!(nft.expect_end(SOON).success(), "{}", nft.lines(Voice::Err).concat());
        true
    }

    pub(crate) fn ip(&self, args: &[&str]) -> bool {
        ip(&[&["-n", &self.name], args].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The namespace may not exist.
        ip(&["netns", "delete", &self.name]);
    }
}

pub(crate) fn skipped(why: &str) {
    // Not `eprintln!`: the test harness hides its output when a test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}
