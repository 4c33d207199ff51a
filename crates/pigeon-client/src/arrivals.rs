//! The datagrams of one batch, copied out of the receive buffers.
//!
//! The bytes are in one buffer and the metadata in one list, so that keeping a datagram needs no
//! allocation of its own. A listener under load receives a million a second.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Received;

/// Datagrams in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    bytes: Vec<u8>,
    heads: Vec<Head>,
}

/// One datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The destination address, if the system reports it: ours, a group's or a broadcast address.
    pub destination: Option<IpAddr>,
    /// The bytes received, cut to the buffer's size.
    pub payload: &'a [u8],
    /// The original length in bytes.
    pub length: usize,
    /// The kernel's time of arrival, since the Unix epoch.
    pub wall: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    from: SocketAddr,
    destination: Option<IpAddr>,
    /// The position and number of its bytes.
    start: usize,
    kept: usize,
    length: usize,
    wall: Option<Duration>,
}

impl Arrivals {
    /// An empty batch with the capacity of another.
    pub fn like(other: &Arrivals) -> Arrivals {
        Arrivals {
            bytes: Vec::with_capacity(other.bytes.len()),
            heads: Vec::with_capacity(other.heads.len()),
        }
    }

    /// Copies a datagram into the batch.
    pub fn push(&mut self, datagram: &Received<'_>) {
        let Received { from, destination, payload, length, wall, .. } = *datagram;
        let (start, kept) = (self.bytes.len(), payload.len());
        self.bytes.extend_from_slice(payload);
        self.heads.push(Head { from, destination, start, kept, length, wall });
    }

    /// The number of datagrams.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The memory in use, in bytes: queues are bounded by it.
    pub fn memory(&self) -> usize {
        self.bytes.len() + self.heads.len() * size_of::<Head>()
    }

    /// Drops all but the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.heads.truncate(count);
    }

    /// Drops datagrams from senders that do not pass.
    pub fn retain_from(&mut self, mut passes: impl FnMut(SocketAddr) -> bool) {
        self.heads.retain(|head| passes(head.from));
    }

    /// Iterates over the datagrams.
    pub fn iter(&self) -> impl Iterator<Item = Arrival<'_>> {
        self.heads.iter().map(|head| Arrival {
            from: head.from,
            destination: head.destination,
            payload: self.bytes.get(head.start..head.start + head.kept).unwrap_or_default(),
            length: head.length,
            wall: head.wall,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn texts(arrivals: &Arrivals) -> Vec<(u16, &[u8])> {
        arrivals.iter().map(|arrival| (arrival.from.port(), arrival.payload)).collect()
    }

    #[test]
    fn each_keeps_its_bytes_whatever_is_forgotten() {
        let mut arrivals = Arrivals::default();
        for (port, payload) in [(1, &b"one"[..]), (2, b""), (3, b"three"), (1, b"four")] {
            arrivals.push(&Received::new(from(port), payload));
        }
        assert_eq!(arrivals.len(), 4);
        arrivals.retain_from(|from| from.port() != 1);
        assert_eq!(texts(&arrivals), [(2, &b""[..]), (3, b"three")]);
        arrivals.truncate(1);
        assert_eq!(texts(&arrivals), [(2, &b""[..])]);
    }
}
