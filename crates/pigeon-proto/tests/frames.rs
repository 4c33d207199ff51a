//! Every frame is parsed as it was written; hostile JSON is refused, and accepted input is parsed
//! as it would be written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its strategies too")]

use std::sync::Arc;
use std::time::Duration;

use pigeon_proto::frame::{
    ByeReason, ClientFrame, Here, HubFrame, MAX_FRAME, Present, Prove, Refused, RoomCount, Say,
};
use pigeon_proto::{
    Entry, Gap, Identity, Language, LinkKind, Message, Name, NameError, Position, Reason, RoomName,
    Seen,
};
use proptest::prelude::*;

const END: u64 = 1 << 53;

fn name() -> impl Strategy<Value = Name> {
    "[-a-zA-Z0-9_狗哥é🐶]{1,32}"
        .prop_filter_map("not a name", |text| Name::parse(text.as_bytes()).ok())
}

fn room() -> impl Strategy<Value = RoomName> {
    name().prop_map(|name| RoomName::parse(name.as_str().as_bytes()).unwrap())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..END, Just(END - 1)]
}

fn position() -> impl Strategy<Value = Position> {
    number().prop_map(|number| Position::new(number).unwrap())
}

fn identity() -> impl Strategy<Value = Identity> {
    (any::<u128>(), any::<u64>(), number()).prop_map(|(author, outbox, number)| Identity {
        author,
        outbox,
        number,
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    (position(), identity()).prop_map(|(position, identity)| Seen { position, identity })
}

fn text() -> impl Strategy<Value = Box<[u8]>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![bytes, any::<String>().prop_map(String::into_bytes)].prop_map(Box::from)
}

fn word() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(Box::from)
}

fn time() -> impl Strategy<Value = Duration> {
    number().prop_map(Duration::from_millis)
}

fn prove() -> impl Strategy<Value = ClientFrame> {
    let maybe = || prop::option::of(word());
    let language = prop::option::of(prop::sample::select(Language::ALL.to_vec()));
    let key = prop::array::uniform32(any::<u8>());
    (key, any::<u64>(), maybe(), maybe(), prop::option::of(room()), maybe(), language).prop_map(
        |(bytes, outbox, name, word, room, password, language)| {
            let (mut key, mut signature) = ([4; 65], [7; 64]);
            key[1..33].copy_from_slice(&bytes);
            signature[32..].copy_from_slice(&bytes);
            let prove = Prove { key, signature, outbox, name, word, room, password, language };
            ClientFrame::Prove(Box::new(prove))
        },
    )
}

fn say() -> impl Strategy<Value = ClientFrame> {
    (1..END, any::<u64>(), room(), text()).prop_map(|(number, after, room, text)| {
        ClientFrame::Say(Say { number, after: after % number, room, text })
    })
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    prop_oneof![
        (number(), word()).prop_map(|(version, client)| ClientFrame::Hello { version, client }),
        prove(),
        any::<u64>().prop_map(|outbox| ClientFrame::Outbox { outbox }),
        say(),
        word().prop_map(|line| ClientFrame::Command { line }),
        (room(), prop::option::of(seen()), prop::option::of(number()), position()).prop_map(
            |(room, after, last, deletion)| ClientFrame::Follow { room, after, last, deletion }
        ),
        room().prop_map(|room| ClientFrame::Unfollow { room }),
        (number(), room(), prop::option::of(position()), prop::option::of(number()))
            .prop_map(|(id, room, before, limit)| ClientFrame::Read { id, room, before, limit }),
        (number(), room(), word(), prop::option::of(position()), prop::option::of(number()))
            .prop_map(|(id, room, words, before, limit)| {
                ClientFrame::Search { id, room, words, before, limit }
            }),
        room().prop_map(|room| ClientFrame::Watch { room }),
        Just(ClientFrame::Quit {}),
    ]
}

