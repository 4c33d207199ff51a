//! Random inputs to a participant of IP Messenger: packets (also forged ones), texts to send, and
//! time.
//!
//! Invariants: a contact that has acknowledged no text never gets more packets than it sent; a
//! packet draws at most two at once, to its sender only; each received text is reported once; each
//! sent text is reported once, as delivered or not; timers do not spin, and at the end no contact
//! is left.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::drain::drain;
use pigeon_fuzz::ipmsg::{address, messenger};
use pigeon_ipmsg::{Command, Event, MessageId, Messenger, Packet, Text};
use pigeon_text::Encoding;

const MAX_OPERATIONS: usize = 200;

/// Maximum number of timers in a second: retries, answers and a text for each of ten contacts.
const MAX_TIMERS: usize = 200;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: u8,
    greets: bool,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    /// A packet of a sender.
    Hear {
        from: u8,
        version: u8,
        number: u8,
        mode: u8,
        options: u8,
        extra: Extra,
    },
    /// Random bytes.
    Bytes {
        from: u8,
        bytes: Vec<u8>,
    },
    /// Acknowledges the latest text.
    Acknowledge {
        from: u8,
    },
    Send {
        to: u8,
        length: u16,
    },
    Wait {
        millis: u16,
    },
    Accept {
        accepts: bool,
    },
    Encoding {
        of: u8,
        label: u8,
    },
    Refused {
        by: u8,
    },
}

#[derive(Arbitrary, Debug)]
enum Extra {
    Nothing,
    Entry { nick: u8, utf8: bool },
    Text { words: u8 },
    Number(u8),
    Bytes(Vec<u8>),
}

struct World {
    messenger: Messenger,
    now: Instant,
    greets: bool,
    accepts: bool,
    /// The packets from minus those to each unproved contact.
    balance: BTreeMap<SocketAddr, i64>,
    /// The number of the latest text to each contact.
    sent: BTreeMap<SocketAddr, u64>,
    waiting: BTreeSet<MessageId>,
    reported: Vec<(Instant, Text)>,
}

impl World {
    fn hear(&mut self, from: SocketAddr, bytes: &[u8]) {
        *self.balance.entry(from).or_default() += 1;
        self.messenger.handle_datagram(self.now, &Received::new(from, bytes));
        let sent = self.settle();
        assert!(sent.len() <= 2, "{} packets for one", sent.len());
        assert!(sent.iter().all(|to| *to == from), "{from} draws packets to {sent:?}");
    }

    /// Takes the messenger's datagrams and events. Returns the recipients.
    fn settle(&mut self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        loop {
            for (to, bytes) in drain(&mut self.messenger) {
                let packet = Packet::parse(&bytes).expect("a packet");
                if packet.command.mode() == 0x20 {
                    self.sent.insert(to, packet.number);
                }
                let contact = self.messenger.contact(to);
                if !contact.is_some_and(|contact| contact.is_proved) {
                    let balance = self.balance.entry(to).or_default();
                    *balance -= 1;
                    assert!(*balance >= 0, "{to} gets more than it sent");
                }
                all.push(to);
            }
            let Some(event) = self.messenger.poll_event() else { return all };
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Appeared(who) if self.greets => {
                let id = self.messenger.send(self.now, who, "welcome".into()).expect("a contact");
                self.waiting.insert(id);
            }
            Event::Text(text) => {
                let again = |(at, other): &&(Instant, Text)| {
                    *other == text && self.now - *at < Duration::from_secs(6)
                };
                assert_eq!(self.reported.iter().find(again), None, "reported twice");
                match self.accepts {
                    true => {
                        self.messenger.accept(self.now, &text);
                        // A removed contact's texts are forgotten.
                        self.reported.push((self.now, text));
                    }
                    false => self.messenger.refuse(&text),
                }
            }
            Event::Gone(who, _) => self.gone(who),
            Event::Delivered(_, ids) | Event::Undelivered(_, ids, _) => {
                for id in ids {
                    assert!(self.waiting.remove(&id), "{id:?} is reported twice");
                }
            }
            _ => {}
        }
    }

