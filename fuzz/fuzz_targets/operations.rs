//! Any sequence of things that happen to a hub, beside a model of who should hear what.
//!
//! Messages carry numbers, so that the model can tell where each one goes: to everyone who was in
//! its room when it was said and is still a member when the batch leaves, once, and to nobody else.
//! Members, rooms and names must agree with one another, with the events and with the statistics;
//! addresses that have not proved themselves never get more than they sent; what comes back as it
//! was sent is not relayed again; bans hold; timers are there when they are needed and only then.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_fuzz::addresses::{self, is_bad, is_beyond, person};
use pigeon_fuzz::drain::{Sent, drain};
use pigeon_fuzz::shown::Readers;
use pigeon_hub::{Config, Event, Format, Hub, PerOrigin, Rate, SourceRules};

/// Longer sequences find nothing that these do not, and slow the search down.
const MAX_OPERATIONS: usize = 150;

/// How long a line can come back as an echo.
const ECHO_MEMORY: Duration = Duration::from_secs(2);

const PASSWORD: &str = "secret";

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Settings,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
struct Settings {
    format: FormatChoice,
    password: bool,
    closed: bool,
    few_members: bool,
    few_per_address: bool,
    few_per_room: bool,
    slow: bool,
    no_notices: bool,
    discoverable: bool,
    report_messages: bool,
    text: TextLimit,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum FormatChoice {
    Chat,
    Classic,
    Raw,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum TextLimit {
    Usual,
    Tiny,
    Datagram,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Datagram {
        from: u8,
        what: Payload,
    },
    Wait(Wait),
    /// A timer called early.
    Timer,
    Drain,
    Say(Text),
    Kick(u8),
    KickName(Word),
    Ban(Net),
    BanName(Word),
    Unban(Net),
    Stop,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wait {
    Millis(u16),
    /// To the next deadline, as a driver does.
    Deadline,
    /// Until all are gone.
    Minute,
    TenMinutes,
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Heartbeat,
    Padded(u8),
    /// A message with a number of its own.
    Message(Text),
    /// The same for one.
    Whisper {
        to: Word,
        text: Text,
    },
    WhisperTo(u8),
    Quit,
    Nick(Word),
    Join(Word),
    Leave,
    Lobby,
    Who,
    Rooms,
    Help,
    Encoding(Label),
    Quiet(bool),
    Pass(bool),
    /// What the hub last sent to this address comes back, with something before it or not.
    Echo {
        before: bool,
    },
    /// The word this address was last asked to send back.
    Prove,
    /// A word that the hub once gave to anybody.
    Resume(u8),
    Discover(u8),
    Pieces(Vec<Piece>),
    Bytes(Vec<u8>),
    Grown {
        piece: Piece,
        times: u16,
    },
}

#[derive(Arbitrary, Debug)]
enum Text {
    Short,
    Filled(u8),
    Long { piece: Piece, times: u16 },
}

/// Names of members and of rooms; some are one name in two spellings, some are none.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Word {
    Dog,
    DogInCapitals,
    Chinese,
    Lobby,
    Ops,
    Hub,
    Dotted,
    Sharp,
    Emoji,
    Long,
    Bad,
    Porch,
    Address,
    Sigma,
    SmallSigma,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Label {
    Utf8,
    Gbk,
    Gb2312,
    Latin1,
    Big5,
    ShiftJis,
    Utf16,
    None,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Net {
    All,
    AllV6,
    Loopback,
    Open,
    OneOpen,
    Beyond,
    BeyondV6,
    Bad,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Piece {
    Letter,
    Space,
    Newline,
    Slash,
    Heartbeat,
    Quit,
    Here,
    Star,
    Colon,
    Nick,
    Msg,
    Chinese,
    Accent,
    Astral,
    Joiner,
    Mark,
    Bidi,
    Separator,
    Escape,
    C1,
    Null,
    NoText,
    Number,
    Backslash,
}

fuzz_target!(|input: Input| {
    let mut model = Model::new(&input.settings);
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        model.take(operation);
        if model.stopped {
            return;
        }
    }
    model.drain();
    model.empties();
});

fn word(word: Word) -> &'static str {
    match word {
        Word::Dog => "dog",
        Word::DogInCapitals => "DOG",
        Word::Chinese => "狗哥",
        Word::Lobby => "Lobby",
        Word::Ops => "ops",
        Word::Hub => "HUB",
        Word::Dotted => "İ",
        Word::Sharp => "ẞß",
        Word::Emoji => "👩\u{200d}🚀",
        Word::Long => "12345678901234567890123456789012",
        Word::Bad => "a:b",
        Word::Porch => "the porch",
        Word::Address => "127.0.0.1:5001",
        Word::Sigma => "ΑΣ",
        Word::SmallSigma => "ασ",
    }
}

fn label(label: Label) -> &'static str {
    match label {
        Label::Utf8 => "utf-8",
        Label::Gbk => "gbk",
        Label::Gb2312 => "GB2312",
        Label::Latin1 => "latin1",
        Label::Big5 => "big5",
        Label::ShiftJis => "sjis",
        Label::Utf16 => "utf-16le",
        Label::None => "klingon\x1b",
    }
}

fn net(net: Net) -> &'static str {
    match net {
        Net::All => "0.0.0.0/0",
        Net::AllV6 => "::/0",
        Net::Loopback => "127.0.0.1",
        Net::Open => "10.0.0.0/8",
        Net::OneOpen => "10.0.2.1",
        Net::Beyond => "203.0.113.0/24",
        Net::BeyondV6 => "2001:db8::/32",
        Net::Bad => "10.0.0.0/99",
    }
}

fn piece(piece: Piece) -> &'static [u8] {
    match piece {
        Piece::Letter => b"x",
        Piece::Space => b" ",
        Piece::Newline => b"\r\n",
        Piece::Slash => b"/",
        Piece::Heartbeat => b"^hb^",
        Piece::Quit => b"quit",
        Piece::Here => b"/here ",
        Piece::Star => b"* ",
        Piece::Colon => b": ",
        Piece::Nick => b"/nick ",
        Piece::Msg => b"/msg ",
        Piece::Chinese => "你".as_bytes(),
        Piece::Accent => "é".as_bytes(),
        Piece::Astral => "😀".as_bytes(),
        Piece::Joiner => "\u{200d}".as_bytes(),
        Piece::Mark => "\u{301}".as_bytes(),
        Piece::Bidi => "\u{202e}".as_bytes(),
        Piece::Separator => "\u{2028}".as_bytes(),
        Piece::Escape => b"\x1b[31m",
        Piece::C1 => "\u{9b}".as_bytes(),
        Piece::Null => b"\0",
        Piece::NoText => b"\xff",
        Piece::Number => b"#1#",
        Piece::Backslash => b"\\",
    }
}

