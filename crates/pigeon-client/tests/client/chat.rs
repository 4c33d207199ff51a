//! The chat machine with datagrams and input lines. It has no timers.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::chat::{Chat, Config, Counters, Error, Event, Known, Said};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_text::Charset;
use proptest::prelude::*;

const DOG: &str = "192.168.1.103:8080";
const MONKEY: &str = "192.168.1.104:8080";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn known(name: &str, charset: Option<&str>) -> Known {
    let charset = charset.map(|label| Charset::for_label(label).unwrap());
    Known { name: Some(name.into()), charset }
}

fn chat() -> Chat {
    Chat::new(Config::default())
}

/// A chat with the dog, in GB2312.
fn with_dog() -> Chat {
    let mut chat = chat();
    chat.open(at(DOG), known("狗哥", Some("gb2312"))).unwrap();
    chat
}

/// Everything a chat sends and reports now.
fn drain(chat: &mut Chat) -> (Vec<(SocketAddr, Vec<u8>)>, Vec<Event>) {
    let mut sent = Vec::new();
    while let Some(transmit) = chat.poll_transmit() {
        sent.push((transmit.to, chat.outbox()[transmit.range].to_vec()));
    }
    (sent, std::iter::from_fn(|| chat.poll_event()).collect())
}

fn hear(chat: &mut Chat, from: &str, payload: &[u8]) -> Vec<Event> {
    let now = Instant::ORIGIN + Duration::from_secs(7);
    chat.handle_datagram(now, &Received::new(at(from), payload));
    let (sent, events) = drain(chat);
    assert!(sent.is_empty(), "a chat never answers by itself");
    events
}

fn say(chat: &mut Chat, line: &str) -> Vec<(SocketAddr, Vec<u8>)> {
    chat.handle_line(line.as_bytes()).unwrap();
    drain(chat).0
}

