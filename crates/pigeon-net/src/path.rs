//! The one interface of the two ways to the kernel, and the choice between them.

use std::io;

use pigeon_datagram::{Received, SocketId};

use crate::counters::Undelivered;
use crate::options::{Capabilities, SocketOptions};
use crate::portable::Portable;
use crate::queue::{Cursor, Progress, Queue};

/// How a socket talks to the kernel.
#[derive(Debug)]
pub(crate) enum Path {
    #[cfg(target_os = "linux")]
    Linux(Box<crate::linux::Linux>),
    Portable(Portable),
}

impl Path {
    /// Prepares a socket that is not bound yet. `v6` is its address family; `any` says that it
    /// will be bound to every local address, or to one that is no host's.
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
        let _ = (socket, any);
        (Path::Portable(Portable::new(v6)), Capabilities::default())
    }

    /// Receives into the other's buffers from now on, where the path has any worth sharing.
    pub(crate) fn share(&mut self, other: &Path) {
        match (self, other) {
            #[cfg(target_os = "linux")]
            (Path::Linux(linux), Path::Linux(other)) => linux.share(other),
            _ => {}
        }
    }

    /// Receives one batch at `socket`, or the error that came first. Each message may be several
    /// datagrams, joined, of the size given. True if the batch took all that waited; an error that
    /// waits behind it does not count.
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

    /// Sends some of the queue from `at` on. An error is about the message at `at`, and nothing
    /// was sent then.
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

    /// The next datagram that met an error on its way, if there is one.
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

    /// Has the kernel report no more errors than it does to any socket.
    pub(crate) fn ignore_refusals(&self, udp: &mio::net::UdpSocket) {
        match self {
            #[cfg(target_os = "linux")]
            Path::Linux(_) => crate::linux::Linux::ignore_refusals(udp),
            Path::Portable(_) => {
                let _ = udp;
            }
        }
    }

    /// How many datagrams the kernel has dropped because the receive buffer was full.
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
