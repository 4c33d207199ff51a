//! Lists for clients: who is in a room that they watch, and the hubs that share the rooms.

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_proto::RoomName;
use pigeon_proto::frame::{Here, HubFrame, OtherHub};

use super::Sessions;
use super::output::{ConnId, Output};

/// The hub's methods.
impl Sessions {
    /// The members of a watched room, and the rooms.
    pub fn here(&mut self, now: Instant, here: &Here) {
        self.set_now(now);
        let mut frame = Vec::new();
        HubFrame::Here(here.clone()).write(&mut frame);
        self.watched.set(&here.room.folded(), frame.into(), now);
        self.send_lists();
    }

    /// The hubs with the same rooms, this one among them.
    pub fn hubs(&mut self, hubs: Vec<OtherHub>) {
        self.hubs = Some(HubFrame::Hubs { hubs });
        for conn in self.slots.all() {
            if self.get(conn).is_some_and(|it| it.member().is_some()) {
                self.send_hubs(conn);
            }
        }
    }
}

impl Sessions {
    pub(super) fn send_hubs(&mut self, conn: ConnId) {
        if let Some(hubs) = self.hubs.clone() {
            self.frame(conn, &hubs);
        }
    }

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
