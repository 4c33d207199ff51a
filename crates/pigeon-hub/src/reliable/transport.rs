//! Connections: opened, read, written and closed by the transport.

use pigeon_datagram::Instant;

use super::connection::{Connection, REFILL};
use super::output::ConnId;
use super::{HANDSHAKE, NONCE, Sessions};
use crate::core::input::Source;

/// The transport's methods.
impl Sessions {
    /// A connection was opened. `None`: there are too many, and the transport closes it.
    pub fn opened(&mut self, now: Instant, source: Source) -> Option<ConnId> {
        self.opened_from(now, source, None)
    }

    /// A connection of a page was opened, whose client signs the page's origin.
    pub fn opened_from(
        &mut self,
        now: Instant,
        source: Source,
        origin: Option<Box<str>>,
    ) -> Option<ConnId> {
        self.set_now(now);
        if self.slots.len() >= self.config.max_connections {
            self.statistics.refused_full += 1;
            return None;
        }
        if !self.slots.has_place(source.ip, self.config.max_per_address) {
            self.statistics.refused_address += 1;
            return None;
        }
        let serial = self.next_serial();
        let subject = [serial.to_be_bytes(), now.as_nanos().to_be_bytes()].concat();
        let nonce = self.config.nonces.code(NONCE, &subject).bytes();
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let conn = self.slots.insert(Connection::new(source, nonce.into(), origin));
        self.handshakes.push_back((now + HANDSHAKE, conn));
        self.statistics.opened += 1;
        self.statistics.connections += 1;
        Some(conn)
    }

    /// Bytes have arrived.
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.set_now(now);
        if let Some(connection) = self.get_mut(conn) {
            connection.lines.push(bytes);
            self.handle_lines(conn);
        }
    }

    /// Whether the transport should read more from a connection. Call it before each read: it slows
    /// down a member that sends more than the hub can store. After `false`, [`Output::Resume`](super::Output::Resume)
    /// follows.
    pub fn wants(&self, conn: ConnId) -> bool {
        let window = self.window();
        self.get(conn).is_some_and(|connection| connection.wants(window))
    }

    /// The transport has accepted this many bytes.
    pub fn sent(&mut self, conn: ConnId, bytes: usize) {
        let refill = self.window() / REFILL;
        let Some(connection) = self.get_mut(conn) else { return };
        connection.unsent = connection.unsent.saturating_sub(bytes);
        if connection.unsent < refill {
            let owed = connection.watched.clone().filter(|_| connection.owes_here);
            if let Some(list) = owed.and_then(|room| self.watched.latest(&room)) {
                self.send_here(conn, &list);
            }
            self.enqueue(conn);
            self.next_request(conn);
            self.handle_lines(conn);
        }
    }

    /// A connection was closed by the peer or lost.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        self.set_now(now);
        self.remove(conn);
    }
}

impl Sessions {
    pub(super) fn remove(&mut self, conn: ConnId) {
        if self.get(conn).is_none() {
            return;
        }
        self.unwatch(conn);
        let Some(connection) = self.slots.remove(conn) else { return };
        self.statistics.connections -= 1;
        for follow in &connection.follows {
            self.rooms.leave(&follow.room, conn);
        }
        if let Some(author) = connection.author() {
            self.members.drop_conn(author, conn, self.now + self.config.linger);
        }
    }
}
