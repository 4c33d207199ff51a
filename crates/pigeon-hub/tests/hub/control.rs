//! Control lines: notices to members that last sent a padded heartbeat. `pigeon-proto` parses every
//! such datagram; other members get sentences, in a language.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Door, PerOrigin, Rate};
use pigeon_proto::Format::{self, Chat, Classic, Raw};
use pigeon_proto::{
    Answer, Change, Detail, Gone, Label, Language, Name, NameError, News, Notice, Reason, Refusal,
    RoomName, Roster, Setting, Subject, Text, Verb, heartbeat,
};
use pigeon_text::{Charset, Encoding};

use crate::harness::{
    FORMATS, Harness, SECOND, Sent, address, beyond, bytes_got, got, heartbeat as padded_to, local,
};

const DOG: u16 = 5001;
const CAT: u16 = 5002;

const NOTHING: [Notice; 0] = [];

/// The least time between two answers to a member's heartbeats.
const BETWEEN_ANSWERS: Duration = Duration::from_millis(125);

/// The notices to a member, which must all be control lines.
fn notices(sent: &[Sent], by: SocketAddr) -> Vec<Notice> {
    let read = |bytes: &[u8]| {
        assert!(!bytes.ends_with(b"\n"), "a newline: {}", bytes.escape_ascii());
        Notice::parse(bytes).unwrap_or_else(|| panic!("not a notice: {}", bytes.escape_ascii()))
    };
    bytes_got(sent, by).into_iter().map(read).collect()
}

/// Sends a padded heartbeat, and returns its answer.
fn pad(h: &mut Harness, member: SocketAddr) -> Answer {
    h.now = h.now + BETWEEN_ANSWERS;
    let sent = h.from(member, heartbeat::PADDED);
    let answers = bytes_got(&sent, member);
    assert_eq!(answers.len(), 1, "{answers:?}");
    Answer::parse(answers[0]).expect("an answer to a heartbeat")
}

