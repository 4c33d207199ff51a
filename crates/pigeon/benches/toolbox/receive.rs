//! `pigeon listen` into a file, with time and sender on every line, beside a bare receiver that
//! counts and discards, and beside socat and ncat into a file: the highest rate at which less than
//! one datagram in ten thousand is lost, in three runs of three.
//!
//! Everybody gets the same receive buffer, the tools too: their sockets are borrowed from outside
//! (pidfd_getfd(2)), since ncat cannot be asked for one. What arrived is counted in the file, what
//! the kernel dropped is read from its socket table, and for ours both must add up with what it
//! says itself to what was sent.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use nix::unistd::Pid;
use pigeon_datagram::Transmit;
use pigeon_net::{IoPath, Socket, SocketEntry, SocketOptions, SocketTable};
use serde_json::json;

use crate::cpu::Cpus;
use crate::spread::Spread;
use crate::{Report, Wanted};

/// Bytes of a datagram, and how many leave in one call or one train.
const SIZE: usize = 64;
const BATCH: usize = 64;

/// The receive buffer asked for; the kernel doubles it (socket(7)).
const BUFFER: usize = 4 << 20;

/// Rates are steps of a tenth from this one on.
const FIRST: f64 = 50_000.0;
const STEP: f64 = 1.1;
const STEPS: usize = 60;

const RUN: Duration = Duration::from_millis(400);
const RUNS: usize = 3;

/// Runs in which the sender was too slow do not count, but for the last of so many.
const TRIES: usize = 6;

/// The share of lost datagrams from which on a rate is too high.
const MOST_LOST: f64 = 0.0001;

/// The share of the rate that the sender must reach for a run to count.
const REACHED: f64 = 0.97;

pub(crate) fn run(cpus: Cpus) -> Report {
    let title = format!("datagrams of {SIZE} bytes, a receive buffer of {} KiB", 2 * BUFFER / 1024);
    let mut report = Report::new("receive", &title);
    cpus.stay_with_load();
    let mut best = |name: &str, receiver: Receiver, trains: bool| -> Option<f64> {
        if !receiver.is_installed() {
            report.skipped(name);
            return None;
        }
        let highest = highest(cpus, receiver, trains);
        let Highest { rate, limit, sums, .. } = &highest;
        println!(
            "  {name:<28} {:>8.0} a second  ({limit}){}",
            rate,
            if *sums { "" } else { "  SUMS DO NOT ADD UP" }
        );
        report.figure(name, highest.json());
        Some(*rate)
    };
    let bare = best("bare recvmmsg", Receiver::Bare, false);
    let ours = best("pigeon listen", Receiver::Listen, false);
    let socat = best("socat", Receiver::Socat, false);
    let ncat = best("ncat", Receiver::Ncat, false);
    let bare_trains = best("bare recvmmsg, GSO sender", Receiver::Bare, true);
    let ours_trains = best("pigeon listen, GSO sender", Receiver::Listen, true);
    for (name, one, other, wanted) in [
        ("listen / bare", ours, bare, 0.8),
        ("listen / socat", ours, socat, 1.0),
        ("listen / ncat", ours, ncat, 1.0),
        ("listen / bare, GSO sender", ours_trains, bare_trains, 2.0),
    ] {
        if let (Some(one), Some(other)) = (one, other) {
            report.ratio(name, Spread::of([one / other]), Wanted::AtLeast(wanted));
        }
    }
    report
}

/// The highest rate, and why it is not higher.
struct Highest {
    rate: f64,
    limit: String,
    sent: u64,
    received: u64,
    kernel_drops: u64,
    own_drops: u64,
    /// Whether every run's figures added up.
    sums: bool,
}

impl Highest {
    fn json(&self) -> serde_json::Value {
        json!({
            "rate": self.rate.round(),
            "limit": self.limit,
            "sent": self.sent,
            "received": self.received,
            "dropped_by_kernel": self.kernel_drops,
            "dropped_by_itself": self.own_drops,
            "sums": self.sums,
        })
    }
}

