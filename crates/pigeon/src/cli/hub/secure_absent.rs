//! `--secure` in a program built without the feature `quic`: no port for members with a key.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use pigeon_datagram::Instant;
use pigeon_guard::SourceRules;
use pigeon_hub::{Event, Hub};
use pigeon_log::Forget;
use pigeon_net::Waker;
use pigeon_proto::Position;
use pigeon_proto::frame::OtherHub;

use super::archive::Archive;
use super::reliable::LinkState;
use crate::base::endpoint::ListenAddress;
use crate::base::invitation::KeyedPlace;
use crate::base::status::built_without;

/// `on`, the default, means `off`, so that a configuration file with the default is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecurePort {
    Next,
    Port(u16),
    Off,
}

impl FromStr for SecurePort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" | "off" => Ok(SecurePort::Off),
            _ => Err(built_without("quic").0),
        }
    }
}

impl fmt::Display for SecurePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("off")
    }
}

pub(super) enum Secure {}

impl Secure {
    pub(super) fn start(
        _: &mut Hub,
        _: &Archive,
        _: ListenAddress,
        _: SourceRules,
        _: &Arc<OnceLock<Waker>>,
        _: Instant,
    ) -> anyhow::Result<Secure> {
        Err(built_without("quic").into())
    }

    pub(super) fn place(&self) -> KeyedPlace {
        match *self {}
    }

    pub(super) fn woken(&mut self, _: &mut Hub, _: &Archive, _: Instant) {
        match *self {}
    }

    pub(super) fn event(&mut self, _: &Event) {
        match *self {}
    }

    pub(super) fn state(&self) -> Option<LinkState> {
        match *self {}
    }

    pub(super) fn elsewhere(&self, _: u128) {
        match *self {}
    }

    pub(super) fn hubs(&self, _: Vec<OtherHub>) {
        match *self {}
    }

    pub(super) fn here(&self) -> OtherHub {
        match *self {}
    }

    pub(super) fn rewound(&self, _: Position, _: Position) {
        match *self {}
    }

    pub(super) fn forgot(&self, _: &Forget) {
        match *self {}
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn tick(&mut self, _: &mut Hub, _: &Archive, _: Instant) {
        match *self {}
    }

    pub(super) fn counters(&self) -> Option<Counters> {
        match *self {}
    }

    pub(super) fn close(self) -> Option<Counters> {
        match self {}
    }
}

pub(super) enum Counters {}

impl Counters {
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        match *self {}
    }

    pub(super) fn log(&self) {
        match *self {}
    }
}
