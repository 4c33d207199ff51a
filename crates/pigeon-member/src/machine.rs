//! A reliable member as one state machine: the session over QUIC, with its file.
//!
//! ```text
//!   application ─ say, follow ─▶ Session ─ frames ─▶ pigeon_quic::Client ─ datagrams ─▶ the loop
//!                                   └──── bytes ────▶ the file
//! ```
//!
//! The loop writes the file itself and waits for the disk: a member serves no one else, and its
//! messages are sent only after they are on disk.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_client::reliable::{Disk, Event as SessionEvent, Output, Session, State};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_quic::{Client, ConnId, Endpoint, Event as QuicEvent, Fingerprint, Pin, Why};

use crate::file::SessionFile;
use crate::hubs::{Hubs, Target};
use crate::race::{Attempt, Race};

/// Maximum bytes read from the connection before they are handled.
const READ: usize = 64 << 10;

/// Maximum number of queued events. Beyond it the connection is not read, so a slow application
/// slows the hub down and costs no memory.
const MOST_EVENTS: usize = 4_096;

/// Time without anything from the hub after which it is asked for a sign, if there are other hubs.
const SIGN: Duration = Duration::from_millis(1_250);

/// Time limit for a sign of a hub that is asked for one, or three round trips. Then others are tried.
const DOUBT: Duration = Duration::from_millis(700);

/// The same after the hub's port was reported as closed.
const REFUSED: Duration = Duration::from_millis(300);

/// The same where there is no other hub: this one is connected to anew.
const REFUSED_ONLY: Duration = Duration::from_secs(1);

/// A member of one hub, or of several that share rooms.
///
/// A hub that gives no sign is *doubted*: others are tried while its connection stays, and the first
/// one that opens replaces it. A sign of the hub ends the attempts. So a hub that is merely slow loses no
/// member for nothing, and one that is dead costs no time limit.
pub struct Member {
    session: Session,
    client: Client,
    file: SessionFile,
    hubs: Hubs,
    connection: Option<Connection>,
    race: Race,
    /// Whether the first socket, which the application has opened, is still unused.
    has_socket: bool,
    /// Whether the hub used last is tried first: it has not failed since its welcome.
    is_last_first: bool,
    /// When anything arrived last, or the hub was asked for a sign.
    heard: Instant,
    /// When the hub is doubted, unless it gives a sign.
    doubt: Option<Instant>,
    events: VecDeque<Event>,
    /// Why a hub was not reached last, and the reason that was reported.
    trouble: Option<Why>,
    reported: Option<Why>,
    /// A socket over which last bytes are sent. It is closed once another connection is open.
    ending: Option<SocketId>,
    /// Whether bytes for the file were lost since its last sync.
    is_append_lost: bool,
    /// Whether reading is paused for the application.
    is_held: bool,
    is_ended: bool,
    /// The time of the driver's last call.
    now: Instant,
}

/// The connection that the session uses.
struct Connection {
    quic: ConnId,
    socket: SocketId,
    unsent: VecDeque<Bytes>,
    /// Whether bytes were left unread because reading is paused.
    is_held: bool,
}

/// An event of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An event of the session.
    Session(SessionEvent),
    /// The hub was reached and has this key: the pinned one, or a new one at first contact.
    Met(Fingerprint),
    /// The hub was not reached. The member tries again.
    Unreached(Why),
    /// The member tries a hub: open this socket, connected to this address, then call
    /// [`Member::opened`].
    Opens(SocketId, SocketAddr),
    /// The member no longer needs this socket: close it.
    Closes(SocketId),
    /// Another server answers at the hub's address. Nothing was sent to it, and the member does not
    /// try again.
    NotTheHub(Why),
}

