//! A bare quinn-proto endpoint, for input that our own ends never send.

use std::net::SocketAddr;

use pigeon_datagram::{Instant, Machine, Received};
use quinn_proto::{Connection, DatagramEvent, Endpoint, Event};

use crate::ends::base;

pub(crate) struct Raw {
    endpoint: Endpoint,
    connection: Option<Connection>,
    address: SocketAddr,
    now: std::time::Instant,
    /// Why the endpoint's connection was lost.
    pub(crate) lost: Option<String>,
}

impl Raw {
    pub(crate) fn new(address: SocketAddr, server: Option<quinn_proto::ServerConfig>) -> Raw {
        let server = server.map(Into::into);
        let endpoint = Endpoint::new(Default::default(), server, false, None);
        Raw { endpoint, connection: None, address, now: base(), lost: None }
    }

    pub(crate) fn connect(&mut self, config: quinn_proto::ClientConfig, to: SocketAddr) {
        let (_, connection) = self.endpoint.connect(self.now, config, to, "x").unwrap();
        self.connection = Some(connection);
    }

    /// Exchanges datagrams until both are quiet.
    pub(crate) fn talk(&mut self, machine: &mut impl Machine, machine_address: SocketAddr) {
        for _ in 0..20 {
            let mut buffer = Vec::new();
            while let Some(connection) = &mut self.connection
                && connection.poll_transmit(self.now, 1, &mut buffer).is_some()
            {
                let datagram = Received::new(self.address, &buffer);
                machine.handle_datagram(Instant::ORIGIN, &datagram);
                buffer.clear();
            }
            for datagram in crate::strangers::sent(machine) {
                let (from, datagram) = (machine_address, datagram.as_slice().into());
                let event = self.endpoint.handle(self.now, from, None, None, datagram, &mut buffer);
                match event {
                    Some(DatagramEvent::NewConnection(incoming)) => {
                        let accepted = self.endpoint.accept(incoming, self.now, &mut buffer, None);
                        self.connection = accepted.ok().map(|(_, connection)| connection);
                    }
                    Some(DatagramEvent::ConnectionEvent(_, event)) => {
                        self.connection.as_mut().unwrap().handle_event(event);
                    }
                    _ => {}
                }
            }
            while let Some(event) = self.connection.as_mut().and_then(Connection::poll) {
                if let Event::ConnectionLost { reason } = event {
                    self.lost = Some(reason.to_string());
                }
            }
        }
    }
}
