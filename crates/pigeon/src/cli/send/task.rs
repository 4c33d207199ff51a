//! The host of the sender: input, replies, errors, and the exit status.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use pigeon_client::{Heard, SENDER_QUEUE, Sender};
use pigeon_datagram::Instant;
use pigeon_net::{Host, Io, Stats, Undelivered, Waker};

use super::framing::{Frame, Unit};
use crate::base::asking::asks_anybody;
use crate::base::cause::Cause;
use crate::base::payload::PayloadFormat;
use crate::base::quantity;
use crate::base::signals::Stop;
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::output::remark;
use crate::words::{self, key, say};

/// Maximum number of problems reported one by one; further ones are counted.
const TOLD: u64 = 20;

/// What is sent to which address, and what is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) to: SocketAddr,
    /// Whether replies are shown.
    pub(super) shows: bool,
    /// Whether only one datagram is sent, so that its error is the whole report.
    pub(super) is_one: bool,
    /// The unit of the input: lines or datagrams.
    pub(super) unit: Unit,
}

/// Feeds the sender, prints replies, and determines the exit status.
pub(super) struct Task {
    way: Way,
    /// Whether any host may answer. Known once: it asks the system for this host's networks.
    anybody: bool,
    items: Receiver<Frame>,
    waker: Waker,
    stop: Stop,
    format: PayloadFormat,
    /// Whether the input has ended.
    ended: bool,
    /// The error that ended it early.
    fatal: Option<anyhow::Error>,
    /// Number of items read, and the number of the last one sent.
    given: u64,
    last: u64,
    /// Items that are invalid, and datagrams that the system did not send.
    bad: u64,
    unsent: u64,
    /// Number of rejections by the peer or a firewall.
    rejected: u64,
    told: u64,
    replies: u64,
    /// Whether a reply from another port of the peer has been reported.
    elsewhere: bool,
    /// The last reported temporary error of the path.
    passing: Option<Cause>,
}

impl Task {
    pub(super) fn new(
        way: Way,
        items: Receiver<Frame>,
        waker: Waker,
        stop: Stop,
        format: PayloadFormat,
    ) -> Task {
        Task {
            anybody: asks_anybody(way.to),
            way,
            items,
            waker,
            stop,
            format,
            ended: false,
            fatal: None,
            given: 0,
            last: 0,
            bad: 0,
            unsent: 0,
            rejected: 0,
            told: 0,
            replies: 0,
            elsewhere: false,
            passing: None,
        }
    }

    /// Counts a refusal that arrived after the loop had ended.
    pub(super) fn count_refusal(&mut self) {
        self.rejected += 1;
    }

    /// The exit status or error.
    pub(super) fn outcome(self, stats: &Stats, wait: Option<Duration>) -> anyhow::Result<Status> {
        if let Some(error) = self.fatal {
            return Err(error);
        }
        let Way { to, is_one, .. } = self.way;
        let (sent, unsent) = (stats.sent.datagrams, stats.sent.dropped.total());
        // Datagrams that were not sent were rejected by this host's firewall, not by the peer.
        let refused = if sent > 0 { self.rejected } else { 0 };
        let undelivered = self.undelivered(stats);
        let rejected = refused.max(u64::from(undelivered.is_some()));
        if let Some(status) = self.stop.status() {
            if self.bad + unsent + rejected > 0 {
                self.say(&self.summary(stats, rejected));
            }
            return Ok(status);
        }
        if self.bad + unsent + rejected > 0 && !is_one {
            bail!("{}", self.summary(stats, rejected));
        }
        if let Some(failure) = stats.sent.last_failure {
            bail!(say!("errors-not-sent-cause", to = &to, cause = Cause::from(failure).said()));
        }
        if let Some(error) = undelivered {
            bail!(say!("errors-not-delivered-cause", to = &to, cause = Cause::from(error).said()));
        }
        if refused > 0 {
            bail!(say!("errors-refused", to = &to));
        }
        if sent == 0 {
            bail!(say!("tools-send-nothing"));
        }
        match wait {
            Some(wait) if self.replies == 0 => {
                let time = quantity::roughly(wait);
                let mut parts = vec![say!("tools-send-no-reply", to = &to, time = time)];
                let error = stats.received.last_error.map(|error| Cause::from(error).said());
                parts.extend(error.map(|cause| say!("errors-system-said", cause = cause)));
                bail!(parts.join(words::between_parts()))
            }
            _ => Ok(Status::Done),
        }
    }

    /// How much of a stream was sent, and what happened to the rest.
    fn summary(&self, stats: &Stats, rejected: u64) -> String {
        let Way { to, unit, .. } = self.way;
        let sent = &stats.sent;
        let key = match unit {
            Unit::Line => key!("tools-send-lines"),
            Unit::Datagram => key!("tools-send-datagrams"),
        };
        let mut parts = vec![say!(key, sent = sent.datagrams, given = self.given, to = &to)];
        if self.bad > 0 {
            parts.push(say!("tools-send-bad", count = self.bad));
        }
        if let Some(failure) = sent.last_failure {
            let (count, cause) = (sent.dropped.total(), Cause::from(failure).said());
            parts.push(say!("tools-send-unsent", count = count, cause = cause));
        }
        match self.undelivered(stats) {
            Some(error) => {
                let cause = Cause::from(error).said();
                parts.push(say!("tools-send-undelivered", count = rejected, cause = cause));
            }
            None if rejected > 0 => parts.push(say!("tools-send-refused", count = rejected)),
            None => {}
        }
        parts.join(words::between_parts())
    }

