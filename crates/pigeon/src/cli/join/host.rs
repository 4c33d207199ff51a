//! What stands around a session: the person, and a signal to stop.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use pigeon_client::{Contact, Event, Said, Session};
use pigeon_datagram::{Instant, SocketId};
use pigeon_net::{Host, Io};
use pigeon_proto::{
    Answer, Format, Gone, Name, Notice, Reason, Refusal, RoomName, Subject, Verb, is_control_line,
};
use rand_pcg::Pcg64;

use super::connect;
use super::forward::{Forward, Trouble};
use super::meant::meant;
use super::memory::Memory;
use super::note::{Note, Why};
use super::view::View;
use crate::base::bind::explain;
use crate::base::cause::{Cause, Watch};
use crate::base::lookup::Lookup;
use crate::base::signals::Stop;
use crate::base::status::Status;
use crate::base::system_error::chain;
use crate::output::wall;
use crate::ui::typist::Typed;

/// How often a session that has lost its hub looks whether this host has another address.
const ROAM_EVERY: Duration = Duration::from_secs(2);

/// What stands around a session.
pub(super) struct JoinHost {
    view: View,
    typed: Receiver<Typed>,
    stop: Stop,
    nick: Option<Name>,
    plain: bool,
    memory: Option<Memory>,
    /// Whether anything ever came from the hub.
    met: bool,
    /// Whether `--nick` asks for a name. Its refusal is no failure of what a script typed.
    asks_name: bool,
    path: Watch,
    /// Finds the hub's address anew, where it was given by a name.
    lookup: Option<Lookup>,
    /// Whether something is kept for the next session.
    remembers: bool,
    forward: Forward,
    /// Whether messages go to a program, so that stdin may well be empty.
    bridges: bool,
    /// Whether anything was read from stdin.
    has_typed: bool,
    /// Whether it was said that bytes are lost, since the hub was heard.
    said_lost: bool,
    /// When to look for another address of this host.
    roam_at: Instant,
    /// What the hub calls itself, if that is known.
    hub_name: Option<Name>,
    /// Our own address.
    local: SocketAddr,
    /// The note that the hub was joined, held back while the hub may still refuse our resume word and
    /// remove us.
    joined: Option<Note>,
    /// How the hub has removed us, until it lets us in again.
    removed: Option<Gone>,
    /// Our name and room as last shown.
    shown: Option<(Option<Name>, RoomName)>,
    /// Whether a command was typed since, which may ask for them.
    has_asked: bool,
    /// The room that is read.
    reads: Option<RoomName>,
    status: Status,
}

impl JoinHost {
    /// Around a session that asks for this name, unless it speaks plainly.
    pub(super) fn new(
        view: View,
        typed: Receiver<Typed>,
        stop: Stop,
        nick: Option<Name>,
        plain: bool,
        local: SocketAddr,
        now: Instant,
    ) -> Self {
        let asks_name = nick.is_some();
        JoinHost {
            view,
            typed,
            stop,
            nick,
            plain,
            memory: None,
            met: false,
            asks_name,
            path: Watch::new(now),
            lookup: None,
            remembers: false,
            forward: Forward::default(),
            bridges: false,
            has_typed: false,
            said_lost: false,
            roam_at: now,
            hub_name: None,
            local,
            joined: None,
            removed: None,
            shown: None,
            has_asked: false,
            reads: None,
            status: Status::Done,
        }
    }

    /// With what is kept for the next session.
    pub(super) fn with_memory(self, memory: Option<Memory>) -> Self {
        JoinHost { memory, ..self }
    }

    /// With the programs to which messages are forwarded.
    pub(super) fn with_forward(self, forward: Forward) -> Self {
        let bridges = self.view.is_raw() || !forward.is_over();
        JoinHost { forward, bridges, ..self }
    }

    /// With the name by which the hub is found again where it goes away. `remembers`: something is
    /// kept for the next session.
    pub(super) fn with_lookup(self, lookup: Option<Lookup>, remembers: bool) -> Self {
        JoinHost { lookup, remembers, ..self }
    }

