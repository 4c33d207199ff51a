//! The near end of a measurement.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use pigeon_bench::{Client, ClientEvent, Failure, FarEnd, Snapshot};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, Socket, SocketOptions};

use super::Args;
use super::plot::Plot;
use super::report::{Interval, Shown, Times};
use super::traffic::Traffic;
use crate::base::bind::one_host;
use crate::base::random;
use crate::base::signals::on_stop;
use crate::base::status::Status;
use crate::contacts::peer;
use crate::output::{Color, Spool, json};

/// How soon the end of the sending is noticed.
const LOOK_UP: Duration = Duration::from_millis(50);

/// How long output may still be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Measures, and shows what was measured.
pub(super) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let to = peer::parse(args.endpoint.as_deref().unwrap_or_default(), None)?
        .endpoint
        .resolve_in(args.family)?;
    one_host(to)?;
    let (rate, for_safety) = args.rate(to);
    let clock = Clock::start();
    let mut lines = Vec::new();
    for flow in 0..args.flows {
        let plan = args.plan(rate, flow)?;
        let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
        let socket = Socket::connect(to, None, &options)?;
        let session = random::u64()?;
        lines.push((Client::new(clock.now(), to, session, plan)?, socket));
    }
    let notes = Spool::lines(io::stderr())?;
    let data = Spool::lines(io::stdout())?;
    if for_safety {
        notes.line(format!(
            "{to} is another machine: {} datagrams a second; --rate sets another pace",
            rate.unwrap_or_default()
        ));
    }
    let mut traffic = Traffic::new(clock, lines)?;
    let waker = traffic.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut run = Run {
        shown: Shown { to, size: args.size, flows: args.flows, rate, mode: args.mode() },
        json: args.json,
        plots: (!args.json && !args.line).then(|| color.enabled(&io::stdout())),
        plot: None,
        interval: args.interval,
        notes,
        data,
        state: State::default(),
    };

    let mut stopped = None;
    while !traffic.machines().all(Client::is_over) {
        let now = traffic.clock.now();
        if stop.is_set() && stopped.is_none() {
            stopped = stop.status();
            // A second Ctrl-C ends the process on the spot: not on the alternate screen.
            run.plot = None;
            traffic.machines_mut().for_each(|client| client.interrupt(now));
        }
        let limit = run.tick(now, &traffic).min(LOOK_UP);
        traffic.turn(limit, &mut |event| run.state.event(event))?;
        run.began(traffic.clock.now());
        if let Some(failure) = run.state.failure {
            let now = traffic.clock.now();
            // One flow that fails is the end of all.
            traffic.machines_mut().for_each(|client| client.interrupt(now));
            if matches!(failure, Failure::Refused | Failure::Silent) {
                break;
            }
        }
    }
    run.end(&traffic, to, stopped)
}

/// A measurement from outside.
struct Run {
    shown: Shown,
    json: bool,
    /// Whether a plot may be shown, and then whether in colour.
    plots: Option<bool>,
    plot: Option<Plot>,
    interval: Duration,
    notes: Spool<Vec<u8>>,
    data: Spool<Vec<u8>>,
    state: State,
}

/// What has been reported so far.
#[derive(Default)]
struct State {
    /// With whom, for how long, and how fast the far end sends.
    far_end: Option<(FarEnd, Duration, u32)>,
    failure: Option<Failure>,
    /// When the first flow began.
    start: Option<Instant>,
    /// When the last interval ended, and what was known then.
    last: Option<(Instant, Snapshot)>,
    /// When the sending ended.
    sent_until: Option<Instant>,
    interval_times: Times,
    times: Times,
    /// From when each was sent, not due.
    uncorrected: Times,
}

impl State {
    fn event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Began { with, duration, rate } => {
                self.far_end.get_or_insert((with, duration, rate));
            }
            ClientEvent::Back { trip, since_due } => {
                self.interval_times.record(since_due);
                self.times.record(since_due);
                self.uncorrected.record(trip);
            }
            ClientEvent::Finished => {}
            ClientEvent::Failed(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }
}

impl Run {
    /// Takes note of the beginning, and says what was not granted.
    fn began(&mut self, now: Instant) {
        let Some((with, duration, rate)) = self.state.far_end else { return };
        if self.state.start.is_some() {
            return;
        }
        self.state.start = Some(now);
        self.state.last = Some((now, Snapshot::default()));
        if with == FarEnd::Echo {
            let to = self.shown.to;
            self.notes.line(format!("{to} is an echo service: measuring round trips"));
            self.shown.mode = pigeon_bench::Mode::Ping;
        }
        if with == FarEnd::Server && self.shown.is_limited_to(rate) {
            self.notes.line(format!("the server sends at most {rate} datagrams a second"));
        }
        let title = self.shown.title(duration);
        self.notes.line(title.clone());
        if let Some(color) = self.plots {
            self.plot = Plot::begin(title, color);
        }
    }

