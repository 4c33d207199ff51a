//! Finds the process that holds a UDP port of this host, as far as this user may see it.

use std::net::SocketAddr;

use pigeon_net::{Holder, SocketTable};
use pigeon_text::escape;

/// The process that holds `address`, or an address that covers it: `python3 (pid 4711)`. `None` if
/// unknown: without root for other users' processes, and always outside Linux.
pub(crate) fn find(address: SocketAddr) -> Option<String> {
    let clashes = |local: SocketAddr| {
        let anywhere = local.ip().is_unspecified() || address.ip().is_unspecified();
        local.port() == address.port() && (anywhere || local.ip() == address.ip())
    };
    let sockets = SocketTable::read().ok()?.sockets;
    let holder =
        sockets.iter().filter(|socket| clashes(socket.local)).find_map(|s| s.holders.first());
    holder.map(describe)
}

/// The process as `python3 (pid 4711)`.
pub(crate) fn describe(holder: &Holder) -> String {
    format!("{} (pid {})", escape(&holder.name), holder.pid)
}
