//! The portable I/O path: one system call per datagram.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};

use pigeon_datagram::{Received, SocketId};

use crate::address::canonical;
use crate::options::{LARGEST_DATAGRAM, RECEIVE_BATCH};
use crate::queue::{Cursor, Progress, Queue};

#[derive(Debug)]
pub(crate) struct Portable {
    /// Fits the largest datagram even if less is kept: recvfrom does not report the original length
    /// of a truncated datagram.
    buffer: Vec<u8>,
    v6: bool,
    /// An error after some datagrams of a batch; the next call reports it.
    pending: Option<io::Error>,
}

impl Portable {
    pub(crate) fn new(v6: bool) -> Self {
        Portable { buffer: vec![0; LARGEST_DATAGRAM], v6, pending: None }
    }

    pub(crate) fn receive(
        &mut self,
        udp: &mio::net::UdpSocket,
        socket: SocketId,
        each: &mut dyn FnMut(Received<'_>, Option<usize>),
    ) -> io::Result<bool> {
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        for count in 0..RECEIVE_BATCH {
            let (length, from) = match udp.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if count == 0 => return Err(error),
                Err(error) => {
                    // "Empty" is only true for the moment; the next call checks again.
                    self.pending = Some(error).filter(|e| e.kind() != io::ErrorKind::WouldBlock);
                    return Ok(self.pending.is_none());
                }
            };
            let received = Received::new(canonical(from), &self.buffer[..length]);
            each(Received { socket, ..received }, None);
        }
        Ok(false)
    }

    pub(crate) fn send(
        &mut self,
        udp: &mio::net::UdpSocket,
        queue: &Queue<'_>,
        at: Cursor,
        connected: bool,
    ) -> io::Result<Progress> {
        let mut progress = Progress { next: at, datagrams: 0, bytes: 0, trains: 0 };
        if let Some(step) = queue.step(at) {
            let payload = queue.payload(&step.range);
            if connected {
                udp.send(payload)?;
            } else {
                udp.send_to(payload, self.destination(step.transmit.to))?;
            }
            progress.next = step.next;
            progress.datagrams = 1;
            progress.bytes = payload.len() as u64;
        }
        Ok(progress)
    }

    /// The destination in the socket's own address family: a dual-stack socket uses IPv4-mapped
    /// addresses.
    fn destination(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.v6 => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            _ => to,
        }
    }
}
