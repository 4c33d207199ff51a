//! Compares `pigeon listen` into a file, with time and sender in every line, with a bare receiver
//! that counts and discards, and with socat and ncat into a file. Finds the highest rate with a
//! loss below one in ten thousand, in three runs of three.
//!
//! All programs get the same receive buffer, by borrowing their sockets from outside
//! (pidfd_getfd(2)), because ncat has no option for it. Arrivals are counted in the file, and the
//! kernel's drops are read from the socket table. For ours both must add up with its own summary to
//! the datagrams sent.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use pigeon_datagram::{SocketId, Transmit};
use pigeon_net::{IoPath, Socket, SocketEntry, SocketOptions, SocketTable};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::process::{Process, find, ourselves, pigeon, program};
use pigeon_perf::report::{Report, Row, Wanted};

/// Bytes per datagram, and datagrams per call or train.
const SIZE: usize = 64;
const BATCH: usize = 64;

/// The requested receive buffer; the kernel doubles it (socket(7)).
const BUFFER: usize = 4 << 20;

/// The first rate; each next one is a tenth higher.
const FIRST: f64 = 50_000.0;
const STEP: f64 = 1.1;
const STEPS: usize = 60;

const RUN: Duration = Duration::from_millis(400);
const RUNS: usize = 3;

/// The number of runs in which a slow sender is tolerated, by repeating the run.
const TRIES: usize = 6;

/// The share of lost datagrams at which a rate is too high.
const MOST_LOST: f64 = 0.0001;

/// The share of the rate that the sender must reach for a run to count.
const REACHED: f64 = 0.97;

pub(crate) fn run(cpus: Cpus) -> Report {
    let mut report = Report::new("toolbox-receive");
    report.section(&format!(
        "the highest rate of {SIZE}-byte datagrams, with a receive buffer of {} KiB",
        2 * BUFFER / 1024
    ));
    let mut found: Vec<(&str, Highest)> = Vec::new();
    for (name, receiver, trains) in [
        (BARE, Receiver::Bare, false),
        (LISTEN, Receiver::Listen, false),
        (SOCAT, Receiver::Socat, false),
        (NCAT, Receiver::Ncat, false),
        (BARE_TRAINS, Receiver::Bare, true),
        (LISTEN_TRAINS, Receiver::Listen, true),
    ] {
        if receiver.is_installed() {
            found.push((name, highest(cpus, receiver, trains)));
        } else {
            report.skipped(name);
        }
    }
    report.table(found.iter().map(|(name, highest)| (name.to_string(), highest.row())).collect());
    for (name, highest) in &found {
        report.remark(&format!("{name}: {}", highest.limit));
    }
    let wrong = found.iter().map(|(_, highest)| highest.wrong).sum::<u64>();
    report.judge("runs that do not add up", wrong as f64, Wanted::AtMost(0.0));
    for (one, other, wanted) in [
        (LISTEN, BARE, 0.8),
        (LISTEN, SOCAT, 1.0),
        (LISTEN, NCAT, 1.0),
        (LISTEN_TRAINS, BARE_TRAINS, 2.0),
    ] {
        let find =
            |name| found.iter().find(|(other, _)| *other == name).map(|(_, highest)| highest);
        if let (Some(ours), Some(theirs)) = (find(one), find(other)) {
            // The receiver might have managed more.
            let reason = (ours.limit == SENDER).then(|| ours.limit.clone());
            let (ratio, wanted) = (ours.rate / theirs.rate, Wanted::AtLeast(wanted));
            let reason = reason.filter(|_| !wanted.is_met(ratio));
            report.judge_unless(&format!("{one} / {other}"), ratio, wanted, reason);
        }
    }
    report
}

const LISTEN: &str = "pigeon listen";
const BARE: &str = "bare recvmmsg";
const SOCAT: &str = "socat";
const NCAT: &str = "ncat";
const LISTEN_TRAINS: &str = "pigeon listen, GSO sender";
const BARE_TRAINS: &str = "bare recvmmsg, GSO sender";

