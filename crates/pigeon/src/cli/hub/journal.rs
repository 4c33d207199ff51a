//! The hub's log: structured, bounded, and escaped.

use std::collections::VecDeque;
use std::time::Duration;

use clap::ValueEnum;
use pigeon_datagram::Instant;
use pigeon_hub::{Event, Left, Remark, Statistics};
use pigeon_proto::Label;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use super::console::dropped;
use crate::output::{Color, Spool, is_quiet, wall};
use crate::words::say;

/// Maximum lines per second about members. If a hundred thousand join at once, the rest is counted.
const LINES_A_SECOND: u32 = 200;

/// How long the line of a newcomer waits. `pigeon join` comes to learn the port for members with a
/// key, leaves at once and comes back there; only that is news.
const HOLD: Duration = Duration::from_millis(300);

/// The format of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// lines for people
    Text,
    /// one JSON object per line
    Json,
}

/// What is logged: events of this level and of those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// what ends the hub
    Error,
    /// what the operator should look at
    Warn,
    /// who joins and leaves
    Info,
    /// what the hub does by itself
    Debug,
    /// everything
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            _ if is_quiet() => LevelFilter::ERROR,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

/// Local time with its offset: operators can compare it with a clock, and programs lose nothing.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str(&wall::rfc3339(&wall::local(None)))
    }
}

/// Changes the level of a running log.
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    pub(crate) fn set(&self, level: LogLevel) {
        // Fails only if the log has ended.
        let _ = self.0.reload(LevelFilter::from(level));
    }
}

/// Sends the process's log to `out`.
pub(crate) fn start(
    format: LogFormat,
    level: LogLevel,
    color: Color,
    out: Spool<Vec<u8>>,
) -> Level {
    let (filter, handle) = reload::Layer::new(LevelFilter::from(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || out.clone())
        .with_target(false)
        .with_timer(LocalTime)
        .with_ansi(color.enabled(&std::io::stderr()));
    // The client of NATS tells everything that the hub tells in its own words.
    let is_ours = filter_fn(|metadata| {
        *metadata.level() > tracing::Level::INFO || !metadata.target().starts_with("async_nats")
    });
    let registry = tracing_subscriber::registry().with(filter).with(is_ours);
    match format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Level(handle)
}

/// Logs members' actions, up to a maximum rate. What members do is logged in English in every
/// language, because scripts read it; what the operator should act on is in the hub's language.
#[derive(Default)]
pub(crate) struct Journal {
    second: Instant,
    lines: u32,
    unwritten: u64,
    /// Newcomers with waiting lines, in the order of their times.
    held: VecDeque<(Instant, Label)>,
}

impl Journal {
    pub(crate) fn note(&mut self, now: Instant, event: &Event) {
        if self.is_passing(event) {
            return;
        }
        if now - self.second >= Duration::from_secs(1) {
            self.flush();
            self.second = now;
        }
        if self.lines >= LINES_A_SECOND {
            self.unwritten += 1;
            return;
        }
        self.lines += 1;
        match event {
            Event::Joined { label, .. } => self.held.push_back((now + HOLD, label.clone())),
            Event::Left { label, name, reason, .. } => {
                let name = name.as_ref().map(tracing::field::display);
                info!(address = %label, name, "{}", reason.describe());
            }
            Event::Renamed { label, name, .. } => info!(address = %label, %name, "renamed"),
            Event::AnswersByItself { label, name } => {
                let name = name.as_ref().map(tracing::field::display);
                warn!(address = %label, name, "{}", say!("hub-answers-by-itself"));
            }
            Event::Remark { label, name, remark } => {
                let name = name.as_ref().map(tracing::field::display);
                match remark {
                    Remark::Limited(reason) => {
                        let why = dropped(*reason);
                        warn!(address = %label, name, "{}", say!("hub-limited", why = why));
                    }
                    Remark::NotUtf8 => {
                        info!(address = %label, name, "{}", say!("hub-not-utf8"));
                    }
                }
            }
            // The log does not contain messages.
            Event::Message(_)
            | Event::Reply { .. }
            | Event::Lookup(_)
            | Event::Keep(_)
            | Event::News { .. }
            | Event::Moved { .. }
            | Event::Stopped => {}
        }
    }
}

impl Journal {
    /// When [`tick`](Journal::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.front().map(|(at, _)| *at)
    }

    /// Logs the newcomers who have stayed.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = self.held.partition_point(|(at, _)| *at <= now);
        self.log_held(due);
    }

    /// Whether a newcomer without a name has left at once by itself: neither is logged. Any other
    /// event of a newcomer comes after its line.
    fn is_passing(&mut self, event: &Event) -> bool {
        let (label, has_quit) = match event {
            Event::Left { label, name, reason, .. } => {
                (label, name.is_none() && *reason == Left::Quit)
            }
            Event::Renamed { label, .. }
            | Event::AnswersByItself { label, .. }
            | Event::Remark { label, .. } => (label, false),
            _ => return false,
        };
        let at = self.held.iter().position(|(_, held)| held == label);
        if let Some(at) = at.filter(|_| has_quit) {
            self.held.remove(at);
            return true;
        }
        self.log_held(at.map_or(0, |at| at + 1));
        false
    }

    /// A member speaks: its line comes before its message.
    pub(crate) fn hear(&mut self, label: &str) {
        let at = self.held.iter().position(|(_, held)| held.as_str() == label);
        self.log_held(at.map_or(0, |at| at + 1));
    }

    fn log_held(&mut self, count: usize) {
        for (_, label) in self.held.drain(..count) {
            info!(address = %label, "joined");
        }
    }

    /// Logs the number of lines left out.
    fn flush(&mut self) {
        if self.unwritten > 0 {
            info!(events = self.unwritten, "{}", say!("hub-log-more"));
        }
        (self.lines, self.unwritten) = (0, 0);
    }
}

/// Writes the last lines of the log.
pub(crate) fn farewell(journal: &mut Journal, counted: &Statistics, unprinted: u64) {
    journal.tick(Instant::ORIGIN + Duration::MAX);
    journal.flush();
    if unprinted > 0 {
        warn!(lines = unprinted, "{}", say!("hub-log-unprinted"));
    }
    if counted.events_lost > 0 {
        warn!(events = counted.events_lost, "{}", say!("hub-log-lost"));
    }
    info!(
        received = counted.received,
        messages = counted.messages,
        sent = counted.sent,
        joined = counted.joined,
        "{}",
        say!("hub-stopped")
    );
}
