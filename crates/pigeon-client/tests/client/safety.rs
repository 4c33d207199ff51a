//! Only a hub's control lines change a session, never a sentence.

use std::time::Duration;

use pigeon_client::{Contact, Event, Session};
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_proto::{
    Change, Detail, Format, Gone, Label, Language, LinkKind, Name, NameError, News, Notice, Reason,
    Refusal, RoomName, Roster, Setting, Subject, Text, Verb, sentence,
};
use rand_pcg::Pcg64;

use crate::harness::{Member, config, hub_address, name};

/// One of every notice.
fn every_notice() -> Vec<Notice> {
    let room = RoomName::lobby;
    let label = |text: &str| Label::parse(text).unwrap();
    let text = || Text::of("psst".as_bytes()).unwrap();
    let mut notices = vec![
        Notice::Name { name: Some(name("dog")), room: room(), word: Some("7-abc".into()) },
        Notice::Name { name: Some(name("cat")), room: room(), word: None },
        Notice::Name { name: None, room: room(), word: None },
        Notice::Roster(Roster {
            room: room(),
            version: 7,
            people: 2,
            senders: 1,
            from: 0,
            names: vec![label("cat"), label("10.0.1.1:40000")],
            links: [(0, pigeon_proto::LinkKind::IpMessenger)].into(),
        }),
        Notice::Rooms { from: 0, total: 1, rooms: vec![(room(), 3)] },
        Notice::MsgFrom { name: label("cat"), text: text() },
        Notice::MsgTo { name: label("cat"), text: text() },
        Notice::Help,
        Notice::Probe("7f3a".into()),
    ];
    notices.extend(Gone::ALL.map(Notice::Gone));
    notices.extend(Language::ALL.map(|language| Notice::Set(Setting::Language(language))));
    notices.extend([true, false].map(|on| Notice::Set(Setting::Quiet(on))));
    let gbk = pigeon_text::Charset::for_label("gbk").unwrap();
    notices.push(Notice::Set(Setting::Encoding(gbk)));
    notices.extend(LinkKind::ALL.map(|link| Notice::Said {
        position: 1,
        time: 2,
        link,
        name: label("cat"),
        text: text(),
    }));
    notices.extend(Change::ALL.map(|change| {
        let names = vec![label("dog"), label("cat")];
        Notice::News(News { room: room(), version: 8, change, names, more: 3 })
    }));
    let subjects = Verb::ALL.map(Subject::Command).into_iter();
    for what in subjects.chain([Subject::Say, Subject::Unknown, Subject::Member]) {
        let reasons = every_reason().into_iter();
        notices.extend(reasons.map(|why| Notice::Refused(Refusal::new(what, why))));
    }
    notices
}

fn every_reason() -> Vec<Reason> {
    let detail = || Detail::of(b"x");
    vec![
        Reason::Usage,
        Reason::Name(NameError::Empty),
        Reason::Name(NameError::Reserved(':')),
        Reason::InUse(Name::parse(b"dog").unwrap()),
        Reason::Unknown(detail()),
        Reason::Nobody(detail()),
        Reason::NoEncoding(detail()),
        Reason::NotAscii(detail()),
        Reason::Password,
        Reason::WrongPassword,
        Reason::Guesses,
        Reason::NotAWord,
        Reason::Expired,
        Reason::Taken(Name::parse(b"dog").unwrap()),
        Reason::Rate { messages: Some(20), bytes: Some(65_536) },
        Reason::HubRate,
        Reason::Work,
        Reason::AnswersByItself,
        Reason::TooLong { length: 9, most: 8 },
        Reason::Wrapped,
        Reason::Overloaded,
        Reason::HubFull,
        Reason::RoomFull,
        Reason::TooManyRooms,
        Reason::TooManyAddresses,
        Reason::AddressFull,
        Reason::NoHistory,
        Reason::NothingSaid,
    ]
}

/// Every notice as a sentence, in each language: as hubs write it, and bare.
fn every_sentence() -> Vec<Vec<u8>> {
    let mut sentences = vec![b"Bye!".to_vec(), b"10.0.1.1:40000: hi\n".to_vec()];
    for notice in every_notice() {
        for language in Language::ALL {
            sentences.push(format!("{}\n", sentence::line(&notice, language)).into_bytes());
            sentences.push(sentence::of(&notice, language).into_bytes());
        }
    }
    for language in Language::ALL {
        sentences.push(sentence::left_out(language).as_bytes().to_vec());
    }
    sentences
}

fn every_control_line() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = every_notice().iter().map(Notice::to_bytes).collect();
    lines.push(b"^hb^ something new".to_vec());
    lines.push(b"^hb^".to_vec());
    lines
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(millis)
}

/// A session with a name; with a format, its hub has answered a heartbeat.
fn session(plain: bool, format: Option<Format>) -> Member {
    let mut config = config();
    (config.nick, config.plain) = (Some(name("dog")), plain);
    let mut session = Session::new(at(0), config, Pcg64::new(1, 0));
    if let Some(format) = format {
        hear(&mut session, at(1), format!("^hb^ pigeon/1 3 0 {format} - lobby 7 0").as_bytes());
    }
    drain(&mut session);
    session
}

fn hear(session: &mut Member, now: Instant, payload: &[u8]) {
    session.handle_datagram(now, &Received::new(hub_address(), payload));
}