impl Member {
    pub(crate) fn new(
        now: Instant,
        session: Session,
        client: Client,
        file: SessionFile,
        hubs: Hubs,
    ) -> Member {
        let mut member = Member {
            session,
            client,
            file,
            hubs,
            connection: None,
            race: Race::new(),
            has_socket: true,
            is_last_first: true,
            heard: now,
            doubt: None,
            events: VecDeque::new(),
            trouble: None,
            reported: None,
            ending: None,
            is_append_lost: false,
            is_held: false,
            is_ended: false,
            now,
        };
        // Connects at once.
        member.turn(now);
        member
    }

    /// The session, read-only.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Lets the application change the session.
    pub fn with<T>(&mut self, now: Instant, act: impl FnOnce(&mut Session) -> T) -> T {
        let result = act(&mut self.session);
        self.turn(now);
        result
    }

    /// The address of the hub in use, or of the one used last.
    pub fn hub(&self) -> SocketAddr {
        self.hubs.in_use().address
    }

    /// The address of the hub that the member was opened for.
    pub fn own_hub(&self) -> SocketAddr {
        self.hubs.own().address
    }

    /// The socket in use and its peer, or those of the newest attempt.
    pub fn socket(&self) -> Option<(SocketId, SocketAddr)> {
        let in_use = self.in_use().map(|socket| (socket, self.hub()));
        in_use.or_else(|| self.race.newest().map(|it| (it.socket, it.target.address)))
    }

