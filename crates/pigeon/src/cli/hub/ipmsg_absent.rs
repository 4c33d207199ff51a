//! `--ipmsg` in a program built without the feature `ipmsg`: every value is refused.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use pigeon_datagram::Instant;
use pigeon_hub::{Event, Hub};
use pigeon_net::{Interfaces, Waker};
use pigeon_text::Encoding;

use crate::base::payload::unknown_label;
use crate::base::status::built_without;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IpmsgAddress {}

impl FromStr for IpmsgAddress {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err(built_without("ipmsg").0)
    }
}

impl fmt::Display for IpmsgAddress {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanNets {}

impl FromStr for ScanNets {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err(built_without("ipmsg").0)
    }
}

/// Valid, so that a configuration file with the default is.
pub(super) fn legacy_encoding(label: &str) -> Result<Encoding, String> {
    Encoding::for_label(label).map_err(|error| unknown_label(&error))
}

#[expect(dead_code, reason = "never made")]
pub(super) struct Settings {
    pub(super) address: IpmsgAddress,
    pub(super) scan: Option<ScanNets>,
    pub(super) legacy: Encoding,
}

pub(super) enum Link {}

impl Link {
    pub(super) fn start(
        _: &mut Hub,
        settings: &Settings,
        _: &Interfaces,
        _: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Link> {
        match settings.address {}
    }

    pub(super) fn woken(&mut self, _: &mut Hub, _: Instant) {
        match *self {}
    }

    pub(super) fn settle(&mut self, _: &Hub) {
        match *self {}
    }

    pub(super) fn event(&mut self, _: &Hub, _: &Event) {
        match *self {}
    }

    pub(super) fn close(self) {
        match self {}
    }
}
