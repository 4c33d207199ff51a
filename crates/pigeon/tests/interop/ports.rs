//! Ports for programs that are given theirs, and for those that leave theirs and come back to it.
//!
//! A port that the system hands out is from its ephemeral range, where any socket of any program
//! may get it as soon as it is free: a restarted hub then finds an `nc` at its port. So these ports
//! are below that range, each handed out once.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;

use crate::process::wait_until;

/// How many ports below the ephemeral range tests may use. The browsers' tests use those below
/// (`browser/harness.js`).
const POOL: u16 = 10_000;

/// This many consecutive ports, unused by UDP and TCP on loopback, that no other test gets.
pub(crate) fn lasting<const COUNT: usize>() -> [u16; COUNT] {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let low = ephemeral();
    // Another run of these tests beside this one starts elsewhere.
    let start = || (std::process::id().wrapping_mul(613) % u32::from(POOL)) as u16;
    let count = COUNT as u16;
    wait_until("ports are free", || {
        let mut next = NEXT.lock().unwrap();
        let at = Some(next.unwrap_or_else(start)).filter(|at| at + count < POOL).unwrap_or(0);
        *next = Some(at + count);
        let ports: [u16; COUNT] = std::array::from_fn(|n| low - POOL + at + n as u16);
        ports.iter().all(|&port| is_free(port)).then_some(ports)
    })
}

fn is_free(port: u16) -> bool {
    [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)].iter().all(|&ip| {
        let address = SocketAddr::from((ip, port));
        UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
    })
}

/// The first port of the range that the system hands out (ip(7)).
fn ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    // Where the range starts lower, as on some servers, another socket may get a port after all.
    first.max(2 * POOL + 1_024)
}

/// A closed port: bound, but connected elsewhere, so the kernel refuses all other datagrams and
/// gives the port to no other socket.
pub(crate) struct ClosedPort(UdpSocket);

impl ClosedPort {
    pub(crate) fn new() -> ClosedPort {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        ClosedPort(socket)
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn address(&self) -> String {
        self.at().to_string()
    }
}