fn config(settings: &Settings) -> Config {
    let mut config = Config {
        format: match settings.format {
            FormatChoice::Chat => Format::Chat,
            FormatChoice::Classic => Format::Classic,
            FormatChoice::Raw => Format::Raw,
        },
        password: settings.password.then(|| PASSWORD.into()),
        max_members: if settings.few_members { 4 } else { 100 },
        max_per_address: settings.few_per_address.then_some(2),
        loopback_counts: settings.few_per_address,
        max_per_room: settings.few_per_room.then_some(3),
        notices_up_to: if settings.no_notices { 2 } else { 100 },
        discoverable: settings.discoverable,
        report_messages: settings.report_messages,
        max_text: match settings.text {
            TextLimit::Usual => None,
            TextLimit::Tiny => Some(20),
            TextLimit::Datagram => Some(65_507),
        },
        sources: SourceRules {
            own: vec![addresses::parse(addresses::HUB)],
            ..SourceRules::default()
        },
        ..Config::default()
    };
    if settings.closed {
        config.sources.open.clear();
    }
    if settings.slow {
        let slow = Rate { messages: Some(3), bytes: Some(1_000) };
        config.rate = PerOrigin { loopback: slow, open: slow, beyond: slow };
    }
    config
}

/// Where a member is: its room's name, or nowhere if it has not given the password.
type Places = BTreeMap<SocketAddr, Option<String>>;

