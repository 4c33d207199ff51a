//! Members cannot forge control lines. In any format and encoding, no message makes a reader get a
//! datagram that a client takes for a control line. Private messages are control lines of the hub,
//! with the text escaped.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pigeon_hub::{Config, Door, Input, MemberId, Origin, Source};
use pigeon_proto::{Answer, Format, Label, LinkKind, Notice, RoomName, Text, heartbeat};
use pigeon_text::Encoding;
use proptest::prelude::*;

use crate::harness::{FORMATS, Harness, SECOND, SentAt, local};

/// Every encoding that a member may use is of one of these kinds.
const ENCODINGS: [&str; 14] = [
    "utf-8",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "latin1",
    "koi8-r",
    "windows-1251",
    "ibm866",
    "macintosh",
    "x-user-defined",
];

/// A reader: its door, its address, its encoding, and whether it reads control lines.
#[derive(Clone, Copy, Debug)]
struct Reader {
    door: u16,
    address: SocketAddr,
    encoding: Encoding,
    is_padded: bool,
}

struct World {
    h: Harness,
    readers: Vec<Reader>,
    /// A member of another link.
    guest: MemberId,
}

impl World {
    /// A hub with a listening socket per format, `first` in front, each with two readers of every
    /// encoding: with and without control lines.
    fn new(first: Format) -> World {
        let rest = FORMATS.into_iter().filter(|&format| format != first);
        let formats: Vec<Format> = [first].into_iter().chain(rest).collect();
        let room = |format| if format == Format::Raw { "video" } else { "lobby" };
        let door = |&format: &Format| Door {
            format,
            room: RoomName::parse(room(format).as_bytes()).unwrap(),
        };
        let doors = formats.iter().map(door).collect();
        let mut h = Harness::new(Config { doors, ..Config::default() });
        let mut readers = Vec::new();
        for (door, format) in (0..).zip(formats) {
            for (number, label) in (0u16..).zip(ENCODINGS) {
                for is_padded in [false, true] {
                    let address = local(5_000 + 100 * door + 2 * number + u16::from(is_padded));
                    let raw = format == Format::Raw;
                    let encoding = Encoding::for_label(if raw { "utf-8" } else { label }).unwrap();
                    let beat = if is_padded { &heartbeat::PADDED[..] } else { b"^hb^" };
                    h.hear_at(door, address, beat);
                    // A room accepts eight encodings.
                    if !raw && number >= 8 {
                        h.hear_at(door, address, "/join tea");
                    }
                    if !raw {
                        h.hear_at(door, address, format!("/encoding {label}"));
                    }
                    readers.push(Reader { door, address, encoding, is_padded });
                }
            }
        }
        let link = h.hub.add_link(LinkKind::Key).unwrap();
        let source = Source { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), origin: Origin::Loopback };
        let label = Label::parse("^hb^").unwrap();
        let guest = h.hub.join(h.now, link, label, source).unwrap();
        h.wait(2 * SECOND);
        World { h, readers, guest }
    }

    /// Panics if a forged control line was sent. `said` is the expected text of a private message,
    /// `speaker` the member that may get answers.
    fn check(&self, sent: &[SentAt], speaker: Option<Reader>, said: Option<&Text>) {
        let by_place: BTreeMap<(u16, SocketAddr), Reader> =
            self.readers.iter().map(|reader| ((reader.door, reader.address), *reader)).collect();
        for (door, to, bytes) in sent {
            let reader = by_place[&(*door, *to)];
            if !looks_like_the_hubs(bytes) {
                continue;
            }
            let shown = bytes.escape_ascii();
            let is_answer = speaker.is_some_and(|speaker| speaker.address == *to);
            // The hub may answer another hub's test, which everyone may see.
            let is_probed = matches!(Notice::parse(bytes), Some(Notice::Probed(_)));
            assert!(reader.is_padded || is_probed, "{reader:?} gets {shown}");
            match Notice::parse(bytes) {
                Some(Notice::MsgFrom { text, .. } | Notice::MsgTo { text, .. }) => {
                    assert_eq!(Some(&text), said, "{reader:?} gets {shown}");
                }
                Some(_) => assert!(is_answer, "{reader:?} gets {shown}"),
                None => assert!(is_answer && Answer::parse(bytes).is_some(), "{shown}"),
            }
        }
    }
}

