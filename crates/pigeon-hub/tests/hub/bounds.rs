//! The limits of one sender, one address and one batch, and their counters.

use pigeon_datagram::Machine;
use pigeon_hub::{Config, Dropped, Event, Left, Message, PerOrigin};
use pigeon_proto::Format::{Chat, Classic, Raw};

use pigeon_proto::{Label, RoomName};

use crate::harness::{FORMATS, Harness, SECOND, Sent, address, bytes_got, got, heartbeat, local};

/// A refused sender gets at most one datagram, no longer than its own.
fn assert_no_more_than(sent: &[Sent], length: usize) {
    assert!(sent.len() <= 1, "{sent:?}");
    assert!(sent.iter().all(|(_, bytes)| bytes.len() <= length), "{length}: {sent:?}");
}

#[test]
fn a_full_hub_takes_nobody_until_somebody_leaves() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 3, ..Config::of(format) });
        h.join(&[local(5001), local(5002), local(5003)]);
        h.from(local(5004), "hello");
        assert!(!h.is_member(local(5004)));
        assert_eq!(h.hub.statistics().dropped(Dropped::HubFull), 1);
        // Existing members stay, and do not get messages of the refused.
        assert_eq!(h.hub.member_count(), 3);
        assert_eq!(got(&h.from(local(5004), "hello"), local(5001)), [""; 0]);
        let heard = h.from(local(5001), "hi");
        assert_eq!(got(&heard, local(5002)).len(), 1);
        assert_eq!(got(&heard, local(5004)), [""; 0]);

        h.from(local(5001), "quit");
        h.from(local(5004), "hello");
        assert!(h.is_member(local(5004)), "{format:?}");
    }
}

#[test]
fn the_refused_never_get_more_than_they_sent() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
        h.join(&[local(5001)]);
        for length in 0..=300 {
            assert_no_more_than(&h.from(local(5002), vec![b'x'; length]), length);
            assert_no_more_than(&h.from(local(5002), vec![b' '; length]), length);
            let command = format!("/{}", "w".repeat(length));
            assert_no_more_than(&h.from(local(5002), &command), command.len());
            if length >= 4 {
                assert_no_more_than(&h.from(local(5002), heartbeat(length)), length);
            }
        }
        for short in ["", "/", "^hb^", "quit", "/who", "/help"] {
            assert_no_more_than(&h.from(local(5002), short), short.len());
        }
        assert_eq!(h.wait(5 * SECOND), []);
    }
}

#[test]
fn the_refused_are_told_why_if_they_sent_enough() {
    for format in [Chat, Classic] {
        let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
        h.join(&[local(5001)]);
        let told = got(&h.from(local(5002), "x".repeat(200)), local(5002)).concat();
        let text = told.strip_suffix('\n').unwrap_or(&told);
        assert!(text.starts_with("* ") && !text.contains('\n'), "{format:?} {told:?}");
        if format == Chat {
            assert!(told.ends_with('\n'), "{told:?}");
        }
    }
}

#[test]
fn replies_are_not_answered_by_a_full_hub_either() {
    let mut h = Harness::new(Config { max_members: 1, ..Config::default() });
    h.join(&[local(5001)]);
    assert_eq!(h.from(local(5002), format!("^hb^ pigeon/1 {}", "7".repeat(300))), []);
}

#[test]
fn one_address_takes_only_so_many_places() {
    let mut h = Harness::new(Config { max_per_address: Some(2), ..Config::default() });
    for port in 5001..=5005 {
        h.from(address(&format!("10.0.2.1:{port}")), "hello");
        h.from(address(&format!("[fd00::1]:{port}")), "hello");
    }
    assert_eq!(h.hub.member_count(), 4);
    assert_eq!(h.hub.statistics().dropped(Dropped::AddressFull), 6);
    h.from(address("10.0.2.2:5001"), "hello");
    assert!(h.is_member(address("10.0.2.2:5001")));

    // A place becomes free when a member leaves or times out.
    h.from(address("10.0.2.1:5001"), "quit");
    h.from(address("10.0.2.1:5005"), "hello");
    assert!(h.is_member(address("10.0.2.1:5005")));
    h.wait(31 * SECOND);
    assert_eq!(h.hub.member_count(), 0);
    h.from(address("10.0.2.1:5003"), "hello");
    h.from(address("10.0.2.1:5004"), "hello");
    assert_eq!(h.hub.member_count(), 2);
}

