//! From a key to the screen: how long a typed letter takes to appear, on a real terminal, while
//! nothing else comes and while 10,000 messages a second do.
//!
//! ```text
//! cargo bench -p pigeon --bench screen
//! ```
//!
//! `pigeon join` runs on a pseudo-terminal of 80×24. The time of a key runs from just before its
//! byte is written to the moment at which a terminal emulator, fed with all that came back, shows
//! it. The hub, the member that talks, the emulator and the screen share the machine. Linux only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use support::HubProcess;

const KEYS: usize = 500;
const MESSAGES_A_SECOND: u32 = 10_000;
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// How long a key may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    println!("{KEYS} keys, {COLUMNS}x{ROWS}");
    for flooded in [false, true] {
        let Outcome { times, sent, resident, status } = measure(flooded);
        let at = |share: usize| times[(times.len() * share / 1_000).min(times.len() - 1)];
        let [median, p99, max] = [at(500), at(990), at(1_000)].map(|t| t.as_secs_f64() * 1_000.0);
        let name = if flooded { "flooded" } else { "quiet" };
        println!(
            "{name:7}  median {median:5.1} ms  99 % {p99:5.1} ms  most {max:5.1} ms (under 50 wanted)  \
             {sent} messages a second, {resident} MiB resident"
        );
        println!("         status line: {status}");
        println!(
            r#"{{"bench":"screen","flooded":{flooded},"median_ms":{median:.2},"p99_ms":{p99:.2},"max_ms":{max:.2},"messages_a_second":{sent},"resident_mib":{resident}}}"#
        );
    }
}

struct Outcome {
    /// In order of length.
    times: Vec<Duration>,
    /// Messages a second.
    sent: u64,
    resident: u64,
    status: String,
}

fn measure(flooded: bool) -> Outcome {
    let hub = HubProcess::start(&["--notices-up-to", "0"]);
    let screen = Screen::start(&["join", &hub.address.to_string(), "--nick", "typist"]);
    screen.wait("to have joined", |rows| rows.contains("you are typist"));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let mut outcome = std::thread::scope(|scope| {
        if flooded {
            scope.spawn(|| talk(hub.address, &over, &sent));
            screen.wait("the first messages", |rows| rows.contains(": message "));
        }
        let mut times = type_keys(&screen);
        times.sort_unstable();
        over.store(true, Ordering::Release);
        let resident = resident_mib(screen.child.id());
        Outcome { times, sent: 0, resident, status: screen.row(ROWS - 2) }
    });
    let seconds = start.elapsed().as_secs_f64();
    outcome.sent = (sent.load(Ordering::Acquire) as f64 / seconds) as u64;
    outcome
}

/// Presses keys and times them; every forty the line is cleared.
fn type_keys(screen: &Screen) -> Vec<Duration> {
    let mut times = Vec::with_capacity(KEYS);
    let mut line = String::from("> ");
    for n in 0..KEYS {
        if n % 40 == 0 {
            screen.press("\x15");
            line.truncate(2);
            screen.wait("an empty line", |rows| input_of(rows) == ">");
        }
        let letter = char::from(b'a' + (n % 26) as u8);
        line.push(letter);
        // Out of step with frames and messages: 20 to 50 ms, by a fixed rule.
        std::thread::sleep(Duration::from_micros(20_000 + (n as u64 * 7_919) % 30_000));
        let pressed = Instant::now();
        screen.press(letter.encode_utf8(&mut [0; 4]));
        screen.wait(&line, |rows| input_of(rows) == line);
        times.push(pressed.elapsed());
    }
    times
}

/// The row in which typing happens.
fn input_of(rows: &str) -> &str {
    rows.lines().last().unwrap_or_default().trim_end()
}

/// Says so many messages a second, evenly, until it is over.
fn talk(hub: std::net::SocketAddr, over: &AtomicBool, sent: &AtomicU64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(hub).expect("an address");
    socket.set_nonblocking(true).expect("a socket");
    let mut buffer = [0; 2_048];
    let start = Instant::now();
    for n in 0.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        let due = Duration::from_secs(1) * n / MESSAGES_A_SECOND;
        // Sleeps are rough: whoever is late says several at once.
        if let Some(early) = due.checked_sub(start.elapsed()).filter(|e| e.as_micros() > 500) {
            std::thread::sleep(early);
            while socket.recv(&mut buffer).is_ok() {}
        }
        let text = format!("message {n}: 一二三四五 six seven eight nine ten");
        if socket.send(text.as_bytes()).is_ok() {
            sent.fetch_add(1, Ordering::Release);
        }
    }
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.expect("VmRSS in KiB") / 1024
}

/// The program on a terminal, and the emulator that shows it.
struct Screen {
    child: Child,
    pty: Arc<Pty>,
    seen: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Screen {
    fn start(args: &[&str]) -> Screen {
        let (pty, pts) = open().expect("a pseudo-terminal");
        pty.resize(Size::new(ROWS, COLUMNS)).expect("a size");
        let command = Command::new(env!("CARGO_BIN_EXE_pigeon")).args(args);
        let child = command.env("TERM", "xterm-256color").spawn(pts).expect("pigeon starts");
        let pty = Arc::new(pty);
        let [rows, columns] = [ROWS, COLUMNS].map(|n| n.try_into().expect("not zero"));
        let parser = vt100::Parser::new(rows, columns, 0);
        let seen = Arc::new((Mutex::new(parser), Condvar::new()));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(read @ 1..) = (&*from).read(&mut buffer) {
                to.0.lock().expect("no panic").process(&buffer[..read]);
                to.1.notify_all();
            }
        });
        Screen { child, pty, seen }
    }

    fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal is there");
    }

    fn row(&self, row: u16) -> String {
        let parser = self.seen.0.lock().expect("no panic");
        let rows = parser.screen().contents();
        rows.lines().nth(row.into()).unwrap_or_default().trim().to_string()
    }

    fn wait(&self, what: &str, wished: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut parser = self.seen.0.lock().expect("no panic");
        while !wished(&parser.screen().contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}:\n{}", parser.screen().contents());
            parser = self.seen.1.wait_timeout(parser, left).expect("no panic").0;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
