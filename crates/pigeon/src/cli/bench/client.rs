//! The near end of a measurement.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use pigeon_bench::{Client, ClientEvent, Failure, FarEnd, Snapshot};
use pigeon_datagram::{Instant, PerSocket, SocketId};
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions};

use super::plot::Plot;
use super::report::{Interval, Shown, Times};
use super::{Args, TIMING};
use crate::base::bind::one_host;
use crate::base::random;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::Status;
use crate::contacts::peer;
use crate::output::{Color, Spool, json};

/// How long output may still be written at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Measures, and shows what was measured.
pub(super) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let to = peer::parse_words(args.endpoint.as_deref().unwrap_or_default(), args.port)?
        .endpoint
        .resolve_in(args.family)?;
    one_host(to)?;
    let (rate, for_safety) = args.rate(to);
    let clock = Clock::start();
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for flow in 0..args.flows {
        let plan = args.plan(rate, flow)?;
        let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
        sockets.push(Socket::connect(to, None, &options)?);
        clients.push(Client::new(clock.now(), to, random::u64()?, plan)?);
    }
    let notes = Spool::log(io::stderr())?;
    let data = Spool::lines(io::stdout())?;
    if for_safety {
        notes.remark(format!(
            "{to} is another machine: {} datagrams a second; --rate sets another pace",
            rate.unwrap_or_default()
        ));
    }
    let driver = Driver::over(PerSocket::new(clients), sockets);
    let driver = driver.context("cannot watch the sockets")?;
    let mut driver = driver.with_clock(clock).with_timing(TIMING);
    let waker = driver.waker();
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
        stop,
        stopped: None,
    };
    driver.run(&mut run)?;
    run.end(driver.machine(), clock.now(), to)
}

/// The clients, one a flow.
type Clients = PerSocket<Client>;

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
    stop: Stop,
    /// The exit status, once a signal has ended the measurement.
    stopped: Option<Status>,
}

impl Host<Clients> for Run {
    fn woken(&mut self, clients: &mut Clients, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.stop.is_set() && self.stopped.is_none() {
            self.stopped = self.stop.status();
            // A second Ctrl-C ends the process on the spot: not on the alternate screen.
            self.plot = None;
            interrupt(clients, io.now);
        }
        self.progress(clients, io.now)
    }

    fn event(
        &mut self,
        clients: &mut Clients,
        io: &mut Io<'_>,
        (_, event): (SocketId, ClientEvent),
    ) -> ControlFlow<()> {
        self.state.event(event);
        match event {
            // There may be a million a second, and nothing follows from one.
            ClientEvent::Back { .. } => return ControlFlow::Continue(()),
            ClientEvent::Began { .. } => self.began(io.now),
            ClientEvent::Failed(failure) => {
                // One flow that fails is the end of all.
                interrupt(clients, io.now);
                if matches!(failure, Failure::Refused | Failure::Silent) {
                    return ControlFlow::Break(());
                }
            }
            ClientEvent::Sent | ClientEvent::Finished => {}
        }
        self.progress(clients, io.now)
    }

    fn deadline(&self) -> Option<Instant> {
        let (last, _) = self.state.last.filter(|_| self.state.sent_until.is_none())?;
        Some(last + self.interval)
    }

    fn tick(&mut self, clients: &mut Clients, io: &mut Io<'_>) -> ControlFlow<()> {
        self.show_interval(io.now, snapshot(clients));
        ControlFlow::Continue(())
    }
}

/// Ends the sending of every flow.
fn interrupt(clients: &mut Clients, now: Instant) {
    for id in clients.sockets() {
        if let Some(client) = clients.get_mut(id) {
            client.interrupt(now);
        }
    }
}

/// What has been reported so far.
#[derive(Default)]
struct State {
    /// The far end, for how long, and how fast it sends.
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
            ClientEvent::Sent | ClientEvent::Finished => {}
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
            self.notes.remark(format!("{to} is an echo service: measuring round trips"));
            self.shown.mode = pigeon_bench::Mode::Ping;
        }
        if with == FarEnd::Server && self.shown.is_limited_to(rate) {
            self.notes.remark(format!("the server sends at most {rate} datagrams a second"));
        }
        let title = self.shown.title(duration);
        self.notes.remark(title.clone());
        if let Some(color) = self.plots {
            self.plot = Plot::begin(title, color);
        }
    }

    /// Takes note when the last flow has sent everything, and ends when all flows are over.
    fn progress(&mut self, clients: &Clients, now: Instant) -> ControlFlow<()> {
        if self.state.start.is_some() && !clients.iter().any(Client::is_running) {
            // The last interval is shown when all that belongs to it has come.
            self.state.sent_until.get_or_insert(now);
        }
        match clients.iter().all(Client::is_over) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
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
                let _ = self.notes.remark(interval.line());
            }
        };
    }

    /// Shows the summary.
    fn end(mut self, clients: &Clients, now: Instant, to: SocketAddr) -> anyhow::Result<Status> {
        let stopped = self.stopped;
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
        let known = snapshot(clients);
        let sent_until = self.state.sent_until.unwrap_or(now);
        let elapsed = sent_until - start;
        // A rate of a moment means nothing to people; in JSON the intervals sum up to the whole.
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

fn snapshot(clients: &Clients) -> Snapshot {
    clients.iter().map(Client::snapshot).reduce(Snapshot::and).unwrap_or_default()
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
