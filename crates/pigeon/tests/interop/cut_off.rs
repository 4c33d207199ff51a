//! Network errors reported by the system: a firewall, no route, another network. `join` and `chat`
//! report them at once, continue, and recover.

use std::process::Command;

use crate::namespace::Namespace;
use crate::peers::installed;
use crate::pigeon::{HEARTBEAT, Serving};
use crate::process::{Process, SOON, Voice};
use crate::pty::Terminal;

const HUB: &str = "10.77.1.2:9999";

/// Two hosts, with a hub on the second.
struct Network {
    near: Namespace,
    far: Namespace,
    _hub: Serving,
}

impl Network {
    /// `None`, with a note, if impossible.
    fn new() -> Option<Network> {
        let [near, far] = Namespace::pair()?;
        if !installed("nft") {
            return None;
        }
        let hub = Serving::new(far.pigeon("hub", &["hub", "--listen", HUB]));
        Some(Network { near, far, _hub: hub })
    }

    fn join(&self, args: &[&str]) -> Process {
        self.near.pigeon("join", &[&["join", HUB, "--heartbeat", HEARTBEAT], args].concat())
    }
}

/// A firewall rule: hook and effect.
const OWN: &str = "output; udp dport 9999 drop";
const THERE: &str = "input; udp dport 9999 reject with icmp type admin-prohibited";

/// Sets a host's firewall: `HOOK; RULE`.
fn forbid(host: &Namespace, rule: &str) {
    let (hook, rule) = rule.split_once("; ").unwrap();
    let table = "add table inet wall; delete table inet wall";
    let chain = format!("type filter hook {hook} priority 0;");
    nft(host, &format!("{table}; table inet wall {{ chain rules {{ {chain} {rule};\n}}\n}}"));
}

fn allow(host: &Namespace) {
    nft(host, "delete table inet wall");
}

