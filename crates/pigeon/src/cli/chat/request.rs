//! The user's requests in a chat.

use std::net::SocketAddr;

use crate::ui::typist::Typed;

pub(super) enum Request {
    Typed(Typed),
    /// Sends the following lines to this peer, or to none.
    Look(Option<SocketAddr>),
}