/// A hub with these members, which all read control lines, and no pending changes.
fn with_programs(config: Config, members: &[SocketAddr]) -> Harness {
    let mut h = Harness::new(config);
    for &member in members {
        h.from(member, heartbeat::PADDED);
        h.from(member, heartbeat::PADDED);
    }
    h.wait(2 * SECOND);
    h
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::parse(text.as_bytes()).unwrap()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn text(said: &[u8]) -> Text {
    Text::of(said).unwrap()
}

fn detail(text: &str) -> Detail {
    Detail::of(text.as_bytes())
}

fn refused(what: Subject, why: Reason) -> Notice {
    Notice::Refused(Refusal::new(what, why))
}

/// The reader's name and room, and whether a resume token is included.
fn you(notice: &Notice) -> (Option<&str>, &str, bool) {
    match notice {
        Notice::Name { name, room, word } => {
            (name.as_ref().map(Name::as_str), room.as_str(), word.is_some())
        }
        other => panic!("{other:?}"),
    }
}

/// Encodings that contain ASCII and `狗哥`.
const ENCODINGS: [&str; 4] = ["utf-8", "gbk", "gb2312", "big5"];

/// Runs a check with members that read control lines, of each format with lines, in each encoding.
fn for_each_reader(mut check: impl FnMut(&mut Harness, SocketAddr, Encoding)) {
    for format in [Chat, Classic] {
        for encoding in ENCODINGS {
            let member = local(DOG);
            let mut h = with_programs(Config::of(format), &[member, local(CAT)]);
            let encoding_of = Encoding::for_label(encoding).unwrap();
            let set = notices(&h.from(member, format!("/encoding {encoding}")), member);
            assert_eq!(set, [Notice::Set(Setting::Encoding(Charset::Fixed(encoding_of)))]);
            check(&mut h, member, encoding_of);
        }
    }
}

/// The answer to a command that was sent in a member's own encoding.
fn ask(h: &mut Harness, member: SocketAddr, encoding: Encoding, command: &str) -> Notice {
    let mut bytes = Vec::new();
    encoding.encode_lossy(command, &mut bytes);
    let sent = h.from(member, &bytes);
    let mut notices = notices(&sent, member);
    assert_eq!((sent.len(), notices.len()), (1, 1), "{command}: {sent:?}");
    notices.remove(0)
}

// Commands.

#[test]
fn every_command_is_answered_by_one_control_line() {
    for_each_reader(|h, member, encoding| {
        let mut ask = |command: &str| ask(h, member, encoding, command);
        assert_eq!(you(&ask("/nick")), (None, "lobby", false));
        assert_eq!(you(&ask("/nick 狗哥")), (Some("狗哥"), "lobby", true));
        assert_eq!(you(&ask("/nick")), (Some("狗哥"), "lobby", true));
        let (who, place, _) = (ask("/join 茶"), ask("/leave"), ask("/join ops"));
        assert_eq!((you(&who).0, you(&who).1), (Some("狗哥"), "茶"));
        assert_eq!(you(&place).1, "lobby");
        let Notice::Roster(roster) = ask("/who") else { panic!("not a roster") };
        let Roster { room: place, people, senders, from, names, .. } = roster;
        assert_eq!((place, people, senders, from), (room("ops"), 1, 0, 0));
        assert_eq!(names, [label("狗哥")]);
        let Notice::Rooms { from, total, mut rooms } = ask("/rooms") else { panic!("no rooms") };
        rooms.sort();
        assert_eq!((from, total, rooms), (0, 2, vec![(room("lobby"), 1), (room("ops"), 1)]));
        for (word, language) in [("zh", Language::Chinese), ("en", Language::English)] {
            let set = Notice::Set(Setting::Language(language));
            assert_eq!(ask(&format!("/language {word}")), set);
        }
        assert_eq!(ask("/quiet on"), Notice::Set(Setting::Quiet(true)));
        assert_eq!(ask("/quiet off"), Notice::Set(Setting::Quiet(false)));
        assert_eq!(ask("/help"), Notice::Help);
        let history = refused(Subject::Command(Verb::History), Reason::NoHistory);
        assert_eq!(ask("/history"), history);
        assert_eq!(you(&ask("/pass any")).0, Some("狗哥"));
    });
}

#[test]
fn every_wrong_command_is_refused_by_one_control_line() {
    for_each_reader(|h, member, encoding| {
        h.from(local(CAT), "/nick cat");
        let long = "x".repeat(2_000);
        let length = |verb: Verb| Reason::TooLong {
            length: (verb.word().len() + 1 + long.len()) as u64,
            most: 1_024,
        };
        let mut ask = |command: &str| ask(h, member, encoding, command);
        let usage = [
            (Verb::Resume, "/resume"),
            (Verb::Resume, "/resume two words"),
            (Verb::Pass, "/pass"),
            (Verb::Join, "/join"),
            (Verb::Who, "/who dog"),
            (Verb::Who, "/who -1"),
            (Verb::Rooms, "/rooms x"),
            (Verb::Msg, "/msg cat"),
            (Verb::Msg, "/msg"),
            (Verb::Encoding, "/encoding"),
            (Verb::Language, "/language"),
            (Verb::Language, "/language fr"),
            (Verb::Quiet, "/quiet"),
            (Verb::Quiet, "/quiet maybe"),
        ];
        for (verb, command) in usage {
            let expected = refused(Subject::Command(verb), Reason::Usage);
            // A message's recipient is checked first.
            let nobody = refused(Subject::Command(verb), Reason::Nobody(detail("")));
            let answer = ask(command);
            assert!(answer == expected || answer == nobody, "{command}: {answer:?}");
        }
        let in_use = |holder: &str| Reason::InUse(Name::parse(holder.as_bytes()).unwrap());
        let reasons = [
            (Verb::Nick, "/nick a:b", Reason::Name(NameError::Reserved(':'))),
            (Verb::Nick, "/nick a b", Reason::Name(NameError::Reserved(' '))),
            (Verb::Nick, "/nick *x", Reason::Name(NameError::Begins('*'))),
            (Verb::Nick, "/nick -", Reason::Name(NameError::Dash)),
            (Verb::Nick, "/nick \x1b", Reason::Name(NameError::Unprintable)),
            (Verb::Nick, &format!("/nick {}", "x".repeat(33)), Reason::Name(NameError::TooLong)),
            (Verb::Nick, "/nick CAT", in_use("cat")),
            (Verb::Nick, "/nick HUB", in_use("hub")),
            (Verb::Nick, "/nick a@b", Reason::Name(NameError::Reserved('@'))),
            (Verb::Nick, "/nick 10.0.0.1", Reason::Name(NameError::Address)),
            (Verb::Nick, &format!("/nick {long}"), length(Verb::Nick)),
            (Verb::Join, "/join a:b", Reason::Name(NameError::Reserved(':'))),
            (Verb::Join, &format!("/join {long}"), length(Verb::Join)),
            (Verb::Resume, "/resume 1-abcdefghijklmnop", Reason::NotAWord),
            (Verb::Msg, "/msg nobody hi", Reason::Nobody(detail("nobody"))),
            (Verb::Encoding, "/encoding bg5", Reason::NoEncoding(detail("bg5"))),
            (Verb::Encoding, "/encoding utf-16le", Reason::NotAscii(detail("utf-16le"))),
        ];
        for (verb, command, why) in reasons {
            assert_eq!(ask(command), refused(Subject::Command(verb), why), "{command}");
        }
        for (command, word) in [("/dance", "dance"), ("/", ""), ("/WHO", "WHO")] {
            let unknown = Reason::Unknown(detail(word));
            assert_eq!(ask(command), refused(Subject::Unknown, unknown), "{command}");
        }
        assert_eq!(h.name_of(member), None);
        assert_eq!(h.room_of(member).as_deref(), Some("lobby"));
    });
}

#[test]
fn resume_words_come_in_control_lines_and_are_taken_from_them() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_programs(Config::default(), &[dog, cat]);
    let Notice::Name { word: Some(word), .. } = ask(&mut h, dog, Encoding::UTF_8, "/nick dog")
    else {
        panic!("no word")
    };
    h.from(dog, "/join ops");
    let sent = h.from(cat, format!("/resume {word}"));
    assert_eq!(notices(&sent, dog), [Notice::Gone(Gone::Moved)]);
    assert_eq!(you(&notices(&sent, cat)[0]), (Some("dog"), "ops", true));
    // A member that returns is a new one, and must send a padded heartbeat again.
    pad(&mut h, dog);
    let refusal = ask(&mut h, dog, Encoding::UTF_8, "/resume 1-x");
    assert_eq!(refusal, refused(Subject::Command(Verb::Resume), Reason::NotAWord));
}