    /// The next sender at this address must prove itself again.
    fn gone(&mut self, who: SocketAddr) {
        self.balance.insert(who, 0);
        self.reported.retain(|(_, text)| text.from != who);
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let most = MAX_TIMERS * (1 + time.as_secs() as usize);
        for _ in 0..most {
            let Some(due) = self.messenger.poll_timeout().filter(|&due| due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            self.messenger.handle_timeout(self.now);
            self.settle();
        }
        panic!("timers spin");
    }
}

fuzz_target!(|input: Input| {
    let mut world = World {
        messenger: messenger(input.seed.into()),
        now: Instant::ORIGIN,
        greets: input.greets,
        accepts: true,
        balance: BTreeMap::new(),
        sent: BTreeMap::new(),
        waiting: BTreeSet::new(),
        reported: Vec::new(),
    };
    for operation in input.operations.into_iter().take(MAX_OPERATIONS) {
        apply(&mut world, operation);
    }
    // A silent contact is removed, and its queued texts are reported.
    world.wait(Duration::from_secs(1_000));
    assert_eq!(world.messenger.contacts().count(), 0);
    assert_eq!(world.messenger.poll_timeout(), None);
    assert!(world.waiting.is_empty(), "{:?}", world.waiting);
});

fn apply(world: &mut World, operation: Operation) {
    match operation {
        Operation::Hear { from, version, number, mode, options, extra } => {
            const VERSIONS: [&str; 6] =
                ["1", "1_iptux 0.8.3", "1_lbt6_0#1#2", "1_pigeon", "1_pigeon-hub 0.1", "2"];
            const MODES: [u8; 12] =
                [0x20, 0x01, 0x03, 0x21, 0x02, 0x04, 0xfb, 0x40, 0x50, 0x00, 0x99, 0x23];
            const OPTIONS: [u32; 10] =
                [0x100, 0, 0x80_0100, 0x100_0100, 0x400, 0x2000, 0x40_0100, 0x20_0100, 0x900, !0];
            let extra = match extra {
                Extra::Nothing => Vec::new(),
                Extra::Entry { nick, utf8 } => {
                    let label = if utf8 { "utf-8" } else { "" };
                    format!("n{nick}\0g\0i\0{label}\0").into_bytes()
                }
                Extra::Text { words } => "字 ".repeat(words.into()).into_bytes(),
                Extra::Number(number) => number.to_string().into_bytes(),
                Extra::Bytes(bytes) => bytes,
            };
            let mode = *MODES.get(usize::from(mode)).unwrap_or(&mode);
            let options = OPTIONS[usize::from(options) % OPTIONS.len()];
            let packet = Packet {
                version: VERSIONS[usize::from(version) % VERSIONS.len()].as_bytes(),
                number: number.into(),
                user: b"u",
                host: b"h",
                command: Command::of(mode, options),
                extra: &extra,
            };
            world.hear(address(from), &packet.to_bytes());
        }
        Operation::Bytes { from, bytes } => world.hear(address(from), &bytes),
        Operation::Acknowledge { from } => {
            let from = address(from);
            let number = world.sent.get(&from).copied().unwrap_or_default();
            world.hear(from, format!("1:9:u:h:289:{number}\0").as_bytes());
        }
        Operation::Send { to, length } => {
            let text = "字".repeat(usize::from(length) / 16);
            if let Ok(id) = world.messenger.send(world.now, address(to), text.into()) {
                world.waiting.insert(id);
            }
            world.settle();
        }
        Operation::Wait { millis } => world.wait(Duration::from_millis(millis.into())),
        Operation::Accept { accepts } => world.accepts = accepts,
        Operation::Encoding { of, label } => {
            let encoding = Encoding::from_index(label).unwrap_or_default();
            world.messenger.set_encoding(address(of), encoding);
        }
        Operation::Refused { by } => {
            world.messenger.handle_refused_by(world.now, SocketId::FIRST, address(by));
            world.settle();
        }
    }
}
