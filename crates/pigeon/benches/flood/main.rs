//! What one member that floods a hub costs the others: delivery times and losses of a room of
//! fifty, without a flood and under two kinds, in turn.
//!
//! ```text
//! cargo bench -p pigeon --bench flood
//! ```
//!
//! One member says 200 lines a second, well within its rate. The flooder sends
//!
//! - **short** datagrams, 200,000 a second beyond a rate of 300: all but a few are refused by their
//!   number; or
//! - **long** ones of 60,000 bytes, twice as many as 64 MiB a second allow (what a member from an open
//!   network may say by default): half are refused for their bytes, and half come further and are
//!   refused because no message is so long.
//!
//! The time of a delivery runs from just before the line is sent to the moment the kernel puts a copy
//! into a listener's queue (SO_TIMESTAMPNS), so that a listener that is scheduled late does not count
//! as a hub that is late.
//!
//! A hub that is scheduled late does count. How much of that is the machine's doing shows beside it:
//! a thread on the hub's CPU that only wants to wake up every few milliseconds, and how late it does
//! (`machine`). A time below that is not to be had there, and where it is beyond the target itself no
//! time is judged. Takes less than two minutes and needs no root. Linux only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

#[path = "../support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pigeon_datagram::Transmit;
use pigeon_net::{IoPath, Receipt, Socket, SocketOptions};
use support::cpu::{Cpus, pin};
use support::report::{self, Report, Row, Wanted};
use support::server::Server;
use support::spread::{Spread, percentile};
use support::{loopback_ip, parts};

const LISTENERS: usize = 50;
const LINES: usize = 1_000;
const LINE_EVERY: Duration = Duration::from_millis(5);
/// On a machine of two CPUs whoever wakes up often pushes the speaker aside between its look at the
/// clock and its call, which would count as the hub's delay. So listeners are lazy.
const LISTEN_EVERY: Duration = Duration::from_millis(10);

/// How long the flood has run before anybody else speaks: what its rate allows at once is spent.
const HEAD_START: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// What the others may have to bear: microseconds at the 99th percentile, and per cent lost.
const P99_US: f64 = 1_000.0;
const LOST_PERCENT: f64 = 0.1;

/// What one member sends while the others talk.
#[derive(Clone, Copy)]
struct Flood {
    name: &'static str,
    /// The hub's limits.
    limits: &'static str,
    size: usize,
    a_second: u32,
    /// Sent at once: large for the speaker's sake, as listeners are lazy, but no more than a receive
    /// buffer takes.
    batch: u32,
}

const LIMITS: &str = "--rate 300/s";

const FLOODS: [Flood; 3] = [
    Flood { name: "quiet", limits: LIMITS, size: 0, a_second: 0, batch: 0 },
    Flood { name: "short flood", limits: LIMITS, size: 60, a_second: 200_300, batch: 256 },
    Flood {
        name: "long flood",
        limits: "--rate 50k/s --rate-bytes 64MiB/s",
        size: 60_000,
        a_second: 2 * (64 << 20) / 60_000,
        batch: 16,
    },
];

fn main() {
    parts::none();
    let cpus = Cpus::choose("the hub");
    let mut report = Report::new("flood");
    report.section(&format!(
        "{LISTENERS} listeners, {LINES} lines at {} a second, {ROUNDS} rounds",
        1_000 / LINE_EVERY.as_millis()
    ));
    let mut outcomes = FLOODS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (flood, outcomes) in FLOODS.iter().zip(&mut outcomes) {
            outcomes.push(measure(cpus, *flood));
        }
    }
    let rows = FLOODS.iter().zip(&outcomes);
    report.table(rows.map(|(flood, outcomes)| (flood.name.into(), row(outcomes))).collect());
    for (flood, outcomes) in FLOODS.iter().zip(&outcomes) {
        let spread = |of: fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(of));
        let machine = spread(|outcome| outcome.machine_us).median;
        let late = || format!("the machine itself wakes up {machine:.0} µs late");
        let reason = (machine > P99_US).then(late);
        let name = format!("{}, 99 % in µs", flood.name);
        let p99 = spread(|outcome| outcome.p99_us);
        report.judge_unless(&name, p99, Wanted::AtMost(P99_US), reason);
        let name = format!("{}, per cent lost in the worst round", flood.name);
        let worst = spread(Outcome::lost_percent).max;
        report.judge(&name, worst, Wanted::AtMost(LOST_PERCENT));
    }
    report::end([report]);
}

