//! The minimum of NATS for publishing to JetStream and counting its acknowledgements.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a broker may take to answer.
const SOON: Duration = Duration::from_secs(10);

/// A connection to a broker.
pub(crate) struct Publisher {
    stream: TcpStream,
    unread: Vec<u8>,
    buffer: Vec<u8>,
    /// Published messages that are not acknowledged.
    pub(crate) waiting: usize,
}

impl Publisher {
    pub(crate) fn connect(broker: SocketAddr) -> Publisher {
        let mut stream = TcpStream::connect(broker).expect("the broker accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB answers 1\r\n";
        stream.write_all(hello).expect("the broker reads");
        stream.set_nonblocking(true).expect("a socket");
        Publisher { stream, unread: Vec::new(), buffer: vec![0; 1 << 16], waiting: 0 }
    }

    /// Receives acknowledgements in this inbox only.
    pub(crate) fn listen(&mut self, inbox: &str) {
        self.write(format!("UNSUB 1\r\nSUB {inbox} 2\r\n").as_bytes());
    }

    fn write(&mut self, mut bytes: &[u8]) {
        let start = Instant::now();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < SOON, "the broker reads nothing");
                }
                Err(error) => panic!("cannot write: {error}"),
            }
        }
    }

    /// The payloads of messages that have come.
    fn read(&mut self) -> Vec<String> {
        match self.stream.read(&mut self.buffer) {
            Ok(0) => panic!("the broker hung up"),
            Ok(length) => self.unread.extend_from_slice(&self.buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("cannot read: {error}"),
        }
        let mut payloads = Vec::new();
        let mut at = 0;
        while let Some(end) = self.unread[at..].windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&self.unread[at..at + end]).into_owned();
            let after = at + end + 2;
            if line.starts_with("MSG ") {
                let size: usize =
                    line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a size");
                let Some(payload) = self.unread.get(after..after + size + 2) else { break };
                payloads.push(String::from_utf8_lossy(payload).into_owned());
                at = after + size + 2;
            } else {
                if line == "PING" {
                    self.write(b"PONG\r\n");
                }
                at = after;
            }
        }
        self.unread.drain(..at);
        payloads
    }

    fn ask(&mut self, subject: &str, request: &str) -> Option<String> {
        let line = format!("PUB {subject} answers {}\r\n{request}\r\n", request.len());
        self.write(line.as_bytes());
        let start = Instant::now();
        loop {
            if let Some(answer) = self.read().pop() {
                return Some(answer);
            }
            if start.elapsed() > SOON {
                return None;
            }
        }
    }

    /// Whether a stream with so many replicas can be made now.
    pub(crate) fn has_replicas(mut self, replicas: usize) -> bool {
        self.create("probe", replicas)
    }

    /// Makes a stream for its subject.
    pub(crate) fn create(&mut self, name: &str, replicas: usize) -> bool {
        let request = format!(
            "{{\"name\":\"{name}\",\"subjects\":[\"{name}.>\"],\"retention\":\"limits\",\
             \"storage\":\"file\",\"num_replicas\":{replicas}}}"
        );
        let answer = self.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &request);
        answer.is_some_and(|answer| answer.contains("\"config\""))
    }

    /// Publishes until `window` messages wait.
    pub(crate) fn publish(&mut self, subject: &str, inbox: &str, text: &str, window: usize) {
        let more = window - self.waiting;
        if more * 2 < window {
            return;
        }
        let line = format!("PUB {subject} {inbox} {}\r\n{text}\r\n", text.len());
        self.write(line.repeat(more).as_bytes());
        self.waiting += more;
    }

    /// Acknowledgements that have come.
    pub(crate) fn acknowledged(&mut self) -> usize {
        let answers = self.read();
        for answer in &answers {
            assert!(answer.contains("\"seq\""), "not stored: {answer}");
        }
        self.waiting -= answers.len();
        answers.len()
    }
}
