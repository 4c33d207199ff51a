//! What stands around a session: the person, and a signal to stop.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;

use anyhow::Context;
use pigeon_client::{Contact, Event, Said, Session};
use pigeon_datagram::{Instant, SocketId};
use pigeon_net::{Host, Io};
use pigeon_proto::{Answer, Format, Gone, Name, Notice, Reason, Refusal, RoomName, Subject, Verb};
use rand_pcg::Pcg64;

use super::connect;
use super::meant::meant;
use super::memory::Memory;
use super::note::Note;
use super::view::View;
use crate::base::cause::Watch;
use crate::base::lookup::Lookup;
use crate::base::signals::Stop;
use crate::base::status::Status;
use crate::output::wall;
use crate::ui::typist::Typed;

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
            self.note(Note::NotKept { error: error.to_string() });
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
            self.note(Note::NotKept { error: error.to_string() });
        }
    }

    /// What it shows, and how it ended.
    pub(super) fn finish(mut self) -> (View, Status) {
        if let Some(Err(error)) = self.memory.as_mut().map(Memory::finish) {
            self.note(Note::NotKept { error: error.to_string() });
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

    /// Says what the system has said of the way to the hub.
    fn look_at_path(&mut self, io: &mut Io<'_>) {
        if let Some(cause) = self.path.look(io.now, &io.stats()) {
            self.note(Note::CutOff { error: cause.to_string() });
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
        let moved = connect(hub).map_err(anyhow::Error::from).and_then(|socket| {
            self.local = socket.local_addr();
            io.open(SocketId::FIRST, socket).context("cannot watch the socket")
        });
        if let Err(error) = moved {
            // The old address still counts, and the next look finds this one again.
            return self.note(Note::CutOff { error: format!("{error:#}") });
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
                self.note(Note::NotKept { error: format!("{error:#}") });
                None
            }
        };
        session.move_to(io.now, hub, left_off);
        (self.joined, self.removed, self.shown, self.reads) = (None, None, None, None);
        self.path.heard();
        self.view.moved(hub, self.local);
        self.note(Note::Moved { from });
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
        self.joined = Some(Note::Joined { name, members, format, secure_port });
        let takes_commands = matches!(format, Some(Format::Chat | Format::Classic));
        let brings_word = self.memory.as_ref().is_some_and(|memory| memory.left_off().is_some());
        if takes_commands && brings_word {
            return;
        }
        self.say_joined();
        // Nobody is let in before the password.
        let is_in = answer.you.as_ref().is_some_and(|you| you.room.is_some());
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
        ControlFlow::Continue(())
    }

    fn woken(&mut self, session: &mut Session<Pcg64>, io: &mut Io<'_>) -> ControlFlow<()> {
        let now = io.now;
        if let Some(status) = self.stop.status() {
            self.status = status;
            session.leave();
        }
        // As many lines as one drain carries; the rest follow at once.
        let typed: Vec<Typed> = self.typed.try_iter().take(64).collect();
        for typed in typed {
            match typed {
                Typed::Line(line) => self.say(session, now, &line),
                Typed::Refused => self.fail_script(),
                Typed::Leave(status) => {
                    if self.status == Status::Done {
                        self.status = status;
                    }
                    session.leave();
                }
            }
        }
        self.follow(session, io);
        self.view.look(session, now, &io.stats());
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
            Event::Left | Event::Unheard | Event::Silent { .. } => self.look_at_path(io),
            _ => self.path.heard(),
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
            Event::Received(payload) => {
                self.met = true;
                self.view.received(session, &payload);
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
            }
            Event::JoinedPlainly => {
                self.met = true;
                self.note(Note::JoinedPlainly { asked: self.plain });
                self.explain_name(session);
            }
            Event::Unheard => {
                // A refusal to be a member says enough.
                if !self.met {
                    self.note(Note::Unheard);
                }
                // The reason given is about the server, of which nothing is known yet.
                if self.plain {
                    self.explain_name(session);
                }
            }
            Event::NotSent(error) => {
                self.note(Note::NotSent(error));
                self.fail_script();
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
