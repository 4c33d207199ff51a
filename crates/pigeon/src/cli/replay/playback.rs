//! Plays a capture: what to send from which socket, and how punctual it was.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_capture::{ReadError, Skip};
use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit, max_payload};
use pigeon_net::Stats;

use super::Speed;
use super::feed::Feed;
use super::player::{Cue, LeftOut, Next, Player};
use crate::output::{json, remark};
use crate::words::{self, say};

/// Maximum number of sockets: further sources share the last one.
const MAX_SOURCES: u16 = 500;

/// Maximum number of datagrams sent before replies are read.
const BATCH: usize = 64;

/// A datagram sent this long after its time is late.
const LATE: Duration = Duration::from_millis(1);

/// Minimum length of a pause to report.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// How long to wait for a refusal after the last datagram.
const LAST_LOOK: Duration = Duration::from_millis(100);

pub(super) enum Event {
    /// A socket connected to the target is needed. The answer is [`Playback::opened`].
    Open(SocketId),
    /// The target does not listen. Reported once.
    Refused,
    /// A datagram of this length is too long for the target. Reported once.
    TooLong(usize),
    /// Nothing is sent for this long.
    Pause(Duration),
    /// Everything was sent, as far as the capture could be read.
    Over,
}

/// Sends a capture's datagrams when they are due, with one socket per source.
pub(super) struct Playback<F> {
    player: Player<F>,
    target: SocketAddr,
    speed: Speed,
    /// Whether the capture comes through a pipe, perhaps while it is being recorded.
    is_live: bool,
    sockets: BTreeMap<SocketAddr, SocketId>,
    /// Number of open sockets.
    opened: usize,
    outbox: Outbox,
    /// The next transmit; its socket is not open yet.
    pending: Option<Transmit>,
    events: VecDeque<Event>,
    /// When the next datagram is due.
    next: Option<Instant>,
    /// Whether the next datagram has not been read yet.
    is_starved: bool,
    /// When the playback ends.
    ends: Option<Instant>,
    began: Option<Instant>,
    error: Option<ReadError>,
    counts: Counts,
}

/// What was sent, and how punctually.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    bytes: u64,
    pub(super) not_sent: u64,
    /// Datagrams of `not_sent` that were too long for the target.
    too_long: u64,
    /// Number of refusals, and of other errors.
    pub(super) refused: u64,
    pub(super) undelivered: u64,
    replies: u64,
    late: u64,
    worst: Duration,
    elapsed: Duration,
}

impl<F: Feed> Playback<F> {
    /// A playback that starts at once.
    pub(super) fn new(now: Instant, player: Player<F>, target: SocketAddr, speed: Speed) -> Self {
        Playback {
            player,
            target,
            speed,
            is_live: false,
            sockets: BTreeMap::new(),
            opened: 0,
            outbox: Outbox::new(),
            pending: None,
            events: VecDeque::new(),
            next: Some(now),
            is_starved: false,
            ends: None,
            began: None,
            error: None,
            counts: Counts::default(),
        }
    }

    /// Sets whether the capture comes through a pipe.
    pub(super) fn live(self, is_live: bool) -> Self {
        Playback { is_live, ..self }
    }

    /// The requested socket is open, at this address.
    pub(super) fn opened(&mut self, local: SocketAddr) {
        self.opened += 1;
        if self.is_live {
            self.player.own.insert(local);
        }
    }

    /// Continues, because more of the capture may have been read.
    pub(super) fn fed(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_starved) {
            self.next = Some(now);
        }
    }

    /// The counts, given the sockets' statistics.
    pub(super) fn counts(&self, stats: &Stats) -> Counts {
        Counts {
            sent: stats.sent.datagrams,
            bytes: stats.sent.bytes,
            not_sent: stats.sent.dropped.total() + self.counts.too_long,
            undelivered: stats.received.ignored_errors,
            ..self.counts
        }
    }

    /// What was left out, and why the capture could not be read to its end.
    pub(super) fn into_rest(self) -> (LeftOut, Option<ReadError>) {
        (self.player.left_out, self.error)
    }

    fn play(&mut self, now: Instant) -> Result<Next, ReadError> {
        for _ in 0..BATCH {
            let Some(Cue { from, due, payload }) = self.player.take(now)? else { break };
            let began = *self.began.get_or_insert(now);
            self.counts.elapsed = now - began;
            if let Speed::Times(_) = self.speed {
                let late = now - due;
                self.counts.late += u64::from(late > LATE);
                self.counts.worst = self.counts.worst.max(late);
            }
            self.send(from, &payload);
        }
        self.player.next(now)
    }

    fn send(&mut self, from: SocketAddr, payload: &[u8]) {
        if payload.len() > max_payload(self.target) {
            self.counts.too_long += 1;
            if self.counts.too_long == 1 {
                self.events.push_back(Event::TooLong(payload.len()));
            }
            return;
        }
        let socket = self.socket(from);
        let range = self.outbox.append(|bytes| bytes.extend_from_slice(payload));
        let to = self.target;
        self.outbox.push(Transmit { socket, to, from: None, range, segment: None });
    }

    /// The socket of a source, created if necessary.
    fn socket(&mut self, source: SocketAddr) -> SocketId {
        if let Some(socket) = self.sockets.get(&source) {
            return *socket;
        }
        // Sources beyond the maximum share the last socket.
        let number = u16::try_from(self.sockets.len()).unwrap_or(u16::MAX);
        if number >= MAX_SOURCES {
            return SocketId::new(MAX_SOURCES - 1);
        }
        let socket = SocketId::new(number);
        self.sockets.insert(source, socket);
        self.events.push_back(Event::Open(socket));
        socket
    }
}

