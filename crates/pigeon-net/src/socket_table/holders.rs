//! The processes that hold a socket. The kernel has no such list, so this checks every open file of
//! every process (proc_pid_fd(5)), like ss(8) and lsof(8).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::entry::{Holder, SocketEntry};

/// Fills in the holders of each socket and the names of the users. Returns whether some processes
/// could not be inspected.
pub(super) fn find(sockets: &mut [SocketEntry]) -> io::Result<bool> {
    // Inode 0 is shared by all sockets that their process has closed.
    let open = sockets.iter().enumerate().filter(|(_, socket)| socket.inode != 0);
    let by_inode: HashMap<u64, usize> = open.map(|(at, socket)| (socket.inode, at)).collect();
    let pids = pids()?;
    // Every PID namespace has a process 1. With `hidepid=invisible` (proc(5)), procfs does not list
    // other users' processes.
    let mut hidden = pids.first() != Some(&1);
    for pid in pids {
        let process = Path::new("/proc").join(pid.to_string());
        let files = match fs::read_dir(process.join("fd")) {
            Ok(files) => files,
            Err(error) => {
                // Any other error means that the process has ended.
                hidden |= error.kind() == io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let inodes = files.flatten().filter_map(|file| socket_inode(&file.path()));
        let mut held: Vec<usize> =
            inodes.filter_map(|inode| by_inode.get(&inode).copied()).collect();
        // A process may hold a socket twice (dup(2)).
        held.sort_unstable();
        held.dedup();
        if held.is_empty() {
            continue;
        }
        let mut name = fs::read(process.join("comm")).unwrap_or_default();
        name.pop_if(|last| *last == b'\n');
        for at in held {
            sockets[at].holders.push(Holder { pid, name: name.clone() });
        }
    }
    name_users(sockets);
    Ok(hidden)
}

/// All process ids in ascending order.
fn pids() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The number in `socket:[42211]`, the link target of an open socket.
fn socket_inode(file: &Path) -> Option<u64> {
    let target = fs::read_link(file).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn name_users(sockets: &mut [SocketEntry]) {
    let mut names: HashMap<u32, Option<String>> = HashMap::new();
    for socket in sockets {
        let name = names.entry(socket.uid).or_insert_with_key(|&uid| {
            User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
        });
        socket.user = name.clone();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::socket_table::proc_net;

    #[test]
    fn this_process_holds_what_it_opens() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let twice = socket.try_clone().unwrap();
        let file = format!("/proc/self/fd/{}", twice.as_raw_fd());
        let inode = socket_inode(Path::new(&file)).unwrap();

        let mut sockets = proc_net::sockets().unwrap();
        find(&mut sockets).unwrap();
        let entry = sockets.iter().find(|entry| entry.inode == inode).unwrap();
        assert_eq!(entry.local, socket.local_addr().unwrap());
        let name = fs::read("/proc/self/comm").unwrap();
        let name = name[..name.len() - 1].to_vec();
        assert_eq!(entry.holders, [Holder { pid: std::process::id(), name }]);
    }
}