fn link() -> impl Strategy<Value = LinkKind> {
    prop::sample::select(LinkKind::ALL.to_vec())
}

fn message() -> impl Strategy<Value = Arc<Message>> {
    (position(), room(), identity(), word(), link(), time(), text()).prop_map(
        |(position, room, identity, speaker, link, wall, text)| {
            Arc::new(Message { position, room, speaker, link, wall, text, identity })
        },
    )
}

fn gap() -> impl Strategy<Value = Gap> {
    (position(), room(), position(), number(), time())
        .prop_map(|(position, room, after, count, wall)| Gap { position, room, after, count, wall })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = prop_oneof![message().prop_map(Entry::Message), gap().prop_map(Entry::Gap)];
    prop::collection::vec(entry, 0..4)
}

fn here() -> impl Strategy<Value = HubFrame> {
    let present = (word(), link()).prop_map(|(name, link)| Present { name, link });
    let count = (room(), number()).prop_map(|(room, members)| RoomCount { room, members });
    let members = prop::collection::vec(present, 0..4);
    let rooms = prop::collection::vec(count, 0..4);
    (room(), number(), number(), members, rooms).prop_map(
        |(room, people, senders, members, rooms)| {
            HubFrame::Here(Here { room, people, senders, members, rooms })
        },
    )
}

fn hub_frame() -> impl Strategy<Value = HubFrame> {
    let refused = (number(), word(), prop::option::of(word()), word(), prop::option::of(number()))
        .prop_map(|(number, reason, detail, text, again_ms)| {
            HubFrame::Refused(Refused { number, reason, detail, text, again_ms })
        });
    prop_oneof![
        (number(), word(), word(), word()).prop_map(|(version, hub, nonce, fingerprint)| {
            HubFrame::Challenge { version, hub, nonce, fingerprint }
        }),
        (any::<u128>(), prop::option::of(name()), room(), any::<bool>(), number()).prop_map(
            |(author, name, room, stores, max_text)| {
                HubFrame::Welcome { author, name, room, stores, max_text }
            }
        ),
        (any::<u64>(), number()).prop_map(|(outbox, number)| HubFrame::Expect { outbox, number }),
        number().prop_map(|number| HubFrame::Stored { number }),
        number().prop_map(|number| HubFrame::Relayed { number }),
        refused,
        number().prop_map(|number| HubFrame::Conflict { number }),
        message().prop_map(HubFrame::Message),
        gap().prop_map(HubFrame::Gap),
        (number(), room(), entries(), prop::option::of(position()))
            .prop_map(|(id, room, entries, more)| HubFrame::Entries { id, room, entries, more }),
        here(),
        (room(), prop::option::of(seen()), any::<bool>(), position()).prop_map(
            |(room, last, forgotten, deletion)| {
                HubFrame::Reset { room, last, forgotten, deletion }
            }
        ),
        (room(), position()).prop_map(|(room, position)| HubFrame::Live { room, position }),
        room().prop_map(|room| HubFrame::Behind { room }),
        (prop::option::of(room()), prop::option::of(word()))
            .prop_map(|(room, name)| HubFrame::Forgot { room, name }),
        (word(), word()).prop_map(|(line, text)| HubFrame::Notice { line, text }),
        (prop::sample::select(ByeReason::ALL.to_vec()), word())
            .prop_map(|(reason, text)| HubFrame::Bye { reason, text }),
    ]
}

