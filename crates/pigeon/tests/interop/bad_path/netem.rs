//! netem, the Linux kernel's network emulator. Not every kernel has it, and it needs root;
//! otherwise a test runs on its own kernel.

use super::{BadPath, Carried, Direction, Way};
use crate::namespace::Namespace;
use crate::user_mode_linux;

/// Runs the rest of a test, passed as itself, where netem is available.
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

/// Two hosts with netem on the UDP between them.
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

/// Puts UDP into the first of three queues and everything else into the second, so that a host's
/// other traffic (IGMP, neighbours, routers) is neither disturbed nor counted.
fn divert_udp(host: &Namespace, interface: &str) -> bool {
    let second = "1 ".repeat(16);
    let queues = format!("qdisc add dev {interface} root handle 1: prio priomap {second}");
    let udp = "protocol ip u32 match ip protocol 17 0xff flowid 1:1";
    host.tc(queues.trim_end()).is_some()
        && host.tc(&format!("filter add dev {interface} parent 1: {udp}")).is_some()
}

/// Adds netem to the first queue.
fn spoil(host: &Namespace, interface: &str, knobs: &str) -> bool {
    // Longer than the default of 1,000, so that only random loss drops datagrams.
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
