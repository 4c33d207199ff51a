//! Two hosts and a bad way between them: by a packet filter that drops and counts (nftables), or by
//! a program that holds, loses, repeats and counts (`bad_network.py`). What they count is the truth
//! that others' figures are held against. The kernel's netem is in `namespace`; not every kernel has
//! it.
//!
//! ```text
//!   near 10.77.1.1 ── bad way ── 10.77.1.2 far
//! ```

use std::process::Command;

use serde_json::Value;

use crate::namespace::{Namespace, skipped};
use crate::peers::installed;
use crate::process::{Process, SOON, wait_until};

/// Two hosts between which `bad_network.py` carries all that passes.
pub(crate) struct BadNetwork {
    program: Process,
    /// How many lines it has printed.
    lines: usize,
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

impl BadNetwork {
    /// As bad as the knobs say, `loss=0.1 seed=3`. `None` where it cannot be, which is said.
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
            // The program may be busy for a moment; what waits meanwhile must not be dropped.
            assert!(host.ip(&["link", "set", "wire", "txqueuelen", "10000", "up"]));
        }
        Some(BadNetwork { program, lines: 1, near, far })
    }

    /// Turns knobs, and tells the counts so far.
    pub(crate) fn set(&mut self, knobs: &str) -> Counts {
        self.program.say(knobs);
        self.lines += 1;
        let lines = self.program.expect_lines(self.lines, SOON);
        Counts(serde_json::from_str(&lines[self.lines - 1]).unwrap())
    }

    /// The counts, once nothing is on its way.
    pub(crate) fn settled(&mut self) -> Counts {
        wait_until("nothing is on its way", || {
            let counts = self.set("");
            (counts.all("waiting") == 0).then_some(counts)
        })
    }
}

/// What the network did, by direction (`there`: from near to far; `back`) and kind (`test`: the
/// numbered datagrams of `pigeon bench`; `other`).
pub(crate) struct Counts(Value);

impl Counts {
    pub(crate) fn of(&self, way: &str, kind: &str, field: &str) -> u64 {
        self.0[way][kind][field].as_u64().unwrap_or_else(|| panic!("{way} {kind} {field}: {self}"))
    }

    /// The mean time on the way, in seconds.
    pub(crate) fn mean(&self, way: &str, kind: &str) -> f64 {
        self.0[way][kind]["mean"].as_f64().unwrap()
    }

    fn all(&self, field: &str) -> u64 {
        let ways = ["there", "back"].into_iter();
        ways.map(|way| self.of(way, "test", field) + self.of(way, "other", field)).sum()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes a host drop so many of a thousand of the datagrams that match, where they arrive. False
/// where the kernel cannot, which is said.
pub(crate) fn filter(host: &Namespace, matching: &str, per_mille: u32) -> bool {
    let rules = format!(
        "table ip bad {{
            counter lost {{ }}
            counter passed {{ }}
            chain arriving {{
                type filter hook prerouting priority raw; policy accept;
                {matching} numgen random mod 1000 < {per_mille} counter name lost drop
                {matching} counter name passed
            }}
        }}"
    );
    let done = nft(host, &["add table ip bad; delete table ip bad"]).and(nft(host, &[&rules]));
    if done.is_none() {
        skipped("this kernel has no nftables with numgen");
    }
    done.is_some()
}

/// How many the filter has dropped and let pass.
pub(crate) fn filtered(host: &Namespace) -> [u64; 2] {
    let said = nft(host, &["-j", "list", "counters"]).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let counters: Vec<&Value> = said["nftables"].as_array().unwrap().iter().collect();
    ["lost", "passed"].map(|name| {
        let counter = counters.iter().find(|entry| entry["counter"]["name"] == name);
        counter.unwrap()["counter"]["packets"].as_u64().unwrap()
    })
}

fn nft(host: &Namespace, args: &[&str]) -> Option<String> {
    let mut nft = Command::new("ip");
    let output = nft.args(["netns", "exec", &host.name, "nft"]).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