/// One round of one kind.
struct Outcome {
    median_us: f64,
    p99_us: f64,
    /// How late the machine wakes up who sleeps on the hub's CPU, at the 99th percentile.
    machine_us: f64,
    delivered: usize,
    /// By the kernel, before the hub, most of which is the flood's, and before the listeners.
    dropped: [u64; 2],
    flood: u64,
    flood_a_second: f64,
}

impl Outcome {
    fn lost_percent(&self) -> f64 {
        100.0 * (1.0 - self.delivered as f64 / (LINES * LISTENERS) as f64)
    }
}

fn row(outcomes: &[Outcome]) -> Row {
    let spread = |of: fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(of));
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    vec![
        ("median_us", spread(|outcome| outcome.median_us).into()),
        ("p99_us", spread(|outcome| outcome.p99_us).into()),
        ("machine_p99_us", spread(|outcome| outcome.machine_us).into()),
        ("sent", (outcomes.len() * LINES).into()),
        ("due", (outcomes.len() * LINES * LISTENERS).into()),
        ("delivered", sum(|outcome| outcome.delivered as u64).into()),
        ("flood_sent", sum(|outcome| outcome.flood).into()),
        ("flood_a_second", spread(|outcome| outcome.flood_a_second).median.into()),
        ("dropped_at_hub", sum(|outcome| outcome.dropped[0]).into()),
        ("dropped_at_listeners", sum(|outcome| outcome.dropped[1]).into()),
    ]
}

fn measure(cpus: Cpus, kind: Flood) -> Outcome {
    let flags = format!("--notices-up-to 0 --timeout 1h {}", kind.limits);
    let hub = Server::hub(&[cpus.hub], &flags);
    let mut listeners: Vec<Socket> = (0..LISTENERS).map(|n| member(hub.address, n + 2)).collect();
    let mut speaker = member(hub.address, 0);
    let mut flooder = member(hub.address, 1);
    settle(&mut listeners);

    let over = AtomicBool::new(false);
    let mut times = Vec::with_capacity(LINES * LISTENERS);
    let mut flood = (0, Duration::ZERO);
    let mut late = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(HEAD_START);
            speak(&mut speaker, hub.address);
            over.store(true, Ordering::Release);
        });
        let flooding = scope.spawn(|| match kind.size {
            0 => (0, Duration::from_secs(1)),
            _ => pour(kind, &mut flooder, hub.address, &over),
        });
        let sleeping = scope.spawn(|| lateness(cpus.hub, &over));
        let mut quiet_since = Instant::now();
        while !over.load(Ordering::Acquire) || quiet_since.elapsed() < Duration::from_millis(300) {
            let before = times.len();
            listeners.iter_mut().for_each(|socket| listen(socket, &mut times));
            if times.len() > before {
                quiet_since = Instant::now();
            }
            // Kernel timestamps do not care how late a listener looks.
            std::thread::sleep(LISTEN_EVERY);
        }
        flood = flooding.join().expect("the flooder does not panic");
        late = sleeping.join().expect("the sleeper does not panic");
    });
    times.sort_unstable();
    late.sort_unstable();
    let micros = |sorted: &[Duration], share| percentile(sorted, share).as_secs_f64() * 1e6;
    let at_listeners = listeners.iter_mut().map(Socket::kernel_drops).sum();
    Outcome {
        median_us: micros(&times, 0.5),
        p99_us: micros(&times, 0.99),
        machine_us: micros(&late, 0.99),
        delivered: times.len(),
        dropped: [hub.process.kernel_drops(), at_listeners],
        flood: flood.0,
        flood_a_second: flood.0 as f64 / flood.1.as_secs_f64(),
    }
}

