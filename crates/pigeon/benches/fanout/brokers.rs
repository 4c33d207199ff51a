//! Members of NATS and of an MQTT broker: a TCP connection each, with the minimum of the two
//! protocols for publishing and receiving.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::load::Burst;
use crate::members::{Collected, Members, collect_in_turn};

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Nats,
    Mqtt,
}

/// A frame from a broker.
enum Frame<'a> {
    Message(&'a [u8]),
    Ping,
    Other,
}

pub(crate) struct Subscribers {
    protocol: Protocol,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// The start of an incomplete frame.
    unread: Vec<u8>,
}

impl Subscribers {
    pub(crate) fn connect(count: usize, protocol: Protocol, broker: SocketAddr) -> Subscribers {
        let connect = |n| {
            let mut stream = TcpStream::connect(broker).expect("the broker accepts");
            stream.set_nodelay(true).expect("a TCP socket");
            stream.write_all(&protocol.hello(n)).expect("the broker reads");
            stream.set_nonblocking(true).expect("a socket");
            Connection { stream, unread: Vec::new() }
        };
        let connections = (0..count).map(connect).collect();
        Subscribers { protocol, connections, buffer: vec![0; 1 << 16] }
    }
}

impl Members for Subscribers {
    fn count(&self) -> usize {
        self.connections.len()
    }

    /// They subscribe when they connect.
    fn join(&mut self) {}

    fn publish(&mut self, burst: &Burst) {
        let mut bytes = Vec::new();
        burst.texts.iter().for_each(|text| self.protocol.publish(&mut bytes, text));
        // A burst fits the send buffer, which is empty between two bursts.
        self.connections[0].stream.write_all(&bytes).expect("the broker reads");
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let (protocol, mark) = (self.protocol, burst.mark.as_bytes());
        let buffer = &mut self.buffer;
        let due = burst.texts.len();
        let copies = collect_in_turn(&mut self.connections, due, patience, |connection| {
            let mut got = 0;
            connection.read(protocol, buffer, |text| got += usize::from(text.ends_with(mark)));
            got
        });
        Collected { copies, last: None }
    }

    /// TCP loses nothing; a broker's drops show as undelivered.
    fn kernel_drops(&mut self) -> u64 {
        0
    }
}

impl Connection {
    /// Reads the available bytes.
    fn read(&mut self, protocol: Protocol, buffer: &mut [u8], mut message: impl FnMut(&[u8])) {
        match self.stream.read(buffer) {
            Ok(0) => panic!("the broker hung up"),
            Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("cannot read: {error}"),
        }
        let mut rest = &self.unread[..];
        while let Some((frame, after)) = protocol.frame(rest) {
            match frame {
                Frame::Message(text) => message(text),
                Frame::Ping => self.stream.write_all(b"PONG\r\n").expect("the broker reads"),
                Frame::Other => {}
            }
            rest = after;
        }
        let used = self.unread.len() - rest.len();
        self.unread.drain(..used);
    }
}

impl Protocol {
    /// Connects and subscribes to the only subject or topic, `chat`.
    fn hello(self, n: usize) -> Vec<u8> {
        match self {
            Protocol::Nats => {
                b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB chat 1\r\n".to_vec()
            }
            Protocol::Mqtt => {
                let id = format!("member{n}");
                let mut bytes = vec![0x10, 12 + id.len() as u8, 0, 4];
                // Level 4 (3.1.1), a clean session, no keep-alive.
                bytes.extend_from_slice(b"MQTT\x04\x02\x00\x00\x00");
                bytes.push(id.len() as u8);
                bytes.extend_from_slice(id.as_bytes());
                // Packet 1 requests `chat` with quality of service 0.
                bytes.extend_from_slice(b"\x82\x09\x00\x01\x00\x04chat\x00");
                bytes
            }
        }
    }

    fn publish(self, bytes: &mut Vec<u8>, text: &str) {
        match self {
            Protocol::Nats => {
                bytes
                    .extend_from_slice(format!("PUB chat {}\r\n{text}\r\n", text.len()).as_bytes());
            }
            Protocol::Mqtt => {
                bytes.push(0x30);
                let mut length = 6 + text.len();
                while length >= 0x80 {
                    bytes.push((length & 0x7f) as u8 | 0x80);
                    length >>= 7;
                }
                bytes.push(length as u8);
                bytes.extend_from_slice(b"\x00\x04chat");
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// The first frame and the rest; `None` if it is incomplete.
    fn frame(self, bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
        match self {
            Protocol::Nats => {
                let end = bytes.windows(2).position(|two| two == b"\r\n")?;
                let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
                if line == b"PING" {
                    return Some((Frame::Ping, rest));
                }
                if !line.starts_with(b"MSG ") {
                    return Some((Frame::Other, rest));
                }
                let line = std::str::from_utf8(line).expect("NATS speaks text");
                let size: usize = line.rsplit(' ').next()?.parse().expect("MSG ends in a size");
                Some((Frame::Message(rest.get(..size)?), rest.get(size + 2..)?))
            }
            Protocol::Mqtt => {
                let (mut length, mut at) = (0, 1);
                loop {
                    let byte = *bytes.get(at)?;
                    length |= usize::from(byte & 0x7f) << (7 * (at - 1));
                    at += 1;
                    if byte < 0x80 {
                        break;
                    }
                }
                let (body, rest) = (bytes.get(at..at + length)?, &bytes[at + length..]);
                let published = bytes[0] >> 4 == 3;
                Some((if published { Frame::Message(body) } else { Frame::Other }, rest))
            }
        }
    }
}