#[test]
fn what_one_member_says_to_another_comes_as_control_lines_both_ways() {
    for_each_reader(|h, dog, encoding| {
        let cat = local(CAT);
        h.from(cat, "/nick 猫");
        let said: [&[u8]; 5] =
            [b"hi  there", "你好".as_bytes(), b"\x1b[31m", b"^hb^ gone kicked", b"a\nb"];
        for said in said {
            let mut line = Vec::new();
            encoding.encode_lossy("/msg 猫 ", &mut line);
            encoding.encode_lossy(std::str::from_utf8(said).unwrap(), &mut line);
            let sent = h.from(dog, line);
            let to = Notice::MsgTo { name: label("猫"), text: text(said) };
            let from = Notice::MsgFrom { name: label("127.0.0.1:5001"), text: text(said) };
            assert_eq!((notices(&sent, dog), notices(&sent, cat)), (vec![to], vec![from]));
        }
    });
}

// Notices.

#[test]
fn who_comes_and_goes_is_told_in_control_lines_in_every_format() {
    for format in FORMATS {
        let (reader, other) = (local(DOG), local(CAT));
        let mut h = with_programs(Config::of(format), &[reader]);
        let mut version = pad(&mut h, reader).version.unwrap();
        let mut news = |h: &mut Harness, change: Change, names: &[&str]| {
            let told = notices(&h.wait(SECOND), reader);
            let [Notice::News(news)] = &told[..] else { panic!("{format:?} {change:?}: {told:?}") };
            let News { room: place, version: now, change: what, names: who, more } = news;
            assert_eq!((place, *what, *more), (&room("lobby"), change, 0));
            assert_eq!(who, &names.iter().map(|name| label(name)).collect::<Vec<_>>());
            assert!(*now > version, "{change:?}: version {now} after {version}");
            version = *now;
        };
        h.from(other, "^hb^");
        news(&mut h, Change::Joined, &["127.0.0.1:5002"]);
        if format != Raw {
            h.from(other, "/nick cat");
            news(&mut h, Change::Renamed, &["127.0.0.1:5002", "cat"]);
        }
        let called = if format == Raw { "127.0.0.1:5002" } else { "cat" };
        h.from(other, "quit");
        news(&mut h, Change::Left, &[called]);
        h.from(other, "^hb^");
        news(&mut h, Change::Joined, &["127.0.0.1:5002"]);
        h.hub.kick(h.now, "127.0.0.1:5002");
        assert_eq!(notices(&h.drain(), reader), NOTHING);
        news(&mut h, Change::Kicked, &["127.0.0.1:5002"]);
        let guest = address("10.0.2.1:7");
        h.from(guest, "^hb^");
        news(&mut h, Change::Joined, &["10.0.2.1:7"]);
        h.hub.ban(h.now, "10.0.2.0/24").unwrap();
        news(&mut h, Change::Banned, &["10.0.2.1:7"]);
    }
}

#[test]
fn nobody_is_told_of_itself_in_control_lines_either() {
    let (first, second) = (local(DOG), local(CAT));
    let mut h = Harness::chat();
    h.from(first, heartbeat::PADDED);
    h.from(second, heartbeat::PADDED);
    h.from(first, "/nick dog");
    let sent = h.wait(2 * SECOND);
    let about = |sent: &[Sent], reader: SocketAddr| -> Vec<Label> {
        let names = |notice: Notice| match notice {
            Notice::News(news) => news.names,
            other => panic!("{other:?}"),
        };
        notices(sent, reader).into_iter().flat_map(names).collect()
    };
    assert_eq!(about(&sent, first), [label("127.0.0.1:5002")]);
    assert!(!about(&sent, second).contains(&label("127.0.0.1:5002")));
    // A member gets no line about its own changes.
    h.from(second, "/nick cat");
    let sent = h.wait(2 * SECOND);
    assert_eq!(bytes_got(&sent, second).len(), 0);
    assert_eq!(about(&sent, first), [label("127.0.0.1:5002"), label("cat")]);
}

#[test]
fn programs_too_may_be_quiet_and_rooms_too_large_for_notices() {
    let (reader, other) = (local(DOG), local(CAT));
    let mut h = with_programs(Config { notices_up_to: 2, ..Config::default() }, &[reader]);
    h.from(reader, "/quiet on");
    h.from(other, "^hb^");
    assert_eq!(h.wait(2 * SECOND), []);
    h.from(reader, "/quiet off");
    h.from(other, "/nick cat");
    assert_eq!(notices(&h.wait(2 * SECOND), reader).len(), 1);
    h.from(local(5003), "^hb^");
    assert_eq!(notices(&h.wait(2 * SECOND), reader), NOTHING);
}

