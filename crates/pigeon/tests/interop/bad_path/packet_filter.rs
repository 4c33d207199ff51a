//! nftables: datagrams dropped at random on arrival, and counted.

use std::process::Command;

use serde_json::Value;

use crate::namespace::{Namespace, skipped};

/// Makes a host drop `per_mille` of a thousand matching datagrams on arrival. Returns false, with a
/// note, if the kernel cannot.
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

/// The numbers of datagrams dropped and passed by the filter.
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
