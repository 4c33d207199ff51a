//! The effect of a flooding member on the others: delivery times and losses in a room of fifty,
//! without a flood and with two kinds, for the hub and a floor in turns.
//!
//! ```text
//! cargo bench -p pigeon --bench flood
//! ```
//!
//! One member sends 250 lines per second, within its rate. The flooder sends
//!
//! - **short** datagrams, 200,000 per second with a rate of 300: nearly all exceed the rate of
//!   messages; or
//! - **long** ones of 60,000 bytes, twice as many as 64 MiB per second allow (the default rate in
//!   an open network): half exceed the rate of bytes, and the others are refused as too long.
//!
//! A delivery is timed from just before sending to the moment the kernel queues a copy for a
//! listener (SO_TIMESTAMPNS), so a listener's own delay does not count.
//!
//! The hub's scheduling delay does count, so the machine's influence is reduced. The hub gets a
//! real-time priority if the system allows it (root), because a millisecond of another program on
//! its CPU would count as the hub's. Time taken by a virtual machine's host (`stolen`) cannot be
//! avoided. The hub's CPU is busy for less than half of a round, so half a per cent of the round is
//! a hundredth of its work. If more was stolen, the 99th percentile is the host's, and the round is
//! not judged.
//!
//! The floor (`floor.rs`) is a loop that discards the flood by its first bytes and relays the rest,
//! with as much of the flood as its rate allows, under the same load: `hub/floor` is the cost of
//! pigeon. Takes less than two minutes and needs no root. Linux only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

mod floor;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pigeon_datagram::{SocketId, Transmit};
use pigeon_net::{IoPath, Receipt, Socket, SocketOptions};
use pigeon_perf::cpu::{Cpus, Stolen, prefer};
use pigeon_perf::report::{self, Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::{Spread, percentile};
use pigeon_perf::{loopback_ip, parts};

const LISTENERS: usize = 50;
const LINES: usize = 600;
const LINE_EVERY: Duration = Duration::from_millis(4);
/// The start of the speaker's lines, followed by the time of sending.
const LINE: &str = "said at ";
/// On a machine with two CPUs, a thread that wakes up often preempts the speaker between reading
/// the clock and sending, which would count as the hub's delay. So listeners rarely wake up.
const LISTEN_EVERY: Duration = Duration::from_millis(10);

const ROUNDS: usize = 5;
/// The fewest usable rounds: more than half.
const JUDGED: usize = ROUNDS / 2 + 1;
/// The largest share of a usable round, in per cent, that the host may take from the hub's CPU.
const STOLEN_PERCENT: f64 = 0.5;

/// The target for the others: microseconds at the 99th percentile, and per cent lost.
const P99_US: f64 = 1_000.0;
const LOST_PERCENT: f64 = 0.1;

/// The flood of one member.
#[derive(Clone, Copy)]
struct Flood {
    name: &'static str,
    /// The hub's flags for limits.
    limits: &'static str,
    size: usize,
    a_second: u32,
    /// How much of the flood the limits allow per second. The room gets that.
    allowed: u32,
    /// How long the flood runs before the speaker starts: uses up the burst.
    head_start: Duration,
    /// Datagrams sent at once. Large batches wake the flooding process rarely, so that it disturbs
    /// the speaker less, but a batch must fit into a receive buffer.
    batch: u32,
}

const LIMITS: &str = "--rate 300/s";

const FLOODS: [Flood; 3] = [
    Flood {
        name: "quiet",
        limits: LIMITS,
        size: 0,
        a_second: 0,
        allowed: 0,
        head_start: Duration::from_millis(100),
        batch: 0,
    },
    Flood {
        name: "short flood",
        limits: LIMITS,
        size: 60,
        a_second: 200_300,
        allowed: 300,
        head_start: Duration::from_millis(100),
        batch: 256,
    },
    Flood {
        name: "long flood",
        limits: "--rate 50k/s --rate-bytes 64MiB/s",
        size: 60_000,
        a_second: 2 * (64 << 20) / 60_000,
        allowed: 0,
        head_start: Duration::from_secs(1),
        batch: 16,
    },
];

/// The program under test.
#[derive(Clone, Copy)]
enum Carrier {
    Hub,
    Floor,
}

const CARRIERS: [(Carrier, &str); 2] = [(Carrier::Hub, "hub"), (Carrier::Floor, "floor")];

fn main() {
    pigeon_perf::begin!();
    if let [word, one_in] = &parts::words()[..]
        && word == "floor"
    {
        floor::run(one_in.parse().expect("a number"));
    }
    parts::none();
    let cpus = Cpus::choose("the hub");
    let mut report = Report::new("flood");
    report.section(&format!(
        "{LISTENERS} listeners, {LINES} lines at {} a second, {ROUNDS} rounds",
        1_000 / LINE_EVERY.as_millis()
    ));
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(FLOODS.map(|flood| CARRIERS.map(|(carrier, _)| measure(cpus, flood, carrier))));
    }
    let of = |flood: usize, carrier: usize| -> Vec<&Outcome> {
        rounds.iter().map(|round| &round[flood][carrier]).collect()
    };
    let mut rows = Vec::new();
    for (flood, Flood { name, .. }) in FLOODS.iter().enumerate() {
        for (carrier, (_, whose)) in CARRIERS.iter().enumerate() {
            rows.push((format!("{name}, {whose}"), row(&of(flood, carrier))));
        }
    }
    report.table(rows);
    if rounds.iter().flatten().flatten().any(|outcome| !outcome.preferred) {
        report.remark("no real-time priority to be had: what else runs on the CPU counts");
    }
    for (flood, Flood { name, .. }) in FLOODS.iter().enumerate() {
        judge(&mut report, name, &of(flood, 0), &of(flood, 1));
    }
    report::end([report]);
}

