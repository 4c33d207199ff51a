//! Our own program in its roles: hub, member, sender, listener.

use std::net::{SocketAddr, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::Duration;

use crate::ports::lasting;
use crate::process::{Process, SOON, wait_until};

/// A heartbeat interval short enough for tests.
pub(crate) const HEARTBEAT: &str = "500ms";

/// `pigeon ARGS…`
pub(crate) fn pigeon(name: &str, args: &[&str]) -> Process {
    Process::spawn(name, Command::new(env!("CARGO_BIN_EXE_pigeon")).args(args))
}

/// `pigeon join` with the name `nick`, after the hub has answered it.
pub(crate) fn join(hub: SocketAddr, nick: &str) -> Process {
    joined(nick, hub, &["--nick", nick])
}

/// The same without a name: a `raw` hub has no commands, and would relay `/nick` to everyone.
pub(crate) fn join_nameless(hub: SocketAddr) -> Process {
    joined("pigeon join", hub, &[])
}

fn joined(name: &str, hub: SocketAddr, args: &[&str]) -> Process {
    let hub = hub.to_string();
    let member = pigeon(name, &[&["join", &hub, "--heartbeat", HEARTBEAT], args].concat());
    member.expect_status(|line| line.contains(&format!("joined {hub}")), SOON);
    member
}

/// `pigeon send` with its stdin open.
pub(crate) fn send(to: SocketAddr, args: &[&str]) -> Process {
    pigeon("pigeon send", &[&["send", &to.to_string()], args].concat())
}

/// `pigeon hub`, `pigeon listen` and others: a program with an address.
pub(crate) struct Serving {
    process: Process,
    pub(crate) address: SocketAddr,
}

/// `pigeon hub` on a port that [`hub_at`] can take again.
pub(crate) fn hub(args: &[&str]) -> Serving {
    // The second is for members with a key.
    let [port, _] = lasting();
    hub_at(&format!("127.0.0.1:{port}"), args)
}

/// `pigeon hub` on a given port, in place of an earlier one.
pub(crate) fn hub_at(address: &str, args: &[&str]) -> Serving {
    Serving::new(pigeon("hub", &[&["hub", "--listen", address], args].concat()))
}

/// `pigeon listen` on a port that another program of the test can take after it.
pub(crate) fn listen(args: &[&str]) -> Serving {
    let [port] = lasting();
    let at = format!("127.0.0.1:{port}");
    Serving::new(pigeon("pigeon listen", &[&["listen", &at], args].concat()))
}

/// `pigeon relay` to `target`, on a system-chosen port.
pub(crate) fn relay(target: SocketAddr, args: &[&str]) -> Serving {
    let target = target.to_string();
    Serving::new(pigeon("pigeon relay", &[&["relay", "127.0.0.1:0", &target], args].concat()))
}

impl Serving {
    pub(crate) fn new(process: Process) -> Serving {
        let listens =
            |line: &str| ["listening on ", "正在监听 "].iter().any(|words| line.contains(words));
        let line = process.expect_status(listens, SOON);
        Serving { address: address_in(&line), process }
    }

    /// Waits until the hub has exactly this many members. The test joins for its request, and sends
    /// `quit` afterwards; the notices of that cancel out.
    #[track_caller]
    pub(crate) fn expect_members(&self, count: usize) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        wait_until(&format!("the hub has {count} members"), || {
            (members_told(&socket)? == count + 1).then_some(())
        });
        socket.send(b"quit").unwrap();
    }
}

impl Deref for Serving {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Serving {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The first address in a line.
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let found = line.split([' ', ',', ';', '，']).find_map(|word| word.parse().ok());
    found.unwrap_or_else(|| panic!("no address in {line:?}"))
}

/// Sends a padded heartbeat and parses the answer `^hb^ pigeon/1 MEMBERS SECUREPORT`. Skips other
/// lines.
fn members_told(socket: &UdpSocket) -> Option<usize> {
    socket.send(format!("{:64}", "^hb^").as_bytes()).ok()?;
    let mut buffer = [0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some(rest) = text.strip_prefix("^hb^ pigeon/1 ") {
            return rest.split(' ').next()?.parse().ok();
        }
    }
}
