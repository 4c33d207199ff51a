//! What cannot work is said at once, in one line, with what one needs to know.

use std::net::UdpSocket;
use std::time::Duration;

use crate::peers::{address_of, installed, python};
use crate::pigeon::{pigeon, send};
use crate::process::{SOON, Voice};

#[test]
fn a_port_in_use_is_named_with_its_holder() {
    if !installed("python3") {
        return;
    }
    let holder = python("hex_peer.py", &[]);
    let address = address_of(&holder).to_string();
    let mut hub = pigeon("hub", &["hub", "--listen", &address]);
    assert_eq!(hub.expect_end(SOON).code(), Some(1));
    let said = hub.lines(Voice::Err);
    let [line] = &said[..] else { panic!("not one line, but {}", said.len()) };
    for part in [&address, "python", &holder.id().to_string()] {
        assert!(line.contains(part), "{part:?} is missing in {line:?}");
    }
}

#[test]
fn join_is_refused_at_once_where_nobody_listens() {
    let dead = DeadPort::new();
    let mut ada = pigeon("ada", &["join", &dead.address(), "--nick", "ada"]);
    assert_eq!(ada.expect_end(Duration::from_secs(2)).code(), Some(1));
    assert!(ada.lines(Voice::Err).iter().any(|line| line.contains("refused")));
    assert_eq!(ada.output(), "");
}

#[test]
fn send_that_waits_is_refused_at_once_where_nobody_listens() {
    let dead = DeadPort::new();
    let mut sender = send(dead.0.local_addr().unwrap(), &["hello", "--wait", "30s"]);
    assert_eq!(sender.expect_end(SOON).code(), Some(1));
    assert!(sender.lines(Voice::Err).iter().any(|line| line.contains("refused")));
}

/// A port on which nobody listens, and nobody will: it is bound, but connected to somewhere else, so
/// the kernel refuses everyone's datagrams and gives the port to no other test.
struct DeadPort(UdpSocket);

impl DeadPort {
    fn new() -> DeadPort {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        DeadPort(socket)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}
