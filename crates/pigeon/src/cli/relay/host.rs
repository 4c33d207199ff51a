//! The host of a running relay: sockets, console, statistics, capture, a signal to stop.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::{Instant, Received, SocketId};
use pigeon_net::{Host, Io, Socket, SocketOptions};
use pigeon_netsim::relay::{Event, LISTEN, Relay, Way};
use pigeon_text::escape;

use super::console::Command;
use super::record::Recorder;
use super::report::{self, Screen, Totals};
use super::{OwnAddress, Shapes, this_host};
use crate::base::bind::explain;
use crate::base::cause::Watch;
use crate::base::lookup::Lookup;
use crate::base::quantity;
use crate::base::signals::Stop;
use crate::base::system_error;
use crate::output::Spool;
use crate::ui::console::WAITING;
use crate::words::say;

/// Time between statistics.
const TICK: Duration = Duration::from_secs(1);

/// The target's name is resolved again after it has not answered for this long.
const SILENCE: Duration = Duration::from_secs(5);

/// Opens the relay's sockets, runs console commands, and reports.
pub(super) struct RelayHost {
    /// Whether answers from other ports of the target's host are followed.
    pub(super) follow: bool,
    /// Options of a client's socket to the target.
    pub(super) options: SocketOptions,
    pub(super) screen: Screen,
    pub(super) data: Spool<Vec<u8>>,
    pub(super) json: bool,
    pub(super) commands: Receiver<Command>,
    pub(super) stop: Stop,
    pub(super) recorder: Option<Recorder>,
    /// The time and totals of the last tick.
    pub(super) before: (Instant, Totals),
    pub(super) told_no_socket: bool,
    /// Watches errors of the paths to the target and to clients.
    pub(super) ways: Watch,
    /// Resolves the target's name again, if it was given by name.
    pub(super) lookup: Option<Lookup>,
    /// Rejects a target that is this relay itself.
    pub(super) own: OwnAddress,
}

impl RelayHost {
    /// Shows the current conditions.
    pub(super) fn show(&mut self, relay: &Relay) {
        Shapes::of(relay).lines().into_iter().for_each(|line| self.screen.remark(line));
    }

    /// Applies conditions.
    fn apply(&mut self, relay: &mut Relay, now: Instant, shapes: Shapes) {
        for (way, shape) in [(Way::Up, &shapes.up), (Way::Down, &shapes.down)] {
            let changed = shape.conditions();
            if let Err(error) = changed.and_then(|c| relay.set_conditions(now, way, c)) {
                return self.screen.note(system_error::whole(&error));
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
                    self.screen.answer(say!("tools-relay-heard", address = &address, time = ago));
                }
                self.screen.answer(report::clients(relay.statistics().clients));
            }
            Command::Handover => {
                relay.handover();
                self.screen.note(say!("tools-relay-handover"));
            }
            Command::Help => self.screen.answer(say!("tools-relay-help")),
            Command::Wrong(reason) => self.screen.note(reason),
            Command::Quit => self.stop.set(),
        }
    }

    /// Opens a client's socket to the target.
    fn open(&mut self, relay: &mut Relay, io: &mut Io<'_>, id: SocketId) {
        let to = relay.target();
        let socket = match self.follow {
            true => Socket::bind_towards(to, &self.options),
            // The system reports refusals of a connected socket without the option.
            false => {
                let options = SocketOptions { refusals: false, ..self.options.clone() };
                Socket::connect(to, None, &options)
            }
        };
        let opened = socket.map_err(explain).and_then(|socket| {
            let local = socket.local_addr();
            io.open(id, socket).with_context(|| say!("errors-watch-socket"))?;
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

    /// A client's socket to the target could not be opened.
    fn lose(&mut self, relay: &mut Relay, id: SocketId, error: &anyhow::Error) {
        relay.cannot_open(id);
        if !std::mem::replace(&mut self.told_no_socket, true) {
            self.screen.note(say!("tools-relay-no-socket", error = system_error::chain(error)));
        }
    }

    /// Resolves the target's name again while it refuses or is silent, and continues at its new
    /// address.
    fn find_target(&mut self, relay: &mut Relay, now: Instant) {
        let Some(lookup) = &mut self.lookup else { return };
        // If no client sends, the resolver is left alone.
        let is_lost = relay.unanswered().is_some_and(|[first, last]| {
            (relay.is_refused() || now - first >= SILENCE) && now - last < 2 * SILENCE
        });
        if is_lost {
            lookup.ask(now);
        }
        let before = relay.target();
        let found = lookup.found().map(this_host).filter(|found| is_lost && *found != before);
        let Some(target) = found else { return };
        match self.own.refuse(target) {
            Err(error) => self.screen.note(error.to_string()),
            Ok(()) => {
                relay.set_target(target);
                self.screen.remark(say!("tools-relay-moved", target = &target, before = &before));
            }
        }
    }

    /// Reports errors of the paths to the target and to clients.
    fn look_at_ways(&mut self, relay: &Relay, io: &mut Io<'_>) {
        let Some(cause) = self.ways.look(io.now, &io.stats()) else { return };
        let said = cause.said();
        self.screen.note(match cause.to() {
            Some(to) if relay.clients().any(|(client, _)| client == to) => {
                say!("tools-relay-way-client", to = &to, cause = said)
            }
            _ => say!("tools-relay-way-target", to = &relay.target(), cause = said),
        });
    }

    fn note(&mut self, event: Event) {
        let is_usual = matches!(
            event,
            Event::Joined(_) | Event::Idle(_) | Event::TooLarge { .. } | Event::Step(_)
        );
        let line = match event {
            Event::Joined(client) => say!("tools-relay-client", client = &client),
            Event::Idle(client) => say!("tools-relay-idle", client = &client),
            Event::Full(from) => {
                say!("tools-relay-full", from = &from)
            }
            Event::Loop(from) => {
                say!("tools-relay-loop", from = &from)
            }
            Event::FromTarget(from) => say!("tools-relay-from-target", from = &from),
            Event::Followed { client, from } => {
                say!("tools-relay-followed", client = &client, from = &from)
            }
            Event::Refused => say!("tools-relay-refused"),
            Event::TooLarge { way, length, mtu } => {
                let way = if way == Way::Up { "up" } else { "down" };
                say!("tools-relay-too-large", way = way, length = &length, mtu = &mtu)
            }
            Event::Step(note) if note.is_empty() => return,
            Event::Step(note) => say!("tools-relay-step", note = &escape(&note)),
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
        self.find_target(relay, io.now);
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
        Some(self.ways.look_at().min(self.before.0 + TICK))
    }

    fn tick(&mut self, relay: &mut Relay, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.ways.look_at() <= io.now {
            self.look_at_ways(relay, io);
        }
        if io.now < self.before.0 + TICK {
            return ControlFlow::Continue(());
        }
        self.find_target(relay, io.now);
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

    /// Losing the clients' listening socket ends the relay; losing one client's socket ends that
    /// client.
    fn failed(&mut self, relay: &mut Relay, id: SocketId, error: io::Error) -> io::Result<()> {
        if id == LISTEN {
            return Err(error);
        }
        self.lose(relay, id, &anyhow::Error::new(error));
        Ok(())
    }
}
