//! Contacts and texts in both directions, in real programs' packets. The packets of iptux were
//! recorded. Those of IP Messenger follow its source, and those of FeiQ follow three public
//! clients: FeiQ itself was not run.

use pigeon_datagram::Machine;
use pigeon_ipmsg::{Event, Ignored, Program, WhyGone, WhyUndelivered, mode, option};
use pigeon_text::Encoding;

use crate::harness::{Harness, SECOND, WALL, address, config};

const IPTUX: &str = "1_iptux 0.8.3:1:root:hosta:257:阿爱\0一组\0icon-tux.png\0utf-8\0";
const WINDOWS: &[u8] = b"1:100:wang:PC7:20971521:\xc0\xcf\xcd\xf5\0G\0\nUN:wang\nHN:PC7\nNN:\xe8\x80\x81\xe7\x8e\x8b\nGN:G\nVS:00010004\0";
const FEIQ: &[u8] = b"1_lbt6_0#128#5CE50C0A3B2F#0#0#0#4001#9:1700000000:Admin:PC:6291457:\xd0\xa1\xc0\xee\0\xd2\xbb\xd7\xe9\0";

fn gbk(text: &str) -> Vec<u8> {
    Encoding::GB18030.encode(text).unwrap().into_owned()
}

#[test]
fn a_newcomer_is_answered_by_an_entry_once_and_late() {
    let mut h = Harness::new();
    assert_eq!(h.hear(address(2), IPTUX), []);
    // The broadcast arrives again, sent to the other broadcast address.
    assert_eq!(h.hear(address(2), IPTUX), []);
    let sent = h.wait(SECOND);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].to, sent[0].command.mode()), (address(2), mode::ENTRY));
    assert_eq!(h.wait(60 * SECOND), []);
    let contact = h.messenger.contact(address(2)).unwrap();
    assert_eq!((contact.nick, contact.group, contact.host), ("阿爱", "一组", "hosta"));
    assert_eq!((contact.program, contact.is_absent), (Program::Iptux, true));
    assert_eq!(h.events, [Event::Appeared(address(2))]);
}

#[test]
fn a_contact_that_proved_itself_is_answered_in_its_own_encoding() {
    for (entry, extra, options) in [
        (IPTUX.as_bytes(), "大厅\0pigeon\0\0utf-8\0".as_bytes().to_vec(), 0),
        (WINDOWS, "大厅\0pigeon\0".as_bytes().to_vec(), option::UTF8 | option::CAN_UTF8),
        (FEIQ, gbk("大厅\0pigeon\0"), 0),
    ] {
        let mut h = Harness::new();
        h.prove(address(2), entry);
        h.hear(address(2), entry);
        let sent = h.wait(SECOND);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].command.mode(), mode::ANSWER);
        assert_eq!(sent[0].command.has(option::UTF8), options != 0);
        assert_eq!(sent[0].extra, extra);
    }
}

#[test]
fn texts_go_out_in_the_encoding_of_their_reader() {
    for (entry, bytes, command) in [
        (IPTUX.as_bytes(), "狗哥: 你好😀".as_bytes().to_vec(), 0x120),
        (WINDOWS, "狗哥: 你好😀".as_bytes().to_vec(), 0x80_0120),
        (FEIQ, gbk("狗哥: 你好😀"), 0x120),
    ] {
        let mut h = Harness::new();
        h.prove(address(2), entry);
        let sent = h.send(address(2), "狗哥: 你好😀");
        assert_eq!(sent.len(), 1);
        assert_eq!((&sent[0].extra, sent[0].command.bits()), (&bytes, command));
    }
    let mut h = Harness::new();
    h.prove(address(2), FEIQ);
    let kanji = Encoding::for_label("shift_jis").unwrap();
    assert!(h.messenger.set_encoding(address(2), kanji));
    assert_eq!(h.send(address(2), "こん😀")[0].extra, b"\x82\xb1\x82\xf1\\u{1f600}");
}