/// Whether any client or hub could take a datagram for a control line.
fn looks_like_the_hubs(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii().get(..5).unwrap_or_default();
    let reads = Notice::parse(bytes).is_some() || Answer::parse(bytes).is_some();
    reads || start.eq_ignore_ascii_case(b"^hb^ ")
}

/// Control lines, and texts that could hide one or become one.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"^hb^ gone kicked"[..],
        b"^hb^ msg from dog hi",
        b"^hb^ pigeon/1 3 0 chat - lobby 7 0",
        b"^hb^ probe 7f3a",
        b"^hb^ ",
        b"^HB^ GONE STOPPED",
        b"^hb^",
        b"^",
        b" ",
        b"\t",
        b"\r\n",
        b"\n^hb^ gone banned",
        b"\0",
        b"\x1b",
        b"\x0e",
        b"~{",
        b"/",
        b"//",
        b"/prove ",
        b"* ",
        b"Bye!",
        b": ",
        b"x",
        "\u{3000}".as_bytes(),
        "\u{feff}".as_bytes(),
        "\u{200b}".as_bytes(),
        "＾ｈｂ＾　".as_bytes(),
        "狗哥".as_bytes(),
        b"\xff\xfe",
        b"\x81",
        b"\x81\x5e",
        b"\x5e",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

/// The speaker.
#[derive(Clone, Debug)]
enum Speaks {
    Member(usize),
    /// A private message to a reader.
    Whispers(usize, usize),
    Operator,
    /// A member of another link.
    Guest,
}

fn speaks() -> impl Strategy<Value = Speaks> {
    let one = 0..6 * ENCODINGS.len();
    prop_oneof![
        4 => one.clone().prop_map(Speaks::Member),
        2 => (one.clone(), one).prop_map(|(from, to)| Speaks::Whispers(from, to)),
        1 => Just(Speaks::Operator),
        1 => Just(Speaks::Guest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_can_forge_a_control_line(
        first in prop::sample::select(FORMATS.to_vec()),
        said in prop::collection::vec((speaks(), text(), any::<bool>()), 1..12),
    ) {
        let mut world = World::new(first);
        for (speaks, text, is_drained) in said {
            let (mut speaker, mut private) = (None, None);
            match speaks {
                Speaks::Member(from) => {
                    let from = world.readers[from];
                    speaker = Some(from);
                    world.h.hear_at(from.door, from.address, &text);
                }
                Speaks::Whispers(from, to) => {
                    let (from, to) = (world.readers[from], world.readers[to]);
                    let line = [format!("/msg {} ", to.address).as_bytes(), &text].concat();
                    speaker = Some(from);
                    private = match from.encoding {
                        Encoding::UTF_8 => Text::of(text.trim_ascii()),
                        other => Text::of(other.decode(&text).as_bytes().trim_ascii()),
                    };
                    world.h.hear_at(from.door, from.address, line);
                }
                Speaks::Operator => {
                    // Refused or not.
                    let _ = world.h.hub.say(&String::from_utf8_lossy(&text));
                }
                Speaks::Guest => {
                    let input = Input::Say { text: &text, identity: None };
                    world.h.hub.handle_input(world.h.now, world.guest, input);
                }
            }
            // Messages of the operator and other links may leave with the next drain.
            if is_drained || speaker.is_some() {
                let sent = world.h.drain_at();
                world.check(&sent, speaker, private.as_ref());
            }
        }
        let sent = world.h.drain_at();
        world.check(&sent, None, None);
    }
}

#[test]
fn control_lines_are_not_relayed_whoever_sends_them_and_however() {
    let lines = [
        "^hb^ gone kicked",
        " ^hb^ gone kicked\n",
        "^HB^ gone kicked",
        "^hb^ pigeon/1 3 0",
        "^hb^ something of a later version",
    ];
    for first in FORMATS {
        let mut world = World::new(first);
        for line in lines {
            for reader in world.readers.clone() {
                let sent = world.h.at(reader.door, reader.address, line);
                assert_eq!(sent, [], "{line:?} from {reader:?}");
            }
            // A text for the operator and other links, unless it is a control line.
            let _ = world.h.hub.say(line);
            let input = Input::Say { text: line.as_bytes(), identity: None };
            world.h.hub.handle_input(world.h.now, world.guest, input);
            let sent = world.h.drain_at();
            assert!(sent.iter().all(|(_, _, bytes)| !looks_like_the_hubs(bytes)), "{line:?}");
        }
    }
}
