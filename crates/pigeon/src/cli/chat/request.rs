//! What the person at a chat asks for.

use std::net::SocketAddr;

use crate::ui::typist::Typed;

pub(super) enum Request {
    Typed(Typed),
    /// Send what is typed from now on to this peer, or to nobody.
    Look(Option<SocketAddr>),
}
