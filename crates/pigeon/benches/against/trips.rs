//! Round trips, one at a time: pigeon and sockperf with the same echo, in turns.

use crate::contenders::{
    Trips, bench_server, is_installed, pigeon_trips, sockperf_server, sockperf_trips,
};
use pigeon_perf::process::Process;
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::server::Server;
use pigeon_perf::spread::Spread;

/// Short turns: a median needs few seconds, but many rounds on a machine with other work.
const ROUNDS: usize = 5;
const SECONDS: u64 = 2;

/// The largest accepted difference between two medians.
const NEAR: f64 = 0.05;

const OURS: &str = "pigeon, bare echo";
const AWAKE: &str = "sockperf --nonblocked, bare echo";
const ASLEEP: &str = "sockperf that sleeps, bare echo";

/// An echo and the program that measures it.
struct Pair<'p> {
    name: &'static str,
    echo: &'p Process,
    ask: Box<dyn Fn() -> Trips + 'p>,
    turns: Vec<Trips>,
    /// Datagrams dropped by the kernel at the echo.
    dropped: u64,
}

impl<'p> Pair<'p> {
    fn pigeon(name: &'static str, echo: &'p Server) -> Pair<'p> {
        let address = echo.address.to_string();
        let ask = Box::new(move || pigeon_trips(&address, SECONDS));
        Pair { name, echo: &echo.process, ask, turns: Vec::new(), dropped: 0 }
    }

    fn sockperf(name: &'static str, echo: &'p Process, port: u16, awake: bool) -> Pair<'p> {
        let ask = Box::new(move || sockperf_trips(port, SECONDS, awake));
        Pair { name, echo, ask, turns: Vec::new(), dropped: 0 }
    }

    fn turn(&mut self) {
        // Other programs use the same echo.
        let before = self.echo.kernel_drops();
        self.turns.push((self.ask)());
        self.dropped += self.echo.kernel_drops() - before;
    }

    fn row(&self) -> Row {
        let sum = |of: fn(&Trips) -> u64| self.turns.iter().map(of).sum::<u64>();
        vec![
            ("median_us", Spread::of(self.turns.iter().map(|turn| turn.median)).into()),
            ("sent", sum(|turn| turn.sent).into()),
            ("received", sum(|turn| turn.received).into()),
            ("dropped_at_echo", self.dropped.into()),
        ]
    }
}

pub(crate) fn run() -> Report {
    let mut report = Report::new("against-trips");
    report.section(&format!(
        "round trips of 64 bytes, one by one, {ROUNDS} rounds of {SECONDS} s: who asks, who echoes"
    ));
    let (bare, serve, server) =
        (Server::floor(&[], "bare-echo"), Server::echo(&[]), bench_server());
    let own = is_installed(&mut report, "sockperf").then(sockperf_server);
    let mut pairs = vec![Pair::pigeon(OURS, &bare)];
    if let Some((own, port)) = &own {
        let bare_port = bare.address.port();
        pairs.push(Pair::sockperf(AWAKE, &bare.process, bare_port, true));
        pairs.push(Pair::sockperf(ASLEEP, &bare.process, bare_port, false));
        pairs.push(Pair::sockperf("sockperf --nonblocked, its own server", own, *port, true));
    }
    pairs.push(Pair::pigeon("pigeon, pigeon serve echo", &serve));
    pairs.push(Pair::pigeon("pigeon, pigeon bench server", &server));
    for round in 0..ROUNDS {
        // The order alternates, so that no program always follows the same one.
        match round % 2 {
            0 => pairs.iter_mut().for_each(Pair::turn),
            _ => pairs.iter_mut().rev().for_each(Pair::turn),
        }
    }
    report.table(pairs.iter().map(|pair| (pair.name.to_string(), pair.row())).collect());
    for (name, wanted) in [(AWAKE, Some(Wanted::NearOne(NEAR))), (ASLEEP, None)] {
        let Some(theirs) = pairs.iter().find(|pair| pair.name == name) else { continue };
        let rounds = pairs[0].turns.iter().zip(&theirs.turns);
        let ratio = Spread::of(rounds.map(|(ours, theirs)| ours.median / theirs.median));
        let words = format!("{OURS} / {name}");
        match wanted {
            Some(wanted) => report.judge(&words, ratio, wanted),
            None => report.ratio(&words, ratio),
        }
    }
    report
}
