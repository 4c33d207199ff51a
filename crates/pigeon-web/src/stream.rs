//! The bytes of a TCP connection, in TLS or not.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use mio::net::TcpStream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::websocket::Head;

/// Pieces passed to one system call.
const SLICES: usize = 64;

/// A certificate with its chain and private key, for https.
#[derive(Clone)]
pub struct Certificate(Arc<ServerConfig>);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The PEM text has no readable certificate.
    #[error("no CERTIFICATE in PEM form")]
    NoCertificate,
    /// The PEM text has no readable private key.
    #[error("no PRIVATE KEY in PEM form")]
    NoKey,
    /// The key does not belong to the certificate, or its type is not supported.
    #[error("cannot use the certificate or its key: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Certificate {
    /// Reads a chain of certificates, the server's first, and its private key.
    pub fn from_pem(pem: &[u8]) -> Result<Certificate, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertificateError::NoKey)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Certificate(Arc::new(config)))
    }
}

impl std::fmt::Debug for Certificate {
    /// Hides the private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate")
    }
}

/// Something to send: a WebSocket frame whose payload may be shared, or bytes alone.
struct Piece {
    head: Option<Head>,
    payload: Bytes,
    /// Bytes already sent.
    sent: usize,
    /// Whether the sender is told that the payload was accepted.
    is_counted: bool,
}

impl Piece {
    fn head(&self) -> &[u8] {
        self.head.as_ref().map_or(&[], Head::bytes)
    }

    /// What is left of it.
    fn rest(&self) -> [&[u8]; 2] {
        let head = self.head();
        let (of_head, of_payload) =
            (self.sent.min(head.len()), self.sent.saturating_sub(head.len()));
        [&head[of_head..], &self.payload[of_payload..]]
    }

    fn left(&self) -> usize {
        self.head().len() + self.payload.len() - self.sent
    }
}

/// A connection's bytes.
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ServerConnection>>,
    pieces: VecDeque<Piece>,
}

/// What a peer has accepted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flushed {
    /// Bytes.
    pub(crate) bytes: usize,
    /// Those of counted payloads.
    pub(crate) payload: usize,
    /// Whether anything was accepted, including bytes of TLS.
    pub(crate) has_progress: bool,
}

/// The result of a read.
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    End,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, certificate: Option<&Certificate>) -> Option<Stream> {
        let tls = match certificate {
            Some(Certificate(config)) => {
                Some(Box::new(ServerConnection::new(config.clone()).ok()?))
            }
            None => None,
        };
        Some(Stream { tcp, tls, pieces: VecDeque::new() })
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Reads some bytes. Fails if the connection is lost or its TLS is not valid.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(tls) = &mut self.tls else {
            return received(self.tcp.read(buffer));
        };
        loop {
            match received(tls.reader().read(buffer))? {
                Received::Nothing => {}
                some => return Ok(some),
            }
            match received(tls.read_tls(&mut self.tcp))? {
                Received::Bytes(_) => {
                    let processed = tls.process_new_packets();
                    if let Err(error) = processed {
                        // Sends the alert that says why.
                        let _ = tls.write_tls(&mut self.tcp);
                        return Err(io::Error::new(ErrorKind::InvalidData, error));
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Queues bytes.
    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        let payload = bytes.into();
        self.pieces.push_back(Piece { head: None, payload, sent: 0, is_counted: false });
    }

    /// Queues a text message, which is counted when it was accepted.
    pub(crate) fn push_text(&mut self, payload: Bytes) {
        let head = Some(Head::text(payload.len()));
        self.pieces.push_back(Piece { head, payload, sent: 0, is_counted: true });
    }

    /// Whether anything queued was not sent. Bytes of TLS do not count.
    pub(crate) fn has_queued(&self) -> bool {
        !self.pieces.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tls.as_ref().is_none_or(|tls| !tls.wants_write())
    }

    /// Sends what the peer takes.
    pub(crate) fn flush(&mut self) -> io::Result<Flushed> {
        let mut flushed = Flushed::default();
        loop {
            if let Some(tls) = &mut self.tls {
                while tls.wants_write() {
                    match tls.write_tls(&mut self.tcp) {
                        Ok(0) => return Err(ErrorKind::WriteZero.into()),
                        Ok(_) => flushed.has_progress = true,
                        Err(error) if is_full(&error) => return Ok(flushed),
                        Err(error) => return Err(error),
                    }
                }
                if tls.is_handshaking() {
                    return Ok(flushed);
                }
            }
            if self.pieces.is_empty() {
                return Ok(flushed);
            }
            let rests = self.pieces.iter().take(SLICES / 2).flat_map(Piece::rest);
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, rest) in slices.iter_mut().zip(rests.filter(|rest| !rest.is_empty())) {
                *slice = IoSlice::new(rest);
                count += 1;
            }
            let written = match &mut self.tls {
                Some(tls) => tls.writer().write_vectored(&slices[..count]),
                None => self.tcp.write_vectored(&slices[..count]),
            };
            match written {
                Ok(0) if count > 0 => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    flushed.has_progress = true;
                    flushed.bytes += bytes;
                    flushed.payload += self.advance(bytes);
                }
                Err(error) if is_full(&error) => return Ok(flushed),
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes sent bytes from the queue, and returns the counted ones of payloads.
    fn advance(&mut self, mut bytes: usize) -> usize {
        let mut payload = 0;
        while let Some(piece) = self.pieces.front_mut() {
            let taken = piece.left().min(bytes);
            let head = piece.head().len();
            let of_payload = |sent: usize| sent.saturating_sub(head);
            if piece.is_counted {
                payload += of_payload(piece.sent + taken) - of_payload(piece.sent);
            }
            piece.sent += taken;
            bytes -= taken;
            if piece.left() > 0 {
                break;
            }
            self.pieces.pop_front();
        }
        payload
    }

    /// Ends the direction to the peer, once everything was sent.
    pub(crate) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.tcp);
        }
        let _ = self.tcp.shutdown(std::net::Shutdown::Write);
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

fn received(result: io::Result<usize>) -> io::Result<Received> {
    match result {
        Ok(0) => Ok(Received::End),
        Ok(count) => Ok(Received::Bytes(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
        // TLS without a close_notify, as browsers end it.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Received::End),
        Err(error) => Err(error),
    }
}
