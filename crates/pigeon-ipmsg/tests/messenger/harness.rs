//! One messenger with its clock, and hand-made packets.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received, WallClock};
use pigeon_guard::SourceRules;
use pigeon_ipmsg::{Command, Config, Event, GATEWAY_VERSION, Identity, Messenger, Packet, Text};
use pigeon_text::Encoding;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The wall clock at the start of every test.
pub(crate) const WALL: u64 = 1_800_000_000;

pub(crate) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 2425))
}

pub(crate) fn config(nick: &str, seed: u64) -> Config {
    Config {
        identity: Identity {
            version: GATEWAY_VERSION.into(),
            nick: nick.into(),
            group: "pigeon".into(),
            user: "pigeon".into(),
            host: "box".into(),
        },
        legacy: Encoding::GB18030,
        sources: SourceRules { own: vec![address(1)], ..SourceRules::default() },
        is_gateway: true,
        joins_texts: false,
        pace: Duration::ZERO,
        seed,
        wall: WallClock::new(Duration::from_secs(WALL), Instant::ORIGIN),
    }
}

/// A sent packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) to: SocketAddr,
    pub(crate) number: u64,
    pub(crate) command: Command,
    pub(crate) extra: Vec<u8>,
}

impl Sent {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.extra).into_owned()
    }
}

pub(crate) struct Harness {
    pub(crate) messenger: Messenger,
    pub(crate) now: Instant,
    /// Whether texts are accepted on arrival.
    pub(crate) accepts: bool,
    /// A text sent to each new contact.
    pub(crate) greeting: Option<&'static str>,
    pub(crate) events: Vec<Event>,
}

impl Harness {
    pub(crate) fn new() -> Harness {
        Harness::with(config("大厅", 7))
    }

    pub(crate) fn with(config: Config) -> Harness {
        let messenger = Messenger::new(config);
        let (events, now) = (Vec::new(), Instant::ORIGIN + SECOND);
        Harness { messenger, now, accepts: true, greeting: None, events }
    }

    /// Passes bytes to the messenger, and returns the packets that it sends at once.
    pub(crate) fn hear(&mut self, from: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<Sent> {
        self.messenger.handle_datagram(self.now, &Received::new(from, bytes.as_ref()));
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            while let Some(transmit) = self.messenger.poll_transmit() {
                for datagram in transmit.datagrams(self.messenger.outbox()) {
                    let packet = Packet::parse(datagram).expect("a packet");
                    let (number, command) = (packet.number, packet.command);
                    let extra = packet.extra.to_vec();
                    sent.push(Sent { to: transmit.to, number, command, extra });
                }
            }
            let Some(event) = self.messenger.poll_event() else { return sent };
            match &event {
                Event::Text(text) if self.accepts => self.messenger.accept(self.now, text),
                Event::Appeared(address) => {
                    if let Some(greeting) = self.greeting {
                        self.messenger
                            .send(self.now, *address, greeting.into())
                            .expect("a contact");
                    }
                }
                _ => {}
            }
            self.events.push(event);
        }
    }

    /// Advances time with its timers, and returns the packets it sends meanwhile.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let until = self.now + time;
        let mut sent = Vec::new();
        while let Some(due) = self.messenger.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.messenger.handle_timeout(self.now);
            sent.extend(self.drain());
        }
        self.now = until;
        sent
    }

    /// Adds a contact that answers and acknowledges like a real program, so that it is proved.
    pub(crate) fn prove(&mut self, contact: SocketAddr, entry: impl AsRef<[u8]>) {
        self.hear(contact, entry.as_ref());
        self.wait(5 * SECOND);
        if self.greeting.is_none() {
            self.messenger.send(self.now, contact, "hello".into()).expect("a contact");
        }
        let sent = self.hear(contact, b"1:2:u:h:0:");
        let number = sent.last().expect("a text").number;
        self.hear(contact, format!("1:3:u:h:289:{number}\0"));
        assert!(self.messenger.contact(contact).expect("a contact").is_proved);
        self.events.clear();
        self.wait(2 * SECOND);
    }

    pub(crate) fn send(&mut self, to: SocketAddr, text: &str) -> Vec<Sent> {
        self.messenger.send(self.now, to, text.into()).expect("a contact");
        self.drain()
    }

    pub(crate) fn take_texts(&mut self) -> Vec<Text> {
        let text = |event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        };
        std::mem::take(&mut self.events).into_iter().filter_map(text).collect()
    }

    pub(crate) fn said(&mut self) -> Vec<String> {
        self.take_texts().into_iter().map(|text| text.text).collect()
    }
}
