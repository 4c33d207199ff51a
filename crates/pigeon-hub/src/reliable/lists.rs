//! Lists of who is in a room, for clients that watch it.

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_proto::RoomName;
use pigeon_proto::frame::{Here, HubFrame};

use super::Sessions;
use super::output::{ConnId, Output};

/// The hub's method.
impl Sessions {
    /// The members of a watched room, and the rooms.
    pub fn here(&mut self, now: Instant, here: &Here) {
        self.set_now(now);
        let mut frame = Vec::new();
        HubFrame::Here(here.clone()).write(&mut frame);
        self.watched.set(&here.room.folded(), frame.into(), now);
        self.send_lists();
    }
}

impl Sessions {
    pub(super) fn watch(&mut self, conn: ConnId, room: &RoomName) {
        self.unwatch(conn);
        let key = room.folded();
        let Some(connection) = self.get_mut(conn) else { return };
        connection.watched = Some(key.clone());
        if self.watched.add(&key, room, conn) {
            self.outputs.push_back(Output::Watch { room: room.clone() });
        } else if let Some(list) = self.watched.latest(&key) {
            self.send_here(conn, &list);
        }
    }

    pub(super) fn unwatch(&mut self, conn: ConnId) {
        let watched = self.get_mut(conn).and_then(|connection| connection.watched.take());
        if let Some(room) = watched.and_then(|key| self.watched.remove(&key, conn)) {
            self.outputs.push_back(Output::Unwatch { room });
        }
    }

    pub(super) fn send_lists(&mut self) {
        for (list, conns) in self.watched.take_due(self.now) {
            conns.into_iter().for_each(|conn| self.send_here(conn, &list));
        }
    }

    /// Sends a member list, or leaves it out until the output queue is shorter.
    pub(super) fn send_here(&mut self, conn: ConnId, list: &Bytes) {
        let window = self.window();
        let Some(connection) = self.get_mut(conn) else { return };
        connection.owes_here = connection.unsent >= window;
        if connection.owes_here {
            return;
        }
        self.flush(conn);
        self.statistics.lists += 1;
        if let Some(connection) = self.get_mut(conn) {
            connection.unsent += list.len();
            self.outputs.push_back(Output::Send { conn, bytes: list.clone() });
        }
    }
}
