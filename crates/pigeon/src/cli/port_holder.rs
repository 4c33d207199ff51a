//! Who holds a UDP port of this host, as far as this user may see.

use std::net::SocketAddr;

/// Names the process that holds `address`, or an address that covers it: `python3 (pid 4711)`.
/// `None` if it cannot be found, which without root is so for other users' processes.
#[cfg(target_os = "linux")]
pub(crate) fn find(address: SocketAddr) -> Option<String> {
    let v4 = procfs::net::udp().unwrap_or_default();
    let v6 = procfs::net::udp6().unwrap_or_default();
    let clashes = |local: SocketAddr| {
        let anywhere = local.ip().is_unspecified() || address.ip().is_unspecified();
        local.port() == address.port() && (anywhere || local.ip() == address.ip())
    };
    let socket = v4.into_iter().chain(v6).find(|entry| clashes(entry.local_address))?;
    for process in procfs::process::all_processes().ok()?.flatten() {
        let Ok(files) = process.fd() else { continue };
        let holds = files.flatten().any(|file| {
            matches!(file.target, procfs::process::FDTarget::Socket(inode) if inode == socket.inode)
        });
        if holds {
            let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
            return Some(format!("{} (pid {})", pigeon_text::escape(&name), process.pid));
        }
    }
    None
}

/// Other systems have no such table that could be read without special rights.
#[cfg(not(target_os = "linux"))]
pub(crate) fn find(_address: SocketAddr) -> Option<String> {
    None
}
