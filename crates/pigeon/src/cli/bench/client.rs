//! The client of a measurement.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use pigeon_bench::{Client, ClientEvent, Failure, FarEnd, Mode, Snapshot};
use pigeon_datagram::{Instant, PerSocket, SocketId};
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions};

use super::plot::Plot;
use super::report::{Interval, Output, Shown, Times, Whole, csv_head, head};
use super::{Args, TIMING};
use crate::base::bind::{explain, one_host};
use crate::base::cause::{Cause, Watch};
use crate::base::random;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::Status;
use crate::contacts::peer;
use crate::output::{Color, Spool, is_quiet, json};
use crate::words::{self, key, say};

/// Time limit for writing output at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Maximum number of intervals that wait for the server's report. The report of an older one was
/// lost.
const INCOMPLETE: usize = 64;

pub(super) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let to = peer::parse_words(args.endpoint.as_deref().unwrap_or_default(), args.port)?
        .endpoint
        .resolve_in(args.family)?;
    one_host(to)?;
    let (rate, for_safety) = args.rate(to)?;
    let omit = args.omitted()?;
    let clock = Clock::start();
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for flow in 0..args.flows {
        let plan = args.plan(rate, flow)?;
        let options = SocketOptions {
            timestamps: false,
            refusals: true,
            dscp: args.dscp,
            ..SocketOptions::default()
        };
        let socket = Socket::connect(to, args.source(to, flow)?, &options);
        sockets.push(socket.map_err(explain)?);
        clients.push(Client::new(clock.now(), to, random::u64()?, plan)?);
    }
    let notes = Spool::log(io::stderr())?;
    let data = Spool::lines(io::stdout())?;
    if for_safety {
        notes.remark(say!("tools-bench-safe", to = &to, rate = &rate.unwrap_or_default()));
    }
    let driver = Driver::over(PerSocket::new(clients), sockets);
    let driver = driver.with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock).with_timing(TIMING);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;

    let output = match (args.json, args.csv) {
        (true, _) => Output::Json,
        (_, true) => Output::Csv,
        _ => Output::Text,
    };
    if output == Output::Csv {
        data.line(csv_head());
    }
    let pace = args.plan(rate, 0)?.pace;
    let mut run = Run {
        shown: Shown { to, size: args.size, flows: args.flows, rate, mode: args.mode(), omit },
        output,
        plots: (output == Output::Text && !args.line).then(|| color.enabled(&io::stdout())),
        plot: None,
        interval: args.interval,
        early: pace.half_gap().min(args.interval / 4),
        reports: args.reports(),
        way: Watch::new(clock.now()),
        cause: None,
        notes,
        data,
        state: State::default(),
        stop,
        stopped: None,
    };
    driver.run(&mut run)?;
    if run.state.failure == Some(Failure::NoAnswer) {
        run.cause = Cause::of(&driver.stats());
    }
    run.end(driver.machine(), clock.now(), to)
}

/// One client per flow.
type Clients = PerSocket<Client>;

/// The host of a running measurement.
struct Run {
    shown: Shown,
    output: Output,
    /// Whether a plot is possible; the inner value is whether it is in colour.
    plots: Option<bool>,
    plot: Option<Plot>,
    interval: Duration,
    /// The server's reports are counted this long before the end of an interval.
    early: Duration,
    /// Server reports per interval.
    reports: u32,
    /// Watches for ICMP errors and local send errors.
    way: Watch,
    /// Why no datagram arrives, if the measurement could not begin.
    cause: Option<Cause>,
    notes: Spool<Vec<u8>>,
    data: Spool<Vec<u8>>,
    state: State,
    stop: Stop,
    /// The exit status after a signal ended the measurement.
    stopped: Option<Status>,
}

impl Host<Clients> for Run {
    fn woken(&mut self, clients: &mut Clients, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.stop.is_set() && self.stopped.is_none() {
            self.stopped = self.stop.status();
            // Leaves the alternate screen now: a second Ctrl-C ends the process at once.
            self.plot = None;
            interrupt(clients, io.now);
        }
        self.progress(clients, io.now)
    }

