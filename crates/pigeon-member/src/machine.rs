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
use pigeon_client::reliable::{Disk, Event as SessionEvent, Output, Session};
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_quic::{Client, ConnId, Endpoint, Event as QuicEvent, Fingerprint, Pin, Why};

use crate::file::SessionFile;
use crate::hubs::{Hubs, Target};

/// Maximum bytes read from the connection before they are handled.
const READ: usize = 64 << 10;

/// Maximum number of queued events. Beyond it the connection is not read, so a slow application
/// slows the hub down and costs no memory.
const MOST_EVENTS: usize = 4_096;

/// Time without anything from the hub after which it is asked for a sign, and time limits for its
/// first answer and for a sign after its port was reported as closed: if the member can go on at
/// another hub.
const SIGN: Duration = Duration::from_millis(1_500);
const ANSWER: Duration = Duration::from_millis(1_500);
const REFUSED: Duration = Duration::from_millis(300);

/// A member of one hub, or of several that share rooms.
pub struct Member {
    session: Session,
    client: Client,
    file: SessionFile,
    hubs: Hubs,
    /// Where the socket sends.
    socket: SocketAddr,
    /// Whether the application opens a socket to another hub.
    is_moving: bool,
    connection: Option<Connection>,
    /// When anything arrived last, or the hub was asked for a sign.
    heard: Instant,
    /// When the connection is given up, because nobody listens at the hub's port any more.
    refused: Option<Instant>,
    events: VecDeque<Event>,
    /// Why the hub was not reached last.
    trouble: Option<Why>,
    /// Whether bytes for the file were lost since its last sync.
    is_append_lost: bool,
    /// Whether reading is paused for the application.
    is_held: bool,
    is_ended: bool,
    /// The time of the driver's last call.
    now: Instant,
}

struct Connection {
    quic: ConnId,
    is_open: bool,
    /// When another hub is tried, if this one has not answered.
    late: Option<Instant>,
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
    /// The member goes on at another hub: open a socket to it, then call [`Member::moved`].
    Moves(SocketAddr),
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
            socket: hubs.target().address,
            hubs,
            is_moving: false,
            connection: None,
            heard: now,
            refused: None,
            events: VecDeque::new(),
            trouble: None,
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

    /// The hub's address.
    pub fn hub(&self) -> SocketAddr {
        self.hubs.target().address
    }

    /// The hub has a new address. Drops an open connection.
    pub fn move_to(&mut self, now: Instant, hub: SocketAddr) {
        self.hubs.move_to(hub);
        (self.socket, self.is_moving) = (hub, false);
        self.drop_connection(now);
        self.turn(now);
    }

    /// The answer to [`Event::Moves`]: whether the socket sends to the other hub now.
    pub fn moved(&mut self, now: Instant, is_moved: bool) {
        if !std::mem::take(&mut self.is_moving) {
            return;
        }
        match is_moved {
            true => {
                self.socket = self.hubs.target().address;
                self.connect(now);
            }
            false => {
                self.hubs.go_on();
                self.session.disconnected(now);
            }
        }
        self.turn(now);
    }

    fn connect(&mut self, now: Instant) {
        let Target { address, pin } = self.hubs.target();
        match self.client.connect(now, address, pin) {
            Ok(quic) => {
                let unsent = VecDeque::new();
                let late = self.hubs.has_others().then_some(now + ANSWER);
                let connection = Connection { quic, is_open: false, late, unsent, is_held: false };
                self.connection = Some(connection);
            }
            Err(error) => {
                self.events.push_back(Event::Unreached(Why::Protocol(error.to_string())));
                self.hubs.go_on();
                self.session.disconnected(now);
            }
        }
    }

    /// When the hub must give a sign, if the member can go on elsewhere.
    fn sign_at(&self) -> Option<Instant> {
        let is_open = self.connection.as_ref().is_some_and(|connection| connection.is_open);
        (is_open && self.hubs.has_others()).then_some(self.heard + SIGN)
    }

