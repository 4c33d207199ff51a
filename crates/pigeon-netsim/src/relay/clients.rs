//! The relay's clients, and how long each has been silent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;

/// Identifies a client: its slot, and its number among the clients that have used the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientId {
    slot: usize,
    generation: u64,
}

impl ClientId {
    pub(super) fn slot(self) -> usize {
        self.slot
    }
}

/// The table of clients. The caller bounds its size.
#[derive(Debug, Default)]
pub(super) struct Clients {
    slots: Vec<Option<Client>>,
    free: Vec<usize>,
    /// A tree, because this crate has no secret key for hashing: strangers choose these addresses,
    /// and could make a hash table slow.
    by_address: BTreeMap<SocketAddr, ClientId>,
    /// The client found last: most datagrams of a batch come from one client.
    last: Option<(SocketAddr, ClientId)>,
    /// The local addresses of the sockets to the target.
    own: BTreeSet<SocketAddr>,
    /// One entry per client, with a time at or before which it was last heard. A client heard since
    /// moves to the back when its turn comes, so a datagram does not touch the queue.
    silent: VecDeque<(Instant, ClientId)>,
    generations: u64,
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    address: SocketAddr,
    /// The local address that the client sends to.
    reached_at: Option<IpAddr>,
    socket: Socket,
    /// The destination of its datagrams: the target, or the port of the target's host that answered
    /// last.
    peer: SocketAddr,
    /// Whether `peer` has ever changed.
    moved: bool,
    /// The last datagram sent to another port than the target's.
    last: Vec<u8>,
    heard: Instant,
}

