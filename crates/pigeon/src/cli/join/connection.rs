//! The session's addresses and the language of its view.

use std::net::SocketAddr;

use pigeon_net::Waker;
use pigeon_proto::Language;

/// The session's addresses and the language of its view.
pub(super) struct Connection {
    pub(super) hub: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) waker: Waker,
    pub(super) language: Language,
}
