//! The server of `pigeon-quic` in the project's loop, with minimal additions.

use std::ops::ControlFlow;

use pigeon_guard::SourceRules;
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions};
use pigeon_quic::{Certificate, ConnId, Endpoint, Event, Limits, Server, ServerConfig};

use crate::relay::Relay;

/// Relays what any member says to all.
struct Hub {
    members: Vec<ConnId>,
    relay: Relay,
}

impl Host<Server> for Hub {
    fn event(&mut self, server: &mut Server, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Opened { conn, .. } => self.members.push(conn),
            Event::Closed { conn, .. } => self.members.retain(|member| *member != conn),
            Event::Readable { conn } => {
                while let Some(bytes) = server.read(io.now, conn, usize::MAX) {
                    self.relay.take(&bytes);
                }
                if let Some(frames) = self.relay.frames() {
                    for member in &self.members {
                        server.write(io.now, *member, &mut [frames.clone()]);
                    }
                }
            }
            Event::Writable { .. } | Event::Moved { .. } => {}
        }
        ControlFlow::Continue(())
    }
}

pub(crate) fn run(how: &str) -> ! {
    let certificate = Certificate::generate().expect("the system gives randomness");
    let limits = Limits {
        connections: 20_000,
        per_address: 20_000,
        handshakes: 20_000,
        initials_per_second: 1_000_000,
        ..Limits::default()
    };
    let limits = match std::env::var_os("QUIC_DEFAULT_LIMITS") {
        Some(_) => Limits { per_address: 20_000, ..Limits::default() },
        None => limits,
    };
    let clock = Clock::start();
    let server = Server::new(ServerConfig {
        certificate: &certificate,
        seed: [7; 32],
        base: std::time::Instant::now(),
        limits,
        sources: SourceRules::default(),
    });
    let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
    let socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), &options);
    let socket = socket.expect("a socket");
    let address = socket.local_addr();
    let driver = Driver::new(server.expect("sound settings"), socket).expect("a descriptor");
    let mut driver = driver.with_clock(clock);
    eprintln!("listening on {address}");
    let mut hub = Hub { members: Vec::new(), relay: Relay::new(how) };
    driver.run(&mut hub).expect("the socket works");
    std::process::exit(0);
}
