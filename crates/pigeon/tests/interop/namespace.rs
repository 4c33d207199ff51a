//! Network namespaces of a test's own: a loopback that nobody else uses, or two hosts and a
//! cable, which may be a bad one.
//!
//! Making them takes root. Where that is missing a test says `SKIPPED` and ends, also where
//! `PIGEON_REQUIRE_PEERS` is set: a missing right is no missing program.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::Process;

/// A network namespace, removed when it is dropped. Its loopback is up.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// A new one; `None` where it may not be made, which is then said.
    pub(crate) fn new() -> Option<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace { name: format!("pigeon-{}-{number}", std::process::id()) };
        if !ip(&["netns", "add", &namespace.name]) {
            skipped("network namespaces cannot be made here");
            return None;
        }
        namespace.ip(&["link", "set", "lo", "up"]).then_some(namespace)
    }

    /// Two of them with a cable between, the first `10.77.1.1/24`, the second `10.77.1.2/24`.
    pub(crate) fn pair() -> Option<[Namespace; 2]> {
        let hosts = [Namespace::new()?, Namespace::new()?];
        let far = &hosts[1].name;
        let cable = ["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far];
        if !hosts[0].ip(&cable) {
            skipped("there are no veth interfaces here");
            return None;
        }
        for (host, interface, address) in
            [(&hosts[0], "near", "10.77.1.1/24"), (&hosts[1], "far", "10.77.1.2/24")]
        {
            assert!(host.ip(&["address", "add", address, "broadcast", "+", "dev", interface]));
            assert!(host.ip(&["link", "set", interface, "up"]));
        }
        Some(hosts)
    }

    /// Makes the way out of an interface bad by a queueing discipline, as `netem loss 1%`. False
    /// where the kernel does not have it, which is then said.
    pub(crate) fn shape(&self, interface: &str, discipline: &str) -> bool {
        let words = ["qdisc", "replace", "dev", interface, "root"].into_iter();
        let words: Vec<&str> = words.chain(discipline.split(' ')).collect();
        let done = self.tc(&words).is_some();
        if !done {
            skipped(&format!("this kernel has no `{discipline}`"));
        }
        done
    }

    /// How many packets that has dropped, as the kernel counts them.
    pub(crate) fn dropped(&self, interface: &str) -> u64 {
        let said = self.tc(&["-s", "qdisc", "show", "dev", interface]).unwrap_or_default();
        let count = said.split_once("(dropped ").and_then(|(_, rest)| rest.split(',').next());
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said:?}"))
    }

    /// What `tc` says; `None` if it fails.
    fn tc(&self, words: &[&str]) -> Option<String> {
        let mut tc = Command::new("ip");
        let output = tc.args(["netns", "exec", &self.name, "tc"]).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A program in there.
    pub(crate) fn run(&self, name: &str, program: &str, args: &[&str]) -> Process {
        let mut command = Command::new("ip");
        // It becomes the program, so signals reach that.
        command.args(["netns", "exec", &self.name, program]).args(args);
        Process::spawn(name, &mut command)
    }

    /// Our own program in there.
    pub(crate) fn pigeon(&self, name: &str, args: &[&str]) -> Process {
        self.run(name, env!("CARGO_BIN_EXE_pigeon"), args)
    }

    /// One of the programs beside these tests in there.
    pub(crate) fn python(&self, program: &str, args: &[&str]) -> Process {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
        self.run(program, "python3", &[&[path.to_str().unwrap()], args].concat())
    }

    pub(crate) fn ip(&self, args: &[&str]) -> bool {
        ip(&[&["-n", &self.name], args].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may never have been made.
        ip(&["netns", "delete", &self.name]);
    }
}

/// Says that something is left out.
pub(crate) fn skipped(why: &str) {
    // Not `eprintln!`: a passing test's would be swallowed.
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}
