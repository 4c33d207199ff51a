//! Writes datagrams that arrive at a relay to a capture, in a separate thread.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use pigeon_datagram::Received;
use pigeon_netsim::relay::{LISTEN, Relay};

use crate::output::{Capture, Losses, Spool, wall};
use crate::words::say;

/// A captured datagram, addressed end to end as if there were no relay.
struct Recorded {
    time: Duration,
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// Writes a capture in a separate thread.
pub(super) struct Recorder {
    spool: Spool<Recorded>,
    losses: Losses,
}

impl Recorder {
    /// Starts the thread. `closed` is called when the output is closed.
    pub(super) fn start(
        mut capture: Capture,
        closed: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Recorder> {
        let losses = capture.losses();
        let render = move |arrived: &mut dyn Iterator<Item = Recorded>, _: &mut dyn io::Write| {
            for Recorded { time, from, to, payload } in arrived {
                capture.write(time, from, to, &payload, payload.len())?;
            }
            capture.flush()
        };
        Ok(Recorder { spool: Spool::new(io::sink(), render, closed)?, losses })
    }

    pub(super) fn record(&self, relay: &Relay, joined: &Received<'_>, segment: usize) {
        // Read now: the target's name may have another address later.
        let target = relay.target();
        let (from, to) = match joined.socket {
            LISTEN => (joined.from, target),
            socket => match relay.client(socket) {
                Some(client) => (target, client),
                None => return,
            },
        };
        let time = wall::since_epoch(joined.wall);
        for payload in joined.datagrams(segment).map(|datagram| datagram.payload) {
            let bytes = payload.len() + size_of::<Recorded>();
            self.spool.push(Recorded { time, from, to, payload: payload.to_vec() }, bytes);
        }
    }

    pub(super) fn finish(self, deadline: Instant) -> anyhow::Result<()> {
        self.spool.finish(deadline);
        if let Some(kind) = self.spool.failure() {
            bail!(say!("tools-relay-record", error = &kind));
        }
        self.losses.check()?;
        match self.spool.dropped() {
            0 => Ok(()),
            dropped => Err(anyhow!(say!("tools-relay-record-slow", count = dropped))),
        }
    }
}