/// A client's socket to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// Requested from the driver.
    Awaited,
    /// Open, with this local address.
    Open(SocketAddr),
    /// Failed, or could not be opened.
    Failed,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// The client at an address. `None` if the address is now one of our own sockets: the system
    /// may give a socket the port of a program that ended but still counts as a client.
    pub(super) fn find(&mut self, address: SocketAddr) -> Option<ClientId> {
        if let Some((last, id)) = self.last
            && last == address
        {
            return Some(id);
        }
        let id = *self.by_address.get(&address)?;
        if self.own.contains(&address) {
            return None;
        }
        self.last = Some((address, id));
        Some(id)
    }

    /// Adds a new client.
    pub(super) fn add(
        &mut self,
        now: Instant,
        address: SocketAddr,
        reached_at: Option<IpAddr>,
        peer: SocketAddr,
    ) -> ClientId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.generations += 1;
        let id = ClientId { slot, generation: self.generations };
        let client = Client {
            id,
            address,
            reached_at,
            socket: Socket::Awaited,
            peer,
            moved: false,
            last: Vec::new(),
            heard: now,
        };
        self.slots[slot] = Some(client);
        self.by_address.insert(address, id);
        self.silent.push_back((now, id));
        // Clients that left early still have entries.
        if self.silent.len() > 2 * self.slots.len() {
            let slots = &self.slots;
            self.silent.retain(|(_, id)| slots[id.slot].as_ref().is_some_and(|c| c.id == *id));
        }
        id
    }

    pub(super) fn remove(&mut self, slot: usize) -> Option<SocketAddr> {
        let client = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.by_address.remove(&client.address);
        if let Socket::Open(socket) = client.socket {
            self.own.remove(&socket);
        }
        self.last = None;
        Some(client.address)
    }

    /// The current client of a slot.
    pub(super) fn id(&self, slot: usize) -> Option<ClientId> {
        Some(self.slots.get(slot)?.as_ref()?.id)
    }

    pub(super) fn address(&self, slot: usize) -> Option<SocketAddr> {
        Some(self.slots.get(slot)?.as_ref()?.address)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flatten().map(|client| client.id.slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SocketAddr, Instant)> {
        self.slots.iter().flatten().map(|client| (client.address, client.heard))
    }

    /// A client's address, the local address that it sends to, and its destination; `None` if it
    /// has left.
    pub(super) fn addresses(
        &self,
        id: ClientId,
    ) -> Option<(SocketAddr, Option<IpAddr>, SocketAddr)> {
        self.get(id).map(|client| (client.address, client.reached_at, client.peer))
    }

    /// The destination of a client's datagrams; `None` if it has left.
    pub(super) fn peer(&self, id: ClientId) -> Option<SocketAddr> {
        self.get(id).map(|client| client.peer)
    }

    /// Changes the destination of a client's datagrams. Returns true the first time.
    pub(super) fn set_peer(&mut self, id: ClientId, peer: SocketAddr) -> bool {
        let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) else {
            return false;
        };
        client.peer = peer;
        !std::mem::replace(&mut client.moved, true)
    }

    /// Keeps a copy of the client's last datagram to a followed port.
    pub(super) fn keep_last(&mut self, id: ClientId, payload: &[u8]) {
        if let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) {
            client.last.clear();
            client.last.extend_from_slice(payload);
        }
    }

    /// Takes that copy.
    pub(super) fn take_last(&mut self, id: ClientId) -> Vec<u8> {
        let client = self.slots.get_mut(id.slot).and_then(Option::as_mut);
        client.map(|client| std::mem::take(&mut client.last)).unwrap_or_default()
    }

    /// Changes the destination of every client's datagrams.
    pub(super) fn set_all_peers(&mut self, peer: SocketAddr) {
        self.slots.iter_mut().flatten().for_each(|client| client.peer = peer);
    }

    pub(super) fn heard(&mut self, id: ClientId, now: Instant) {
        if let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) {
            client.heard = now;
        }
    }

    /// Records the local address of a slot's socket.
    pub(super) fn opened(&mut self, slot: usize, local: SocketAddr) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if let Socket::Open(before) = std::mem::replace(&mut client.socket, Socket::Open(local)) {
            self.own.remove(&before);
        }
        self.own.insert(local);
        // The new socket may have this client's own address: see `find`.
        self.last = None;
    }

    /// Records that a slot's socket failed, and resets its client's destination to `peer`.
    pub(super) fn failed(&mut self, slot: usize, peer: SocketAddr) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        client.peer = peer;
        if let Socket::Open(before) = std::mem::replace(&mut client.socket, Socket::Failed) {
            self.own.remove(&before);
        }
    }

    /// If a client's socket has failed, marks it as awaited and returns true.
    pub(super) fn retry(&mut self, id: ClientId) -> bool {
        let client = self.slots.get_mut(id.slot).and_then(Option::as_mut);
        let Some(client) = client.filter(|client| client.socket == Socket::Failed) else {
            return false;
        };
        client.socket = Socket::Awaited;
        true
    }

    /// The state of a slot's socket; `None` if the slot is free.
    pub(super) fn socket(&self, slot: usize) -> Option<Socket> {
        Some(self.slots.get(slot)?.as_ref()?.socket)
    }

    /// Marks every client's socket for replacement.
    pub(super) fn close_all(&mut self) {
        self.slots.iter_mut().flatten().for_each(|client| client.socket = Socket::Awaited);
        self.own.clear();
    }

    /// Whether an address is the local address of a socket to the target.
    pub(super) fn is_own(&self, address: SocketAddr) -> bool {
        self.own.contains(&address)
    }

    /// Removes the next client that has been silent for `idle`.
    pub(super) fn expire(&mut self, now: Instant, idle: Duration) -> Option<(usize, SocketAddr)> {
        while let Some(&(since, id)) = self.silent.front() {
            if since + idle > now {
                return None;
            }
            self.silent.pop_front();
            match self.get(id).map(|client| client.heard) {
                // The client was removed already.
                None => {}
                Some(heard) if heard + idle > now => self.silent.push_back((heard, id)),
                Some(_) => return self.remove(id.slot).map(|address| (id.slot, address)),
            }
        }
        None
    }

    /// When to call `expire` next.
    pub(super) fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.silent.front().map(|&(since, _)| since + idle)
    }

    fn get(&self, id: ClientId) -> Option<&Client> {
        self.slots.get(id.slot)?.as_ref().filter(|client| client.id == id)
    }
}
