//! Real sockets over loopback: the same tests for every I/O path. The system chooses all ports, and
//! every wait is for an event.
#![cfg(test)]

mod driver;
mod many;
mod sockets;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pigeon_net::{IoPath, SocketOptions};

/// How long a test waits for an expected event.
const SOON: Duration = Duration::from_secs(10);

/// Turns each of these functions of an `IoPath` into a test per path.
macro_rules! on_every_path {
    ($($name:ident),* $(,)?) => {
        on_every_path!(best = Best; $($name),*);
        on_every_path!(no_offload = NoOffload; $($name),*);
        on_every_path!(portable = Portable; $($name),*);
    };
    ($module:ident = $path:ident; $($name:ident),*) => {
        mod $module {
            $(#[test]
            fn $name() {
                super::$name(pigeon_net::IoPath::$path);
            })*
        }
    };
}
use on_every_path;

fn options(path: IoPath) -> SocketOptions {
    SocketOptions { path, ..SocketOptions::default() }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn plain_peer(address: &str) -> UdpSocket {
    let peer = UdpSocket::bind(address).unwrap();
    peer.set_read_timeout(Some(SOON)).unwrap();
    peer
}

fn receive_plain(peer: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = peer.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

/// An address with a closed port. No other test binds to this loopback address, so none gets the
/// port while it is free.
fn closed_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.77:0").unwrap().local_addr().unwrap()
}

/// Repeats `step` until it yields a value.
fn until<T>(mut step: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = step() {
            return value;
        }
        assert!(start.elapsed() < SOON, "waited in vain");
        std::thread::yield_now();
    }
}
