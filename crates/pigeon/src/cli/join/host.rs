//! The host of a session: user input, output, and a signal to stop.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use pigeon_client::{Contact, Event, Said, Session, action};
use pigeon_datagram::{Instant, SocketId};
use pigeon_net::{Clock, Host, Io, Socket};
use pigeon_proto::{
    Answer, Format, Gone, Name, Notice, Reason, Refusal, RoomName, Setting, Subject, Verb,
    is_control_line,
};
use rand_pcg::Pcg64;

use super::connect;
use super::forward::{Forward, Trouble};
use super::gate::Delivery;
use super::keyed::Keyed;
use super::link::{Link, LinkEvent};
use super::meant::meant;
use super::memory::Memory;
use super::note::{Note, Why};
use super::view::View;
use crate::base::bind::explain;
use crate::base::cause::{Cause, Watch};
use crate::base::lookup::Lookup;
use crate::base::member::Opened;
use crate::base::signals::Stop;
use crate::base::status::Status;
use crate::base::system_error::chain;
use crate::output::wall;
use crate::ui::typist::Typed;
use crate::words::{self, say};

/// Time between checks for a new local address while the hub is silent.
const ROAM_EVERY: Duration = Duration::from_secs(2);

/// The host of a session.
pub(super) struct JoinHost {
    view: View,
    typed: Receiver<Typed>,
    stop: Stop,
    nick: Option<Name>,
    plain: bool,
    memory: Option<Memory>,
    /// Another person of this user.
    person: Option<Name>,
    /// How others see a member with a key that has no name.
    label: Option<String>,
    /// Whether a member without a name has yet to read how others see it.
    is_nameless: bool,
    /// Whether another client has the state for the next session, until the user knows.
    is_second: bool,
    /// Whether anything was received from the hub.
    met: bool,
    /// Whether `--nick` requests a name. Its refusal is not a failure of a script's line.
    asks_name: bool,
    path: Watch,
    /// Resolves the hub's address again, if it was given by name.
    lookup: Option<Lookup>,
    /// Whether state is stored for the next session.
    remembers: bool,
    forward: Forward,
    /// Whether messages are forwarded to a program, so that stdin may be empty.
    bridges: bool,
    /// Whether anything was read from stdin.
    has_typed: bool,
    /// Whether lost bytes have been reported since the hub was last heard.
    said_lost: bool,
    /// When to check for a new local address.
    roam_at: Instant,
    /// The hub's name, if known.
    hub_name: Option<Name>,
    /// Our own address.
    local: SocketAddr,
    /// The note about joining, held back while the hub may still refuse our resume token and remove
    /// us.
    joined: Option<Note>,
    /// Why the hub removed us, until it admits us again.
    removed: Option<Gone>,
    /// Our name and room as last shown.
    shown: Option<(Option<Name>, RoomName)>,
    /// Whether a command was sent since `shown` was set. The command may have requested a new name
    /// or room, so the next change is shown.
    has_asked: bool,
    /// The room being read.
    reads: Option<RoomName>,
    /// The settings for a member with a key. `None`: the session stays plain.
    keyed: Option<Keyed>,
    clock: Clock,
    /// The announced port for members with a key.
    secure_port: Option<u16>,
    /// Whether the session uses a member with a key.
    is_secure: bool,
    /// Whether the member with a key is not connected.
    is_cut_off: bool,
    next_socket: Option<Socket>,
    typed_password: Option<String>,
    status: Status,
}

