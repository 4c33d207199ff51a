//! How a session behaves.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_proto::Name;

use super::left_off::LeftOff;

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Where the hub is.
    pub hub: SocketAddr,
    /// The name to ask the hub for, once it is known to be a hub that has names.
    pub nick: Option<Name>,
    /// Where an earlier session with this hub left off. Its name is asked for where `nick` is no
    /// other.
    pub left_off: Option<LeftOff>,
    /// The hub's password, given whenever the hub asks for it. It goes to no server that has not
    /// answered as a hub.
    pub password: Option<Box<[u8]>>,
    /// The time between heartbeats. Each is up to a fifth earlier, so that a classroom that
    /// started together does not stay in step.
    pub heartbeat: Duration,
    /// Whether to speak like any program: plain heartbeats, and no control lines in return.
    pub plain: bool,
}
