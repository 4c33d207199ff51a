//! Reception of multicast groups and broadcasts at a port: on every interface, including those that
//! appear later.
//!
//! A socket bound to every address joins the groups itself. Beside a socket bound to one address,
//! or beside another program's, each group and broadcast address gets its own socket, which
//! receives nothing else and so takes no unicast datagrams from others.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use pigeon_datagram::{Instant, SocketId};
use pigeon_net::{Interfaces, OpenError, Socket, SocketOptions, Sockets, local_addresses};
use pigeon_text::escape;

use super::multicast::Group;
use super::system_error;
use crate::words::say;

/// How often interfaces are checked.
const EVERY: Duration = Duration::from_secs(2);

/// Maximum number of sockets, for hosts with thousands of interfaces.
const MAX_SOCKETS: usize = 256;

/// Maximum number of failures remembered, so that each is reported once.
const MAX_TOLD: usize = 64;

/// What to receive.
pub(crate) struct Wanted {
    /// The groups, each on one interface or on all.
    pub(crate) groups: Vec<Group>,
    /// Whether to receive broadcasts too, if that needs sockets.
    pub(crate) broadcasts: bool,
    /// The only interface to use, given by name, index or address.
    pub(crate) interface: Option<String>,
    pub(crate) port: u16,
    pub(crate) options: SocketOptions,
    /// The socket bound to every address of this host at this port, if there is one.
    pub(crate) everywhere: Option<SocketId>,
}

/// The interface of a bound socket's network, in the form of [`Wanted::interface`]; `None` if it is
/// bound to every address.
pub(crate) fn interface_of(bound: SocketAddr) -> Option<String> {
    match bound {
        bound if bound.ip().is_unspecified() => None,
        // Several links may have the same address.
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id().to_string()),
        bound => Some(bound.ip().to_string()),
    }
}

/// Keeps groups joined while interfaces appear and disappear.
pub(crate) struct GroupSockets {
    wanted: Wanted,
    /// The lowest socket number to use.
    first: u16,
    open: Vec<(SocketId, SocketAddr)>,
    /// The interfaces at the last successful check.
    seen: Option<Interfaces>,
    next: Instant,
    told: Vec<String>,
}

/// A report.
pub(crate) enum Note {
    /// A group was joined.
    Joined(String),
    /// A group or broadcast address is not received.
    Trouble(String),
}

/// The changes of one check.
#[derive(Default)]
struct Changes {
    opened: Vec<(SocketId, Socket)>,
    closed: Vec<SocketId>,
    notes: Vec<Note>,
    failure: Option<OpenError>,
}

impl GroupSockets {
    /// Joins groups on the current interfaces, and appends the necessary sockets to `sockets`.
    /// Returns the reports, and the first socket that could not be opened; opening is retried
    /// later.
    pub(crate) fn open(
        wanted: Wanted,
        now: Instant,
        sockets: &mut Vec<Socket>,
    ) -> (GroupSockets, Vec<Note>, Option<OpenError>) {
        let first = u16::try_from(sockets.len()).unwrap_or(u16::MAX);
        let (open, told) = (Vec::new(), Vec::new());
        let mut groups = GroupSockets { wanted, first, open, seen: None, next: now + EVERY, told };
        let changes = groups.look(|id| sockets.get(id.index()));
        sockets.extend(changes.opened.into_iter().map(|(_, socket)| socket));
        (groups, changes.notes, changes.failure)
    }

    /// When to check the interfaces again.
    pub(crate) fn deadline(&self) -> Instant {
        self.next
    }

