//! `pigeon serve echo` beside bare echo loops: replies for each second that the server's CPU was
//! busy. Several clients keep a burst each in flight, so that there is always something to do.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use pigeon_datagram::Transmit;
use pigeon_net::{BufferSize, IoPath, Receipt, Socket, SocketOptions};
use serde_json::json;

use crate::cpu::{Busy, Cpus, own_seconds};
use crate::server::Server;
use crate::spread::Spread;
use crate::{Report, Wanted};

const CLIENTS: usize = 16;

/// Datagrams in flight of each client, and the bytes of each.
const BURST: usize = 64;
const SIZE: usize = 64;

/// How long a server works in one round. The kernel counts busy time in hundredths of a second.
const TURN: Duration = Duration::from_millis(1_000);
const ROUNDS: usize = 9;

/// How long a reply may take before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn run(cpus: Cpus) -> Report {
    let mut report =
        Report::new("echo", &format!("{CLIENTS} clients, {BURST} datagrams of {SIZE} bytes each"));
    cpus.stay_with_load();
    for (trains, ours, bare, wanted) in [
        (false, "serve echo", "recvmmsg/sendmmsg", 0.95),
        (true, "serve echo, trains", "GRO in, GSO out", 0.8),
    ] {
        let servers = [Server::pigeon_echo(cpus), Server::bare_echo(cpus, trains)];
        let mut turns: [Vec<Turn>; 2] = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            // There and back, so that nobody always follows the same neighbour.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                let turn =
                    Clients::open(servers[which].address, trains).turn(cpus, &servers[which]);
                if round > 0 {
                    turns[which].push(turn);
                }
            }
        }
        println!(
            "  {:<24} {:>7} {:>7} {:>7} {:>7} {:>10} {:>10} {:>8}",
            "M replies/busy second", "min", "median", "max", "others", "sent", "replies", "dropped"
        );
        for (name, turns) in [ours, bare].into_iter().zip(&turns) {
            row(&mut report, name, turns);
        }
        let ratios = turns[0].iter().zip(&turns[1]).map(|(one, two)| one.rate() / two.rate());
        report.ratio(&format!("{ours} / {bare}"), Spread::of(ratios), Wanted::AtLeast(wanted));
    }
    report
}

fn row(report: &mut Report, name: &str, turns: &[Turn]) {
    let rate = Spread::of(turns.iter().map(Turn::rate));
    let others = Spread::of(turns.iter().map(Turn::others)).median;
    let sum = |of: fn(&Turn) -> u64| turns.iter().map(of).sum::<u64>();
    let (sent, replies) = (sum(|turn| turn.sent), sum(|turn| turn.replies));
    let dropped = sum(|turn| turn.dropped);
    println!(
        "  {name:<24} {:>7.3} {:>7.3} {:>7.3} {:>6.1}% {sent:>10} {replies:>10} {dropped:>8}",
        rate.min / 1e6,
        rate.median / 1e6,
        rate.max / 1e6,
        others * 100.0,
    );
    report.figure(
        name,
        json!({
            "replies_per_busy_second": rate.json(),
            "others": others,
            "sent": sent,
            "replies": replies,
            "dropped_by_kernel": dropped,
        }),
    );
}

/// What happened in one turn.
struct Turn {
    busy: f64,
    own: f64,
    sent: u64,
    replies: u64,
    dropped: u64,
}

impl Turn {
    fn rate(&self) -> f64 {
        self.replies as f64 / self.busy
    }

    /// The share of the busy time in which something else than the server ran.
    fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

/// All clients in one thread; they are looked at in turn and never waited for.
struct Clients {
    sockets: Vec<Socket>,
    bytes: Vec<u8>,
    burst: Vec<Transmit>,
}

impl Clients {
    fn open(server: SocketAddr, trains: bool) -> Clients {
        let options = SocketOptions {
            path: if trains { IoPath::Best } else { IoPath::NoOffload },
            receive_buffer: BufferSize::Bytes(1 << 20),
            ..SocketOptions::default()
        };
        let local = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let open = |_| Socket::connect(server, local, &options).expect("a socket");
        let one =
            |n| Transmit { to: server, from: None, range: n * SIZE..(n + 1) * SIZE, segment: None };
        let segment = u16::try_from(SIZE).ok().and_then(NonZeroU16::new);
        let burst = match trains {
            true => vec![Transmit { to: server, from: None, range: 0..BURST * SIZE, segment }],
            false => (0..BURST).map(one).collect(),
        };
        Clients {
            sockets: (0..CLIENTS).map(open).collect(),
            bytes: vec![b'x'; BURST * SIZE],
            burst,
        }
    }

    fn turn(&mut self, cpus: Cpus, server: &Server) -> Turn {
        let own = own_seconds(server.child.id());
        let (start, busy) = (Instant::now(), Busy::start(cpus.hub));
        let mut flights: Vec<(usize, Instant)> = vec![(0, start); CLIENTS];
        let (mut sent, mut replies, mut in_flight) = (0, 0, CLIENTS);
        for socket in &mut self.sockets {
            sent += socket.send(&self.bytes, &self.burst, PATIENCE).sent;
        }
        while in_flight > 0 {
            for (socket, (got, since)) in self.sockets.iter_mut().zip(&mut flights) {
                if *got == usize::MAX {
                    continue;
                }
                if let Ok(Receipt::Datagrams(more)) = socket.receive(&mut |_| {}) {
                    *got += more;
                    replies += more as u64;
                }
                if *got < BURST && since.elapsed() < PATIENCE {
                    continue;
                }
                if start.elapsed() < TURN {
                    sent += socket.send(&self.bytes, &self.burst, PATIENCE).sent;
                    (*got, *since) = (0, Instant::now());
                } else {
                    *got = usize::MAX;
                    in_flight -= 1;
                }
            }
        }
        let busy = busy.seconds();
        let own = own_seconds(server.child.id()) - own;
        let dropped = self.sockets.iter_mut().map(Socket::kernel_drops).sum();
        Turn { busy, own, sent, replies, dropped }
    }
}
