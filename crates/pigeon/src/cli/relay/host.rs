//! The host of a running relay: its sockets, its console, its statistics, its record, a signal to
//! stop.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::{Instant, Received, SocketId};
use pigeon_net::{Host, Io, Socket, SocketOptions};
use pigeon_netsim::relay::{Event, LISTEN, Relay, Way};
use pigeon_text::escape;

use super::Shapes;
use super::console::{self, Command};
use super::record::Recorder;
use super::report::{self, Screen, Totals};
use crate::base::quantity;
use crate::base::signals::Stop;
use crate::output::Spool;
use crate::ui::console::WAITING;

/// How often statistics are reported.
const TICK: Duration = Duration::from_secs(1);

/// Opens the relay's sockets, obeys its console, and reports.
pub(super) struct RelayHost {
    /// How a client's socket towards the target is opened.
    pub(super) options: SocketOptions,
    pub(super) screen: Screen,
    pub(super) data: Spool<Vec<u8>>,
    pub(super) json: bool,
    pub(super) commands: Receiver<Command>,
    pub(super) stop: Stop,
    pub(super) recorder: Option<Recorder>,
    /// When the last tick was, and the totals then.
    pub(super) before: (Instant, Totals),
    pub(super) told_no_socket: bool,
}

impl RelayHost {
    /// Says which conditions are in force.
    pub(super) fn show(&mut self, relay: &Relay) {
        Shapes::of(relay).lines().into_iter().for_each(|line| self.screen.remark(line));
    }

    /// Puts conditions in force.
    fn apply(&mut self, relay: &mut Relay, now: Instant, shapes: Shapes) {
        for (way, shape) in [(Way::Up, &shapes.up), (Way::Down, &shapes.down)] {
            let changed = shape.conditions();
            if let Err(error) = changed.and_then(|c| relay.set_conditions(now, way, c)) {
                return self.screen.note(error.to_string());
            }
        }
        self.show(relay);
    }

    fn obey(&mut self, relay: &mut Relay, io: &mut Io<'_>, command: Command) {
        let now = io.now;
        match command {
            Command::Set(ways, settings) => match Shapes::of(relay).with(ways, &settings) {
                Ok(shapes) => self.apply(relay, now, shapes),
                Err(reason) => self.screen.note(reason),
            },
            Command::Clear(ways) => {
                let shapes = Shapes::of(relay).cleared(ways);
                self.apply(relay, now, shapes);
            }
            Command::Show => self.show(relay),
            Command::Stats => {
                let lines = Totals::new(relay, &io.stats()).lines();
                lines.into_iter().for_each(|line| self.screen.answer(line));
            }
            Command::Clients => {
                for (address, heard) in relay.clients() {
                    let ago = quantity::roughly(now - heard);
                    self.screen.answer(format!("{address}  heard {ago} ago"));
                }
                self.screen.answer(report::clients(relay.statistics().clients));
            }
            Command::Handover => {
                relay.handover();
                self.screen.note("clients reach the target from new addresses");
            }
            Command::Help => self.screen.answer(console::HELP),
            Command::Wrong(reason) => self.screen.note(reason),
            Command::Quit => self.stop.set(),
        }
    }

    /// Opens a client's socket towards the target.
    fn open(&mut self, relay: &mut Relay, io: &mut Io<'_>, id: SocketId) {
        let socket = Socket::connect(relay.target(), None, &self.options);
        let opened = socket.map_err(anyhow::Error::new).and_then(|socket| {
            let local = socket.local_addr();
            io.open(id, socket).context("cannot watch the socket")?;
            Ok(local)
        });
        match opened {
            Ok(local) => relay.opened(id, local),
            Err(error) => {
                io.close(id);
                self.lose(relay, id, &error);
            }
        }
    }

    /// A client has no socket to the target.
    fn lose(&mut self, relay: &mut Relay, id: SocketId, error: &anyhow::Error) {
        relay.cannot_open(id);
        if !std::mem::replace(&mut self.told_no_socket, true) {
            self.screen.note(format!("a client has no socket to the target: {error:#}"));
        }
    }

    fn note(&mut self, event: Event) {
        let is_usual = matches!(
            event,
            Event::Joined(_) | Event::Idle(_) | Event::TooLarge { .. } | Event::Step(_)
        );
        let line = match event {
            Event::Joined(client) => format!("client {client}"),
            Event::Idle(client) => format!("client {client} is idle, its socket is closed"),
            Event::Full(from) => {
                format!("{from} is turned away: there are as many clients as may be")
            }
            Event::Loop(from) => {
                format!(
                    "what {from} sends is dropped: it comes from this relay; the target leads back here"
                )
            }
            Event::FromTarget(from) => format!(
                "what {from} sends is dropped: it is the target, or another address of its host, \
                 and no client; a forged sender?"
            ),
            Event::Refused => "the target refuses: nobody listens there".to_string(),
            Event::TooLarge { way, length, mtu } => {
                let way = if way == Way::Up { "up" } else { "down" };
                format!("{way}: {length} bytes are too large for the MTU of {mtu}; dropped")
            }
            Event::Step(note) if note.is_empty() => return,
            Event::Step(note) => format!("scenario: {}", escape(&note)),
            // Handled already.
            Event::Open(_) | Event::Close(_) => return,
        };
        match is_usual {
            true => self.screen.remark(line),
            false => self.screen.note(line),
        }
    }
}

impl Host<Relay> for RelayHost {
    fn woken(&mut self, relay: &mut Relay, io: &mut Io<'_>) -> ControlFlow<()> {
        let commands: Vec<Command> = self.commands.try_iter().take(WAITING).collect();
        for command in commands {
            self.obey(relay, io, command);
        }
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, relay: &mut Relay, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Open(id) => self.open(relay, io, id),
            Event::Close(id) => io.close(id),
            event => self.note(event),
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<Instant> {
        (self.json || self.screen.is_live()).then_some(self.before.0 + TICK)
    }

    fn tick(&mut self, relay: &mut Relay, io: &mut Io<'_>) -> ControlFlow<()> {
        let (now, totals) = (io.now, Totals::new(relay, &io.stats()));
        if self.json {
            self.data.line(totals.json());
        }
        self.screen.status(&totals.since(&self.before.1, now - self.before.0));
        self.before = (now, totals);
        ControlFlow::Continue(())
    }

    fn arrived(&mut self, relay: &mut Relay, _: Instant, joined: &Received<'_>, segment: usize) {
        if let Some(recorder) = &self.recorder {
            recorder.record(relay, joined, segment);
        }
    }

    /// Without the socket that clients send to there is no relay; without one of theirs there is
    /// one client less.
    fn failed(&mut self, relay: &mut Relay, id: SocketId, error: io::Error) -> io::Result<()> {
        if id == LISTEN {
            return Err(error);
        }
        self.lose(relay, id, &anyhow::Error::new(error));
        Ok(())
    }
}
