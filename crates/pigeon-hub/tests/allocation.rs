//! In steady state the hub allocates nothing, neither for a batch of messages to a thousand members
//! nor for heartbeats. One allocation per datagram would cost a tenth of the throughput.
#![allow(clippy::panic, reason = "a test says what went wrong by panicking, in its helpers too")]

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_hub::{Config, Hub};
use pigeon_perf::allocations::{Counting, allocations};
use pigeon_proto::Format;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MEMBERS: u16 = 1_000;
const BATCH: u16 = 64;
const FORMATS: [Format; 3] = [Format::Chat, Format::Classic, Format::Raw];

/// Members: half of them on this host, half in an open network, where rates apply.
fn member(n: u16) -> SocketAddr {
    match n % 2 {
        0 => SocketAddr::from(([127, 0, 0, 1], 2_000 + n)),
        _ => SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 2_000 + n)),
    }
}

/// A hub, the time, and a buffer for datagrams.
struct Bench {
    hub: Hub,
    now: Instant,
    buffer: String,
    sent: u64,
}

impl Bench {
    /// A hub with a thousand members; every third has a name.
    fn new(format: Format) -> Self {
        // A small budget would refuse work beyond half a core.
        let work = Duration::from_secs(3_600);
        let hub = Hub::new(Config { work, ..Config::of(format) });
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        let mut bench = Bench { hub, now, buffer: String::with_capacity(4_096), sent: 0 };
        for n in 0..MEMBERS {
            let first = if n % 3 == 0 { format!("/nick member{n}") } else { "^hb^".to_string() };
            bench.hub.handle_datagram(now, &Received::new(member(n), first.as_bytes()));
            bench.drain();
        }
        bench
    }

    fn hear(&mut self, from: u16, write: impl FnOnce(&mut String)) {
        self.buffer.clear();
        write(&mut self.buffer);
        let datagram = Received::new(member(from), self.buffer.as_bytes());
        self.hub.handle_datagram(self.now, &datagram);
    }

    /// Sends everything. The hub pauses in between so that it can receive, and continues at its
    /// next deadline.
    fn send(&mut self) {
        while let Some(transmit) = self.hub.poll_transmit() {
            self.sent += transmit.count() as u64;
        }
        while self.hub.poll_event().is_some() {}
        while self.hub.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
            self.hub.handle_timeout(self.now);
            while let Some(transmit) = self.hub.poll_transmit() {
                self.sent += transmit.count() as u64;
            }
        }
    }

    /// Like `send`, and then time passes.
    fn drain(&mut self) {
        self.send();
        self.now = self.now + Duration::from_millis(200);
        if self.hub.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
            self.hub.handle_timeout(self.now);
            while self.hub.poll_transmit().is_some() {}
        }
    }

    /// The numbers of allocations and of sent datagrams in `rounds` rounds, after a warm-up.
    fn measure(&mut self, mut round: impl FnMut(&mut Bench, u16)) -> (u64, u64) {
        for n in 0..40 {
            round(self, n);
        }
        let (before, sent) = (allocations(), self.sent);
        for n in 40..60 {
            round(self, n);
        }
        (allocations() - before, self.sent - sent)
    }
}

/// Sends a heartbeat for every member, so that none times out during the measurement.
fn everyone_is_alive(bench: &mut Bench) {
    for n in 0..MEMBERS {
        bench.hear(n, |text| text.push_str("^hb^"));
    }
}

#[test]
fn the_count_counts() {
    let before = allocations();
    let boxed = std::hint::black_box(Box::new(7));
    assert_eq!(allocations(), before + 1);
    drop(boxed);
}