    /// Checks the interfaces if due, and returns the reports.
    pub(crate) fn tick(&mut self, now: Instant, sockets: &mut Sockets) -> Vec<Note> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + EVERY;
        let mut changes = self.look(|id| sockets.get(id));
        for id in changes.closed {
            sockets.remove(id);
        }
        for (id, socket) in changes.opened {
            let address = socket.local_addr();
            if let Err(error) = sockets.insert(id, socket) {
                self.open.retain(|&(open, _)| open != id);
                self.tell(
                    say!("tools-group-cannot-listen", address = &address, error = &error),
                    &mut changes.notes,
                );
            }
        }
        if let Some(failure) = changes.failure {
            let error = system_error::chain(&anyhow::Error::from(failure));
            self.tell(say!("tools-group-less", error = error), &mut changes.notes);
        }
        changes.notes
    }

    fn look<'a>(&mut self, get: impl Fn(SocketId) -> Option<&'a Socket>) -> Changes {
        let mut changes = Changes::default();
        let Ok(interfaces) = local_addresses() else { return changes };
        if self.seen.as_ref() == Some(&interfaces) {
            return changes;
        }
        match self.wanted.everywhere.and_then(&get) {
            Some(everywhere) => {
                for group in self.wanted.groups.clone() {
                    self.join(&group, everywhere, &interfaces, &mut changes.notes);
                }
            }
            None => self.open_each(&interfaces, get, &mut changes),
        }
        self.seen = Some(interfaces).filter(|_| changes.failure.is_none());
        changes
    }

    /// Opens the missing sockets for groups and broadcast addresses.
    fn open_each<'a>(
        &mut self,
        interfaces: &Interfaces,
        get: impl Fn(SocketId) -> Option<&'a Socket>,
        changes: &mut Changes,
    ) {
        let wanted = self.addresses(interfaces);
        self.open.retain(|&(id, address)| {
            let stays = wanted.iter().any(|(wanted, _)| *wanted == address);
            if !stays {
                changes.closed.push(id);
            }
            stays
        });
        for (address, group) in wanted {
            let found = self.open.iter().find(|(_, open)| *open == address);
            if let Some(socket) = found.and_then(|&(id, _)| get(id)) {
                if let Some(group) = group {
                    self.join(&group, socket, interfaces, &mut changes.notes);
                }
                continue;
            }
            let Some(id) = self.free_id() else { continue };
            match Socket::bind(address, &self.wanted.options) {
                Ok(socket) => {
                    if let Some(group) = group {
                        self.join(&group, &socket, interfaces, &mut changes.notes);
                    }
                    self.open.push((id, address));
                    changes.opened.push((id, socket));
                }
                // The network has disappeared meanwhile.
                Err(error) if error.source.kind() == io::ErrorKind::AddrNotAvailable => {}
                Err(error) => {
                    changes.failure.get_or_insert(error);
                }
            }
        }
    }

    /// The addresses to bind, each with the group to join.
    fn addresses(&self, interfaces: &Interfaces) -> Vec<(SocketAddr, Option<Group>)> {
        let port = self.wanted.port;
        let mut addresses: Vec<(SocketAddr, Option<Group>)> = Vec::new();
        for group in &self.wanted.groups {
            match group.address {
                IpAddr::V6(ip) if group.is_link_local() => {
                    let selected = self.select(group, interfaces);
                    for (_, index) in selected.with_family_of(group.address) {
                        let address = SocketAddrV6::new(ip, port, 0, index).into();
                        let group = Group { interface: Some(index.to_string()), ..group.clone() };
                        addresses.push((address, Some(group)));
                    }
                }
                ip => addresses.push((SocketAddr::new(ip, port), Some(group.clone()))),
            }
        }
        if self.wanted.broadcasts {
            addresses.push((SocketAddr::new(Ipv4Addr::BROADCAST.into(), port), None));
            let every = Group::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            for directed in self.select(&every, interfaces).iter().filter_map(|l| l.broadcast) {
                addresses.push((SocketAddr::new(directed.into(), port), None));
            }
        }
        let mut seen = HashSet::new();
        addresses.retain(|(address, _)| seen.insert(*address));
        addresses.truncate(MAX_SOCKETS);
        addresses
    }

    /// The interfaces to use for a group; none if the given one is missing now.
    fn select(&self, group: &Group, interfaces: &Interfaces) -> Interfaces {
        let named = match &self.wanted.interface {
            Some(wanted) => interfaces.only(wanted),
            None => Some(interfaces.clone()),
        };
        named.and_then(|named| group.select(&named).ok()).unwrap_or_default()
    }

    fn join(
        &mut self,
        group: &Group,
        socket: &Socket,
        interfaces: &Interfaces,
        notes: &mut Vec<Note>,
    ) {
        let selected = self.select(group, interfaces);
        let joins = socket.join_group(group.address, &selected);
        if !joins.joined.is_empty() {
            let names: Vec<String> =
                joins.joined.iter().map(|name| escape(name).to_string()).collect();
            notes.push(Note::Joined(say!(
                "tools-group-joined",
                group = group,
                names = names.join(", ")
            )));
        } else if joins.before == 0 && joins.failed.is_empty() {
            let note = say!("tools-group-none-yet", group = group);
            self.tell(note, notes);
        }
        for (name, error) in joins.failed {
            let name = escape(&name);
            let said = system_error::said(&error);
            let trouble = match is_full(&error) {
                true => say!("tools-group-full", group = group, name = &name, error = said),
                false => {
                    say!("tools-group-cannot-join", group = group, name = &name, error = said)
                }
            };
            self.tell(trouble, notes);
        }
    }

    /// Adds a problem, unless it was reported before.
    fn tell(&mut self, trouble: String, notes: &mut Vec<Note>) {
        if self.told.len() < MAX_TOLD && !self.told.contains(&trouble) {
            self.told.push(trouble.clone());
            notes.push(Note::Trouble(trouble));
        }
    }

    fn free_id(&self) -> Option<SocketId> {
        let is_free = |id: &SocketId| self.open.iter().all(|(open, _)| open != id);
        (self.first..=u16::MAX).map(SocketId::new).find(is_free)
    }
}

/// Whether a socket has reached its limit of groups: by default 20 of IPv4, counting each
/// interface.
#[cfg(unix)]
fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}

#[cfg(not(unix))]
fn is_full(_: &io::Error) -> bool {
    false
}
