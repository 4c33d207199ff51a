//! Members with a key in a program built without the feature `quic`: none can be opened.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use pigeon_client::reliable::{Config, Event as SessionEvent, Session};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_net::Socket;

use super::status::{UsageError, built_without};

pub(crate) struct Options {
    pub(crate) known_as: Vec<String>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) session: Config,
    pub(crate) patience: Duration,
}

impl Options {
    pub(crate) fn new(_: SocketAddr, _: impl Into<PathBuf>) -> Options {
        Options {
            known_as: Vec::new(),
            fingerprint: None,
            session: Config::default(),
            patience: Duration::ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fingerprint {}

impl FromStr for Fingerprint {
    type Err = UsageError;

    fn from_str(_: &str) -> Result<Self, UsageError> {
        Err(built_without("quic"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

pub(crate) enum Event {
    Session(SessionEvent),
    Met(Fingerprint),
    Unreached(Fingerprint),
    Opens(SocketId, SocketAddr),
    Closes(SocketId),
    NotTheHub(Fingerprint),
}

pub(crate) struct Opened {
    pub(crate) member: Member,
    pub(crate) socket: Socket,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) is_first: bool,
}

pub(crate) enum Member {}

impl Member {
    pub(crate) fn session(&self) -> &Session {
        match *self {}
    }

    pub(crate) fn with<T>(&mut self, _: Instant, _: impl FnOnce(&mut Session) -> T) -> T {
        match *self {}
    }

    pub(crate) fn hub(&self) -> SocketAddr {
        match *self {}
    }

    pub(crate) fn own_hub(&self) -> SocketAddr {
        match *self {}
    }

    pub(crate) fn socket(&self) -> Option<(SocketId, SocketAddr)> {
        match *self {}
    }

    pub(crate) fn sockets(&self) -> std::iter::Empty<SocketId> {
        match *self {}
    }

    pub(crate) fn move_to(&mut self, _: Instant, _: SocketAddr) {
        match *self {}
    }

    pub(crate) fn opened(&mut self, _: Instant, _: SocketId, _: bool) {
        match *self {}
    }

    pub(crate) fn rebind(&mut self, _: Instant) {
        match *self {}
    }

    pub(crate) fn is_over(&self) -> bool {
        match *self {}
    }
}

impl Machine for Member {
    type Event = Event;

    fn handle_datagram(&mut self, _: Instant, _: &Received<'_>) {
        match *self {}
    }

    fn handle_timeout(&mut self, _: Instant) {
        match *self {}
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        match *self {}
    }

    fn outbox(&self) -> &[u8] {
        match *self {}
    }

    fn poll_event(&mut self) -> Option<Event> {
        match *self {}
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match *self {}
    }
}
