//! Counts the datagrams that the kernel dropped because a receive buffer was full. A train that GRO
//! joined counts as one.

use std::net::SocketAddr;

use pigeon_net::{SocketEntry, SocketTable};

/// Datagrams dropped at the sockets that a process holds now, since each was opened.
pub fn of_process(pid: u32) -> u64 {
    sum(|socket| socket.holders.iter().any(|holder| holder.pid == pid))
}

/// Datagrams dropped at the socket bound to an address of this host, since it was opened.
pub fn at(address: SocketAddr) -> u64 {
    sum(|socket| socket.local == address)
}

fn sum(of: impl Fn(&SocketEntry) -> bool) -> u64 {
    let table = SocketTable::read().expect("/proc/net can be read");
    table.sockets.iter().filter(|socket| of(socket)).map(|socket| socket.drops).sum()
}

/// Datagrams dropped at all sockets of this host, closed ones too (`RcvbufErrors` in
/// `/proc/net/snmp`): for programs that have ended. The count includes the losses of unrelated
/// programs.
pub fn of_host() -> u64 {
    let table = std::fs::read_to_string("/proc/net/snmp").expect("Linux has /proc/net/snmp");
    let mut lines = table.lines().filter(|line| line.starts_with("Udp: "));
    let (names, counts) = (lines.next().expect("names"), lines.next().expect("counts"));
    let mut pairs = names.split(' ').zip(counts.split(' '));
    let count = pairs.find(|(name, _)| *name == "RcvbufErrors").expect("since Linux 2.6").1;
    count.parse().expect("a count")
}
