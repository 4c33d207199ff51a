//! A program that is measured: a process of its own, ended when it is dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::cpu::Cpus;

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `pigeon serve echo`, on the server's CPU.
    pub(crate) fn pigeon_echo(cpus: Cpus) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["serve", "echo:127.0.0.1:0"]);
        cpus.on_hub(|| Server::announced(command, "echo on "))
    }

    /// This program as one of `bare.rs`, on the server's CPU.
    pub(crate) fn bare_echo(cpus: Cpus, trains: bool) -> Server {
        let mut command = Command::new(std::env::current_exe().expect("a program has a path"));
        command.args(["bare-echo", if trains { "trains" } else { "singles" }]);
        cpus.on_hub(|| Server::announced(command, "listening on "))
    }

    /// Starts what says on stderr where it listens, behind these words.
    pub(crate) fn announced(mut command: Command, before: &str) -> Server {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program was built with this benchmark");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let address = lines
            .find_map(|line| line.split_once(before)?.1.split_whitespace().next()?.parse().ok());
        // What it says later is read, so that the pipe never fills up.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address: address.expect("it says where it listens") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
