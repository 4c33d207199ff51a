//! Frames to clients: queued for a connection, and sent together at the end of a turn.

use bytes::Bytes;
use pigeon_proto::frame::{ByeReason, HubFrame};
use pigeon_proto::{Notice, RoomName, sentence};

use super::Sessions;
use super::connection::Connection;
use super::output::{ConnId, Joined, Output};
use super::rooms::Piece;

/// The hub's notices.
impl Sessions {
    /// Sends a notice to a member.
    pub fn notice(&mut self, author: u128, notice: &Notice) {
        let Some(member) = self.members.get_mut(author) else { return };
        if let (Some(joined), Notice::Name { name, room, .. }) = (&mut member.joined, notice) {
            *joined = Joined { name: name.clone(), room: room.clone() };
        }
        let conns = member.conns.clone();
        for conn in conns {
            self.tell(conn, notice);
        }
    }

    /// Messages were deleted, in a room or from senders with a name.
    pub fn forgot(&mut self, room: Option<&RoomName>, name: Option<&str>) {
        let frame = HubFrame::Forgot { room: room.cloned(), name: name.map(Box::from) };
        let key = room.map(RoomName::folded);
        let is_meant = |connection: &mut Connection| match &key {
            Some(key) => connection.follow(key).is_some(),
            None => !connection.follows.is_empty(),
        };
        for conn in self.slots.all() {
            if self.get_mut(conn).is_some_and(is_meant) {
                self.frame(conn, &frame);
            }
        }
    }

    /// The hub stops: all connections are closed.
    pub fn stop(&mut self) {
        for conn in self.slots.all() {
            self.bye(conn, ByeReason::Stopped, "the hub stops");
        }
    }
}

impl Sessions {
    /// Sends a notice to one connection.
    pub(super) fn tell(&mut self, conn: ConnId, notice: &Notice) {
        let Some(language) = self.get(conn).map(|it| it.language) else { return };
        let line = String::from_utf8_lossy(&notice.to_bytes()).into_owned();
        let line = line.strip_prefix("^hb^ ").unwrap_or(&line).into();
        let text = sentence::of(notice, language).into();
        self.frame(conn, &HubFrame::Notice { line, text });
    }

    /// Queues a frame, which is sent together with others.
    pub(super) fn frame(&mut self, conn: ConnId, frame: &HubFrame) {
        let window = self.window();
        let Some(connection) = self.get_mut(conn) else { return };
        frame.write(&mut connection.frames);
        if connection.overflows(window) {
            self.statistics.overflowed += 1;
            self.outputs.push_back(Output::Close { conn });
            return self.remove(conn);
        }
        self.touch(conn);
    }

    /// Marks a connection as dirty.
    pub(super) fn touch(&mut self, conn: ConnId) {
        let Some(connection) = self.get_mut(conn) else { return };
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(conn);
        }
    }

    /// Sends queued frames, acknowledgements last.
    pub(super) fn flush(&mut self, conn: ConnId) {
        let stores = self.config.stores;
        let Some(connection) = self.get_mut(conn) else { return };
        connection.is_dirty = false;
        connection.acknowledge(stores);
        let bytes = Bytes::from(std::mem::take(&mut connection.frames));
        if !bytes.is_empty() {
            connection.unsent += bytes.len();
            self.outputs.push_back(Output::Send { conn, bytes });
        }
    }

    pub(super) fn send_entries(&mut self, conn: ConnId, piece: &Piece) {
        self.flush(conn);
        self.statistics.delivered += piece.count;
        if let Some(connection) = self.get_mut(conn) {
            connection.unsent += piece.bytes.len();
            self.outputs.push_back(Output::Send { conn, bytes: piece.bytes.clone() });
        }
    }

    /// Sends the reason and closes.
    pub(super) fn bye(&mut self, conn: ConnId, reason: ByeReason, text: &str) {
        let frame = HubFrame::Bye { reason, text: text.into() };
        if let Some(connection) = self.get_mut(conn) {
            frame.write(&mut connection.frames);
            self.flush(conn);
            self.outputs.push_back(Output::Close { conn });
            self.remove(conn);
        }
    }
}
