//! A WebSocket client that blocks: for tests, and for members that only count what comes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An open WebSocket.
pub struct WebSocket<S = TcpStream> {
    stream: S,
    /// Received bytes; those before `taken` were read.
    bytes: Vec<u8>,
    taken: usize,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A text or binary message.
    Message(Vec<u8>),
    /// The server closes with this code.
    Closed(u16),
}

impl WebSocket {
    /// Connects and asks for a WebSocket. Fails with the answer's head if the server refuses.
    pub fn open(
        server: SocketAddr,
        path: &str,
        origin: &str,
        protocol: &str,
    ) -> io::Result<WebSocket> {
        let host = origin.split("://").nth(1).unwrap_or_default();
        WebSocket::open_with(
            server,
            path,
            &format!("Host: {host}\r\nOrigin: {origin}\r\n"),
            protocol,
        )
    }

    /// The same with other headers than `Host` and `Origin` of one site.
    pub fn open_with(
        server: SocketAddr,
        path: &str,
        headers: &str,
        protocol: &str,
    ) -> io::Result<WebSocket> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        WebSocket::over(stream, path, headers, protocol)
    }
}

impl<S: Read + Write> WebSocket<S> {
    /// Asks for a WebSocket over an open connection. `headers` are `Host` and `Origin`.
    pub fn over(
        mut stream: S,
        path: &str,
        headers: &str,
        protocol: &str,
    ) -> io::Result<WebSocket<S>> {
        let protocol = match protocol {
            "" => String::new(),
            word => format!("Sec-WebSocket-Protocol: {word}\r\n"),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {protocol}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut socket = WebSocket { stream, bytes: Vec::new(), taken: 0 };
        let head = loop {
            let end = socket.bytes.windows(4).position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if socket.more()? == 0 => return Err(socket.refused()),
                None => {}
            }
        };
        if !socket.bytes.starts_with(b"HTTP/1.1 101 ") {
            while socket.more().is_ok_and(|count| count > 0) {}
            return Err(socket.refused());
        }
        socket.taken = head;
        Ok(socket)
    }

    fn refused(&self) -> io::Error {
        let answer = String::from_utf8_lossy(&self.bytes).into_owned();
        io::Error::new(ErrorKind::ConnectionRefused, answer)
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The connection alone. What was received and not taken is lost.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(&frame(0x81, text.as_bytes()))
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(0x82, bytes))
    }

    /// Waits for the next message, and answers pings. Fails if the connection was lost.
    pub fn receive(&mut self) -> io::Result<Came> {
        loop {
            match self.next_frame() {
                Some((8, payload)) => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    return Ok(Came::Closed(code));
                }
                Some((9, payload)) => self.stream.write_all(&frame(0x8a, &payload))?,
                Some((1 | 2, payload)) => return Ok(Came::Message(payload)),
                Some(_) => {}
                None if self.more()? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                None => {}
            }
        }
    }

    /// Takes a whole frame from the received bytes.
    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (opcode, start, end) = frame_at(&self.bytes[self.taken..])?;
        let payload = self.bytes[self.taken + start..self.taken + end].to_vec();
        self.taken += end;
        Some((opcode, payload))
    }

    /// Reads more bytes, and returns how many came.
    fn more(&mut self) -> io::Result<usize> {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        let mut buffer = [0; 16_384];
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// The first frame of a server's bytes: its opcode, and where its payload starts and ends. `None`
/// until it is complete.
pub fn frame_at(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (start, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        short => (2, usize::from(short)),
    };
    let end = start + length;
    (bytes.len() >= end).then_some((first & 0x0f, start, end))
}

/// A client's frame, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x5a, 0x3c, 0xa5, 0xc3];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