    /// Shows an interval if one is over. Returns how long until the next.
    fn tick(&mut self, now: Instant, traffic: &Traffic<Client>) -> Duration {
        let Some((last, _)) = self.state.last else { return LOOK_UP };
        if !traffic.machines().any(Client::is_running) {
            // The last one is shown when all that belongs to it has come.
            self.state.sent_until.get_or_insert(now);
            return LOOK_UP;
        }
        let next = last + self.interval;
        if now < next {
            return next - now;
        }
        self.show_interval(now, snapshot(traffic));
        self.interval
    }

    fn show_interval(&mut self, now: Instant, after: Snapshot) {
        let Some((last, before)) = self.state.last.replace((now, after)) else { return };
        let start = self.state.start.unwrap_or(last);
        let times = std::mem::take(&mut self.state.interval_times);
        let interval = Interval { from: last - start, to: now - start, before, after, times };
        match &self.plot {
            Some(plot) => plot.add(interval.point()),
            None if self.json => {
                let _ = self.data.line(interval.json());
            }
            None => {
                let _ = self.notes.line(interval.line());
            }
        };
    }

    /// Shows the summary.
    fn end(
        mut self,
        traffic: &Traffic<Client>,
        to: SocketAddr,
        stopped: Option<Status>,
    ) -> anyhow::Result<Status> {
        let Some(start) = self.state.start else {
            if let Some(failure) = self.state.failure.filter(|_| self.json) {
                self.data.line(json::counts(&[
                    ("type", "summary".into()),
                    ("result", result_name(failure).into()),
                    ("to", to.to_string().into()),
                ]));
                self.data.finish(std::time::Instant::now() + LAST_WORDS);
            }
            self.notes.finish(std::time::Instant::now() + LAST_WORDS);
            return match (self.state.failure, stopped) {
                (Some(failure), _) => Err(failed(to, failure)),
                (None, Some(status)) => Ok(status),
                (None, None) => bail!("{to}: the measurement did not begin"),
            };
        };
        let known = snapshot(traffic);
        let sent_until = self.state.sent_until.unwrap_or(traffic.clock.now());
        let elapsed = sent_until - start;
        // A rate of a moment tells people nothing; in JSON the intervals sum up to the whole.
        let last = self.state.last.map_or(Duration::ZERO, |(last, _)| sent_until - last);
        if self.plot.take().is_none() && (self.json || last >= self.interval / 2) {
            self.show_interval(sent_until, known);
        }
        let (times, uncorrected) = (&self.state.times, &self.state.uncorrected);
        let deadline = std::time::Instant::now() + LAST_WORDS;
        // On a terminal what was lost reads otherwise behind the reason.
        if let Some(failure) = self.state.failure {
            self.notes.line(format!("pigeon: {:#}", failed(to, failure)));
        }
        self.notes.finish(deadline);
        if self.json {
            let (interrupted, result) = (stopped.is_some(), self.state.failure.map(result_name));
            let summary = self.shown.json(elapsed, &known, times, uncorrected, interrupted, result);
            self.data.line(summary);
        } else {
            for line in self.shown.table(elapsed, &known, times, uncorrected) {
                self.data.line(line);
            }
        }
        self.data.finish(deadline);
        if self.state.failure.is_some() {
            return Ok(Status::Failed);
        }
        let ways = [known.up, known.down, known.trip];
        let nothing = ways.iter().flatten().any(|way| way.sent > 0 && way.received == 0);
        match stopped {
            Some(status) => Ok(status),
            None if nothing => {
                let _ = writeln!(io::stderr(), "pigeon: {to}: nothing arrived");
                Ok(Status::Failed)
            }
            None => Ok(Status::Done),
        }
    }
}

fn snapshot(traffic: &Traffic<Client>) -> Snapshot {
    traffic.machines().map(Client::snapshot).reduce(Snapshot::and).unwrap_or_default()
}

/// How a failure is called in JSON: as `ask` has it; the rest in words.
fn result_name(failure: Failure) -> String {
    match failure {
        Failure::Refused => "refused".to_string(),
        Failure::NoAnswer => "timed out".to_string(),
        failure => failure.to_string(),
    }
}

fn failed(to: SocketAddr, failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Refused => anyhow!("{to} refused: nobody listens there"),
        failure => anyhow!("{to}: {failure}"),
    }
}
