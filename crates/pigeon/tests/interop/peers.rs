//! Other programs: two netcats, socat, and Python scripts.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::pigeon::address_in;
use crate::process::{Process, SOON, wait_until};

/// Tools that convert stdin to datagrams and datagrams to stdout.
pub(crate) const TOOLS: [&str; 3] = ["nc", "ncat", "socat"];

/// Whether a program is installed; prints a note if not.
#[track_caller]
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian installs servers where only root's PATH points.
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    if folders.any(|folder| folder.join(program).is_file()) {
        return true;
    }
    skipped(program);
    false
}

/// Notes that a program is not installed.
#[track_caller]
pub(crate) fn skipped(program: &str) {
    assert!(
        std::env::var_os("PIGEON_REQUIRE_PEERS").is_none(),
        "{program} is not installed, and PIGEON_REQUIRE_PEERS is set"
    );
    // Not `eprintln!`: the test harness hides its output when a test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {program} is not installed");
}

pub(crate) fn tools() -> Vec<&'static str> {
    TOOLS.into_iter().filter(|tool| installed(tool)).collect()
}

/// A tool as a client of `to`, with its stdin open.
pub(crate) fn client(tool: &str, to: SocketAddr) -> Process {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let mut command = Command::new(tool);
    match tool {
        "socat" => command.args(["STDIO", &format!("UDP4:{to}")]),
        _ => command.args(["-u", &host, &port]),
    };
    Process::spawn(tool, &mut command)
}

/// A tool as a listener, and its address.
///
/// `nc` and `ncat` accept only their first sender. Without `-b` socat cuts datagrams at 8,192
/// bytes.
pub(crate) fn listener(tool: &str) -> (Process, SocketAddr) {
    let mut command = Command::new(tool);
    match tool {
        "socat" => command.args(["-b", "65536", "UDP4-LISTEN:0,bind=127.0.0.1", "STDIO"]),
        _ => command.args(["-u", "-l", "127.0.0.1", "0"]),
    };
    let listener = Process::spawn(tool, &mut command);
    let port = wait_until(&format!("{tool} listens"), || udp_port(listener.id()));
    (listener, SocketAddr::from(([127, 0, 0, 1], port)))
}

pub(crate) fn python(program: &str, args: &[&str]) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
    Process::spawn(program, Command::new("python3").arg(path).args(args))
}

/// Like `python`, as a client of `to`.
pub(crate) fn python_to(program: &str, to: SocketAddr, args: &[&str]) -> Process {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    python(program, &[&[host.as_str(), &port], args].concat())
}

/// The address that a Python program prints.
pub(crate) fn address_of(program: &Process) -> SocketAddr {
    address_in(&program.expect_line(|line| line.starts_with("listening on "), SOON))
}

/// The input and output of `hex_peer.py` for these bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The UDP port that a process has bound. The tools are given port 0, and not all print the result.
pub(crate) fn udp_port(pid: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').into())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/udp").ok()?;
    let row = table.lines().find(|row| {
        row.split_whitespace().nth(9).is_some_and(|inode| sockets.iter().any(|s| s == inode))
    })?;
    let (_, port) = row.split_whitespace().nth(1)?.split_once(':')?;
    u16::from_str_radix(port, 16).ok().filter(|&port| port != 0)
}
