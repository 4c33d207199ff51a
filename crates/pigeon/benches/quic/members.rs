//! The clients, each with its own socket, all in one thread.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pigeon_datagram::{Machine, Transmit};
use pigeon_net::{BufferSize, Clock, Socket, SocketOptions};
use pigeon_perf::fanout::{Burst, Collected, Members, collect_in_turn};
use pigeon_quic::{Client, ClientConfig, ConnId, Endpoint, Event, Limits, Pin};

/// How long the kernel may take to make room for sending.
const ROOM: Duration = Duration::from_secs(1);

/// Time limit for connecting.
const SOON: Duration = Duration::from_secs(10);

/// A client and its socket.
pub(crate) struct Member {
    client: Client,
    conn: ConnId,
    socket: Socket,
    clock: Clock,
    pub(crate) unread: Vec<u8>,
    transmits: Vec<Transmit>,
    is_open: bool,
}

impl Member {
    pub(crate) fn new(number: u32, server: SocketAddr) -> Member {
        let options = SocketOptions {
            receive_buffer: BufferSize::Bytes(1 << 20),
            timestamps: false,
            ..SocketOptions::default()
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Socket::bind(any, &options).expect("a socket");
        let (clock, base) = (Clock::start(), Instant::now());
        let mut seed = [9; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let limits = Limits { idle: Duration::from_secs(600), ..Limits::client() };
        let mut client = Client::new(ClientConfig { seed, base, limits }).expect("sound settings");
        let conn = client.connect(clock.now(), server, Pin::FirstUse).expect("an address");
        let (unread, transmits, is_open) = (Vec::new(), Vec::new(), false);
        let mut member = Member { client, conn, socket, clock, unread, transmits, is_open };
        member.drain();
        member
    }

    /// Begins one more connection, which is the member's from now on.
    fn connect(&mut self, server: SocketAddr) {
        let begun = self.client.connect(self.clock.now(), server, Pin::FirstUse);
        self.conn = begun.expect("an address");
        self.is_open = false;
        self.drain();
    }

    /// Receives, and handles deadlines. Returns whether anything arrived.
    pub(crate) fn turn(&mut self) -> bool {
        let now = self.clock.now();
        let client = &mut self.client;
        let mut arrived = false;
        let received = self.socket.receive(&mut |joined| {
            arrived = true;
            client.handle_datagram(now, &joined);
        });
        received.expect("the socket works");
        if self.client.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.client.handle_timeout(now);
        }
        self.drain();
        arrived
    }

    fn drain(&mut self) {
        loop {
            let now = self.clock.now();
            self.transmits.extend(std::iter::from_fn(|| self.client.poll_transmit()));
            self.socket.send(self.client.outbox(), &self.transmits, ROOM);
            self.transmits.clear();
            let Some(event) = self.client.poll_event() else { break };
            match event {
                Event::Opened { .. } => self.is_open = true,
                Event::Readable { conn } => {
                    while let Some(bytes) = self.client.read(now, conn, usize::MAX) {
                        self.unread.extend_from_slice(&bytes);
                    }
                }
                Event::Closed { why, .. } => panic!("closed: {why:?}"),
                _ => {}
            }
        }
    }

    /// Waits until the connection is open.
    pub(crate) fn wait(&mut self) {
        let start = Instant::now();
        while !self.is_open {
            self.turn();
            assert!(start.elapsed() < SOON, "no connection");
        }
    }

    pub(crate) fn write(&mut self, bytes: impl Into<Bytes>) {
        let mut chunks = [bytes.into()];
        self.client.write(self.clock.now(), self.conn, &mut chunks);
        assert!(chunks[0].is_empty(), "the window is full");
        self.drain();
    }

    /// Datagrams that the kernel has dropped at the member's socket.
    pub(crate) fn kernel_drops(&mut self) -> u64 {
        self.socket.kernel_drops()
    }

    pub(crate) fn close(mut self) {
        self.client.close(self.clock.now(), self.conn, 0, "");
        self.drain();
    }

    /// Lines read by now whose text ends so: `"}` follows where they are frames.
    pub(crate) fn frames(&mut self, mark: &[u8]) -> usize {
        let Some(last) = self.unread.iter().rposition(|byte| *byte == b'\n') else { return 0 };
        let ends = |line: &&[u8]| line.strip_suffix(b"\"}").unwrap_or(line).ends_with(mark);
        let frames = self.unread[..last].split(|byte| *byte == b'\n').filter(ends).count();
        self.unread.drain(..=last);
        frames
    }
}

/// The members of one server.
pub(crate) struct Quic(Vec<Member>);

impl Quic {
    pub(crate) fn connect(server: SocketAddr, count: usize) -> Quic {
        let connect = |number| {
            let mut member = Member::new(number, server);
            member.wait();
            // A stream starts with its first byte.
            member.write("hello\n");
            member
        };
        Quic((0..count as u32).map(connect).collect())
    }
}

impl Members for Quic {
    fn count(&self) -> usize {
        self.0.len()
    }

    /// The members are connected already; this reads what was sent meanwhile.
    fn join(&mut self) {
        for member in &mut self.0 {
            while member.turn() {}
            member.unread.clear();
        }
    }

    fn publish(&mut self, burst: &Burst) {
        let mut bytes = String::new();
        burst.texts.iter().for_each(|text| bytes += &format!("{text}\n"));
        self.0[0].write(bytes);
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let (mark, due) = (burst.mark.as_bytes(), burst.texts.len());
        let copies = collect_in_turn(&mut self.0, due, patience, |member| {
            member.turn();
            member.frames(mark)
        });
        Collected { copies, last: None }
    }

    fn kernel_drops(&mut self) -> u64 {
        self.0.iter_mut().map(Member::kernel_drops).sum()
    }
}

/// Connections of silent members that share a socket.
const A_SOCKET: u32 = 100;

/// A process of silent members: connects `count` of them, prints a line, and keeps them alive.
pub(crate) fn be_silent(server: &str, count: &str) -> ! {
    let server: SocketAddr = server.parse().expect("an address");
    let count: u32 = count.parse().expect("a number");
    let mut crowds: Vec<Member> = Vec::new();
    for number in 0..count {
        match crowds.last_mut().filter(|_| number % A_SOCKET != 0) {
            Some(crowd) => crowd.connect(server),
            None => crowds.push(Member::new(number, server)),
        }
        let crowd = crowds.last_mut().expect("there is one");
        crowd.wait();
        // Opens the stream. Without the end of a line the server relays nothing.
        crowd.write("x");
        if number % A_SOCKET == 0 {
            eprintln!("{number} are connected");
            crowds.iter_mut().for_each(|crowd| _ = crowd.turn());
        }
    }
    eprintln!("everybody is connected");
    loop {
        crowds.iter_mut().for_each(|crowd| _ = crowd.turn());
        std::thread::sleep(Duration::from_millis(10));
    }
}