// Refusals.

fn limited(format: Format, rate: Rate) -> Config {
    let rate = PerOrigin { loopback: rate, ..PerOrigin::default() };
    Config { rate, ..Config::of(format) }
}

#[test]
fn a_limit_of_the_rate_is_told_once_in_a_control_line() {
    for format in FORMATS {
        let dog = local(DOG);
        // One of the three messages is the heartbeat.
        let rate = Rate { messages: Some(3), bytes: None };
        let mut h = with_programs(limited(format, rate), &[dog]);
        let mut own = Vec::new();
        for n in 0..6 {
            let sent = h.from(dog, format!("message {n}"));
            let lines = bytes_got(&sent, dog);
            own.extend(lines.into_iter().filter_map(Notice::parse));
        }
        let why = Reason::Rate { messages: Some(3), bytes: None };
        assert_eq!(own, [refused(Subject::Say, why)], "{format:?}");
    }
}

#[test]
fn a_text_too_long_is_refused_in_a_control_line() {
    for format in FORMATS {
        let dog = local(DOG);
        let mut h = with_programs(Config { max_text: Some(100), ..Config::of(format) }, &[dog]);
        let told = notices(&h.from(dog, "x".repeat(101)), dog);
        let why = Reason::TooLong { length: 101, most: 100 };
        assert_eq!(told, [refused(Subject::Say, why)], "{format:?}");
    }
    // Within the limit, but too long for a datagram with every byte escaped.
    let dog = local(DOG);
    let mut h = with_programs(Config { max_text: Some(60_000), ..Config::default() }, &[dog]);
    let told = notices(&h.from(dog, [0xff; 30_000]), dog);
    assert_eq!(told, [refused(Subject::Say, Reason::Wrapped)]);
}

#[test]
fn newcomers_that_find_no_place_are_refused_in_control_lines() {
    let full = |config: Config, why: Reason| {
        for format in FORMATS {
            let config = Config { doors: vec![Door::of(format)], ..config.clone() };
            let mut h = with_programs(config, &[address("10.0.2.1:7")]);
            let newcomer = address("10.0.2.1:8");
            let told = notices(&h.from(newcomer, heartbeat::PADDED), newcomer);
            assert_eq!(told, [refused(Subject::Member, why.clone())], "{format:?}");
            assert!(!h.is_member(newcomer));
        }
    };
    full(Config { max_members: 1, ..Config::default() }, Reason::HubFull);
    full(Config { max_per_room: Some(1), ..Config::default() }, Reason::RoomFull);
    full(Config { max_per_address: Some(1), ..Config::default() }, Reason::AddressFull);
}

#[test]
fn a_full_room_refuses_in_a_control_line() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_programs(Config { max_per_room: Some(2), ..Config::default() }, &[dog, cat]);
    for member in [dog, cat, local(5003)] {
        h.from(member, heartbeat::PADDED);
        h.from(member, "/join ops");
    }
    // The third joined while the lobby had capacity, and finds none in ops.
    let told = ask(&mut h, local(5003), Encoding::UTF_8, "/join ops");
    assert_eq!(told, refused(Subject::Command(Verb::Join), Reason::RoomFull));
}

#[test]
fn the_password_is_asked_for_and_refused_in_control_lines() {
    for format in FORMATS {
        let dog = local(DOG);
        let mut h = Harness::new(Config { password: Some("sesame".into()), ..Config::of(format) });
        let sent = h.from(dog, heartbeat::PADDED);
        let lines = bytes_got(&sent, dog);
        let own: Vec<Notice> = lines.iter().filter_map(|line| Notice::parse(line)).collect();
        assert_eq!(own, [refused(Subject::Member, Reason::Password)], "{format:?}");
        let answers: Vec<Answer> = lines.iter().filter_map(|line| Answer::parse(line)).collect();
        assert_eq!((answers.len(), lines.len()), (1, 2));
        let you = answers[0].you.clone().unwrap();
        assert_eq!((you.name, you.room), (None, None), "nowhere without the password");
        let said = notices(&h.from(dog, "hello"), dog);
        assert_eq!(said, [refused(Subject::Say, Reason::Password)], "{format:?}");
        let pass = Subject::Command(Verb::Pass);
        let wrong = notices(&h.from(dog, "/pass hello"), dog);
        assert_eq!(wrong, [refused(pass, Reason::WrongPassword)]);
        let right = notices(&h.from(dog, "/pass sesame"), dog);
        assert_eq!(right.len(), 1);
        assert_eq!(
            (right[0].clone(), h.room_of(dog).as_deref()),
            (right[0].clone(), Some("lobby"))
        );
        assert!(matches!(&right[0], Notice::Name { room: r, .. } if *r == room("lobby")));
        assert_eq!(pad(&mut h, dog).you.unwrap().room, Some(room("lobby")));
    }
}

