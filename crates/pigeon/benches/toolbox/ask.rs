//! A request and its reply over a socket that is open: `pigeon_client::Ask` in a driver that is
//! used again, beside a bare send and recv, and beside Python's. All three ask the same
//! `pigeon serve echo`, in turn.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pigeon_client::{Ask, RetryPolicy};
use pigeon_net::{Driver, Socket, SocketOptions};
use serde_json::json;

use crate::cpu::Cpus;
use crate::server::Server;
use crate::spread::Spread;
use crate::{Report, Wanted};

const ROUNDS: usize = 15;

/// Requests of one turn.
const REQUESTS: usize = 3_000;

const REQUEST: &[u8] = b"how long does it take?";

pub(crate) fn run(cpus: Cpus) -> Report {
    let mut report = Report::new("ask", "a round trip to `serve echo`, in microseconds");
    cpus.stay_with_load();
    let server = Server::pigeon_echo(cpus);
    let mut askers: Vec<(&str, Asker)> = vec![
        ("pigeon_client::Ask", Asker::library(server.address)),
        ("bare send and recv", Asker::bare(server.address)),
    ];
    match Asker::python(server.address) {
        Some(python) => askers.push(("python", python)),
        None => report.skipped("python"),
    }
    let mut rounds: Vec<Vec<[f64; 2]>> = Vec::new();
    for round in 0..=ROUNDS {
        let mut figures = vec![[0.0; 2]; askers.len()];
        for turn in 0..askers.len() {
            // Each begins a round in its turn.
            let which = (turn + round) % askers.len();
            figures[which] = percentiles(askers[which].1.turn());
        }
        if round > 0 {
            rounds.push(figures);
        }
    }
    println!("  {:<24} {:>9} {:>9}", "median of the rounds", "median", "99 %");
    for (which, (name, _)) in askers.iter().enumerate() {
        let middle = |n: usize| Spread::of(rounds.iter().map(|round| round[which][n])).median;
        let [median, p99] = [middle(0), middle(1)];
        println!("  {name:<24} {median:>9.2} {p99:>9.2}");
        let asked = ROUNDS * REQUESTS;
        report.figure(name, json!({ "median_us": median, "p99_us": p99, "requests": asked }));
    }
    for (other, wanted) in [(1, Wanted::AtMost(1.1)), (2, Wanted::Nothing)] {
        if let Some((name, _)) = askers.get(other) {
            let ratio = |n: usize| Spread::of(rounds.iter().map(|r| r[0][n] / r[other][n]));
            report.ratio(&format!("ask / {name}, median"), ratio(0), wanted);
            report.ratio(&format!("ask / {name}, 99 %"), ratio(1), Wanted::Nothing);
        }
    }
    report
}

/// The median and the 99th percentile, in microseconds.
fn percentiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|share| times[(times.len() as f64 * share) as usize])
}

enum Asker {
    Library(Box<Driver<Ask>>),
    Bare(UdpSocket),
    Python(Child, BufReader<std::process::ChildStdout>),
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

    /// `asker.py`, which works when it is sent a line. `None` where there is no Python.
    fn python(server: SocketAddr) -> Option<Asker> {
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/toolbox/asker.py"))
            .args([server.ip().to_string(), server.port().to_string(), REQUESTS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let stdout = BufReader::new(child.stdout.take()?);
        Some(Asker::Python(child, stdout))
    }

    /// Asks many times, and returns how long each took, in microseconds.
    fn turn(&mut self) -> Vec<f64> {
        let micros = |since: Instant| since.elapsed().as_secs_f64() * 1e6;
        match self {
            Asker::Library(driver) => (0..REQUESTS)
                .map(|_| {
                    let since = Instant::now();
                    let to = driver.socket().peer_addr().expect("it is connected");
                    let ask = Ask::new(driver.clock().now(), to, REQUEST, RetryPolicy::default());
                    let outcome = driver.next_event(ask).expect("the socket works");
                    assert_eq!(outcome.result.as_deref(), Ok(REQUEST));
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
            Asker::Python(child, stdout) => {
                let mut stdin = child.stdin.as_ref().expect("stdin is piped");
                writeln!(stdin, "go").expect("it reads");
                let mut line = String::new();
                stdout.read_line(&mut line).expect("it answers");
                line.split_whitespace().map(|word| word.parse().expect("a number")).collect()
            }
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Asker::Python(child, _) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