#[test]
fn batches_of_messages_allocate_nothing() {
    for format in FORMATS {
        // Texts of one length leave as one train per member; of several lengths, as several.
        for lengths in [1, 3] {
            let mut bench = Bench::new(format);
            let (allocations, sent) = bench.measure(|bench, round| {
                if round % 20 == 0 {
                    everyone_is_alive(bench);
                }
                for n in 0..BATCH {
                    // Speakers with and without a name, on this host and elsewhere, some of them
                    // twice.
                    bench.hear((round * 7 + n * 3) % MEMBERS, |text| {
                        let _ = write!(text, "message {n:02} of round {round:03}");
                        (0..n % lengths).for_each(|_| text.push('!'));
                    });
                }
                bench.drain();
            });
            let members = u64::from(MEMBERS) - u64::from(format == Format::Raw);
            assert_eq!(sent, 20 * u64::from(BATCH) * members, "{format:?}");
            assert_eq!(allocations, 0, "{format:?} {lengths}");
        }
    }
}

#[test]
fn messages_that_must_be_escaped_allocate_nothing() {
    let mut bench = Bench::new(Format::Chat);
    let (allocations, _) = bench.measure(|bench, round| {
        if round % 20 == 0 {
            everyone_is_alive(bench);
        }
        for n in 0..BATCH {
            bench.hear(n, |text| {
                let _ = write!(text, "狗\u{1b}[31m 😀\u{202e}\n{n} {round}");
            });
        }
        bench.drain();
    });
    assert_eq!(allocations, 0);
}

/// With texts that all readers' encodings can express. An unmappable character becomes an escape,
/// which needs an allocation.
#[test]
fn messages_in_many_encodings_allocate_nothing() {
    let words: [&[u8]; 4] =
        ["中文".as_bytes(), b"\xd6\xd0\xce\xc4", b"\xa4\xa4\xa4\xe5", b"\xd6\xd0\xce\xc4\xff"];
    for format in [Format::Chat, Format::Classic] {
        let mut bench = Bench::new(format);
        for (n, label) in [(1, "gbk"), (2, "big5"), (3, "gb2312")] {
            bench.hear(n, |text| text.push_str(&format!("/encoding {label}")));
            bench.drain();
        }
        let (allocations, sent) = bench.measure(|bench, round| {
            if round % 20 == 0 {
                everyone_is_alive(bench);
            }
            for n in 0..BATCH {
                let datagram = Received::new(member(n % 4), words[usize::from(n % 4)]);
                bench.hub.handle_datagram(bench.now, &datagram);
                // What waits until others are served is copied.
                if n % 4 == 3 {
                    bench.send();
                }
            }
            bench.drain();
        });
        assert_eq!(sent, 20 * u64::from(BATCH) * u64::from(MEMBERS), "{format:?}");
        assert_eq!(allocations, 0, "{format:?}");
    }
}

#[test]
fn heartbeats_allocate_nothing() {
    for format in FORMATS {
        for length in [4, 64, 200] {
            let mut bench = Bench::new(format);
            let (allocations, sent) = bench.measure(|bench, round| {
                for n in 0..BATCH {
                    bench.hear((round * BATCH + n) % MEMBERS, |text| {
                        let _ = write!(text, "{:length$}", "^hb^");
                    });
                }
                bench.drain();
            });
            let answered = if length >= 64 { 20 * u64::from(BATCH) } else { 0 };
            assert_eq!(sent, answered, "{format:?} {length}");
            assert_eq!(allocations, 0, "{format:?} {length}");
        }
    }
}

#[test]
fn what_is_dropped_allocates_nothing() {
    for format in FORMATS {
        let mut bench = Bench::new(format);
        let (allocations, _) = bench.measure(|bench, round| {
            if round % 20 == 0 {
                everyone_is_alive(bench);
            }
            let stranger = SocketAddr::from(([203, 0, 113, 5], 4_000 + round));
            for payload in ["^hb^", "^hb^ pigeon/1 3 0", "quit", "/prove abcdefghijklmnop"] {
                let datagram = Received::new(stranger, payload.as_bytes());
                bench.hub.handle_datagram(bench.now, &datagram);
            }
            let padded = [b' '; 200];
            bench.hub.handle_datagram(bench.now, &Received::new(stranger, &padded));
            bench.drain();
        });
        assert_eq!(allocations, 0, "{format:?}");
    }
}