#[test]
fn guesses_beyond_the_limit_are_refused_in_a_control_line() {
    let dog = local(DOG);
    let mut h = Harness::new(Config { password: Some("sesame".into()), ..Config::default() });
    h.from(dog, heartbeat::PADDED);
    let mut last = NOTHING.to_vec();
    for n in 0..100 {
        last = notices(&h.from(dog, format!("/pass {n}")), dog);
    }
    assert_eq!(last, [refused(Subject::Command(Verb::Pass), Reason::Guesses)]);
}

// The end of a membership.

#[test]
fn every_end_of_a_membership_is_one_control_line() {
    type End = fn(&mut Harness) -> Vec<Sent>;
    let ends: [(Gone, End); 4] = [
        (Gone::Kicked, |h| h.kick("10.0.2.1:7")),
        (Gone::Banned, |h| {
            h.hub.ban(h.now, "10.0.2.1").unwrap();
            h.drain()
        }),
        (Gone::TimedOut, |h| h.wait(30 * SECOND)),
        (Gone::Stopped, Harness::stop),
    ];
    for format in FORMATS {
        for (gone, end) in ends {
            let dog = address("10.0.2.1:7");
            let mut h = with_programs(Config::of(format), &[dog]);
            assert_eq!(notices(&end(&mut h), dog), [Notice::Gone(gone)], "{format:?}");
        }
    }
}

// Members that get control lines.

#[test]
fn a_plain_heartbeat_brings_sentences_back() {
    for format in [Chat, Classic] {
        let (dog, cat) = (local(DOG), local(CAT));
        let mut h = with_programs(Config::of(format), &[dog, cat]);
        for _ in 0..2 {
            h.from(dog, "^hb^");
            for command in ["/nick dog", "/who", "/rooms", "/help", "/dance", "/msg dog hi"] {
                for (_, line) in h.from(dog, command) {
                    assert_eq!(Notice::parse(&line), None, "{}", line.escape_ascii());
                    assert!(std::str::from_utf8(&line).unwrap().contains(' '));
                }
            }
            h.from(cat, "/nick cat");
            h.wait(2 * SECOND);
            h.from(cat, "/nick cats");
            let news = got(&h.wait(2 * SECOND), dog);
            assert_eq!(news.len(), usize::from(format == Chat), "{news:?}");
            // Other datagrams do not change the state.
            h.from(dog, "");
            assert_eq!(Notice::parse(got(&h.from(dog, "/who"), dog)[0].as_bytes()), None);
            // Control lines again, while heartbeats are padded.
            pad(&mut h, dog);
            h.from(dog, "a message");
            assert!(matches!(notices(&h.from(dog, "/who"), dog)[..], [Notice::Roster(_)]));
        }
        h.from(dog, "^hb^");
        let bye = got(&h.stop(), dog);
        assert_eq!(bye, ["Bye!"]);
    }
}

#[test]
fn a_heartbeat_short_of_64_bytes_is_a_plain_one() {
    let dog = local(DOG);
    let mut h = with_programs(Config::default(), &[dog]);
    assert_eq!(h.from(dog, padded_to(63)), []);
    assert!(got(&h.from(dog, "/who"), dog)[0].starts_with("* "));
    assert_eq!(h.from(dog, padded_to(64)).len(), 1);
    assert!(matches!(notices(&h.from(dog, "/who"), dog)[..], [Notice::Roster(_)]));
}

#[test]
fn members_of_a_raw_room_that_never_asked_get_no_byte_of_the_hubs_own() {
    let (quiet, dog) = (address("10.0.2.1:7"), local(CAT));
    let setups = [
        Config::of(Raw),
        Config { max_text: Some(10), ..Config::of(Raw) },
        limited(Raw, Rate { messages: Some(1), bytes: None }),
        Config { max_members: 1, ..Config::of(Raw) },
        Config { language: Language::Chinese, ..Config::of(Raw) },
    ];
    for config in setups {
        let mut h = Harness::new(config);
        let mut sent = Vec::new();
        for member in [dog, quiet] {
            for payload in
                ["", "hello", "hello", "/who", "/nick x", "a longer text", "^hb^", "quit"]
            {
                sent.extend(h.from(member, payload));
                h.hear(member, "again");
            }
        }
        let data = |(_, bytes): &Sent| {
            [&b"hello"[..], b"/who", b"/nick x", b"a longer text", b"again"].contains(&&bytes[..])
        };
        sent.extend(h.wait(2 * SECOND));
        h.hub.kick(h.now, "10.0.2.1:7");
        h.hear(quiet, "again");
        sent.extend(h.wait(40 * SECOND));
        h.hear(quiet, "again");
        h.hub.ban(h.now, "10.0.2.1").unwrap();
        sent.extend(h.drain());
        h.hear(dog, "again");
        sent.extend(h.stop());
        assert!(sent.iter().all(data), "{sent:?}");
    }
}

#[test]
fn in_raw_the_password_is_taken_without_a_word() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = Harness::new(Config { password: Some("sesame".into()), ..Config::of(Raw) });
    for payload in ["^hb^", "data", "/pass wrong", "/pass sesame", "data"] {
        assert_eq!(h.from(dog, payload), [], "{payload}");
    }
    assert_eq!(h.room_of(dog).as_deref(), Some("lobby"));
    h.from(cat, "data");
    h.from(cat, "/pass sesame\n");
    assert_eq!(h.from(cat, "data"), [(dog, b"data".to_vec())]);
}