/// The limit was the sender, not the receiver.
const SENDER: &str = "more could not be sent";

/// The highest rate, its limiting factor, and the totals of all runs, including failed ones.
struct Highest {
    rate: f64,
    limit: String,
    sent: u64,
    received: u64,
    kernel_drops: u64,
    own_drops: u64,
    /// Runs with figures that did not add up.
    wrong: u64,
}

impl Highest {
    fn row(&self) -> Row {
        vec![
            ("highest_a_second", self.rate.into()),
            ("sent", self.sent.into()),
            ("delivered", self.received.into()),
            ("dropped_by_kernel", self.kernel_drops.into()),
            ("dropped_by_itself", self.own_drops.into()),
        ]
    }
}

/// Finds the highest rate by bisection.
fn highest(cpus: Cpus, receiver: Receiver, trains: bool) -> Highest {
    let mut highest = Highest {
        rate: 0.0,
        limit: "higher was not tried".into(),
        sent: 0,
        received: 0,
        kernel_drops: 0,
        own_drops: 0,
        wrong: 0,
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
            let adds_up = run.received + run.kernel_drops + run.own_drops == run.sent;
            highest.wrong += u64::from(!adds_up);
            runs += usize::from(run.reached >= REACHED);
            if run.reached < REACHED && tries < TRIES {
                continue;
            }
            if run.reached < REACHED {
                highest.limit = SENDER.into();
                passed = false;
            } else if run.lost() >= MOST_LOST {
                highest.limit = "beyond it too much was lost".into();
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
    /// The share of the rate that the sender reached.
    reached: f64,
}

impl Run {
    fn of(cpus: Cpus, receiver: Receiver, rate: f64, trains: bool) -> Run {
        let running = receiver.start(cpus);
        let (sent, reached) = send(running.address, rate, trains);
        running.settle();
        let (received, mut kernel_drops, own_drops) = running.end();
        // With GRO, as in `listen`, the kernel drops whole trains and counts each as one.
        if trains && receiver == Receiver::Listen {
            kernel_drops *= BATCH as u64;
        }
        Run { sent, received, kernel_drops, own_drops, reached }
    }

    fn lost(&self) -> f64 {
        1.0 - self.received as f64 / self.sent as f64
    }
}

/// Sends at a rate for a while. Returns how many datagrams, and the share of the rate reached.
fn send(to: SocketAddr, rate: f64, trains: bool) -> (u64, f64) {
    let path = if trains { IoPath::Best } else { IoPath::NoOffload };
    let options = SocketOptions { path, receive_size: 2_048, ..SocketOptions::default() };
    let mut socket = Socket::connect(to, None, &options).expect("a socket");
    let bytes = [b"x".repeat(SIZE - 1), b"\n".to_vec()].concat().repeat(BATCH);
    let segment = u16::try_from(SIZE).ok().and_then(NonZeroU16::new);
    let one = |n| Transmit {
        socket: SocketId::FIRST,
        to,
        from: None,
        range: n * SIZE..(n + 1) * SIZE,
        segment: None,
    };
    let batch = match trains {
        true => vec![Transmit {
            socket: SocketId::FIRST,
            to,
            from: None,
            range: 0..BATCH * SIZE,
            segment,
        }],
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
            // Leaves this CPU to a receiver that needs it.
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

struct Running {
    kind: Receiver,
    process: Process,
    address: SocketAddr,
    /// The inode of the program's socket.
    inode: u64,
    /// The program's output file; the bare receiver prints a count instead.
    file: PathBuf,
}

impl Receiver {
    fn is_installed(self) -> bool {
        match self {
            Receiver::Listen | Receiver::Bare => true,
            Receiver::Socat => find("socat").is_some(),
            Receiver::Ncat => find("ncat").is_some(),
        }
    }

    fn start(self, cpus: Cpus) -> Running {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("received");
        let written = File::create(&file).expect("the target folder is ours");
        let command = match self {
            Receiver::Listen => pigeon(&format!("listen 127.0.0.1:0 --buffer {BUFFER}")),
            Receiver::Bare => ourselves("bare-receiver"),
            Receiver::Socat => program("socat", "-u UDP4-RECV:0,bind=127.0.0.1 STDOUT"),
            Receiver::Ncat => program("ncat", "--recv-only -u -l 127.0.0.1 0"),
        };
        let stdout = match self {
            Receiver::Bare => Stdio::piped(),
            _ => written.into(),
        };
        // Runs on any CPU: only the sender is pinned.
        let process = Process::start_with(&[cpus.load, cpus.hub], command, stdout);
        let entry = socket_of(&process);
        lend_buffer(&process, entry.inode);
        Running { kind: self, process, address: entry.local, inode: entry.inode, file }
    }
}

impl Running {
    /// Waits until all arrivals are read and written.
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

    /// Ends it. Returns the numbers of arrivals, of the kernel's drops, and of its own.
    fn end(self) -> (u64, u64, u64) {
        let kernel_drops = self.entry().expect("it still runs").drops;
        let bytes = || std::fs::metadata(&self.file).expect("the file is there").len();
        match self.kind {
            Receiver::Socat | Receiver::Ncat => (bytes() / SIZE as u64, kernel_drops, 0),
            Receiver::Bare => {
                let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.send_to(b"", self.address).expect("loopback");
                let said = loop {
                    // The first line is its address.
                    if let Ok(count) = self.process.line().parse() {
                        break count;
                    }
                };
                (said, kernel_drops, 0)
            }
            Receiver::Listen => {
                let said = self.process.finish();
                let summary = said.last().map(String::as_str).unwrap_or_default();
                let count = |after: &str| {
                    let part = summary.split(", ").find(|part| part.contains(after));
                    part.map_or(0, |part| part.split(' ').next().unwrap().parse().expect("a count"))
                };
                // The program's summary must agree with the kernel and with the file.
                let lines = BufReader::new(File::open(&self.file).expect("the file is there"));
                let lines = lines.split(b'\n').count() as u64;
                let dropped_here = count(" dropped here");
                assert_eq!(count(" dropped by the kernel"), kernel_drops, "{summary}");
                assert_eq!(count(" datagram"), lines + dropped_here, "{summary}");
                (lines, kernel_drops, dropped_here)
            }
        }
    }
}

/// The UDP socket of a process, once it is open.
fn socket_of(process: &Process) -> SocketEntry {
    let start = Instant::now();
    loop {
        let table = SocketTable::read().expect("/proc/net can be read");
        let held = |socket: &SocketEntry| socket.holders.iter().any(|h| h.pid == process.pid());
        if let Some(found) = table.sockets.into_iter().find(held) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no socket was opened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Gives a process's socket the common receive buffer.
fn lend_buffer(process: &Process, inode: u64) {
    let folder = format!("/proc/{}/fd", process.pid());
    let link = PathBuf::from(format!("socket:[{inode}]"));
    let number = std::fs::read_dir(folder).expect("it runs").flatten().find_map(|entry| {
        let points = std::fs::read_link(entry.path()).ok()? == link;
        points.then(|| entry.file_name().to_str()?.parse::<i32>().ok())?
    });
    let pid = i32::try_from(process.pid()).ok().and_then(rustix::process::Pid::from_raw);
    let handle =
        rustix::process::pidfd_open(pid.expect("a pid"), rustix::process::PidfdFlags::empty());
    let flags = rustix::process::PidfdGetfdFlags::empty();
    let socket: OwnedFd =
        rustix::process::pidfd_getfd(handle.expect("it runs"), number.expect("its socket"), flags)
            .expect("our own child's socket");
    setsockopt(&socket, RcvBuf, &BUFFER).expect("a receive buffer");
}
