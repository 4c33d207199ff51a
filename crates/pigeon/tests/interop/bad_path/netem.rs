//! By netem, the bad network of the Linux kernel. Not every kernel has it, and who is not root may
//! not use it: then a test runs on a kernel of its own.

use super::{BadPath, Carried, Direction, Way};
use crate::namespace::Namespace;
use crate::user_mode_linux;

/// Runs the rest of a test, named by itself, where there is netem.
#[track_caller]
pub(crate) fn on_netem(test: impl Fn(), rest: impl FnOnce()) {
    if user_mode_linux::is_here() || is_here() {
        rest();
    } else {
        user_mode_linux::run_there(test);
    }
}

fn is_here() -> bool {
    Namespace::if_possible().is_some_and(|host| divert_udp(&host, "lo") && spoil(&host, "lo", ""))
}

/// Two hosts between which netem carries UDP.
pub(crate) struct Netem {
    near: Namespace,
    far: Namespace,
}

impl Netem {
    pub(crate) fn new(way: &Way) -> Netem {
        let [near, far] = Namespace::pair().expect("whoever may use netem has veth");
        assert!(divert_udp(&near, "near") && divert_udp(&far, "far"));
        let mut netem = Netem { near, far };
        netem.become_as(way);
        netem
    }
}

/// Sends UDP through the first of three queues, everything else through the second: whatever else a
/// host says by itself (IGMP, neighbours, routers) is neither spoilt nor counted.
fn divert_udp(host: &Namespace, interface: &str) -> bool {
    let second = "1 ".repeat(16);
    let queues = format!("qdisc add dev {interface} root handle 1: prio priomap {second}");
    let udp = "protocol ip u32 match ip protocol 17 0xff flowid 1:1";
    host.tc(queues.trim_end()).is_some()
        && host.tc(&format!("filter add dev {interface} parent 1: {udp}")).is_some()
}

/// Puts netem on the first of them.
fn spoil(host: &Namespace, interface: &str, knobs: &str) -> bool {
    // A longer queue than its own of 1,000: what is dropped is dropped by chance.
    let netem = format!("netem limit 10000 {knobs}");
    let place = format!("qdisc replace dev {interface} parent 1:1");
    host.tc(&format!("{place} {}", netem.trim_end())).is_some()
}

impl BadPath for Netem {
    fn near(&self) -> &Namespace {
        &self.near
    }

    fn far(&self) -> &Namespace {
        &self.far
    }

    fn become_as(&mut self, way: &Way) {
        assert!(spoil(&self.near, "near", way.netem) && spoil(&self.far, "far", way.netem));
    }

    fn carried(&mut self) -> Carried {
        let direction = |host: &Namespace, interface: &str| {
            let queue = host.queue(interface, "netem");
            let count = |name: &str| queue[name].as_u64().unwrap_or_else(|| panic!("{queue}"));
            let [passed, waiting] = [count("packets"), count("qlen")];
            Direction { came: passed + waiting + count("drops"), passed, waiting }
        };
        Carried { there: direction(&self.near, "near"), back: direction(&self.far, "far") }
    }
}
