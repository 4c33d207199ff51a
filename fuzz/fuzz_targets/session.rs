//! Any sequence of things that happen to a client's session, beside a small model of what was
//! typed.
//!
//! It never panics; it sends to the hub only, nothing that a datagram cannot carry, and nothing
//! after it has left; strangers change nothing; typed lines leave once, in order, and wait no
//! longer than until the hub is known; whoever was removed stays away until the person speaks; and
//! no timer makes the driver spin.
#![no_main]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_client::{Event, Said, Session, SessionConfig};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::{HUB, parse};
use pigeon_fuzz::drain::drain;
use rand_pcg::Pcg64;

/// Longer sequences find nothing that these do not, and slow the search down.
const MAX_OPERATIONS: usize = 200;

/// What one call may make a session send beside the lines that were typed: a proof, a heartbeat,
/// a name, a resume word, `quit`.
const MOST_AT_ONCE: usize = 5;

/// Lines that may wait until the hub is known.
const MAX_HELD: usize = 64;

#[derive(Arbitrary, Debug)]
struct Input {
    plain: bool,
    nick: Option<Nick>,
    heartbeat: Heartbeat,
    seed: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Heartbeat {
    /// The shortest that `--heartbeat` takes.
    Tenth,
    Second,
    Usual,
    Minute,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Nick {
    Dog,
    Cat,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Hub(FromHub),
    Stranger(FromHub),
    Line(Line),
    Refused,
    Wait(Wait),
    /// A timer called early, or late.
    Timer,
    Drain,
    Leave,
}

#[derive(Arbitrary, Debug)]
enum FromHub {
    Answer {
        members: u8,
        port: u16,
    },
    Message(Vec<u8>),
    OwnMessage,
    Bye,
    Prove([u8; 16]),
    Granted {
        nick: Nick,
        word: bool,
    },
    InUse(Nick),
    Silent,
    Removed,
    Banned,
    TakenBack,
    /// What the session last sent.
    Echo,
    /// A line of the hub's with anything in a place, repeated.
    Grown {
        start: Start,
        byte: u8,
        length: u16,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Start {
    Nothing,
    Prove,
    Granted,
    GrantedDogWithWord,
    Stay,
}

#[derive(Arbitrary, Debug)]
enum Line {
    Text,
    Nick(Nick),
    Empty,
    Quit,
    Command(Vec<u8>),
    Grown { byte: u8, length: u16 },
    GrownNick { byte: u8, length: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wait {
    /// To the next deadline.
    Deadline,
    Millis(u16),
    Minutes(u8),
}

fuzz_target!(|input: Input| {
    let mut model = Model::new(&input);
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        model.take(operation);
    }
    model.drain();
    model.is_quiet_alone();
});

fn nick(nick: Nick) -> &'static str {
    match nick {
        Nick::Dog => "dog",
        Nick::Cat => "cat",
    }
}

fn local() -> SocketAddr {
    parse("10.0.2.1:40000")
}

struct Model {
    session: Session<Pcg64>,
    now: Instant,
    heartbeat: Duration,
    /// Lines taken and not yet seen leaving.
    typed: VecDeque<Vec<u8>>,
    /// Numbers lines, so that each is unlike any other.
    lines: u32,
    /// Calls since the last drain.
    calls: usize,
    last: Vec<u8>,
    left: bool,
    removed: bool,
}

impl Model {
    fn new(input: &Input) -> Model {
        let heartbeat = match input.heartbeat {
            Heartbeat::Tenth => Duration::from_millis(100),
            Heartbeat::Second => Duration::from_secs(1),
            Heartbeat::Usual => Duration::from_secs(10),
            Heartbeat::Minute => Duration::from_secs(60),
        };
        let config = SessionConfig {
            hub: parse(HUB),
            local: Some(local()),
            nick: input.nick.map(|n| nick(n).to_string()),
            heartbeat,
            plain: input.plain,
        };
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        let session = Session::new(now, config, Pcg64::new(input.seed.into(), 0));
        Model {
            session,
            now,
            heartbeat,
            typed: VecDeque::new(),
            lines: 0,
            // The session's making is one: it sends a heartbeat.
            calls: 1,
            last: Vec::new(),
            left: false,
            removed: false,
        }
    }

    fn take(&mut self, operation: &Operation) {
        self.calls += 1;
        match operation {
            Operation::Hub(what) => {
                let payload = self.payload(what);
                self.session.handle_datagram(self.now, &Received::new(parse(HUB), &payload));
                self.drain();
            }
            Operation::Stranger(what) => {
                self.drain();
                let payload = self.payload(what);
                let timeout = self.session.poll_timeout();
                for from in ["10.0.2.99:9998", "10.0.2.98:9999", "[::1]:9999"] {
                    self.session.handle_datagram(self.now, &Received::new(parse(from), &payload));
                }
                assert_eq!(self.session.poll_timeout(), timeout, "a stranger's doing");
                assert_eq!(self.session.poll_transmit(), None, "a stranger's doing");
                assert_eq!(self.session.poll_event(), None, "a stranger's doing");
            }
            Operation::Line(line) => self.line(line),
            Operation::Refused => self.session.handle_refused(self.now, SocketId::FIRST),
            Operation::Wait(wait) => self.wait(*wait),
            Operation::Timer => self.timer(),
            Operation::Drain => self.drain(),
            Operation::Leave => self.session.leave(),
        }
    }

    fn payload(&self, what: &FromHub) -> Vec<u8> {
        let granted = |nick, word| match word {
            true => format!("* you are {nick}; /resume 7-abcdefghijklmnop takes the name back\n"),
            false => format!("* you are {nick}\n"),
        };
        match what {
            FromHub::Answer { members, port } => format!("^hb^ pigeon/1 {members} {port}"),
            FromHub::Message(text) => return [b"cat: ", &text[..], b"\n"].concat(),
            FromHub::OwnMessage => format!("{}: what I said\n", local()),
            FromHub::Bye => "Bye!".into(),
            FromHub::Prove(token) => return [b"/prove ", &token[..]].concat(),
            FromHub::Granted { nick: name, word } => granted(nick(*name), *word),
            FromHub::InUse(name) => {
                format!("* you stay {}, not {}: that name is in use\n", local(), nick(*name))
            }
            FromHub::Silent => "* you were silent for 30s and are no member any more; …\n".into(),
            FromHub::Removed => "* you were removed by the operator\n".into(),
            FromHub::Banned => "* you were banned by the operator\n".into(),
            FromHub::TakenBack => "* your name was taken back from another address\n".into(),
            FromHub::Echo => return self.last.clone(),
            FromHub::Grown { start, byte, length } => {
                let start: &[u8] = match start {
                    Start::Nothing => b"",
                    Start::Prove => b"/prove ",
                    Start::Granted => b"* you are ",
                    Start::GrantedDogWithWord => b"* you are dog; /resume ",
                    Start::Stay => b"* you stay ",
                };
                return grown(start, *byte, *length);
            }
        }
        .into_bytes()
    }

    fn line(&mut self, line: &Line) {
        self.lines += 1;
        let number = self.lines;
        let line = match line {
            Line::Text => format!("#{number}").into_bytes(),
            Line::Nick(name) => format!("/nick {}", nick(*name)).into_bytes(),
            Line::Empty => b" ".to_vec(),
            Line::Quit => b"/quit".to_vec(),
            Line::Command(rest) => [b"/", &rest[..]].concat(),
            Line::Grown { byte, length } => grown(b"", *byte, *length),
            Line::GrownNick { byte, length } => grown(b"/nick ", *byte, *length),
        };
        match self.session.handle_line(self.now, &line) {
            Ok(Said::Sent | Said::IntoSilence) => {
                assert!(!self.left, "said after the end");
                self.removed = false;
                // Others than these may look like what the session sends of its own accord.
                if line.starts_with(b"#") && line.len() < 20 {
                    self.typed.push_back(line);
                }
            }
            Ok(Said::Quit) => self.removed = false,
            Ok(Said::Nothing) => {}
            Err(error) => assert!(line.len() > 65_507, "{error}"),
        }
    }

    fn wait(&mut self, wait: Wait) {
        let end = match wait {
            Wait::Deadline => self.session.poll_timeout().unwrap_or(self.now).max(self.now),
            Wait::Millis(millis) => self.now + Duration::from_millis(millis.into()),
            // A laptop that slept: the timer comes late, and once.
            Wait::Minutes(minutes) => {
                self.now = self.now + Duration::from_secs(60) * minutes.into();
                return self.timer();
            }
        };
        self.run(end);
    }

    /// Lets time pass as a driver does. A heartbeat comes no sooner than four fifths of its
    /// interval, and each may be missed once.
    fn run(&mut self, end: Instant) {
        let shortest = (self.heartbeat * 4 / 5).min(Duration::from_millis(500));
        let most = 4 + 4 * (end - self.now).as_millis() / shortest.as_millis();
        let mut woken = 0;
        while let Some(deadline) = self.session.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.timer();
            woken += 1;
            assert!(woken <= most, "woken {woken} times in {:?}", end - self.now);
        }
        self.now = end;
    }

    fn timer(&mut self) {
        self.drain();
        self.calls += 1;
        self.session.handle_timeout(self.now);
        if let Some(deadline) = self.session.poll_timeout() {
            assert!(deadline > self.now, "the timer has been handled, and is due again at once");
        }
        self.drain();
    }

    fn drain(&mut self) {
        let sent = drain(&mut self.session);
        let mut known = false;
        let mut leaving = false;
        let mut removed = self.removed;
        while let Some(event) = self.session.poll_event() {
            assert!(!self.left, "{event:?} after the end");
            match event {
                Event::Joined(_) | Event::JoinedPlainly | Event::Again { .. } => known = true,
                Event::Left => leaving = true,
                Event::Removed => removed = true,
                _ => {}
            }
        }
        assert!(!self.left || sent.is_empty(), "sent after the end: {sent:?}");
        let stays = !self.removed || leaving || sent.is_empty();
        assert!(stays, "sent although removed: {sent:?}");
        let typed = sent.iter().filter(|(_, bytes)| self.typed.contains(bytes)).count();
        let most = MOST_AT_ONCE * std::mem::take(&mut self.calls) + MAX_HELD;
        assert!(sent.len() - typed <= most, "{} datagrams, at most {most}", sent.len());
        for (to, bytes) in sent {
            assert_eq!(to, parse(HUB));
            if bytes.starts_with(b"#") && bytes.len() < 20 {
                let place = self.typed.iter().position(|line| *line == bytes);
                assert!(place.is_some(), "never typed, or sent again: {bytes:?}");
                assert!(place == Some(0), "overtook {:?}", self.typed);
                place.and_then(|place| self.typed.remove(place));
            }
            self.last = bytes;
        }
        if leaving || known {
            assert!(self.typed.is_empty(), "the hub is known, and lines wait: {:?}", self.typed);
        }
        self.removed = removed && !leaving;
        self.left |= leaving;
        if self.left {
            assert_eq!(self.session.poll_timeout(), None, "a timer after the end");
        }
    }

    /// Nobody answers for ten minutes: heartbeats go on, and slowly.
    fn is_quiet_alone(&mut self) {
        if self.heartbeat >= Duration::from_secs(1) {
            self.run(self.now + Duration::from_secs(600));
        }
    }
}

fn grown(start: &[u8], byte: u8, length: u16) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.resize(usize::from(length).clamp(start.len(), 65_507), byte);
    bytes
}
