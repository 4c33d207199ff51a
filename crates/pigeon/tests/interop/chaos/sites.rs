//! Sites of a cluster, each a network namespace with a hub and a broker: nats-server with its
//! storage in the test's folder. A switch connects them, and the members are there.
//!
//! Without permission for namespaces everything is on loopback, and no link can be cut.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use pigeon_quic::Fingerprint;

use crate::namespace::{Namespace, skipped};
use crate::peers;
use crate::ports::lasting;
use crate::process::{Process, Voice, wait_within};

/// How long a program may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where libfaketime is on Debian.
const CLOCKS: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The switch's own address, which members have.
const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 254);

/// Hubs, brokers, and the network between.
pub(super) struct Sites {
    pub(super) folder: PathBuf,
    pub(super) hubs: Vec<Hub>,
    pub(super) brokers: Vec<Broker>,
    places: Vec<Place>,
    switch: Option<Namespace>,
    ports: Ports,
    has_clocks: bool,
}

/// A site's host.
struct Place {
    namespace: Option<Namespace>,
    ip: Ipv4Addr,
}

/// The same at every site.
#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    secure: u16,
    client: u16,
    route: u16,
}

/// A hub, running or not.
pub(super) struct Hub {
    pub(super) plain: SocketAddr,
    pub(super) secure: SocketAddr,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) data: PathBuf,
    /// How far its clock is ahead, in seconds.
    pub(super) clock: i64,
    process: Option<Process>,
    log: PathBuf,
}

/// A broker, running or not.
pub(super) struct Broker {
    process: Option<Process>,
    address: SocketAddr,
    config: PathBuf,
    storage: PathBuf,
}

/// What is cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// A site from all others and from the members.
    Site(usize),
    /// Two sites from each other.
    Pair(usize, usize),
    /// A hub from every broker.
    Brokers(usize),
    /// A hub from the members.
    Members(usize),
}