/// How late a thread on a CPU wakes up that sleeps as long as the speaker does.
fn lateness(cpu: usize, over: &AtomicBool) -> Vec<Duration> {
    pin(&[cpu]);
    let (start, mut late) = (Instant::now(), Vec::new());
    for n in 1.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let due = LINE_EVERY * n;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        late.push(start.elapsed().saturating_sub(due));
    }
    late
}

/// A member at an address of its own. Small buffers, since nothing large comes.
fn member(hub: SocketAddr, n: usize) -> Socket {
    let options =
        SocketOptions { path: IoPath::NoOffload, receive_size: 2_048, ..SocketOptions::default() };
    let local = SocketAddr::new(loopback_ip(n), 0);
    let mut socket = Socket::connect(hub, Some(local), &options).expect("a socket");
    send(&mut socket, hub, b"^hb^");
    socket
}

fn send(socket: &mut Socket, hub: SocketAddr, payload: &[u8]) {
    let transmit = Transmit { to: hub, from: None, range: 0..payload.len(), segment: None };
    socket.send(payload, &[transmit], Duration::from_secs(1));
}

/// Waits until the last listener is a member.
fn settle(listeners: &mut [Socket]) {
    let padded = format!("{:64}", "^hb^");
    for socket in listeners {
        let hub = socket.peer_addr().unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        send(socket, hub, padded.as_bytes());
        let asked = Instant::now();
        let mut answered = false;
        while !answered && asked.elapsed() < Duration::from_secs(5) {
            let receipt =
                socket.receive(&mut |datagram| answered |= datagram.payload.starts_with(b"^hb^ "));
            receipt.expect("the socket works");
        }
        assert!(answered, "the hub answers");
    }
}

fn speak(speaker: &mut Socket, hub: SocketAddr) {
    let start = Instant::now();
    for n in 0..LINES as u32 {
        std::thread::sleep((LINE_EVERY * n).saturating_sub(start.elapsed()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        send(speaker, hub, format!("said at {}", now.as_nanos()).as_bytes());
        while matches!(speaker.receive(&mut |_| {}), Ok(Receipt::Datagrams(_))) {}
    }
}

/// Sends far more than the limits allow until it is over. Returns how many, and in what time.
fn pour(kind: Flood, flooder: &mut Socket, hub: SocketAddr, over: &AtomicBool) -> (u64, Duration) {
    let text = b"me ".repeat(kind.size / 3);
    let one = Transmit { to: hub, from: None, range: 0..text.len(), segment: None };
    let batch = vec![one; kind.batch as usize];
    let (start, mut due, mut sent) = (Instant::now(), 0, 0);
    while !over.load(Ordering::Acquire) {
        let early = (Duration::from_secs(1) * due / kind.a_second).saturating_sub(start.elapsed());
        std::thread::sleep(early);
        sent += flooder.send(&text, &batch, Duration::from_secs(1)).sent;
        due += kind.batch;
    }
    (sent, start.elapsed())
}

fn listen(listener: &mut Socket, times: &mut Vec<Duration>) {
    let mut note = |datagram: pigeon_datagram::Received<'_>| {
        let text = String::from_utf8_lossy(datagram.payload);
        let said = text.split("said at ").nth(1).and_then(|rest| rest.trim().parse().ok());
        if let (Some(said), Some(heard)) = (said.map(Duration::from_nanos), datagram.wall) {
            times.push(heard.saturating_sub(said));
        }
    };
    while matches!(listener.receive(&mut note), Ok(Receipt::Datagrams(_))) {}
}