    fn event(
        &mut self,
        clients: &mut Clients,
        io: &mut Io<'_>,
        (id, event): (SocketId, ClientEvent),
    ) -> ControlFlow<()> {
        self.state.event(event);
        match event {
            // Up to a million per second, and none of them needs a reaction.
            ClientEvent::Back { .. } => return ControlFlow::Continue(()),
            ClientEvent::Began { .. } => {
                io.ignore_refusals(id);
                self.began(io.now);
            }
            ClientEvent::Reported(_) => self.show_complete(clients),
            ClientEvent::Failed(failure) => {
                // If one flow fails, all end.
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
        let early = u64::try_from(self.early.as_nanos()).unwrap_or(0);
        let before = |end: Instant| Instant::from_nanos(end.as_nanos().saturating_sub(early));
        let end = self.interval_end().map(before);
        [Some(self.way.look_at()), end].into_iter().flatten().min()
    }

    fn tick(&mut self, clients: &mut Clients, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.interval_end().is_some_and(|end| end <= io.now + self.early) {
            self.end_interval(clients);
        }
        match self.way.look_at() <= io.now {
            true => self.look_at_way(io),
            false => ControlFlow::Continue(()),
        }
    }
}

fn interrupt(clients: &mut Clients, now: Instant) {
    for id in clients.sockets() {
        if let Some(client) = clients.get_mut(id) {
            client.interrupt(now);
        }
    }
}

/// What has been reported.
#[derive(Default)]
struct State {
    /// The server, the duration and its send rate.
    far_end: Option<(FarEnd, Duration, u32)>,
    failure: Option<Failure>,
    /// When the first flow began.
    start: Option<Instant>,
    /// End of the last interval shown, and the counters at that time.
    last: Option<(Instant, Snapshot)>,
    /// Number of intervals that have ended.
    ended: u32,
    /// Intervals that still miss the server's report.
    incomplete: VecDeque<Ended>,
    /// End of the omitted part, and the counters at that time.
    omitted: Option<(Instant, Snapshot)>,
    sent_until: Option<Instant>,
    interval_times: Times,
    times: Times,
    /// Round trips measured from when a datagram was sent, not from when it was due.
    uncorrected: Times,
}

/// An interval that has ended.
struct Ended {
    at: Instant,
    /// The client's counters at its end.
    known: Snapshot,
    times: Times,
    /// Number of the server report that completes it; 0 if none is needed.
    report: u64,
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
            ClientEvent::Sent | ClientEvent::Finished | ClientEvent::Reported(_) => {}
            ClientEvent::Failed(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }
}

impl Run {
    /// Records the start, and reports settings that the server did not grant.
    fn began(&mut self, now: Instant) {
        let Some((with, duration, rate)) = self.state.far_end else { return };
        if self.state.start.is_some() {
            return;
        }
        self.state.start = Some(now);
        self.state.last = Some((now, Snapshot::default()));
        if with == FarEnd::Echo {
            let to = self.shown.to;
            self.notes.remark(say!("tools-bench-echo", to = &to));
            self.shown.mode = Mode::Ping;
        }
        if with == FarEnd::Server && self.shown.is_limited_to(rate) {
            self.notes.remark(say!("tools-bench-limited", rate = &rate));
        }
        let title = self.shown.title(duration);
        self.notes.remark(title.clone());
        if let Some(color) = self.plots {
            self.plot = Plot::begin(title, color);
        }
        if self.plot.is_none() && self.output == Output::Text {
            self.notes.remark(head(self.shown.mode));
        }
    }

    /// The end of the current interval.
    fn interval_end(&self) -> Option<Instant> {
        let start = self.state.start.filter(|_| self.state.sent_until.is_none())?;
        Some(start + self.interval.saturating_mul(self.state.ended + 1))
    }

    /// Records the client's counters at the end of an interval. The server's report for it arrives
    /// later.
    fn end_interval(&mut self, clients: &Clients) {
        let Some(at) = self.interval_end() else { return };
        let state = &mut self.state;
        state.ended += 1;
        let is_reported = state.far_end.is_some_and(|(with, ..)| with == FarEnd::Server)
            && self.shown.mode != Mode::Ping;
        let report = if is_reported { u64::from(state.ended) * u64::from(self.reports) } else { 0 };
        let times = std::mem::take(&mut state.interval_times);
        let known = sum(clients, |client| client.snapshot_before(at));
        state.incomplete.push_back(Ended { at, known, times, report });
        if self.interval.saturating_mul(state.ended) == self.shown.omit {
            (state.times, state.uncorrected) = Default::default();
        }
        if state.incomplete.len() > INCOMPLETE {
            self.join_first();
        }
        self.show_complete(clients);
    }

    /// Shows the intervals that have the server's report.
    fn show_complete(&mut self, clients: &Clients) {
        let reported = clients.iter().map(Client::reported).min().unwrap_or(0);
        while let Some(first) = self.state.incomplete.front() {
            match first.report {
                0 => {}
                number if number > reported => return,
                number if number < reported => {
                    self.join_first();
                    continue;
                }
                _ => {}
            }
            let Some(Ended { at, known, times, report }) = self.state.incomplete.pop_front() else {
                return;
            };
            let known = if report == 0 { known } else { known.completed_by(snapshot(clients)) };
            self.show_interval(at, known, times);
        }
    }

    /// Merges the first interval into the next one, because its report was lost.
    fn join_first(&mut self) {
        let Some(first) = self.state.incomplete.pop_front() else { return };
        let next = self.state.incomplete.front_mut().map(|next| &mut next.times);
        next.unwrap_or(&mut self.state.interval_times).add(&first.times);
    }

    /// Reports errors of the path. Before the first measurement they end the run, unless they may
    /// be temporary: then the client connects again.
    fn look_at_way(&mut self, io: &mut Io<'_>) -> ControlFlow<()> {
        let Some(cause) = self.way.look(io.now, &io.stats()) else {
            return ControlFlow::Continue(());
        };
        if self.state.start.is_none() {
            if cause.is_passing() {
                return ControlFlow::Continue(());
            }
            self.cause = Some(cause);
            return ControlFlow::Break(());
        }
        let to = self.shown.to;
        self.notes.line(say!("tools-bench-way", to = &to, cause = cause.said()));
        ControlFlow::Continue(())
    }

    /// Notes when the last flow has sent everything, and ends when all flows are finished.
    fn progress(&mut self, clients: &Clients, now: Instant) -> ControlFlow<()> {
        if self.state.start.is_some() && !clients.iter().any(Client::is_running) {
            // The last interval is shown when its last replies have arrived.
            self.state.sent_until.get_or_insert(now);
        }
        match clients.iter().all(Client::is_over) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn show_interval(&mut self, now: Instant, after: Snapshot, times: Times) {
        let Some((last, before)) = self.state.last.replace((now, after)) else { return };
        let start = self.state.start.unwrap_or(last);
        let is_omitted = self.state.omitted.is_none() && !self.shown.omit.is_zero();
        if is_omitted && now - start >= self.shown.omit {
            self.state.omitted = Some((now, after));
        }
        let (from, to) = (last - start, now - start);
        let interval = Interval { from, to, before, after, times, is_omitted };
        if let Some(plot) = &self.plot {
            return plot.add(interval.point());
        }
        let (rows, out) = match self.output {
            Output::Json => (vec![interval.json()], &self.data),
            Output::Csv => (interval.csv(), &self.data),
            Output::Text if is_quiet() => return,
            Output::Text => (interval.rows(), &self.notes),
        };
        for row in rows {
            out.line(row);
        }
    }

    /// Shows the summary.
    fn end(mut self, clients: &Clients, now: Instant, to: SocketAddr) -> anyhow::Result<Status> {
        let stopped = self.stopped;
        let Some(start) = self.state.start else {
            let cause = self.cause.map(|cause| cause.to_string());
            let result = self.state.failure.map(result_name).or(cause.clone());
            if let Some(result) = result.filter(|_| self.output == Output::Json) {
                let mut fields = vec![
                    ("type", "summary".into()),
                    ("result", result.into()),
                    ("to", to.to_string().into()),
                ];
                let error = cause.clone().filter(|_| self.state.failure.is_some());
                fields.extend(error.map(|error| ("error", error.into())));
                self.data.line(json::counts(&fields));
                self.data.finish(std::time::Instant::now() + LAST_WORDS);
            }
            self.notes.finish(std::time::Instant::now() + LAST_WORDS);
            return match (self.state.failure, self.cause, stopped) {
                (Some(failure), Some(cause), _) => {
                    let parts = [
                        failed(to, failure, None).to_string(),
                        say!("errors-system-said", cause = cause.said()),
                    ];
                    Err(anyhow!(parts.join(words::between_parts())))
                }
                (Some(failure), None, _) => Err(failed(to, failure, None)),
                (None, Some(cause), _) => bail!(words::because(to, cause.said())),
                (None, None, Some(status)) => Ok(status),
                (None, None, None) => bail!(say!("tools-bench-not-begun", to = &to)),
            };
        };
        let known = snapshot(clients);
        let sent_until = self.state.sent_until.unwrap_or(now);
        while !self.state.incomplete.is_empty() {
            self.join_first();
        }
        // People get no rate for a very short last interval. JSON has it, so that the intervals add
        // up to the total.
        let last = self.state.last.map_or(Duration::ZERO, |(last, _)| sent_until - last);
        let is_text = self.output == Output::Text;
        if self.plot.take().is_none() && (!is_text || last >= self.interval / 2) {
            let times = std::mem::take(&mut self.state.interval_times);
            self.show_interval(sent_until, known, times);
        }
        let (elapsed, known) = match self.state.omitted {
            Some((begin, before)) => (sent_until - begin, known.since(before)),
            None => (sent_until - start, known),
        };
        let (times, uncorrected) = (&self.state.times, &self.state.uncorrected);
        let deadline = std::time::Instant::now() + LAST_WORDS;
        // On a terminal the losses are worded differently after an error.
        let heard = clients.iter().map(Client::heard).max().unwrap_or(start) - start;
        if let Some(failure) = self.state.failure {
            self.notes.line(format!("pigeon: {:#}", failed(to, failure, Some(heard))));
        }
        self.notes.finish(deadline);
        let whole = Whole { elapsed, known, times, uncorrected };
        let failure = self.state.failure.map(|failure| (result_name(failure), heard));
        let lines = match self.output {
            Output::Json => vec![self.shown.json(&whole, stopped.is_some(), failure)],
            Output::Csv => whole.csv(),
            Output::Text => self.shown.table(&whole),
        };
        for line in lines {
            self.data.line(line);
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
                let _ = writeln!(io::stderr(), "pigeon: {}", say!("tools-bench-nothing", to = &to));
                Ok(Status::Failed)
            }
            None => Ok(Status::Done),
        }
    }
}

fn snapshot(clients: &Clients) -> Snapshot {
    sum(clients, Client::snapshot)
}

fn sum(clients: &Clients, known: impl Fn(&Client) -> Snapshot) -> Snapshot {
    clients.iter().map(known).reduce(Snapshot::and).unwrap_or_default()
}

/// The name of a failure in JSON: the names of `ask`, else a sentence.
fn result_name(failure: Failure) -> String {
    match failure {
        Failure::Refused => "refused".to_string(),
        Failure::NoAnswer => "timed out".to_string(),
        failure => failure.to_string(),
    }
}

/// A failure in the user's language; `to_string` is English, for JSON.
fn said(failure: Failure) -> String {
    say!(match failure {
        Failure::Refused => key!("tools-bench-failed-refused"),
        Failure::NoAnswer => key!("tools-bench-failed-no-answer"),
        Failure::Foreign => key!("tools-bench-failed-foreign"),
        Failure::OnlyEcho => key!("tools-bench-failed-only-echo"),
        Failure::Full => key!("tools-bench-failed-full"),
        Failure::Size => key!("tools-bench-failed-size"),
        Failure::Silent => key!("tools-bench-failed-silent"),
        Failure::TooLong(most) => {
            let most = most.as_secs_f64().to_string();
            return say!("tools-bench-failed-too-long", most = most);
        }
    })
}

/// `heard`: the time from the start of the measurement to the server's last datagram, if it had
/// begun.
fn failed(to: SocketAddr, failure: Failure, heard: Option<Duration>) -> anyhow::Error {
    let Some(heard) = heard else {
        return match failure {
            Failure::Refused => anyhow!(say!("errors-refused", to = &to)),
            failure => anyhow!(words::because(to, said(failure))),
        };
    };
    let why = match failure {
        Failure::Refused => say!("tools-bench-gone"),
        failure => said(failure),
    };
    let seconds = format!("{:.1}", heard.as_secs_f64());
    anyhow!(say!("tools-bench-stopped", to = &to, seconds = seconds, why = why))
}
