//! Pins the measured program to one CPU and the load to another, and measures how long the first
//! was busy.
//!
//! The kernel does part of a hub's work outside the hub's process: interrupts and kernel threads
//! carry its datagrams to the receivers. So the whole CPU's time counts, and a foreign process on
//! it is noise; [`own_seconds`] shows how much.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// The unit of the kernel's counters: `sysconf(_SC_CLK_TCK)`, which is 100 on every architecture
/// that Rust's standard library knows.
const TICKS_A_SECOND: f64 = 100.0;

/// The largest share of a CPU's busy time that other processes may take before targets are not
/// judged.
const NOISY: f64 = 0.1;

/// The thread that calls.
const SELF: Pid = Pid::from_raw(0);

/// The CPUs of the two roles.
#[derive(Clone, Copy, Debug)]
pub struct Cpus {
    /// The CPU of the measured program.
    pub hub: usize,
    /// The CPU of everything else.
    pub load: usize,
}

impl Cpus {
    /// Picks the last allowed CPU for the measured program, and the first for the load. These two
    /// are the least likely to share a core. The first CPU also does the machine's timekeeping, and
    /// interrupts where nothing spreads them. Choosing by the counts in `/proc/interrupts` instead
    /// would let the disk's past decide, and differently another day.
    ///
    /// Prints the choice, with the name of what is `measured`. The calling thread, and those it
    /// starts, stay with the load from now on. With a single CPU the program prints `skipped` and
    /// ends with exit status 0.
    pub fn choose(measured: &str) -> Cpus {
        let allowed = allowed();
        let (Some(&load), Some(&hub)) = (allowed.first(), allowed.last()) else {
            panic!("a thread runs somewhere")
        };
        if hub == load {
            println!("skipped: this takes two CPUs");
            std::process::exit(0);
        }
        println!("{measured} on CPU {hub}, everybody else on CPU {load}");
        pin(&[load]);
        Cpus { hub, load }
    }
}

fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(SELF).expect("a thread may ask where it runs");
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
}

/// Moves the calling thread, and those it starts, to these CPUs.
pub fn pin(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu).expect("the CPU exists"));
    sched_setaffinity(SELF, &set).expect("the CPUs are allowed");
}

/// Starts a program that stays on these CPUs with all its threads; an empty list means any CPU.
/// Moving it later would miss the threads that it has already started.
pub fn spawn_on(cpus: &[usize], command: &mut Command) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    let home = allowed();
    pin(cpus);
    let child = command.spawn();
    pin(&home);
    child
}

/// Gives a process and its threads priority over every other on its CPU: SCHED_FIFO (sched(7)).
/// Returns false if the system refuses, as it does to users other than root.
pub fn prefer(pid: u32) -> bool {
    let mut chrt = Command::new("chrt");
    chrt.args(["--all-tasks", "--fifo", "--pid", "1", &pid.to_string()]);
    chrt.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Counts how long a CPU was busy.
pub struct Busy {
    cpu: usize,
    since: Instant,
    unused: f64,
}

impl Busy {
    /// Starts counting.
    pub fn start(cpu: usize) -> Busy {
        Busy { cpu, since: Instant::now(), unused: unused_seconds(cpu) }
    }

    /// Seconds of work since the start: total − idle − iowait. The total is from the clock, because
    /// the kernel measures idle time exactly but only samples the rest. Time stolen by a hypervisor
    /// is excluded.
    pub fn seconds(&self) -> f64 {
        let unused = unused_seconds(self.cpu) - self.unused;
        (self.since.elapsed().as_secs_f64() - unused).max(1.0 / TICKS_A_SECOND)
    }
}

/// Measures the time that a hypervisor took from a CPU with work to do.
pub struct Stolen {
    cpu: usize,
    since: Instant,
    before: f64,
}

impl Stolen {
    /// Starts counting.
    pub fn start(cpu: usize) -> Stolen {
        let [_, _, before] = times(cpu);
        Stolen { cpu, since: Instant::now(), before }
    }

    /// The share of the time since the start, from 0 to 1.
    pub fn share(&self) -> f64 {
        let [_, _, now] = times(self.cpu);
        (now - self.before) / self.since.elapsed().as_secs_f64()
    }
}

fn unused_seconds(cpu: usize) -> f64 {
    times(cpu).iter().sum()
}

/// Idle, iowait and stolen time (proc_stat(5)).
fn times(cpu: usize) -> [f64; 3] {
    let stat = std::fs::read_to_string("/proc/stat").expect("Linux has /proc/stat");
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find(|line| line.starts_with(&name)).expect("the CPU is on line");
    let field = |n| line.split_whitespace().nth(n).map_or(0.0, |word| word.parse().unwrap());
    [field(4), field(5), field(8)].map(|ticks| ticks / TICKS_A_SECOND)
}

/// The CPU seconds that a process has used, all its threads together (proc_pid_stat(5)).
pub fn own_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may contain anything, even spaces.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let [user, system] = [11, 12]
        .map(|n| fields.split(' ').nth(n).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0));
    (user + system) / TICKS_A_SECOND
}

/// The CPU seconds that the first thread of a process has used, to the nanosecond (schedstat).
pub fn thread_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"));
    let stat = stat.unwrap_or_default();
    let nanos: f64 = stat.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    nanos / 1e9
}

/// The reason not to judge targets, if `others` took too large a share (0 to 1) of a CPU's busy
/// time.
pub fn too_noisy(others: f64) -> Option<String> {
    (others > NOISY).then(|| format!("others took {:.0} % of the CPU", others * 100.0))
}

/// Raises the open-file limit as far as an ordinary user may, and returns it.
pub fn raise_file_limit() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is allowed");
    hard
}