    /// The last delivery error, unless it is temporary or a refusal, which is counted separately.
    fn undelivered(&self, stats: &Stats) -> Option<Undelivered> {
        stats
            .received
            .last_error
            .filter(|error| stats.sent.datagrams > 0 && !error.passing && !error.is_refusal())
    }

    /// Reports a problem while sending continues.
    fn tell(&mut self, line: &str) {
        self.told += 1;
        match self.told {
            _ if self.way.is_one => {}
            ..=TOLD => self.say(line),
            told if told == TOLD + 1 => self.say(&say!("tools-send-more-troubles")),
            _ => {}
        }
    }

    fn say(&self, line: &str) {
        // Ignored if stderr is closed.
        let _ = writeln!(io::stderr(), "pigeon: {line}");
    }

    /// Moves items from the input to the sender while it has room.
    fn feed(&mut self, sender: &mut Sender, now: Instant) -> ControlFlow<()> {
        for _ in 0..SENDER_QUEUE {
            if self.ended || !sender.has_room() {
                return ControlFlow::Continue(());
            }
            match self.items.try_recv() {
                Ok(Frame::Datagram(number, payload)) => {
                    self.given += 1;
                    self.last = number;
                    // Has room, as checked above.
                    drop(sender.push(now, number, payload));
                }
                Ok(Frame::Bad(number, error)) => {
                    self.given += 1;
                    self.bad += 1;
                    let (which, error) = (self.way.unit.said(number), system_error::chain(&error));
                    self.tell(&say!("tools-send-bad-one", which = which, error = error));
                }
                Ok(Frame::Unreadable(kind)) => {
                    self.fatal =
                        Some(UsageError(say!("errors-cannot-read-stdin", error = &kind)).into());
                    return ControlFlow::Break(());
                }
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    sender.finish(now);
                    return self.unless_hopeless();
                }
            }
        }
        // Lets the loop send even if the input is always faster.
        self.waker.wake();
        ControlFlow::Continue(())
    }

    /// Ends the wait for replies if nothing was sent.
    fn unless_hopeless(&self) -> ControlFlow<()> {
        match self.ended && self.unsent > 0 && self.unsent == self.given - self.bad {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The network rejected a datagram. Reports it and sends the rest, because a restarting
    /// receiver is soon back. Ends only the wait for a reply.
    fn rejected(&mut self, sender: &Sender, cause: Option<Cause>) -> ControlFlow<()> {
        self.rejected += 1;
        // The network does not identify the datagram.
        let Way { to, unit, .. } = self.way;
        let which = unit.said(self.last);
        self.tell(&match cause {
            None => say!("tools-send-one-refused", which = which, to = &to),
            Some(cause) => {
                let cause = cause.said();
                say!("tools-send-one-undelivered", which = which, to = &to, cause = cause)
            }
        });
        match sender.is_done() && self.replies == 0 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn print(&mut self, from: SocketAddr, payload: &[u8]) -> ControlFlow<()> {
        let (Way { to, shows, .. }, anybody) = (self.way, self.anybody);
        if !shows || !(anybody || from.ip() == to.ip()) {
            return ControlFlow::Continue(());
        }
        self.replies += 1;
        let is_elsewhere = !anybody && from != to;
        if is_elsewhere && !std::mem::replace(&mut self.elsewhere, true) {
            remark(say!("tools-other-port-replies", from = &from, to = &to));
        }
        let text = self.format.show(payload);
        let line = if from == to { text } else { format!("{from}: {text}") };
        // If the reader is gone, a one-shot command ends.
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ControlFlow::Break(()),
            Err(error) => {
                self.fatal = Some(anyhow!(error).context(say!("errors-stdout")));
                ControlFlow::Break(())
            }
        }
    }
}

impl Host<Sender> for Task {
    fn woken(&mut self, sender: &mut Sender, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.stop.is_set() {
            return ControlFlow::Break(());
        }
        self.feed(sender, io.now)
    }

    fn event(&mut self, sender: &mut Sender, io: &mut Io<'_>, event: Heard) -> ControlFlow<()> {
        match event {
            Heard::Arrivals(arrivals) => {
                arrivals.iter().try_for_each(|arrival| self.print(arrival.from, arrival.payload))
            }
            Heard::Room => self.feed(sender, io.now),
            Heard::Refused => self.rejected(sender, None),
            Heard::Undelivered { passing } => {
                let Some(error) = io.stats().received.last_error else {
                    return ControlFlow::Continue(());
                };
                let cause = Cause::from(error);
                if passing {
                    if self.passing.replace(cause) != Some(cause) {
                        self.say(&say!("tools-passing", to = &self.way.to, cause = cause.said()));
                    }
                    return ControlFlow::Continue(());
                }
                self.rejected(sender, Some(cause))
            }
            Heard::Unsent(number) => {
                let cause = io.stats().sent.last_failure.map(Cause::from);
                let which = self.way.unit.said(number);
                self.tell(&match cause {
                    Some(cause) => {
                        let cause = cause.said();
                        say!("errors-not-sent-cause", to = which, cause = cause)
                    }
                    None => say!("errors-not-sent", to = which),
                });
                self.unsent += 1;
                self.unless_hopeless()
            }
            Heard::Over => ControlFlow::Break(()),
        }
    }
}
