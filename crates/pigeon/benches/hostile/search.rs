//! A search for the most expensive datagrams that a member can send: measures a hub in memory, in a
//! room with many readers and encodings, without the kernel's part.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use pigeon_datagram::{Instant as Now, MAX_PAYLOAD_V4, Machine, Received};
use pigeon_hub::{Config, Hub, PerOrigin};

use crate::ENCODINGS;

const PREFIXES: [&str; 9] =
    ["", "/", "//", "/msg ", "/msg 10.77.1.1:7 ", "/nick ", "/encoding ", "/history ", "Ack "];

const FILLS: [&[u8]; 11] = [
    b"x",
    b" ",
    b"\x01",
    b"\xff",
    b"\x81\x30",
    b"x ",
    "你".as_bytes(),
    "ɐ".as_bytes(),
    "\u{301}".as_bytes(),
    "\u{200d}".as_bytes(),
    "👩\u{200d}".as_bytes(),
];

/// The sender's encoding.
const SENDERS: [&str; 4] = ["utf-8", "gbk", "latin1", "auto"];

const LENGTHS: [usize; 4] = [200, 1_020, 8_192, MAX_PAYLOAD_V4];

/// A datagram and its cost.
#[derive(Clone)]
pub(crate) struct Costly {
    pub(crate) name: String,
    pub(crate) sender: &'static str,
    pub(crate) payload: Vec<u8>,
    pub(crate) cost: Duration,
}

/// The `count` most expensive datagrams, with distinct prefixes and fillings.
pub(crate) fn costliest(count: usize, readers: usize) -> Vec<Costly> {
    let mut all = Vec::new();
    for sender in SENDERS {
        let mut hub = room(readers, sender);
        for prefix in PREFIXES {
            for fill in FILLS {
                for length in LENGTHS {
                    let mut payload = prefix.as_bytes().to_vec();
                    while payload.len() + fill.len() <= length {
                        payload.extend_from_slice(fill);
                    }
                    let cost = (0..2).map(|_| hub.cost(&payload)).min().unwrap_or_default();
                    let fill = fill.escape_ascii();
                    let name = format!("{sender}: {prefix:?} and {fill}, {}", payload.len());
                    all.push((Costly { name, sender, payload, cost }, (prefix, fill.to_string())));
                }
            }
        }
    }
    all.sort_by_key(|(costly, _)| std::cmp::Reverse(costly.cost));
    let mut found: Vec<(Costly, (&str, String))> = Vec::new();
    for (costly, kind) in all {
        if found.len() < count && found.iter().all(|(_, known)| *known != kind) {
            found.push((costly, kind));
        }
    }
    found.into_iter().map(|(costly, _)| costly).collect()
}

struct InMemory {
    hub: Hub,
    now: Now,
}

const SENDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 77, 2, 1)), 7);

fn room(readers: usize, sender: &str) -> InMemory {
    let rate = PerOrigin::default();
    let work = Duration::from_secs(1 << 20);
    let hub = Hub::new(Config { rate, hub_rate: rate, work, ..Config::default() });
    let mut room = InMemory { hub, now: Now::ORIGIN };
    for n in 0..readers as u16 {
        let reader = SocketAddr::from((Ipv4Addr::new(10, 77, 1, (n % 250) as u8), 7 + n));
        room.hear(reader, b"^hb^");
        if let Some(label) = ENCODINGS.get(usize::from(n)) {
            room.hear(reader, format!("/encoding {label}").as_bytes());
        }
    }
    room.hear(SENDER, format!("/encoding {sender}").as_bytes());
    room
}

impl InMemory {
    fn hear(&mut self, from: SocketAddr, payload: &[u8]) {
        self.now = self.now + Duration::from_secs(2);
        self.hub.handle_datagram(self.now, &Received::new(from, payload));
        while self.hub.poll_transmit().is_some() {}
        // The hub pauses while it sends, so that it can receive, and continues at its next
        // deadline.
        while self.hub.poll_timeout().is_some_and(|due| due <= self.now) {
            self.hub.handle_timeout(self.now);
            while self.hub.poll_transmit().is_some() {}
        }
        while self.hub.poll_event().is_some() {}
    }

    fn cost(&mut self, payload: &[u8]) -> Duration {
        let begun = Instant::now();
        self.hear(SENDER, payload);
        begun.elapsed()
    }
}
