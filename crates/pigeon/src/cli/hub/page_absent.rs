//! `--page` in a program built without the feature `page`: every value is refused.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;
use pigeon_datagram::Instant;
use pigeon_guard::SourceRules;
use pigeon_hub::{Event, Hub};
use pigeon_log::Forget;
use pigeon_net::{Stats, Waker};
use pigeon_proto::Position;
use pigeon_proto::frame::OtherHub;

use super::archive::Archive;
use super::console;
use super::reliable::LinkState;
use crate::base::endpoint::ListenAddress;
use crate::base::invitation::PagePlace;
use crate::base::status::built_without;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: ListenAddress,
    pub(super) certificate: Option<Certificate>,
    pub(super) names: Vec<String>,
    pub(super) metrics: Metrics,
}

#[derive(Clone, Copy)]
pub(super) enum Certificate {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Metrics {
    /// this machine
    Loopback,
    /// everyone
    Open,
    /// nobody
    Off,
}

pub(super) fn name(_: &str) -> Result<String, String> {
    Err(built_without("page").0)
}

pub(super) fn certificate(_: &Path) -> anyhow::Result<Certificate> {
    Err(built_without("page").into())
}

pub(super) enum Page {}

impl Page {
    pub(super) fn start(
        _: &mut Hub,
        _: &Archive,
        _: Settings,
        _: SourceRules,
        _: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Page> {
        Err(built_without("page").into())
    }

    pub(super) fn woken(&mut self, _: &mut Hub, _: &Archive, _: Instant) {
        match *self {}
    }

    pub(super) fn event(&mut self, _: &Event) {
        match *self {}
    }

    pub(super) fn hubs(&self, _: &[OtherHub]) {
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

    pub(super) fn place(&self) -> Option<PagePlace> {
        match *self {}
    }

    pub(super) fn invitation(&self, _: bool) -> Vec<String> {
        match *self {}
    }

    pub(super) fn counters(&self) -> Vec<[String; 2]> {
        match *self {}
    }

    pub(super) fn take_commands(&self) -> Vec<(u64, console::Command)> {
        match *self {}
    }

    pub(super) fn answer(&self, _: u64, _: &[String]) {
        match *self {}
    }

    pub(super) fn measure(
        &mut self,
        _: &Hub,
        _: &Archive,
        _: Option<LinkState>,
        _: impl FnOnce() -> Stats,
        _: Instant,
    ) {
        match *self {}
    }

    pub(super) fn wake(&self) {
        match *self {}
    }

    pub(super) fn close(self) {
        match self {}
    }
}