/// Looks for the highest step by halves.
fn highest(cpus: Cpus, receiver: Receiver, trains: bool) -> Highest {
    let mut highest = Highest {
        rate: 0.0,
        limit: "none".into(),
        sent: 0,
        received: 0,
        kernel_drops: 0,
        own_drops: 0,
        sums: true,
    };
    let (mut low, mut high) = (0, STEPS);
    while low < high {
        let step = low + (high - low) / 2;
        let rate = FIRST * STEP.powi(i32::try_from(step).expect("a small number"));
        let mut passed = true;
        let mut runs = 0;
        for tries in 1.. {
            let run = Run::of(cpus, receiver, rate, trains);
            highest.sent += run.sent;
            highest.received += run.received;
            highest.kernel_drops += run.kernel_drops;
            highest.own_drops += run.own_drops;
            highest.sums &= run.received + run.kernel_drops + run.own_drops == run.sent;
            runs += usize::from(run.reached >= REACHED);
            if run.reached < REACHED && tries < TRIES {
                continue;
            }
            if run.reached < REACHED {
                highest.limit = "the sender's limit".into();
                passed = false;
            } else if run.lost() >= MOST_LOST {
                highest.limit = "losses beyond".into();
                passed = false;
            }
            if !passed || runs == RUNS {
                break;
            }
        }
        if passed {
            highest.rate = rate;
            low = step + 1;
        } else {
            high = step;
        }
    }
    highest
}

/// One run at one rate.
struct Run {
    sent: u64,
    received: u64,
    kernel_drops: u64,
    own_drops: u64,
    /// The share of the rate that was sent.
    reached: f64,
}

impl Run {
    fn of(cpus: Cpus, receiver: Receiver, rate: f64, trains: bool) -> Run {
        let running = receiver.start(cpus);
        let (sent, reached) = send(running.address, rate, trains);
        running.settle();
        let (received, kernel_drops, own_drops) = running.end();
        Run { sent, received, kernel_drops, own_drops, reached }
    }

    fn lost(&self) -> f64 {
        1.0 - self.received as f64 / self.sent as f64
    }
}

