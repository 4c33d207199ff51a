//! Starts programs that serve at an address.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Process, ourselves, pigeon};

/// How a hub is started, before its flags.
const HUB: &str = "hub --listen 127.0.0.1:0 --console off";

/// A running server. Dropping it kills the program.
pub struct Server {
    /// The program.
    pub process: Process,
    /// The server's address.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server that prints its address behind these words.
    pub fn announced(cpus: &[usize], command: Command, words: &str) -> Server {
        let process = Process::start(cpus, command);
        let said = process.wait_for(words);
        let word = said.split_whitespace().next().unwrap_or_default().trim_end_matches(',');
        let address = word.parse().unwrap_or_else(|_| panic!("no address: {said}"));
        Server { process, address }
    }

    /// Starts a server that accepts TCP connections on this port, and waits until it does.
    pub fn accepting(cpus: &[usize], command: Command, port: u16) -> Server {
        let process = Process::start(cpus, command);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server { process, address }
    }

    /// Starts `pigeon hub` with these flags.
    pub fn hub(cpus: &[usize], flags: &str) -> Server {
        let command = pigeon(&format!("{HUB} {flags}"));
        Server::announced(cpus, command, "listening on ")
    }

    /// Starts the hub of another build of pigeon, with these flags.
    pub fn hub_of(program: &OsStr, cpus: &[usize], flags: &str) -> Server {
        let mut command = Command::new(program);
        command.args(format!("{HUB} {flags}").split_whitespace());
        Server::announced(cpus, command, "listening on ")
    }

    /// Starts `pigeon serve echo`, without its rate for one source.
    pub fn echo(cpus: &[usize]) -> Server {
        Server::announced(cpus, pigeon("serve echo:127.0.0.1:0 --per-source unlimited"), "echo on ")
    }

    /// Starts this program as one of its floors.
    pub fn floor(cpus: &[usize], args: &str) -> Server {
        Server::announced(cpus, ourselves(args), "listening on ")
    }
}
