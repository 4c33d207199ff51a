//! The page's WebSockets as connections of two carriers: of members over http and over https.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_hub::reliable::ConnId;
use pigeon_web::{Application, Get, Io, Opening, Response, SocketId, Target};

use super::super::reliable::{Carrier, Transport};
use super::Metrics;
use super::board::Board;
use super::figures::Web;
use super::operator::Views;

/// Time between reports to the hub.
const REPORT: Duration = Duration::from_secs(1);

/// What the page's thread serves.
pub(super) struct Site {
    /// Members over http, and over https.
    sides: [Option<Side>; 2],
    sockets: HashMap<SocketId, Socket>,
    views: Views,
    board: Arc<Board>,
    metrics: Metrics,
    next_report: Instant,
}

/// The members of one link.
struct Side {
    carrier: Carrier,
    sockets: HashMap<ConnId, SocketId>,
}

/// A member's WebSocket.
struct Socket {
    is_https: bool,
    conn: ConnId,
    /// Whether the last line still lacks its newline.
    is_line_open: bool,
}

/// The transport of one side.
struct Wire<'a> {
    io: &'a mut Io,
    sockets: &'a mut HashMap<ConnId, SocketId>,
    closed: Vec<SocketId>,
}

impl Transport for Wire<'_> {
    fn send(&mut self, _: Instant, conn: ConnId, bytes: Bytes) {
        if let Some(&socket) = self.sockets.get(&conn) {
            self.io.send(socket, bytes);
        }
    }

    fn resume(&mut self, conn: ConnId) {
        if let Some(&socket) = self.sockets.get(&conn) {
            self.io.resume(socket);
        }
    }

    /// The server pings each socket every ten seconds anyway.
    fn probe(&mut self, _: Instant, _: ConnId) {}

    fn close(&mut self, _: Instant, conn: ConnId) {
        if let Some(socket) = self.sockets.remove(&conn) {
            self.io.close(socket);
            self.closed.push(socket);
        }
    }
}

impl Site {
    pub(super) fn new(
        carriers: [Option<Carrier>; 2],
        views: Views,
        board: Arc<Board>,
        metrics: Metrics,
    ) -> Site {
        let side = |carrier| Side { carrier, sockets: HashMap::new() };
        Site {
            sides: carriers.map(|carrier| carrier.map(side)),
            sockets: HashMap::new(),
            views,
            board,
            metrics,
            next_report: Instant::ORIGIN,
        }
    }

    /// A member's side, and its connection there.
    fn member(&mut self, socket: SocketId) -> Option<(&mut Side, &mut Socket)> {
        let socket = self.sockets.get_mut(&socket)?;
        let side = self.sides[usize::from(socket.is_https)].as_mut()?;
        Some((side, socket))
    }
}

impl Application for Site {
    fn opened(&mut self, io: &mut Io, now: Instant, socket: SocketId, opening: &Opening) -> bool {
        if opening.target == Target::Operator {
            return self.views.opened(io, now, socket, opening.counted());
        }
        let is_https = opening.site.is_https;
        let Some(side) = &mut self.sides[usize::from(is_https)] else { return false };
        let origin = Some(opening.site.origin.clone());
        let Some(conn) = side.carrier.opened_from(now, opening.ip, origin) else { return false };
        side.sockets.insert(conn, socket);
        self.sockets.insert(socket, Socket { is_https, conn, is_line_open: false });
        true
    }

    fn received(&mut self, io: &mut Io, now: Instant, socket: SocketId, part: &[u8], ends: bool) {
        if self.views.has(socket) {
            return self.views.received(io, now, socket, part, ends);
        }
        let Some((side, member)) = self.member(socket) else { return };
        if let Some(last) = part.last() {
            member.is_line_open = *last != b'\n';
            side.carrier.received(now, member.conn, part);
        }
        if ends && std::mem::take(&mut member.is_line_open) {
            side.carrier.received(now, member.conn, b"\n");
        }
    }

    fn wants(&self, socket: SocketId) -> bool {
        let Some(member) = self.sockets.get(&socket) else { return self.views.has(socket) };
        let side = self.sides[usize::from(member.is_https)].as_ref();
        side.is_some_and(|side| side.carrier.wants(member.conn))
    }

    fn sent(&mut self, socket: SocketId, bytes: usize) {
        match self.member(socket) {
            Some((side, member)) => side.carrier.sent(member.conn, bytes),
            None => self.views.sent(socket, bytes),
        }
    }

    fn closed(&mut self, now: Instant, socket: SocketId) {
        if let Some((side, member)) = self.member(socket) {
            side.sockets.remove(&member.conn);
            side.carrier.closed(now, member.conn);
            self.sockets.remove(&socket);
        }
        self.views.closed(socket);
    }

    fn get(&mut self, _: &Io, get: Get<'_>) -> Option<Response> {
        let may = match self.metrics {
            Metrics::Off => return None,
            Metrics::Loopback => get.is_local,
            Metrics::Open => true,
        };
        let why_not = "The figures are for this machine. Start the hub with --metrics open.\n";
        (get.path == "/metrics").then(|| match may {
            true => self.board.figures().snapshot().response(),
            false => Response::text(403, why_not),
        })
    }

    fn turn(&mut self, io: &mut Io, now: Instant) {
        for side in self.sides.iter_mut().flatten() {
            let mut wire = Wire { io, sockets: &mut side.sockets, closed: Vec::new() };
            side.carrier.turn(now, &mut wire);
            for socket in wire.closed {
                self.sockets.remove(&socket);
            }
        }
        self.views.turn(io, now);
        if self.next_report <= now {
            self.next_report = now + REPORT;
            let web = Web {
                statistics: io.statistics(),
                round_trips: io.round_trips(),
                wrong_tokens: self.views.wrong_tokens,
                tokens_refused: self.views.tokens_refused,
            };
            self.board.set_web(web, self.views.len());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let carriers = self.sides.iter().flatten().filter_map(|side| side.carrier.deadline());
        carriers.chain(self.views.deadline()).chain([self.next_report]).min()
    }

    fn is_over(&self) -> bool {
        self.sides.iter().flatten().all(|side| side.carrier.is_over())
    }
}
