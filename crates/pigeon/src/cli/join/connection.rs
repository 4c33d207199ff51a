//! Where a view finds the session, and in which language it speaks.

use std::net::SocketAddr;

use pigeon_net::Waker;
use pigeon_proto::Language;

/// Where a view finds the session, and in which language it speaks.
pub(super) struct Connection {
    pub(super) hub: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) waker: Waker,
    pub(super) language: Language,
}
