//! The listening sockets for plain datagrams, each with a format and a room.

use pigeon_datagram::SocketId;
use pigeon_proto::Format;

use crate::core::id::RoomId;
use crate::core::state::Core;

/// A listening socket.
#[derive(Clone, Copy)]
pub(super) struct Door {
    pub(super) format: Format,
    /// The first room of the socket's members.
    pub(super) home: RoomId,
}

/// All listening sockets, by socket number.
pub(super) struct Doors(Vec<Door>);

impl Doors {
    /// The configured sockets. Creates their rooms.
    pub(super) fn open(core: &mut Core) -> Doors {
        let doors = core.config().doors.clone();
        let open = |door: crate::config::Door| {
            let home = core.open_door(&door.room, door.format == Format::Raw)?;
            Some(Door { format: door.format, home })
        };
        Doors(doors.into_iter().filter_map(open).collect())
    }

    /// Sockets of these formats, for tests.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(formats: [Format; N]) -> Doors {
        let home = RoomId::new(0, 0);
        Doors(formats.map(|format| Door { format, home }).into())
    }

    pub(super) fn len(&self) -> u16 {
        self.0.len() as u16
    }

    /// The listening socket with this number.
    pub(super) fn get(&self, socket: SocketId) -> Option<Door> {
        self.0.get(socket.index()).copied()
    }

    /// A member's listening socket, which always exists.
    pub(super) fn at(&self, socket: SocketId) -> Door {
        let nowhere = Door { format: Format::Chat, home: RoomId::new(0, 0) };
        self.get(socket).or_else(|| self.first()).unwrap_or(nowhere)
    }

    pub(super) fn first(&self) -> Option<Door> {
        self.0.first().copied()
    }
}
