//! The sockets that a capture is played on, and the account of what was sent and how punctually.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use pigeon_capture::{ReadError, Skip};
use pigeon_datagram::{Instant, Outbox, Transmit};
use pigeon_net::{Clock, Receipt, Socket, SocketOptions, Sockets};

use super::Speed;
use super::player::{Cue, LeftOut, Packets, Player};
use crate::base::count::count;
use crate::output::json;

/// The most sockets: sources beyond share the last one.
const MAX_SOURCES: usize = 500;

/// Datagrams gathered for one system call.
const GATHER: usize = 64;

/// How long one sending may wait for room in the send buffer: nothing else is to be done meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// A datagram sent so long after its time is late.
const LATE: Duration = Duration::from_millis(1);

/// Why playing ended early.
pub(super) enum PlayError {
    File(ReadError),
    Socket(anyhow::Error),
}

impl From<ReadError> for PlayError {
    fn from(error: ReadError) -> Self {
        PlayError::File(error)
    }
}

impl From<anyhow::Error> for PlayError {
    fn from(error: anyhow::Error) -> Self {
        PlayError::Socket(error)
    }
}

/// What was sent, and how punctually.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    bytes: u64,
    not_sent: u64,
    replies: u64,
    late: u64,
    worst: Duration,
    elapsed: Duration,
}

/// The sockets, one a sender.
pub(super) struct Stage {
    target: SocketAddr,
    speed: Speed,
    clock: Clock,
    pub(super) sockets: Sockets,
    keys: BTreeMap<SocketAddr, usize>,
    outbox: Outbox,
    transmits: Vec<Transmit>,
    began: Option<Instant>,
    pub(super) counts: Counts,
    pub(super) refused: bool,
}

impl Stage {
    pub(super) fn new(target: SocketAddr, speed: Speed) -> anyhow::Result<Stage> {
        Ok(Stage {
            target,
            speed,
            clock: Clock::start(),
            sockets: Sockets::new().context("cannot watch sockets")?,
            keys: BTreeMap::new(),
            outbox: Outbox::new(),
            transmits: Vec::with_capacity(GATHER),
            began: None,
            counts: Counts::default(),
            refused: false,
        })
    }