#[test]
fn beyond_the_open_networks_an_ipv6_network_of_64_bits_is_one_address() {
    let mut h = Harness::new(Config { max_per_address: Some(2), ..Config::default() });
    for host in 1..=5 {
        for net in ["2001:db8:1:2::", "2001:db8:1:3::", "fe80::"] {
            h.try_to_join(address(&format!("[{net}{host}]:5001")));
        }
    }
    assert_eq!(h.hub.member_count(), 2 + 2 + 5);
    assert_eq!(h.hub.statistics().dropped(Dropped::AddressFull), 3 + 3);
    h.from(address("[2001:db8:1:2::1]:5001"), "quit");
    assert!(h.try_to_join(address("[2001:db8:1:2::9]:5001")));
}

#[test]
fn those_refused_for_their_address_never_get_more_than_they_sent() {
    let mut h = Harness::new(Config { max_per_address: Some(1), ..Config::default() });
    h.join(&[address("10.0.2.1:5001")]);
    for length in 0..=300 {
        let sent = h.from(address("10.0.2.1:5002"), vec![b'x'; length]);
        assert_no_more_than(&sent, length);
    }
    h.now = h.now + SECOND;
    let told = got(&h.from(address("10.0.2.1:5002"), [b'x'; 200]), address("10.0.2.1:5002"));
    assert!(told.concat().starts_with("* "), "{told:?}");
}

#[test]
fn loopback_is_exempt_unless_the_operator_set_a_limit() {
    for (loopback_counts, members) in [(false, 30), (true, 6)] {
        let mut h =
            Harness::new(Config { max_per_address: Some(2), loopback_counts, ..Config::default() });
        for port in 5001..=5010 {
            for ip in ["127.0.0.1", "127.8.8.8", "[::1]"] {
                h.from(address(&format!("{ip}:{port}")), "hello");
            }
        }
        assert_eq!(h.hub.member_count(), members);
    }
}

#[test]
fn by_default_an_address_has_256_places() {
    let mut h = Harness::format(Raw);
    for port in 5001..=5300 {
        h.hear(address(&format!("10.0.2.1:{port}")), "");
    }
    assert_eq!(h.hub.member_count(), 256);
    assert_eq!(h.hub.statistics().dropped(Dropped::AddressFull), 44);
}

#[test]
fn text_may_be_as_long_as_the_limit_and_no_longer() {
    for format in [Chat, Classic] {
        for max_text in [100, 8 * 1024] {
            let mut h = Harness::new(Config { max_text: Some(max_text), ..Config::of(format) });
            h.join(&[local(5001), local(5002)]);
            let longest = "X".repeat(max_text);
            let line = got(&h.from(local(5001), &longest), local(5002)).concat();
            assert!(line.contains(&longest), "{format:?}");
            // White space around it does not count as text.
            assert_eq!(got(&h.from(local(5001), format!(" {longest}\n")), local(5002)), [line]);

            let sent = h.from(local(5001), format!("{longest}X"));
            assert_eq!(got(&sent, local(5002)), [""; 0], "cut, or sent");
            let told = got(&sent, local(5001)).concat();
            assert!(told.starts_with("* ") && told.len() < 200, "{told:?}");
            assert_eq!(told.ends_with('\n'), format == Chat);
            assert_eq!(h.hub.statistics().dropped(Dropped::TextTooLong), 1);
            assert_eq!(h.hub.statistics().messages, 2);
        }
    }
}

#[test]
fn the_limit_counts_bytes_before_escaping() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let line = got(&h.from(local(5001), vec![0xff; 8_192]), local(5002)).concat();
    assert_eq!(line, format!("127.0.0.1:5001: {}\n", r"\xff".repeat(8_192)));
    assert_eq!(got(&h.from(local(5001), "狗".repeat(2_730)), local(5002)).len(), 1);
    assert_eq!(got(&h.from(local(5001), "狗".repeat(2_731)), local(5002)).len(), 0);
}