/// The line of a frame.
fn line(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut line = Vec::new();
    write(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(line.starts_with(b"{\"type\":\""), "the type comes first");
    assert!(!line.contains(&b'\n'));
    std::str::from_utf8(&line).unwrap();
    line
}

fn client(line: &str) -> Option<ClientFrame> {
    ClientFrame::parse(line.as_bytes()).ok()
}

fn hub(line: &str) -> Option<HubFrame> {
    HubFrame::parse(line.as_bytes()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn client_frames_are_read_back(frame in client_frame()) {
        let line = line(|out| frame.write(out));
        prop_assert_eq!(ClientFrame::parse(&line).unwrap(), frame);
    }

    #[test]
    fn hub_frames_are_read_back(frame in hub_frame()) {
        let line = line(|out| frame.write(out));
        prop_assert_eq!(HubFrame::parse(&line).unwrap(), frame);
    }

    #[test]
    fn fields_that_are_not_known_change_nothing(frame in client_frame(), value in any::<u64>()) {
        let mut line = line(|out| frame.write(out));
        line.pop();
        line.extend(format!(r#","later":{{"a":[{value},null]}}}}"#).bytes());
        prop_assert_eq!(ClientFrame::parse(&line).unwrap(), frame);
    }

    #[test]
    fn cut_or_changed_lines_do_no_harm(
        frame in hub_frame(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut line = line(|out| frame.write(out));
        let at = at.index(line.len());
        prop_assert!(HubFrame::parse(&line[..at]).is_err());
        line[at] = byte;
        if let Ok(read) = HubFrame::parse(&line) {
            let mut again = Vec::new();
            read.write(&mut again);
            prop_assert!(read == HubFrame::Unknown || HubFrame::parse(&again).unwrap() == read);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ClientFrame::parse(&bytes);
        let _ = HubFrame::parse(&bytes);
    }
}

#[test]
fn types_that_are_not_known_are_passed_over() {
    assert_eq!(client(r#"{"type":"later","number":[]}"#), Some(ClientFrame::Unknown));
    assert_eq!(hub(r#"{"type":"later","number":[]}"#), Some(HubFrame::Unknown));
    assert_eq!(client(r#"{"number":1}"#), None);
    assert_eq!(client(r#"["say"]"#), None);
}

#[test]
fn the_type_may_stand_anywhere_and_languages_and_links_may_be_new() {
    assert_eq!(client(r#"{"version":1,"type":"hello"}"#).map(|_| ()), Some(()));
    let key = "A".repeat(87);
    let signature = "A".repeat(86);
    let prove = format!(
        r#"{{"type":"prove","key":"{key}","signature":"{signature}","outbox":"00000000000000ff","language":"fr"}}"#
    );
    let Some(ClientFrame::Prove(prove)) = client(&prove) else { panic!("not read") };
    assert_eq!((prove.outbox, prove.language), (255, None));
    let message = r#"{"type":"message","position":1,"room":"a","author":"00000000000000000000000000000001","outbox":"0000000000000002","number":3,"name":"b","link":"carrier-pigeon","time":4,"text":"c"}"#;
    let Some(HubFrame::Message(message)) = hub(message) else { panic!("not read") };
    assert_eq!(message.link, LinkKind::Plain);
    assert_eq!(
        hub(r#"{"type":"bye","reason":"later"}"#),
        Some(HubFrame::Bye { reason: ByeReason::Unknown, text: "".into() })
    );
}

#[test]
fn numbers_are_below_2_to_the_53() {
    let say = |number: &str| {
        client(&format!(r#"{{"type":"say","number":{number},"room":"a","text":""}}"#))
    };
    assert!(say("1").is_some() && say("9007199254740990").is_some());
    for number in [
        "0",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551616",
        "-1",
        "1.5",
        "1e3",
        "\"1\"",
        "null",
    ] {
        assert_eq!(say(number), None, "{number}");
    }
    let after = |after: u64| {
        client(&format!(r#"{{"type":"say","number":5,"after":{after},"room":"a","text":""}}"#))
    };
    assert!(after(0).is_some() && after(4).is_some());
    assert_eq!(after(5), None);
    let Some(ClientFrame::Say(say)) = say("5") else { panic!("not read") };
    assert_eq!(say.after, 4, "the number before");
}

#[test]
fn a_text_is_either_text_or_base64() {
    let say = |rest: &str| client(&format!(r#"{{"type":"say","number":1,"room":"a"{rest}}}"#));
    assert!(say(r#","text":"x""#).is_some() && say(r#","base64":"/w==""#).is_some());
    for rest in [
        "",
        r#","text":"x","base64":"/w==""#,
        r#","base64":"/w""#,
        r#","base64":"?""#,
        r#","text":7"#,
    ] {
        assert_eq!(say(rest), None, "{rest}");
    }
    let Some(ClientFrame::Say(say)) = say(r#","base64":"/w==""#) else { panic!("not read") };
    assert_eq!(&*say.text, [255]);
}

#[test]
fn hostile_json_is_refused_with_a_reason_that_can_be_shown() {
    let deep = "[".repeat(100_000);
    for line in [
        format!(r#"{{"type":"say","number":1,"room":"a","text":{deep}"#),
        format!(r#"{{"type":"later","x":{deep}"#),
        r#"{"type":"say","number":1,"number":2,"room":"a","text":""}"#.to_string(),
        r#"{"type":"say","number":1,"room":"a","text":"\ud800"}"#.to_string(),
        r#"{"type":"say","number":1,"room":"a\u0000","text":""}"#.to_string(),
        r#"{"type":"say","number":1,"room":"a b","text":""}"#.to_string(),
        r#"{"type":"outbox","outbox":"+00000000000000f"}"#.to_string(),
        r#"{"type":"outbox","outbox":"ff"}"#.to_string(),
        r#"{"type":"hello","version":"\u001b[2J"}"#.to_string(),
        format!(r#"{{"type":"command","line":"{}"}}"#, "x".repeat(MAX_FRAME)),
        r#"{"type":"quit"} {"type":"quit"}"#.to_string(),
    ] {
        let error = ClientFrame::parse(line.as_bytes()).expect_err(&line[..80.min(line.len())]);
        let shown = error.to_string();
        assert!(shown.len() < 1_000 && !shown.contains(char::is_control), "{shown:?}");
    }
    assert!(ClientFrame::parse(b"{\"type\":\"command\",\"line\":\"\xff\"}").is_err());
}

#[test]
fn refusals_keep_their_reasons() {
    for why in [
        Reason::Rate { messages: Some(20), bytes: None },
        Reason::TooLong { length: 9_000, most: 8_192 },
        Reason::Muted,
        Reason::Slow { seconds: 2 },
        Reason::NotStored,
        Reason::Deleted,
        Reason::Name(NameError::Reserved(' ')),
    ] {
        for language in Language::ALL {
            let refused = Refused::new(7, &why, Some(500), language);
            let line = line(|out| HubFrame::Refused(refused.clone()).write(out));
            let Ok(HubFrame::Refused(read)) = HubFrame::parse(&line) else { panic!("not read") };
            assert_eq!(read.why(), Some(why.clone()));
            assert!(!read.text.is_empty());
        }
    }
    let later = hub(r#"{"type":"refused","number":3,"reason":"later"}"#);
    let Some(HubFrame::Refused(later)) = later else { panic!("not read") };
    assert_eq!((later.why(), &*later.reason), (None, "later"));
}

#[test]
fn the_examples_of_the_documentation_are_frames() {
    let page = include_str!("../../../docs/reliable.md");
    let examples: Vec<&str> = page.lines().filter(|line| line.starts_with("{\"type\":")).collect();
    let mut types = std::collections::BTreeSet::new();
    for line in &examples {
        let is_known = match (ClientFrame::parse(line.as_bytes()), HubFrame::parse(line.as_bytes()))
        {
            (Ok(ClientFrame::Unknown), Ok(HubFrame::Unknown)) => false,
            (Ok(ClientFrame::Unknown), frame) => frame.is_ok(),
            (frame, _) => frame.is_ok(),
        };
        assert!(is_known, "{line}");
        types.extend(line.split('"').nth(3));
    }
    // Eleven of a client, seventeen of a hub.
    assert_eq!(types.len(), 28, "{types:?}");
}
