//! The end of a measurement: stops the server, waits for late datagrams, and finalises the figures.

use std::time::Duration;

use pigeon_datagram::{Instant, Received};

use super::{Client, ClientEvent, Failure, FarEnd, Phase, SILENCE};
use crate::plan::Mode;
use crate::wire::{self, Header, Kind};

/// How often the client requests the final report.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long to wait for duplicates after everything has arrived.
const SETTLE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Stopping {
    /// The number of requests for the final report, and when the next is due.
    pub(super) asked: u64,
    pub(super) again: Instant,
    pub(super) answered: u64,
    pub(super) heard: Instant,
    pub(super) tail: Duration,
    /// When missing datagrams count as lost.
    pub(super) deadline: Option<Instant>,
    /// When the measurement ends because everything has arrived.
    pub(super) settled: Option<Instant>,
}

impl Client {
    pub(super) fn stop(&mut self, now: Instant, tail: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.stop();
            if self.with == FarEnd::Echo {
                let [sent, _] = stream.sent();
                self.arrivals.sender_sent(sent);
            }
        }
        self.phase = Phase::Stopping(Stopping {
            asked: 0,
            again: now,
            answered: 0,
            heard: now,
            tail,
            deadline: (self.with == FarEnd::Echo).then_some(now + tail),
            settled: None,
        });
        self.events.push_back(ClientEvent::Sent);
        self.ask_to_stop(now);
    }

    pub(super) fn ask_to_stop(&mut self, now: Instant) {
        let sent = self.sent();
        let is_server = self.with == FarEnd::Server;
        let has_arrived = self.has_all_arrived();
        let settle = SETTLE.max(2 * self.round_trip);
        let Phase::Stopping(stopping) = &mut self.phase else { return };
        match has_arrived {
            true => stopping.settled = stopping.settled.or(Some(now + settle)),
            false => stopping.settled = None,
        }
        let ends = [stopping.deadline, stopping.settled];
        if ends.into_iter().flatten().any(|at| at <= now) {
            return self.finish();
        }
        if is_server && now - stopping.heard >= SILENCE {
            return self.fail(Failure::Silent);
        }
        if is_server && stopping.again <= now {
            stopping.asked += 1;
            stopping.again = now + ASK_AGAIN;
            let (session, number) = (self.session, stopping.asked);
            self.send(|bytes| wire::write_stop(bytes, session, number, sent));
        }
    }

    /// Whether all datagrams have arrived.
    pub(super) fn has_all_arrived(&self) -> bool {
        let Phase::Stopping(stopping) = &self.phase else { return false };
        let [sent, unsent] = self.sent();
        let (here, there) = (self.arrivals.figures(), self.report.figures);
        let sent_there = self.report.sent.saturating_sub(self.report.unsent);
        let said = self.with == FarEnd::Echo || stopping.answered > 0;
        said && match self.mode() {
            Mode::Up => there.received == sent - unsent,
            Mode::Down => here.received == sent_there,
            Mode::Both => there.received == sent - unsent && here.received == sent_there,
            Mode::Ping => here.received == sent - unsent,
        }
    }

    pub(super) fn handle_report(&mut self, now: Instant, datagram: &Received<'_>, header: Header) {
        let Some(report) = wire::read_report(datagram.payload) else { return };
        let mode = self.mode();
        match (&mut self.phase, header.kind) {
            (Phase::Running { .. }, Kind::Report) if header.number > self.last_report => {
                self.last_report = header.number;
                self.report = report;
                self.events.push_back(ClientEvent::Reported(header.number));
            }
            (Phase::Stopping(stopping), Kind::Stopped)
                if header.number > stopping.answered && header.number <= stopping.asked =>
            {
                stopping.answered = header.number;
                stopping.heard = now;
                let deadline = now + stopping.tail;
                stopping.deadline = stopping.deadline.or(Some(deadline));
                self.report = report;
                self.arrivals.kernel_drops(datagram.kernel_drops);
                // A returned datagram has the number of the original.
                let numbers = match mode {
                    Mode::Ping => self.stream.as_ref().map_or(0, |stream| stream.sent()[0]),
                    _ => report.sent,
                };
                self.arrivals.sender_sent(numbers);
                self.ask_to_stop(now);
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self) {
        if self.with == FarEnd::Server {
            self.bye();
        }
        self.phase = Phase::Over;
        self.events.push_back(ClientEvent::Finished);
    }
}
