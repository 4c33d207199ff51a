//! What stands around the sender: the input that feeds it, replies that are printed, troubles that are
//! told, and what came of it all.

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

/// Problems that are reported one by one; further ones are only counted.
const TOLD: u64 = 20;

/// What is sent where, and what is shown of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) to: SocketAddr,
    /// Whether replies are shown.
    pub(super) shows: bool,
    /// Whether one datagram is all: then the error says all that is to be said.
    pub(super) is_one: bool,
    /// What the input is made of: lines, or datagrams.
    pub(super) unit: Unit,
}

/// Gives the sender what is to be sent, prints replies, and works out the exit status.
pub(super) struct Task {
    way: Way,
    items: Receiver<Frame>,
    waker: Waker,
    stop: Stop,
    format: PayloadFormat,
    /// The input has ended.
    ended: bool,
    /// What ended it before its time.
    fatal: Option<anyhow::Error>,
    /// Items that were read, and the number of the last that was to be sent.
    given: u64,
    last: u64,
    /// Items that cannot be sent, and datagrams that the system did not send.
    bad: u64,
    unsent: u64,
    /// How often the peer refused, or a firewall rejected, what was sent.
    rejected: u64,
    told: u64,
    replies: u64,
    /// Whether it was said that another port of the peer replies.
    elsewhere: bool,
    /// What was last said of the way that may pass.
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

    /// A refusal that came when the loop had ended.
    pub(super) fn count_refusal(&mut self) {
        self.rejected += 1;
    }

    /// What came of it all.
    pub(super) fn outcome(self, stats: &Stats, wait: Option<Duration>) -> anyhow::Result<Status> {
        if let Some(error) = self.fatal {
            return Err(error);
        }
        let Way { to, is_one, .. } = self.way;
        let (sent, unsent) = (stats.sent.datagrams, stats.sent.dropped.total());
        // What never left was not refused there, but by this host's own firewall.
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

    /// How much of a stream was sent, and what became of the rest.
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

    /// The last error that what was sent met on its way, unless it may pass, or is a refusal, which is
    /// counted by itself.
    fn undelivered(&self, stats: &Stats) -> Option<Undelivered> {
        stats
            .received
            .last_error
            .filter(|error| stats.sent.datagrams > 0 && !error.passing && !error.is_refusal())
    }

    /// Tells what went wrong, while there is something left to do.
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
        // If nobody reads stderr, nobody can be warned.
        let _ = writeln!(io::stderr(), "pigeon: {line}");
    }

    /// Moves items from the input to the sender, as far as it has room.
    fn feed(&mut self, sender: &mut Sender, now: Instant) -> ControlFlow<()> {
        for _ in 0..SENDER_QUEUE {
            if self.ended || !sender.has_room() {
                return ControlFlow::Continue(());
            }
            match self.items.try_recv() {
                Ok(Frame::Datagram(number, payload)) => {
                    self.given += 1;
                    self.last = number;
                    // There is room: checked above.
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
        // An input that is always quicker does not keep the loop from sending.
        self.waker.wake();
        ControlFlow::Continue(())
    }

    /// Ends the wait for replies where nothing at all was sent.
    fn unless_hopeless(&self) -> ControlFlow<()> {
        match self.ended && self.unsent > 0 && self.unsent == self.given - self.bad {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The network says that what was sent does not arrive: told, and the rest is sent all the same,
    /// since a receiver that restarts is back in a moment. It ends only the wait for a reply.
    fn rejected(&mut self, sender: &Sender, cause: Option<Cause>) -> ControlFlow<()> {
        self.rejected += 1;
        // Which of them it was the network does not say.
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
        let Way { to, shows, .. } = self.way;
        let anybody = asks_anybody(to);
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
        // One reader of a one-shot tool: if it has gone, there is nobody to print for.
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
