//! The full screen in a program built without the feature `tui`: `terminal::can_be_full` is false,
//! so it is never opened.

use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use pigeon_client::{Event, Session};
use pigeon_datagram::Instant;
use pigeon_net::Stats;
use pigeon_proto::{Notice, RoomName};
use rand_pcg::Pcg64;

use super::connection::Connection;
use super::gate::DeliveryState;
use super::note::Note;
use crate::base::status::built_without;
use crate::output::Color;
use crate::ui::typist::Typed;

pub(super) enum Full {}

impl Full {
    pub(super) fn open(
        _: Connection,
        _: Color,
        _: bool,
    ) -> anyhow::Result<(Full, Receiver<Typed>)> {
        Err(built_without("tui").into())
    }

    pub(super) fn event(&mut self, _: Instant, _: &Event) {
        match *self {}
    }

    pub(super) fn received(&mut self, _: &Session<Pcg64>, _: &[u8]) {
        match *self {}
    }

    pub(super) fn notice(&mut self, _: Instant, _: &Notice) {
        match *self {}
    }

    pub(super) fn moved(&mut self, _: SocketAddr, _: SocketAddr) {
        match *self {}
    }

    pub(super) fn seen(&mut self, _: &RoomName, _: u64) {
        match *self {}
    }

    pub(super) fn note(&mut self, _: &Note) {
        match *self {}
    }

    pub(super) fn typed(&mut self, _: &Session<Pcg64>, _: Instant, _: &[u8], _: bool) {
        match *self {}
    }

    pub(super) fn set_delivery(&mut self, _: Option<DeliveryState>) {
        match *self {}
    }

    pub(super) fn look(&mut self, _: &mut Session<Pcg64>, _: Instant, _: &Stats, _: Option<&str>) {
        match *self {}
    }

    pub(super) fn close(self, _: std::time::Instant, _: bool) {
        match self {}
    }
}
