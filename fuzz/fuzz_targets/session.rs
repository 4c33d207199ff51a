//! Random inputs to a client's session, compared with a small model of its input lines.
//!
//! Invariants: no panic; it sends only to the hub, never more than a datagram holds, and nothing
//! after leaving; strangers have no effect; input lines are sent once, in order, and wait at most
//! until the hub is known; a server that has not answered as a hub with names gets only the user's
//! commands; a moved session stays away until the user sends a line; timers do not spin.
#![no_main]

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_client::{Event, LineError, Said, Session, SessionConfig};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::{HUB, parse};
use pigeon_fuzz::drain::drain;
use pigeon_proto::{Format, Gone, Language, Name, Notice, sentence};
use rand_pcg::Pcg64;

/// Longer sequences find nothing more, and slow the search down.
const MAX_OPERATIONS: usize = 200;

/// Maximum number of unanswered commands of a session.
const MAX_PENDING: usize = 16;

/// Maximum number of datagrams of one call besides input lines: a proof, two heartbeats, a name,
/// `quit`, and every unanswered command.
const MOST_AT_ONCE: usize = 5 + MAX_PENDING;

/// Maximum number of lines that wait until the hub is known.
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
    /// The shortest interval that `--heartbeat` accepts.
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
    /// Calls the timer early or late.
    Timer,
    Drain,
    Leave,
}

