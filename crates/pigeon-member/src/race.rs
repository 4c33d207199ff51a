//! Attempts to connect to several hubs at once; the first that opens is used (RFC 8305).
//!
//! One after the other was rejected: a hub that is silent would cost its time limit before the next
//! one is tried.

use std::collections::VecDeque;
use std::time::Duration;

use pigeon_datagram::{Instant, SocketId};
use pigeon_quic::ConnId;

use crate::hubs::Target;

/// Time between the starts of two attempts, unless one fails before (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Time limit of an attempt, if there are others: the two round trips of a handshake on a path of one
/// second, and half as much again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Maximum number of attempts at once: those that begin within the time limit, so that each has it
/// whole. With fewer, the oldest would end for the next one, and many silent hubs would hide a slow one.
const MOST: usize = (PATIENCE.as_millis() / STAGGER.as_millis()) as usize;

/// Numbers of sockets, used in turn, so that what is still sent for an ended connection does not go
/// out at the next one's socket.
const SOCKETS: u16 = 16;

/// An attempt at one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) target: Target,
    pub(crate) socket: SocketId,
    /// `None` until the application has opened the socket.
    pub(crate) quic: Option<ConnId>,
    until: Instant,
}

/// The attempts.
#[derive(Debug)]
pub(crate) struct Race {
    attempts: VecDeque<Attempt>,
    /// Hubs not tried yet, and when the next one is.
    left: VecDeque<Target>,
    next: Instant,
    /// Whether there are several hubs. A single one has the time limit of its handshake.
    has_several: bool,
    /// The last socket used.
    socket: u16,
}

impl Race {
    pub(crate) fn new() -> Race {
        Race {
            attempts: VecDeque::new(),
            left: VecDeque::new(),
            next: Instant::ORIGIN,
            has_several: false,
            // The first attempt has the first socket, which is open.
            socket: SOCKETS - 1,
        }
    }

    /// Tries these hubs, the first at once, except for those that are being tried. Those that were left
    /// before come first, or a race that begins anew would never reach the last of many.
    pub(crate) fn start(&mut self, now: Instant, targets: impl IntoIterator<Item = Target>) {
        let is_tried =
            |target: &Target| self.attempts.iter().any(|attempt| attempt.target == *target);
        let targets = targets.into_iter().filter(|target| !is_tried(target));
        let (first, then): (Vec<Target>, Vec<Target>) =
            targets.partition(|target| self.left.contains(target));
        self.left = first.into_iter().chain(then).collect();
        if self.attempts.is_empty() {
            self.next = now;
        }
        self.has_several = self.attempts.len() + self.left.len() > 1;
    }

    /// Whether nothing is tried, and nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.attempts.is_empty() && self.left.is_empty()
    }

    /// The next attempt that is due, over a socket that is not in use.
    pub(crate) fn begin(&mut self, now: Instant, in_use: [Option<SocketId>; 2]) -> Option<Attempt> {
        if self.next > now || self.attempts.len() >= MOST {
            return None;
        }
        let target = self.left.pop_front()?;
        self.next = now + STAGGER;
        self.socket = (0..SOCKETS)
            .map(|step| (self.socket + 1 + step) % SOCKETS)
            .find(|number| {
                let socket = SocketId::new(*number);
                !in_use.contains(&Some(socket))
                    && self.attempts.iter().all(|it| it.socket != socket)
            })
            .unwrap_or(0);
        let socket = SocketId::new(self.socket);
        let attempt = Attempt { target, socket, quic: None, until: now + PATIENCE };
        self.attempts.push_back(attempt);
        Some(attempt)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter()
    }

    pub(crate) fn newest(&self) -> Option<&Attempt> {
        self.attempts.back()
    }

    /// The attempt over this socket.
    pub(crate) fn at_mut(&mut self, socket: SocketId) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|it| it.socket == socket)
    }

    /// Removes the attempt with this connection.
    pub(crate) fn take(&mut self, quic: ConnId) -> Option<Attempt> {
        let place = self.attempts.iter().position(|it| it.quic == Some(quic))?;
        self.attempts.remove(place)
    }

    /// Removes an attempt that has failed. The next one is due at once.
    pub(crate) fn lost(&mut self, now: Instant, socket: SocketId) -> Option<Attempt> {
        let place = self.attempts.iter().position(|it| it.socket == socket)?;
        self.hurry(now);
        self.attempts.remove(place)
    }

    /// The next attempt is due at once, because one has failed.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.next = self.next.min(now);
    }

    /// Removes an attempt that is late.
    pub(crate) fn late(&mut self, now: Instant) -> Option<Attempt> {
        let is_late = |first: &&Attempt| first.until <= now && self.has_several;
        let first = self.attempts.front().filter(is_late)?.socket;
        self.lost(now, first)
    }

    /// Ends all attempts.
    pub(crate) fn stop(&mut self) -> impl Iterator<Item = Attempt> + use<> {
        self.left.clear();
        std::mem::take(&mut self.attempts).into_iter()
    }

    /// When [`late`](Race::late) and [`begin`](Race::begin) are due.
    pub(crate) fn due(&self) -> Option<Instant> {
        let has_next = !self.left.is_empty() && self.attempts.len() < MOST;
        let next = has_next.then_some(self.next);
        let late = self.attempts.front().filter(|_| self.has_several).map(|first| first.until);
        [next, late].into_iter().flatten().min()
    }
}
