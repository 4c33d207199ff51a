//! A hub that is stopped by a signal for a while, like a suspended laptop or a paused virtual
//! machine. Its members do not notice, and continue.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use crate::pigeon::hub;
use crate::process::wait_until;

const MEMBERS: usize = 20;

/// A pause longer than the hub's time-out.
const PAUSE: Duration = Duration::from_secs(5);

/// A member in as few lines as in any other language.
struct Member {
    socket: UdpSocket,
    heard: Vec<String>,
}

impl Member {
    fn send(&self, text: &str) {
        self.socket.send(text.as_bytes()).unwrap();
    }

    /// Collects arrived datagrams.
    fn listen(&mut self) {
        let mut buffer = [0; 65_535];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    }

    fn has_heard(&self, name: &str, text: &str) -> bool {
        self.heard.iter().any(|line| line.contains(name) && line.contains(text))
    }
}

/// When the hub continues, the heartbeats of the pause are waiting in its socket, and its timers
/// are overdue.
#[test]
fn a_hub_that_was_stopped_loses_no_member_and_no_name() {
    let hub = hub(&["--timeout", "3s", "--notices-up-to", "100"]);
    let name = |n: usize| format!("member{n:02}");
    let mut members: Vec<Member> = (0..MEMBERS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(hub.address).unwrap();
            socket.set_nonblocking(true).unwrap();
            Member { socket, heard: Vec::new() }
        })
        .collect();
    for (n, member) in members.iter().enumerate() {
        member.send(&format!("/nick {}", name(n)));
    }
    hub.expect_members(MEMBERS);

    hub.signal("STOP");
    let since = Instant::now();
    while since.elapsed() < PAUSE {
        members.iter().for_each(|member| member.send("^hb^"));
        thread::sleep(Duration::from_secs(1));
    }
    hub.signal("CONT");

    hub.expect_members(MEMBERS);
    for (n, member) in members.iter().enumerate() {
        member.send(&format!("{n} is back"));
    }
    // Each member's name reaches all others.
    wait_until("all members hear each other", || {
        members.iter_mut().for_each(Member::listen);
        let all = members.iter().enumerate().all(|(listener, member)| {
            let others = (0..MEMBERS).filter(|&n| n != listener);
            others.into_iter().all(|n| member.has_heard(&name(n), &format!("{n} is back")))
        });
        all.then_some(())
    });
    for member in &members {
        assert!(!member.heard.iter().any(|line| line.contains("timed out")), "{:?}", member.heard);
    }
}
