//! Every written value is parsed back unchanged, and no member's message is a control line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its strategies too")]

use std::net::SocketAddr;

use pigeon_proto::{
    Answer, Change, Command, Detail, Discover, Door, Format, Gone, Here, Incoming, Label, Language,
    LinkKind, MAX_LINE, Name, NameError, News, Nonce, Notice, Prove, Query, Reason, Refusal,
    RoomName, Roster, Secret, Setting, Subject, Text, Verb, Whisper, Word, You, heartbeat,
    sentence,
};
use pigeon_text::{Charset, Encoding};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    "[-a-zA-Z0-9_狗哥小红é🐶/*^]{1,32}"
        .prop_filter_map("not a name", |text| Name::parse(text.as_bytes()).ok())
}

fn room() -> impl Strategy<Value = RoomName> {
    name().prop_map(|name| RoomName::parse(name.as_str().as_bytes()).unwrap())
}

fn label() -> impl Strategy<Value = Label> {
    let address = any::<SocketAddr>().prop_map(Label::from);
    prop_oneof![name().prop_map(|name| Label::from(&name)), address]
}

fn text() -> impl Strategy<Value = Text> {
    let bytes = prop::collection::vec(any::<u8>(), 1..80);
    prop_oneof![bytes, any::<String>().prop_map(String::into_bytes)]
        .prop_filter_map("empty", |bytes| Text::of(&bytes))
}

fn detail() -> impl Strategy<Value = Detail> {
    prop_oneof![
        any::<String>().prop_map(|text| Detail::of(text.as_bytes())),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| Detail::of(&bytes)),
        Just(Detail::of("👩‍🚀".repeat(40).as_bytes())),
    ]
}

fn charset() -> impl Strategy<Value = Charset> {
    let fixed = Encoding::all().map(Charset::Fixed);
    prop::sample::select(fixed.chain([Charset::Auto]).collect::<Vec<_>>())
}