#[test]
fn room_messages_stay_lines_in_the_readers_encoding() {
    for_each_reader(|h, dog, encoding| {
        let lines = h.from(local(CAT), "你好");
        let mut line = Vec::new();
        let classic = h.hub.config().doors[0].format == Classic;
        let shown =
            if classic { "Ack 你好. from 127.0.0.1:5002" } else { "127.0.0.1:5002: 你好\n" };
        encoding.encode_lossy(shown, &mut line);
        assert_eq!(bytes_got(&lines, dog), [&line[..]]);
    });
}

// Answers to heartbeats.

#[test]
fn a_heartbeat_is_answered_with_every_field() {
    for format in FORMATS {
        let dog = local(DOG);
        let mut h = Harness::with_members(format, &[local(CAT), local(5003)]);
        let answer = pad(&mut h, dog);
        assert_eq!((answer.members, answer.secure_port, answer.format), (3, None, Some(format)));
        let you = answer.you.unwrap();
        assert_eq!((you.name, you.room), (None, Some(room("lobby"))));
        assert!(answer.version.unwrap() > 0);
        assert_eq!(answer.last, Some(0));
        if format != Raw {
            h.from(dog, "/nick 狗哥");
            h.from(dog, "/join 茶");
            let you = pad(&mut h, dog).you.unwrap();
            assert_eq!((you.name, you.room), (Some(name("狗哥")), Some(room("茶"))));
        }
    }
}

#[test]
fn an_answer_ends_before_the_first_word_that_does_not_fit() {
    let dog = local(DOG);
    let mut h = Harness::chat();
    // The longest names: four bytes per character.
    let (who, place) = ("🐶".repeat(32), "🐱".repeat(32));
    h.from(dog, format!("/nick {who}"));
    h.from(dog, format!("/join {place}"));
    let whole = h.from(dog, heartbeat::PADDED).remove(0).1;
    let whole = String::from_utf8(whole).unwrap();
    assert_eq!(Answer::parse(whole.as_bytes()).unwrap().last, Some(0), "all of it fits 336 bytes");
    for length in 64..=350 {
        h.now = h.now + BETWEEN_ANSWERS;
        let answer = h.from(dog, padded_to(length)).remove(0).1;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.len() <= length, "{length}");
        let rest = whole.strip_prefix(&answer).unwrap_or_else(|| panic!("{answer}"));
        let next = rest.split(' ').nth(1);
        assert!(rest.is_empty() || rest.starts_with(' '), "half a word: {answer}");
        assert!(next.is_none_or(|word| answer.len() + 1 + word.len() > length), "{answer}");
        Answer::parse(answer.as_bytes()).unwrap();
    }
}

#[test]
fn the_version_grows_with_every_change_of_the_roster_and_with_nothing_else() {
    let (reader, other) = (local(DOG), local(CAT));
    let config = Config { max_per_room: Some(5), ..Config::default() };
    let mut h = with_programs(config, &[reader]);
    for port in 6_001..=6_005 {
        h.from(local(port), "/join full");
    }
    let mut last = pad(&mut h, reader).version.unwrap();
    let mut step = |h: &mut Harness, from: SocketAddr, says: &str, grows: bool| {
        h.from(from, says);
        let version = pad(h, reader).version.unwrap();
        assert_eq!(version > last, grows, "{says:?}: {version} after {last}");
        assert!(version >= last);
        last = version;
    };
    // Each change is reported, and a repetition has no effect.
    step(&mut h, other, "a message", true);
    step(&mut h, other, "a message more", false);
    step(&mut h, other, "^hb^", true);
    step(&mut h, other, "^hb^", false);
    step(&mut h, other, "/nick cat", true);
    step(&mut h, other, "/nick cat", false);
    step(&mut h, other, "/nick Cat", true);
    step(&mut h, other, "/nick a:b", false);
    for command in ["/who", "/rooms", "/help", "/msg cat hi", "/quiet on", "/quiet off", "/dance"] {
        step(&mut h, other, command, false);
    }
    for command in ["/encoding gbk", "/encoding utf-8", "/language zh", "/pass x", "/history", ""] {
        step(&mut h, other, command, false);
    }
    step(&mut h, other, "/join full", false);
    step(&mut h, other, "/leave", false);
    step(&mut h, other, "/join ops", true);
    // A change in another room does not count.
    step(&mut h, other, "/nick dog", false);
    step(&mut h, local(5003), "/join ops", true);
    let step = |h: &mut Harness, from, says: &str, grows| {
        let before = pad(h, reader).version.unwrap();
        h.from(from, says);
        let after = pad(h, reader).version.unwrap();
        assert_eq!(after > before, grows, "{says:?}: {after} after {before}");
    };
    step(&mut h, local(5003), "quit", false);
    step(&mut h, other, "/join lobby", true);
    step(&mut h, other, "quit", true);
    step(&mut h, other, "quit", false);
    // Any command makes a person, whatever its result.
    for (port, command) in (5_010..).zip(["/who", "/dance", "/nick a:b"]) {
        step(&mut h, local(port), "", true);
        step(&mut h, local(port), command, true);
        step(&mut h, local(port), command, false);
        step(&mut h, local(port), "quit", true);
    }
    h.from(local(5020), "^hb^");
    let before = pad(&mut h, reader).version.unwrap();
    h.kick("127.0.0.1:5020");
    let after = pad(&mut h, reader).version.unwrap();
    assert!(after > before);
    h.from(local(5021), "^hb^");
    h.keep(&[reader], 25 * SECOND);
    let before = pad(&mut h, reader).version.unwrap();
    h.wait(10 * SECOND);
    assert!(!h.is_member(local(5021)));
    assert!(pad(&mut h, reader).version.unwrap() > before);
}

