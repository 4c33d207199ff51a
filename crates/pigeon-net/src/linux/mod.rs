//! The I/O path for Linux: batches of messages, each a datagram or a train.
//!
//! - `options.rs`: enables the kernel's reports about each datagram.
//! - `recvmmsg.rs`, `sendmmsg.rs`: the two system calls; `header.rs` is shared.
//! - `errqueue.rs`: datagrams that failed on their way.
//! - `name.rs`: socket addresses in the kernel's format. `control.rs`: control messages.
//!
//! Addresses and control messages are written byte by byte in safe code, because their layout is
//! part of the kernel's interface (cmsg(3), ip(7), ipv6(7)); only the system calls are `unsafe`.

mod control;
mod errqueue;
mod header;
mod name;
mod options;
mod recvmmsg;
mod sendmmsg;

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use pigeon_datagram::{Received, SocketId};

use crate::counters::Undelivered;
use crate::options::{Capabilities, IoPath, LARGEST_DATAGRAM, RECEIVE_BATCH, SocketOptions};
use crate::queue::{Cursor, Progress, Queue};

use options::KernelDrops;
use recvmmsg::ReceiveBatch;
use sendmmsg::SendBatch;

pub(crate) use options::force_buffer_size;

/// A socket's state for batches; allocated once.
#[derive(Debug)]
pub(crate) struct Linux {
    /// May be shared by the sockets of a loop: see [`Linux::share`]. The lock is never contended.
    received: Arc<Mutex<ReceiveBatch>>,
    sending: SendBatch,
    drops: KernelDrops,
}

impl Linux {
    /// Enables all kernel reports that are available. Never fails: an older kernel reports less.
    pub(crate) fn open(
        socket: &socket2::Socket,
        v6: bool,
        any: bool,
        options: &SocketOptions,
    ) -> (Linux, Capabilities) {
        let fd = socket.as_fd();
        let offload = options.path == IoPath::Best;
        let capabilities = Capabilities {
            gro: offload && options::enable_gro(fd),
            gso: offload && options::knows_gso(fd),
            batches: true,
            local_address: any && options::enable_local_address(fd, v6),
            kernel_drops: options::enable_drops(fd),
            refusals: options.refusals && options::enable_refusals(fd, v6),
            timestamps: options.timestamps && options::enable_timestamps(fd),
            ..Capabilities::default()
        };
        let keep = options.receive_size;
        // Joined datagrams (GRO) must fit whole, or the last of them would be lost.
        let size = if capabilities.gro { keep.max(LARGEST_DATAGRAM) } else { keep };
        let linux = Linux {
            received: Arc::new(Mutex::new(ReceiveBatch::new(size))),
            sending: SendBatch::new(v6),
            drops: KernelDrops::default(),
        };
        (linux, capabilities)
    }

    /// Shares the other's receive buffer from now on, unless it is smaller.
    pub(crate) fn share(&mut self, other: &Linux) {
        let size =
            |linux: &Linux| linux.received.lock().unwrap_or_else(PoisonError::into_inner).size();
        if !Arc::ptr_eq(&self.received, &other.received) && size(self) <= size(other) {
            self.received = Arc::clone(&other.received);
        }
    }

    pub(crate) fn receive(
        &mut self,
        udp: &mio::net::UdpSocket,
        socket: SocketId,
        each: &mut dyn FnMut(Received<'_>, Option<usize>),
    ) -> io::Result<bool> {
        // A panic elsewhere does not matter: the content is overwritten.
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages = 0;
        for message in received.receive(udp.as_fd())? {
            messages += 1;
            let told = control::decode(message.control);
            if let Some(total) = told.drops {
                self.drops.observe(total);
            }
            let kernel_drops = self.drops.total();
            // Every UDP datagram has a sender address.
            let Some(from) = message.from else { continue };
            let (payload, length) = (message.buffer, message.length);
            let local = told.local().filter(|local| can_answer(*local, from.ip()));
            let (destination, wall) = (told.destination(), told.wall);
            let joined =
                Received { socket, from, local, destination, payload, length, wall, kernel_drops };
            each(joined, told.segment);
        }
        // The call stops early only if no more datagrams are waiting, or at an error (recvmmsg(2)).
        Ok(messages < RECEIVE_BATCH)
    }

    pub(crate) fn send(
        &mut self,
        udp: &mio::net::UdpSocket,
        queue: &Queue<'_>,
        at: Cursor,
        connected: bool,
    ) -> io::Result<Progress> {
        self.sending.fill(queue, at, connected);
        self.sending.send(udp.as_fd(), queue, at)
    }

    /// The next datagram that failed on its way; `None` at the end of the error queue.
    pub(crate) fn undelivered(&mut self, udp: &mio::net::UdpSocket) -> Option<Undelivered> {
        // An error of the call itself recurs at the next receive.
        errqueue::next(udp.as_fd()).unwrap_or_default()
    }

    pub(crate) fn ignore_refusals(udp: &mio::net::UdpSocket) {
        options::disable_refusals(udp.as_fd());
    }

    pub(crate) fn kernel_drops(&mut self, udp: &mio::net::UdpSocket) -> u64 {
        if let Some(total) = options::drops_so_far(udp.as_fd()) {
            self.drops.observe(total);
        }
        self.drops.total()
    }
}

/// Whether the kernel can send from `local` to `peer`. A link-local source needs an interface
/// (ipv6(7), RFC 4007 section 6), which only a link-local destination specifies. If the requester
/// used another kind of address, the kernel chooses the source: an answer from a different address
/// beats none.
fn can_answer(local: IpAddr, peer: IpAddr) -> bool {
    let is_link_local = |ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !is_link_local(local) || is_link_local(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_answers_its_like_only() {
        for (local, peer, can) in [
            ("fe80::1", "fe80::2", true),
            ("fe80::1", "2001:db8::2", false),
            ("2001:db8::1", "fe80::2", true),
            ("169.254.0.1", "192.0.2.2", true),
        ] {
            assert_eq!(can_answer(local.parse().unwrap(), peer.parse().unwrap()), can, "{local}");
        }
    }
}
