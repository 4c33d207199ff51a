//! A session: the server's state of one proved client.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Instant;

use super::EXPIRY;
use crate::arrivals::Arrivals;
use crate::stream::Stream;
use crate::wire::{Grant, Report};

use super::reports::Reports;

pub(super) struct Session {
    pub(super) client: SocketAddr,
    /// The local address that the client sends to.
    pub(super) local: Option<IpAddr>,
    pub(super) id: u64,
    pub(super) grant: Grant,
    pub(super) arrivals: Arrivals,
    pub(super) stream: Option<Stream>,
    /// The bytes per second it uses of the limit.
    pub(super) bytes_per_second: u64,
    pub(super) pongs: u64,
    pub(super) pongs_unsent: u64,
    pub(super) heard: Instant,
    pub(super) reports: Reports,
    pub(super) ended: bool,
}

impl Session {
    pub(super) fn report(&self) -> Report {
        let [sent, unsent] = match &self.stream {
            Some(stream) => stream.sent(),
            None => [self.pongs, self.pongs_unsent],
        };
        Report { figures: self.arrivals.figures(), sent, unsent }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let stream = self.stream.as_ref().and_then(Stream::poll_timeout);
        let expiry = self.heard + EXPIRY;
        stream.unwrap_or(expiry).min(expiry).min(self.reports.next())
    }
}