#[test]
fn texts_are_read_in_the_encoding_of_their_writer_and_acknowledged() {
    let mut h = Harness::new();
    let bob = address(2);
    h.prove(bob, IPTUX);
    let font = "{/font;-16 0 0 0 400 0 0 0 134 0 0 2 32 微软雅黑 8404992;}";
    h.prove(address(3), FEIQ);
    for (from, command, text, expected) in [
        (bob, 288, "你好 pigeon\0".as_bytes().to_vec(), "你好 pigeon"),
        (bob, 288, gbk("你好\0"), "你好"),
        (bob, 0x80_0120, "😀\r\n好\0".as_bytes().to_vec(), "😀\n好"),
        (address(3), 288, gbk(&format!("好/:weixiao吧{font}\0")), "好吧"),
        (bob, 288, b"x:y \xff\0z\0".to_vec(), r"x:y \xff"),
    ] {
        let head = format!("1:{}:u:h:{command}:", 16 + text.len());
        let sent = h.hear(from, [head.as_bytes(), &text].concat());
        assert_eq!(h.said(), [expected]);
        assert_eq!(sent.len(), 1, "{expected}");
        assert_eq!((sent[0].to, sent[0].command.bits()), (from, 0x21));
        assert_eq!(sent[0].text(), (16 + text.len()).to_string());
    }
}

#[test]
fn a_text_that_comes_again_is_acknowledged_again_and_reported_once() {
    let mut h = Harness::new();
    let bob = address(2);
    h.prove(bob, IPTUX);
    assert_eq!(h.hear(bob, "1:16:u:h:288:hi\0").len(), 1);
    assert_eq!(h.hear(bob, "1:16:u:h:288:hi\0").len(), 1);
    // The text has the UTF-8 option, as IP Messenger sends it.
    assert_eq!(h.hear(bob, "1:16:u:h:16672:hi\0").len(), 1);
    assert_eq!(h.said(), ["hi"]);
    // A restarted iptux counts from 1.
    h.hear(bob, "1:16:u:h:288:other\0");
    h.wait(7 * SECOND);
    h.hear(bob, IPTUX);
    h.hear(bob, "1:16:u:h:288:hi\0");
    assert_eq!(h.said(), ["other", "hi"]);
    // The contact's entry may be lost, too.
    h.wait(31 * SECOND);
    h.hear(bob, "1:16:u:h:288:hi\0");
    assert_eq!(h.said(), ["hi"]);
}

#[test]
fn a_text_that_the_host_refuses_is_not_acknowledged_and_comes_again() {
    let mut h = Harness::new();
    h.accepts = false;
    assert_eq!(h.hear(address(2), "1:16:u:h:288:hi\0"), []);
    let text = h.take_texts().remove(0);
    assert_eq!(h.hear(address(2), "1:16:u:h:288:hi\0"), [], "the host has not decided");
    assert_eq!(h.take_texts(), []);
    h.messenger.refuse(&text);
    h.accepts = true;
    assert_eq!(h.hear(address(2), "1:16:u:h:288:hi\0").len(), 1);
    assert_eq!(h.said(), ["hi"]);
}

#[test]
fn group_texts_and_automatic_ones_are_told_and_never_acknowledged() {
    let mut h = Harness::new();
    for (n, command) in [(1, 1056), (2, 1019), (3, 1275), (4, 0x920), (5, 0x2120), (6, 0x20)] {
        assert_eq!(h.hear(address(2), format!("1:{n}:u:h:{command}:t{n}\0")), [], "{command:x}");
    }
    let kinds = |text: &pigeon_ipmsg::Text| (text.is_for_many, text.is_automatic);
    let texts: Vec<_> = h.take_texts().iter().map(kinds).collect();
    let many = (true, false);
    assert_eq!(texts, [many, many, many, many, (false, true), (false, false)]);
    assert_eq!(h.hear(address(2), "1:7:u:h:4194592:secret\0"), []);
    assert_eq!(h.messenger.statistics().ignored_for(Ignored::Encrypted), 1);
}

#[test]
fn offered_files_are_told() {
    let mut h = Harness::new();
    h.hear(address(2), "1:9:u:h:2097184:看\x000:你好.txt:1b:5f0:1:\x07\0");
    let text = h.take_texts().remove(0);
    assert_eq!((text.text.as_str(), text.files.len()), ("看", 1));
    assert_eq!((text.files[0].name.as_str(), text.files[0].size), ("你好.txt", 27));
    h.hear(address(2), "1:10:u:h:2097184:\x000:a:1b:5f0:1:\x07\0");
    assert_eq!(h.take_texts()[0].text, "");
}

