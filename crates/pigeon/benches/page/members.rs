//! WebSockets that only count what comes, all in one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use pigeon_perf::fanout::{Burst, Collected, Members, collect_in_turn};
use pigeon_perf::websocket::{Came, WebSocket, frame, frame_at};
use pigeon_proto::RoomName;
use pigeon_proto::frame::{ClientFrame, HubFrame, Prove, Say, challenge_text};
use pigeon_quic::ClientKey;

/// What is spoken over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// The frames of reliable members.
    Pigeon,
    /// NATS.
    Nats,
    /// Texts alone, each a message of its own, which the server passes on.
    Text,
}

/// The members of one server.
pub(crate) struct Sockets {
    talk: Talk,
    pub(crate) members: Vec<Member>,
    /// The number of the first member's last message.
    number: u64,
    buffer: Vec<u8>,
}

pub(crate) struct Member {
    stream: TcpStream,
    /// The start of an incomplete frame.
    unread: Vec<u8>,
}

impl Sockets {
    pub(crate) fn connect(count: usize, talk: Talk, server: SocketAddr) -> Sockets {
        Sockets::connect_in(count, talk, server, "lobby")
    }

    /// Connects members that are in a room, and follow it.
    pub(crate) fn connect_in(count: usize, talk: Talk, server: SocketAddr, room: &str) -> Sockets {
        let room = RoomName::parse(room.as_bytes()).expect("a room");
        let connect = |number| {
            let socket = match talk {
                Talk::Pigeon => join(number, server, &room),
                Talk::Nats => subscribe(server),
                Talk::Text => open(server, "/ws", "pigeon.1"),
            };
            let stream = socket.into_stream();
            stream.set_nonblocking(true).expect("a socket");
            Member { stream, unread: Vec::new() }
        };
        let members = (0..count).map(connect).collect();
        Sockets { talk, members, number: 0, buffer: vec![0; 1 << 17] }
    }

    /// What the first member sends: all of the burst.
    fn frames(&mut self, burst: &Burst) -> Vec<u8> {
        let mut lines = Vec::new();
        for text in &burst.texts {
            self.number += 1;
            match self.talk {
                Talk::Pigeon => {
                    let (room, text) = (RoomName::lobby(), text.as_bytes().into());
                    let (number, after) = (self.number, self.number - 1);
                    ClientFrame::Say(Say { number, after, room, text }).write(&mut lines);
                }
                Talk::Nats => {
                    let line = format!("PUB chat {}\r\n{text}\r\n", text.len());
                    lines.extend_from_slice(line.as_bytes());
                }
                Talk::Text => lines.extend(frame(0x81, text.as_bytes())),
            }
        }
        if self.talk == Talk::Text {
            return lines;
        }
        let first = if self.talk == Talk::Pigeon { 0x81 } else { 0x82 };
        frame(first, &lines)
    }
}

impl Members for Sockets {
    fn count(&self) -> usize {
        self.members.len()
    }

    /// Members have joined when they connected.
    fn join(&mut self) {}

    fn publish(&mut self, burst: &Burst) {
        let bytes = self.frames(burst);
        // A burst fits the send buffer, which is empty between two bursts.
        self.members[0].stream.write_all(&bytes).expect("the server reads");
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let (mark, buffer) = (burst.mark.as_bytes(), &mut self.buffer);
        let due = burst.texts.len();
        let copies =
            collect_in_turn(&mut self.members, due, patience, |member| member.read(buffer, mark));
        Collected { copies, last: None }
    }

    /// TCP loses nothing; what a server drops shows as undelivered.
    fn kernel_drops(&mut self) -> u64 {
        0
    }
}

impl Member {
    /// Reads the available bytes, and counts messages whose text ends so.
    pub(crate) fn read(&mut self, buffer: &mut [u8], mark: &[u8]) -> usize {
        match self.stream.read(buffer) {
            Ok(0) => panic!("the server hung up"),
            Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
            Err(error) => panic!("cannot read: {error}"),
        }
        let (mut got, mut used) = (0, 0);
        while let Some((opcode, start, end)) = frame_at(&self.unread[used..]) {
            let payload = &self.unread[used + start..used + end];
            if opcode == 9 {
                self.stream.write_all(&frame(0x8a, payload)).expect("the server reads");
            } else if payload.starts_with(b"PING\r\n") {
                self.stream.write_all(&frame(0x82, b"PONG\r\n")).expect("the server reads");
            }
            let ends = |line: &&[u8]| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                line.strip_suffix(b"\"}").unwrap_or(line).ends_with(mark)
            };
            got += payload.split(|byte| *byte == b'\n').filter(ends).count();
            used += end;
        }
        self.unread.drain(..used);
        got
    }
}

/// How long a server may take to open its port.
const SOON: Duration = Duration::from_secs(10);

fn open(server: SocketAddr, path: &str, protocol: &str) -> WebSocket {
    let (start, origin) = (Instant::now(), format!("http://{server}"));
    loop {
        match WebSocket::open(server, path, &origin, protocol) {
            Ok(socket) => return socket,
            Err(error) => assert!(start.elapsed() < SOON, "no WebSocket: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A member of the hub that follows a room, live.
fn join(number: usize, page: SocketAddr, room: &RoomName) -> WebSocket {
    let mut socket = open(page, "/ws", "pigeon.1");
    send(&mut socket, &[ClientFrame::Hello { version: 1, client: "bench".into() }]);
    let HubFrame::Challenge { nonce, fingerprint, .. } = wait_for(&mut socket, "challenge") else {
        panic!("no challenge")
    };
    let key = ClientKey::generate().expect("the system gives randomness");
    let signature = key.sign(&challenge_text(&nonce, &fingerprint)).expect("randomness");
    let prove = Prove {
        key: *key.public_point(),
        signature,
        outbox: 1,
        name: Some(format!("member-{number:06}").into()),
        word: None,
        room: Some(room.clone()),
        password: None,
        language: None,
    };
    let follow = ClientFrame::Follow {
        room: room.clone(),
        after: None,
        last: Some(0),
        deletion: pigeon_proto::Position::START,
    };
    send(&mut socket, &[ClientFrame::Prove(Box::new(prove)), follow]);
    wait_for(&mut socket, "live");
    socket
}

fn send(socket: &mut WebSocket, frames: &[ClientFrame]) {
    let mut lines = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut lines));
    socket.send(std::str::from_utf8(&lines).expect("frames are text")).expect("the hub reads");
}

fn wait_for(socket: &mut WebSocket, kind: &str) -> HubFrame {
    let begins = format!("{{\"type\":\"{kind}\"");
    loop {
        let Came::Message(message) = socket.receive().expect("the hub answers") else {
            panic!("closed before {kind}")
        };
        let mut lines = message.split(|byte| *byte == b'\n');
        if let Some(line) = lines.find(|line| line.starts_with(begins.as_bytes())) {
            return HubFrame::parse(line).expect("a frame");
        }
    }
}

/// A member of nats-server that reads the subject `chat`.
fn subscribe(server: SocketAddr) -> WebSocket {
    let mut socket = open(server, "/", "");
    let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB chat 1\r\nPING\r\n";
    socket.send_binary(hello).expect("the broker reads");
    loop {
        let Came::Message(message) = socket.receive().expect("the broker answers") else {
            panic!("the broker hung up")
        };
        if message.ends_with(b"PONG\r\n") {
            return socket;
        }
    }
}