    /// With what the hub calls itself.
    pub(super) fn with_hub_name(self, hub_name: Option<Name>) -> Self {
        JoinHost { hub_name, ..self }
    }

    /// Keeps where the session would leave off.
    fn remember(&mut self, session: &Session<Pcg64>) {
        if let (Some(memory), Some(left_off)) = (&mut self.memory, session.left_off())
            && let Err(error) = memory.keep(&left_off)
        {
            self.note(Note::NotKept { error: chain(&error) });
        }
    }

    /// Keeps how far the room is read. Of a room that was read before, the view marks what is new.
    fn see(&mut self, now: Instant, answer: &Answer) {
        let room = answer.you.as_ref().and_then(|you| you.room.as_ref());
        let (Some(room), Some(last @ 1..)) = (room, answer.last) else { return };
        let Some(memory) = &mut self.memory else { return };
        if self.reads.as_ref() != Some(room) {
            self.reads = Some(room.clone());
            if let Some(seen) = memory.seen(room) {
                self.view.seen(room, seen);
            }
        }
        if let Err(error) = memory.see(now, room, last) {
            self.note(Note::NotKept { error: chain(&error) });
        }
    }

    /// What it shows, and how it ended.
    pub(super) fn finish(mut self) -> (View, Status) {
        if let Some(Err(error)) = self.memory.as_mut().map(Memory::finish) {
            self.note(Note::NotKept { error: chain(&error) });
        }
        (self.view, self.status)
    }

    /// Shows news of the session.
    pub(super) fn note(&mut self, note: Note) {
        self.view.note(&note);
    }

    fn fail(&mut self) {
        if self.status == Status::Done {
            self.status = Status::Failed;
        }
    }

    /// A typed line reached nobody. A person reads why; a script needs the exit status.
    fn fail_script(&mut self) {
        if self.view.is_script() {
            self.fail();
        }
    }

    fn say(&mut self, session: &mut Session<Pcg64>, now: Instant, line: &[u8]) {
        self.has_asked |= is_command(line);
        // A hub only answers that it has no such command. A script may use those of a newer hub.
        let takes_commands = session.format().is_some_and(|format| format != Format::Raw);
        if takes_commands
            && !self.view.is_script()
            && let Some(command) = meant(&String::from_utf8_lossy(line), self.view.own_commands())
        {
            return self.note(Note::Meant { command });
        }
        match session.handle_line(now, line) {
            Ok(said @ (Said::Sent | Said::IntoSilence)) => {
                let is_lost = said == Said::IntoSilence;
                self.view.typed(session, now, line, is_lost);
                if is_lost {
                    self.note(match self.removed {
                        Some(gone) => Note::NotDelivered(gone),
                        None => Note::IntoSilence,
                    });
                    self.fail_script();
                }
            }
            Ok(Said::Nothing | Said::Answered | Said::Quit) => {}
            Err(error) => {
                self.note(Note::NotSent(error));
                self.fail_script();
            }
        }
    }

    /// Handles what was typed, or read from stdin.
    fn take_typed(&mut self, session: &mut Session<Pcg64>, now: Instant) {
        // As many lines as one drain carries; the rest follow at once. Bytes wait where they are read
        // until it is known what the server does with them.
        let waits = self.view.is_raw() && session.contact() == Contact::Asking;
        let typed: Vec<Typed> = self.typed.try_iter().take(if waits { 0 } else { 64 }).collect();
        self.has_typed |= typed.iter().any(|typed| matches!(typed, Typed::Line(_)));
        for typed in typed {
            match typed {
                Typed::Line(payload) if self.view.is_raw() => self.send(session, now, &payload),
                Typed::Line(line) => self.say(session, now, &line),
                // Who only listens is given an empty stdin.
                Typed::Leave(Status::Done) if self.bridges && !self.has_typed && !is_typed_on() => {
                }
                Typed::Refused => self.fail_script(),
                Typed::Leave(status) => {
                    if self.status == Status::Done {
                        self.status = status;
                    }
                    session.leave();
                }
            }
        }
    }