fn name_error() -> impl Strategy<Value = NameError> {
    prop_oneof![
        Just(NameError::Empty),
        Just(NameError::TooLong),
        any::<char>().prop_map(NameError::Reserved),
        any::<char>().prop_map(NameError::Begins),
        Just(NameError::Unprintable),
        any::<char>().prop_map(NameError::Invisible),
        Just(NameError::Address),
        Just(NameError::Dash),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        name_error().prop_map(Reason::Name),
        detail().prop_map(Reason::Unknown),
        detail().prop_map(Reason::Nobody),
        detail().prop_map(Reason::NoEncoding),
        detail().prop_map(Reason::NotAscii),
        name().prop_map(Reason::Taken),
        name().prop_map(Reason::InUse),
        name().prop_map(Reason::Kept),
        any::<(Option<u64>, Option<u64>)>()
            .prop_map(|(messages, bytes)| Reason::Rate { messages, bytes }),
        any::<(u64, u64)>().prop_map(|(length, most)| Reason::TooLong { length, most }),
        any::<u64>().prop_map(|seconds| Reason::Wait { seconds }),
        any::<u64>().prop_map(|seconds| Reason::Slow { seconds }),
        prop::sample::select(vec![
            Reason::Usage,
            Reason::TooManyEncodings,
            Reason::Password,
            Reason::WrongPassword,
            Reason::Guesses,
            Reason::NotAWord,
            Reason::Expired,
            Reason::HubRate,
            Reason::Work,
            Reason::AnswersByItself,
            Reason::Wrapped,
            Reason::Overloaded,
            Reason::HubFull,
            Reason::RoomFull,
            Reason::TooManyRooms,
            Reason::RawRoom,
            Reason::TooManyAddresses,
            Reason::AddressFull,
            Reason::Banned,
            Reason::Kicked,
            Reason::NoHistory,
            Reason::Muted,
            Reason::NothingSaid,
        ]),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    let mut all = vec![Subject::Say, Subject::Member, Subject::Unknown];
    all.extend(Verb::ALL.map(Subject::Command));
    prop::sample::select(all)
}

fn news() -> impl Strategy<Value = News> {
    let change = prop::sample::select(Change::ALL.to_vec());
    let names = prop::collection::vec((label(), label()), 1..30);
    (room(), any::<u64>(), change, names).prop_map(|(room, version, change, names)| {
        let pairs = change == Change::Renamed;
        let names = names.into_iter().map(|(a, b)| if pairs { vec![a, b] } else { vec![a] });
        News::fill(room, version, change, names.collect())
    })
}

fn notice() -> impl Strategy<Value = Notice> {
    let word = prop::option::of("[0-9]{1,9}-[a-z0-9]{16}");
    let name_notice = (prop::option::of(name()), room(), word).prop_map(|(name, room, word)| {
        Notice::Name { name, room, word: word.map(String::into_boxed_str) }
    });
    let member = (label(), prop::sample::select(LinkKind::ALL.to_vec()));
    let members = prop::collection::vec(member, 0..60);
    let roster = (room(), any::<u64>(), any::<(u32, u32, u32)>(), members).prop_map(
        |(room, version, (people, senders, from), members)| {
            let members = members.into_iter();
            Notice::Roster(Roster::fill(room, version, (people, senders), from, members))
        },
    );
    let rooms = (any::<(u32, u32)>(), prop::collection::vec((room(), any::<u32>()), 0..60))
        .prop_map(|((from, total), rooms)| Notice::rooms(from, total, rooms.into_iter()));
    let set = prop_oneof![
        charset().prop_map(Setting::Encoding),
        prop::sample::select(Language::ALL.to_vec()).prop_map(Setting::Language),
        any::<bool>().prop_map(Setting::Quiet),
        any::<bool>().prop_map(Setting::History),
        any::<bool>().prop_map(Setting::Cluster),
    ];
    let link = prop::sample::select(LinkKind::ALL.to_vec());
    prop_oneof![
        name_notice,
        (subject(), reason()).prop_map(|(what, why)| Notice::Refused(Refusal::new(what, why))),
        roster,
        news().prop_map(Notice::News),
        rooms,
        set.prop_map(Notice::Set),
        (label(), text()).prop_map(|(name, text)| Notice::MsgFrom { name, text }),
        (label(), text()).prop_map(|(name, text)| Notice::MsgTo { name, text }),
        (any::<(u64, u64)>(), link, label(), text()).prop_map(
            |((position, time), link, name, text)| Notice::Said {
                position,
                time,
                link,
                name,
                text
            }
        ),
        any::<(u64, u64, u64)>().prop_map(|(position, time, count)| Notice::Missing {
            position,
            time,
            count
        }),
        any::<u64>().prop_map(|position| Notice::Earlier { position }),
        prop::sample::select(Gone::ALL.to_vec()).prop_map(Notice::Gone),
        Just(Notice::NotUtf8),
        Just(Notice::Help),
        "[a-zA-Z0-9]{1,32}".prop_map(|nonce| Notice::Probe(nonce.into())),
        "[a-zA-Z0-9]{1,32}".prop_map(|nonce| Notice::Probed(nonce.into())),
    ]
}

proptest! {
    #[test]
    fn notices_come_back_as_they_were_written(notice in notice()) {
        let line = notice.to_bytes();
        prop_assert_eq!(Notice::parse(&line), Some(notice.clone()), "{}", String::from_utf8_lossy(&line));
        // A notice is one line, of bounded length apart from a message's text.
        prop_assert!(!line.iter().any(|byte| byte.is_ascii_control()));
        let has_text = matches!(
            notice,
            Notice::MsgFrom { .. } | Notice::MsgTo { .. } | Notice::Said { .. }
        );
        prop_assert!(has_text || line.len() <= MAX_LINE);
        // Additional fields are reserved, and a hub never relays a control line.
        for format in Format::ALL {
            prop_assert_eq!(Incoming::parse(format, &line), Incoming::Reply);
        }
    }

    #[test]
    fn every_notice_has_words_in_every_language(notice in notice()) {
        for language in Language::ALL {
            let line = sentence::line(&notice, language);
            prop_assert!(!line.is_empty() && !line.contains(['\n', '\r', '\x1b']), "{line:?}");
            prop_assert_eq!(Notice::parse(line.as_bytes()), None);
        }
    }

    #[test]
    fn answers_come_back_as_they_were_written(
        members in any::<u64>(),
        port in any::<u16>(),
        (name, room) in (prop::option::of(name()), prop::option::of(room())),
        (version, last) in any::<(u64, u64)>(),
        format in prop::sample::select(Format::ALL.to_vec()),
        most in 64_usize..=heartbeat::PADDED_TO,
    ) {
        let answer = Answer {
            members,
            secure_port: (port != 0).then_some(port),
            format: Some(format),
            you: Some(You { name, room }),
            version: Some(version),
            last: Some(last),
        };
        let mut bytes = Vec::new();
        answer.write(usize::MAX, &mut bytes);
        prop_assert_eq!(Answer::parse(&bytes), Some(answer.clone()));
        let mut cut = Vec::new();
        answer.write(most, &mut cut);
        prop_assert!(cut.len() <= most && bytes.starts_with(&cut));
        let read = Answer::parse(&cut).unwrap();
        prop_assert_eq!(read.members, members);
        prop_assert!(read.you.is_none() || read.you == answer.you);
        prop_assert!(read.last.is_none() || (read.last, read.version) == (answer.last, answer.version));
    }

    #[test]
    fn commands_come_back_as_they_were_written(
        name in name(),
        room in room(),
        word in "[!-~狗]{1,40}",
        bytes in prop::collection::vec(any::<u8>(), 1..80),
        from in any::<u32>(),
        (count, before) in any::<(u16, Option<u64>)>(),
        text in ".{1,60}",
        (charset, on) in (charset(), any::<bool>()),
        language in prop::sample::select(Language::ALL.to_vec()),
    ) {
        let mut commands = vec![
            Command::Nick(None),
            Command::Nick(Some(name)),
            Command::Resume(Word::new(&word).unwrap()),
            Command::Join(room),
            Command::Leave,
            Command::Who { from },
            Command::Rooms { from },
            Command::History { count: None, before: None },
            Command::History { count: Some(count), before },
            Command::Language(language),
            Command::Quiet(on),
            Command::Help,
        ];
        commands.extend(Secret::new(&bytes).map(Command::Pass));
        commands.extend(Query::new(&text).map(Command::Search));
        let to = Word::new(&word).unwrap();
        commands.extend(Whisper::new(&bytes).map(|text| Command::Msg { to, text }));
        commands.extend(charset.is_ascii_compatible().then_some(Command::Encoding(charset)));
        for command in commands {
            let datagram = command.to_bytes();
            let Incoming::Command(line) = Incoming::parse(Format::Chat, &datagram) else {
                return Err(TestCaseError::fail(format!("{datagram:?}")));
            };
            prop_assert_eq!(Command::parse(line), Ok(command));
        }
    }

    #[test]
    fn searches_and_proofs_come_back_as_they_were_written(
        nonce in "[a-zA-Z0-9]{1,32}",
        token in "[a-z0-9]{16}",
        (name, members, secure) in (name(), any::<u64>(), any::<u16>()),
        (id, port, format) in (any::<u64>(), any::<u16>(), prop::sample::select(Format::ALL.to_vec())),
    ) {
        let nonce = Nonce::new(nonce.as_bytes()).unwrap();
        let discover = Discover { nonce };
        let question = discover.to_bytes();
        prop_assert_eq!(question.len(), Discover::PADDED_TO);
        prop_assert_eq!(Incoming::parse(Format::Raw, &question), Incoming::Discover(discover));

        let prove = Prove { token: token.as_bytes().try_into().unwrap() };
        let mut bytes = Vec::new();
        prove.write(&mut bytes);
        prop_assert_eq!(Incoming::parse(Format::Raw, &bytes), Incoming::Prove(prove));
        prop_assert_eq!(bytes.len(), Prove::LENGTH);

        let secure_port = (secure != 0).then_some(secure);
        let door = Some(Door { id, port, format });
        let here = Here { nonce, name, members, secure_port, door };
        let mut bytes = Vec::new();
        here.write(Discover::PADDED_TO, &mut bytes);
        prop_assert_eq!(Here::parse(&bytes), Some(here.clone()));
        let mut short = Vec::new();
        here.write(bytes.len() - 1, &mut short);
        prop_assert_eq!(Here::parse(&short), Some(Here { door: None, ..here }));
    }

    #[test]
    fn whatever_is_a_message_is_not_a_control_line(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            notice().prop_map(|notice| notice.to_bytes()),
            (r"[ \t\r\n\x0b\x0c\x00/]{0,3}", notice(), r"[ \n\x00]{0,2}").prop_map(|(before, notice, after)| {
                [before.as_bytes(), &notice.to_bytes(), after.as_bytes()].concat()
            }),
            (r"[ \t\n/]{0,2}\^[hH][bB]\^[ \t\x0b]{0,2}", ".{0,20}").prop_map(|(a, b)| (a + &b).into_bytes()),
        ]
    ) {
        for format in Format::ALL {
            if let Incoming::Message(text) = Incoming::parse(format, &payload) {
                prop_assert_eq!(Notice::parse(text), None);
                prop_assert_eq!(Answer::parse(text), None);
            }
        }
    }

    #[test]
    fn no_bytes_break_a_reader(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let control = [b"^hb^ ", &payload[..]].concat();
        for bytes in [&payload[..], &control[..]] {
            let _ = Notice::parse(bytes);
            let _ = Answer::parse(bytes);
            let _ = Here::parse(bytes);
            let _ = Command::parse(bytes);
        }
    }
}

