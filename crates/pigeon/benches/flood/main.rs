//! What one member that floods a hub costs the others: delivery times and losses of a room of
//! fifty, without the flood and with it, in turn.
//!
//! ```text
//! cargo bench -p pigeon --bench flood
//! ```
//!
//! One member says 200 lines a second, well within the rate (`--rate 300/s`); another sends 200,000
//! datagrams a second beyond it. The time of a delivery runs from just before the line is sent to
//! the moment the kernel puts a copy into a listener's queue (SO_TIMESTAMPNS), so that a listener
//! that is scheduled late does not count as a hub that is late.
//!
//! A hub that is scheduled late does count. How much of that is the machine's doing shows beside it:
//! a thread on the hub's CPU that only wants to wake up every few milliseconds, and how late it does
//! (`machine`). A figure below that is not to be had there. Linux only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

#[path = "../support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pigeon_datagram::Transmit;
use pigeon_net::{IoPath, Receipt, Socket, SocketOptions};
use support::{HubProcess, loopback_ip};

const LISTENERS: usize = 50;
const LINES: usize = 1_000;
const LINE_EVERY: Duration = Duration::from_millis(5);
const FLOOD_A_SECOND: u32 = 200_300;
/// Large batches and lazy listeners: on a machine of two CPUs whoever wakes up often pushes the
/// speaker aside between its look at the clock and its call, which would count as the hub's delay.
const FLOOD_BATCH: u32 = 256;
const LISTEN_EVERY: Duration = Duration::from_millis(10);

/// How long the flood has run before anybody else speaks: what its rate allows at once is spent.
const HEAD_START: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// The hub's CPU, and everyone else's: its members are on other machines in earnest. The first CPU
/// serves most of a machine's interrupts.
const HUB_CPU: usize = 1;
const LOAD_CPU: usize = 0;

fn main() {
    let pinned = support::pin(0, LOAD_CPU);
    let on = if pinned { "the hub on a CPU of its own" } else { "all on one CPU" };
    println!("{on}");
    println!("{LISTENERS} listeners, {LINES} lines at {} a second", 1_000 / LINE_EVERY.as_millis());
    let (mut quiet, mut under, mut machine) = (Vec::new(), Vec::new(), Vec::new());
    let mut most_lost = 0.0_f64;
    for round in 1..=ROUNDS {
        for flooded in [false, true] {
            let outcome = measure(flooded);
            let name = if flooded { "flooded" } else { "quiet" };
            println!(
                "round {round}, {name:7}  median {:4} us  99 % {:5} us  lost {:.3} % of {}  flood {} a second, {} dropped by the kernel  machine 99 % {} us",
                outcome.median.as_micros(),
                outcome.p99.as_micros(),
                outcome.lost * 100.0,
                LINES * LISTENERS,
                outcome.flood_a_second,
                outcome.kernel_drops,
                outcome.machine.as_micros(),
            );
            println!(
                r#"{{"bench":"flood","round":{round},"flooded":{flooded},"median_us":{},"p99_us":{},"lost":{},"flood_a_second":{},"machine_p99_us":{}}}"#,
                outcome.median.as_micros(),
                outcome.p99.as_micros(),
                outcome.lost,
                outcome.flood_a_second,
                outcome.machine.as_micros(),
            );
            machine.push(outcome.machine);
            if flooded {
                most_lost = most_lost.max(outcome.lost);
                under.push(outcome.p99);
            } else {
                quiet.push(outcome.p99);
            }
        }
    }
    let [quiet, under, machine] = [quiet, under, machine].map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).map_or(0, Duration::as_micros)
    });
    println!(
        "99 %, median of the rounds: {under} us flooded (under 1000 wanted), {quiet} us quiet, \
         {machine} us the machine's own; \
         at most {:.3} % lost (0.1 wanted)",
        most_lost * 100.0
    );
}

#[derive(Default)]
struct Outcome {
    median: Duration,
    p99: Duration,
    lost: f64,
    flood_a_second: u64,
    kernel_drops: u64,
    /// How late the machine wakes up who sleeps on the hub's CPU, at the 99th percentile.
    machine: Duration,
}

fn measure(flooded: bool) -> Outcome {
    let hub = HubProcess::start_on(
        HUB_CPU,
        &["--rate", "300/s", "--notices-up-to", "0", "--timeout", "1h"],
    );
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
        let flooding = scope.spawn(|| match flooded {
            true => pour(&mut flooder, hub.address, &over),
            false => (0, Duration::from_secs(1)),
        });
        let sleeping = scope.spawn(|| lateness(&over));
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
    let (at, late) = (percentile(times.clone()), percentile(late));
    Outcome {
        median: at(0.5),
        p99: at(0.99),
        machine: late(0.99),
        lost: 1.0 - times.len() as f64 / (LINES * LISTENERS) as f64,
        flood_a_second: (flood.0 as f64 / flood.1.as_secs_f64()) as u64,
        kernel_drops: listeners.iter_mut().map(Socket::kernel_drops).sum(),
    }
}

/// The value below which a share of the times lies.
fn percentile(mut times: Vec<Duration>) -> impl Fn(f64) -> Duration {
    times.sort_unstable();
    move |share| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default()
}

/// How late a thread on the hub's CPU wakes up that sleeps as long as the speaker does.
fn lateness(over: &AtomicBool) -> Vec<Duration> {
    support::pin(0, HUB_CPU);
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

/// Sends far more than the rate allows until it is over. Returns how many, and in what time.
fn pour(flooder: &mut Socket, hub: SocketAddr, over: &AtomicBool) -> (u64, Duration) {
    let text = b"me me me me me me me me me me me me me me me me me me me me me";
    let one = Transmit { to: hub, from: None, range: 0..text.len(), segment: None };
    let batch = vec![one; FLOOD_BATCH as usize];
    let (start, mut sent) = (Instant::now(), 0);
    while !over.load(Ordering::Acquire) {
        let due = Duration::from_secs(1) * sent / FLOOD_A_SECOND;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        flooder.send(text, &batch, Duration::from_secs(1));
        sent += FLOOD_BATCH;
    }
    (sent.into(), start.elapsed())
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