#[test]
fn a_line_that_no_datagram_holds_is_refused_whole() {
    // The operator may set a limit above what fits a datagram after rendering.
    for format in [Chat, Classic] {
        let mut h = Harness::new(Config { max_text: Some(usize::MAX), ..Config::of(format) });
        h.join(&[local(5001), local(5002)]);
        // The rest of the line: `127.0.0.1:5001: ` and a newline, or `Ack . from ` and the address.
        let fits = 65_507 - if format == Chat { 17 } else { 25 };
        assert_eq!(got(&h.from(local(5001), vec![b'x'; fits]), local(5002)).len(), 1);
        for length in [fits + 1, 65_507] {
            let sent = h.from(local(5001), vec![b'x'; length]);
            assert_eq!(got(&sent, local(5002)), [""; 0], "{format:?}");
            assert!(got(&sent, local(5001)).concat().starts_with("* "));
        }
    }
    let mut h = Harness::new(Config { max_text: Some(usize::MAX), ..Config::default() });
    h.join(&[local(5001), local(5002)]);
    assert_eq!(got(&h.from(local(5001), [0xff; 20_000]), local(5002)), [""; 0]);
    assert_eq!(got(&h.from(local(5001), [0xff; 16_000]), local(5002)).len(), 1);
}

#[test]
fn a_payload_that_fits_ipv6_only_reaches_no_ipv4_member_in_pieces() {
    let (v4, v6, sender) = (local(5001), address("[::1]:5002"), address("[::1]:5003"));
    let mut h = Harness::new(Config { max_text: Some(usize::MAX), ..Config::of(Raw) });
    h.join(&[v4, v6, sender]);
    let payload = vec![7; 65_527];
    let sent = h.from(sender, &payload);
    assert!(bytes_got(&sent, v4).is_empty());
    assert!(bytes_got(&sent, v6).iter().all(|bytes| *bytes == payload));
}

#[test]
fn the_operators_text_has_the_same_limit() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    assert_eq!(h.say(&"x".repeat(8_192)).len(), 1);
    assert_eq!(h.hub.say(&"x".repeat(8_193)), Err(Dropped::TextTooLong));
    assert_eq!(h.drain(), []);
}

#[test]
fn events_that_nobody_collects_are_bounded_and_counted() {
    let mut h = Harness::chat();
    let rounds = 20_000;
    for _ in 0..rounds {
        h.hear(local(5001), "^hb^");
        h.hear(local(5001), "quit");
        h.transmits();
    }
    let kept = h.events().len();
    let lost = h.hub.statistics().events_lost;
    assert_eq!(kept as u64 + lost, 2 * rounds);
    assert!(kept < 20_000, "{kept} events kept");
    // After the driver collects events, new ones are reported again.
    h.hear(local(5002), "^hb^");
    h.transmits();
    let member = h.hub.members().next().unwrap().id;
    let room = Some(RoomName::lobby());
    let joined = Event::Joined { member, label: Label::from(local(5002)), room };
    assert_eq!(h.events(), [joined]);
}

#[test]
fn messages_are_events_only_on_request() {
    for report_messages in [false, true] {
        let mut h = Harness::new(Config { report_messages, ..Config::default() });
        h.join(&[local(5001)]);
        h.hear(local(5001), "hello");
        h.hub.say("hi").unwrap();
        h.transmits();
        let shown: Vec<_> = h
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Message(message) => Some(message),
                _ => None,
            })
            .collect();
        let said = |message: &Message| {
            (message.speaker.is_some(), message.label.to_string(), message.text.to_vec())
        };
        let expected = [
            (true, "127.0.0.1:5001".to_string(), b"hello".to_vec()),
            (false, "hub".to_string(), b"hi".to_vec()),
        ];
        let said: Vec<_> = shown.iter().map(said).collect();
        assert_eq!(said, if report_messages { &expected[..] } else { &[] });
        // Each message has a position in the order, and its own identity.
        assert!(shown.is_sorted_by(|a, b| a.identity < b.identity));
        assert!(shown.iter().all(|message| message.room.as_str() == "lobby"));
    }
}

#[test]
fn a_batch_that_nobody_drains_is_bounded_and_what_it_drops_is_counted() {
    let mut h = Harness::new(Config { max_text: Some(usize::MAX), ..Config::of(Raw) });
    h.join(&[local(5001), local(5002)]);
    // White space after the number: the loop protection does not read it, and reading 60 MB takes
    // an unoptimised build a minute.
    let mut payload = vec![b' '; 60_000];
    let batch = 1_000u32;
    for number in 0..batch {
        payload[..4].copy_from_slice(&number.to_be_bytes());
        h.hear(local(5001), &payload);
    }
    assert!(h.hub.outbox().len() < 40_000_000, "{} bytes", h.hub.outbox().len());
    let sent = h.drain();
    let numbers: Vec<u32> = bytes_got(&sent, local(5002))
        .iter()
        .map(|bytes| u32::from_be_bytes(bytes[..4].try_into().unwrap()))
        .collect();
    // Messages that got through are complete and in order, and the rest is counted.
    assert!(numbers.is_sorted() && numbers.first() == Some(&0));
    let dropped = h.hub.statistics().dropped(Dropped::BatchFull);
    assert_eq!(numbers.len() as u64 + dropped, u64::from(batch));
    assert!(dropped > 0);
    // The next batch is unaffected.
    assert_eq!(bytes_got(&h.from(local(5001), "x"), local(5002)), [b"x"]);
}