    /// All open sockets.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        let tried = self.race.iter().map(|attempt| attempt.socket);
        self.in_use().into_iter().chain(self.ending).chain(tried)
    }

    fn in_use(&self) -> Option<SocketId> {
        self.connection.as_ref().map(|connection| connection.socket)
    }

    /// The hub has a new address. Drops an open connection.
    pub fn move_to(&mut self, now: Instant, hub: SocketAddr) {
        self.hubs.move_to(hub);
        self.stop_race(now);
        self.close_connection(now);
        // Also where an attempt was running.
        self.session.disconnected(now);
        self.is_last_first = true;
        self.turn(now);
    }

    /// The answer to [`Event::Opens`]: whether the socket is open.
    pub fn opened(&mut self, now: Instant, socket: SocketId, is_open: bool) {
        match is_open {
            true => self.connect(now, socket),
            false => {
                self.trouble = Some(Why::Unreachable);
                self.race.lost(now, socket);
            }
        }
        self.go_on(now);
        self.turn(now);
    }

    fn connect(&mut self, now: Instant, socket: SocketId) {
        let Some(attempt) = self.race.at_mut(socket) else { return };
        let Target { address, pin } = attempt.target;
        match self.client.connect_over(now, socket, address, pin) {
            Ok(quic) => attempt.quic = Some(quic),
            Err(error) => {
                self.trouble = Some(Why::Protocol(error.to_string()));
                self.race.lost(now, socket);
                self.events.push_back(Event::Closes(socket));
            }
        }
    }

    /// Starts and ends attempts that are due. If none is left, the session waits before it connects
    /// again.
    fn go_on(&mut self, now: Instant) {
        loop {
            if let Some(attempt) = self.race.late(now) {
                self.trouble = Some(Why::TimedOut);
                self.give_up(now, attempt);
            } else if let Some(Attempt { socket, target, .. }) =
                self.race.begin(now, [self.in_use(), self.ending])
            {
                match std::mem::take(&mut self.has_socket) && socket == SocketId::FIRST {
                    true => self.connect(now, socket),
                    false => self.events.push_back(Event::Opens(socket, target.address)),
                }
            } else {
                break;
            }
        }
        if self.race.is_over()
            && self.connection.is_none()
            && self.session.state() == (State::Connecting { again: None })
        {
            let why = self.trouble.clone().unwrap_or(Why::TimedOut);
            self.unreached(why);
            self.session.disconnected(now);
        }
    }

    /// Ends an attempt.
    fn give_up(&mut self, now: Instant, attempt: Attempt) {
        if let Some(quic) = attempt.quic {
            self.client.close(now, quic, 0, Bytes::new());
        }
        self.events.push_back(Event::Closes(attempt.socket));
    }

    fn stop_race(&mut self, now: Instant) {
        for attempt in self.race.stop() {
            self.give_up(now, attempt);
        }
    }

    /// Reports why the hub is not reached, once.
    fn unreached(&mut self, why: Why) {
        if self.reported.as_ref() != Some(&why) {
            self.reported = Some(why.clone());
            self.events.push_back(Event::Unreached(why));
        }
    }

    /// When the hub must give a sign, if the member can go on elsewhere.
    fn sign_at(&self) -> Option<Instant> {
        let is_doubted = self.doubt.is_some() || !self.race.is_over();
        (self.connection.is_some() && self.hubs.has_others() && !is_doubted)
            .then_some(self.heard + SIGN)
    }

    /// Asks the hub for a sign.
    fn ask(&mut self, now: Instant, patience: Duration) {
        let Some(connection) = &self.connection else { return };
        let round_trip = self.client.round_trip(connection.quic).unwrap_or_default();
        let until = now + patience.max(3 * round_trip);
        if self.doubt.is_none() {
            self.client.ping(now, connection.quic);
        }
        self.doubt = Some(self.doubt.map_or(until, |doubt| doubt.min(until)));
    }

    /// Asks a silent hub for a sign, and tries others if it gives none.
    fn watch(&mut self, now: Instant) {
        if self.sign_at().is_some_and(|at| at <= now) {
            self.heard = now;
            self.ask(now, DOUBT);
        }
        if self.doubt.take_if(|at| *at <= now).is_none() {
            return;
        }
        if !self.hubs.has_others() {
            return self.drop_connection(now);
        }
        self.race.start(now, self.hubs.others());
        self.go_on(now);
    }

    /// The client's own address or socket has changed.
    pub fn rebind(&mut self, now: Instant) {
        self.client.rebind(now);
        self.turn(now);
    }

    /// Pauses or resumes reading from the hub.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Whether the session has ended and everything is sent.
    pub fn is_over(&self) -> bool {
        self.is_ended
    }

    fn drop_connection(&mut self, now: Instant) {
        if self.close_connection(now) {
            self.is_last_first = false;
            self.session.disconnected(now);
        }
    }

    /// False if there is none.
    fn close_connection(&mut self, now: Instant) -> bool {
        self.doubt = None;
        let Some(connection) = self.connection.take() else { return false };
        self.client.close(now, connection.quic, 0, Bytes::new());
        self.events.push_back(Event::Closes(connection.socket));
        true
    }

    /// Carries out the outputs of the session, the connection and the file.
    fn turn(&mut self, now: Instant) {
        self.now = now;
        while self.step(now) {}
    }

    /// Carries out one output. False if there is none.
    fn step(&mut self, now: Instant) -> bool {
        if let Some(event) = self.client.poll_event() {
            self.quic_event(now, event);
        } else if let Some(output) = self.session.poll_output() {
            self.output(now, output);
        } else {
            return self.read(now);
        }
        true
    }

    fn quic_event(&mut self, now: Instant, event: QuicEvent) {
        if let Some(connection) = self.connection.as_mut().filter(|it| it.quic == event.conn()) {
            match event {
                QuicEvent::Readable { .. } => connection.is_held = true,
                QuicEvent::Writable { .. } => self.flush(now),
                QuicEvent::Closed { why, .. } => {
                    self.events.push_back(Event::Closes(connection.socket));
                    (self.connection, self.doubt) = (None, None);
                    self.is_last_first = false;
                    self.unreached(why);
                    self.session.disconnected(now);
                }
                QuicEvent::Opened { .. } | QuicEvent::Moved { .. } => {}
            }
            return;
        }
        let conn = event.conn();
        match event {
            QuicEvent::Opened { .. } => {
                self.race.take(conn).into_iter().for_each(|attempt| self.won(now, attempt));
            }
            QuicEvent::Closed { why, .. } => {
                let attempt = self.race.take(conn);
                attempt.into_iter().for_each(|attempt| self.lost(now, attempt, why.clone()));
            }
            _ => {}
        }
    }

    /// An attempt has opened: its connection is the one in use.
    fn won(&mut self, now: Instant, attempt: Attempt) {
        let Attempt { target, socket, quic, .. } = attempt;
        let Some((quic, fingerprint)) =
            quic.and_then(|it| Some((it, self.client.fingerprint(it)?)))
        else {
            self.give_up(now, attempt);
            return self.go_on(now);
        };
        self.stop_race(now);
        if self.close_connection(now) {
            self.unreached(Why::TimedOut);
        }
        self.events.extend(self.ending.take().map(Event::Closes));
        // The next connection must be to the same hub.
        self.hubs.set_in_use(target, Pin::Key(fingerprint));
        let unsent = VecDeque::new();
        self.connection = Some(Connection { quic, socket, unsent, is_held: false });
        (self.trouble, self.reported, self.heard) = (None, None, now);
        self.is_last_first = false;
        self.events.push_back(Event::Met(fingerprint));
        self.session.moved(now, &fingerprint.to_string());
    }

    fn lost(&mut self, now: Instant, attempt: Attempt, why: Why) {
        self.events.push_back(Event::Closes(attempt.socket));
        let is_other = matches!(why, Why::WrongCertificate { .. } | Why::NotItsCertificate { .. });
        if is_other && self.hubs.is_own(attempt.target) {
            self.stop_race(now);
            self.events.push_back(Event::NotTheHub(why));
            return self.session.quit();
        }
        self.trouble = Some(why);
        self.race.hurry(now);
        self.go_on(now);
    }

    fn output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Connect => {
                let mut all = self.hubs.all();
                if !std::mem::take(&mut self.is_last_first) {
                    all.rotate_left(1);
                }
                self.race.start(now, all);
                self.go_on(now);
            }
            Output::Send(bytes) => {
                if let Some(connection) = &mut self.connection {
                    connection.unsent.push_back(bytes);
                    self.flush(now);
                }
            }
            Output::Close => {
                self.doubt = None;
                self.stop_race(now);
                if let Some(connection) = self.connection.take() {
                    self.client.end(now, connection.quic);
                    self.ending = Some(connection.socket);
                }
            }
            Output::Disk(disk) => self.disk(now, disk),
            Output::Event(event) => {
                if let SessionEvent::Hubs(hubs) = &event {
                    return self.hubs.heard(hubs);
                }
                self.is_last_first |= matches!(event, SessionEvent::Welcome(_));
                if event == SessionEvent::State(State::Ended) {
                    self.is_ended = true;
                }
                self.events.push_back(Event::Session(event));
            }
        }
    }

    fn disk(&mut self, now: Instant, disk: Disk) {
        let (id, done) = match disk {
            Disk::Append(bytes) => {
                // The following sync reports the missing bytes.
                if self.file.append(&bytes).is_err() {
                    self.is_append_lost = true;
                }
                return;
            }
            Disk::Sync(id) => {
                let is_whole = !std::mem::take(&mut self.is_append_lost);
                (id, is_whole && self.file.sync().is_ok())
            }
            Disk::Replace(id, bytes) => {
                self.is_append_lost = false;
                (id, self.file.replace(&bytes).is_ok())
            }
        };
        match done {
            true => self.session.synced(now, id),
            false => self.session.sync_failed(now, id),
        }
    }

    /// Nobody listens at the hub's port. Such reports can be forged, so the hub is asked.
    fn refused_at(&mut self, now: Instant, socket: SocketId) {
        if self.in_use() == Some(socket) && self.race.is_over() {
            let patience = if self.hubs.has_others() { REFUSED } else { REFUSED_ONLY };
            self.ask(now, patience);
        }
    }

    fn flush(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let chunks = connection.unsent.make_contiguous();
        if !chunks.is_empty() {
            self.client.write(now, connection.quic, chunks);
            while connection.unsent.front().is_some_and(Bytes::is_empty) {
                connection.unsent.pop_front();
            }
        }
    }

    /// Reads received bytes unless reading is paused. False if there are none.
    fn read(&mut self, now: Instant) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|it| it.is_held) else {
            return false;
        };
        if self.is_held || self.events.len() >= MOST_EVENTS {
            return false;
        }
        match self.client.read(now, connection.quic, READ) {
            Some(bytes) => self.session.received(now, &bytes),
            None => connection.is_held = false,
        }
        true
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("hub", &self.hub()).finish_non_exhaustive()
    }
}

