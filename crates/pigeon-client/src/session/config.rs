//! A session's settings.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_proto::Name;

use super::left_off::LeftOff;

/// A session's settings.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The hub's address.
    pub hub: SocketAddr,
    /// The name to request, once the server is known to be a hub with names.
    pub nick: Option<Name>,
    /// The state of an earlier session with this hub. Its name is requested unless `nick` differs.
    pub left_off: Option<LeftOff>,
    /// The hub's password, sent whenever the hub requests it. Never sent to a server that has not
    /// answered as a hub.
    pub password: Option<Box<[u8]>>,
    /// The time between heartbeats. Each is up to a fifth earlier, so that many clients started
    /// together do not stay in step.
    pub heartbeat: Duration,
    /// Whether to act as a plain program: unpadded heartbeats, and no control lines in return.
    pub plain: bool,
}
