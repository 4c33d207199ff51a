//! The server on `pigeon-web`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_web::{
    Application, Assets, Get, Guard, Io, Limits, Opening, Response, Server, SocketId,
};

/// All clients, each with what has come of its message.
#[derive(Default)]
struct Clients(BTreeMap<SocketId, Vec<u8>>);

impl Application for Clients {
    fn opened(&mut self, _: &mut Io, _: Instant, socket: SocketId, _: &Opening) -> bool {
        self.0.insert(socket, Vec::new());
        true
    }

    fn received(&mut self, io: &mut Io, _: Instant, socket: SocketId, part: &[u8], ends: bool) {
        let Some(message) = self.0.get_mut(&socket) else { return };
        message.extend_from_slice(part);
        if ends {
            let message = Bytes::from(std::mem::take(message));
            self.0.keys().for_each(|socket| io.send(*socket, message.clone()));
        }
    }

    fn wants(&self, _: SocketId) -> bool {
        true
    }

    fn sent(&mut self, _: SocketId, _: usize) {}

    fn closed(&mut self, _: Instant, socket: SocketId) {
        self.0.remove(&socket);
    }

    fn get(&mut self, _: &Io, _: Get<'_>) -> Option<Response> {
        None
    }

    fn turn(&mut self, _: &mut Io, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_over(&self) -> bool {
        false
    }
}

pub(crate) fn serve(address: SocketAddr) {
    let guard = Guard::new(None, &[], false);
    let limits = Limits { connections: 65_536, per_address: usize::MAX, loopback_counts: false };
    let server = Server::listen(&[address], guard, limits, None, Assets::new(None));
    let server = server.expect("a free port");
    for address in server.local_addresses() {
        println!("listening on {address}");
    }
    server.run(&mut Clients::default()).expect("the system waits for connections");
}