    /// Handles the bytes that have waited until the server was known.
    fn take_bytes(&mut self, session: &mut Session<Pcg64>, now: Instant) {
        if self.view.is_raw() {
            self.take_typed(session, now);
        }
    }

    /// Sends bytes that were read from stdin.
    fn send(&mut self, session: &mut Session<Pcg64>, now: Instant, payload: &[u8]) {
        match session.handle_payload(now, payload) {
            // Once: a stream would say it a thousand times a second.
            Ok(Said::IntoSilence) if !std::mem::replace(&mut self.said_lost, true) => {
                self.note(Note::IntoSilence);
                self.fail_script();
            }
            Ok(_) => {}
            Err(error) => {
                self.note(Note::NotSent(error));
                self.fail_script();
            }
        }
    }

    /// Says what forwarding has met. A target that leads into the room ends the session: it was a
    /// mistake on the command line.
    fn tell(&mut self, session: &mut Session<Pcg64>, troubles: Vec<Trouble>) {
        for trouble in troubles {
            if let Trouble::Loop { .. } = trouble {
                self.fail();
                session.leave();
            }
            self.note(Note::Forward(trouble));
        }
    }

    /// Says what the system has said of the way to the hub.
    fn look_at_path(&mut self, io: &mut Io<'_>) {
        if let Some(cause) = self.path.look(io.now, &io.stats()) {
            self.note(Note::CutOff { why: Why::System(cause) });
        }
    }

    /// Goes on from this host's present address. A connected socket keeps the one it began with, and
    /// nothing leaves from an address that is gone: the laptop has woken up in another network.
    fn roam(&mut self, session: &Session<Pcg64>, io: &mut Io<'_>) {
        if !session.is_lost() || io.now < self.roam_at {
            return;
        }
        self.roam_at = io.now + ROAM_EVERY;
        let Ok(socket) = connect(session.hub()) else { return };
        let local = socket.local_addr();
        if local.ip() != self.local.ip() && io.open(SocketId::FIRST, socket).is_ok() {
            self.local = local;
            self.view.moved(session.hub(), local);
        }
    }

    /// Looks the hub's name up again while the hub is away, and goes on where it is now.
    fn follow(&mut self, session: &mut Session<Pcg64>, io: &mut Io<'_>) {
        let Some(lookup) = &mut self.lookup else { return };
        let (from, is_lost) = (session.hub(), session.is_lost());
        if is_lost {
            lookup.ask(io.now);
        }
        let Some(hub) = lookup.found().filter(|hub| is_lost && *hub != from) else { return };
        let moved = connect(hub).map_err(explain).and_then(|socket| {
            self.local = socket.local_addr();
            io.open(SocketId::FIRST, socket).context("cannot watch the socket")
        });
        if let Err(error) = moved {
            // The old address still counts, and the next look finds this one again.
            return self.note(Note::CutOff { why: Why::Socket(chain(&error)) });
        }
        // First, as another client may wait for the name that was held there.
        self.memory = None;
        let memory = self.remembers.then(|| Memory::open(hub)).transpose();
        let left_off = match memory {
            Ok(memory) => {
                self.memory = memory.flatten();
                self.memory.as_ref().and_then(|memory| memory.left_off().cloned())
            }
            Err(error) => {
                self.note(Note::NotKept { error: chain(&error) });
                None
            }
        };
        session.move_to(io.now, hub, left_off);
        (self.joined, self.removed, self.shown, self.reads) = (None, None, None, None);
        self.path.heard();
        self.view.moved(hub, self.local);
        self.note(Note::Moved { from });
        let troubles = self.forward.moved(hub);
        self.tell(session, troubles);
    }

    /// Says that the system did not send a line, and why: once for a stream of bytes.
    fn not_sent(&mut self, io: &mut Io<'_>) {
        let stats = io.stats();
        // The cause stands beside the line; it need not be said of the way as well.
        let _ = self.path.look(io.now, &stats);
        self.fail_script();
        if self.view.is_raw() && std::mem::replace(&mut self.said_lost, true) {
            return;
        }
        if let Some(cause) = Cause::of(&stats) {
            self.note(Note::Unsent { cause });
        }
    }

