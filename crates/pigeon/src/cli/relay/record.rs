//! Keeping what arrives at a relay as a capture, in a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use pigeon_datagram::Received;
use pigeon_netsim::relay::{Port, Relay};

use crate::output::{Capture, Spool, wall};

/// A datagram to be recorded, from end to end as if there were no relay.
struct Recorded {
    time: Duration,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// Writes what arrives, in a thread of its own.
pub(super) struct Recorder {
    spool: Spool<Recorded>,
    target: SocketAddr,
}

impl Recorder {
    pub(super) fn start(mut capture: Capture, target: SocketAddr) -> anyhow::Result<Recorder> {
        let render = move |arrived: &mut dyn Iterator<Item = Recorded>, _: &mut dyn io::Write| {
            for Recorded { time, from, to, payload } in arrived {
                capture.write(time, from, to, &payload, payload.len())?;
            }
            capture.flush()
        };
        Ok(Recorder { spool: Spool::new(io::sink(), render, || {})?, target })
    }

    pub(super) fn record(&self, relay: &Relay, port: Port, joined: &Received<'_>, segment: usize) {
        let (from, to) = match port {
            Port::Listen => (joined.from, self.target),
            Port::Client(slot) => match relay.client(slot) {
                Some(client) => (self.target, client),
                None => return,
            },
        };
        let time = wall::since_epoch(joined.wall);
        // An empty datagram is a datagram: `chunks` alone would yield none for it.
        let empty = joined.payload.is_empty().then_some(joined.payload);
        for payload in empty.into_iter().chain(joined.payload.chunks(segment.max(1))) {
            let bytes = payload.len() + size_of::<Recorded>();
            self.spool.push(Recorded { time, from, to, payload: payload.to_vec() }, bytes);
        }
    }

    pub(super) fn finish(self, deadline: Instant) -> anyhow::Result<()> {
        self.spool.finish(deadline);
        if let Some(kind) = self.spool.failure() {
            bail!("the record is not complete: {kind}");
        }
        match self.spool.dropped() {
            0 => Ok(()),
            dropped => {
                Err(anyhow!("{dropped} datagrams are not in the record: the disk was too slow"))
            }
        }
    }
}