/// What the session sends and reports.
fn drain(session: &mut Member) -> (usize, Vec<Event>) {
    let sent = std::iter::from_fn(|| session.poll_transmit()).count();
    (sent, std::iter::from_fn(|| session.poll_event()).collect())
}

fn datagrams(session: &mut Member) -> Vec<Vec<u8>> {
    let transmits: Vec<_> = std::iter::from_fn(|| session.poll_transmit()).collect();
    transmits.into_iter().map(|sent| session.outbox()[sent.range].to_vec()).collect()
}

/// The state that decides a session's next actions, except the time until an answer counts as
/// missing: any datagram shows that the server is there.
fn state(
    session: &Member,
) -> (Contact, Option<Name>, Option<Format>, Option<u64>, Option<Duration>) {
    let (name, format) = (session.name().cloned(), session.format());
    (session.contact(), name, format, session.members(), session.round_trip())
}

/// A raw room in which a member sends every possible sentence, and a plain server without control
/// lines, where a member sends those too. A twin receives `hello` instead.
#[test]
fn no_words_move_a_session() {
    let everything = [every_sentence(), every_control_line()].concat();
    for (plain, format, words) in [
        (false, None, everything.clone()),
        (true, None, everything),
        (false, Some(Format::Raw), every_sentence()),
        (false, Some(Format::Chat), every_sentence()),
    ] {
        let [mut moved, mut twin] = [session(plain, format), session(plain, format)];
        for session in [&mut moved, &mut twin] {
            // The first datagram shows that the server is there.
            hear(session, at(2), b"hello");
            drain(session);
        }
        for word in &words {
            hear(&mut moved, at(3), word);
            let shown = String::from_utf8_lossy(word);
            let (sent, events) = drain(&mut moved);
            assert_eq!(sent, 0, "sent something because of {shown:?}");
            assert_eq!(state(&moved), state(&twin), "{shown:?}");
            assert_eq!(moved.poll_timeout(), twin.poll_timeout(), "{shown:?}");
            let is_shown = match &events[..] {
                [] => shown.starts_with("^hb^ probe "),
                [Event::Received(payload)] => **payload == word[..],
                [Event::Notice(Notice::Refused(refusal))] => {
                    shown.starts_with("^hb^ ") && refusal.what == Subject::Member
                }
                _ => false,
            };
            assert!(is_shown, "{shown:?}: {events:?}");
        }
        hear(&mut twin, at(3), b"hello");
        drain(&mut twin);
        // Later it sends the same as its twin.
        for second in 1..120 {
            let [sent, by_twin] = [&mut moved, &mut twin].map(|session| {
                session.handle_timeout(at(1_000 * second));
                datagrams(session)
            });
            assert_eq!(sent, by_twin);
            assert_eq!(drain(&mut moved), drain(&mut twin));
            if format != Some(Format::Chat) {
                assert!(sent.iter().all(|sent| sent.trim_ascii() == b"^hb^"), "{sent:?}");
            }
        }
    }
}

/// A raw hub's control lines are its own, but a raw hub grants no names.
#[test]
fn a_raw_hub_that_speaks_is_asked_for_nothing() {
    for line in every_control_line() {
        let mut session = session(false, Some(Format::Raw));
        hear(&mut session, at(3), &line);
        for second in 1..120 {
            session.handle_timeout(at(1_000 * second));
            if second % 10 == 0 {
                hear(&mut session, at(1_000 * second), b"^hb^ pigeon/1 3 0 raw - lobby 7 0");
            }
            for sent in datagrams(&mut session) {
                assert_eq!(
                    sent.trim_ascii(),
                    b"^hb^",
                    "after {:?}",
                    String::from_utf8_lossy(&line)
                );
            }
        }
    }
}

/// An answer without a format is from a hub that may relay members' control lines.
#[test]
fn a_hub_that_names_no_format_is_believed_no_control_line() {
    let mut session = session(false, None);
    hear(&mut session, at(1), b"^hb^ pigeon/1 3 0");
    assert!(matches!(drain(&mut session), (0, events) if matches!(events[..], [Event::Joined(_)])));
    for line in every_control_line() {
        hear(&mut session, at(3), &line);
        assert_eq!(drain(&mut session).0, 0);
        assert_eq!(session.contact(), Contact::Answering);
    }
}

#[test]
fn a_control_line_is_read_from_the_hub_alone() {
    let mut session = session(false, Some(Format::Chat));
    for line in every_control_line() {
        let stranger = Received::new("10.0.0.9:9999".parse().unwrap(), &line);
        session.handle_datagram(at(3), &stranger);
        assert_eq!(drain(&mut session), (0, vec![]));
    }
}

#[test]
fn a_probe_is_never_answered_and_never_shown() {
    for format in Format::ALL {
        let mut session = session(false, Some(format));
        hear(&mut session, at(3), b"^hb^ probe 7f3a");
        assert_eq!(drain(&mut session), (0, vec![]));
    }
}

#[test]
fn control_lines_of_another_version_are_counted() {
    let mut session = session(false, Some(Format::Chat));
    hear(&mut session, at(3), b"^hb^ something new");
    assert_eq!(drain(&mut session), (0, vec![]));
    assert_eq!(session.unknown_lines(), 1);
}