    /// Says, once, that nobody asks for the name.
    fn explain_name(&mut self, session: &Session<Pcg64>) {
        if session.keeps_name_to_itself()
            && let Some(name) = self.nick.take()
        {
            self.note(Note::NameKept { name, asked: self.plain });
        }
    }

    /// Says that the hub was joined: at once, or after its answer to our resume word.
    fn join(&mut self, session: &Session<Pcg64>, answer: &Answer) {
        let (members, format, secure_port) = (answer.members, answer.format, answer.secure_port);
        let name = self.hub_name.clone();
        let takes_commands = matches!(format, Some(Format::Chat | Format::Classic));
        // Nobody is let in before the password.
        let has_room = answer.you.as_ref().is_some_and(|you| you.room.is_some());
        let is_in = has_room || !takes_commands;
        self.joined = Some(Note::Joined { name, members, format, secure_port, is_in });
        let brings_word = self.memory.as_ref().is_some_and(|memory| memory.left_off().is_some());
        if takes_commands && brings_word {
            return;
        }
        self.say_joined();
        if takes_commands && is_in && session.name().is_none() && !self.view.is_script() {
            self.note(Note::NoName { address: self.local });
        }
    }

    fn say_joined(&mut self) {
        if let Some(joined) = self.joined.take() {
            self.note(joined);
        }
    }

    /// Whether a notice only repeats our name and room, which nobody asked for.
    fn repeats_name(&mut self, notice: &Notice) -> bool {
        let Notice::Name { name, room, .. } = notice else { return false };
        let now = Some((name.clone(), room.clone()));
        let has_asked = std::mem::take(&mut self.has_asked);
        std::mem::replace(&mut self.shown, now.clone()) == now && !has_asked && !self.view.is_data()
    }

    fn notice(&mut self, session: &Session<Pcg64>, now: Instant, notice: &Notice) {
        self.met = true;
        match notice {
            Notice::Gone(gone) => {
                self.removed = Some(*gone).filter(|_| session.contact() == Contact::Removed);
                self.note(Note::Gone(*gone));
            }
            Notice::Refused(refusal) if refusal.what == Subject::Member => {
                let is_known = matches!(refusal.why, Reason::Kicked | Reason::Banned)
                    && self.removed.is_some()
                    && !self.view.is_data();
                if !is_known {
                    self.note(Note::NotAdmitted(refusal.clone()));
                }
                // The script may be about to give the password.
                if refusal.why != Reason::Password {
                    self.fail_script();
                }
            }
            Notice::Refused(refusal) => {
                self.view.notice(session, now, notice);
                // A script that asks for a name speaks under another where that is taken.
                let is_typed = !(self.asks_name && is_about_name(refusal));
                if is_typed {
                    self.fail_script();
                }
            }
            notice if self.repeats_name(notice) => {}
            notice => self.view.notice(session, now, notice),
        }
    }
}

/// Whether a person types at a terminal, and ends it with Ctrl-D.
fn is_typed_on() -> bool {
    io::stdin().is_terminal()
}

fn is_command(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"/") || line.starts_with("／".as_bytes())
}

fn is_about_name(refusal: &Refusal) -> bool {
    matches!(refusal.what, Subject::Command(Verb::Nick | Verb::Resume))
}

impl Host<Session<Pcg64>> for JoinHost {
    fn deadline(&self) -> Option<Instant> {
        Some(self.path.look_at())
    }

    fn tick(&mut self, session: &mut Session<Pcg64>, io: &mut Io<'_>) -> ControlFlow<()> {
        self.look_at_path(io);
        self.follow(session, io);
        self.roam(session, io);
        let troubles = self.forward.look(io.now);
        self.tell(session, troubles);
        ControlFlow::Continue(())
    }

