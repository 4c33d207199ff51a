//! The common interface of the two I/O paths, and the choice between them.

use std::io;

use pigeon_datagram::{Received, SocketId};

use crate::counters::Undelivered;
use crate::options::{Capabilities, SocketOptions};
use crate::portable::Portable;
use crate::queue::{Cursor, Progress, Queue};

/// A socket's I/O path.
#[derive(Debug)]
pub(crate) enum Path {
    #[cfg(target_os = "linux")]
    Linux(Box<crate::linux::Linux>),
    Portable(Portable),
}

impl Path {
    /// Prepares a socket before binding. `v6` is its address family; `any` is true for a wildcard,
    /// group or broadcast address.
    pub(crate) fn open(
        socket: &socket2::Socket,
        v6: bool,
        any: bool,
        options: &SocketOptions,
    ) -> (Path, Capabilities) {
        #[cfg(target_os = "linux")]
        if options.path != crate::options::IoPath::Portable {
            let (linux, capabilities) = crate::linux::Linux::open(socket, v6, any, options);
            return (Path::Linux(Box::new(linux)), capabilities);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (socket, any, options);
        (Path::Portable(Portable::new(v6)), Capabilities::default())
    }

    /// Shares the other's receive buffers from now on, if the path has any.
    pub(crate) fn share(&mut self, other: &Path) {
        match (self, other) {
            #[cfg(target_os = "linux")]
            (Path::Linux(linux), Path::Linux(other)) => linux.share(other),
            _ => {}
        }
    }

    /// Receives one batch at `socket`, or returns the first error. Each message may be several
    /// joined datagrams of the given size. Returns true if nothing is left at the socket; an error
    /// behind the batch is not considered.
    pub(crate) fn receive(
        &mut self,
        udp: &mio::net::UdpSocket,
        socket: SocketId,
        each: &mut dyn FnMut(Received<'_>, Option<usize>),
    ) -> io::Result<bool> {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(linux) => linux.receive(udp, socket, each),
            Path::Portable(portable) => portable.receive(udp, socket, each),
        }
    }

    /// Sends a part of the queue, from `at` on. An error concerns the message at `at`; nothing was
    /// sent then.
    pub(crate) fn send(
        &mut self,
        udp: &mio::net::UdpSocket,
        queue: &Queue<'_>,
        at: Cursor,
        connected: bool,
    ) -> io::Result<Progress> {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(linux) => linux.send(udp, queue, at, connected),
            Path::Portable(portable) => portable.send(udp, queue, at, connected),
        }
    }

    /// The next datagram that failed on its way.
    pub(crate) fn undelivered(&mut self, udp: &mio::net::UdpSocket) -> Option<Undelivered> {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(linux) => linux.undelivered(udp),
            Path::Portable(_) => {
                let _ = udp;
                None
            }
        }
    }

    /// Turns error reports off.
    pub(crate) fn ignore_refusals(&self, udp: &mio::net::UdpSocket) {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(_) => crate::linux::Linux::ignore_refusals(udp),
            Path::Portable(_) => {
                let _ = udp;
            }
        }
    }

    /// The number of datagrams that the kernel dropped because the receive buffer was full.
    pub(crate) fn kernel_drops(&mut self, udp: &mio::net::UdpSocket) -> u64 {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(linux) => linux.kernel_drops(udp),
            Path::Portable(_) => {
                let _ = udp;
                0
            }
        }
    }
}
