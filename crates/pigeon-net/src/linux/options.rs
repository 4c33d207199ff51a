#![expect(unsafe_code, reason = "setsockopt and getsockopt for options that socket2 does not have")]
//! Linux socket options: the kernel's reports about each datagram, and its drop count.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// `SO_MEMINFO` (since Linux 4.12) returns an array of `u32`; this is the index of the drop count.
const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// Lets the kernel join datagrams of one sender (udp(7)).
pub(super) fn enable_gro(fd: BorrowedFd<'_>) -> bool {
    set(fd, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Whether the kernel splits trains (GSO). Setting the default segment size of 0 only tests for the
/// option (udp(7)).
pub(super) fn knows_gso(fd: BorrowedFd<'_>) -> bool {
    set(fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0)
}

/// Requests the local address of each datagram (ip(7), ipv6(7)). An IPv6 socket requests both
/// forms: see `control::ControlData::local`.
pub(super) fn enable_local_address(fd: BorrowedFd<'_>, v6: bool) -> bool {
    let v4 = set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
    if v6 { set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1) } else { v4 }
}

/// Requests the drop count with each datagram, once it is above zero (socket(7)).
pub(super) fn enable_drops(fd: BorrowedFd<'_>) -> bool {
    set(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Requests the errors of sent datagrams, with their destinations (ip(7), ipv6(7)). An IPv6 socket
/// requests both forms, because its IPv4 peers answer with ICMP instead of ICMPv6.
pub(super) fn enable_refusals(fd: BorrowedFd<'_>, v6: bool) -> bool {
    let v4 = set(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1);
    if v6 { set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1) } else { v4 }
}

/// Undoes [`enable_refusals`]. The option of the other IP version fails, which does not matter.
pub(super) fn disable_refusals(fd: BorrowedFd<'_>) {
    set(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 0);
    set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 0);
}

/// Requests the arrival time of each datagram (socket(7)).
pub(super) fn enable_timestamps(fd: BorrowedFd<'_>) -> bool {
    set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Sets the size of a kernel buffer beyond the system's limit (`SO_RCVBUFFORCE`, `SO_SNDBUFFORCE`).
/// Returns false without the capability CAP_NET_ADMIN.
pub(crate) fn force_buffer_size(socket: &socket2::Socket, receive: bool, bytes: usize) -> bool {
    let option = if receive { libc::SO_RCVBUFFORCE } else { libc::SO_SNDBUFFORCE };
    c_int::try_from(bytes).is_ok_and(|bytes| set(socket.as_fd(), libc::SOL_SOCKET, option, bytes))
}

/// The current drop count, modulo 2^32. `SO_RXQ_OVFL` alone would report it only with the next
/// datagram, which may never come after a burst.
pub(super) fn drops_so_far(fd: BorrowedFd<'_>) -> Option<u32> {
    let mut values = [0_u32; DROPS + 1];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the pointer and the length describe `values`, which the kernel may write; both
    // live until the call returns.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &mut length,
        )
    };
    (result == 0 && length as usize == size_of_val(&values)).then_some(values[DROPS])
}

/// Sets an option, and returns whether that succeeded.
fn set(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> bool {
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    result == 0
}

/// Extends the kernel's cumulative drop count, which wraps at 2^32, to 64 bits.
#[derive(Debug, Default)]
pub(super) struct KernelDrops {
    last: u32,
    total: u64,
}

impl KernelDrops {
    /// Takes a new value of the kernel's count. Ignores one smaller than the last: a datagram
    /// carries the count of the time when it was queued.
    pub(super) fn observe(&mut self, count: u32) {
        let more = count.wrapping_sub(self.last);
        if more <= u32::MAX / 2 {
            self.last = count;
            self.total += u64::from(more);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_outlives_the_wrap() {
        let mut drops = KernelDrops::default();
        for count in [5, 5, 3, 0x7fff_ffff, 0xffff_fffe, 4] {
            drops.observe(count);
        }
        assert_eq!(drops.total(), 0x1_0000_0004);
    }
}
