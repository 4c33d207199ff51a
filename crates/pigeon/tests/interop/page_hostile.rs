//! Hostile clients of the page, and what a plain member notices meanwhile: nothing is lost. The test
//! prints how long its messages take, and the hub's memory, before and during each attack.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pigeon_perf::process::resident_bytes;
use pigeon_perf::websocket::{WebSocket, frame};
use serde_json::json;

use crate::page_link::{Tab, ask, connect_from, hub_with_page};
use crate::process::wait_until;

/// Messages of the plain member during each attack, at least.
const MESSAGES: usize = 200;

/// Time limit for an attack.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a plain member sees: it says something, and waits for the hub's copy.
struct Witness {
    socket: UdpSocket,
    said: usize,
}

/// The milliseconds until copies came, and how many did not.
#[derive(Default)]
struct Seen {
    took: Vec<f64>,
    lost: usize,
}

impl Seen {
    fn at(&mut self, share: f64) -> f64 {
        self.took.sort_by(f64::total_cmp);
        self.took[((self.took.len() - 1) as f64 * share) as usize]
    }
}

impl Witness {
    fn join(hub: SocketAddr) -> Witness {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(hub).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Witness { socket, said: 0 }
    }

    fn watch(&mut self) -> Seen {
        self.watch_until(|| true)
    }

    /// Says at least [`MESSAGES`], and goes on until a condition holds.
    fn watch_until(&mut self, is_done: impl Fn() -> bool) -> Seen {
        let (mut seen, began) = (Seen::default(), Instant::now());
        while seen.took.len() + seen.lost < MESSAGES || !is_done() {
            assert!(began.elapsed() < PATIENCE, "the attack does not get so far");
            self.said += 1;
            let text = format!("message {}.", self.said);
            let start = Instant::now();
            self.socket.send(text.as_bytes()).unwrap();
            let mut buffer = [0; 2_048];
            loop {
                let Ok(length) = self.socket.recv(&mut buffer) else {
                    seen.lost += 1;
                    break;
                };
                if String::from_utf8_lossy(&buffer[..length]).contains(&text) {
                    seen.took.push(start.elapsed().as_secs_f64() * 1e3);
                    break;
                }
            }
            // As a person's program: without a pause the witness would be the load.
            thread::sleep(Duration::from_millis(1));
        }
        seen
    }
}

/// Begins an attack.
type Begin = Box<dyn Fn() -> Attack>;

/// Runs an attack in threads until it is dropped.
struct Attack {
    is_over: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    /// How often it was tried.
    count: Arc<AtomicU64>,
}

impl Attack {
    fn start(
        threads: usize,
        attack: impl Fn(&AtomicBool, &AtomicU64) + Send + Clone + 'static,
    ) -> Attack {
        let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..threads).map(|_| {
            let (is_over, count, attack) =
                (Arc::clone(&is_over), Arc::clone(&count), attack.clone());
            thread::spawn(move || attack(&is_over, &count))
        });
        let threads = threads.collect();
        Attack { is_over, threads, count }
    }

    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.count.load(Ordering::Relaxed)
    }
}