#[test]
fn the_answer_to_a_first_heartbeat_is_of_the_roster_that_it_made() {
    let dog = local(DOG);
    for before in [None, Some(""), Some("hello")] {
        let mut h = Harness::chat();
        before.map(|payload| h.from(dog, payload));
        let (first, second) = (pad(&mut h, dog), pad(&mut h, dog));
        assert_eq!(first.version, second.version, "after {before:?}");
    }
}

#[test]
fn a_notice_and_a_roster_carry_the_version_of_the_heartbeats_answer() {
    let (reader, other) = (local(DOG), local(CAT));
    let mut h = with_programs(Config::default(), &[reader]);
    h.from(other, "/nick cat");
    let now = pad(&mut h, reader).version.unwrap();
    let Notice::Roster(roster) = ask(&mut h, reader, Encoding::UTF_8, "/who") else { panic!() };
    assert_eq!(roster.version, now);
    let told = notices(&h.wait(2 * SECOND), reader);
    assert!(matches!(&told[..], [Notice::News(news)] if news.version == now), "{told:?}");
}

// Lists.

#[test]
fn following_from_collects_everybody_once_and_people_first() {
    let mut h = Harness::chat();
    let mut people = BTreeSet::new();
    let mut senders = BTreeSet::new();
    for n in 0..150u16 {
        let member = local(10_000 + n);
        h.from(member, "");
        if n % 3 == 0 {
            senders.insert(label(&member.to_string()));
        } else if n % 3 == 1 {
            h.from(member, "^hb^");
            people.insert(label(&member.to_string()));
        } else {
            let long = format!("{}{n:03}", "狗".repeat(29));
            h.from(member, format!("/nick {long}"));
            people.insert(label(&long));
        }
    }
    let reader = local(DOG);
    pad(&mut h, reader);
    people.insert(label("127.0.0.1:5001"));
    let mut listed = Vec::new();
    for _ in 0..150 {
        let command = format!("/who {}", listed.len());
        let sent = h.from(reader, command);
        assert!(sent[0].1.len() <= pigeon_proto::MAX_LINE, "{} bytes", sent[0].1.len());
        let told = notices(&sent, reader);
        let [Notice::Roster(roster)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((roster.people, roster.senders, &roster.room), (101, 50, &room("lobby")));
        assert_eq!(roster.from as usize, listed.len());
        if listed.len() == 151 {
            assert_eq!(roster.names, []);
            break;
        }
        assert!(!roster.names.is_empty(), "nobody after {}", listed.len());
        listed.extend(roster.names.iter().cloned());
    }
    assert_eq!(listed.len(), 151);
    let (first, rest) = listed.split_at(101);
    assert_eq!(first.iter().cloned().collect::<BTreeSet<_>>(), people);
    assert_eq!(rest.iter().cloned().collect::<BTreeSet<_>>(), senders);
    // Far behind the end the list is empty, without an error.
    for from in ["1000", "4294967295"] {
        let told = notices(&h.from(reader, format!("/who {from}")), reader);
        assert!(matches!(&told[..], [Notice::Roster(roster)] if roster.names.is_empty()));
    }
}

#[test]
fn following_from_collects_every_room_once() {
    let reader = local(DOG);
    let mut h = with_programs(Config::default(), &[reader]);
    for n in 0..100u16 {
        h.from(local(10_000 + n), format!("/join {}{n}", "茶".repeat(20)));
    }
    let mut listed = Vec::new();
    while listed.len() < 101 {
        let sent = h.from(reader, format!("/rooms {}", listed.len()));
        assert!(sent[0].1.len() <= pigeon_proto::MAX_LINE);
        let told = notices(&sent, reader);
        let [Notice::Rooms { from, total: 101, rooms }] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*from as usize, listed.len());
        assert!(!rooms.is_empty());
        listed.extend(rooms.iter().cloned());
    }
    assert!(listed.iter().all(|(_, count)| *count == 1));
    let names: BTreeSet<_> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 101);
}

// Sentences.

