//! Who the clients are, and which of them have been silent for how long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;

/// A client: its slot, and which of the clients that had the slot it is.
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

/// The table. Its size is the caller's affair.
#[derive(Debug, Default)]
pub(super) struct Clients {
    slots: Vec<Option<Client>>,
    free: Vec<usize>,
    /// A tree and not a hash table: addresses come from strangers, and this crate has no secret key
    /// to hash them with.
    by_address: BTreeMap<SocketAddr, ClientId>,
    /// The client found last: a batch is mostly one client's.
    last: Option<(SocketAddr, ClientId)>,
    /// The local addresses of the sockets to the target.
    own: BTreeSet<SocketAddr>,
    /// One entry a client, with a time at or before which it was last heard. A client heard since
    /// goes to the back when its turn comes, so a datagram costs the queue nothing.
    silent: VecDeque<(Instant, ClientId)>,
    generations: u64,
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    address: SocketAddr,
    /// Which of our addresses it writes to.
    reached_at: Option<IpAddr>,
    socket: Socket,
    /// Where its datagrams go: the target, or the port of the target's host that answered last.
    peer: SocketAddr,
    /// Whether `peer` has ever changed.
    moved: bool,
    /// The last datagram that went to another port than the target's.
    last: Vec<u8>,
    heard: Instant,
}

/// A client's socket to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// It was asked for.
    Awaited,
    /// It is open and has this local address.
    Open(SocketAddr),
    /// It could not be opened, or has failed.
    Failed,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// The client at an address, unless one of our sockets has the address now: the system may give
    /// it the port of a program that ended and still stands here.
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

    /// Adds a client that is not there yet.
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
        // Those that left before their time still stand there.
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

    /// The client that has a slot now.
    pub(super) fn id(&self, slot: usize) -> Option<ClientId> {
        Some(self.slots.get(slot)?.as_ref()?.id)
    }

    pub(super) fn address(&self, slot: usize) -> Option<SocketAddr> {
        Some(self.slots.get(slot)?.as_ref()?.address)
    }

    /// The slots in use.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flatten().map(|client| client.id.slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SocketAddr, Instant)> {
        self.slots.iter().flatten().map(|client| (client.address, client.heard))
    }

    /// A client's address, which of ours it writes to, and where its datagrams go, unless it has
    /// gone.
    pub(super) fn addresses(
        &self,
        id: ClientId,
    ) -> Option<(SocketAddr, Option<IpAddr>, SocketAddr)> {
        self.get(id).map(|client| (client.address, client.reached_at, client.peer))
    }

    /// Where a client's datagrams go, unless it has gone.
    pub(super) fn peer(&self, id: ClientId) -> Option<SocketAddr> {
        self.get(id).map(|client| client.peer)
    }

    /// A client's datagrams go to this address from now on. True the first time.
    pub(super) fn set_peer(&mut self, id: ClientId, peer: SocketAddr) -> bool {
        let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) else {
            return false;
        };
        client.peer = peer;
        !std::mem::replace(&mut client.moved, true)
    }

    /// Keeps what a client last sent to a port that was followed.
    pub(super) fn keep_last(&mut self, id: ClientId, payload: &[u8]) {
        if let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) {
            client.last.clear();
            client.last.extend_from_slice(payload);
        }
    }

    /// Takes what was kept.
    pub(super) fn take_last(&mut self, id: ClientId) -> Vec<u8> {
        let client = self.slots.get_mut(id.slot).and_then(Option::as_mut);
        client.map(|client| std::mem::take(&mut client.last)).unwrap_or_default()
    }

    /// Every client's datagrams go to this address from now on.
    pub(super) fn set_all_peers(&mut self, peer: SocketAddr) {
        self.slots.iter_mut().flatten().for_each(|client| client.peer = peer);
    }

    pub(super) fn heard(&mut self, id: ClientId, now: Instant) {
        if let Some(client) = self.slots.get_mut(id.slot).and_then(Option::as_mut) {
            client.heard = now;
        }
    }

    /// A slot's socket has this local address now.
    pub(super) fn opened(&mut self, slot: usize, local: SocketAddr) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if let Socket::Open(before) = std::mem::replace(&mut client.socket, Socket::Open(local)) {
            self.own.remove(&before);
        }
        self.own.insert(local);
        // It may stand for this very address: see `find`.
        self.last = None;
    }

    /// A slot has no socket, and its client's next datagram goes to `peer`.
    pub(super) fn failed(&mut self, slot: usize, peer: SocketAddr) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        client.peer = peer;
        if let Socket::Open(before) = std::mem::replace(&mut client.socket, Socket::Failed) {
            self.own.remove(&before);
        }
    }

    /// Whether a client's socket has failed; it is awaited from now on.
    pub(super) fn retry(&mut self, id: ClientId) -> bool {
        let client = self.slots.get_mut(id.slot).and_then(Option::as_mut);
        let Some(client) = client.filter(|client| client.socket == Socket::Failed) else {
            return false;
        };
        client.socket = Socket::Awaited;
        true
    }

    /// The socket of a slot's client; `None` where the slot has no client.
    pub(super) fn socket(&self, slot: usize) -> Option<Socket> {
        Some(self.slots.get(slot)?.as_ref()?.socket)
    }

    /// Every client needs a new socket.
    pub(super) fn close_all(&mut self) {
        self.slots.iter_mut().flatten().for_each(|client| client.socket = Socket::Awaited);
        self.own.clear();
    }

    /// Whether this is the local address of a socket to the target.
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
                // It went some other way.
                None => {}
                Some(heard) if heard + idle > now => self.silent.push_back((heard, id)),
                Some(_) => return self.remove(id.slot).map(|address| (id.slot, address)),
            }
        }
        None
    }

    /// When to look for silent clients next.
    pub(super) fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.silent.front().map(|&(since, _)| since + idle)
    }

    fn get(&self, id: ClientId) -> Option<&Client> {
        self.slots.get(id.slot)?.as_ref().filter(|client| client.id == id)
    }
}