/// A message on its way.
struct Message {
    /// Who must get it.
    due: BTreeSet<SocketAddr>,
    /// It is for one, and leaves whoever leaves meanwhile.
    whispered: bool,
    /// Its number may also stand in something else: who gets it cannot be told.
    blurred: bool,
}

impl Message {
    fn blurred() -> Message {
        Message { due: BTreeSet::new(), whispered: false, blurred: true }
    }
}

/// What an address sent and got while it was no member.
#[derive(Default)]
struct Balance {
    datagrams: usize,
    bytes: usize,
}

/// The last line that an address got.
struct Line {
    bytes: Vec<u8>,
    /// No later than it was written.
    since: Instant,
    room: Option<String>,
}

struct Model {
    hub: Hub,
    now: Instant,
    places: Places,
    spoke: BTreeSet<SocketAddr>,
    readers: Readers,
    /// Addresses that ever asked for another encoding.
    foreign: BTreeSet<SocketAddr>,
    /// Those who were members at any time since the last drain.
    /// Who has changed rooms in this batch.
    moved: BTreeSet<SocketAddr>,
    lately: BTreeSet<SocketAddr>,
    balances: BTreeMap<SocketAddr, Balance>,
    last: BTreeMap<SocketAddr, Line>,
    proofs: BTreeMap<SocketAddr, Vec<u8>>,
    words: Vec<Vec<u8>>,
    messages: BTreeMap<u32, Message>,
    number: u32,
    /// Who has been banned since before this batch.
    banned: BTreeSet<SocketAddr>,
    /// When the current batch began.
    batch: Instant,
    /// Bytes that the current batch may at most come to.
    outbox_limit: usize,
    received: u64,
    sent: u64,
    stopped: bool,
}

impl Model {
    fn new(settings: &Settings) -> Model {
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        Model {
            hub: Hub::new(config(settings)),
            now,
            places: Places::new(),
            spoke: BTreeSet::new(),
            readers: Readers::default(),
            foreign: BTreeSet::new(),
            moved: BTreeSet::new(),
            lately: BTreeSet::new(),
            balances: BTreeMap::new(),
            last: BTreeMap::new(),
            proofs: BTreeMap::new(),
            words: Vec::new(),
            messages: BTreeMap::new(),
            number: 1_000,
            banned: BTreeSet::new(),
            batch: now,
            outbox_limit: 0,
            received: 0,
            sent: 0,
            stopped: false,
        }
    }

    fn format(&self) -> Format {
        self.hub.config().format
    }

    fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Datagram { from, what } => self.datagram(person(*from), what),
            Operation::Wait(wait) => self.wait(*wait),
            Operation::Timer => self.timer(),
            Operation::Drain => self.drain(),
            Operation::Say(text) => self.say(text),
            Operation::Kick(who) => {
                let who = person(*who);
                let here = self.places.contains_key(&who);
                assert_eq!(self.hub.kick(self.now, &who.to_string()), here, "kick {who}");
                self.look();
                assert!(!self.places.contains_key(&who), "kicked, and still here");
            }
            Operation::KickName(name) => {
                let before = self.places.len();
                let kicked = self.hub.kick(self.now, word(*name));
                self.look();
                assert_eq!(before - self.places.len(), usize::from(kicked));
            }
            Operation::Ban(banned) => self.ban(net(*banned)),
            Operation::BanName(name) => self.ban(word(*name)),
            Operation::Unban(banned) => {
                let before = self.hub.bans().count();
                let lifted = self.hub.unban(net(*banned));
                self.banned.clear();
                assert_eq!(before - self.hub.bans().count(), usize::from(lifted));
            }
            Operation::Stop => self.stop(),
        }
    }

    fn ban(&mut self, who: &str) {
        let Ok(banned) = self.hub.ban(self.now, who) else { return self.look() };
        self.look();
        let contains = |address: &SocketAddr| banned.contains(&address.ip());
        assert!(!self.places.keys().any(contains), "banned, and still here");
        let own = contains(&addresses::parse("127.0.0.1:1"));
        assert!(!own, "{banned} is this machine too");
    }

    fn datagram(&mut self, from: SocketAddr, what: &Payload) {
        let mut fresh = None;
        let payload = self.payload(from, what, &mut fresh);
        let cut = payload.len() > 65_507;
        let payload = &payload[..payload.len().min(65_507)];
        // Without its end a message has no number.
        fresh = fresh.filter(|_| !cut);
        if fresh.is_none() {
            self.blur(payload);
        }
        if !is_bad(from) {
            self.spoke.insert(from);
        }
        if matches!(what, Payload::Encoding(_)) || payload.windows(9).any(|w| w == b"/encoding") {
            self.foreign.insert(from);
        }
        let balance = self.balances.entry(from).or_default();
        balance.datagrams += 1;
        balance.bytes += payload.len();
        self.begin(payload.len());
        let relayed = self.hub.statistics().messages;
        let was_banned = self.hub.bans().any(|net| net.contains(&from.ip()));
        let echo = self.is_echo(from, what);
        self.received += 1;
        self.hub.handle_datagram(self.now, &Received::new(from, payload));
        assert_eq!(self.hub.statistics().received, self.received);
        self.look();
        if is_bad(from) || was_banned {
            assert!(!self.places.contains_key(&from), "{from} is a member");
        }
        let relayed = self.hub.statistics().messages - relayed;
        assert!(relayed <= 1);
        assert!(
            !echo || relayed == 0,
            "an echo is relayed: {:?}",
            String::from_utf8_lossy(payload)
        );
        if relayed == 1
            && let Some((number, to)) = fresh
        {
            self.on_its_way(from, number, to);
        }
    }

    /// Notes a message that the hub has taken, and who must get it.
    fn on_its_way(&mut self, from: SocketAddr, number: u32, to: Option<SocketAddr>) {
        let room = self.places.get(&from).cloned().flatten();
        assert!(room.is_some(), "{from} speaks, and is in no room");
        let mut due: BTreeSet<SocketAddr> = match to {
            Some(to) => [from, to].into(),
            None => {
                let here = self.places.iter().filter(|(_, place)| **place == room);
                here.map(|(address, _)| *address).collect()
            }
        };
        if self.format() == Format::Raw {
            due.remove(&from);
        }
        // Who writes to itself gets both lines.
        let blurred = to == Some(from);
        self.messages.insert(number, Message { due, whispered: to.is_some(), blurred });
    }

    fn say(&mut self, text: &Text) {
        let (text, number) = self.text(text);
        self.begin(text.len());
        let text = String::from_utf8_lossy(&text).into_owned();
        let before = self.hub.statistics().messages;
        let said = self.hub.say(&text);
        self.look();
        if said.is_ok() {
            let rooms = self.hub.rooms().count() as u64;
            assert_eq!(self.hub.statistics().messages - before, rooms);
            let due = self.places.iter().filter(|(_, place)| place.is_some());
            let due = due.map(|(address, _)| *address).collect();
            self.messages.insert(number, Message { due, whispered: false, blurred: false });
        } else {
            self.messages.insert(number, Message::blurred());
        }
    }

    fn stop(&mut self) {
        self.drain();
        self.begin(0);
        self.hub.stop();
        let sent = drain(&mut self.hub);
        let told: BTreeSet<SocketAddr> = sent.iter().map(|(to, _)| *to).collect();
        assert_eq!(sent.len(), told.len(), "somebody is told twice");
        assert!(sent.iter().all(|(_, bytes)| bytes == b"Bye!"));
        assert_eq!(told, self.places.keys().copied().collect());
        self.stopped = true;
    }

    // Time.

    fn wait(&mut self, wait: Wait) {
        let end = match wait {
            Wait::Millis(millis) => self.now + Duration::from_millis(millis.into()),
            Wait::Deadline => self.hub.poll_timeout().unwrap_or(self.now).max(self.now),
            Wait::Minute => self.now + Duration::from_secs(60),
            Wait::TenMinutes => self.now + Duration::from_secs(600),
        };
        for _ in 0..1_000 {
            match self.hub.poll_timeout().filter(|deadline| *deadline <= end) {
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    self.timer();
                    self.drain();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the hub asks to be woken without end");
    }

    fn timer(&mut self) {
        self.begin(0);
        self.hub.handle_timeout(self.now);
        self.look();
        if let Some(deadline) = self.hub.poll_timeout() {
            assert!(deadline > self.now, "the timer has been handled, and is due again at once");
        }
        let timeout = self.hub.config().timeout;
        let late = self.hub.members().find(|member| member.heard + timeout <= self.now);
        assert!(late.is_none(), "{late:?} has been silent for too long");
    }

    /// In the end everybody is gone, and no timer is left.
    fn empties(&mut self) {
        self.wait(Wait::Minute);
        assert_eq!(self.hub.member_count(), 0);
        assert_eq!(self.hub.poll_timeout(), None, "nobody is here, and yet a timer");
    }

    // What goes in.

    fn payload(
        &mut self,
        from: SocketAddr,
        what: &Payload,
        fresh: &mut Option<(u32, Option<SocketAddr>)>,
    ) -> Vec<u8> {
        let text = match what {
            Payload::Heartbeat => "^hb^".into(),
            Payload::Padded(length) => format!("{:1$}", "^hb^", usize::from(*length)),
            Payload::Message(text) => {
                let (text, number) = self.text(text);
                *fresh = Some((number, None));
                return text;
            }
            Payload::Whisper { to, text } => {
                let (text, number) = self.text(text);
                let holder = self.holder(word(*to));
                // In a format without commands this is a message like others.
                let to_one = if self.format() == Format::Raw { None } else { holder };
                *fresh = Some((number, to_one));
                return [b"/msg ", word(*to).as_bytes(), b" ", &text[..]].concat();
            }
            Payload::WhisperTo(to) => {
                self.number += 1;
                let to = person(*to);
                let to_one = if self.format() == Format::Raw { None } else { Some(to) };
                *fresh = Some((self.number, to_one));
                format!("/msg {to} #{}#", self.number)
            }
            Payload::Quit => "quit\n".into(),
            Payload::Nick(name) => format!("/nick {}", word(*name)),
            Payload::Join(name) => format!("/join {}", word(*name)),
            Payload::Leave => "/leave".into(),
            Payload::Lobby => "/join lobby".into(),
            Payload::Who => "/who".into(),
            Payload::Rooms => "/rooms".into(),
            Payload::Help => "/help".into(),
            Payload::Encoding(wish) => format!("/encoding {}", label(*wish)),
            Payload::Quiet(on) => format!("/quiet {}", if *on { "on" } else { "off" }),
            Payload::Pass(right) => format!("/pass {}", if *right { PASSWORD } else { "guess" }),
            Payload::Echo { before } => {
                let before: &[u8] = if *before { b"10.9.9.9:9: " } else { b"" };
                let last = self.last.get(&from).map_or(&b""[..], |line| &line.bytes);
                return [before, last].concat();
            }
            Payload::Prove => return self.proofs.get(&from).cloned().unwrap_or_default(),
            Payload::Resume(which) => {
                let count = self.words.len().max(1);
                let word = self.words.get(usize::from(*which) % count);
                return [&b"/resume "[..], word.map_or(b"1-a", |word| word)].concat();
            }
            Payload::Discover(nonce) => format!("{:200}", format!("/discover {nonce:x}")),
            Payload::Pieces(pieces) => {
                return pieces.iter().flat_map(|p| piece(*p)).copied().collect();
            }
            Payload::Bytes(bytes) => return bytes.clone(),
            Payload::Grown { piece: p, times } => return piece(*p).repeat(usize::from(*times)),
        };
        text.into_bytes()
    }

    /// Text that ends in a number of its own.
    fn text(&mut self, text: &Text) -> (Vec<u8>, u32) {
        self.number += 1;
        let number = format!("#{}#", self.number);
        let before = match text {
            Text::Short => Vec::new(),
            Text::Filled(length) => vec![b'y'; usize::from(*length)],
            // `x` first, so that it is a message whatever the pieces mean.
            Text::Long { piece: p, times } => {
                let room = 65_500 - number.len();
                let times = usize::from(*times).min(room / piece(*p).len());
                [b"x", &piece(*p).repeat(times)[..]].concat()
            }
        };
        // Numbers inside would be somebody else's.
        let before: Vec<u8> = before.into_iter().filter(|byte| *byte != b'#').collect();
        ([&before[..], number.as_bytes()].concat(), self.number)
    }

    fn holder(&self, name: &str) -> Option<SocketAddr> {
        let folded = fold(name);
        let has = |other: &str| fold(other) == folded;
        let named = self.hub.members().find(|m| m.name.as_ref().is_some_and(|n| has(n.as_str())));
        named.map(|member| member.address).or_else(|| name.parse().ok())
    }

    /// Whether this is an echo that must go no further. Only where that is certain: lines of eight
    /// bytes or more, back within the time, to the room they were said in, in UTF-8. The raw format
    /// lets two pass.
    fn is_echo(&self, from: SocketAddr, what: &Payload) -> bool {
        let Some(line) = self.last.get(&from) else { return false };
        matches!(what, Payload::Echo { before } if !before || line.bytes != b"Bye!")
            && self.format() != Format::Raw
            && !self.foreign.contains(&from)
            && line.bytes.trim_ascii().len() >= 8
            && self.now - line.since <= ECHO_MEMORY
            && self.places.get(&from).is_some_and(|room| *room == line.room)
            && is_line(&line.bytes)
    }

    // What comes out.

    /// Before the hub is called: a new batch begins if the last one has been drained.
    fn begin(&mut self, bytes: usize) {
        if self.hub.outbox().is_empty() {
            self.outbox_limit = 0;
        }
        // Each byte shows as up to four, a room hears it in up to seven encodings, and each member
        // may be told something.
        self.outbox_limit += 40 * bytes + 4_096 * (self.places.len() + 2);
    }

    /// Compares what can be seen of the hub with itself and with what was seen before.
    fn look(&mut self) {
        let members: Vec<_> = self.hub.members().collect();
        assert_eq!(members.len(), self.hub.member_count());
        assert!(members.len() <= self.hub.config().max_members);
        let mut places = Places::new();
        let mut names = BTreeSet::new();
        for member in &members {
            let room = member.room.as_ref().map(|room| room.as_str().to_string());
            assert!(places.insert(member.address, room).is_none(), "{member:?} twice");
            assert!(self.spoke.contains(&member.address), "{member:?} sent nothing");
            if let Some(name) = &member.name {
                assert!(names.insert(fold(name.as_str())), "{name} twice");
                assert_ne!(name.as_str().to_lowercase(), "hub");
            }
        }
        let mut rooms = BTreeSet::new();
        for room in self.hub.rooms() {
            let name = room.name.as_str();
            assert!(rooms.insert(fold(name)), "room {name} twice");
            let here = places.values().filter(|place| place.as_deref() == Some(name)).count();
            assert_eq!(here, room.members, "members of {name}");
            assert!(here > 0 || name == "lobby", "{name} is empty, and still there");
            if let Some(most) = self.hub.config().max_per_room {
                assert!(here <= most, "{here} in {name}");
            }
        }
        let inside = places.values().filter(|place| place.is_some()).count();
        let counted: usize = self.hub.rooms().map(|room| room.members).sum();
        assert_eq!(inside, counted, "somebody is in a room that is not there");
        assert!(inside == places.len() || self.hub.config().password.is_some());
        assert!(members.is_empty() || self.hub.poll_timeout().is_some(), "members, and no timer");

        // Whoever left does not get what was said before; whoever moved does, at once, and so
        // also if it leaves later in the batch.
        let moved = |(to, place): &(&SocketAddr, &Option<String>)| {
            self.places.get(*to).is_some_and(|was| was != *place)
        };
        self.moved.extend(places.iter().filter(moved).map(|(to, _)| *to));
        for message in self.messages.values_mut().filter(|message| !message.whispered) {
            message.due.retain(|to| places.get(to).is_some_and(Option::is_some));
        }
        self.lately.extend(self.places.keys().chain(places.keys()));
        self.places = places;
        let outbox = self.hub.outbox().len();
        assert!(outbox <= self.outbox_limit.max(1 << 16), "an outbox of {outbox} bytes");
    }

    fn drain(&mut self) {
        let sent = drain(&mut self.hub);
        self.sent += sent.len() as u64;
        assert_eq!(self.hub.statistics().sent, self.sent);
        while let Some(event) = self.hub.poll_event() {
            match event {
                Event::Message { range, .. } => assert!(range.end <= self.hub.outbox().len()),
                // A member for part of the batch only.
                Event::Joined { address } | Event::Left { address, .. } => {
                    self.lately.insert(address);
                }
                _ => {}
            }
        }
        let was_left_out = |(_, bytes): &&Sent| bytes.starts_with(b"* a message was left out");
        let left_out: BTreeSet<SocketAddr> =
            sent.iter().filter(was_left_out).map(|(to, _)| *to).collect();
        let mut heard: BTreeMap<u32, Vec<SocketAddr>> = BTreeMap::new();
        for (to, bytes) in &sent {
            assert!(self.spoke.contains(to), "{to} sent nothing, and gets {bytes:?}");
            let heard_of = self.banned.contains(to);
            assert!(!heard_of, "{to} is banned, and gets {bytes:?}");
            for number in numbers(bytes) {
                heard.entry(number).or_default().push(*to);
            }
            self.learn(*to, bytes);
        }
        self.weigh(&sent);
        if self.format() == Format::Chat {
            self.readers.check(&sent);
        }
        for (number, message) in std::mem::take(&mut self.messages) {
            if !message.blurred {
                let mut got = heard.remove(&number).unwrap_or_default();
                got.sort_unstable();
                // Too long in its encoding, and told so.
                got.retain(|to| message.due.contains(to) || !self.moved.contains(to));
                let told = |to: &SocketAddr| got.contains(to) || !left_out.contains(to);
                let due: Vec<SocketAddr> = message.due.into_iter().filter(told).collect();
                assert_eq!(got, due, "who got #{number}#, and who should have");
            }
        }
        let bans: Vec<_> = self.hub.bans().collect();
        let is_banned = |who: &&SocketAddr| bans.iter().any(|net| net.contains(&who.ip()));
        self.banned = self.spoke.iter().filter(is_banned).copied().collect();
        self.batch = self.now;
        self.moved.clear();
        self.lately = self.places.keys().copied().collect();
    }

    /// Whoever has not proved itself never gets more than it sent.
    fn weigh(&mut self, sent: &[Sent]) {
        let closed = self.hub.config().open.is_empty();
        for (to, bytes) in sent {
            if (closed || is_beyond(*to)) && !self.lately.contains(to) {
                let balance = self.balances.entry(*to).or_default();
                let left =
                    (balance.datagrams.checked_sub(1), balance.bytes.checked_sub(bytes.len()));
                let (Some(datagrams), Some(bytes)) = left else {
                    panic!("{to} has not proved itself, and gets more than it sent");
                };
                (balance.datagrams, balance.bytes) = (datagrams, bytes);
            }
        }
    }

    /// Remembers what can be sent back.
    fn learn(&mut self, to: SocketAddr, bytes: &[u8]) {
        if bytes.starts_with(b"/prove ") {
            self.proofs.insert(to, bytes.to_vec());
        }
        let word = find(bytes, b"; /resume ").map(|at| &bytes[at + 10..]);
        if let Some(word) = word.filter(|_| bytes.starts_with(b"* you are ")) {
            let end = word.iter().position(|byte| *byte == b' ').unwrap_or(word.len());
            if self.words.len() < 64 {
                self.words.push(word[..end].to_vec());
            }
        }
        let room = self.places.get(&to).cloned().flatten();
        self.last.insert(to, Line { bytes: bytes.to_vec(), since: self.batch, room });
    }

    /// Numbers in something that is no new message are somebody else's.
    fn blur(&mut self, payload: &[u8]) {
        for number in numbers(payload) {
            self.messages.entry(number).or_insert_with(Message::blurred).blurred = true;
        }
    }
}

/// What must differ between two names.
fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// Whether a line is one that the hub remembers: what only programs read is known by itself.
fn is_line(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"/prove ") && !bytes.starts_with(b"^hb^ ") && !bytes.starts_with(b"/here ")
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Every `#number#` in a line.
fn numbers(bytes: &[u8]) -> BTreeSet<u32> {
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'#').skip(1).collect();
    parts.pop();
    parts.into_iter().filter_map(|part| std::str::from_utf8(part).ok()?.parse().ok()).collect()
}
