//! The latency from a key press to the screen, on a real terminal, without traffic and with 10,000
//! messages per second.
//!
//! ```text
//! cargo bench -p pigeon --bench screen
//! ```
//!
//! `pigeon join` runs on a pseudo-terminal of 80×24. A key is timed from just before its byte is
//! written until a terminal emulator, fed with the program's output, shows it. The hub, the sender,
//! the emulator and the screen share the machine. Messages on the screen are not counted, because
//! they scroll away; the copies to the sender are, and so are the kernel's drops at each socket.
//! Takes less than two minutes and needs no root. Linux only.
#![expect(clippy::expect_used, reason = "a measurement that fails ends")]

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pigeon_perf::drops;
use pigeon_perf::parts;
use pigeon_perf::process::resident_bytes;
use pigeon_perf::report::{self, Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::percentile;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

const KEYS: usize = 500;
const MESSAGES_A_SECOND: u32 = 10_000;
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// The longest accepted latency of any key, in milliseconds.
const WANTED_MS: f64 = 50.0;

/// How long to wait for a key before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    pigeon_perf::begin!();
    parts::none();
    let mut report = Report::new("screen");
    report.section(&format!("{KEYS} keys, {COLUMNS}x{ROWS}"));
    let outcomes = [("quiet", measure(false)), ("flooded", measure(true))];
    report.table(outcomes.iter().map(|(name, it)| (name.to_string(), it.row())).collect());
    for (name, outcome) in &outcomes {
        report.remark(&format!("{name}, status line: {}", outcome.status));
        let slowest = outcome.milliseconds(1.0);
        report.judge(&format!("{name}, the slowest key in ms"), slowest, Wanted::AtMost(WANTED_MS));
    }
    report::end([report]);
}

struct Outcome {
    /// Sorted by length.
    times: Vec<Duration>,
    talk: Talk,
    a_second: f64,
    /// Datagrams dropped by the kernel: at the hub, at `join`, and at the sender.
    dropped: [u64; 3],
    resident: u64,
    status: String,
}

/// The sender's messages, and the copies that came back.
#[derive(Clone, Copy, Default)]
struct Talk {
    sent: u64,
    delivered: u64,
    dropped: u64,
}

impl Outcome {
    fn milliseconds(&self, share: f64) -> f64 {
        percentile(&self.times, share).as_secs_f64() * 1_000.0
    }

    fn row(&self) -> Row {
        vec![
            ("median_ms", self.milliseconds(0.5).into()),
            ("p99_ms", self.milliseconds(0.99).into()),
            ("max_ms", self.milliseconds(1.0).into()),
            ("keys", KEYS.into()),
            ("shown", self.times.len().into()),
            ("messages_a_second", self.a_second.into()),
            ("sent", self.talk.sent.into()),
            ("delivered", self.talk.delivered.into()),
            ("dropped_at_hub", self.dropped[0].into()),
            ("dropped_at_join", self.dropped[1].into()),
            ("dropped_at_talker", self.dropped[2].into()),
            ("resident_mib", (self.resident >> 20).into()),
        ]
    }
}

fn measure(flooded: bool) -> Outcome {
    let hub = Server::hub(&[], "--notices-up-to 0");
    let screen = Screen::start(&["join", &hub.address.to_string(), "--nick", "typist"]);
    screen.wait("to have joined", |rows| rows.contains("you are typist"));
    let over = AtomicBool::new(false);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let talking = flooded.then(|| scope.spawn(|| talk(hub.address, &over)));
        if flooded {
            screen.wait("the first messages", |rows| rows.contains(": message "));
        }
        let mut times = type_keys(&screen);
        times.sort_unstable();
        let seconds = start.elapsed().as_secs_f64();
        over.store(true, Ordering::Release);
        let resident = resident_bytes(screen.child.id());
        let talk = talking.map(|talking| talking.join().expect("no panic")).unwrap_or_default();
        let at_join = drops::of_process(screen.child.id());
        let dropped = [hub.process.kernel_drops(), at_join, talk.dropped];
        let (a_second, status) = (talk.sent as f64 / seconds, screen.row(ROWS - 2));
        Outcome { times, talk, a_second, dropped, resident, status }
    })
}

/// Presses keys and times them; clears the line after every forty.
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
        // 20 to 50 ms by a fixed rule, out of step with frames and messages.
        std::thread::sleep(Duration::from_micros(20_000 + (n as u64 * 7_919) % 30_000));
        let pressed = Instant::now();
        screen.press(letter.encode_utf8(&mut [0; 4]));
        screen.wait(&line, |rows| input_of(rows) == line);
        times.push(pressed.elapsed());
    }
    times
}

/// The row of the input line.
fn input_of(rows: &str) -> &str {
    rows.lines().last().unwrap_or_default().trim_end()
}

/// Sends messages at an even rate until `over`.
fn talk(hub: std::net::SocketAddr, over: &AtomicBool) -> Talk {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(hub).expect("an address");
    socket.set_nonblocking(true).expect("a socket");
    let mut talk = Talk::default();
    let start = Instant::now();
    for n in 0.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let due = Duration::from_secs(1) * n / MESSAGES_A_SECOND;
        // Sleeps are imprecise: after a late one several messages are sent at once.
        if let Some(early) = due.checked_sub(start.elapsed()).filter(|e| e.as_micros() > 500) {
            std::thread::sleep(early);
            talk.delivered += copies(&socket);
        }
        let text = format!("message {n}: 一二三四五 six seven eight nine ten");
        talk.sent += u64::from(socket.send(text.as_bytes()).is_ok());
    }
    // Waits for messages in flight.
    std::thread::sleep(Duration::from_millis(300));
    talk.delivered += copies(&socket);
    talk.dropped = drops::at(socket.local_addr().expect("it is bound"));
    talk
}

/// The copies since the last call.
fn copies(socket: &UdpSocket) -> u64 {
    let mut buffer = [0; 2_048];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64
}

/// The program on a terminal, with the emulator that shows it.
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
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