    /// Sends what is due, or waits until something is. `Break` at the end.
    pub(super) fn play<P: Packets>(
        &mut self,
        player: &mut Player<P>,
    ) -> Result<ControlFlow<()>, PlayError> {
        let now = self.clock.now();
        let Some(due) = player.next_due(now)? else { return Ok(ControlFlow::Break(())) };
        if due > now {
            self.wait(due - now)?;
            return Ok(ControlFlow::Continue(()));
        }
        self.began.get_or_insert(now);
        let (mut sender, mut outcome) = (None, Ok(()));
        for _ in 0..GATHER {
            let Cue { from, due, payload } = match player.take(now) {
                Ok(Some(cue)) => cue,
                Ok(None) => break,
                // What stands before the damage is sent all the same.
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            if let Speed::Times(_) = self.speed {
                let late = now - due;
                self.counts.late += u64::from(late > LATE);
                self.counts.worst = self.counts.worst.max(late);
            }
            if let Some(before) = sender.filter(|before| *before != from) {
                self.send(before)?;
            }
            sender = Some(from);
            self.outbox.send(self.target, None, &payload);
        }
        if let Some(sender) = sender {
            self.send(sender)?;
        }
        // What comes back, and whether the target refuses.
        self.wait(Duration::ZERO)?;
        outcome?;
        Ok(ControlFlow::Continue(()))
    }

    /// Sends what stands in the outbox, from this sender's socket.
    fn send(&mut self, sender: SocketAddr) -> anyhow::Result<()> {
        let key = self.key(sender)?;
        self.transmits.clear();
        self.transmits.extend(std::iter::from_fn(|| self.outbox.poll()));
        let bytes = self.outbox.bytes();
        if let Some(report) = self.sockets.send(key, bytes, &self.transmits, PATIENCE) {
            self.counts.sent += report.sent;
            self.counts.not_sent += report.dropped;
            self.refused |= report.refused;
        }
        self.outbox.reset_if_drained();
        Ok(())
    }

    fn key(&mut self, sender: SocketAddr) -> anyhow::Result<usize> {
        if let Some(key) = self.keys.get(&sender) {
            return Ok(*key);
        }
        let key = self.keys.len().min(MAX_SOURCES - 1);
        if self.sockets.get(key).is_none() {
            let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
            let mut socket = Socket::connect(self.target, None, &options)?;
            if let Some(first) = self.sockets.get(0) {
                socket.share_buffers(first);
            }
            self.sockets.insert(key, socket).context("cannot watch the socket")?;
        }
        // Whoever is not remembered shares the last socket all the same.
        if self.keys.len() < MAX_SOURCES {
            self.keys.insert(sender, key);
        }
        Ok(key)
    }

    /// Waits, and takes what comes back.
    pub(super) fn wait(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.sockets.wait(Some(limit)).context("cannot wait")?;
        self.sockets.woken();
        for _ in 0..GATHER {
            let Some(key) = self.sockets.next_ready() else { break };
            let replies = &mut self.counts.replies;
            match self.sockets.receive(key, &mut |_| *replies += 1) {
                Ok(Receipt::Refused) => self.refused = true,
                Ok(_) => {}
                Err(error) => return Err(error).context("cannot receive from the target"),
            }
        }
        Ok(())
    }

    /// Says what was done: words to stderr, or an object to stdout.
    pub(super) fn tell(&mut self, left_out: &LeftOut, as_json: bool) {
        let began = self.began.unwrap_or(Instant::ORIGIN);
        self.counts.elapsed = self.began.map_or(Duration::ZERO, |_| self.clock.now() - began);
        self.counts.bytes = self.sockets.stats().sent.bytes;
        // Whoever reads may have gone; what was sent was sent.
        let _ = match as_json {
            true => writeln!(io::stdout(), "{}", self.counts.json(left_out)),
            false => writeln!(io::stderr(), "{}", self.counts.words(left_out)),
        };
    }
}

impl Counts {
    fn words(&self, left_out: &LeftOut) -> String {
        let Counts { sent, bytes, not_sent, replies, late, worst, elapsed } = *self;
        let datagrams = count(sent, "datagram");
        let mut line = format!("{datagrams} ({bytes} bytes) in {:.3} s", elapsed.as_secs_f64());
        if late > 0 {
            let worst = worst.as_secs_f64() * 1e3;
            line += &format!("; {late} more than 1 ms late, the worst by {worst:.1} ms");
        }
        if not_sent > 0 {
            line += &format!("; {not_sent} could not be sent");
        }
        if replies > 0 {
            line += &format!("; {replies} came back");
        }
        let reasons: Vec<String> =
            left_out.reasons().map(|(reason, count)| format!("{count} {reason}")).collect();
        if !reasons.is_empty() {
            line += &format!("; left out: {}", reasons.join(", "));
        }
        line
    }

    /// One object: `sent`, `bytes`, `not_sent`, `replies`, `late`, and in seconds `worst_late` and
    /// `elapsed`; then of the file `packets` and what was left out: `not_udp`, `fragments`, `cut`,
    /// `malformed`, `unknown_link`, `filtered`.
    fn json(&self, left_out: &LeftOut) -> String {
        json::counts(&[
            ("sent", self.sent.into()),
            ("bytes", self.bytes.into()),
            ("not_sent", self.not_sent.into()),
            ("replies", self.replies.into()),
            ("late", self.late.into()),
            ("worst_late", self.worst.as_secs_f64().into()),
            ("elapsed", self.elapsed.as_secs_f64().into()),
            ("packets", left_out.packets.into()),
            ("not_udp", left_out.skipped(Skip::NotUdp).into()),
            ("fragments", left_out.skipped(Skip::Fragment).into()),
            ("cut", left_out.skipped(Skip::Cut).into()),
            ("malformed", left_out.skipped(Skip::Malformed).into()),
            ("unknown_link", left_out.skipped(Skip::UnknownLink).into()),
            ("filtered", left_out.filtered.into()),
        ])
    }
}