fn judge(report: &mut Report, name: &str, hub: &[&Outcome], floor: &[&Outcome]) {
    let undisturbed = || hub.iter().filter(|outcome| outcome.stolen_percent <= STOLEN_PERCENT);
    let count = undisturbed().count();
    let (p99, rounds, reason) = if count >= JUDGED {
        (Spread::of(undisturbed().map(|outcome| outcome.p99_us)), "undisturbed", None)
    } else {
        let reason = format!("{count} of {ROUNDS} rounds undisturbed");
        (Spread::of(hub.iter().map(|outcome| outcome.p99_us)), "all", Some(reason))
    };
    let p99_name = format!("{name}, 99 % in µs, {rounds} rounds");
    report.judge_unless(&p99_name, p99, Wanted::AtMost(P99_US), reason);
    let lost = Spread::of(hub.iter().map(|outcome| outcome.lost_percent())).max;
    let lost_name = format!("{name}, per cent lost in the worst round");
    report.judge(&lost_name, lost, Wanted::AtMost(LOST_PERCENT));
    let mut ratio = |what: &str, of: fn(&Outcome) -> f64| {
        let ratios = hub.iter().zip(floor).map(|(hub, floor)| of(hub) / of(floor));
        report.ratio(&format!("{name}, {what}, hub/floor"), Spread::of(ratios));
    };
    ratio("median", |outcome| outcome.median_us);
    ratio("99 %", |outcome| outcome.p99_us);
}

/// The result of one round of one kind.
struct Outcome {
    /// Whether the hub had a real-time priority.
    preferred: bool,
    median_us: f64,
    p99_us: f64,
    /// The share of time in which the hub's CPU had work and the host did not run it.
    stolen_percent: f64,
    delivered: usize,
    /// Datagrams dropped by the kernel: at the hub, mostly the flood's, and at the listeners.
    dropped: [u64; 2],
    flood: u64,
    flood_a_second: f64,
}

impl Outcome {
    fn lost_percent(&self) -> f64 {
        100.0 * (1.0 - self.delivered as f64 / (LINES * LISTENERS) as f64)
    }
}

fn row(outcomes: &[&Outcome]) -> Row {
    let spread = |of: fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(|outcome| of(outcome)));
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(|outcome| of(outcome)).sum::<u64>();
    vec![
        ("median_us", spread(|outcome| outcome.median_us).into()),
        ("p99_us", spread(|outcome| outcome.p99_us).into()),
        ("stolen_percent", spread(|outcome| outcome.stolen_percent).into()),
        ("sent", (outcomes.len() * LINES).into()),
        ("due", (outcomes.len() * LINES * LISTENERS).into()),
        ("delivered", sum(|outcome| outcome.delivered as u64).into()),
        ("flood_sent", sum(|outcome| outcome.flood).into()),
        ("flood_a_second", spread(|outcome| outcome.flood_a_second).median.into()),
        ("dropped_at_hub", sum(|outcome| outcome.dropped[0]).into()),
        ("dropped_at_listeners", sum(|outcome| outcome.dropped[1]).into()),
    ]
}

