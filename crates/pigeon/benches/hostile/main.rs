//! The delays and losses of the others in a room of 256 while one address sends at its limit: the
//! ten most expensive datagrams that a search finds, and floods of ordinary ones.
//!
//! ```text
//! cargo bench -p pigeon --bench hostile
//! cargo bench -p pigeon --bench hostile -- 64   # only attacks with this in their names
//! ```
//!
//! The attacker is in an open network, at its own address, and sends at the full default rate of
//! 5,000 messages and 8 MiB per second, from one socket, and from each of ten. Another member sends
//! 100 lines per second; 24 of the readers are measured. The most expensive datagrams are sent in a
//! room with eight encodings.
//!
//! A delivery is timed from just before sending to the moment the kernel queues a copy for a reader
//! (SO_TIMESTAMPNS). Each round measures the room without the attacker, then with one socket, then
//! with ten. `times quiet` is the median of the rounds' quotients.
//!
//! Everything runs in a private network namespace with the addresses 10.77.0.0/16 on loopback. That
//! needs root, or user namespaces, and `ip`. Linux only. About six minutes.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

mod search;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sched::{CloneFlags, unshare};
use pigeon_datagram::{SocketId, Transmit};
use pigeon_net::{BufferSize, IoPath, Receipt, Socket, SocketOptions};
use pigeon_perf::cpu::{Cpus, prefer};
use pigeon_perf::parts;
use pigeon_perf::process::{pigeon, program, run};
use pigeon_perf::report::{self, Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::{Spread, percentile};

/// Including the speaker and a member for each encoding.
const READERS: usize = 256;
const MEASURED: usize = 24;
/// Besides UTF-8; used by the first readers after the measured ones.
const ENCODINGS: [&str; 7] = ["gb18030", "gbk", "big5", "shift_jis", "euc-kr", "latin1", "koi8-r"];

const LINES: usize = 200;
const LINE_EVERY: Duration = Duration::from_millis(10);
/// The start of the speaker's lines, followed by the time of sending.
const LINE: &str = "said at ";
/// How long an attack runs before the measurement: uses up the burst.
const HEAD_START: Duration = Duration::from_secs(1);

/// The interval of an attacker's batches.
const MOST_AT_ONCE: Duration = Duration::from_millis(4);

const ROUNDS: usize = 3;
const COSTLIEST: usize = 10;

/// The default rate of a member in an open network.
const MESSAGES: u64 = 5_000;
const BYTES: u64 = 8 << 20;

/// The target: the largest ratio to the delays without an attack.
const TIMES: f64 = 3.0;

struct Attack {
    name: String,
    encoding: &'static str,
    payload: Vec<u8>,
}

fn main() {
    pigeon_perf::begin!();
    let words = parts::words();
    enter_namespace();
    let cpus = Cpus::choose("the hub");
    let mut report = Report::new("hostile");

    report.section(&format!("the costliest datagrams, in memory, {READERS} readers"));
    let found = search::costliest(COSTLIEST, READERS);
    let rows = found.iter().map(|costly| {
        let micros = costly.cost.as_secs_f64() * 1e6;
        let a_byte = 1e3 * micros / costly.payload.len() as f64;
        let row: Row = vec![("us", micros.into()), ("ns_a_byte", a_byte.into())];
        (costly.name.clone(), row)
    });
    report.table(rows.collect());

    let costly: Vec<Attack> = found
        .iter()
        .map(|costly| Attack {
            name: costly.name.clone(),
            encoding: costly.sender,
            payload: costly.payload.clone(),
        })
        .collect();
    let ordinary: Vec<Attack> = [64, 1_000, 8_000]
        .map(|size| Attack {
            name: format!("{size} bytes of ASCII"),
            encoding: "utf-8",
            payload: b"word ".repeat(size / 5),
        })
        .into();
    for (title, encodings, attacks) in
        [("ordinary datagrams", &ENCODINGS[..0], ordinary), ("the costliest", &ENCODINGS, costly)]
    {
        report.section(&format!("{title}, {} lines a second, {ROUNDS} rounds", 100));
        let mut room = Room::open(cpus, encodings);
        if !room.preferred {
            report.remark("no real-time priority to be had: what else runs on the CPU counts");
        }
        let is_chosen = |attack: &&Attack| words.iter().all(|word| attack.name.contains(word));
        for attack in attacks.iter().filter(is_chosen) {
            measure(&mut report, &mut room, attack);
        }
    }
    report::end([report]);
}

fn measure(report: &mut Report, room: &mut Room, attack: &Attack) {
    let rounds: Vec<[Outcome; 3]> = (0..ROUNDS)
        .map(|_| [None, Some((attack, 1)), Some((attack, 10))].map(|attack| room.measure(attack)))
        .collect();
    for (sockets, which) in [(1, 1), (10, 2)] {
        let rounds: Vec<[Outcome; 2]> = rounds.iter().map(|all| [all[0], all[which]]).collect();
        judge(report, &format!("{}, {sockets} of them", attack.name), &rounds);
    }
}

fn judge(report: &mut Report, name: &str, rounds: &[[Outcome; 2]]) {
    let spread = |of: &dyn Fn(&[Outcome; 2]) -> f64| Spread::of(rounds.iter().map(of));
    let due = ROUNDS * LINES * MEASURED;
    let delivered: usize = rounds.iter().map(|[_, outcome]| outcome.delivered).sum();
    let dropped: u64 = rounds.iter().map(|[_, outcome]| outcome.dropped_at_readers).sum();
    let row: Row = vec![
        ("quiet_median_us", spread(&|[quiet, _]| quiet.median_us).into()),
        ("median_us", spread(&|[_, outcome]| outcome.median_us).into()),
        ("quiet_p99_us", spread(&|[quiet, _]| quiet.p99_us).into()),
        ("p99_us", spread(&|[_, outcome]| outcome.p99_us).into()),
        ("sent_a_second", spread(&|[_, outcome]| outcome.sent_a_second).into()),
        ("due", due.into()),
        ("delivered", delivered.into()),
        ("dropped_at_readers", dropped.into()),
    ];
    report.table(vec![(name.to_owned(), row)]);
    let median = spread(&|[quiet, outcome]| outcome.median_us / quiet.median_us);
    let p99 = spread(&|[quiet, outcome]| outcome.p99_us / quiet.p99_us);
    report.judge(&format!("{name}, median, times quiet"), median, Wanted::AtMost(TIMES));
    report.judge(&format!("{name}, 99 %, times quiet"), p99, Wanted::AtMost(TIMES));
    let lost = (due - delivered.min(due)) as f64;
    // The kernel may have dropped the attacker's copies or the speaker's.
    let reason = (dropped > 0).then(|| format!("{dropped} dropped before readers"));
    report.judge_unless(&format!("{name}, lost"), lost, Wanted::AtMost(0.0), reason);
}

/// Moves this process and its children to a network namespace with only loopback.
fn enter_namespace() {
    let net = CloneFlags::CLONE_NEWNET;
    unshare(net)
        .or_else(|_| unshare(net | CloneFlags::CLONE_NEWUSER))
        .expect("root or user namespaces");
    for words in ["link set lo up", "addr add 10.77.0.1/16 dev lo"] {
        run(program("ip", words));
    }
}

/// The result of one round. The kernel's drops at readers are not the hub's.
#[derive(Clone, Copy)]
struct Outcome {
    median_us: f64,
    p99_us: f64,
    delivered: usize,
    /// Copies of lines and of the attacker's messages.
    dropped_at_readers: u64,
    sent_a_second: f64,
}

/// A hub with a room full of readers.
struct Room {
    hub: Server,
    preferred: bool,
    measured: Vec<Socket>,
    speaker: Socket,
    _others: Vec<Socket>,
    attackers: u8,
    dropped: u64,
}

impl Room {
    fn open(cpus: Cpus, encodings: &[&str]) -> Room {
        let flags = "hub --listen 10.77.0.1:0 --console off --notices-up-to 0 --timeout 1h";
        let hub = Server::announced(&[cpus.hub], pigeon(flags), "listening on ");
        let (preferred, address) = (prefer(hub.process.pid()), hub.address);
        let reader = |n: usize| {
            let ip = Ipv4Addr::new(10, 77, 1, 1 + n as u8);
            let mut socket = member(address, ip, n < MEASURED);
            if let Some(label) = n.checked_sub(MEASURED).and_then(|n| encodings.get(n)) {
                send(&mut socket, address, format!("/encoding {label}").as_bytes(), 1);
            }
            socket
        };
        let mut measured: Vec<Socket> = (0..READERS - 2).map(reader).collect();
        let others = measured.split_off(MEASURED);
        let speaker = member(address, Ipv4Addr::new(10, 77, 2, 1), false);
        std::thread::sleep(Duration::from_millis(300));
        Room { hub, preferred, measured, speaker, _others: others, attackers: 0, dropped: 0 }
    }

    fn measure(&mut self, attack: Option<(&Attack, u16)>) -> Outcome {
        // A fresh address without debts.
        self.attackers += 1;
        let from = Ipv4Addr::new(10, 77, 3, self.attackers);
        let hub = self.hub.address;
        let Room { measured, speaker, .. } = self;
        let (mut times, over) = (Vec::with_capacity(LINES * MEASURED), AtomicBool::new(false));
        let mut sent_a_second = 0.0;
        std::thread::scope(|scope| {
            let attacking = attack.map(|(attack, sockets)| {
                let over = &over;
                scope.spawn(move || pour(hub, from, attack, sockets, over))
            });
            scope.spawn(|| {
                std::thread::sleep(if attack.is_some() { HEAD_START } else { Duration::ZERO });
                speak(speaker, hub);
                over.store(true, Ordering::Release);
            });
            let mut heard = Instant::now();
            while !over.load(Ordering::Acquire) || heard.elapsed() < Duration::from_millis(200) {
                let before = times.len();
                measured.iter_mut().for_each(|socket| listen(socket, &mut times));
                if times.len() > before {
                    heard = Instant::now();
                }
                // Kernel time stamps do not depend on when a listener reads.
                std::thread::sleep(Duration::from_millis(2));
            }
            if let Some(attacking) = attacking {
                sent_a_second = attacking.join().expect("the attacker does not panic");
            }
        });
        times.sort_unstable();
        // The hub's backlog must not count for the next round.
        std::thread::sleep(Duration::from_millis(100));
        let micros = |share| percentile(&times, share).as_secs_f64() * 1e6;
        let (median_us, p99_us) = (micros(0.5), micros(0.99));
        let drops = self.measured.iter_mut().map(Socket::kernel_drops).sum::<u64>();
        let before = std::mem::replace(&mut self.dropped, drops);
        let dropped_at_readers = drops - before;
        Outcome { median_us, p99_us, delivered: times.len(), dropped_at_readers, sent_a_second }
    }
}

fn member(hub: SocketAddr, ip: Ipv4Addr, is_measured: bool) -> Socket {
    // Nobody reads the others' copies: in a large buffer every copy would use fresh pages, and the
    // first touch of a page costs a virtual machine ten times the copy.
    let receive_buffer = if is_measured { BufferSize::default() } else { BufferSize::Bytes(1) };
    let options = SocketOptions {
        receive_buffer,
        path: IoPath::NoOffload,
        receive_size: 2_048,
        timestamps: is_measured,
        ..SocketOptions::default()
    };
    let local = SocketAddr::from((ip, 0));
    let mut socket = Socket::connect(hub, Some(local), &options).expect("a socket");
    send(&mut socket, hub, b"^hb^", 1);
    socket
}

fn send(socket: &mut Socket, hub: SocketAddr, payload: &[u8], times: usize) -> u64 {
    let range = 0..payload.len();
    let transmit = Transmit { socket: SocketId::FIRST, to: hub, from: None, range, segment: None };
    socket.send(payload, &vec![transmit; times], Duration::from_secs(1)).sent
}

fn speak(speaker: &mut Socket, hub: SocketAddr) {
    let start = Instant::now();
    for n in 0..LINES as u32 {
        std::thread::sleep((LINE_EVERY * n).saturating_sub(start.elapsed()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        send(speaker, hub, format!("{LINE}{}", now.as_nanos()).as_bytes(), 1);
        while matches!(speaker.receive(&mut |_| {}), Ok(Receipt::Datagrams(_))) {}
    }
}

/// Sends at the full rate of each socket until `over`. Returns the datagrams per second.
fn pour(hub: SocketAddr, from: Ipv4Addr, attack: &Attack, sockets: u16, over: &AtomicBool) -> f64 {
    let mut members: Vec<Socket> = (0..sockets).map(|_| member(hub, from, false)).collect();
    for socket in &mut members {
        send(socket, hub, format!("/encoding {}", attack.encoding).as_bytes(), 1);
    }
    let a_second = MESSAGES.min(BYTES / attack.payload.len() as u64);
    let (start, mut sent, mut due) = (Instant::now(), 0, 0);
    while !over.load(Ordering::Acquire) {
        let now = (start.elapsed().as_secs_f64() * a_second as f64) as u64;
        // Datagrams missed while another program had the CPU are dropped: sent at once, they would
        // distort the measurement.
        let count = (now - due).min(MOST_AT_ONCE.as_millis() as u64 * a_second / 1_000);
        for socket in &mut members {
            sent += send(socket, hub, &attack.payload, count as usize);
        }
        due = now;
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent_a_second = sent as f64 / start.elapsed().as_secs_f64();
    for socket in &mut members {
        send(socket, hub, b"quit", 1);
    }
    sent_a_second
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
