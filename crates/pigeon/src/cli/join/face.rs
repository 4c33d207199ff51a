//! How a session looks to a person: lines, or a full screen.

use std::net::SocketAddr;
use std::time;

use pigeon_client::{NoReply, Session};
use pigeon_datagram::Instant;
use pigeon_net::Stats;
use rand_pcg::Pcg64;

use super::full::Full;
use super::lines::Lines;

/// One of the two.
pub(super) enum Face {
    Lines(Lines),
    Full(Box<Full>),
}

impl Face {
    /// Something came from the hub.
    pub(super) fn received(&mut self, now: Instant, hub: SocketAddr, payload: &[u8]) {
        match self {
            Face::Lines(lines) => lines.received(hub, payload),
            Face::Full(full) => full.received(now, payload),
        }
    }

    /// The hub does not answer, which programs are told too.
    pub(super) fn no_reply(&self, hub: SocketAddr, why: NoReply) {
        match self {
            Face::Lines(lines) => lines.no_reply(hub, why),
            Face::Full(_) => {}
        }
    }

    /// There is something to say about the session itself.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            Face::Lines(lines) => lines.note(text),
            Face::Full(full) => full.note(text),
        }
    }

    /// The person has typed a line that is about to be sent.
    pub(super) fn typed(&mut self, now: Instant, line: &[u8]) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.typed(now, line),
        }
    }

    /// Once a second, and whenever something was typed: a look at how things stand.
    pub(super) fn look(&mut self, session: &mut Session<Pcg64>, now: Instant, stats: &Stats) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.look(session, now, stats),
        }
    }

    /// The hub was away: who was there may have gone.
    pub(super) fn doubt(&mut self) {
        match self {
            Face::Lines(_) => {}
            Face::Full(full) => full.doubt(),
        }
    }

    /// Whether nobody is looking, so that only the exit status tells.
    pub(super) fn is_script(&self) -> bool {
        match self {
            Face::Lines(lines) => lines.is_script(),
            Face::Full(_) => false,
        }
    }

    /// Shows what is left, until `deadline`, and gives the terminal back.
    pub(super) fn close(
        self,
        deadline: time::Instant,
        lost: u64,
        failed: bool,
    ) -> anyhow::Result<()> {
        match self {
            Face::Lines(lines) => lines.close(deadline, lost),
            Face::Full(full) => {
                full.close(deadline, failed);
                Ok(())
            }
        }
    }
}
