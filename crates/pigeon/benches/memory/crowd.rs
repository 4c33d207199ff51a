//! Many senders of heartbeats, each with its own address, from one socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use pigeon_datagram::{SocketId, Transmit};
use pigeon_net::{Receipt, Socket, SocketOptions};

use pigeon_perf::loopback_ip;

pub(crate) const HEARTBEAT: &[u8] = b"^hb^";
pub(crate) const PADDED: &[u8] =
    b"^hb^                                                            ";

/// Datagrams per send call, and per wait for the hub to read them.
const BATCH: usize = 256;
const UNREAD: usize = 32_768;

/// Attempts for each answer, a second each.
const ATTEMPTS: usize = 10;

pub(crate) struct Crowd {
    socket: Socket,
    hub: SocketAddr,
    pub(crate) sent: u64,
}

impl Crowd {
    pub(crate) fn new(hub: SocketAddr) -> Crowd {
        let any = (Ipv4Addr::UNSPECIFIED, 0).into();
        let socket = Socket::bind(any, &SocketOptions::default()).expect("a socket");
        Crowd { socket, hub, sent: 0 }
    }

    /// Sends heartbeats from addresses 0 to `members`, and repeats them, because the kernel may
    /// drop some, until the hub has all members or the time is over. Returns the hub's number of
    /// members.
    pub(crate) fn join(&mut self, members: usize, patience: Duration) -> usize {
        let start = Instant::now();
        loop {
            for first in (0..members).step_by(UNREAD) {
                self.send_from(first..members.min(first + UNREAD), HEARTBEAT, None);
                // The answer shows that the hub has read everything before it.
                let joined = self.count();
                if joined >= members || start.elapsed() > patience {
                    return joined;
                }
            }
        }
    }

    /// Sends one datagram from each of these addresses: evenly over a time, or at once.
    pub(crate) fn send_from(&mut self, who: Range<usize>, payload: &[u8], over: Option<Duration>) {
        let (start, first, all) = (Instant::now(), who.start, who.len());
        for begin in who.clone().step_by(BATCH) {
            if let Some(over) = over {
                let due = over.mul_f64((begin - first) as f64 / all as f64);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            let one = |n| self.one(n, payload);
            let batch: Vec<Transmit> = (begin..who.end.min(begin + BATCH)).map(one).collect();
            self.sent += self.socket.send(payload, &batch, Duration::from_secs(1)).sent;
        }
    }

    fn one(&self, n: usize, payload: &[u8]) -> Transmit {
        let from = Some(loopback_ip(n));
        Transmit {
            socket: SocketId::FIRST,
            to: self.hub,
            from,
            range: 0..payload.len(),
            segment: None,
        }
    }

    /// The hub's number of members, from its answer to the first member's padded heartbeat.
    pub(crate) fn count(&mut self) -> usize {
        self.ask(0, PADDED, |answer| {
            let rest = answer.strip_prefix("^hb^ pigeon/1 ")?;
            rest.split(' ').next()?.parse().ok()
        })
    }

    pub(crate) fn prove(&mut self, n: usize) {
        let proof = self.ask(n, PADDED, |answer| {
            Some(answer.to_string()).filter(|answer| answer.starts_with("/prove "))
        });
        self.send_from(n..n + 1, proof.as_bytes(), None);
    }

    /// Repeats a request until an answer parses.
    fn ask<T>(&mut self, n: usize, question: &[u8], read: impl Fn(&str) -> Option<T>) -> T {
        for _ in 0..ATTEMPTS {
            self.send_from(n..n + 1, question, None);
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_secs(1) {
                let mut found = None;
                let receipt = self.socket.receive(&mut |datagram| {
                    let to_us = datagram.local == Some(loopback_ip(n));
                    let text = std::str::from_utf8(datagram.payload).ok().filter(|_| to_us);
                    found = text.and_then(&read).or(found.take());
                });
                match (found, receipt.expect("the socket works")) {
                    (Some(found), _) => return found,
                    (None, Receipt::Empty) => std::thread::sleep(Duration::from_micros(200)),
                    (None, _) => {}
                }
            }
        }
        panic!("the hub does not answer");
    }
}