#[test]
fn everything_is_counted() {
    let mut h = Harness::new(Config {
        max_members: 4,
        max_per_address: Some(1),
        max_text: Some(10),
        ..Config::default()
    });
    h.from(local(5001), "^hb^");
    h.from(local(5001), heartbeat(64));
    h.from(local(5002), "hi");
    h.from(address("10.0.2.1:1000"), "hi");
    h.from(address("10.0.2.1:1001"), "hi");
    h.from(local(5003), "");
    h.from(local(5003), "");
    h.from(address("10.0.2.1:1000"), "");
    h.from(local(5002), "");
    h.from(local(5004), "");
    h.from(local(0), "hi");
    h.from(local(5001), "eleven byte");
    h.from(local(5001), "^hb^ pigeon/1 1 0");
    h.from(local(5009), "quit");
    h.from(local(5001), "/who");
    h.from(local(5002), "quit");
    h.kick("127.0.0.1:5003");
    let statistics = h.hub.statistics();
    assert_eq!(statistics.received, 16);
    assert_eq!(statistics.heartbeats, 2);
    assert_eq!(statistics.messages, 2);
    assert_eq!(statistics.commands, 1);
    assert_eq!(statistics.joined, 4);
    assert_eq!(statistics.left(Left::Quit), 1);
    assert_eq!(statistics.left(Left::Kicked), 1);
    assert_eq!(statistics.left(Left::TimedOut), 0);
    assert_eq!(statistics.dropped(Dropped::AddressFull), 1);
    assert_eq!(statistics.dropped(Dropped::HubFull), 1);
    assert_eq!(statistics.dropped(Dropped::BadSource), 1);
    assert_eq!(statistics.dropped(Dropped::TextTooLong), 1);
    assert_eq!(statistics.dropped(Dropped::Reply), 1);
    assert_eq!(statistics.dropped(Dropped::NotMember), 1);
    assert_eq!(statistics.dropped(Dropped::Truncated), 0);
    assert_eq!(statistics.dropped(Dropped::BatchFull), 0);
    h.wait(60 * SECOND);
    assert_eq!(h.hub.statistics().left(Left::TimedOut), 2);
}

#[test]
fn what_is_sent_is_counted_each_copy() {
    let mut h = Harness::chat();
    let mut sent = 0;
    for port in 5001..=5020 {
        sent += h.from(local(port), "hello").len();
        sent += h.from(local(port), heartbeat(100)).len();
        sent += h.from(local(port), "/who").len();
    }
    sent += h.wait(40 * SECOND).len();
    assert_eq!(h.hub.statistics().sent, sent as u64);
}

#[test]
fn classic_refuses_without_a_newline_and_raw_only_those_who_read_control_lines() {
    for format in [Classic, Raw] {
        let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
        h.join(&[local(5001)]);
        let told = got(&h.from(local(5002), "x".repeat(200)), local(5002)).concat();
        assert_eq!(told, if format == Raw { "" } else { "* the hub is full" });
        h.now = h.now + SECOND;
        let told = got(&h.from(local(5002), heartbeat(64)), local(5002)).concat();
        assert_eq!(told, "^hb^ refused member hub-full");
    }
}

#[test]
fn raw_text_is_as_long_as_a_datagram_holds() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    assert_eq!(bytes_got(&h.from(local(5001), [7; 65_507]), local(5002)).len(), 1);
}

#[test]
fn answers_of_a_batch_that_nobody_drains_are_bounded_too() {
    let rate = PerOrigin::default();
    let mut h = Harness::new(Config { rate, ..Config::default() });
    h.join(&[local(5001)]);
    for _ in 0..100_000 {
        h.hear(local(5001), "/language en");
    }
    assert!(h.hub.outbox().len() < 3_000_000, "{} bytes", h.hub.outbox().len());
    assert_eq!(h.hub.statistics().dropped(Dropped::AnswersFull), 100_000 - 65_536);
}
