//! The cost of the most expensive datagrams in microseconds: `cargo run --release -p pigeon-hub
//! --example costs`. The sender is alone in its room, so delivery to others is excluded.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and a person reads it"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pigeon_datagram::{Instant as Now, MAX_PAYLOAD_V4, Machine, Received};
use pigeon_hub::{Config, Hub, PerOrigin};
use pigeon_proto::Format;

const PREFIXES: [&str; 17] = [
    "",
    "/",
    "//",
    "/msg ",
    "/msg 127.0.0.1:7 ",
    "/nick ",
    "/join ",
    "/pass ",
    "/resume ",
    "/encoding ",
    "/who ",
    "/quiet ",
    "/prove ",
    "/discover ",
    "^hb^ ",
    "Ack ",
    "quit ",
];

const FILLS: [&[u8]; 12] = [
    b"x",
    b" ",
    b"\x01",
    b"\xff",
    b"\x81\x30",
    b"\x81\x30\x81\x30",
    b"x ",
    "你".as_bytes(),
    "\u{301}".as_bytes(),
    "\u{200d}".as_bytes(),
    "👩\u{200d}".as_bytes(),
    b". from ",
];

fn main() {
    let mut rows = Vec::new();
    for format in Format::ALL {
        for encoding in ["utf-8", "gbk", "shift_jis", "latin1", "auto"] {
            if format == Format::Raw && encoding != "utf-8" {
                continue;
            }
            for (prefix, fill) in PREFIXES.iter().flat_map(|p| FILLS.iter().map(move |f| (p, f))) {
                for length in [1_020, 8_192, MAX_PAYLOAD_V4] {
                    for tail in ["", " x"] {
                        let mut bytes = prefix.as_bytes().to_vec();
                        while bytes.len() + fill.len() + tail.len() <= length {
                            bytes.extend_from_slice(fill);
                        }
                        bytes.extend_from_slice(tail.as_bytes());
                        let time = time(format, encoding, &bytes);
                        rows.push((
                            time,
                            length,
                            format!(
                                "{format:8} {encoding:10} {prefix:18?} {:24} {tail:?}",
                                fill.escape_ascii().to_string()
                            ),
                        ));
                    }
                }
            }
        }
    }
    for length in [1_020, 8_192, MAX_PAYLOAD_V4] {
        let mut rows: Vec<_> = rows.iter().filter(|row| row.1 == length).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.0));
        println!("{length} bytes: us, format, encoding, prefix, filled with, tail");
        for (time, _, what) in rows.iter().take(14) {
            println!("{:8.1} {what}", time.as_secs_f64() * 1e6);
        }
    }
}

/// The shortest of several runs.
fn time(format: Format, encoding: &str, bytes: &[u8]) -> Duration {
    let rate = PerOrigin::default();
    let mut hub = Hub::new(Config { rate, hub_rate: rate, ..Config::of(format) });
    let from: SocketAddr = ([127, 0, 0, 1], 7).into();
    let drain = |hub: &mut Hub| {
        while hub.poll_transmit().is_some() {}
        while hub.poll_event().is_some() {}
    };
    for line in ["^hb^", &format!("/encoding {encoding}")] {
        hub.handle_datagram(Now::from_nanos(1), &Received::new(from, line.as_bytes()));
        drain(&mut hub);
    }
    let turn = |n: u64| {
        let begun = Instant::now();
        // By then the echo memory is empty.
        hub.handle_datagram(Now::from_nanos(n * 5_000_000_000), &Received::new(from, bytes));
        drain(&mut hub);
        begun.elapsed()
    };
    (1..8).map(turn).min().unwrap_or_default()
}