impl Machine for Member {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        if self.in_use() == Some(datagram.socket) {
            (self.heard, self.doubt) = (now, None);
            self.stop_race(now);
        }
        self.client.handle_datagram(now, datagram);
        self.turn(now);
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.client.handle_refused(now, socket);
        self.refused_at(now, socket);
        self.turn(now);
    }

    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        self.client.handle_refused_by(now, socket, peer);
        self.refused_at(now, socket);
        self.turn(now);
    }

    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        self.client.handle_unsent(now, transmit, datagrams);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        if self.race.due().is_some_and(|due| due <= now) {
            self.go_on(now);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
        self.watch(now);
        self.turn(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        loop {
            let transmit = self.client.poll_transmit();
            // The client looks at what it has received while it is polled. Without this step a
            // message would wait for the next timer.
            if transmit.is_some() || !self.step(self.now) {
                return transmit;
            }
        }
    }

    fn outbox(&self) -> &[u8] {
        self.client.outbox()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // Reads the rest after the application has caught up.
        let is_due = !self.is_held
            && self.events.is_empty()
            && self.connection.as_ref().is_some_and(|connection| connection.is_held);
        let rest = is_due.then_some(Instant::ORIGIN);
        let hub = [self.race.due(), self.doubt, self.sign_at()];
        let timers = [self.client.poll_timeout(), self.session.poll_timeout(), rest];
        timers.into_iter().chain(hub).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, open};
    use pigeon_quic::{Certificate, Limits, Server, ServerConfig};

    /// Everything that a machine sends, in datagrams.
    fn sent(machine: &mut impl Machine) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Some(transmit) = machine.poll_transmit() {
            datagrams.extend(transmit.datagrams(machine.outbox()).map(<[u8]>::to_vec));
        }
        datagrams
    }

    fn receive(machine: &mut impl Machine, now: Instant, from: SocketAddr, datagrams: &[Vec<u8>]) {
        for payload in datagrams {
            let length = payload.len();
            let (local, destination, wall) = (None, None, None);
            let socket = SocketId::new(0);
            machine.handle_datagram(
                now,
                &Received {
                    socket,
                    from,
                    local,
                    destination,
                    payload,
                    length,
                    wall,
                    kernel_drops: 0,
                },
            );
        }
    }

    #[test]
    fn what_was_received_is_handled_at_once_without_a_timer() {
        let temporary = tempfile::tempdir().unwrap();
        let certificate = Certificate::generate().unwrap();
        let hub = "127.0.0.1:9".parse().unwrap();
        let options = Options {
            fingerprint: Some(certificate.fingerprint()),
            ..Options::new(hub, temporary.path().join("member"))
        };
        let mut server = Server::new(ServerConfig {
            certificate: &certificate,
            seed: [7; 32],
            base: std::time::Instant::now(),
            limits: Limits::default(),
            sources: Default::default(),
        })
        .unwrap();
        let opened = open(options).unwrap();
        let (mut member, now) = (opened.member, opened.clock.now());
        let mut is_met = false;
        for _ in 0..10 {
            let datagrams = sent(&mut member);
            assert_eq!(member.client.poll_event(), None, "waits for a timer");
            is_met |= std::iter::from_fn(|| member.poll_event())
                .any(|event| event == Event::Met(certificate.fingerprint()));
            receive(&mut server, now, "127.0.0.1:7".parse().unwrap(), &datagrams);
            let answers = sent(&mut server);
            receive(&mut member, now, hub, &answers);
        }
        assert!(is_met);
    }
}