#[test]
fn further_fields_and_unknown_words_are_passed_over() {
    let parse = |line: &str| Notice::parse(line.as_bytes());
    assert_eq!(parse("^hb^ gone kicked for good"), Some(Notice::Gone(Gone::Kicked)));
    assert_eq!(parse("^hb^ gone fishing"), None);
    assert_eq!(parse("^hb^ topic lobby tea"), None);
    assert_eq!(parse("^hb^"), None);
    assert_eq!(parse(" ^hb^ gone kicked"), None);
    let answer = |line: &str| Answer::parse(line.as_bytes());
    let short = answer("^hb^ pigeon/1 12 10000").unwrap();
    assert_eq!((short.members, short.secure_port, short.format), (12, Some(10_000), None));
    let long = answer("^hb^ pigeon/1 3 0 raw - lobby 7 0 more words").unwrap();
    assert_eq!((long.format, long.version, long.last), (Some(Format::Raw), Some(7), Some(0)));
    for other in ["^hb^", "^hb^ pigeon/2 3 0", "^hb^ pigeon/1 x 0", "^hb^ pigeon/1 3 65536", "hi"] {
        assert_eq!(answer(other), None, "{other}");
    }
    let mut newer = answer("^hb^ pigeon/1 3 0 tree dog lobby 7 0").unwrap();
    assert_eq!((newer.format.take(), newer.you), (None, None));
}

