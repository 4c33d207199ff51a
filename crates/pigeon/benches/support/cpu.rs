//! The CPUs: one for the hub, another for everybody else, and how long the hub's was busy.
//!
//! A hub's work is not all done in its own name: the kernel carries its datagrams to the receivers'
//! queues, partly in interrupts and kernel threads. So the time of the whole CPU is counted, and a
//! process that happens to run there is noise; [`own_seconds`] shows how much there was of it.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::time::Instant;

/// The unit of the kernel's counters: `sysconf(_SC_CLK_TCK)`, which is 100 on every architecture
/// that Rust's standard library knows.
const TICKS_A_SECOND: f64 = 100.0;

/// Which CPU does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpus {
    pub(crate) hub: usize,
    pub(crate) load: usize,
}

impl Cpus {
    /// The first and the last CPU that this process may use; they are the least likely to be two
    /// halves of one core.
    pub(crate) fn choose() -> Option<Cpus> {
        let allowed = system::allowed();
        let (hub, load) = (*allowed.first()?, *allowed.last()?);
        (hub != load).then_some(Cpus { hub, load })
    }

    /// Moves the calling thread, and those it starts, to the load's CPU.
    pub(crate) fn stay_with_load(self) {
        system::pin(&[self.load]);
    }

    /// Runs `start` on the hub's CPU, so that the process it starts stays there.
    pub(crate) fn on_hub<T>(self, start: impl FnOnce() -> T) -> T {
        system::pin(&[self.hub]);
        let started = start();
        self.stay_with_load();
        started
    }

    /// Runs `start` so that the process it starts may use both CPUs.
    pub(crate) fn anywhere<T>(self, start: impl FnOnce() -> T) -> T {
        system::pin(&[self.hub, self.load]);
        let started = start();
        self.stay_with_load();
        started
    }
}

/// How long a CPU was busy.
pub(crate) struct Busy {
    cpu: usize,
    since: Instant,
    unused: f64,
}

impl Busy {
    pub(crate) fn start(cpu: usize) -> Busy {
        Busy { cpu, since: Instant::now(), unused: unused_seconds(cpu) }
    }

    /// Total − idle − iowait. The total is the clock's: the kernel counts idle time by the clock
    /// too, but the rest by samples. What a hypervisor gave to others is not ours either.
    pub(crate) fn seconds(&self) -> f64 {
        let unused = unused_seconds(self.cpu) - self.unused;
        (self.since.elapsed().as_secs_f64() - unused).max(1.0 / TICKS_A_SECOND)
    }
}

/// Idle, iowait and stolen time (proc_stat(5)).
fn unused_seconds(cpu: usize) -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("Linux has /proc/stat");
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find(|line| line.starts_with(&name)).expect("the CPU is on line");
    let field = |n| line.split_whitespace().nth(n).map_or(0.0, |word| word.parse().unwrap());
    let [idle, iowait, steal]: [f64; 3] = [field(4), field(5), field(8)];
    (idle + iowait + steal) / TICKS_A_SECOND
}

/// How long a process itself has run, all its threads together (proc_pid_stat(5)).
pub(crate) fn own_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything, spaces too.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let [user, system] = [11, 12]
        .map(|n| fields.split(' ').nth(n).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0));
    (user + system) / TICKS_A_SECOND
}

#[allow(unused_imports, reason = "each benchmark uses its part")]
pub(crate) use system::raise_file_limit;

#[cfg(target_os = "linux")]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::unistd::Pid;

    /// The thread that calls.
    const SELF: Pid = Pid::from_raw(0);

    pub(super) fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(SELF).expect("a thread may ask where it runs");
        (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
    }

    pub(super) fn pin(cpus: &[usize]) {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu).expect("the CPU exists"));
        sched_setaffinity(SELF, &set).expect("the CPUs are allowed");
    }

    /// As many open files as may be had without asking anyone; returns how many.
    pub(crate) fn raise_file_limit() -> u64 {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is allowed");
        hard
    }
}

/// Elsewhere nothing is measured, but it compiles.
#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn pin(_: &[usize]) {}

    pub(crate) fn raise_file_limit() -> u64 {
        0
    }
}
