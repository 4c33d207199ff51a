//! Drains a machine, and checks the properties that drivers rely on.

use std::net::SocketAddr;

use pigeon_datagram::{
    MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Machine, SocketId, Transmit, max_payload,
};

/// A datagram: destination and bytes.
pub type Sent = (SocketAddr, Vec<u8>);

/// A datagram with its socket.
pub type SentAt = (SocketId, SocketAddr, Vec<u8>);

/// All queued datagrams, one by one. Leaves events for the caller.
pub fn drain(machine: &mut impl Machine) -> Vec<Sent> {
    drain_at(machine).into_iter().map(|(_, to, bytes)| (to, bytes)).collect()
}

/// Like `drain`, with the listening sockets.
pub fn drain_at(machine: &mut impl Machine) -> Vec<SentAt> {
    // Polls all first, like a driver: later ones must not move the earlier ones' bytes.
    let transmits: Vec<Transmit> = std::iter::from_fn(|| machine.poll_transmit()).collect();
    let outbox = machine.outbox();
    let mut sent = Vec::new();
    for transmit in &transmits {
        check(transmit, outbox);
        let Transmit { socket, to, .. } = *transmit;
        sent.extend(transmit.datagrams(outbox).map(|bytes| (socket, to, bytes.to_vec())));
    }
    sent
}

fn check(transmit: &Transmit, outbox: &[u8]) {
    let bytes = outbox.get(transmit.range.clone());
    let bytes = bytes.unwrap_or_else(|| panic!("{transmit:?} in an outbox of {}", outbox.len()));
    match transmit.segment {
        None => assert!(
            bytes.len() <= max_payload(transmit.to),
            "one datagram of {} bytes to {}",
            bytes.len(),
            transmit.to
        ),
        Some(_) => {
            assert!(!bytes.is_empty(), "an empty train");
            assert!(bytes.len() <= MAX_PAYLOAD_V4, "a train of {} bytes", bytes.len());
            assert!(transmit.count() <= MAX_TRAIN_SEGMENTS, "a train of {}", transmit.count());
        }
    }
}