/// Runs a test with this many brokers and hubs, if nats-server is installed. The test's thread, and
/// those it starts, are in the switch's namespace.
pub(super) fn with(
    test: &str,
    brokers: usize,
    hubs: usize,
    run: impl FnOnce(&mut Sites) + Send + 'static,
) {
    if !peers::installed("nats-server") {
        return;
    }
    let test = test.to_string();
    // A thread of its own: libtest may run the next test in this one.
    let body = std::thread::spawn(move || {
        let mut sites = Sites::new(&test, brokers.max(hubs));
        if let Some(switch) = &sites.switch {
            let path = Path::new("/var/run/netns").join(&switch.name);
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        }
        sites.start(brokers, hubs);
        run(&mut sites);
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Sites {
    fn new(test: &str, count: usize) -> Sites {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let has_clocks = Path::new(CLOCKS).exists();
        if !has_clocks {
            peers::skipped("libfaketime");
        }
        let (switch, places) = match network(count) {
            Some((switch, places)) => (Some(switch), places),
            None => {
                skipped("no link of the cluster can be cut here");
                let place =
                    |n| Place { namespace: None, ip: Ipv4Addr::new(127, 0, 78, n as u8 + 1) };
                (None, (0..count).map(place).collect())
            }
        };
        let [plain, secure, client, route] = lasting();
        let ports = Ports { plain, secure, client, route };
        let (hubs, brokers) = (Vec::new(), Vec::new());
        Sites { folder, hubs, brokers, places, switch, ports, has_clocks }
    }

    fn start(&mut self, brokers: usize, hubs: usize) {
        for n in 0..brokers {
            let broker = self.broker(n, brokers);
            self.brokers.push(broker);
            self.start_broker(n);
        }
        for n in 0..brokers {
            self.await_broker(n);
        }
        for n in 0..hubs {
            let ip = self.places[n].ip;
            self.hubs.push(Hub {
                plain: (ip, self.ports.plain).into(),
                secure: (ip, self.ports.secure).into(),
                fingerprint: None,
                data: self.folder.join(format!("hub{n}")),
                clock: 0,
                process: None,
                log: self.folder.join(format!("hub{n}.log")),
            });
            self.start_hub(n);
        }
        for n in 0..hubs {
            let process = self.hubs[n].process.as_ref().unwrap();
            let line = process.expect_status(|line| line.contains("fingerprint "), PATIENCE);
            let (_, word) = line.split_once("fingerprint ").unwrap();
            self.hubs[n].fingerprint = Some(word.trim().parse().unwrap());
        }
    }

    fn broker(&self, n: usize, count: usize) -> Broker {
        let ip = self.places[n].ip;
        let storage = self.folder.join(format!("broker{n}"));
        let config = self.folder.join(format!("broker{n}.conf"));
        let Ports { client, route, .. } = self.ports;
        let mut text = format!(
            "server_name: b{n}\nlisten: \"{ip}:{client}\"\nlog_file: \"{log}\"\n\
             jetstream {{ store_dir: \"{store}\", max_mem: 64M, max_file: 2G }}\n",
            log = self.folder.join(format!("broker{n}.log")).display(),
            store = storage.display(),
        );
        if count > 1 {
            let others = (0..count).filter(|other| *other != n);
            let routes: Vec<String> =
                others.map(|other| format!("nats://{}:{route}", self.places[other].ip)).collect();
            text.push_str(&format!(
                "cluster {{ name: chaos, listen: \"{ip}:{route}\", routes: [{}] }}\n",
                routes.join(", ")
            ));
        }
        fs::write(&config, text).unwrap();
        Broker { process: None, address: (ip, client).into(), config, storage }
    }

    /// A program at a site.
    fn spawn(&self, site: usize, name: &str, program: &[&str]) -> Process {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("PATH={path}:/usr/sbin");
        let mut words = vec!["env", &path];
        words.extend_from_slice(program);
        match &self.places[site].namespace {
            Some(namespace) => namespace.run(name, words[0], &words[1..]),
            None => {
                let mut command = std::process::Command::new(words[0]);
                Process::spawn(name, command.args(&words[1..]))
            }
        }
    }

    pub(super) fn start_broker(&mut self, n: usize) {
        let config = self.brokers[n].config.display().to_string();
        let process = self.spawn(n, &format!("broker{n}"), &["nats-server", "-c", &config]);
        self.brokers[n].process = Some(process);
    }

    fn await_broker(&self, n: usize) {
        let address = self.brokers[n].address;
        wait_within("the broker accepts", PATIENCE, || {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
        });
    }

    pub(super) fn start_hub(&mut self, n: usize) {
        let servers: Vec<String> = (0..self.brokers.len())
            // The nearest one first.
            .map(|k| self.brokers[(n + k) % self.brokers.len()].address)
            .map(|broker| format!("nats://{broker}"))
            .collect();
        let (servers, hub) = (servers.join(","), &self.hubs[n]);
        let clock = format!("FAKETIME={:+}s", hub.clock);
        let preload = format!("LD_PRELOAD={CLOCKS}");
        // Timers run on the monotonic clock, which nobody sets.
        let steady = "FAKETIME_DONT_FAKE_MONOTONIC=1";
        let (plain, secure) = (hub.plain.to_string(), hub.secure.port().to_string());
        let (data, name) = (hub.data.display().to_string(), format!("hub{n}"));
        let mut words = Vec::new();
        if self.has_clocks {
            words.extend([&*preload, &clock, steady, "FAKETIME_DISABLE_SHM=1"]);
        }
        words.extend([env!("CARGO_BIN_EXE_pigeon"), "hub", &plain, "--secure", &secure]);
        words.extend(["--data", &data, "--console", "off", "--discoverable", "off"]);
        words.extend(["--name", &name, "--language", "en"]);
        words.extend(["--cluster", &servers, "--cluster-name", "chaos"]);
        let process = self.spawn(n, &name, &words);
        self.hubs[n].process = Some(process);
    }

    /// Kills a hub with SIGKILL.
    pub(super) fn kill_hub(&mut self, n: usize) {
        let hub = &mut self.hubs[n];
        let Some(process) = hub.process.take() else { return };
        let mut log = fs::OpenOptions::new().create(true).append(true).open(&hub.log).unwrap();
        for line in process.lines(Voice::Err) {
            writeln!(log, "{line}").unwrap();
        }
        writeln!(log, "-- killed").unwrap();
    }

    /// SIGSTOP or SIGCONT.
    pub(super) fn signal_hub(&self, n: usize, signal: &str) {
        self.hubs[n].process.as_ref().unwrap().signal(signal);
    }

    pub(super) fn kill_broker(&mut self, n: usize) {
        self.brokers[n].process = None;
    }

    /// Whether a broker said last that it cannot catch up with the others.
    pub(super) fn is_stalled(&self, n: usize) -> bool {
        let log =
            fs::read_to_string(self.folder.join(format!("broker{n}.log"))).unwrap_or_default();
        log.lines().rev().take(2).all(|line| line.contains("Catchup for stream")) && !log.is_empty()
    }

    pub(super) fn signal_broker(&self, n: usize, signal: &str) {
        self.brokers[n].process.as_ref().unwrap().signal(signal);
    }

    /// Deletes the storage of a broker that does not run.
    pub(super) fn empty_broker(&self, n: usize) {
        let _ = fs::remove_dir_all(&self.brokers[n].storage);
    }

    /// Copies the storage of a broker that does not run.
    pub(super) fn copy_broker(&self, n: usize) {
        let storage = &self.brokers[n].storage;
        copy_folder(storage, &storage.with_extension("copy"));
    }

    /// Puts the copy in place of the storage of a broker that does not run. Without a copy the
    /// storage stays.
    pub(super) fn put_copy_of_broker(&self, n: usize) {
        let storage = &self.brokers[n].storage;
        let copy = storage.with_extension("copy");
        if copy.exists() {
            copy_folder(&copy, storage);
        }
    }

    /// Backs a running hub's log up.
    pub(super) fn back_up(&self, n: usize) {
        let backup = self.hubs[n].data.with_extension("backup");
        let _ = fs::remove_file(&backup);
        let (data, backup) =
            (self.hubs[n].data.display().to_string(), backup.display().to_string());
        let words = ["history", "--data", &data, "--backup", &backup];
        let mut done = self.spawn(
            n,
            "pigeon history",
            &[&[env!("CARGO_BIN_EXE_pigeon")][..], &words].concat(),
        );
        assert!(done.expect_end(PATIENCE).success());
    }

    /// Puts the backup in place of the log of a hub that does not run, as docs/operating.md says.
    pub(super) fn restore(&self, n: usize) {
        let data = &self.hubs[n].data;
        let damaged = data.with_extension("damaged");
        let _ = fs::remove_dir_all(&damaged);
        fs::rename(data, &damaged).unwrap();
        fs::create_dir(data).unwrap();
        fs::copy(data.with_extension("backup"), data.join("log.sqlite")).unwrap();
        fs::copy(damaged.join("certificate.pem"), data.join("certificate.pem")).unwrap();
    }

    /// The lines of a hub's exported log.
    pub(super) fn export(&self, n: usize) -> Vec<String> {
        let data = self.hubs[n].data.display().to_string();
        let words = [env!("CARGO_BIN_EXE_pigeon"), "history", "--data", &data, "--export", "-"];
        let mut done = self.spawn(n, "pigeon history", &words);
        assert!(done.expect_end(PATIENCE).success());
        done.lines(Voice::Out)
    }

    /// What a running hub has said, for messages of a failing test.
    pub(super) fn said(&self, n: usize) -> Vec<String> {
        self.hubs[n].process.as_ref().map(|it| it.lines(Voice::Err)).unwrap_or_default()
    }

    /// Whether links can be cut.
    pub(super) fn has_links(&self) -> bool {
        self.switch.is_some()
    }

    pub(super) fn has_clocks(&self) -> bool {
        self.has_clocks
    }

    pub(super) fn cut(&self, cut: Cut) {
        let drop = |site: usize, rule: &str| {
            let Some(namespace) = &self.places[site].namespace else { return };
            assert!(namespace.nft(&format!("add rule inet cut {rule} drop")));
        };
        match cut {
            Cut::Site(n) => {
                drop(n, "out oifname != \"lo\"");
                drop(n, "in iifname != \"lo\"");
            }
            Cut::Pair(one, two) => {
                let two = self.places[two].ip;
                drop(one, &format!("out ip daddr {two}"));
                drop(one, &format!("in ip saddr {two}"));
            }
            Cut::Brokers(n) => drop(n, &format!("out tcp dport {}", self.ports.client)),
            Cut::Members(n) => {
                drop(n, &format!("out ip daddr {SWITCH}"));
                drop(n, &format!("in ip saddr {SWITCH}"));
            }
        }
    }

    pub(super) fn heal_links(&self) {
        for namespace in self.places.iter().filter_map(|place| place.namespace.as_ref()) {
            assert!(namespace.nft("flush table inet cut"));
        }
    }
}

/// Copies a folder in place of another.
fn copy_folder(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let done = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// A switch, and the hosts at its ports; `None` without permission.
fn network(count: usize) -> Option<(Namespace, Vec<Place>)> {
    let switch = Namespace::if_possible()?;
    let bridge = ["link", "add", "bridge0", "type", "bridge"];
    let own = format!("{SWITCH}/24");
    let is_made = switch.ip(&bridge)
        && switch.ip(&["link", "set", "bridge0", "up"])
        && switch.ip(&["address", "add", &own, "dev", "bridge0"]);
    if !is_made || !peers::installed("nft") {
        return None;
    }
    let place = |n: usize| {
        let host = Namespace::if_possible()?;
        let (ip, port) = (Ipv4Addr::new(10, 78, 0, n as u8 + 1), format!("port{n}"));
        let cable = ["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns"];
        let is_made = switch.ip(&[&cable[..], &[host.name.as_str()]].concat())
            && switch.ip(&["link", "set", &port, "master", "bridge0", "up"])
            && host.ip(&["address", "add", &format!("{ip}/24"), "dev", "eth0"])
            && host.ip(&["link", "set", "eth0", "up"])
            && host.nft(
                "add table inet cut
                 add chain inet cut in { type filter hook input priority 0; }
                 add chain inet cut out { type filter hook output priority 0; }",
            );
        is_made.then_some(Place { namespace: Some(host), ip })
    };
    let places = (0..count).map(place).collect::<Option<_>>()?;
    Some((switch, places))
}