fn texts(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Received(message) => Some(format!("{}: {}", message.title(), message.text)),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

#[test]
fn a_contact_is_written_and_read_in_its_encoding() {
    let mut chat = with_dog();
    assert_eq!(say(&mut chat, "你好"), [(at(DOG), b"\xc4\xe3\xba\xc3".to_vec())]);
    let events = hear(&mut chat, DOG, b"\xc4\xe3\xba\xc3\xff");
    assert_eq!(texts(&events), [r"狗哥 (192.168.1.103:8080): 你好\xff"]);
    let dog = chat.conversation(at(DOG)).unwrap();
    assert_eq!((dog.sent, dog.received, dog.unread), (1, 1, 0));
    assert_eq!(dog.whole_text(b"\xc4\xe3"), Some("你".into()));
}

#[test]
fn a_contact_that_was_a_stranger_before_is_written_in_its_encoding() {
    let mut chat = chat();
    // The contact's address was unknown until now, because it has a host name.
    hear(&mut chat, "10.0.0.9:1", b"hi");
    chat.open(at("10.0.0.9:1"), known("狗哥", Some("gb2312"))).unwrap();
    assert_eq!(say(&mut chat, "你"), [(at("10.0.0.9:1"), b"\xc4\xe3".to_vec())]);
    // The user's later setting stays, even if the contact is opened again.
    say(&mut chat, "/encoding utf-8");
    chat.open(at("10.0.0.9:1"), known("狗哥", Some("gb2312"))).unwrap();
    assert_eq!(say(&mut chat, "你"), [(at("10.0.0.9:1"), "你".into())]);
}

#[test]
fn what_cannot_be_sent_is_refused_with_its_reason() {
    let mut chat = with_dog();
    let error = chat.handle_line("你好😀".as_bytes()).unwrap_err();
    assert!(error.to_string().contains('😀'), "{error}");
    assert!(matches!(chat.handle_line(b"a\xff"), Err(Error::Unwritable(_))));
    let long = "字".repeat(32_754);
    let error = chat.handle_line(long.as_bytes()).unwrap_err();
    assert_eq!(error, Error::TooLong { length: 65_508, most: 65_507 });
    for line in ["", "  ", "\t"] {
        assert_eq!(chat.handle_line(line.as_bytes()), Ok(Said::Nothing));
    }
    assert_eq!(drain(&mut chat).0, []);
    assert_eq!(chat.chosen().unwrap().sent, 0);
}

#[test]
fn what_was_sent_is_told_as_it_went() {
    let mut chat = with_dog();
    let said = chat.handle_line("//who 你 ".as_bytes());
    assert_eq!(said, Ok(Said::Sent { peer: at(DOG), text: "/who 你 ".into() }));
}

#[test]
fn who_chose_nobody_writes_to_nobody() {
    let mut chat = with_dog();
    chat.choose_nobody();
    assert_eq!(chat.handle_line(b"hello?"), Err(Error::NobodyChosen));
    // A peer that writes now is not selected.
    let events = hear(&mut chat, MONKEY, b"eek");
    assert_eq!(events[0], Event::Appeared { peer: at(MONKEY), chosen: false });
    assert_eq!(chat.conversations().len(), 2);
}

#[test]
fn auto_answers_in_what_the_peer_last_used() {
    let mut chat =
        Chat::new(Config { charset: Charset::for_label("auto").unwrap(), ..Config::default() });
    hear(&mut chat, DOG, b"\xc4\xe3\xba\xc3");
    hear(&mut chat, MONKEY, "你好".as_bytes());
    assert_eq!(say(&mut chat, "好")[0].1, b"\xba\xc3");
    say(&mut chat, "/to 2");
    assert_eq!(say(&mut chat, "好"), [(at(MONKEY), "好".as_bytes().to_vec())]);
}

#[test]
fn whoever_writes_appears_and_only_the_first_is_chosen() {
    let mut chat = chat();
    chat.know(at(MONKEY), known("猴哥", None));
    assert_eq!(chat.handle_line(b"hello?"), Err(Error::NobodyChosen));
    let events = hear(&mut chat, DOG, b"woof");
    assert_eq!(events[0], Event::Appeared { peer: at(DOG), chosen: true });
    assert_eq!(texts(&events), ["192.168.1.103:8080: woof"]);
    let events = hear(&mut chat, MONKEY, b"eek");
    assert_eq!(events[0], Event::Appeared { peer: at(MONKEY), chosen: false });
    assert_eq!(texts(&events), ["猴哥 (192.168.1.104:8080): eek"]);
    assert_eq!(chat.conversation(at(MONKEY)).unwrap().unread, 1);
    assert_eq!(say(&mut chat, "who is there?")[0].0, at(DOG));

    for whom in ["/to 猴哥", "/to 2", "/to 192.168.1.104:8080", "/to [::ffff:192.168.1.104]:8080"]
    {
        say(&mut chat, "/to 1");
        assert_eq!(chat.handle_line(whom.as_bytes()), Ok(Said::Chosen(at(MONKEY))), "{whom}");
        assert_eq!(say(&mut chat, "you?"), [(at(MONKEY), b"you?".to_vec())]);
    }
    assert_eq!(chat.conversation(at(MONKEY)).unwrap().unread, 0);
    assert_eq!(chat.handle_line(b"/to 9"), Err(Error::NoSuchNumber(9)));
    assert_eq!(chat.handle_line("/to 猫".as_bytes()), Ok(Said::LookUp("猫".into())));
    assert_eq!(chat.handle_line(b"/to"), Err(Error::ToWhom));
    assert_eq!(chat.conversations().len(), 2);
}

#[test]
fn a_name_is_found_whatever_its_capitals() {
    let mut chat = chat();
    chat.open(at(DOG), known("Zoë", None)).unwrap();
    assert_eq!(chat.handle_line("/to ZOË".as_bytes()), Ok(Said::Chosen(at(DOG))));
}

#[test]
fn quit_leaves_a_conversation_and_then_the_chat() {
    let mut chat = with_dog();
    hear(&mut chat, MONKEY, b"eek");
    assert_eq!(chat.handle_line(b"quit"), Ok(Said::Left(at(DOG))));
    // The other one is still there but not selected, so input goes to no one by accident.
    assert_eq!(chat.conversations().len(), 1);
    assert_eq!(chat.handle_line(b"a secret for the dog"), Err(Error::NobodyChosen));
    // A peer that was left may write again, and is not selected either.
    hear(&mut chat, DOG, b"woof");
    assert!(chat.chosen().is_none());
    assert_eq!(chat.handle_line(b"/quit"), Ok(Said::Quit));
    assert_eq!(drain(&mut chat), (vec![], vec![Event::Over]));
    assert_eq!(chat.handle_line(b"hello"), Ok(Said::Nothing));
    assert_eq!(hear(&mut chat, DOG, b"woof"), []);
}

#[test]
fn commands_are_local_and_two_slashes_send_one() {
    let mut chat = with_dog();
    assert_eq!(chat.handle_line(b"/list"), Ok(Said::List));
    assert_eq!(chat.handle_line(b"/help"), Ok(Said::Help));
    let unknown = chat.handle_line(b"/who is there").unwrap_err();
    assert!(unknown.to_string().starts_with("there is no command /who; /help"), "{unknown}");
    let gb2312 = Charset::for_label("gb2312").unwrap();
    assert_eq!(chat.handle_line(b"/encoding"), Ok(Said::Encoding(gb2312)));
    assert!(matches!(chat.handle_line(b"/encoding gb2321"), Err(Error::UnknownEncoding(_))));
    assert_eq!(chat.handle_line(b"/encoding utf-8"), Ok(Said::Encoding(Charset::default())));
    assert_eq!(drain(&mut chat).0, []);
    assert_eq!(say(&mut chat, "//who 你"), [(at(DOG), "/who 你".as_bytes().to_vec())]);
}

#[test]
fn a_refused_peer_is_marked_and_the_chat_goes_on() {
    let mut chat = with_dog();
    let refuse = |chat: &mut Chat| {
        chat.handle_refused_by(Instant::ORIGIN, SocketId::FIRST, at(DOG));
        drain(chat).1
    };
    assert_eq!(refuse(&mut chat), [], "nothing was sent yet");
    say(&mut chat, "hello?");
    assert_eq!(refuse(&mut chat), [Event::Refused(at(DOG))]);
    assert_eq!(refuse(&mut chat), [], "once is enough");
    assert!(chat.chosen().unwrap().refused);
    // The next message is lost too, and reported again.
    say(&mut chat, "hello??");
    assert_eq!(refuse(&mut chat), [Event::Refused(at(DOG))]);
    hear(&mut chat, DOG, b"here I am");
    assert!(!chat.chosen().unwrap().refused);
    chat.handle_refused_by(Instant::ORIGIN, SocketId::FIRST, at("10.0.0.1:1"));
    assert_eq!(drain(&mut chat).1, []);
}

#[test]
fn strangers_beyond_the_networks_are_not_heard_but_friends_are() {
    let from = vec!["10.0.0.0/8".parse().unwrap()];
    let mut chat = Chat::new(Config { from, ..Config::default() });
    chat.open(at(DOG), Known::default()).unwrap();
    assert_eq!(hear(&mut chat, MONKEY, b"eek"), []);
    assert_eq!(hear(&mut chat, DOG, b"woof").len(), 1);
    assert_eq!(hear(&mut chat, "10.1.2.3:4", b"hi").len(), 2);
    assert_eq!(chat.counters(), Counters { filtered: 1, ..Counters::default() });
}

#[test]
fn strangers_make_room_for_strangers_and_friends_stay() {
    let config = Config { max_conversations: 3, ..Config::default() };
    let mut chat = Chat::new(config.clone());
    chat.open(at(DOG), Known::default()).unwrap();
    hear(&mut chat, "10.0.0.1:1", b"1");
    hear(&mut chat, "10.0.0.2:1", b"2");
    hear(&mut chat, "10.0.0.1:1", b"1 again");
    let events = hear(&mut chat, "10.0.0.3:1", b"3");
    assert_eq!(events[0], Event::Forgotten(at("10.0.0.2:1")));
    assert_eq!((chat.conversations().len(), chat.counters().forgotten), (3, 1));
    // Numbers stay the same.
    assert_eq!(chat.conversations().iter().map(|c| c.number).collect::<Vec<_>>(), [1, 2, 4]);

    for line in ["/to 10.0.0.1:1", "/to 10.0.0.3:1"] {
        say(&mut chat, line);
        say(&mut chat, "a word");
    }
    assert_eq!(hear(&mut chat, "10.0.0.4:1", b"4"), []);
    assert_eq!(chat.counters().crowded_out, 1);
    assert_eq!(chat.handle_line(b"/to 10.0.0.5:1"), Err(Error::Full(3)));
    say(&mut chat, "quit");
    assert_eq!(chat.handle_line(b"/to 10.0.0.5:1"), Ok(Said::Chosen(at("10.0.0.5:1"))));
}

#[test]
fn what_cannot_be_reached_is_said_at_once() {
    let mut chat = Chat::new(Config { ipv6: false, ..Config::default() });
    assert_eq!(chat.handle_line(b"/to [::1]:9"), Err(Error::OtherFamily(at("[::1]:9"))));
    assert_eq!(chat.handle_line(b"/to 10.0.0.1:0"), Err(Error::NoPort(at("10.0.0.1:0"))));
    assert_eq!(
        Error::OtherFamily(at("[::1]:9")).to_string(),
        "[::1]:9 cannot be reached: this chat is bound to IPv4 only"
    );
}

#[test]
fn answers_leave_from_the_address_that_was_written_to() {
    let mut chat = chat();
    let ours = "192.168.1.7".parse().unwrap();
    let datagram = Received { local: Some(ours), ..Received::new(at(DOG), b"woof") };
    chat.handle_datagram(Instant::ORIGIN, &datagram);
    chat.handle_line(b"hello").unwrap();
    assert_eq!(chat.poll_transmit().unwrap().from, Some(ours));
}

#[derive(Clone, Debug)]
enum Step {
    Hear(u8, Vec<u8>),
    Line(Vec<u8>),
    Refused(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let words = ["/to 1", "/to 3", "/to 10.0.0.9:1", "/list", "quit", "/encoding gbk", "//x", "你"];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (0..12_u8, bytes.clone()).prop_map(|(who, bytes)| Step::Hear(who, bytes)),
        prop_oneof![word, bytes].prop_map(Step::Line),
        (0..12_u8).prop_map(Step::Refused),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_stays_whole(steps in prop::collection::vec(step(), 0..200)) {
        let mut chat = Chat::new(Config { max_conversations: 5, ..Config::default() });
        let peer = |who: u8| SocketAddr::from(([10, 0, 0, who], 1));
        for step in steps {
            let may_send = match step {
                Step::Hear(who, bytes) => {
                    chat.handle_datagram(Instant::ORIGIN, &Received::new(peer(who), &bytes));
                    None
                }
                Step::Line(line) => match chat.handle_line(&line) {
                    Ok(Said::Sent { peer, .. }) => Some(peer),
                    _ => None,
                },
                Step::Refused(who) => {
                    chat.handle_refused_by(Instant::ORIGIN, SocketId::FIRST, peer(who));
                    None
                }
            };
            let (sent, _) = drain(&mut chat);
            let sent: Vec<_> = sent.into_iter().map(|(to, _)| to).collect();
            prop_assert_eq!(sent, Vec::from_iter(may_send));
            prop_assert!(chat.conversations().len() <= 5);
            if let Some(to) = may_send {
                prop_assert_eq!(chat.chosen().map(|chosen| chosen.peer), Some(to));
            }
            let numbers: Vec<_> = chat.conversations().iter().map(|c| c.number).collect();
            prop_assert!(numbers.is_sorted());
        }
    }
}

#[test]
fn what_the_system_did_not_send_is_told_and_not_counted() {
    let mut chat = with_dog();
    let sent = |chat: &Chat| chat.chosen().unwrap().sent;
    chat.handle_line(b"hello?").unwrap();
    let transmit = chat.poll_transmit().unwrap();
    chat.handle_unsent(Instant::ORIGIN, &transmit, 1);
    assert_eq!(drain(&mut chat).1, [Event::Unsent(at(DOG))]);
    assert_eq!(sent(&chat), 0);
    let undelivered = |chat: &mut Chat, peer| {
        chat.handle_undelivered(Instant::ORIGIN, SocketId::FIRST, peer, false);
        drain(chat).1
    };
    assert_eq!(undelivered(&mut chat, Some(at(DOG))), [], "it was not even sent");
    say(&mut chat, "hello??");
    assert_eq!(undelivered(&mut chat, None), []);
    assert_eq!(undelivered(&mut chat, Some(at("10.0.0.1:1"))), []);
    assert_eq!(undelivered(&mut chat, Some(at(DOG))), [Event::Undelivered(at(DOG))]);
    assert_eq!(undelivered(&mut chat, Some(at(DOG))), [], "once is enough");
    assert_eq!(sent(&chat), 1);
}

#[test]
fn a_peer_at_another_address_is_the_same_peer() {
    let mut chat = with_dog();
    let (number, title) = (chat.chosen().unwrap().number, "10.9.9.9:9");
    assert!(chat.move_to(at(DOG), at(title)));
    assert_eq!(chat.chosen().unwrap().number, number);
    assert_eq!(say(&mut chat, "still you?"), [(at(title), b"still you?".to_vec())]);
    // The new address has a conversation already, or is not valid: nothing changes.
    hear(&mut chat, MONKEY, b"eek");
    assert!(!chat.move_to(at(title), at(MONKEY)));
    assert!(!chat.move_to(at(title), at("10.9.9.9:0")));
    assert!(!chat.move_to(at(DOG), at("10.9.9.8:9")));
    assert_eq!(chat.chosen().unwrap().peer, at(title));
}