impl JoinHost {
    /// A host for a session. The session requests the name `nick`, unless it is `plain`.
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
            person: None,
            label: None,
            is_nameless: false,
            is_second: false,
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
            keyed: None,
            clock: Clock::start(),
            secure_port: None,
            is_secure: false,
            is_cut_off: false,
            next_socket: None,
            typed_password: None,
            status: Status::Done,
        }
    }

    /// Adds the state stored for the next session.
    pub(super) fn with_memory(self, memory: Option<Memory>) -> Self {
        JoinHost { memory, ..self }
    }

    /// Joins as another person of this user. `is_second`: beside another client with the same key.
    pub(super) fn with_person(self, person: Option<Name>, is_second: bool) -> Self {
        JoinHost { person, is_second, ..self }
    }

    /// Adds the settings for a member with a key. `clock` is the loop's clock.
    pub(super) fn with_keyed(self, keyed: Option<Keyed>, clock: Clock) -> Self {
        JoinHost { keyed, clock, ..self }
    }

    /// Adds the programs that get forwarded messages.
    pub(super) fn with_forward(self, forward: Forward) -> Self {
        let bridges = self.view.is_raw() || !forward.is_over();
        JoinHost { forward, bridges, ..self }
    }

    /// Adds the name that is resolved again if the hub goes away. `remembers`: state is stored for
    /// the next session.
    pub(super) fn with_lookup(self, lookup: Option<Lookup>, remembers: bool) -> Self {
        JoinHost { lookup, remembers, ..self }
    }

    pub(super) fn with_hub_name(self, hub_name: Option<Name>) -> Self {
        JoinHost { hub_name, ..self }
    }

    /// Stores the session's state for the next one.
    fn remember(&mut self, session: &Session<Pcg64>) {
        if let (Some(memory), Some(left_off)) = (&mut self.memory, session.left_off())
            && let Err(error) = memory.keep(&left_off)
        {
            self.note(Note::NotKept { error: chain(&error) });
        }
    }

    /// Stores the read position of the room. In a room read before, the view marks new messages.
    fn see(&mut self, now: Instant, answer: &Answer) {
        let room = answer.you.as_ref().and_then(|you| you.room.as_ref());
        let (Some(room), Some(memory)) = (room, &mut self.memory) else { return };
        if self.reads.as_ref() != Some(room) {
            self.reads = Some(room.clone());
            if let Some(seen) = memory.seen(room) {
                self.view.seen(room, seen);
            }
        }
        let Some(last @ 1..) = answer.last else { return };
        if let Err(error) = memory.see(now, room, last) {
            self.note(Note::NotKept { error: chain(&error) });
        }
    }

    /// Returns the view and the exit status.
    pub(super) fn finish(mut self) -> (View, Status) {
        if let Some(Err(error)) = self.memory.as_mut().map(Memory::finish) {
            self.note(Note::NotKept { error: chain(&error) });
        }
        (self.view, self.status)
    }

    /// Shows a note about the session.
    pub(super) fn note(&mut self, note: Note) {
        self.view.note(&note);
    }

    fn fail(&mut self) {
        if self.status == Status::Done {
            self.status = Status::Failed;
        }
    }

    /// Records that a line reached no one, for a script's exit status. A user reads the note
    /// instead.
    fn fail_script(&mut self) {
        if self.view.is_script() {
            self.fail();
        }
    }

    /// Whether the hub offers encryption and first requires a password. Until then nothing else is
    /// sent, because it would go out in clear text.
    fn awaits_password(&self) -> bool {
        self.keyed.is_some() && self.secure_port.is_some() && !self.is_secure
    }

    fn say(&mut self, session: &mut Session<Pcg64>, now: Instant, line: &[u8]) {
        if let Some(password) = password_in(line)
            && self.keyed.is_some()
            && (self.secure_port.is_some() || self.is_secure)
        {
            self.typed_password = Some(password.into());
            return;
        }
        let is_sent = !Session::<Pcg64>::is_last_line(session.hub(), line) && !line.is_empty();
        if self.awaits_password() && is_sent {
            let refusal = Refusal::new(Subject::Say, Reason::Password);
            self.view.notice(session, now, &Notice::Refused(refusal));
            return self.fail_script();
        }
        // A member with a key would keep it on disk, and say it when the hub admits it again.
        if let Some(gone @ (Gone::Kicked | Gone::Banned)) = self.removed
            && self.is_secure
            && is_sent
        {
            self.note(Note::NotDelivered(gone));
            return self.fail_script();
        }
        self.has_asked |= is_command(line);
        // A hub may answer only that the command is unknown. A script may use those of a newer hub.
        let takes_commands = session.format().is_some_and(|format| format != Format::Raw);
        if takes_commands
            && !self.view.is_script()
            && let Some(command) = meant(&String::from_utf8_lossy(line), self.view.own_commands())
        {
            return self.note(Note::Meant { command });
        }
        match session.handle_line(now, line) {
            Ok(said @ (Said::Sent | Said::IntoSilence)) => {
                // A member with a key has a message on disk, and sends it again; not a command.
                let is_lost = match self.is_secure {
                    true => self.is_cut_off && !is_message(line),
                    false => said == Said::IntoSilence,
                };
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

    /// Handles typed lines, or stdin.
    fn take_typed(&mut self, session: &mut Session<Pcg64>, now: Instant) {
        // As many lines as one drain carries; the rest follow at once. Raw bytes wait until the
        // kind of server is known, and lines until it is known whether they are encrypted.
        let is_undecided = self.keyed.is_some() && !self.is_secure;
        let waits = (self.view.is_raw() || is_undecided) && session.contact() == Contact::Asking;
        let typed: Vec<Typed> = self.typed.try_iter().take(if waits { 0 } else { 64 }).collect();
        self.has_typed |= typed.iter().any(|typed| matches!(typed, Typed::Line(_)));
        for typed in typed {
            match typed {
                Typed::Line(payload) if self.view.is_raw() => self.send(session, now, &payload),
                Typed::Line(line) => self.say(session, now, &line),
                // A listener has an empty stdin.
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

    /// Handles bytes that waited until the kind of server was known.
    fn take_bytes(&mut self, session: &mut Session<Pcg64>, now: Instant) {
        if self.view.is_raw() || self.keyed.is_some() {
            self.take_typed(session, now);
        }
    }

    /// Sends bytes read from stdin.
    fn send(&mut self, session: &mut Session<Pcg64>, now: Instant, payload: &[u8]) {
        match session.handle_payload(now, payload) {
            // Reported once: a stream would report it a thousand times a second.
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

    /// Reports problems of forwarding. A target that leads into the room ends the session, because
    /// the command line is wrong.
    fn tell(&mut self, session: &mut Session<Pcg64>, troubles: Vec<Trouble>) {
        for trouble in troubles {
            if let Trouble::Loop { .. } = trouble {
                self.fail();
                session.leave();
            }
            self.note(Note::Forward(trouble));
        }
    }

    /// Reports errors of the path to the hub.
    fn look_at_path(&mut self, io: &mut Io<'_>) {
        if let Some(cause) = self.path.look(io.now, &io.stats()) {
            self.note(Note::CutOff { why: Why::System(cause) });
        }
    }

    /// Continues from this host's current address. A connected socket keeps its original address
    /// and cannot send once that is gone, for example after a laptop wakes in another network.
    fn roam(&mut self, link: &mut Link, io: &mut Io<'_>) {
        if !link.is_lost() || io.now < self.roam_at {
            return;
        }
        self.roam_at = io.now + ROAM_EVERY;
        let Some((id, peer)) = link.socket() else { return };
        let Ok(socket) = connect(peer) else { return };
        let local = socket.local_addr();
        if local.ip() != self.local.ip() && io.open(id, socket).is_ok() {
            self.local = local;
            link.rebind(io.now);
            self.view.moved(link.session().hub(), local);
        }
    }

    /// Resolves the hub's name again while the hub is away, and continues at its new address.
    fn follow(&mut self, link: &mut Link, io: &mut Io<'_>) {
        let Some(lookup) = &mut self.lookup else { return };
        let (from, is_lost) = (link.session().hub(), link.is_lost());
        if is_lost {
            lookup.ask(io.now);
        }
        let Some(hub) = lookup.found().filter(|hub| is_lost && *hub != from) else { return };
        let at = link.secure_peer().map_or(hub, |it| SocketAddr::new(hub.ip(), it.port()));
        let moved = connect(at).map_err(explain).and_then(|socket| {
            self.local = socket.local_addr();
            match link.secure_peer() {
                // The member opens its own.
                Some(_) => Ok(()),
                None => {
                    io.open(SocketId::FIRST, socket).with_context(|| say!("errors-watch-socket"))
                }
            }
        });
        if let Err(error) = moved {
            // The old address stays in use, and the next lookup finds the new one again.
            return self.note(Note::CutOff { why: Why::Socket(chain(&error)) });
        }
        // First, because another client may be waiting for its lock.
        self.memory = None;
        let memory =
            self.remembers.then(|| Memory::open(hub, self.person.as_ref(), self.nick.as_ref()));
        let memory = memory.transpose();
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
        link.move_to(io.now, hub, left_off);
        (self.joined, self.removed, self.shown, self.reads) = (None, None, None, None);
        self.path.heard();
        self.view.moved(hub, self.local);
        self.note(Note::Moved { from });
        let troubles = self.forward.moved(hub);
        link.with(io.now, |session| self.tell(session, troubles));
    }

    /// Reports that the system did not send a line, and why; once for a stream of bytes.
    fn not_sent(&mut self, io: &mut Io<'_>) {
        let stats = io.stats();
        // The line's report has the cause, so the path need not report it again.
        let _ = self.path.look(io.now, &stats);
        self.fail_script();
        if self.view.is_raw() && std::mem::replace(&mut self.said_lost, true) {
            return;
        }
        if let Some(cause) = Cause::of(&stats) {
            self.note(Note::Unsent { cause });
        }
    }

    /// Explains, once, why the name is not requested.
    fn explain_name(&mut self, session: &Session<Pcg64>) {
        if session.keeps_name_to_itself()
            && let Some(name) = self.nick.take()
        {
            self.note(Note::NameKept { name, asked: self.plain });
        }
    }

    /// Reports that the hub was joined: at once, or after its answer to our resume token.
    fn join(&mut self, session: &Session<Pcg64>, answer: &Answer) {
        let (members, format, secure_port) = (answer.members, answer.format, answer.secure_port);
        let name = self.hub_name.clone();
        let takes_commands = matches!(format, Some(Format::Chat | Format::Classic));
        // The hub admits no one before the password.
        let has_room = answer.you.as_ref().is_some_and(|you| you.room.is_some());
        let is_in = has_room || !takes_commands;
        self.joined = Some(Note::Joined { name, members, format, secure_port, is_in });
        let brings_word = self.memory.as_ref().is_some_and(|memory| memory.left_off().is_some());
        if takes_commands && brings_word {
            return;
        }
        self.say_joined();
        self.is_nameless = takes_commands && is_in && !self.view.is_script();
        self.say_nameless(session);
    }

    /// Says, once, how others see a member without a name: by its address, or by its key.
    fn say_nameless(&mut self, session: &Session<Pcg64>) {
        let seen_as = match self.is_secure {
            true => self.label.clone(),
            false => Some(self.local.to_string()),
        };
        if let Some(seen_as) = seen_as.filter(|_| self.is_nameless) {
            self.is_nameless = false;
            if session.name().is_none() {
                self.note(Note::NoName { seen_as });
            }
        }
    }

    /// Says, once, that another window is the same member.
    fn say_second(&mut self) {
        if self.is_secure && std::mem::take(&mut self.is_second) {
            self.note(Note::SameMember);
        }
    }

    fn say_joined(&mut self) {
        if let Some(joined) = self.joined.take() {
            self.note(joined);
        }
    }

    /// Whether a notice only repeats, without a request, our name and room, or the language with
    /// which we joined.
    fn repeats(&mut self, notice: &Notice) -> bool {
        let is_same = match notice {
            Notice::Name { name, room, .. } => {
                let now = Some((name.clone(), room.clone()));
                std::mem::replace(&mut self.shown, now.clone()) == now
            }
            Notice::Set(Setting::Language(language)) => *language == words::language(),
            _ => return false,
        };
        !std::mem::take(&mut self.has_asked) && is_same && !self.view.is_data()
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
                // The script may be about to send the password.
                if refusal.why != Reason::Password {
                    self.fail_script();
                }
            }
            Notice::Refused(refusal) => {
                self.view.notice(session, now, notice);
                // A script that requests a name continues under another if that is taken.
                let is_typed = !(self.asks_name && is_about_name(refusal));
                if is_typed {
                    self.fail_script();
                }
            }
            notice if self.repeats(notice) => {}
            notice => self.view.notice(session, now, notice),
        }
    }
}

/// Whether a user at a terminal may still type, and ends with Ctrl-D.
fn is_typed_on() -> bool {
    io::stdin().is_terminal()
}

/// The password in a `/pass` line.
fn password_in(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let rest = line.strip_prefix("/pass ").or_else(|| line.strip_prefix("／pass "))?;
    Some(rest.trim()).filter(|password| !password.is_empty())
}

fn is_command(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"/") || line.starts_with("／".as_bytes())
}

/// Whether a line is said to the room: also `//TEXT` and `/me TEXT`.
fn is_message(line: &[u8]) -> bool {
    let bare = line.trim_ascii();
    let is_doubled = bare.starts_with(b"//") || bare.starts_with("／／".as_bytes());
    !is_command(bare) || is_doubled || action(bare).is_some()
}

fn is_about_name(refusal: &Refusal) -> bool {
    matches!(refusal.what, Subject::Command(Verb::Nick | Verb::Resume))
}

impl Host<Link> for JoinHost {
    fn deadline(&self) -> Option<Instant> {
        Some(self.path.look_at())
    }

    fn tick(&mut self, link: &mut Link, io: &mut Io<'_>) -> ControlFlow<()> {
        self.look_at_path(io);
        self.follow(link, io);
        self.roam(link, io);
        let troubles = self.forward.look(io.now);
        link.with(io.now, |session| self.tell(session, troubles));
        ControlFlow::Continue(())
    }

    fn woken(&mut self, link: &mut Link, io: &mut Io<'_>) -> ControlFlow<()> {
        let now = io.now;
        let is_over = self.view.is_closed();
        if let Some(status) = self.stop.status() {
            self.status = status;
            link.with(now, Session::leave);
        } else if is_over {
            link.with(now, Session::leave);
        }
        self.look_at(link);
        link.with(now, |session| self.take_typed(session, now));
        if let Some(password) = self.typed_password.take() {
            self.give_password(link, &password)?;
        }
        self.follow(link, io);
        let cut_off = self.path.current(now).map(|cause| cause.said());
        self.view.set_delivery(link.delivery());
        let stats = io.stats();
        link.with(now, |session| self.view.look(session, now, &stats, cut_off.as_deref()));
        ControlFlow::Continue(())
    }

    fn event(&mut self, link: &mut Link, io: &mut Io<'_>, event: LinkEvent) -> ControlFlow<()> {
        let now = io.now;
        self.look_at(link);
        match event {
            LinkEvent::Delivery(delivery) => return self.delivery(delivery),
            LinkEvent::Opens(id, hub) => {
                let is_open = connect(hub).is_ok_and(|socket| {
                    self.local = socket.local_addr();
                    io.open(id, socket).is_ok()
                });
                link.opened(io.now, id, is_open);
            }
            LinkEvent::Closes(id) => io.close(id),
            LinkEvent::Switch => {
                if let Some(socket) = self.next_socket.take() {
                    self.local = socket.local_addr();
                    if io.open(SocketId::FIRST, socket).is_err() {
                        self.fail();
                        return ControlFlow::Break(());
                    }
                }
            }
            LinkEvent::Session(event) => {
                if let Event::Joined(answer) | Event::Answered(answer) = &event {
                    self.offer(link, answer)?;
                    self.look_at(link);
                }
                // What was said since the last heartbeat was read too, and is not new next time.
                if let (Event::Left, Some((room, last @ 1..))) = (&event, link.newest())
                    && let Some(memory) = &mut self.memory
                {
                    // If it fails, `finish` tries again and reports it.
                    let _ = memory.see(now, room, last);
                }
                let waiting = link.delivery().map_or(0, |delivery| delivery.waiting);
                if let (Event::Left, count @ 1..) = (&event, waiting) {
                    self.note(Note::Delivery(Delivery::LeftWaiting(count)));
                    self.fail();
                }
                return link.with(now, |session| self.session_event(session, io, event));
            }
        }
        ControlFlow::Continue(())
    }
}

impl JoinHost {
    /// Switches to a member with a key if the hub accepts those, unless the hub first requires a
    /// password.
    fn offer(&mut self, link: &mut Link, answer: &Answer) -> ControlFlow<()> {
        let port = answer.secure_port.filter(|_| !link.is_secure());
        let (Some(port), Some(keyed)) = (port, &self.keyed) else {
            return ControlFlow::Continue(());
        };
        let is_in = answer.you.as_ref().is_some_and(|you| you.room.is_some());
        self.secure_port = Some(port);
        match is_in || keyed.has_password() {
            true => self.upgrade(link, port),
            false => ControlFlow::Continue(()),
        }
    }

    /// Updates what is known of the link.
    fn look_at(&mut self, link: &Link) {
        self.is_secure = link.is_secure();
        self.label = link.label();
        self.is_cut_off = link.delivery().is_some_and(|delivery| !delivery.is_connected);
    }

    /// Handles a typed password, which is sent encrypted.
    fn give_password(&mut self, link: &mut Link, password: &str) -> ControlFlow<()> {
        let port = link.secure_peer().map(|hub| hub.port()).or(self.secure_port);
        if let (Some(keyed), Some(port)) = (&mut self.keyed, port) {
            keyed.set_password(password);
            return self.upgrade(link, port);
        }
        ControlFlow::Continue(())
    }

    /// Breaks the loop if a member cannot be replaced.
    fn upgrade(&mut self, link: &mut Link, port: u16) -> ControlFlow<()> {
        let Some(keyed) = &self.keyed else { return ControlFlow::Continue(()) };
        let hub = SocketAddr::new(link.session().hub().ip(), port);
        let left_off = link.session().left_off();
        let is_replaced = link.is_secure();
        link.release();
        match keyed.open(hub, self.clock, left_off.as_ref(), self.nick.as_ref()) {
            Ok(Opened { member, socket, fingerprint, is_first, .. }) => {
                self.next_socket = Some(socket);
                self.note(Note::Secure { fingerprint: fingerprint.to_string(), is_first });
                link.upgrade(member);
            }
            Err(error) => {
                // The upgrade is tried only once. If it fails, the plain session continues.
                self.keyed = None;
                self.note(Note::NotSecure { error: chain(&error.into()) });
                if is_replaced {
                    self.fail();
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Reports delivery. A stored message needs no report, because its copy is shown.
    /// Another hub at the address ends the session.
    fn delivery(&mut self, delivery: Delivery) -> ControlFlow<()> {
        let is_other = delivery == Delivery::NotTheHub;
        if let Delivery::Refused { .. } = delivery {
            self.fail_script();
        }
        if !matches!(delivery, Delivery::Stored { .. }) || self.view.is_data() {
            self.note(Note::Delivery(delivery));
        }
        if is_other {
            self.fail();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn session_event(
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
            // No information about the path.
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
            // No hub relays a control line, so it is not a message.
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
            Event::Elsewhere(notice) => {
                match &notice {
                    Notice::Name { name, room, .. } if !self.view.is_data() => {
                        self.shown = Some((name.clone(), room.clone()));
                        let name = name.clone();
                        self.note(Note::Elsewhere { name, room: room.clone() });
                    }
                    _ => self.view.notice(session, now, &notice),
                }
                self.remember(session);
            }
            Event::Answered(answer) => {
                self.say_second();
                self.say_nameless(session);
                self.remember(session);
                self.see(now, &answer);
            }
            Event::Background(_) => self.remember(session),
            Event::Joined(answer) => {
                self.met = true;
                self.see(now, &answer);
                self.join(session, &answer);
                self.say_second();
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
                // The refusal of membership, or the system's error, is report enough.
                if !self.met && self.path.current(now).is_none() {
                    self.note(Note::Unheard);
                }
                // The reason describes the server, about which nothing is known yet.
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
            // Already reported. Whether it was a line or a heartbeat is unknown.
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
                // A plain server need not answer.
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
