//! What stands around a running relay: its console, its statistics, its record, a signal to stop.

use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use pigeon_datagram::{Instant, Received};
use pigeon_net::Stats;
use pigeon_netsim::relay::{Event, Port, Relay, Way};
use pigeon_text::escape;

use super::Shapes;
use super::console::{self, Command};
use super::pump::Host;
use super::record::Recorder;
use super::report::{self, Screen, Totals};
use crate::base::quantity;
use crate::base::signals::Stop;
use crate::output::Spool;
use crate::ui::console::WAITING;

/// How often statistics are told.
const TICK: Duration = Duration::from_secs(1);

/// What stands around the relay.
pub(super) struct Around {
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

impl Around {
    /// Says which conditions are in force.
    pub(super) fn show(&mut self, relay: &Relay) {
        Shapes::of(relay).lines().into_iter().for_each(|line| self.screen.note(line));
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

    fn obey(&mut self, relay: &mut Relay, now: Instant, stats: &Stats, command: Command) {
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
                let lines = Totals::new(relay, stats).lines();
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
}

impl Host for Around {
    fn woken(&mut self, relay: &mut Relay, now: Instant, stats: &Stats) -> ControlFlow<()> {
        let commands: Vec<Command> = self.commands.try_iter().take(WAITING).collect();
        for command in commands {
            self.obey(relay, now, stats, command);
        }
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn next_tick(&self) -> Option<Instant> {
        (self.json || self.screen.is_live()).then_some(self.before.0 + TICK)
    }

    fn tick(&mut self, relay: &Relay, now: Instant, stats: &Stats) {
        let totals = Totals::new(relay, stats);
        if self.json {
            self.data.line(totals.json());
        }
        self.screen.status(&totals.since(&self.before.1, now - self.before.0));
        self.before = (now, totals);
    }

    fn event(&mut self, event: Event) {
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
            Event::Refused => "the target refuses: nobody listens there".to_string(),
            Event::TooLarge { way, length, mtu } => {
                let way = if way == Way::Up { "up" } else { "down" };
                format!("{way}: {length} bytes are too large for the MTU of {mtu}; dropped")
            }
            Event::Step(note) if note.is_empty() => return,
            Event::Step(note) => format!("scenario: {}", escape(&note)),
            // The loop's own affair.
            Event::Open(_) | Event::Close(_) => return,
        };
        self.screen.note(line);
    }

    fn cannot_open(&mut self, error: &anyhow::Error) {
        if !std::mem::replace(&mut self.told_no_socket, true) {
            self.screen.note(format!("a client has no socket to the target: {error:#}"));
        }
    }

    fn arrived(&mut self, relay: &Relay, port: Port, joined: &Received<'_>, segment: usize) {
        if let Some(recorder) = &self.recorder {
            recorder.record(relay, port, joined, segment);
        }
    }
}
