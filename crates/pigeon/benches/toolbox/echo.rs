//! Compares `pigeon serve echo` with bare echo loops: replies per second of the server's busy CPU.
//! Several clients each keep a burst in flight, so that the server never waits.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use pigeon_datagram::{SocketId, Transmit};
use pigeon_net::{BufferSize, IoPath, Receipt, Socket, SocketOptions};

use pigeon_perf::cpu::{Busy, Cpus, too_noisy};
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::Spread;

const CLIENTS: usize = 16;

/// Datagrams in flight per client, and their size.
const BURST: usize = 64;
const SIZE: usize = 64;

/// How long a server works per round. The kernel counts busy time in hundredths of a second.
const TURN: Duration = Duration::from_millis(1_000);
const ROUNDS: usize = 9;

/// How long a reply may take before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn run(cpus: Cpus) -> Report {
    let mut report = Report::new("toolbox-echo");
    for (trains, bare, wanted) in
        [(false, "recvmmsg, sendmmsg", 0.95), (true, "GRO in, GSO out", 0.8)]
    {
        let how = if trains { "trains" } else { "singles" };
        report.section(&format!(
            "{CLIENTS} clients, {BURST} datagrams of {SIZE} bytes each in flight, as {how}"
        ));
        let floor = Server::floor(&[cpus.hub], &format!("bare-echo {how}"));
        let servers = [Server::echo(&[cpus.hub]), floor];
        let mut turns: [Vec<Turn>; 2] = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            // The order alternates.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                let turn =
                    Clients::open(servers[which].address, trains).turn(cpus, &servers[which]);
                if round > 0 {
                    turns[which].push(turn);
                }
            }
        }
        let ours = "pigeon serve echo";
        report.table(vec![(ours.into(), row(&turns[0])), (bare.into(), row(&turns[1]))]);
        let rounds = || turns[0].iter().zip(&turns[1]);
        let ratio = Spread::of(rounds().map(|(one, two)| one.rate() / two.rate()));
        let others = Spread::of(rounds().map(|(one, two)| one.others().max(two.others()))).median;
        let wanted = Wanted::AtLeast(wanted);
        report.judge_unless(&format!("{ours} / {bare}"), ratio, wanted, too_noisy(others));
    }
    report
}

fn row(turns: &[Turn]) -> Row {
    let spread = |of: fn(&Turn) -> f64| Spread::of(turns.iter().map(of));
    let sum = |of: fn(&Turn) -> u64| turns.iter().map(of).sum::<u64>();
    vec![
        ("million_a_busy_second", spread(|turn| turn.rate() / 1e6).into()),
        ("others_percent", (spread(Turn::others).median * 100.0).into()),
        ("sent", sum(|turn| turn.sent).into()),
        ("delivered", sum(|turn| turn.replies).into()),
        ("dropped_at_server", sum(|turn| turn.dropped[0]).into()),
        ("dropped_at_clients", sum(|turn| turn.dropped[1]).into()),
    ]
}

/// The results of one turn.
struct Turn {
    busy: f64,
    own: f64,
    sent: u64,
    replies: u64,
    /// Datagrams dropped by the kernel at the server and at the clients.
    dropped: [u64; 2],
}

impl Turn {
    fn rate(&self) -> f64 {
        self.replies as f64 / self.busy
    }

    /// The share of the busy time taken by other programs.
    fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

/// All clients in one thread, polled in turn.
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
        let one = |n| Transmit {
            socket: SocketId::FIRST,
            to: server,
            from: None,
            range: n * SIZE..(n + 1) * SIZE,
            segment: None,
        };
        let segment = u16::try_from(SIZE).ok().and_then(NonZeroU16::new);
        let burst = match trains {
            true => vec![Transmit {
                socket: SocketId::FIRST,
                to: server,
                from: None,
                range: 0..BURST * SIZE,
                segment,
            }],
            false => (0..BURST).map(one).collect(),
        };
        Clients {
            sockets: (0..CLIENTS).map(open).collect(),
            bytes: vec![b'x'; BURST * SIZE],
            burst,
        }
    }

    fn turn(&mut self, cpus: Cpus, server: &Server) -> Turn {
        // The clients' sockets are new, so their count starts at zero.
        let before = server.process.kernel_drops();
        let own = server.process.own_seconds();
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
        let own = server.process.own_seconds() - own;
        let at_clients = self.sockets.iter_mut().map(Socket::kernel_drops).sum();
        let dropped = [server.process.kernel_drops() - before, at_clients];
        Turn { busy, own, sent, replies, dropped }
    }
}
