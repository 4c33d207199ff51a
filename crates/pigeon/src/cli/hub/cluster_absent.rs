//! `--cluster` in a program built without the feature `cluster`: every value is refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_hub::reliable::SayId;
use pigeon_hub::{Event, Hub, LinkId, MemberId, Message};
use pigeon_log::{Fact, Follow, Log, Outcome, ReadError, Reader, Seen, Ticket};
use pigeon_net::Waker;
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Entry, Position};

use super::archive::{Settled, Unstored};
use super::figure::Figure;
use crate::base::status::built_without;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broker {}

impl FromStr for Broker {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err(built_without("cluster").0)
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// Valid, so that a configuration file with the default is.
pub(super) fn name(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) enum Settings {}

impl Settings {
    pub(super) fn new(
        _: Vec<Broker>,
        _: String,
        _: (Option<String>, Option<Box<str>>),
        _: Option<&Path>,
        _: Option<PathBuf>,
        _: (Option<Duration>, u64),
    ) -> anyhow::Result<Settings> {
        Err(built_without("cluster").into())
    }

    pub(super) fn has_password_in_address(&self) -> bool {
        match *self {}
    }
}

#[derive(Clone)]
pub(super) enum Writing {}

impl Writing {
    pub(super) fn stored(&self, _: &[(Ticket, Outcome)]) {
        match *self {}
    }
}

#[derive(Clone)]
pub(in crate::cli::hub) enum Shown {}

impl Shown {
    pub(in crate::cli::hub) fn is_in_order(&self) -> bool {
        match *self {}
    }

    pub(in crate::cli::hub) fn before(&self) -> Position {
        match *self {}
    }

    pub(in crate::cli::hub) fn cut(&self, _: &mut Vec<Entry>) {
        match *self {}
    }

    pub(in crate::cli::hub) fn follow(
        &self,
        _: &Reader,
        _: Seen,
        _: Follow,
        _: bool,
    ) -> Result<Option<Follow>, ReadError> {
        match *self {}
    }
}

pub(super) enum Cluster {}

impl Cluster {
    pub(super) fn start(
        settings: &Settings,
        _: &mut Hub,
        _: &Log,
        _: Instant,
        _: &Arc<OnceLock<Waker>>,
        _: &OnceLock<Writing>,
    ) -> anyhow::Result<Cluster> {
        match *settings {}
    }

    pub(super) fn shown(&self) -> Shown {
        match *self {}
    }

    pub(super) fn message(&mut self, _: &Message) {
        match *self {}
    }

    pub(super) fn say(&self, _: LinkId, _: Vec<Unstored>) -> Vec<SayId> {
        match *self {}
    }

    pub(super) fn settled(&self, _: LinkId) -> Vec<Settled> {
        match *self {}
    }

    pub(super) fn woken(&mut self, _: &mut Hub, _: Instant) {
        match *self {}
    }

    pub(super) fn event(&mut self, _: &mut Hub, _: Instant, _: &Event) {
        match *self {}
    }

    pub(super) fn take_unstored(&mut self) -> Vec<Fact> {
        match *self {}
    }

    pub(super) fn take_probes(&mut self) -> Vec<u128> {
        match *self {}
    }

    pub(super) fn set_place(&mut self, _: Option<OtherHub>) {
        match *self {}
    }

    pub(super) fn take_places(&mut self) -> Option<Vec<OtherHub>> {
        match *self {}
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        match *self {}
    }

    pub(super) fn hub_of(&self, _: MemberId) -> Option<&str> {
        match *self {}
    }

    pub(super) fn elsewhere(&self) -> usize {
        match *self {}
    }

    pub(super) fn next(&self) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn tick(&mut self, _: &mut Hub, _: Instant) {
        match *self {}
    }

    pub(super) fn take_rewinds(&self) -> Vec<(Position, Position)> {
        match *self {}
    }

    pub(super) fn take_lag(&self) -> (Duration, usize) {
        match *self {}
    }

    pub(super) fn statistics(&self) -> Vec<[String; 2]> {
        match *self {}
    }

    pub(super) fn close(self) {
        match self {}
    }
}