fn nft(host: &Namespace, rules: &str) {
    let mut nft = Command::new("ip");
    let output = nft.args(["netns", "exec", &host.name, "nft", rules]).output().unwrap();
    assert!(output.status.success(), "{rules}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_firewall_is_named_before_anybody_joins_and_joining_follows_when_it_is_gone() {
    let Some(network) = Network::new() else { return };
    for (nick, host, rule, words) in [
        (
            "red",
            &network.near,
            OWN,
            ["Operation not permitted", "a firewall rule of this host forbids it"],
        ),
        ("dog", &network.far, THERE, ["No route to host", "a firewall rejects it"]),
    ] {
        forbid(host, rule);
        let red = network.join(&["--nick", nick]);
        let args = ["join", HUB, "--nick", "screen", "--heartbeat", HEARTBEAT];
        let screen = Terminal::start_in(&network.near.name, (250, 20), &args);
        // Shown in the room and in the status line.
        let is_shown = |screen: &str| screen.matches(words[1]).count() == 2;
        screen.expect("the system's word, twice", is_shown);
        let program = network.join(&["--json"]);
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        red.expect_status(|line| line.starts_with("cannot reach 10.77.1.2") && says(line), SOON);
        let kind = format!(r#""kind":"unreachable","hub":"{HUB}","error":""#);
        program.expect_line(|line| line.contains(&kind) && says(line), SOON);
        allow(host);
        red.expect_line(|line| line == format!("* you are {nick}, in lobby"), SOON);
        program.expect_line(|line| line.contains(r#""kind":"joined""#), SOON);
        screen.expect("joined", |screen| screen.matches(words[1]).count() == 1);
        let said = red.lines(Voice::Err);
        assert!(said.iter().all(|line| !line.contains("the address may be wrong")), "{said:?}");
        // Reported once, however many heartbeats fail.
        assert_eq!(said.iter().filter(|line| says(line)).count(), 1, "{said:?}");
    }
}

#[test]
fn a_line_that_a_firewall_of_this_host_forbids_is_told_and_fails_the_script() {
    let Some(network) = Network::new() else { return };
    let mut red = network.join(&["--nick", "red", "--wait", "200ms"]);
    let mut program = network.join(&["--json", "--wait", "200ms"]);
    red.expect_line(|line| line == "* you are red, in lobby", SOON);
    program.expect_line(|line| line.contains(r#""kind":"joined""#), SOON);
    forbid(&network.near, OWN);
    red.say("hello?");
    red.expect_status(|line| line.starts_with("not sent: Operation not perm"), SOON);
    program.say("hello?");
    program.expect_line(|line| line.contains(r#""kind":"unsent""#), SOON);
    allow(&network.near);
    red.say("here I am");
    red.expect_line(|line| line == "red: here I am", SOON);
    red.expect_status(
        |line| line.ends_with("can be reached again") || line.contains("is back"),
        SOON,
    );
    for member in [&mut red, &mut program] {
        member.end_stdin();
        assert_eq!(member.expect_end(SOON).code(), Some(1));
    }
}

#[test]
fn a_firewall_that_comes_up_is_named_instead_of_silence() {
    let Some(network) = Network::new() else { return };
    let red = network.join(&["--nick", "red"]);
    red.expect_line(|line| line == "* you are red, in lobby", SOON);
    forbid(&network.far, THERE);
    red.expect_status(|line| line.contains("a firewall rejects it"), SOON);
    allow(&network.far);
    red.expect_status(
        |line| line.ends_with("can be reached again") || line.contains("is back"),
        SOON,
    );
}

#[test]
fn no_route_is_said_at_once() {
    let Some(network) = Network::new() else { return };
    for command in [&["join", "10.99.0.1"][..], &["join", "10.99.0.1", "--json"]] {
        let mut ours = network.near.pigeon("join", command);
        ours.expect_status(|line| line.contains("Network is unreachable"), SOON);
        assert_eq!(ours.expect_end(SOON).code(), Some(1));
    }
    // A host that is switched off: a temporary network error.
    let red = network.near.pigeon("join", &["join", "10.77.1.9"]);
    red.expect_status(|line| line.contains("no host answers at that address"), SOON);
}

/// The interface goes down and up; then this host gets another address, like a laptop in a new
/// network.
#[test]
fn a_session_outlives_its_network_and_its_own_address() {
    let Some(network) = Network::new() else { return };
    let near = &network.near;
    let mut red = network.join(&["--nick", "red"]);
    red.expect_line(|line| line == "* you are red, in lobby", SOON);
    assert!(near.ip(&["link", "set", "near", "down"]));
    red.expect_status(|line| line.contains("cannot reach 10.77.1.2"), SOON);
    assert!(near.ip(&["link", "set", "near", "up"]));
    red.expect_status(
        |line| line.ends_with("can be reached again") || line.contains("is back"),
        SOON,
    );
    assert!(near.ip(&["address", "add", "10.77.1.77/24", "dev", "near"]));
    assert!(near.ip(&["address", "delete", "10.77.1.1/24", "dev", "near"]));
    assert!(near.ip(&["address", "replace", "10.77.1.77/24", "dev", "near"]));
    red.expect_status(|line| line.starts_with("nothing heard since"), 2 * SOON);
    red.expect_status(|line| line.contains("is back after"), 2 * SOON);
    red.say("here I am");
    red.expect_line(|line| line == "red: here I am", SOON);
}

#[test]
fn a_chat_says_what_the_system_says_and_goes_on() {
    let Some(network) = Network::new() else { return };
    let listener = network.far.pigeon("listen", &["listen", "10.77.1.2:7000"]);
    listener.expect_status(|line| line.contains("listening on "), SOON);
    for args in [&["chat", "10.77.1.2:7000"][..], &["chat", "10.77.1.2:7000", "--json"]] {
        let mut chat = network.near.pigeon("chat", &[args, &["--wait", "100ms"]].concat());
        for (host, rule, json, words) in [
            (&network.near, OWN, "unsent", "a firewall rule of this host forbids it"),
            (&network.far, THERE, "unreachable", "a firewall rejects it"),
        ] {
            forbid(host, &rule.replace("9999", "7000"));
            chat.say("hello?");
            chat.expect_status(|line| line.contains(words), SOON);
            if args.contains(&"--json") {
                let result = format!(r#"{{"to":"10.77.1.2:7000","result":"{json}","error":""#);
                chat.expect_line(|line| line.starts_with(&result) && line.contains(words), SOON);
            }
            allow(host);
        }
        let said = format!("here is {}", args.len());
        chat.say(&said);
        listener.expect_line(|line| line.ends_with(&said), SOON);
        chat.end_stdin();
        assert_eq!(chat.expect_end(SOON).code(), Some(1));
    }
    assert!(listener.lines(Voice::Out).iter().all(|line| !line.contains("hello?")));
}