    fn woken(&mut self, session: &mut Session<Pcg64>, io: &mut Io<'_>) -> ControlFlow<()> {
        let now = io.now;
        if let Some(status) = self.stop.status() {
            self.status = status;
            session.leave();
        }
        if self.view.is_closed() {
            session.leave();
        }
        self.take_typed(session, now);
        self.follow(session, io);
        let cut_off = self.path.current(now).map(|cause| cause.said());
        self.view.look(session, now, &io.stats(), cut_off.as_deref());
        ControlFlow::Continue(())
    }

    fn event(
        &mut self,
        session: &mut Session<Pcg64>,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        let now = io.now;
        match event {
            Event::Left | Event::Unheard | Event::Silent { .. } | Event::Undelivered { .. } => {
                self.look_at_path(io);
            }
            // Says nothing about the way.
            Event::NotSent(_) | Event::Unsent => {}
            _ => {
                let is_back = self.path.heard();
                if is_back && !matches!(event, Event::Joined(_) | Event::Again { .. }) {
                    self.note(Note::Reached);
                }
                self.said_lost = false;
            }
        }
        self.view.event(now, &event);
        match &event {
            Event::Notice(Notice::Gone(Gone::Kicked | Gone::Banned)) => self.joined = None,
            Event::Notice(Notice::Refused(refusal)) if refusal.what == Subject::Member => {
                self.joined = None;
            }
            _ => self.say_joined(),
        }
        match event {
            // No hub relays a control line, so it is nobody's message.
            Event::Received(payload) if self.bridges && is_control_line(&payload) => {}
            Event::Received(payload) => {
                self.met = true;
                self.view.received(session, &payload);
                let troubles = self.forward.send(now, session.format(), &payload);
                self.tell(session, troubles);
            }
            Event::Notice(notice) => {
                self.notice(session, now, &notice);
                self.remember(session);
            }
            Event::Answered(answer) => {
                self.remember(session);
                self.see(now, &answer);
            }
            Event::Background(_) => self.remember(session),
            Event::Joined(answer) => {
                self.met = true;
                self.see(now, &answer);
                self.join(session, &answer);
                self.explain_name(session);
                self.take_bytes(session, now);
            }
            Event::JoinedPlainly => {
                self.met = true;
                self.note(Note::JoinedPlainly { asked: self.plain });
                self.explain_name(session);
                self.take_bytes(session, now);
            }
            Event::Unheard => {
                // A refusal to be a member says enough, and so does the system.
                if !self.met && self.path.current(now).is_none() {
                    self.note(Note::Unheard);
                }
                // The reason given is about the server, of which nothing is known yet.
                if self.plain {
                    self.explain_name(session);
                }
                self.take_bytes(session, now);
            }
            Event::NotSent(error) => {
                self.note(Note::NotSent(error));
                self.fail_script();
            }
            Event::Unsent => self.not_sent(io),
            // It was shown above. Whether it was a line or a heartbeat is unknown.
            Event::Undelivered { passing } => {
                if !passing && self.has_typed {
                    self.fail_script();
                }
            }
            Event::Refused if !self.met => {
                let hub = session.hub().ip();
                let is_here = hub.is_loopback() || hub == self.local.ip();
                self.note(Note::NobodyListens { is_here });
                self.status = Status::Failed;
                return ControlFlow::Break(());
            }
            Event::Refused => self.note(Note::Refused),
            Event::Silent { since } => {
                let ago = now - since;
                let wall = wall::local(None).saturating_sub(ago);
                self.note(Note::Silent { since: wall::time_of_day(&wall), ago });
            }
            Event::Again { after } => {
                self.shown = None;
                let removed = self.removed.take();
                let was_removed = matches!(removed, Some(Gone::Kicked | Gone::Banned));
                self.note(Note::Again { after, was_removed });
            }
            Event::Left => {
                // A plain server need not answer anything.
                if !self.met && !self.plain && self.status == Status::Done {
                    self.note(Note::NeverHeard);
                    self.status = Status::Failed;
                }
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
