//! A request and its reply over an open socket: compares `pigeon_client::Ask` in a reused driver
//! with a bare send and recv, and with Python. All use the same `pigeon serve echo`, in turns.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pigeon_client::{Ask, Asked, RetryPolicy};
use pigeon_datagram::SocketId;
use pigeon_net::{Driver, Socket, SocketOptions};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::drops;
use pigeon_perf::process::{Process, find, python};
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::{Spread, percentile};

const ROUNDS: usize = 15;

/// Requests per turn.
const REQUESTS: usize = 3_000;

const REQUEST: &[u8] = b"how long does it take?";

pub(crate) fn run(cpus: Cpus) -> Report {
    let mut report = Report::new("toolbox-ask");
    report.section("a request and its reply over an open socket, one by one, to `serve echo`");
    let server = Server::echo(&[cpus.hub]);
    let mut askers: Vec<(&str, Asker)> = vec![
        ("pigeon_client::Ask", Asker::library(server.address)),
        ("bare send and recv", Asker::bare(server.address)),
    ];
    match Asker::python(cpus, server.address) {
        Some(python) => askers.push(("python", python)),
        None => report.skipped("python3"),
    }
    let mut turns: Vec<Vec<Turn>> = askers.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for turn in 0..askers.len() {
            // The first of a round alternates.
            let which = (turn + round) % askers.len();
            let asker = askers[which].1.pid();
            let dropped = || server.process.kernel_drops() + drops::of_process(asker);
            let before = dropped();
            let times = askers[which].1.turn();
            let turn = Turn::of(times, dropped() - before);
            if round > 0 {
                turns[which].push(turn);
            }
        }
    }
    let rows = askers.iter().zip(&turns).map(|((name, _), turns)| (name.to_string(), row(turns)));
    report.table(rows.collect());
    for (other, wanted) in [(1, Some(Wanted::AtMost(1.1))), (2, None)] {
        let Some((name, _)) = askers.get(other) else { continue };
        let rounds = |of: fn(&Turn) -> f64| {
            let pairs = turns[0].iter().zip(&turns[other]);
            Spread::of(pairs.map(|(ours, theirs)| of(ours) / of(theirs)))
        };
        let (medians, tails) = (rounds(|turn| turn.median), rounds(|turn| turn.p99));
        let words = format!("ask / {name}, median");
        match wanted {
            Some(wanted) => report.judge(&words, medians, wanted),
            None => report.ratio(&words, medians),
        }
        report.ratio(&format!("ask / {name}, 99 %"), tails);
    }
    report
}

/// The results of one turn, in microseconds.
struct Turn {
    median: f64,
    p99: f64,
    /// Replies; a missing one ends the measurement.
    replies: usize,
    /// Datagrams dropped by the kernel at the server and at the client.
    dropped: u64,
}

impl Turn {
    fn of(mut times: Vec<f64>, dropped: u64) -> Turn {
        times.sort_by(f64::total_cmp);
        let [median, p99] = [0.5, 0.99].map(|share| percentile(&times, share));
        Turn { median, p99, replies: times.len(), dropped }
    }
}

fn row(turns: &[Turn]) -> Row {
    let spread = |of: fn(&Turn) -> f64| Spread::of(turns.iter().map(of));
    vec![
        ("median_us", spread(|turn| turn.median).into()),
        ("p99_us", spread(|turn| turn.p99).into()),
        ("asked", (turns.len() * REQUESTS).into()),
        ("answered", turns.iter().map(|turn| turn.replies).sum::<usize>().into()),
        ("dropped_by_kernel", turns.iter().map(|turn| turn.dropped).sum::<u64>().into()),
    ]
}

enum Asker {
    Library(Box<Driver<Ask>>),
    Bare(UdpSocket),
    Python(Process),
}

impl Asker {
    fn library(server: SocketAddr) -> Asker {
        let socket = Socket::connect(server, None, &SocketOptions::default()).expect("a socket");
        let clock = pigeon_net::Clock::start();
        let ask = Ask::new(clock.now(), server, REQUEST, RetryPolicy::default());
        let driver = Driver::new(ask, socket).expect("a driver").with_clock(clock);
        Asker::Library(Box::new(driver))
    }

    fn bare(server: SocketAddr) -> Asker {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(server).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
        Asker::Bare(socket)
    }

    /// `asker.py`, which starts on a line of input. `None` without Python.
    fn python(cpus: Cpus, server: SocketAddr) -> Option<Asker> {
        find("python3")?;
        let mut command = python("toolbox/asker.py");
        command.args([server.ip().to_string(), server.port().to_string(), REQUESTS.to_string()]);
        Some(Asker::Python(Process::start(&[cpus.load], command)))
    }

    fn pid(&self) -> u32 {
        match self {
            Asker::Python(process) => process.pid(),
            Asker::Library(_) | Asker::Bare(_) => std::process::id(),
        }
    }

    /// Sends many requests, and returns the time of each in microseconds.
    fn turn(&mut self) -> Vec<f64> {
        let micros = |since: Instant| since.elapsed().as_secs_f64() * 1e6;
        match self {
            Asker::Library(driver) => (0..REQUESTS)
                .map(|_| {
                    let since = Instant::now();
                    let to = driver
                        .sockets()
                        .get(SocketId::FIRST)
                        .and_then(|socket| socket.peer_addr())
                        .expect("it is connected");
                    let ask = Ask::new(driver.clock().now(), to, REQUEST, RetryPolicy::default());
                    let event = driver.next_event(ask).expect("the socket works");
                    let expected = Ok((to, REQUEST.into()));
                    assert!(matches!(event, Asked::Over(over) if over.result == expected));
                    micros(since)
                })
                .collect(),
            Asker::Bare(socket) => (0..REQUESTS)
                .map(|_| {
                    let mut buffer = [0; 2_048];
                    let since = Instant::now();
                    socket.send(REQUEST).expect("loopback");
                    let length = socket.recv(&mut buffer).expect("a reply");
                    assert_eq!(&buffer[..length], REQUEST);
                    micros(since)
                })
                .collect(),
            Asker::Python(process) => {
                process.tell("go");
                let line = process.line();
                line.split_whitespace().map(|word| word.parse().expect("a number")).collect()
            }
        }
    }
}
