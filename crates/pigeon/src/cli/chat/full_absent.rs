//! The full screen in a program built without the feature `tui`: `terminal::can_be_full` is false,
//! so it is never opened.

use std::net::SocketAddr;

use pigeon_client::chat::{Chat, Message};
use pigeon_datagram::Instant;
use pigeon_net::{Stats, Waker};

use super::request::Request;
use crate::base::status::built_without;
use crate::output::Color;

pub(super) enum Full {}

impl Full {
    pub(super) fn open(
        _: &Chat,
        _: SocketAddr,
        _: Waker,
        _: Color,
        _: Vec<String>,
        _: &[String],
    ) -> anyhow::Result<Full> {
        Err(built_without("tui").into())
    }

    pub(super) fn next(&self) -> Option<Request> {
        match *self {}
    }

    pub(super) fn received(&mut self, _: &Chat, _: &Message) {
        match *self {}
    }

    pub(super) fn sent(&mut self, _: &Chat, _: SocketAddr, _: &str) {
        match *self {}
    }

    pub(super) fn refused(&mut self, _: &Chat, _: SocketAddr, _: &str) {
        match *self {}
    }

    pub(super) fn lost(&mut self, _: &Chat, _: SocketAddr, _: &str) {
        match *self {}
    }

    pub(super) fn moved(&mut self, _: &Chat, _: SocketAddr, _: SocketAddr, _: &str) {
        match *self {}
    }

    pub(super) fn chosen(&mut self, _: &Chat, _: SocketAddr) {
        match *self {}
    }

    pub(super) fn left(&mut self, _: SocketAddr) {
        match *self {}
    }

    pub(super) fn close_place(&mut self, _: SocketAddr) {
        match *self {}
    }

    pub(super) fn note(&mut self, _: &str) {
        match *self {}
    }

    pub(super) fn look(&self, _: &Chat, _: Instant, _: &Stats) {
        match *self {}
    }

    pub(super) fn close(self, _: std::time::Instant, _: &[String]) {
        match self {}
    }
}
