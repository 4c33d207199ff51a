//! Measures how fast a member catches up after it missed many messages, and how much that delays
//! another member's live messages.

use std::time::{Duration, Instant};

use pigeon_client::reliable::{Event as SessionEvent, From};
use pigeon_member::{Event, Hub as RealMember, Options};
use pigeon_perf::cpu::{Cpus, own_seconds};
use pigeon_perf::report::{Report, Row, Wanted};
use pigeon_perf::spread::{Spread, percentile};
use pigeon_proto::frame::{ClientFrame, HubFrame};
use pigeon_proto::{RoomName, Seen};

use crate::hub::{Hub, empty};
use crate::keyed::Keyed;

/// Number of messages that the member missed.
const AWAY: u64 = 100_000;

const TURNS: usize = 5;

/// Time between live messages, and how long they are watched while nobody catches up.
const PACE: Duration = Duration::from_millis(2);
const QUIET: Duration = Duration::from_secs(3);

/// Time limit for every wait.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) fn measure(cpus: Cpus) -> Report {
    let mut report = Report::new("quic-catch-up");
    report.section(&format!("a member that was away for {AWAY} messages, others are live"));
    let hub = Hub::start(&[cpus.hub], "catch-up");
    let mut live = Live {
        writer: Keyed::join(1, hub.secure),
        follower: Keyed::follower(2, hub.secure),
        said: None,
        next: Instant::now(),
        latencies: Vec::new(),
    };
    let seen = fill(&mut live);
    let start = Instant::now();
    while start.elapsed() < QUIET {
        live.turn();
    }
    let quiet = std::mem::take(&mut live.latencies);
    let mut rates = Vec::new();
    for turn in 0..TURNS as u32 {
        let mut away = Keyed::join(10 + turn, hub.secure);
        let start = Instant::now();
        let follow = ClientFrame::Follow {
            room: RoomName::lobby(),
            after: Some(seen),
            last: None,
            deletion: Default::default(),
        };
        away.send(&[follow]);
        let mut got = 0;
        while got < AWAY {
            away.member.turn();
            got += away.lines().iter().filter(|byte| **byte == b'\n').count() as u64;
            live.turn();
            assert!(start.elapsed() < PATIENCE, "{got} messages came");
        }
        rates.push(AWAY as f64 / start.elapsed().as_secs_f64());
        away.member.close();
    }
    let busy = std::mem::take(&mut live.latencies);
    let rate = Spread::of(rates);
    report.table(vec![
        ("live, nobody catches up".into(), row(quiet)),
        ("live, one catches up".into(), row(busy)),
    ]);
    report.judge("messages a second", rate, Wanted::AtLeast(100_000.0));
    let members: Vec<_> = (0..TURNS).map(|_| real_member(&hub, seen)).collect();
    let spread = |of: fn(&Costs) -> f64| Spread::of(members.iter().map(of));
    let name = "messages a second, pigeon-member";
    report.judge(name, spread(|it| it.rate), Wanted::AtLeast(100_000.0));
    report.ratio(&format!("{name}, of its CPU"), spread(|it| it.of_member));
    report.ratio(&format!("{name}, of the hub's CPU"), spread(|it| it.of_hub));
    report
}

fn row(mut latencies: Vec<f64>) -> Row {
    latencies.sort_by(f64::total_cmp);
    let micros = |part| percentile(&latencies, part) * 1e6;
    vec![
        ("median_us", micros(0.5).into()),
        ("p99_us", micros(0.99).into()),
        ("messages", latencies.len().into()),
    ]
}

/// Stores the messages that the other members miss. Returns the last message before them.
fn fill(live: &mut Live) -> Seen {
    let text = "a message of 64 bytes, as people write them, or programs: 012345";
    live.writer.say([text]);
    let HubFrame::Message(first) = live.follower.wait_for("message") else { panic!("no message") };
    let (mut said, mut got) = (0, 0);
    let start = Instant::now();
    while got < AWAY {
        let more = (256 - (said - got)).min(AWAY - said);
        if more >= 64 || said + more == AWAY {
            live.writer.say((0..more).map(|_| text));
            said += more;
        }
        live.writer.member.turn();
        live.writer.lines();
        live.follower.member.turn();
        got += live.follower.lines().iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(start.elapsed() < PATIENCE, "{got} messages came");
    }
    Seen { position: first.position, identity: first.identity }
}

/// A member that sends at intervals, and one that follows.
struct Live {
    writer: Keyed,
    follower: Keyed,
    said: Option<Instant>,
    next: Instant,
    latencies: Vec<f64>,
}

impl Live {
    fn turn(&mut self) {
        let now = Instant::now();
        if self.said.is_none() && self.next <= now {
            self.writer.say(["is anybody there?"]);
            self.said = Some(now);
            self.next = now + PACE;
        }
        self.writer.member.turn();
        self.writer.lines();
        self.follower.member.turn();
        if !self.follower.lines().is_empty()
            && let Some(said) = self.said.take()
        {
            self.latencies.push(said.elapsed().as_secs_f64());
        }
    }
}

/// Messages a second: in all, of the member's CPU time, and of the hub's.
struct Costs {
    rate: f64,
    of_member: f64,
    of_hub: f64,
}

/// Like the measurement above, but with a member of the library, which reads each message as an
/// event.
fn real_member(hub: &Hub, seen: Seen) -> Costs {
    let mut options = Options::new(hub.secure, empty("catch-up-member"));
    options.session.name = Some("away".into());
    let mut member = RealMember::connect(options).expect("a member");
    let seconds = || [own_seconds(std::process::id()), hub.server.process.own_seconds()];
    let (start, before, mut got) = (Instant::now(), seconds(), 0);
    member.follow(&RoomName::lobby(), From::After(seen)).expect("it follows");
    while got < AWAY {
        let event = member.next(PATIENCE).expect("messages come");
        got += u64::from(matches!(event, Event::Session(SessionEvent::Message(_))));
    }
    let after = seconds();
    let of = |which: usize| AWAY as f64 / (after[which] - before[which]);
    Costs { rate: AWAY as f64 / start.elapsed().as_secs_f64(), of_member: of(0), of_hub: of(1) }
}