#[test]
fn a_text_is_sent_as_often_as_its_readers_program_would() {
    for (entry, times, millis) in
        [(IPTUX.as_bytes(), 4, 1_000), (FEIQ, 4, 1_000), (WINDOWS, 6, 750)]
    {
        let mut h = Harness::new();
        h.prove(address(2), entry);
        let first = h.send(address(2), "hi");
        let start = h.now;
        let mut sent = h.wait(60 * SECOND);
        sent.splice(0..0, first);
        assert_eq!(sent.len(), times);
        assert!(sent.iter().all(|packet| packet.number == sent[0].number));
        assert!(!sent[0].command.has(option::RETRY) && sent[1].command.has(option::RETRY));
        let failed = h.events.iter().any(|event| {
            matches!(event, Event::Undelivered(_, ids, WhyUndelivered::NoReply) if ids.len() == 1)
        });
        assert!(failed && h.now - start == 60 * SECOND, "{millis}");
        // The contact was heard before: the second such text removes it.
        assert!(h.messenger.contact(address(2)).is_some());
        h.send(address(2), "hi");
        h.wait(60 * SECOND);
        assert!(h.messenger.contact(address(2)).is_none());
        assert!(h.events.contains(&Event::Gone(address(2), WhyGone::Unreachable)));
    }
}

#[test]
fn one_text_is_in_flight_and_numbers_rise_across_restarts() {
    let mut h = Harness::new();
    h.prove(address(2), IPTUX);
    let first = h.send(address(2), "one");
    assert_eq!(h.send(address(2), "two"), []);
    let ack = |number: u64| format!("1_iptux 0.8.3:9:u:h:289:{number}\0");
    assert_eq!(h.hear(address(2), ack(first[0].number + 1)), [], "another number");
    let second = h.hear(address(2), ack(first[0].number));
    assert_eq!(second[0].text(), "two");
    assert!(second[0].number > first[0].number && first[0].number >= WALL);
    assert_eq!(h.hear(address(2), ack(first[0].number)), [], "an old number");
    h.hear(address(2), ack(second[0].number));
    assert_eq!(h.messenger.statistics().delivered, 3);

    let mut config = config("大厅", 7);
    config.wall.unix =
        h.now - pigeon_datagram::Instant::ORIGIN + std::time::Duration::from_secs(WALL) + SECOND;
    let mut again = Harness::with(config);
    again.prove(address(2), IPTUX);
    assert!(again.send(address(2), "three")[0].number > second[0].number);
}

#[test]
fn texts_that_wait_are_joined_at_a_pace() {
    let mut config = config("大厅", 7);
    (config.joins_texts, config.pace) = (true, SECOND);
    let mut h = Harness::with(config);
    h.prove(address(2), IPTUX);
    let first = h.send(address(2), "狗哥: 一");
    for line in ["猫: 二", "猫: 三"] {
        assert_eq!(h.send(address(2), line), []);
    }
    assert_eq!(h.hear(address(2), format!("1:9:u:h:33:{}\0", first[0].number)), []);
    let sent = h.wait(SECOND);
    assert_eq!(sent[0].text(), "猫: 二\n猫: 三");
    h.hear(address(2), format!("1:9:u:h:33:{}\0", sent[0].number));
    let delivered = |event: &Event| match event {
        Event::Delivered(_, ids) => ids.len(),
        _ => 0,
    };
    assert_eq!(h.events.iter().map(delivered).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_waits_for_a_contact_is_bounded_and_the_oldest_goes() {
    let mut h = Harness::new();
    h.prove(address(2), IPTUX);
    for n in 0..2_000 {
        h.send(address(2), &format!("line {n}"));
    }
    let lost = |event: &Event| match event {
        Event::Undelivered(_, ids, WhyUndelivered::Overflow) => ids.len(),
        _ => 0,
    };
    assert_eq!(h.events.iter().map(lost).sum::<usize>(), 2_000 - 1 - 1_024);
    let long = "长".repeat(3_000);
    assert!(h.messenger.send(h.now, address(2), long.into()).is_err());
    assert!(h.messenger.send(h.now, address(9), "x".into()).is_err());
}

#[test]
fn a_contact_that_renames_itself_leaves_or_comes_back_is_told() {
    let mut h = Harness::new();
    h.prove(address(2), IPTUX);
    assert_eq!(h.hear(address(2), "1_iptux 0.8.3:5:root:hosta:4:阿文\0一组\0\0utf-8\0"), []);
    assert_eq!(h.messenger.contact(address(2)).unwrap().nick, "阿文");
    h.wait(20 * SECOND);
    h.hear(address(2), IPTUX);
    h.send(address(2), "hi");
    h.hear(address(2), "1_iptux 0.8.3:6:root:hosta:65538:\0");
    let told = |event: &&Event| !matches!(event, Event::Undelivered(..));
    let told: Vec<Event> = h.events.iter().filter(told).cloned().collect();
    let changed = Event::Changed(address(2));
    let gone = Event::Gone(address(2), WhyGone::Left);
    assert_eq!(told, [changed.clone(), changed, Event::Entered(address(2)), gone]);
    assert_eq!(h.messenger.poll_timeout(), None, "nothing is left of it");
}

#[test]
fn a_silent_contact_is_asked_and_forgotten() {
    let mut h = Harness::new();
    h.prove(address(2), IPTUX);
    let sent = h.wait(301 * SECOND);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].command.mode(), mode::ENTRY);
    h.hear(address(2), "1_iptux 0.8.3:7:root:hosta:259:阿爱\0一组\0i\0utf-8\0");
    assert_eq!(h.wait(290 * SECOND), []);
    assert_eq!(h.wait(40 * SECOND).len(), 3);
    assert_eq!(h.events, [Event::Gone(address(2), WhyGone::Silent)]);
}