#[test]
fn commands_that_are_not_right_are_refused_with_the_reason() {
    let refused = |line: &str| {
        let refusal = Command::parse(line.as_bytes()).unwrap_err();
        let bytes = Notice::Refused(refusal).to_bytes();
        String::from_utf8(bytes).unwrap()
    };
    for (line, expected) in [
        ("nick a b", "^hb^ refused nick name-reserved U+0020"),
        ("nick -", "^hb^ refused nick name-dash"),
        ("join", "^hb^ refused join usage"),
        ("msg dog", "^hb^ refused msg usage"),
        ("quiet maybe", "^hb^ refused quiet usage"),
        ("history many", "^hb^ refused history usage"),
        ("history 1 2 3", "^hb^ refused history usage"),
        ("search", "^hb^ refused search usage"),
        ("language fr", "^hb^ refused language usage"),
        ("who dog", "^hb^ refused who usage"),
        ("encoding klingon", "^hb^ refused encoding no-encoding klingon"),
        ("encoding utf-16le", "^hb^ refused encoding not-ascii utf-16le"),
        ("dance", "^hb^ refused command unknown dance"),
        ("NICK x", "^hb^ refused command unknown NICK"),
        ("", "^hb^ refused command unknown"),
    ] {
        assert_eq!(refused(line).trim_end(), expected);
    }
    let long = format!("join {}", "x".repeat(1_100));
    assert_eq!(refused(&long), "^hb^ refused join too-long 1105 1024");
    assert!(refused(&"狗".repeat(2_000)).len() < 400);
}
