//! Members of NATS and of an MQTT broker: a TCP connection each, with the minimum of the two
//! protocols for publishing and receiving.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::load::Burst;
use super::members::{Collected, Members, collect_in_turn};

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// NATS.
    Nats,
    /// NATS over TLS, which begins after the server's first line.
    NatsTls,
    /// MQTT 3.1.1.
    Mqtt,
}

/// A frame from a broker.
enum Frame<'a> {
    Message(&'a [u8]),
    Ping,
    Other,
}

/// Subscribers of a broker.
pub struct Subscribers {
    protocol: Protocol,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: Box<dyn Stream>,
    /// The start of an incomplete frame.
    unread: Vec<u8>,
}

impl Subscribers {
    /// Opens `count` connections, each with a subscription.
    pub fn connect(count: usize, protocol: Protocol, broker: SocketAddr) -> Subscribers {
        let connect = |n| {
            let tcp = TcpStream::connect(broker).expect("the broker accepts");
            tcp.set_nodelay(true).expect("a TCP socket");
            let again = tcp.try_clone().expect("a descriptor");
            let mut stream = protocol.stream(tcp);
            stream.write_all(&protocol.hello(n)).expect("the broker reads");
            stream.flush().expect("the broker reads");
            again.set_nonblocking(true).expect("a socket");
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

    /// Subscribers subscribe when they connect.
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

/// TCP, or TLS over it.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Protocol {
    /// What is spoken over a connection, which still blocks.
    fn stream(self, mut tcp: TcpStream) -> Box<dyn Stream> {
        let Protocol::NatsTls = self else { return Box::new(tcp) };
        // The server's first line says that it requires TLS, and is in the clear. A byte at a time:
        // what follows is not ours to read.
        let mut byte = [0];
        while byte != *b"\n" {
            tcp.read_exact(&mut byte).expect("the broker greets");
        }
        let name = "localhost".try_into().expect("a name");
        let tls = ClientConnection::new(tls(), name).expect("a session");
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
        Box::new(stream)
    }

    /// Connects and subscribes to the only subject or topic, `chat`.
    fn hello(self, n: usize) -> Vec<u8> {
        match self {
            Protocol::Nats | Protocol::NatsTls => {
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
            Protocol::Nats | Protocol::NatsTls => {
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
            Protocol::Nats | Protocol::NatsTls => {
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

/// TLS 1.3, to whatever server.
fn tls() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    Arc::new(config)
}

/// Believes every certificate: the server is the one just started.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