fn measure(cpus: Cpus, kind: Flood, carrier: Carrier) -> Outcome {
    let flags = format!("--notices-up-to 0 --timeout 1h {}", kind.limits);
    let hub = match carrier {
        Carrier::Hub => Server::hub(&[cpus.hub], &flags),
        Carrier::Floor => {
            let one_in = kind.a_second.checked_div(kind.allowed).unwrap_or(0);
            Server::floor(&[cpus.hub], &format!("floor {one_in}"))
        }
    };
    let preferred = prefer(hub.process.pid());
    let mut listeners: Vec<Socket> = (0..LISTENERS).map(|n| member(hub.address, n + 2)).collect();
    let mut speaker = member(hub.address, 0);
    let mut flooder = member(hub.address, 1);
    settle(&mut listeners);

    let over = AtomicBool::new(false);
    let mut times = Vec::with_capacity(LINES * LISTENERS);
    let mut flood = (0, Duration::ZERO);
    let stolen = Stolen::start(cpus.hub);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(kind.head_start);
            speak(&mut speaker, hub.address);
            over.store(true, Ordering::Release);
        });
        let flooding = scope.spawn(|| match kind.size {
            0 => (0, Duration::from_secs(1)),
            _ => pour(kind, &mut flooder, hub.address, &over),
        });
        let mut quiet_since = Instant::now();
        while !over.load(Ordering::Acquire) || quiet_since.elapsed() < Duration::from_millis(300) {
            let before = times.len();
            listeners.iter_mut().for_each(|socket| listen(socket, &mut times));
            if times.len() > before {
                quiet_since = Instant::now();
            }
            // Kernel time stamps do not depend on when a listener reads.
            std::thread::sleep(LISTEN_EVERY);
        }
        flood = flooding.join().expect("the flooder does not panic");
    });
    let stolen_percent = 100.0 * stolen.share();
    times.sort_unstable();
    let micros = |share| percentile(&times, share).as_secs_f64() * 1e6;
    let at_listeners = listeners.iter_mut().map(Socket::kernel_drops).sum();
    Outcome {
        preferred,
        median_us: micros(0.5),
        p99_us: micros(0.99),
        stolen_percent,
        delivered: times.len(),
        dropped: [hub.process.kernel_drops(), at_listeners],
        flood: flood.0,
        flood_a_second: flood.0 as f64 / flood.1.as_secs_f64(),
    }
}

/// A member at its own address, with small buffers, because no large datagrams arrive.
fn member(hub: SocketAddr, n: usize) -> Socket {
    let options =
        SocketOptions { path: IoPath::NoOffload, receive_size: 2_048, ..SocketOptions::default() };
    let local = SocketAddr::new(loopback_ip(n), 0);
    let mut socket = Socket::connect(hub, Some(local), &options).expect("a socket");
    send(&mut socket, hub, b"^hb^");
    socket
}

fn send(socket: &mut Socket, hub: SocketAddr, payload: &[u8]) {
    let transmit = Transmit {
        socket: SocketId::FIRST,
        to: hub,
        from: None,
        range: 0..payload.len(),
        segment: None,
    };
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
        send(speaker, hub, format!("{LINE}{}", now.as_nanos()).as_bytes());
        while matches!(speaker.receive(&mut |_| {}), Ok(Receipt::Datagrams(_))) {}
    }
}

/// Sends far more than the limits allow until `over`. Returns how many, and in what time.
fn pour(kind: Flood, flooder: &mut Socket, hub: SocketAddr, over: &AtomicBool) -> (u64, Duration) {
    let text = b"me ".repeat(kind.size / 3);
    let one = Transmit {
        socket: SocketId::FIRST,
        to: hub,
        from: None,
        range: 0..text.len(),
        segment: None,
    };
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
        let said = text.split(LINE).nth(1).and_then(|rest| rest.trim().parse().ok());
        if let (Some(said), Some(heard)) = (said.map(Duration::from_nanos), datagram.wall) {
            times.push(heard.saturating_sub(said));
        }
    };
    while matches!(listener.receive(&mut note), Ok(Receipt::Datagrams(_))) {}
}