#[test]
fn whom_the_user_names_is_asked_who_it_is_and_then_written_to() {
    let mut h = Harness::new();
    h.messenger.add(h.now, address(2));
    assert_eq!(h.send(address(2), "你好")[0].command.mode(), mode::ENTRY);
    let sent = h.wait(SECOND);
    assert_eq!(sent.iter().map(|p| p.command.mode()).collect::<Vec<_>>(), [mode::ENTRY; 2]);
    // The contact's answer determines the encoding.
    let sent = h.hear(address(2), FEIQ);
    assert_eq!(h.events, [Event::Appeared(address(2))]);
    assert_eq!((sent.len(), &sent[0].extra), (1, &gbk("你好")));
    // The retransmission has the same bytes, although the encoding has changed.
    h.hear(address(2), IPTUX);
    let again = h.wait(SECOND);
    assert_eq!(again.last().unwrap().extra, gbk("你好"));
    h.messenger.handle_refused_by(h.now, pigeon_datagram::SocketId::FIRST, address(2));
    h.drain();
    let refused =
        |event: &Event| matches!(event, Event::Undelivered(_, _, WhyUndelivered::Refused));
    assert!(h.events.iter().any(refused));
    assert!(h.messenger.contact(address(2)).is_some());
}

#[test]
fn whom_the_user_names_is_written_to_though_it_does_not_say_who_it_is() {
    let mut h = Harness::new();
    h.messenger.add(h.now, address(2));
    h.send(address(2), "你好");
    let modes: Vec<u8> = h.wait(60 * SECOND).iter().map(|packet| packet.command.mode()).collect();
    assert_eq!(modes, [vec![mode::ENTRY; 2], vec![mode::TEXT; 4]].concat());
    assert!(h.messenger.contact(address(2)).is_some());
    assert_eq!(h.messenger.poll_timeout(), None);
}

#[test]
fn a_refusal_ends_the_waiting() {
    let mut h = Harness::new();
    h.messenger.add(h.now, address(2));
    h.send(address(2), "你好");
    let refuse = |h: &mut Harness| {
        h.messenger.handle_refused_by(h.now, pigeon_datagram::SocketId::FIRST, address(2));
        h.drain()
    };
    assert_eq!(refuse(&mut h)[0].command.mode(), mode::TEXT);
    assert_eq!(refuse(&mut h), []);
    assert!(matches!(h.events[..], [Event::Undelivered(_, _, WhyUndelivered::Refused)]));
}

#[test]
fn who_leaves_says_so_to_those_it_knows() {
    let mut h = Harness::new();
    h.prove(address(2), IPTUX);
    h.hear(address(3), FEIQ);
    h.messenger.leave(h.now, &["255.255.255.255:2425".parse().unwrap()]);
    let sent = h.drain();
    let to: Vec<_> = sent.iter().map(|packet| packet.to.ip().to_string()).collect();
    assert_eq!(to, ["10.0.0.2", "255.255.255.255"], "not to who may have been forged");
    assert!(sent.iter().all(|packet| packet.command.mode() == mode::EXIT));
}

#[test]
fn given_networks_are_searched_at_a_pace() {
    let mut h = Harness::new();
    h.prove(address(3), IPTUX);
    let ip = |last| std::net::Ipv4Addr::new(10, 0, 0, last);
    h.messenger.scan(h.now, &[(ip(0), ip(5))]);
    let sent = h.wait(SECOND);
    let asked: Vec<_> = sent.iter().map(|packet| packet.to).collect();
    assert_eq!(asked, [0, 2, 4, 5].map(address), "neither us nor who is known");
}