/// Opens connections from sixteen addresses and holds them, up to `most`, each with these first bytes.
fn hold(page: SocketAddr, most: usize, first: &'static [u8]) -> Attack {
    Attack::start(1, move |is_over, count| {
        let mut held = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            if held.len() >= most {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let from = [127, 0, 1, (held.len() % 16) as u8];
            let Ok(mut stream) = connect_from(from, page) else { continue };
            let _ = stream.write_all(first);
            held.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// Says the same bytes in new WebSockets, after `hello` if it `is_greeted`, and waits for their end.
fn repeat(page: SocketAddr, is_greeted: bool, bytes: Vec<u8>) -> Attack {
    Attack::start(2, move |is_over, count| {
        while !is_over.load(Ordering::Relaxed) {
            let origin = format!("http://{page}");
            let Ok(mut socket) = WebSocket::open(page, "/ws", &origin, "pigeon.1") else {
                continue;
            };
            if is_greeted {
                let _ = socket.send(&json!({"type": "hello", "version": 1}).to_string());
            }
            let _ = socket.stream().write_all(&bytes);
            socket.stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut buffer = [0; 4_096];
            while socket.stream().read(&mut buffer).is_ok_and(|count| count > 0) {}
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn hostile_clients_of_the_page_cost_plain_members_nothing() {
    pigeon_perf::cpu::raise_file_limit();
    // The attacks come from this machine, as the witness does.
    let (hub, page) = hub_with_page("hostile", &["--rate", "unlimited"]);
    let mut witness = Witness::join(hub.address);
    let mut alone = witness.watch();
    assert_eq!(alone.lost, 0);
    let memory = || resident_bytes(hub.id()) as f64 / (1 << 20) as f64;
    println!(
        "{:20} {:>8} {:>9} {:>9} {:>14} {:>8} {:>9}",
        "", "median", "99 %", "worst", "lost", "MiB", "attempts"
    );
    let line = |what: &str, seen: &mut Seen, count: u64| {
        let [median, high, worst] = [0.5, 0.99, 1.0].map(|share| seen.at(share));
        let (lost, of, memory) = (seen.lost, seen.lost + seen.took.len(), memory());
        println!(
            "{what:20} {median:5.2} ms {high:6.2} ms {worst:6.1} ms {lost:5} of {of:5} {memory:8.1} {count:9}"
        );
    };
    line("nobody else", &mut alone, 0);

    let huge = vec![0x81, 0xff, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4];
    let say = json!({"type": "say", "number": 1, "room": "lobby", "text": "x"}).to_string();
    // Each with how often it must have been tried.
    let attacks: [(&str, u64, Begin); 7] = [
        ("half-open", 500, Box::new(move || hold(page, 500, b""))),
        ("half a request", 500, Box::new(move || hold(page, 500, b"GET / HTTP/1.1\r\nHost: loc"))),
        ("a byte at a time", 1_000, Box::new(move || slow(page))),
        // More than the hub takes at once.
        ("10,000 connections", 10_000, Box::new(move || hold(page, 10_000, b""))),
        ("frames of 100 MB", 100, Box::new(move || repeat(page, true, huge.clone()))),
        ("no UTF-8", 100, Box::new(move || repeat(page, true, frame(0x81, b"\xff\xfe{}")))),
        ("wrong order", 100, Box::new(move || repeat(page, false, frame(0x81, say.as_bytes())))),
    ];
    for (what, least, start) in attacks {
        let attack = start();
        let mut seen = witness.watch_until(|| attack.count.load(Ordering::Relaxed) >= least);
        // Somebody who opens the page is not locked out.
        let mut tab = Tab::open(page, "");
        tab.wait("welcome");
        line(what, &mut seen, attack.stop());
        assert_eq!(seen.lost, 0, "{what}");
    }

    // A member that follows the room, asks for all of it again and again, and reads nothing.
    let mut deaf = Tab::open(page, "deaf");
    deaf.wait("welcome");
    let zero =
        json!({"position": 0, "author": "0".repeat(32), "outbox": "0".repeat(16), "number": 0});
    let follow = json!({"type": "follow", "room": "lobby", "after": zero}).to_string() + "\n";
    let attack = Attack::start(1, {
        let stream = deaf.socket.stream().try_clone().unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let stream = Arc::new(std::sync::Mutex::new(stream));
        move |is_over, count| {
            let bytes = frame(0x81, follow.repeat(100).as_bytes());
            while !is_over.load(Ordering::Relaxed) {
                if stream.lock().unwrap().write_all(&bytes).is_err() {
                    // A part of a frame was written: nothing more can be said.
                    thread::sleep(Duration::from_millis(20));
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut seen = witness.watch();
    line("never reading", &mut seen, attack.stop());
    assert_eq!(seen.lost, 0);
    assert!(memory() < 400.0, "{} MiB", memory());

    // The figures are those of the last second.
    let request = format!("GET /metrics HTTP/1.1\nHost: {page}\nConnection: close\n\n");
    let figures = wait_until("some gave way, and some broke rules", || {
        let figures = ask(page, &request);
        let counts = |reason: &str| {
            !figures.contains(&format!("pigeon_page_refused_total{{reason=\"{reason}\"}} 0\n"))
        };
        (counts("displaced") && counts("broken")).then_some(figures)
    });
    let figure = |name: &str| -> f64 {
        let line = figures.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(figure("pigeon_page_connections ") <= 4_096.0, "{figures}");
}

#[test]
fn whoever_asks_much_and_reads_nothing_waits_and_gets_all_of_it_in_the_end() {
    const REQUESTS: usize = 1_000;
    let (hub, page) = hub_with_page("much", &[]);
    let request = |end| format!("GET /assets/main.js HTTP/1.1\nHost: {page}\n{end}\n");
    let one = ask(page, &request("Connection: close\n")).len();
    let before = resident_bytes(hub.id());
    let mut stream = TcpStream::connect(page).unwrap();
    let all = request("").repeat(REQUESTS - 1) + &request("Connection: close\n");
    stream.write_all(all.replace('\n', "\r\n").as_bytes()).unwrap();
    // Once it has answered others, the hub has read all that it reads before the client does.
    for _ in 0..3 {
        ask(page, &format!("GET /healthz HTTP/1.1\nHost: {page}\nConnection: close\n\n"));
    }
    let grown = resident_bytes(hub.id()).saturating_sub(before) >> 20;
    assert!(grown < 20, "{grown} MiB for {} KiB of requests", all.len() >> 10);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    let count = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert_eq!(count, REQUESTS);
    assert!(answers.len() > REQUESTS * (one - 100), "{} of {one} bytes each", answers.len());
}

/// Connections with requests that come a byte at a time.
fn slow(page: SocketAddr) -> Attack {
    Attack::start(1, move |is_over, count| {
        let open = |_| TcpStream::connect(page).ok();
        let mut streams: Vec<TcpStream> = (0..200).filter_map(open).collect();
        let request =
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ".iter().chain(std::iter::repeat(&b'x'));
        for byte in request {
            for stream in &mut streams {
                let _ = stream.write_all(&[*byte]);
                count.fetch_add(1, Ordering::Relaxed);
            }
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    })
}
