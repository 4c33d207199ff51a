//! The hubs and brokers, each in its own process on the hub's CPU.

use pigeon_perf::cpu::Cpus;
use pigeon_perf::process::{find, free_port, python};
use pigeon_perf::report::folder;
use pigeon_perf::server::Server;

pub(crate) const FLAGS: &str =
    "--format chat --notices-up-to 0 --timeout 1h --rate unlimited --rate-bytes unlimited";

/// The real hub, with a long time-out: members send no heartbeats during another hub's turn.
pub(crate) fn pigeon(cpus: Cpus) -> Server {
    Server::hub(&[cpus.hub], FLAGS)
}

/// The hub of another build, at `PIGEON_BEFORE`.
pub(crate) fn before(cpus: Cpus) -> Option<Server> {
    let program = std::env::var_os("PIGEON_BEFORE")?;
    Some(Server::hub_of(&program, &[cpus.hub], FLAGS))
}

pub(crate) fn bare(cpus: Cpus, trains: bool) -> Server {
    let how = if trains { "trains" } else { "singles" };
    Server::floor(&[cpus.hub], &format!("bare-hub {how}"))
}

pub(crate) fn tutorial(cpus: Cpus) -> Option<Server> {
    find("python3")?;
    Some(Server::announced(&[cpus.hub], python("fanout/tutorial_hub.py"), "listening on "))
}

/// nats-server with its defaults.
pub(crate) fn nats(cpus: Cpus) -> Option<Server> {
    let port = free_port();
    let mut command = std::process::Command::new(find("nats-server")?);
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
    Some(Server::accepting(&[cpus.hub], command, port))
}

/// Mosquitto with its defaults, but open to anyone.
pub(crate) fn mosquitto(cpus: Cpus) -> Option<Server> {
    let program = find("mosquitto")?;
    let port = free_port();
    let config = folder().join("mosquitto.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
    std::fs::write(&config, text).expect("the folder is ours");
    let mut command = std::process::Command::new(program);
    command.arg("-c").arg(&config);
    Some(Server::accepting(&[cpus.hub], command, port))
}