fn is_chinese(line: &str) -> bool {
    line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn sentences_are_in_the_language_that_a_member_chose() {
    for format in [Chat, Classic] {
        let dog = local(DOG);
        let mut h = Harness::with_members(format, &[dog, local(CAT)]);
        let mut answers = |language: &str, chinese: bool| {
            let commands = [
                "/nick x",
                "/nick",
                "/nick a:b",
                "/join ops",
                "/leave",
                "/who",
                "/rooms",
                "/help",
                "/quiet on",
                "/quiet off",
                "/history",
                "/dance",
                "/msg x",
                "/who x",
                "/encoding utf-8",
                "/encoding none",
                "/msg nobody hi",
                "/resume x",
            ];
            let set = format!("/language {language}");
            for command in [&set[..]].into_iter().chain(commands) {
                let told = got(&h.from(dog, command), dog);
                assert_eq!(told.len(), 1, "{command}");
                assert!(told[0].starts_with("* "), "{command}: {told:?}");
                assert_eq!(is_chinese(&told[0]), chinese, "{command}: {told:?}");
            }
            h.from(dog, "/leave");
            h.wait(2 * SECOND);
            h.from(local(CAT), format!("/nick cat-{language}"));
            let news = got(&h.wait(2 * SECOND), dog).concat();
            assert_eq!(news.is_empty(), format == Classic);
            assert_eq!(is_chinese(&news), chinese && format == Chat, "{news}");
        };
        answers("zh", true);
        answers("en", false);
        answers("zh", true);
    }
}

#[test]
fn a_hub_speaks_its_own_language_until_a_member_chooses() {
    let config = || Config { language: Language::Chinese, ..Config::default() };
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = Harness::new(Config { max_members: 2, ..config() });
    for member in [dog, cat, dog, cat] {
        h.from(member, "^hb^");
    }
    assert!(is_chinese(&got(&h.wait(2 * SECOND), dog).concat()), "notices");
    assert!(is_chinese(&got(&h.from(dog, "/nick dog"), dog).concat()), "answers");
    let newcomer = local(5003);
    let refused = got(&h.from(newcomer, "x".repeat(100)), newcomer).concat();
    assert!(refused.starts_with("* ") && is_chinese(&refused), "refusals: {refused:?}");
    assert!(!is_chinese(&got(&h.from(dog, "/language en"), dog).concat()));
    assert!(!is_chinese(&got(&h.from(dog, "/who"), dog).concat()));
    assert!(is_chinese(&got(&h.from(cat, "/who"), cat).concat()), "for others nothing changed");
    // A member that returns starts over.
    h.from(dog, "quit");
    assert!(is_chinese(&got(&h.from(dog, "/who"), dog).concat()));
    assert!(is_chinese(&got(&h.kick("127.0.0.1:5002"), cat).concat()));
    // Control lines have no language.
    pad(&mut h, dog);
    assert_eq!(h.from(dog, "/history"), [(dog, b"^hb^ refused history no-history".to_vec())]);

    let mut h = Harness::new(Config { password: Some("s".into()), ..config() });
    assert!(is_chinese(&got(&h.from(dog, "^hb^"), dog).concat()), "the question for the password");
}

#[test]
fn chinese_sentences_reach_a_member_in_its_encoding() {
    let dog = local(DOG);
    let mut h = Harness::new(Config { language: Language::Chinese, ..Config::default() });
    h.from(dog, "/encoding gbk");
    let sent = h.from(dog, "/who");
    let bytes = bytes_got(&sent, dog).concat();
    assert!(std::str::from_utf8(&bytes).is_err());
    assert!(is_chinese(&Encoding::for_label("gbk").unwrap().decode(&bytes)));
}

#[test]
fn two_slashes_say_a_text_that_begins_with_one() {
    let (dog, cat) = (local(DOG), local(CAT));
    let relayed = |format: Format, says: &str| {
        let mut h = Harness::with_members(format, &[dog, cat]);
        got(&h.from(dog, says), cat)
    };
    assert_eq!(relayed(Chat, "//who"), ["127.0.0.1:5001: /who\n"]);
    assert_eq!(relayed(Chat, " //\n"), ["127.0.0.1:5001: /\n"]);
    assert_eq!(relayed(Chat, "///x"), ["127.0.0.1:5001: //x\n"]);
    assert_eq!(relayed(Classic, "//who"), ["Ack /WHO. from 127.0.0.1:5001"]);
    assert_eq!(relayed(Raw, "//who"), ["//who"]);
    // A doubled slash is neither a command nor a misdirected answer.
    assert_eq!(relayed(Chat, "//quit"), ["127.0.0.1:5001: /quit\n"]);
    assert_eq!(relayed(Chat, "//here 1"), ["127.0.0.1:5001: /here 1\n"]);
}

#[test]
fn who_has_to_prove_its_address_reads_control_lines_afterwards() {
    let stranger = beyond(4_000);
    let mut h = Harness::chat();
    h.prove(stranger);
    let told = got(&h.from(stranger, "/who"), stranger);
    assert!(told[0].starts_with("* "), "a proof is not a heartbeat: {told:?}");
    pad(&mut h, stranger);
    assert!(matches!(notices(&h.from(stranger, "/who"), stranger)[..], [Notice::Roster(_)]));
}
