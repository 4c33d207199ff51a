//! A real hub, started for a measurement, and what `/proc` says of it. Linux only.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

/// A running `pigeon hub`; it ends with this value.
pub(crate) struct HubProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl HubProcess {
    /// Starts a hub that is to stay on one CPU.
    pub(crate) fn start_on(cpu: usize, flags: &[&str]) -> HubProcess {
        let hub = HubProcess::start(flags);
        pin(hub.child.id(), cpu);
        hub
    }

    /// Starts a hub on a port that the system chooses.
    pub(crate) fn start(flags: &[&str]) -> HubProcess {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pigeon"))
            .args(["hub", "--listen", "127.0.0.1:0", "--console", "off"])
            .args(flags)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the hub starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let rest = line.split("listening on ").nth(1)?;
            rest.split_whitespace().next()?.parse().ok()
        });
        // Its log is read on, so that the pipe never fills up.
        std::thread::spawn(move || lines.for_each(drop));
        HubProcess { child, address: address.expect("the hub says where it listens") }
    }

    /// The memory it holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the hub runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kibibytes.expect("VmRSS in KiB") * 1024
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the main thread of a process (0: this one, and what it starts from now on) on one CPU.
/// False where there is no such CPU.
pub(crate) fn pin(pid: u32, cpu: usize) -> bool {
    use nix::sched::{CpuSet, sched_setaffinity};
    use nix::unistd::Pid;

    let mut cpus = CpuSet::new();
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    cpus.set(cpu).is_ok() && sched_setaffinity(pid, &cpus).is_ok()
}

/// The n-th of many addresses of this host: 127.0.0.1 and up, without those that end in 0 or 255.
pub(crate) fn loopback_ip(n: usize) -> IpAddr {
    let n = u32::try_from(n).expect("there are four billion");
    Ipv4Addr::from(0x7f00_0001 + (n / 254) * 256 + n % 254).into()
}
