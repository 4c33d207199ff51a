//! Answers `pigeon discover`: the hub's answer, and the sockets that receive the request, which
//! goes to one fixed port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pigeon_datagram::{Instant, SocketId};
use pigeon_hub::Discovery;
use pigeon_net::{BufferSize, Socket, SocketOptions};
use tracing::{debug, info, warn};

use crate::base::bind::explain;
use crate::base::groups::{GroupSockets, Note, Wanted, interface_of};
use crate::base::multicast::Group;
use crate::base::random;
use crate::base::system_error;
use crate::words::say;

/// The port and groups that receive requests, besides broadcasts.
const PORT: u16 = 9999;
const GROUPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(239, 255, 99, 99)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x9999)),
];

/// Room for a thousand requests. Each arrives three times on every interface.
const RECEIVE_BUFFER: usize = 256 << 10;

/// The hub's answer, which names its first socket beyond loopback. `None` if there is none.
pub(super) fn answer(doors: &[Socket]) -> anyhow::Result<Option<Discovery>> {
    let mut bound = (0..).map(SocketId::new).zip(doors.iter().map(Socket::local_addr));
    let Some((door, bound)) = bound.find(|(_, bound)| !bound.ip().is_loopback()) else {
        return Ok(None);
    };
    let address = Some(bound.ip()).filter(|ip| !ip.is_unspecified());
    Ok(Some(Discovery { id: random::u64()?, port: bound.port(), door, address }))
}

/// Receives requests: on the listening socket itself if it is bound to every address on the port,
/// else on additional sockets, which are appended. If this fails the hub serves anyway.
pub(super) fn listen(
    discovery: &Discovery,
    now: Instant,
    options: &SocketOptions,
    sockets: &mut Vec<Socket>,
) -> Option<GroupSockets> {
    let door = sockets.get(discovery.door.index())?;
    let bound = door.local_addr();
    let is_everywhere = bound.ip().is_unspecified() && bound.port() == PORT;
    let wanted = Wanted {
        groups: GROUPS.into_iter().filter(|group| door.serves(*group)).map(Group::from).collect(),
        broadcasts: door.serves(Ipv4Addr::BROADCAST.into()),
        interface: interface_of(bound),
        port: PORT,
        options: SocketOptions {
            share: true,
            receive_buffer: BufferSize::Bytes(RECEIVE_BUFFER),
            ..options.clone()
        },
        everywhere: is_everywhere.then_some(discovery.door),
    };
    let (groups, notes, failure) = GroupSockets::open(wanted, now, sockets);
    for note in notes {
        match note {
            Note::Joined(note) => debug!("{note}"),
            trouble => tell(trouble),
        }
    }
    if let Some(failure) = failure {
        let error = explain(failure);
        warn!("{}", say!("hub-undiscoverable", why = system_error::chain(&error)));
    }
    Some(groups)
}

/// Logs a change since the start.
pub(super) fn tell(note: Note) {
    match note {
        Note::Joined(note) => info!("{}", say!("hub-discoverable", what = &note)),
        Note::Trouble(trouble) => warn!("{}", say!("hub-undiscoverable", why = &trouble)),
    }
}

/// Lets other hubs on this host receive requests beside a socket that would otherwise take them.
pub(super) fn share(doors: &[Socket]) {
    let has_all = |bound: SocketAddr| bound.ip().is_unspecified() && bound.port() == PORT;
    for door in doors.iter().filter(|door| has_all(door.local_addr())) {
        if let Err(error) = door.let_groups_share() {
            debug!("other hubs of this host may not be found: {error}");
        }
    }
}
