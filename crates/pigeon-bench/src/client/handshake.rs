//! The handshake: identifies the far end, and requests the measurement.

use std::time::Duration;

use pigeon_datagram::Instant;

use super::{Client, ClientEvent, Failure, FarEnd, KEEP, Phase};
use crate::pace::Schedule;
use crate::plan::{Mode, Plan};
use crate::stream::{self, Stream};
use crate::wire::{self, Grant, Kind, Request};

/// The first timeout of the handshake; it doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The attempts for each request of the handshake: waiting 0.1, 0.2, 0.4, 0.8 and 1.6 s.
pub(super) const ATTEMPTS: u32 = 5;

/// A request of the handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) attempts: u32,
    pub(super) asked: Instant,
    pub(super) again: Instant,
}

impl Client {
    /// Sends the request, repeats it, or gives up.
    pub(super) fn ask(&mut self, now: Instant) {
        let (asking, token) = match &mut self.phase {
            Phase::Hello(asking) => (asking, None),
            Phase::Start(asking, token) => (asking, Some(*token)),
            _ => return,
        };
        if asking.attempts == ATTEMPTS {
            return self.fail(if self.foreign { Failure::Foreign } else { Failure::NoAnswer });
        }
        asking.asked = now;
        asking.again = now + FIRST_WAIT * (1 << asking.attempts);
        asking.attempts += 1;
        let (session, request) = (self.session, self.request());
        self.send(|bytes| match token {
            None => wire::write_bare(bytes, Kind::Hello, session),
            Some(token) => wire::write_start(bytes, session, &token, &request),
        });
    }

    pub(super) fn request(&self) -> Request {
        let Plan { mode, pace, size, duration, reports_every, .. } = self.plan;
        Request {
            down: matches!(mode, Mode::Down | Mode::Both),
            size,
            rate: pace.rate.map_or(0, |rate| rate.get()),
            flows: pace.flows.get(),
            duration,
            interval: reports_every,
        }
    }

    pub(super) fn begin(&mut self, now: Instant, with: FarEnd, grant: Grant) {
        self.with = with;
        let kind = match self.mode() {
            Mode::Up | Mode::Both => Some(Kind::Data),
            Mode::Ping => Some(Kind::Ping),
            Mode::Down => None,
        };
        let duration = grant.duration.min(self.plan.duration);
        let end = now + duration;
        let schedule = Schedule { pace: self.plan.pace, start: now, end };
        // The plan was checked when the client was created.
        let sized = kind.zip(stream::size(self.plan.size));
        self.stream = sized.map(|(kind, size)| Stream::new(kind, self.session, size, schedule));
        self.phase = Phase::Running { end, keep: now + KEEP, heard: now };
        self.events.push_back(ClientEvent::Began { with, duration, rate: grant.rate });
        self.run(now);
    }
}
