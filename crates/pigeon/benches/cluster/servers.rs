//! Three brokers, and hubs over them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pigeon_perf::cpu::Cpus;
use pigeon_perf::process::{find, free_port, pigeon};
use pigeon_perf::report::folder;
use pigeon_perf::server::Server;

use crate::SITES;
use crate::jetstream::Publisher;

/// The flags of every hub, without its ports, folder and brokers.
const FLAGS: &str = "hub --listen 127.0.0.1:0 --console off --format chat --notices-up-to 0 \
    --timeout 1h --rate unlimited --rate-bytes unlimited --max-members 20000 --discoverable off";

/// How long brokers may take to elect a leader.
const PATIENCE: Duration = Duration::from_secs(30);

/// A new folder.
fn empty(name: &str) -> PathBuf {
    let path = folder().join(format!("cluster-{name}"));
    // Removes a folder from an earlier run.
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// Brokers of one NATS cluster with JetStream, on the servers' CPU.
pub(crate) fn brokers(cpus: Cpus) -> Vec<Server> {
    let program = find("nats-server").expect("it is installed");
    let ports: Vec<(u16, u16)> = (0..SITES).map(|_| (free_port(), free_port())).collect();
    let start = |n: usize| {
        let (client, route) = ports[n];
        let routes: Vec<String> =
            ports.iter().map(|(_, route)| format!("nats://127.0.0.1:{route}")).collect();
        let config = folder().join(format!("cluster-broker{n}.conf"));
        let text = format!(
            "server_name: b{n}\nlisten: \"127.0.0.1:{client}\"\n\
             jetstream {{ store_dir: \"{}\", max_mem: 64M, max_file: 4G }}\n\
             cluster {{ name: bench, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
            empty(&format!("broker{n}")).display(),
            routes.join(", ")
        );
        std::fs::write(&config, text).expect("the folder is ours");
        let mut command = Command::new(&program);
        command.arg("-c").arg(config);
        Server::accepting(&[cpus.hub], command, client)
    };
    let brokers: Vec<Server> = (0..SITES).map(start).collect();
    let begin = Instant::now();
    while !Publisher::connect(brokers[0].address).has_replicas(SITES) {
        assert!(begin.elapsed() < PATIENCE, "the brokers have no leader");
        std::thread::sleep(Duration::from_millis(200));
    }
    brokers
}

/// A hub of a cluster.
pub(crate) struct Hub {
    pub(crate) server: Server,
    /// The port for members with a key.
    pub(crate) secure: SocketAddr,
}

/// A hub without a cluster.
pub(crate) fn alone(cpus: Cpus, name: &str) -> Server {
    let flags =
        format!("{FLAGS} --secure off --data {}", empty(&format!("{name}-alone")).display());
    Server::announced(&[cpus.hub], pigeon(&flags), "listening on ")
}

/// This many hubs over these brokers.
pub(crate) fn hubs(cpus: Cpus, brokers: &[Server], name: &str, count: usize) -> Vec<Hub> {
    let start = |n: usize| {
        let servers: Vec<String> = (0..brokers.len())
            // The nearest one first.
            .map(|k| format!("nats://{}", brokers[(n + k) % brokers.len()].address))
            .collect();
        let (port, data) = (free_port(), empty(&format!("{name}-hub{n}")));
        let flags = format!(
            "{FLAGS} --secure {port} --data {} --cluster {} --cluster-name {name}",
            data.display(),
            servers.join(",")
        );
        let server = Server::announced(&[cpus.hub], pigeon(&flags), "listening on ");
        Hub { server, secure: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    };
    (0..count).map(start).collect()
}