#[derive(Arbitrary, Debug)]
enum FromHub {
    Answer {
        members: u8,
        format: Option<Style>,
        nick: Option<Nick>,
        room: Option<Room>,
        version: u8,
    },
    Message(Vec<u8>),
    Bye,
    Prove([u8; 16]),
    Named {
        nick: Option<Nick>,
        room: Room,
        word: bool,
    },
    Gone(u8),
    /// `refused WHAT WHY` with words from a list.
    Refused {
        what: u8,
        why: u8,
    },
    Line(ControlLine),
    /// A control line as a sentence.
    Sentence {
        line: ControlLine,
        chinese: bool,
    },
    /// The session's last datagram.
    Echo,
    /// A control line with random fields.
    Any {
        kind: u8,
        rest: Vec<u8>,
    },
    /// A hub's line with random bytes inserted repeatedly.
    Grown {
        start: Start,
        byte: u8,
        length: u16,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Style {
    Chat,
    Classic,
    Raw,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Room {
    Lobby,
    Other,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ControlLine {
    Roster,
    News,
    Rooms,
    Set,
    Msg,
    Said,
    Help,
    Probe,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Start {
    Nothing,
    Prove,
    NamedWithWord,
    Roster,
}

#[derive(Arbitrary, Debug)]
enum Line {
    Text,
    Nick(Nick),
    Empty,
    Quit,
    Command(Vec<u8>),
    FullWidth(Nick),
    Control(Vec<u8>),
    Grown { byte: u8, length: u16 },
    GrownNick { byte: u8, length: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wait {
    /// Wait until the next deadline.
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

fn room(room: Room) -> &'static str {
    match room {
        Room::Lobby => "lobby",
        Room::Other => "7b",
    }
}

fn control_line(line: ControlLine) -> &'static str {
    match line {
        ControlLine::Roster => "roster lobby 3 2 1 0 dog cat 10.0.2.1:40000",
        ControlLine::News => "notice lobby 4 renamed dog,cat;2",
        ControlLine::Rooms => "rooms 0 2 lobby 3 7b 1",
        ControlLine::Set => "set quiet on",
        ControlLine::Msg => "msg from cat psst",
        ControlLine::Said => "said 1 2 plain cat hi",
        ControlLine::Help => "help",
        ControlLine::Probe => "probe 7f3a",
    }
}

const SUBJECTS: [&str; 7] = ["say", "member", "nick", "resume", "join", "who", "command"];
const REASONS: [&str; 8] = [
    "in-use",
    "password",
    "not-a-word",
    "expired",
    "taken dog",
    "rate 20 -",
    "hub-full",
    "overloaded",
];
const KINDS: [&str; 11] = [
    "name", "refused", "roster", "notice", "rooms", "set", "msg", "said", "gone", "pigeon/1", "new",
];

struct Model {
    session: Session<Pcg64>,
    now: Instant,
    heartbeat: Duration,
    /// Accepted lines that have not been sent yet.
    typed: VecDeque<Vec<u8>>,
    /// Numbers lines, so that each is unique.
    lines: u32,
    /// Calls since the last drain.
    calls: usize,
    last: Vec<u8>,
    left: bool,
    moved: bool,
    /// Whether a line with a slash was entered, or a hub with names sent a request.
    has_typed_commands: bool,
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
            nick: input.nick.and_then(|n| Name::parse(nick(n).as_bytes()).ok()),
            left_off: None,
            password: None,
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
            // Creating the session counts: it sends a heartbeat.
            calls: 1,
            last: Vec::new(),
            left: false,
            moved: false,
            has_typed_commands: false,
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
        let or_none = |nick: &Option<Nick>| nick.map_or("-", self::nick);
        match what {
            FromHub::Answer { members, format: None, .. } => format!("^hb^ pigeon/1 {members} 0"),
            FromHub::Answer { members, format: Some(format), nick, room: place, version } => {
                let format = match format {
                    Style::Chat => "chat",
                    Style::Classic => "classic",
                    Style::Raw => "raw",
                };
                let (nick, place) = (or_none(nick), place.map_or("-", room));
                format!("^hb^ pigeon/1 {members} 0 {format} {nick} {place} {version} 0")
            }
            FromHub::Message(text) => return [b"cat: ", &text[..], b"\n"].concat(),
            FromHub::Bye => "Bye!".into(),
            FromHub::Prove(token) => return [b"/prove ", &token[..]].concat(),
            FromHub::Named { nick, room: place, word } => {
                let word = if *word { "7-abcdefghijklmnop" } else { "-" };
                format!("^hb^ name {} {} {word}", or_none(nick), room(*place))
            }
            FromHub::Gone(which) => {
                let gone = Gone::ALL[usize::from(*which) % Gone::ALL.len()];
                return Notice::Gone(gone).to_bytes();
            }
            FromHub::Refused { what, why } => {
                let what = SUBJECTS[usize::from(*what) % SUBJECTS.len()];
                let why = REASONS[usize::from(*why) % REASONS.len()];
                format!("^hb^ refused {what} {why}")
            }
            FromHub::Line(line) => format!("^hb^ {}", control_line(*line)),
            FromHub::Sentence { line, chinese } => {
                let line = format!("^hb^ {}", control_line(*line));
                let notice = Notice::parse(line.as_bytes()).expect("a control line");
                let language = if *chinese { Language::Chinese } else { Language::English };
                sentence::line(&notice, language)
            }
            FromHub::Echo => return self.last.clone(),
            FromHub::Any { kind, rest } => {
                let kind = KINDS[usize::from(*kind) % KINDS.len()];
                return [b"^hb^ ", kind.as_bytes(), b" ", &rest[..]].concat();
            }
            FromHub::Grown { start, byte, length } => {
                let start: &[u8] = match start {
                    Start::Nothing => b"",
                    Start::Prove => b"/prove ",
                    Start::NamedWithWord => b"^hb^ name dog lobby ",
                    Start::Roster => b"^hb^ roster lobby 3 2 1 0 ",
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
            Line::FullWidth(name) => format!("／nick {}", nick(*name)).into_bytes(),
            Line::Control(rest) => [b" ^hb^", &rest[..]].concat(),
            Line::Grown { byte, length } => grown(b"", *byte, *length),
            Line::GrownNick { byte, length } => grown(b"/nick ", *byte, *length),
        };
        self.has_typed_commands |= line.trim_ascii().starts_with(b"/") || line.contains(&0xef);
        match self.session.handle_line(self.now, &line) {
            Ok(Said::Sent | Said::IntoSilence) => {
                assert!(!self.left, "said after the end");
                self.moved = false;
                // Other lines may look like the session's own datagrams.
                if line.starts_with(b"#") && line.len() < 20 {
                    self.typed.push_back(line);
                }
            }
            Ok(Said::Quit) => self.moved = false,
            Ok(Said::Nothing | Said::Answered) => {}
            Err(LineError::TooLong { length, .. }) => assert!(length > 65_507),
            Err(LineError::Control) => {
                let text = line.trim_ascii();
                assert!(text[..4].eq_ignore_ascii_case(b"^hb^"), "{text:?}");
            }
            Err(LineError::Path) => {
                let text = String::from_utf8_lossy(line.trim_ascii()).replace('／', "/");
                assert!(text.starts_with('/') && text[1..].contains('/'), "{text:?}");
            }
            Err(LineError::Moved) => unreachable!("the hub stays where it is"),
            Err(LineError::Reserved) => unreachable!("only bytes for a raw room are refused so"),
            Err(LineError::Raw(_)) => {
                assert_eq!(self.session.format(), Some(Format::Raw));
                assert!(line.trim_ascii().starts_with(b"/") || line.starts_with("／".as_bytes()));
            }
        }
    }

    fn wait(&mut self, wait: Wait) {
        let end = match wait {
            Wait::Deadline => self.session.poll_timeout().unwrap_or(self.now).max(self.now),
            Wait::Millis(millis) => self.now + Duration::from_millis(millis.into()),
            // A laptop that slept: the timer is called late, and once.
            Wait::Minutes(minutes) => {
                self.now = self.now + Duration::from_secs(60) * minutes.into();
                return self.timer();
            }
        };
        self.run(end);
    }

    /// Advances time like a driver. Heartbeats are at least four fifths of the interval apart, and
    /// each may be missed once.
    fn run(&mut self, end: Instant) {
        let shortest = (self.heartbeat * 4 / 5).min(Duration::from_millis(500));
        let most =
            4 + 3 * MAX_PENDING as u128 + 4 * (end - self.now).as_millis() / shortest.as_millis();
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
        let mut moved = self.moved;
        while let Some(event) = self.session.poll_event() {
            assert!(!self.left, "{event:?} after the end");
            match event {
                Event::Joined(_) | Event::JoinedPlainly | Event::Unheard => known = true,
                Event::Left => leaving = true,
                Event::Notice(Notice::Gone(Gone::Moved)) => moved = true,
                Event::Notice(Notice::Gone(Gone::Kicked | Gone::Banned)) => moved = false,
                _ => {}
            }
        }
        assert!(!self.left || sent.is_empty(), "sent after the end: {sent:?}");
        let stays = !self.moved || !moved || leaving || sent.is_empty();
        assert!(stays, "sent although moved: {sent:?}");
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
            if bytes.starts_with(b"/") && !bytes.starts_with(b"/prove ") {
                // Requests made before a hub changed its format may still be in flight.
                self.has_typed_commands |=
                    self.session.format().is_some_and(|format| format != Format::Raw);
                assert!(self.has_typed_commands, "a command that nobody typed: {bytes:?}");
            }
            self.last = bytes;
        }
        if leaving || known {
            assert!(self.typed.is_empty(), "the hub is known, and lines wait: {:?}", self.typed);
        }
        self.moved = moved && !leaving;
        self.left |= leaving;
        if self.left {
            assert_eq!(self.session.poll_timeout(), None, "a timer after the end");
        }
    }

    /// Ten minutes without answers: heartbeats continue, slowly.
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
