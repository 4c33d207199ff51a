//! A sender that has not proved its address never gets more than it sent, in datagrams and in
//! bytes: a hub is no help to an attacker who forges a sender.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use pigeon_fuzz::drain::Sent;

/// The accounts of all addresses, and who needs none.
#[derive(Default)]
pub(super) struct Strangers {
    balances: BTreeMap<SocketAddr, Balance>,
    /// Those who were members at any time since the last drain.
    lately: BTreeSet<SocketAddr>,
}

/// What an address sent, less what it got while it was no member.
#[derive(Default)]
struct Balance {
    datagrams: usize,
    bytes: usize,
}

impl Strangers {
    /// An address has sent a datagram.
    pub(super) fn pays(&mut self, from: SocketAddr, bytes: usize) {
        let balance = self.balances.entry(from).or_default();
        balance.datagrams += 1;
        balance.bytes += bytes;
    }

    /// Members in this batch, for however short a time.
    pub(super) fn are_members<'a>(&mut self, members: impl IntoIterator<Item = &'a SocketAddr>) {
        self.lately.extend(members);
    }

    /// A batch has left. Those `beyond` the open networks had to pay for it.
    pub(super) fn weigh(&mut self, sent: &[Sent], beyond: impl Fn(SocketAddr) -> bool) {
        for (to, bytes) in sent {
            if beyond(*to) && !self.lately.contains(to) {
                let balance = self.balances.entry(*to).or_default();
                let left =
                    (balance.datagrams.checked_sub(1), balance.bytes.checked_sub(bytes.len()));
                let (Some(datagrams), Some(bytes)) = left else {
                    panic!("{to} has not proved itself, and gets more than it sent");
                };
                (balance.datagrams, balance.bytes) = (datagrams, bytes);
            }
        }
    }

    /// The next batch begins, with these members.
    pub(super) fn begin<'a>(&mut self, members: impl IntoIterator<Item = &'a SocketAddr>) {
        self.lately.clear();
        self.lately.extend(members);
    }
}
