//! A hub as a service: its units, its messages to the service manager, and waiting for its address.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::installed;
use crate::pigeon::{address_in, pigeon};
use crate::process::{Process, SOON, Voice, hears_hangup, wait_until};

/// The targets that the units in `docs` depend on.
const TARGETS: [&str; 5] = ["sysinit", "basic", "shutdown", "sockets", "network-online"];

/// A network service cannot well be below 1.0.
const MAX_EXPOSURE: f64 = 1.5;

/// A folder with the units in place.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, with_realtime: bool) -> Root {
        let name = format!("units-{name}-{}", std::process::id());
        let root = Root(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let [units, bin] = ["etc/systemd/system", "usr/local/bin"].map(|part| root.0.join(part));
        let drop_ins = units.join("pigeon-hub.service.d");
        for folder in [&drop_ins, &bin] {
            std::fs::create_dir_all(folder).unwrap();
        }
        // Not a symbolic link, which would lead out of the root.
        std::fs::hard_link(env!("CARGO_BIN_EXE_pigeon"), bin.join("pigeon")).unwrap();
        for target in TARGETS {
            std::fs::write(units.join(format!("{target}.target")), "[Unit]\n").unwrap();
        }
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for unit in ["pigeon-hub.service", "pigeon-hub.socket"] {
            std::fs::copy(docs.join(unit), units.join(unit)).unwrap();
        }
        if with_realtime {
            let (from, to) = ("pigeon-hub-realtime.conf", "realtime.conf");
            std::fs::copy(docs.join(from), drop_ins.join(to)).unwrap();
        }
        root
    }

    fn analyze(&self, words: &[&str]) -> Output {
        let mut command = Command::new("systemd-analyze");
        command.arg(words[0]).arg("--root").arg(&self.0).args(&words[1..]).output().unwrap()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn systemd_understands_the_units() {
    if !installed("systemd-analyze") {
        return;
    }
    for with_realtime in [false, true] {
        let root = Root::new("verify", with_realtime);
        let output = root.analyze(&["verify", "pigeon-hub.service", "pigeon-hub.socket"]);
        // For an unknown setting it prints a warning and exits with 0.
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    }
}

#[test]
fn the_service_may_do_little_but_use_the_network() {
    if !installed("systemd-analyze") {
        return;
    }
    for with_realtime in [false, true] {
        let root = Root::new("security", with_realtime);
        let output = root.analyze(&["security", "--offline=true", "pigeon-hub.service"]);
        let said = String::from_utf8_lossy(&output.stdout);
        let exposure = said.lines().rev().find_map(|line| {
            line.split_once("exposure level for pigeon-hub.service: ")?.1.split(' ').next()
        });
        let exposure: f64 = exposure.unwrap_or_else(|| panic!("{output:?}")).parse().unwrap();
        assert!(exposure <= MAX_EXPOSURE, "{exposure}\n{said}");
    }
}

/// A service manager for sd_notify(3).
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Manager {
        let path = std::env::temp_dir().join(format!("pigeon-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Manager { socket, path }
    }

    /// The next message with this line, complete.
    #[track_caller]
    fn expect(&self, line: &str) -> String {
        loop {
            let mut buffer = [0; 4_096];
            let received = crate::process::uninterrupted(|| self.socket.recv(&mut buffer));
            let length = received.unwrap_or_else(|_| panic!("{line} does not come"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|one| one == line) {
                return text;
            }
        }
    }

    fn hub(&self, watchdog: Duration, args: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.arg("hub").args(args).env("NOTIFY_SOCKET", &self.path).env("LC_ALL", "C");
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        Process::spawn("hub", &mut command)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn the_service_manager_hears_of_start_life_reload_and_end() {
    let manager = Manager::new("notify");
    let config = std::env::temp_dir().join(format!("pigeon-notify-{}.toml", std::process::id()));
    std::fs::write(&config, "log-level = \"info\"\n").unwrap();
    let args = ["127.0.0.1:0", "--config", config.to_str().unwrap()];
    let mut hub = manager.hub(Duration::from_millis(400), &args);
    manager.expect("READY=1");
    // The loop runs: twice within the time-out, without input.
    let began = std::time::Instant::now();
    for _ in 0..4 {
        manager.expect("WATCHDOG=1");
    }
    let took = began.elapsed();
    assert!((600..2_000).contains(&took.as_millis()), "{took:?}");

    // SIGHUP reloads the settings without a stop.
    std::fs::write(&config, "log-level = \"warn\"\ntimeout = \"9s\"\n").unwrap();
    hub.signal("HUP");
    assert!(manager.expect("RELOADING=1").contains("MONOTONIC_USEC="));
    manager.expect("READY=1");
    // A mistake changes nothing.
    std::fs::write(&config, "log_level = \"info\"\n").unwrap();
    hub.signal("HUP");
    manager.expect("RELOADING=1");
    manager.expect("READY=1");
    hub.expect_status(
        |line| line.contains("settings not read again") && line.contains("did you mean log-level?"),
        SOON,
    );
    std::fs::write(&config, "log-level = \"info\"\n").unwrap();
    hub.signal("HUP");
    hub.expect_status(|line| line.contains("settings read again"), SOON);
    hub.signal("TERM");
    manager.expect("STOPPING=1");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    // The first reload raised the log level, so its own message is suppressed.
    let lines = hub.lines(Voice::Err);
    let reloads = lines.iter().filter(|line| line.contains("settings read again")).count();
    assert_eq!(reloads, 1, "{lines:?}");
    std::fs::remove_file(&config).unwrap();
}

/// At a terminal SIGHUP means that it was closed, and nobody else could stop the hub.
#[test]
fn a_hub_whose_terminal_is_closed_ends() {
    if !hears_hangup() {
        return;
    }
    let (mut terminal, pts) = pty_process::blocking::open().unwrap();
    let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_pigeon"));
    let command = command.args(["hub", "127.0.0.1:0", "--language", "en"]);
    let mut hub = command.env("TERM", "xterm-256color").spawn(pts).unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 4_096];
    while !String::from_utf8_lossy(&said).contains("no password is asked") {
        let read = terminal.read(&mut buffer).unwrap();
        said.extend_from_slice(&buffer[..read]);
    }
    // With its terminal open it reloads its settings, like a service.
    let id = hub.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    while !String::from_utf8_lossy(&said).contains("settings read again") {
        let read = terminal.read(&mut buffer).unwrap();
        said.extend_from_slice(&buffer[..read]);
    }
    drop(terminal);
    let status = wait_until("it ends", || hub.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_address_that_is_not_there_yet_is_waited_for() {
    let Some(host) = Namespace::new() else { return };
    let args = ["hub", "10.9.9.9:9999", "--language", "en"];
    let hub = host.pigeon("hub", &args);
    hub.expect_status(|line| line.contains("waiting for the address of 10.9.9.9:9999"), SOON);
    assert!(host.ip(&["address", "add", "10.9.9.9/24", "dev", "lo"]));
    let line = hub.expect_status(|line| line.contains("listening on "), SOON);
    assert_eq!(address_in(&line).to_string(), "10.9.9.9:9999");
    hub.expect_status(|line| line.contains("pigeon join 10.9.9.9, or nc -u 10.9.9.9 9999"), SOON);
}

#[test]
fn a_hub_that_waits_for_its_address_asks_for_time_and_can_be_stopped() {
    let manager = Manager::new("wait");
    let mut hub = manager.hub(Duration::from_secs(30), &["203.0.113.9:0"]);
    let told = manager.expect("STATUS=waiting for the address of 203.0.113.9:0");
    assert!(told.contains("EXTEND_TIMEOUT_USEC=30000000"), "{told}");
    let began = std::time::Instant::now();
    hub.signal("TERM");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_address_that_may_not_be_waited_for_ends_the_hub() {
    let args = ["hub", "203.0.113.9:0", "--wait-for-address", "off"];
    let mut hub = pigeon("hub", &args);
    assert_eq!(hub.expect_end(SOON).code(), Some(1));
    assert!(hub.lines(Voice::Err)[0].contains("203.0.113.9 is not an address of this host"));
}
