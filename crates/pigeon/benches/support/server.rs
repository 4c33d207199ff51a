//! Programs that serve at an address.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{Process, ourselves, pigeon};

/// A running server; it ends with this value.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts what says where it listens, behind these words.
    pub(crate) fn announced(cpus: &[usize], command: Command, words: &str) -> Server {
        let process = Process::start(cpus, command);
        let said = process.wait_for(words);
        let word = said.split_whitespace().next().unwrap_or_default().trim_end_matches(',');
        let address = word.parse().unwrap_or_else(|_| panic!("no address: {said}"));
        Server { process, address }
    }

    /// Starts what was told where to accept connections.
    pub(crate) fn accepting(cpus: &[usize], command: Command, port: u16) -> Server {
        let process = Process::start(cpus, command);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server { process, address }
    }

    /// The real hub.
    pub(crate) fn hub(cpus: &[usize], flags: &str) -> Server {
        let command = pigeon(&format!("hub --listen 127.0.0.1:0 --console off {flags}"));
        Server::announced(cpus, command, "listening on ")
    }

    /// `pigeon serve echo`.
    pub(crate) fn echo(cpus: &[usize]) -> Server {
        Server::announced(cpus, pigeon("serve echo:127.0.0.1:0"), "echo on ")
    }

    /// This program as one of its floors.
    pub(crate) fn floor(cpus: &[usize], args: &str) -> Server {
        Server::announced(cpus, ourselves(args), "listening on ")
    }
}