/// Sends at a rate for a while. Returns how many, and the share of the rate that was reached.
fn send(to: SocketAddr, rate: f64, trains: bool) -> (u64, f64) {
    let path = if trains { IoPath::Best } else { IoPath::NoOffload };
    let options = SocketOptions { path, receive_size: 2_048, ..SocketOptions::default() };
    let mut socket = Socket::connect(to, None, &options).expect("a socket");
    let bytes = [b"x".repeat(SIZE - 1), b"\n".to_vec()].concat().repeat(BATCH);
    let segment = u16::try_from(SIZE).ok().and_then(NonZeroU16::new);
    let one = |n| Transmit { to, from: None, range: n * SIZE..(n + 1) * SIZE, segment: None };
    let batch = match trains {
        true => vec![Transmit { to, from: None, range: 0..BATCH * SIZE, segment }],
        false => (0..BATCH).map(one).collect::<Vec<_>>(),
    };
    let (start, mut sent) = (Instant::now(), 0);
    loop {
        let elapsed = start.elapsed();
        if elapsed >= RUN {
            return (sent, sent as f64 / (rate * elapsed.as_secs_f64()));
        }
        let due = (rate * elapsed.as_secs_f64()) as u64;
        if sent + BATCH as u64 <= due {
            sent += socket.send(&bytes, &batch, Duration::from_secs(1)).sent;
        } else {
            // A receiver may need this CPU too.
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Receiver {
    Listen,
    Bare,
    Socat,
    Ncat,
}

/// A receiver that has begun.
struct Running {
    kind: Receiver,
    child: Child,
    address: SocketAddr,
    /// The kernel's name of its socket.
    inode: u64,
    /// What it writes, or says.
    file: PathBuf,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
}

impl Receiver {
    fn is_installed(self) -> bool {
        let name = match self {
            Receiver::Listen | Receiver::Bare => return true,
            Receiver::Socat => "socat",
            Receiver::Ncat => "ncat",
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    }

    fn start(self, cpus: Cpus) -> Running {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("received");
        let output = File::create(&file).expect("the target folder is ours");
        let mut command = match self {
            Receiver::Listen => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
                command.args(["listen", "127.0.0.1:0", "--buffer", &BUFFER.to_string()]);
                command.stderr(Stdio::piped());
                command
            }
            Receiver::Bare => {
                let mut command = Command::new(std::env::current_exe().expect("a path"));
                command.arg("bare-receiver").stderr(Stdio::null());
                command
            }
            Receiver::Socat => {
                let mut command = Command::new("socat");
                command.args(["-u", "UDP4-RECV:0,bind=127.0.0.1", "STDOUT"]);
                command
            }
            Receiver::Ncat => {
                let mut command = Command::new("ncat");
                command.args(["--recv-only", "-u", "-l", "127.0.0.1", "0"]);
                command
            }
        };
        command.stdin(Stdio::piped());
        match self {
            Receiver::Bare => command.stdout(Stdio::piped()),
            _ => command.stdout(output),
        };
        // On whichever CPU it likes: only the sender stays on its own.
        let mut child = cpus.anywhere(|| command.spawn()).expect("the program is installed");
        let entry = socket_of(&child);
        lend_buffer(&child, entry.inode);
        let (stdout, stderr) = (child.stdout.take().map(BufReader::new), child.stderr.take());
        let (address, inode) = (entry.local, entry.inode);
        Running { kind: self, child, address, inode, file, stdout, stderr }
    }
}

impl Running {
    /// Waits until all that came is read and written.
    fn settle(&self) {
        let state = || {
            let queue = self.entry().map_or(0, |entry| entry.receive_queue);
            (queue, std::fs::metadata(&self.file).map_or(0, |file| file.len()))
        };
        let mut last = state();
        let mut since = Instant::now();
        while last.0 > 0 || since.elapsed() < Duration::from_millis(60) {
            std::thread::sleep(Duration::from_millis(10));
            let now = state();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    fn entry(&self) -> Option<SocketEntry> {
        let table = SocketTable::read().expect("/proc/net can be read");
        table.sockets.into_iter().find(|socket| socket.inode == self.inode)
    }

    /// Ends it. What arrived, what the kernel dropped, and what it dropped itself.
    fn end(mut self) -> (u64, u64, u64) {
        let kernel_drops = self.entry().expect("it still runs").drops;
        let bytes = || std::fs::metadata(&self.file).expect("the file is there").len();
        match self.kind {
            Receiver::Socat | Receiver::Ncat => (bytes() / SIZE as u64, kernel_drops, 0),
            Receiver::Bare => {
                let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.send_to(b"", self.address).expect("loopback");
                let mut line = String::new();
                let stdout = self.stdout.as_mut().expect("stdout is piped");
                stdout.read_line(&mut line).expect("it answers");
                (line.trim().parse().expect("a count"), kernel_drops, 0)
            }
            Receiver::Listen => {
                let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
                kill(pid, Signal::SIGTERM).expect("it runs");
                self.child.wait().expect("it ends");
                let mut said = String::new();
                let stderr = self.stderr.as_mut().expect("stderr is piped");
                stderr.read_to_string(&mut said).expect("words");
                let count = |after: &str| {
                    let summary = said.lines().last().unwrap_or_default();
                    let part = summary.split(", ").find(|part| part.contains(after));
                    part.map_or(0, |part| part.split(' ').next().unwrap().parse().expect("a count"))
                };
                // What it says must be what the kernel says and what the file holds.
                let lines = BufReader::new(File::open(&self.file).expect("the file is there"));
                let lines = lines.split(b'\n').count() as u64;
                let dropped_here = count(" dropped here");
                assert_eq!(count(" dropped by the kernel"), kernel_drops, "{said}");
                assert_eq!(count(" datagram"), lines + dropped_here, "{said}");
                (lines, kernel_drops, dropped_here)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The UDP socket that a process has opened, as soon as it has.
fn socket_of(child: &Child) -> SocketEntry {
    let start = Instant::now();
    loop {
        let table = SocketTable::read().expect("/proc/net can be read");
        let held = |socket: &SocketEntry| socket.holders.iter().any(|h| h.pid == child.id());
        if let Some(found) = table.sockets.into_iter().find(held) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no socket was opened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Gives a process's socket the receive buffer that all of them get.
fn lend_buffer(child: &Child, inode: u64) {
    let folder = format!("/proc/{}/fd", child.id());
    let link = PathBuf::from(format!("socket:[{inode}]"));
    let number = std::fs::read_dir(folder).expect("it runs").flatten().find_map(|entry| {
        let points = std::fs::read_link(entry.path()).ok()? == link;
        points.then(|| entry.file_name().to_str()?.parse::<i32>().ok())?
    });
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let process =
        rustix::process::pidfd_open(pid.expect("a pid"), rustix::process::PidfdFlags::empty());
    let flags = rustix::process::PidfdGetfdFlags::empty();
    let socket: OwnedFd =
        rustix::process::pidfd_getfd(process.expect("it runs"), number.expect("its socket"), flags)
            .expect("our own child's socket");
    setsockopt(&socket, RcvBuf, &BUFFER).expect("a receive buffer");
}