    /// Pings a silent hub, and moves to another one if it does not answer and there are others.
    fn watch(&mut self, now: Instant) {
        let late = self.connection.as_ref().and_then(|connection| connection.late);
        let is_gone = self.refused.take_if(|at| *at <= now).is_some();
        if is_gone || late.is_some_and(|at| at <= now) {
            self.hubs.go_on();
            return self.drop_connection(now);
        }
        if self.sign_at().is_some_and(|at| at <= now)
            && let Some(connection) = &self.connection
        {
            self.heard = now;
            self.client.ping(now, connection.quic);
        }
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
        self.refused = None;
        if let Some(connection) = self.connection.take() {
            self.client.close(now, connection.quic, 0, Bytes::new());
            self.session.disconnected(now);
        }
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
        let Some(connection) = self.connection.as_mut().filter(|it| it.quic == event.conn()) else {
            return;
        };
        match event {
            QuicEvent::Opened { .. } => {
                (connection.is_open, connection.late) = (true, None);
                (self.trouble, self.heard) = (None, now);
                if let Some(fingerprint) = self.client.fingerprint(connection.quic) {
                    // The next connection must be to the same hub.
                    self.hubs.met(Pin::Key(fingerprint));
                    self.events.push_back(Event::Met(fingerprint));
                    self.session.connected(now, &fingerprint.to_string());
                }
            }
            QuicEvent::Readable { .. } => connection.is_held = true,
            QuicEvent::Writable { .. } => self.flush(now),
            QuicEvent::Moved { .. } => {}
            QuicEvent::Closed { why, .. } => {
                (self.connection, self.refused) = (None, None);
                let is_other =
                    matches!(why, Why::WrongCertificate { .. } | Why::NotItsCertificate { .. });
                let is_own = self.hubs.is_own();
                self.hubs.go_on();
                if is_other && is_own {
                    self.events.push_back(Event::NotTheHub(why));
                    self.session.quit();
                } else if self.trouble.as_ref() != Some(&why) {
                    self.trouble = Some(why.clone());
                    self.events.push_back(Event::Unreached(why));
                }
                self.session.disconnected(now);
            }
        }
    }

    fn output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Connect if self.hubs.target().address == self.socket => self.connect(now),
            Output::Connect => {
                self.is_moving = true;
                self.events.push_back(Event::Moves(self.hubs.target().address));
            }
            Output::Send(bytes) => {
                if let Some(connection) = &mut self.connection {
                    connection.unsent.push_back(bytes);
                    self.flush(now);
                }
            }
            Output::Close => {
                if let Some(connection) = self.connection.take() {
                    self.client.end(now, connection.quic);
                }
            }
            Output::Disk(disk) => self.disk(now, disk),
            Output::Event(event) => {
                if let SessionEvent::Hubs(hubs) = &event {
                    return self.hubs.heard(hubs);
                }
                if event == SessionEvent::State(pigeon_client::reliable::State::Ended) {
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

    /// Nobody listens at the hub's port. Not at once, because such reports can be forged.
    fn refused_at(&mut self, now: Instant) {
        if self.sign_at().is_some() {
            self.refused.get_or_insert(now + REFUSED);
        }
    }

    fn flush(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let chunks = connection.unsent.make_contiguous();
        if connection.is_open && !chunks.is_empty() {
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
        (self.heard, self.refused) = (now, None);
        self.client.handle_datagram(now, datagram);
        self.turn(now);
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.client.handle_refused(now, socket);
        self.refused_at(now);
        self.turn(now);
    }

    fn handle_refused_by(&mut self, now: Instant, socket: SocketId, peer: SocketAddr) {
        self.client.handle_refused_by(now, socket, peer);
        self.refused_at(now);
        self.turn(now);
    }

    fn handle_unsent(&mut self, now: Instant, transmit: &Transmit, datagrams: u64) {
        self.client.handle_unsent(now, transmit, datagrams);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
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
        let late = self.connection.as_ref().and_then(|connection| connection.late);
        let hub = [late, self.refused, self.sign_at()];
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