impl<F: Feed> Machine for Playback<F> {
    type Event = Event;

    fn handle_datagram(&mut self, _: Instant, _: &Received<'_>) {
        self.counts.replies += 1;
    }

    fn handle_refused(&mut self, _: Instant, _: SocketId) {
        self.counts.refused += 1;
        if self.counts.refused == 1 {
            self.events.push_back(Event::Refused);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.pending.is_none() {
            self.outbox.reset_if_drained();
        }
        if self.ends.take_if(|ends| *ends <= now).is_some() {
            self.events.push_back(Event::Over);
        }
        if self.next.take_if(|next| *next <= now).is_none() {
            return;
        }
        match self.play(now) {
            Ok(Next::Due(due)) => {
                self.next = Some(due);
                if due - now >= LONG_PAUSE {
                    self.events.push_back(Event::Pause(due - now));
                }
            }
            Ok(Next::Unread) => self.is_starved = true,
            // Datagrams before the damage are sent.
            ended => {
                self.error = ended.err();
                self.ends = Some(self.began.map_or(now, |_| now + LAST_LOOK));
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.pending.take().or_else(|| self.outbox.poll())?;
        if transmit.socket.index() < self.opened {
            return Some(transmit);
        }
        self.pending = Some(transmit);
        None
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next.or(self.ends)
    }
}

impl Counts {
    /// Prints the summary: text to stderr, or an object to stdout.
    pub(super) fn print(&self, left_out: &LeftOut, as_json: bool) {
        match as_json {
            // Ignores closed output.
            true => drop(writeln!(io::stdout(), "{}", self.json(left_out))),
            false => remark(self.words(left_out)),
        }
    }

    fn words(&self, left_out: &LeftOut) -> String {
        let Counts { sent, bytes, not_sent, replies, late, worst, elapsed, .. } = *self;
        let seconds = format!("{:.3}", elapsed.as_secs_f64());
        let mut parts =
            vec![say!("tools-replay-done", count = sent, bytes = bytes, seconds = seconds)];
        if late > 0 {
            let worst = format!("{:.1}", worst.as_secs_f64() * 1e3);
            parts.push(say!("tools-replay-late", count = late, worst = worst));
        }
        if not_sent > 0 {
            parts.push(say!("tools-replay-not-sent", count = not_sent));
        }
        if replies > 0 {
            parts.push(say!("tools-replay-came-back", count = replies));
        }
        let reasons: Vec<String> = left_out.reasons().collect();
        if !reasons.is_empty() {
            let reasons = reasons.join(words::between_items());
            parts.push(say!("tools-replay-left-out", reasons = reasons));
        }
        parts.join(words::between_parts())
    }

    /// One object: `sent`, `bytes`, `not_sent`, received `refused`, `errors` and `replies`, `late`,
    /// and in seconds `worst_late` and `elapsed`; then of the file `packets` and what was left out:
    /// `not_udp`, `fragments`, `cut`, `malformed`, `tunnel`, `encrypted`, `unknown_link`,
    /// `filtered`, `other_direction`, `own`.
    fn json(&self, left_out: &LeftOut) -> String {
        json::counts(&[
            ("sent", self.sent.into()),
            ("bytes", self.bytes.into()),
            ("not_sent", self.not_sent.into()),
            ("refused", self.refused.into()),
            ("errors", self.undelivered.into()),
            ("replies", self.replies.into()),
            ("late", self.late.into()),
            ("worst_late", self.worst.as_secs_f64().into()),
            ("elapsed", self.elapsed.as_secs_f64().into()),
            ("packets", left_out.packets.into()),
            ("not_udp", left_out.skipped(Skip::NotUdp).into()),
            ("fragments", left_out.skipped(Skip::Fragment).into()),
            ("cut", left_out.skipped(Skip::Cut).into()),
            ("malformed", left_out.skipped(Skip::Malformed).into()),
            ("tunnel", left_out.skipped(Skip::Tunnel).into()),
            ("encrypted", left_out.skipped(Skip::Encrypted).into()),
            ("unknown_link", left_out.skipped(Skip::UnknownLink).into()),
            ("filtered", left_out.filtered.into()),
            ("other_direction", left_out.replies.into()),
            ("own", left_out.own.into()),
        ])
    }
}
