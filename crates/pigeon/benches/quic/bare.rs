//! The baseline: quinn-proto in a plain loop of recvmmsg and sendmmsg, one batch in, every train
//! out. It repeats the configuration of `pigeon-quic`.

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::SockaddrIn;
use pigeon_perf::bare::{Batch, JOINED, Sender, VECTOR, announce, open};
use pigeon_quic::{ALPN, Certificate};
use quinn_proto::{
    AckFrequencyConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event,
    StreamEvent, StreamId, Transmit, TransportConfig,
};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::relay::Relay;

/// Maximum datagrams per train: as many as fit 65,507 bytes at an MTU of 1,452.
const TRAIN: usize = 45;

struct Member {
    connection: Connection,
    stream: Option<StreamId>,
    deadline: Option<Instant>,
    is_dirty: bool,
}

/// Output to send.
struct Out {
    scratch: Vec<u8>,
    bytes: Vec<u8>,
    queue: Vec<(usize, usize, Option<u16>, SocketAddr)>,
    sender: Sender,
}

impl Out {
    fn put(&mut self, transmit: &Transmit) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&self.scratch[..transmit.size]);
        let segment = transmit.segment_size.filter(|size| *size < transmit.size);
        let segment = segment.map(|size| u16::try_from(size).expect("an MTU"));
        self.queue.push((start, transmit.size, segment, transmit.destination));
    }

    fn flush(&mut self, socket: &std::net::UdpSocket) {
        // All messages of a call share their control data, so consecutive ones of the same size are
        // sent together.
        for alike in self.queue.chunk_by(|one, next| one.2 == next.2) {
            for part in alike.chunks(VECTOR) {
                let bytes = &self.bytes;
                let payload =
                    |&(at, size, ..): &(usize, usize, _, _)| [IoSlice::new(&bytes[at..at + size])];
                let payloads: Vec<_> = part.iter().map(payload).collect();
                let to = |entry: &(_, _, _, SocketAddr)| match entry.3 {
                    SocketAddr::V4(to) => Some(SockaddrIn::from(to)),
                    SocketAddr::V6(_) => None,
                };
                let to: Vec<_> = part.iter().map(to).collect();
                self.sender.send(socket, &payloads, &to, part[0].2);
            }
        }
        self.queue.clear();
        self.bytes.clear();
    }
}

pub(crate) fn run(how: &str) -> ! {
    let mut endpoint = endpoint();
    let socket = open(true);
    announce(&socket);
    let mut batch = Batch::new(JOINED);
    let mut out =
        Out { scratch: Vec::new(), bytes: Vec::new(), queue: Vec::new(), sender: Sender::new() };
    let mut members: HashMap<ConnectionHandle, Member> = HashMap::new();
    let mut dirty: Vec<ConnectionHandle> = Vec::new();
    let mut relay = Relay::new(how);
    loop {
        batch.take(&socket);
        let now = Instant::now();
        for (message, bytes) in batch.iter() {
            let from = message.from.expect("UDP has senders");
            let from = SocketAddr::V4(SocketAddrV4::new(from.ip(), from.port()));
            for datagram in bytes.chunks(message.segment.map_or(JOINED, usize::from)) {
                out.scratch.clear();
                let datagram = BytesMut::from(datagram);
                match endpoint.handle(now, from, None, None, datagram, &mut out.scratch) {
                    Some(DatagramEvent::NewConnection(incoming)) => {
                        if incoming.remote_address_validated() {
                            let accepted = endpoint.accept(incoming, now, &mut out.scratch, None);
                            let (handle, connection) = accepted.expect("a handshake");
                            let (stream, deadline) = (None, None);
                            let member = Member { connection, stream, deadline, is_dirty: true };
                            members.insert(handle, member);
                            dirty.push(handle);
                        } else {
                            let retry = endpoint.retry(incoming, &mut out.scratch);
                            out.put(&retry.expect("it has no token"));
                        }
                    }
                    Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                        if let Some(member) = members.get_mut(&handle) {
                            member.connection.handle_event(event);
                            if !std::mem::replace(&mut member.is_dirty, true) {
                                dirty.push(handle);
                            }
                        }
                    }
                    Some(DatagramEvent::Response(transmit)) => out.put(&transmit),
                    None => {}
                }
            }
        }
        for (handle, member) in &mut members {
            if member.deadline.is_some_and(|deadline| deadline <= now) {
                member.connection.handle_timeout(now);
                if !std::mem::replace(&mut member.is_dirty, true) {
                    dirty.push(*handle);
                }
            }
        }
        while !dirty.is_empty() {
            for handle in std::mem::take(&mut dirty) {
                let member = members.get_mut(&handle).expect("it is dirty");
                member.is_dirty = false;
                member.settle(&mut endpoint, handle, now, &mut relay, &mut out);
            }
            if let Some(frames) = relay.frames() {
                for (handle, member) in &mut members {
                    if let Some(stream) = member.stream {
                        let mut stream = member.connection.send_stream(stream);
                        let _ = stream.write_chunks(&mut [frames.clone()]);
                        member.is_dirty = true;
                        dirty.push(*handle);
                    }
                }
            }
        }
        let has_more = !out.queue.is_empty() || batch.messages().len() == VECTOR;
        out.flush(&socket);
        if !has_more {
            let next = members.values().filter_map(|member| member.deadline).min();
            let wait = next.map(|next| next.saturating_duration_since(Instant::now()));
            let wait = wait.map_or(1_000, |wait| wait.as_micros().div_ceil(1_000));
            let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], wait);
        }
    }
}

impl Member {
    /// Takes all output of a connection.
    fn settle(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        now: Instant,
        relay: &mut Relay,
        out: &mut Out,
    ) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = endpoint.handle_event(handle, event) {
                self.connection.handle_event(event);
            }
        }
        let mut is_readable = false;
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                    self.stream = self.connection.streams().accept(Dir::Bi);
                    is_readable = true;
                }
                Event::Stream(StreamEvent::Readable { .. }) => is_readable = true,
                _ => {}
            }
        }
        if is_readable && let Some(stream) = self.stream {
            let mut stream = self.connection.recv_stream(stream);
            if let Ok(mut chunks) = stream.read(true) {
                while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                    relay.take(&chunk.bytes);
                }
                let _ = chunks.finalize();
            }
        }
        loop {
            out.scratch.clear();
            match self.connection.poll_transmit(now, TRAIN, &mut out.scratch) {
                Some(transmit) => out.put(&transmit),
                None => break,
            }
        }
        self.deadline = self.connection.poll_timeout();
    }
}

fn endpoint() -> Endpoint {
    let pem = Certificate::generate().expect("the system gives randomness").to_pem();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
    let certificate = PemObject::from_pem_slice(pem.as_bytes()).expect("a certificate");
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they fit");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    let tls = quinn_proto::crypto::rustls::QuicServerConfig::try_from(tls).expect("TLS 1.3");
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(10u32.into()).max_ack_delay(Some(Duration::from_millis(25)));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(1u32.into())
        .max_concurrent_uni_streams(0u32.into())
        .send_window(1 << 20)
        .ack_frequency_config(Some(acks));
    let mut config = quinn_proto::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    Endpoint::new(Arc::default(), Some(Arc::new(config)), true, None)
}
