//! Hub discovery: answers `/discover` with `/here`, once per nonce, after up to 200 ms, so that a
//! hundred hubs do not answer at the same instant.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::{Instant, Received, SocketId};
use pigeon_proto::{Door, Format, Here, Nonce};

use super::outgoing::Route;
use crate::config::{self, Config};
use crate::statistics::Dropped;

/// The longest delay of an answer.
const SPREAD: Duration = Duration::from_millis(200);

/// Maximum number of pending answers. More requests than that in 200 ms are a flood.
const MAX_PENDING: usize = 256;

/// Maximum number of nonces remembered; each request repeats its nonce on every interface.
const MAX_NONCES: usize = 1_024;

/// A pending request.
#[derive(Debug)]
pub(super) struct Question {
    due: Instant,
    socket: SocketId,
    to: SocketAddr,
    local: Option<IpAddr>,
    nonce: Box<str>,
    /// The longest answer allowed.
    length: usize,
}

/// Pending and recent requests.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// Unordered: there are few, and their delays differ.
    pending: Vec<Question>,
    /// The senders and nonces of recent requests.
    known: VecDeque<(SocketAddr, Box<str>)>,
}

impl Discovery {
    /// Checks whether to answer a request. Fails for a duplicate, or if too many are pending.
    pub(super) fn check(&self, question: &Question) -> Result<(), Dropped> {
        let known = |(from, nonce): &(SocketAddr, Box<str>)| {
            *from == question.to && *nonce == question.nonce
        };
        if self.known.iter().any(known) {
            return Err(Dropped::AskedBefore);
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(Dropped::QuestionsFull);
        }
        Ok(())
    }

    /// Queues a checked request; `chance` must be unpredictable for its sender.
    pub(super) fn ask(&mut self, now: Instant, chance: u64, question: Question) {
        if self.known.len() >= MAX_NONCES {
            self.known.pop_front();
        }
        self.known.push_back((question.to, question.nonce.clone()));
        let wait = Duration::from_nanos(chance % SPREAD.as_nanos() as u64);
        self.pending.push(Question { due: now + wait, ..question });
    }

    /// When the next answer is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.iter().map(|question| question.due).min()
    }

    /// Takes a request that is due for its answer.
    pub(super) fn take(&mut self, now: Instant) -> Option<Question> {
        let index = self.pending.iter().position(|question| question.due <= now)?;
        Some(self.pending.swap_remove(index))
    }
}

impl Question {
    /// A request from a datagram, at a listening or a separate socket. `None` if its sender cannot
    /// reach the address in the answer.
    pub(super) fn new(
        datagram: &Received<'_>,
        is_at_door: bool,
        nonce: &str,
        discovery: &config::Discovery,
    ) -> Option<Question> {
        let config::Discovery { door, address, .. } = *discovery;
        // The host would answer from another address than the listening one.
        if address.zip(datagram.local).is_some_and(|(address, local)| address != local) {
            return None;
        }
        Some(Question {
            due: Instant::ORIGIN,
            socket: if is_at_door { datagram.socket } else { door },
            to: datagram.from,
            local: datagram.local,
            nonce: nonce.into(),
            length: datagram.payload.len(),
        })
    }

    /// The destination of the answer.
    pub(super) fn route(&self) -> Route {
        Route { socket: self.socket, to: self.to, from: self.local }
    }

    /// The answer of a hub with this many members, and this format at its first socket. Empty if it
    /// does not fit.
    pub(super) fn answer(&self, config: &Config, members: u64, format: Format) -> Vec<u8> {
        let mut answer = Vec::new();
        let Some(nonce) = Nonce::new(self.nonce.as_bytes()) else { return answer };
        let door = config.discovery.map(|found| Door { id: found.id, port: found.port, format });
        let here = Here {
            nonce,
            name: config.name.clone(),
            members,
            secure_port: config.secure_port,
            door,
        };
        here.write(self.length, &mut answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_answered_once_and_floods_are_bounded() {
        let mut discovery = Discovery::default();
        let from = |n: u32| SocketAddr::from((n.to_be_bytes(), 9));
        let mut ask = |n: u32, nonce: &str| {
            let datagram = Received::new(from(n), &[b' '; 200]);
            let question = Question::new(&datagram, true, nonce, &Default::default()).unwrap();
            discovery.check(&question)?;
            discovery.ask(Instant::ORIGIN, n.into(), question);
            Ok(())
        };
        assert_eq!([ask(1, "a"), ask(2, "a"), ask(1, "b")], [Ok(()); 3]);
        assert_eq!(ask(1, "a"), Err(Dropped::AskedBefore));
        let taken = (10..5_000).filter(|&n| ask(n, "c").is_ok()).count();
        assert_eq!(taken, MAX_PENDING - 3);
        assert_eq!(ask(5_000, "c"), Err(Dropped::QuestionsFull));
        let late = Instant::ORIGIN + SPREAD;
        assert!(discovery.due().unwrap() < late);
        assert_eq!(std::iter::from_fn(|| discovery.take(late)).count(), MAX_PENDING);
    }
}
