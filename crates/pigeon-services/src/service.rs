//! The service itself. [`Service::answer`] is the main flow: from a request to its reply.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received, Transmit};

use crate::guard::{Admitted, Guard};
use crate::repeats::Repeats;
use crate::replies::Replies;
use crate::{Config, Event, Ignored, Kind, Outcome, Statistics, WallClock, sntp, texts};

/// How often an exceeded limit is reported to the operator.
const WARN_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of events kept until the driver collects them.
const MAX_EVENTS: usize = 16_384;

/// One service on one port: each request has at most one reply. Only rates and counters persist
/// between requests.
///
/// The driver follows the contract of [`Machine`]; the service has no timers. For `time`, `daytime`
/// and `sntp` the driver also sets the time, with [`set_wall`](Service::set_wall).
///
/// ```
/// # use std::time::Duration;
/// # use pigeon_datagram::{Instant, Machine, Received};
/// # use pigeon_services::{Config, Kind, Service, WallClock};
/// let now = Instant::ORIGIN;
/// let wall = WallClock::new(Duration::from_secs(1_795_208_645), now);
/// let mut service = Service::new(Kind::Time, Config::default(), wall);
/// service.handle_datagram(now, &Received::new("127.0.0.1:5000".parse()?, b"%H:%M:%S"));
/// let reply = service.poll_transmit().unwrap();
/// assert_eq!(service.outbox()[reply.range], *b"21:04:05");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Service {
    kind: Kind,
    config: Config,
    wall: WallClock,
    guard: Guard,
    repeats: Repeats,
    replies: Replies,
    statistics: Statistics,
    events: VecDeque<Event>,
    /// When an exceeded limit was last reported, and how many requests have exceeded one since.
    warned: Option<Instant>,
    unsaid: u64,
}

impl Service {
    /// A new service.
    pub fn new(kind: Kind, config: Config, wall: WallClock) -> Self {
        Service {
            kind,
            guard: Guard::new(config.hash_keys),
            config,
            wall,
            repeats: Repeats::default(),
            replies: Replies::default(),
            statistics: Statistics::default(),
            events: VecDeque::new(),
            warned: None,
            unsaid: 0,
        }
    }

    /// The kind of service.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The counters.
    pub fn snapshot(&self) -> Statistics {
        let mut statistics = self.statistics.clone();
        statistics.shared_rate = self.guard.shared_rate();
        statistics
    }

    /// Sets the time of day. The driver of a service that serves time calls this before it passes
    /// datagrams, at least once a second.
    pub fn set_wall(&mut self, wall: WallClock) {
        self.wall = wall;
    }

    /// Produces the reply to a request.
    fn answer(&mut self, now: Instant, request: &Received<'_>) -> Result<Outcome, Ignored> {
        if self.kind == Kind::Discard {
            // No checks needed: the discard service never replies.
            return Ok(Outcome::Discarded);
        }
        let Admitted { most, is_free } = self.guard.admit(now, &self.config, self.kind, request)?;
        let (source, length) = (request.from, request.length);
        if is_free && let Some(a_second) = self.repeats.observe(now, source, request.payload) {
            self.report(Event::Repeating { source, length, a_second });
        }
        let (kind, config, wall) = (self.kind, &self.config, self.wall);
        let length = self.replies.push(request.from, request.local, most, |out| match kind {
            Kind::Echo => out.extend_from_slice(request.payload),
            Kind::Upper => out.extend(request.payload.iter().map(u8::to_ascii_uppercase)),
            Kind::Size => texts::size(request.length, out),
            Kind::Time => texts::time(request.payload, wall.read(now), &config.zone, out),
            Kind::Daytime => texts::daytime(wall.read(now), &config.zone, out),
            Kind::Sntp => out.extend_from_slice(&sntp::reply(&config.sntp, now, wall, request)),
            Kind::Fixed => out.extend_from_slice(&config.reply),
            Kind::Discard => {}
        })?;
        Ok(Outcome::Replied { length })
    }

    /// Reports an exceeded limit to the operator, at most once every `WARN_EVERY`.
    fn warn(&mut self, now: Instant, source: SocketAddr, bound: Ignored) {
        self.unsaid += 1;
        if self.warned.is_none_or(|warned| now - warned >= WARN_EVERY) {
            self.warned = Some(now);
            let requests = std::mem::take(&mut self.unsaid);
            self.report(Event::Limited { source, bound, requests });
        }
    }

    fn report(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.statistics.events_lost += 1;
        }
    }
}

impl Machine for Service {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.replies.reset_if_drained();
        let (from, length) = (datagram.from, datagram.length);
        let outcome = self.answer(now, datagram).unwrap_or_else(Outcome::Ignored);
        self.statistics.count(length, outcome);
        if let Outcome::Ignored(bound @ (Ignored::SourceRate | Ignored::TotalRate)) = outcome {
            self.warn(now, from, bound);
        }
        if self.config.report_datagrams {
            self.report(Event::Datagram { from, length, outcome });
        }
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, datagrams: u64) {
        let bytes = match transmit.segment {
            Some(segment) => datagrams * u64::from(segment.get()),
            None => transmit.range.len() as u64,
        };
        self.statistics.unsent(datagrams, bytes.min(transmit.range.len() as u64));
        // Corrects the reports on these requests, which have not been collected yet.
        let mut left = datagrams;
        for event in self.events.iter_mut().rev() {
            if let Event::Datagram { from, outcome, .. } = event
                && let Outcome::Replied { length } = *outcome
                && *from == transmit.to
                && left > 0
            {
                *outcome = Outcome::Unsent { length };
                left -= 1;
            }
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {
        self.replies.reset_if_drained();
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.replies.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.replies.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
