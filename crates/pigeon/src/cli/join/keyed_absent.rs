//! Members with a key in a program built without the feature `quic`: a session stays plain.

use std::net::SocketAddr;

use pigeon_client::LeftOff;
use pigeon_net::Clock;
use pigeon_proto::{Language, Name};

use crate::base::member::{Fingerprint, Opened};
use crate::base::status::UsageError;

pub(super) enum Keyed {}

impl Keyed {
    pub(super) fn new(
        _: Option<&str>,
        _: SocketAddr,
        _: Option<&[u8]>,
        _: Language,
    ) -> Option<Keyed> {
        None
    }

    pub(super) fn invited(self, _: Option<(u16, Option<Fingerprint>)>) -> Keyed {
        self
    }

    pub(super) fn of_person(self, _: Option<&Name>) -> Keyed {
        self
    }

    pub(super) fn has_person(_: &Name) -> Option<bool> {
        None
    }

    pub(super) fn known_port(&self) -> Result<Option<u16>, UsageError> {
        match *self {}
    }

    pub(super) fn set_password(&mut self, _: &str) {
        match *self {}
    }

    pub(super) fn has_password(&self) -> bool {
        match *self {}
    }

    pub(super) fn open(
        &self,
        _: SocketAddr,
        _: Clock,
        _: Option<&LeftOff>,
        _: Option<&Name>,
    ) -> Result<Opened, UsageError> {
        match *self {}
    }
}
