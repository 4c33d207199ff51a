//! An unproved sender never gets more than it sent, in datagrams and bytes: a hub is useless for
//! attackers with forged senders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use pigeon_fuzz::drain::Sent;

/// The accounts of all addresses, and the exempt ones.
#[derive(Default)]
pub(super) struct Strangers {
    balances: BTreeMap<SocketAddr, Balance>,
    /// Addresses that were members at any time since the last drain.
    lately: BTreeSet<SocketAddr>,
}

/// An address's sent minus received datagrams and bytes, while it was not a member.
#[derive(Default)]
struct Balance {
    datagrams: usize,
    bytes: usize,
}

impl Strangers {
    /// Records a datagram of an address.
    pub(super) fn pays(&mut self, from: SocketAddr, bytes: usize) {
        let balance = self.balances.entry(from).or_default();
        balance.datagrams += 1;
        balance.bytes += bytes;
    }

    /// Records members of this batch, however briefly.
    pub(super) fn are_members<'a>(&mut self, members: impl IntoIterator<Item = &'a SocketAddr>) {
        self.lately.extend(members);
    }

    /// Charges a batch to untrusted (`beyond`) addresses.
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

    /// Starts the next batch with these members.
    pub(super) fn begin<'a>(&mut self, members: impl IntoIterator<Item = &'a SocketAddr>) {
        self.lately.clear();
        self.lately.extend(members);
    }
}
