//! A hub or broker in a process of its own, on the hub's CPU, ended when it is dropped.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cpu::Cpus;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// The real `pigeon hub`.
    pub(crate) fn pigeon(cpus: Cpus) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["hub", "--listen", "127.0.0.1:0", "--console", "off", "--format", "chat"]);
        // Members here send no heartbeats while another hub has its turn.
        command.args(["--notices-up-to", "0", "--timeout", "1h"]);
        Server::announced(cpus, command).expect("pigeon was built with this benchmark")
    }

    /// This program as `bare_hub.rs`.
    pub(crate) fn bare(cpus: Cpus, trains: bool) -> Server {
        let mut command = Command::new(std::env::current_exe().expect("a program has a path"));
        command.args(["bare-hub", if trains { "trains" } else { "singles" }]);
        Server::announced(cpus, command).expect("this program runs")
    }

    /// `tutorial_hub.py`.
    pub(crate) fn python(cpus: Cpus) -> Option<Server> {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/fanout/tutorial_hub.py"));
        Server::announced(cpus, command)
    }

    /// nats-server with its defaults.
    pub(crate) fn nats(cpus: Cpus) -> Option<Server> {
        let port = free_port();
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        Server::accepting(cpus, command, port)
    }

    /// Mosquitto with its defaults; only that it lets anybody in.
    pub(crate) fn mosquitto(cpus: Cpus, folder: &Path) -> Option<Server> {
        let port = free_port();
        let config = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        std::fs::write(&config, text).expect("the folder is ours");
        // Debian puts it where only root looks.
        ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.arg("-c").arg(&config);
            Server::accepting(cpus, command, port)
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts what says on stderr where it listens. `None` if there is no such program.
    fn announced(cpus: Cpus, mut command: Command) -> Option<Server> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = cpus.on_hub(|| command.spawn()).ok()?;
        let mut lines = BufReader::new(child.stderr.take()?).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            line.split_once("listening on ")?.1.split_whitespace().next()?.parse().ok()
        });
        // Its log is read on, so that the pipe never fills up.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Server { child, address: address.expect("a hub says where it listens") })
    }

    /// Starts what was told where to listen. `None` if there is no such program.
    fn accepting(cpus: Cpus, mut command: Command, port: u16) -> Option<Server> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = cpus.on_hub(|| command.spawn()).ok()?;
        let server = Server { child, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port nobody has at this moment, for programs that cannot say which one the system gave them.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
