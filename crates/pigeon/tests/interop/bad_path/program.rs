//! `bad_network.py`, which carries and counts every frame between two hosts.

use serde_json::Value;

use super::{BadPath, Carried, Direction, Way};
use crate::namespace::{Namespace, skipped};
use crate::peers::installed;
use crate::process::{Process, SOON};

/// Two hosts connected by `bad_network.py`.
pub(crate) struct BadNetwork {
    program: Process,
    /// The number of lines it has printed.
    lines: usize,
    near: Namespace,
    far: Namespace,
}

impl BadNetwork {
    /// A network with these settings, such as `loss=0.1 seed=3`. `None`, with a note, if
    /// impossible.
    pub(crate) fn new(knobs: &str) -> Option<BadNetwork> {
        if !installed("python3") {
            return None;
        }
        let [near, far] = [Namespace::new()?, Namespace::new()?];
        if !std::path::Path::new("/dev/net/tun").exists() {
            skipped("there is no /dev/net/tun here");
            return None;
        }
        let names = [near.name.as_str(), far.name.as_str()];
        let args: Vec<&str> = names.into_iter().chain(knobs.split(' ')).collect();
        let program = crate::peers::python("bad_network.py", &args);
        program.expect_line(|line| line == "ready", SOON);
        for (host, address) in [(&near, "10.77.1.1/24"), (&far, "10.77.1.2/24")] {
            assert!(host.ip(&["address", "add", address, "broadcast", "+", "dev", "wire"]));
            // A long queue, so that nothing is dropped while the program is busy.
            assert!(host.ip(&["link", "set", "wire", "txqueuelen", "10000", "up"]));
        }
        Some(BadNetwork { program, lines: 1, near, far })
    }

    /// Changes settings, and returns the counts so far.
    pub(crate) fn set(&mut self, knobs: &str) -> Counts {
        self.program.say(knobs);
        self.lines += 1;
        let lines = self.program.expect_lines(self.lines, SOON);
        Counts(serde_json::from_str(&lines[self.lines - 1]).unwrap())
    }

    /// The counts, after all datagrams in flight have arrived.
    pub(crate) fn settled_counts(&mut self) -> Counts {
        self.settled();
        self.set("")
    }
}

impl BadPath for BadNetwork {
    fn near(&self) -> &Namespace {
        &self.near
    }

    fn far(&self) -> &Namespace {
        &self.far
    }

    fn become_as(&mut self, way: &Way) {
        self.set(way.program);
    }

    fn carried(&mut self) -> Carried {
        let counts = self.set("");
        let direction = |way: &str| {
            let [came, passed, waiting] =
                ["came", "passed", "waiting"].map(|field| counts.both(way, field));
            Direction { came, passed, waiting }
        };
        Carried { there: direction("there"), back: direction("back") }
    }
}

/// The network's counts, by direction (`there`: from near to far; `back`) and kind (`test`: the
/// numbered datagrams of `pigeon bench`; `other`).
pub(crate) struct Counts(Value);

impl Counts {
    pub(crate) fn of(&self, way: &str, kind: &str, field: &str) -> u64 {
        self.0[way][kind][field].as_u64().unwrap_or_else(|| panic!("{way} {kind} {field}: {self}"))
    }

    /// The mean time in flight, in seconds.
    pub(crate) fn mean(&self, way: &str, kind: &str) -> f64 {
        self.0[way][kind]["mean"].as_f64().unwrap()
    }

    fn both(&self, way: &str, field: &str) -> u64 {
        self.of(way, "test", field) + self.of(way, "other", field)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
