//! The view of a session: lines, or a full screen.

use std::net::SocketAddr;
use std::time;

use pigeon_client::{Event, Session};
use pigeon_datagram::Instant;
use pigeon_net::Stats;
use pigeon_proto::{Notice, RoomName};
use rand_pcg::Pcg64;

use super::full::Full;
use super::gate::DeliveryState;
use super::lines::Lines;
use super::meant::{OWN, OWN_OF_SCREEN};
use super::note::Note;

pub(super) enum View {
    Lines(Lines),
    Full(Box<Full>),
}

impl View {
    /// An event of the session. Called before its content is shown.
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.event(now, event),
        }
    }

    pub(super) fn received(&mut self, session: &Session<Pcg64>, payload: &[u8]) {
        match self {
            View::Lines(lines) => lines.received(session, payload),
            View::Full(full) => full.received(session, payload),
        }
    }

    /// The room was read up to this position before.
    pub(super) fn seen(&mut self, room: &RoomName, position: u64) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.seen(room, position),
        }
    }

    /// The hub has a new address, and we may have too.
    pub(super) fn moved(&mut self, hub: SocketAddr, local: SocketAddr) {
        match self {
            View::Lines(lines) => lines.moved(hub),
            View::Full(full) => full.moved(hub, local),
        }
    }

    /// The hub sent a notice.
    pub(super) fn notice(&mut self, session: &Session<Pcg64>, now: Instant, notice: &Notice) {
        match self {
            View::Lines(lines) => lines.notice(session, notice),
            View::Full(full) => full.notice(now, notice),
        }
    }

    /// Shows a note about the session.
    pub(super) fn note(&mut self, note: &Note) {
        match self {
            View::Lines(lines) => lines.note(note),
            View::Full(full) => full.note(note),
        }
    }

    /// A typed line was sent; it may be lost.
    pub(super) fn typed(
        &mut self,
        session: &Session<Pcg64>,
        now: Instant,
        line: &[u8],
        is_lost: bool,
    ) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.typed(session, now, line, is_lost),
        }
    }

    /// Sets the delivery state of a member with a key: whether the hub is connected, and how many
    /// messages it has not stored.
    pub(super) fn set_delivery(&mut self, delivery: Option<DeliveryState>) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.set_delivery(delivery),
        }
    }

    /// Updates the view, once per second and after each input. `cut_off`: the error of the path to
    /// the hub, if any.
    pub(super) fn look(
        &mut self,
        session: &mut Session<Pcg64>,
        now: Instant,
        stats: &Stats,
        cut_off: Option<&str>,
    ) {
        match self {
            View::Lines(_) => {}
            View::Full(full) => full.look(session, now, stats, cut_off),
        }
    }

    /// The commands that are not the hub's.
    pub(super) fn own_commands(&self) -> &'static [&'static str] {
        match self {
            View::Lines(_) => OWN,
            View::Full(_) => OWN_OF_SCREEN,
        }
    }

    /// Whether the output is for programs.
    pub(super) fn is_data(&self) -> bool {
        match self {
            View::Lines(lines) => lines.is_data(),
            View::Full(_) => false,
        }
    }

    /// Whether input and output are bytes instead of lines.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self, View::Lines(lines) if lines.is_raw())
    }

    /// Whether the reader of the room's bytes is gone.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, View::Lines(lines) if lines.is_closed())
    }

    /// Whether no user is present, so that only the exit status can report a failure.
    pub(super) fn is_script(&self) -> bool {
        match self {
            View::Lines(lines) => lines.is_script(),
            View::Full(_) => false,
        }
    }

    /// Shows remaining output until `deadline`, and restores the terminal.
    pub(super) fn close(
        self,
        deadline: time::Instant,
        lost: u64,
        failed: bool,
    ) -> anyhow::Result<()> {
        match self {
            View::Lines(lines) => lines.close(deadline, lost),
            View::Full(full) => {
                full.close(deadline, failed);
                Ok(())
            }
        }
    }
}
