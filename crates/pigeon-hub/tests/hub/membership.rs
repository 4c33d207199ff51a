//! Membership: when it begins and ends.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::{Machine, Received};
use pigeon_hub::{Config, Dropped, Event, Left, SourceRules};
use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{
    FORMATS, Harness, NANOSECOND, SECOND, address, bytes_got, got, heartbeat, local, open,
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Whether `text` is a single line in the form of a notice.
fn is_notice(text: &str) -> bool {
    text.starts_with("* ") && text.ends_with('\n') && text.lines().count() == 1
}

// Joining and leaving.

#[test]
fn any_datagram_makes_its_sender_a_member() {
    for format in FORMATS {
        for payload in ["", " ", "^hb^", "hello", "/who", "/nonsense", "\u{1b}", "^hb^x"] {
            let mut h = Harness::format(format);
            h.from(local(5001), payload);
            assert!(h.is_member(local(5001)), "{format:?} {payload:?}");
            assert_eq!(h.hub.statistics().joined, 1);
        }
    }
}

#[test]
fn bytes_of_any_kind_make_a_member() {
    for byte in 0..=255u8 {
        let mut h = Harness::chat();
        h.from(local(5001), [byte]);
        assert!(h.is_member(local(5001)), "{byte:#x}");
    }
}

#[test]
fn a_member_is_its_address_and_port() {
    let mut h = Harness::chat();
    let members = ["127.0.0.1:5001", "127.0.0.1:5002", "127.0.0.2:5001", "[::1]:5001"];
    for member in members {
        h.from(address(member), "^hb^");
        h.from(address(member), "again");
    }
    assert_eq!(h.hub.member_count(), members.len());
    assert!(members.iter().all(|member| h.is_member(address(member))));
}

#[test]
fn an_ipv4_mapped_address_is_its_ipv4_one() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(address("[::ffff:127.0.0.1]:5001"), "^hb^");
    assert_eq!(h.hub.member_count(), 1);
    h.from(address("[::ffff:127.0.0.1]:5001"), "quit");
    assert_eq!(h.hub.member_count(), 0);
}

#[test]
fn quit_leaves_without_an_answer() {
    for format in FORMATS {
        for quit in ["quit", "quit\n", "  quit\r\n"] {
            let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
            assert_eq!(h.from(local(5001), quit), [], "{format:?} {quit:?}");
            assert!(!h.is_member(local(5001)));
            assert_eq!(h.hub.statistics().left(Left::Quit), 1);
            let later = h.wait(3 * SECOND);
            assert_eq!(got(&later, local(5001)), [""; 0]);
        }
    }
}

#[test]
fn whoever_quit_gets_no_messages() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.from(local(5001), "quit");
    assert_eq!(got(&h.from(local(5002), "still there?"), local(5001)), [""; 0]);
}

#[test]
fn quit_from_a_stranger_does_nothing() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        assert_eq!(h.from(local(5001), "quit"), []);
        assert_eq!(h.hub.member_count(), 0);
        assert_eq!(h.hub.statistics().dropped(Dropped::NotMember), 1);
    }
}

#[test]
fn a_member_that_left_is_one_again_by_anything_it_sends() {
    for payload in ["", "^hb^", "hello", "/who"] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        h.from(local(5001), "quit");
        h.from(local(5001), payload);
        assert!(h.is_member(local(5001)), "{payload:?}");
    }
}

#[test]
fn joining_and_leaving_are_reported() {
    let mut h = Harness::chat();
    h.hear(local(5001), "/nick dog");
    h.hear(local(5001), "quit");
    h.transmits();
    let events = h.events();
    let member = match events.first() {
        Some(Event::Joined { member, label, .. }) if label.as_str() == "127.0.0.1:5001" => *member,
        other => panic!("{other:?}"),
    };
    let last = events.last().unwrap();
    let Event::Left { member: left, name, reason, .. } = last else { panic!("{last:?}") };
    assert_eq!((*left, *reason), (member, Left::Quit));
    assert_eq!(name.as_ref().map(|name| name.as_str()), Some("dog"));
}

// Heartbeats.

#[test]
fn a_plain_heartbeat_gets_no_reply() {
    for format in FORMATS {
        for payload in ["^hb^", "^hb^\n", " ^hb^ "] {
            let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
            assert_eq!(h.from(local(5001), payload), []);
            assert_eq!(h.from(local(5003), payload), []);
            assert!(h.is_member(local(5003)));
        }
    }
}

#[test]
fn a_heartbeat_of_64_bytes_or_more_is_answered_by_no_more_than_it_is_long() {
    for format in FORMATS {
        for length in [64, 65, 200, 2_000] {
            let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
            // The sender counts: its request makes it a member.
            let sent = h.from(local(5003), heartbeat(length));
            assert_eq!(sent.len(), 1, "{format:?} {length}");
            let answer = format!("^hb^ pigeon/1 3 0 {format} - lobby 6 0");
            assert_eq!(got(&sent, local(5003)), [answer]);
            assert!(sent[0].1.len() <= length);
        }
        for length in [4, 5, 63] {
            let mut h = Harness::with_members(format, &[local(5001)]);
            assert_eq!(h.from(local(5002), heartbeat(length)), [], "{format:?} {length}");
            assert!(h.is_member(local(5002)));
        }
    }
}

#[test]
fn a_padded_heartbeat_is_told_to_nobody_else() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        let sent = h.from(local(5001), heartbeat(64));
        assert!(sent.iter().all(|(to, _)| *to == local(5001)));
    }
}

// Replies.

#[test]
fn somebodys_reply_is_neither_answered_nor_relayed_and_makes_no_member() {
    let replies = ["^hb^ pigeon/1 3 0", "^hb^ x", " ^hb^ pigeon/1 3 0 \n"];
    let long = format!("^hb^ pigeon/1 {}", "9".repeat(500));
    for format in FORMATS {
        for reply in replies.iter().copied().chain([&long[..]]) {
            let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
            assert_eq!(h.from(local(5001), reply), [], "{format:?} {reply:?}");
            assert_eq!(h.from(local(5003), reply), []);
            assert!(!h.is_member(local(5003)));
            assert_eq!(h.hub.statistics().dropped(Dropped::Reply), 2);
        }
    }
}

#[test]
fn an_answer_to_a_search_for_hubs_is_a_reply_too() {
    for format in [Chat, Classic] {
        for reply in ["/here 77 lunch 3 0", "/here", "/here 77 lunch 3 0\n"] {
            let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
            assert_eq!(h.from(local(5001), reply), [], "{format:?} {reply:?}");
            assert_eq!(h.from(local(5003), reply), []);
            assert!(!h.is_member(local(5003)));
        }
    }
}

#[test]
fn two_hubs_that_hear_each_other_fall_silent() {
    let (left_at, right_at) = (local(9001), local(9002));
    let (mut left, mut right) = (Harness::chat(), Harness::chat());
    // A padded heartbeat from one hub to the other, with a forged sender.
    let mut to_left: Vec<Vec<u8>> = vec![heartbeat(200)];
    let mut exchanged = 0;
    while !to_left.is_empty() && exchanged < 100 {
        let mut to_right = Vec::new();
        for payload in to_left.drain(..) {
            let answers = left.from(right_at, payload);
            to_right.extend(bytes_got(&answers, right_at).into_iter().map(<[u8]>::to_vec));
        }
        for payload in to_right {
            exchanged += 1;
            let answers = right.from(left_at, payload);
            to_left.extend(bytes_got(&answers, left_at).into_iter().map(<[u8]>::to_vec));
        }
    }
    assert!(exchanged <= 1, "{exchanged} datagrams went back and forth");
    assert_eq!(right.hub.member_count(), 0);
}

// Silence.

#[test]
fn a_silent_member_is_dropped_when_the_time_out_is_over_and_not_before() {
    for format in FORMATS {
        for (late, stays) in
            [(TIMEOUT - NANOSECOND, true), (TIMEOUT, false), (TIMEOUT + NANOSECOND, false)]
        {
            let mut h = Harness::format(format);
            h.from(local(5001), "^hb^");
            h.now = h.now + late;
            h.timeout();
            assert_eq!(h.is_member(local(5001)), stays, "{format:?} {late:?}");
        }
    }
}

#[test]
fn the_timer_drops_a_member_when_nobody_speaks() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        let heard = h.now;
        h.from(local(5001), "^hb^");
        let mut woken = 0;
        while let Some(deadline) = h.hub.poll_timeout() {
            assert!(deadline <= heard + TIMEOUT, "nobody would wake in time");
            h.now = deadline;
            h.timeout();
            woken += 1;
            assert!(woken < 10, "woken again and again");
            if h.hub.member_count() == 0 {
                break;
            }
        }
        assert_eq!(h.hub.member_count(), 0);
        assert_eq!(h.now, heard + TIMEOUT);
        assert_eq!(h.hub.statistics().left(Left::TimedOut), 1);
    }
}

#[test]
fn the_time_out_is_the_one_that_was_set() {
    let timeout = Duration::from_millis(700);
    let mut h = Harness::new(Config { timeout, ..Config::default() });
    h.from(local(5001), "");
    h.wait(timeout - NANOSECOND);
    assert!(h.is_member(local(5001)));
    h.wait(NANOSECOND);
    assert!(!h.is_member(local(5001)));
}

#[test]
fn whatever_a_member_sends_keeps_it() {
    for payload in ["", "^hb^", "hello", "/who", "/nonsense"] {
        for format in FORMATS {
            let mut h = Harness::format(format);
            for _ in 0..10 {
                h.wait(29 * SECOND);
                h.from(local(5001), payload);
            }
            h.wait(29 * SECOND);
            assert!(h.is_member(local(5001)), "{format:?} {payload:?}");
            h.wait(SECOND);
            assert!(!h.is_member(local(5001)), "{format:?} {payload:?}");
            assert_eq!(h.hub.statistics().joined, 1);
        }
    }
}

#[test]
fn padded_heartbeats_keep_a_member_and_others_time_out_beside_it() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    for _ in 0..6 {
        h.wait(10 * SECOND);
        h.from(local(5001), heartbeat(200));
    }
    assert!(h.is_member(local(5001)));
    assert!(!h.is_member(local(5002)));
}

#[test]
fn a_datagram_that_comes_before_the_timer_is_served_keeps_its_sender() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    // A busy driver: the deadline has passed, but the datagram is handled first.
    h.now = h.now + 40 * SECOND;
    h.from(local(5001), "^hb^");
    h.timeout();
    assert!(h.is_member(local(5001)));
    assert_eq!(h.hub.statistics().joined, 1);
}

#[test]
fn what_others_send_keeps_nobody() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    for _ in 0..4 {
        h.wait(9 * SECOND);
        h.from(local(5001), "hello");
    }
    assert!(!h.is_member(local(5002)));
}

#[test]
fn a_dropped_member_is_told_once() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        let mut sent = Vec::new();
        for _ in 0..20 {
            h.from(local(5002), "^hb^");
            sent.extend(h.wait(10 * SECOND));
        }
        let told = got(&sent, local(5001));
        match format {
            Chat => assert!(told.len() == 1 && is_notice(&told[0]), "{told:?}"),
            Classic => assert_eq!(told, ["Bye!"]),
            Raw => assert!(told.is_empty(), "{told:?}"),
        }
    }
}

#[test]
fn a_dropped_member_is_one_again_by_anything_it_sends() {
    for payload in ["", "^hb^", "hello", "/who"] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        h.wait(TIMEOUT);
        assert!(!h.is_member(local(5001)));
        h.from(local(5001), payload);
        assert!(h.is_member(local(5001)), "{payload:?}");
        assert_eq!(h.hub.statistics().joined, 2);
        // Thirty seconds later it is removed and notified again.
        assert_eq!(got(&h.wait(TIMEOUT), local(5001)).len(), 1);
    }
}

#[test]
fn calling_the_timer_early_is_harmless() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        for _ in 0..100 {
            h.now = h.now + Duration::from_millis(10);
            assert_eq!(h.timeout(), []);
        }
        assert_eq!(h.hub.member_count(), 2);
    }
}

#[test]
fn a_hub_without_members_or_news_needs_no_timer() {
    let mut h = Harness::chat();
    assert_eq!(h.hub.poll_timeout(), None);
    h.from(local(5001), "^hb^");
    h.wait(100 * SECOND);
    assert_eq!(h.hub.poll_timeout(), None);
}

// The operator.

#[test]
fn a_kicked_member_is_told_once_and_comes_back_after_ten_minutes() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        let mut sent = h.kick("127.0.0.1:5001");
        assert!(!h.is_member(local(5001)));
        assert_eq!(h.hub.statistics().left(Left::Kicked), 1);
        sent.extend(h.wait(20 * SECOND));
        let told = got(&sent, local(5001));
        match format {
            Chat => assert!(told.len() == 1 && is_notice(&told[0]), "{told:?}"),
            Classic => assert_eq!(told, ["Bye!"]),
            Raw => assert!(told.is_empty(), "{told:?}"),
        }
        h.from(local(5001), "^hb^");
        assert!(!h.is_member(local(5001)));
        h.keep(&[local(5002)], 581 * SECOND);
        h.from(local(5001), "^hb^");
        assert!(h.is_member(local(5001)));
    }
}

#[test]
fn the_operator_kicks_by_name_too_and_cannot_kick_who_is_not_here() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/nick 狗哥");
    let now = h.now;
    for nobody in ["猴哥", "127.0.0.1:5002", "", "127.0.0.1", "hub"] {
        assert!(!h.hub.kick(now, nobody), "{nobody:?}");
    }
    assert_eq!(h.drain(), []);
    h.kick("狗哥");
    assert_eq!(h.hub.member_count(), 0);
}

#[test]
fn on_stop_every_member_gets_bye_once() {
    for format in FORMATS {
        let members: Vec<_> = (5001..5101).map(local).collect();
        let mut h = Harness::with_members(format, &members);
        // A member that sends padded heartbeats gets a control line, in every format.
        h.from(members[0], heartbeat(64));
        let sent = h.stop();
        assert_eq!(sent.len(), if format == Raw { 1 } else { members.len() });
        assert_eq!(got(&sent, members[0]), ["^hb^ gone stopped"], "{format:?}");
        for &member in &members[1..] {
            let expected = if format == Raw { vec![] } else { vec!["Bye!".to_string()] };
            assert_eq!(got(&sent, member), expected, "{format:?}");
        }
    }
}

#[test]
fn what_was_said_before_the_stop_arrives_before_bye() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        h.hear(local(5001), "last words");
        let told = got(&h.stop(), local(5002));
        assert!(told[0].to_lowercase().contains("last words"));
        let bye = if format == Raw { vec![] } else { vec!["Bye!".to_string()] };
        assert_eq!(told[1..], bye, "{format:?} {told:?}");
    }
}

#[test]
fn whoever_left_gets_no_bye() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    h.from(local(5001), "quit");
    h.kick("127.0.0.1:5002");
    assert_eq!(h.stop(), [(local(5003), b"Bye!".to_vec())]);
}

// Our own addresses.

#[test]
fn a_member_hears_the_hub_from_the_address_it_wrote_to() {
    // A program with a connected socket drops datagrams from other addresses.
    let ours = "10.0.2.1".parse().ok();
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001)]);
        let padded = heartbeat(64);
        let to_ours = Received { local: ours, ..Received::new(local(5002), &padded) };
        let mut sent = Vec::new();
        h.hub.handle_datagram(h.now, &to_ours);
        sent.extend(h.transmits());
        h.hear(local(5001), "hello");
        sent.extend(h.transmits());
        h.now = h.now + SECOND;
        h.hub.handle_timeout(h.now);
        sent.extend(h.transmits());
        h.hub.stop();
        sent.extend(h.transmits());
        let ends = |to| sent.iter().filter(move |transmit| transmit.to == to);
        assert!(ends(local(5002)).count() >= 3, "{format:?}");
        assert!(ends(local(5002)).all(|transmit| transmit.from == ours), "{format:?}");
        assert!(ends(local(5001)).all(|transmit| transmit.from.is_none()), "{format:?}");
    }
}

// Invalid senders.

#[test]
fn bad_sources_are_never_members_and_never_answered() {
    let sources = SourceRules {
        own: vec![address("10.0.2.1:9999"), address("[fd00::1]:9999")],
        never: vec!["10.0.2.255".parse().unwrap()],
        ..SourceRules::default()
    };
    let bad = [
        "127.0.0.1:0",
        "10.0.2.7:0",
        "[fd00::7]:0",
        "224.0.0.1:5001",
        "239.255.99.99:9999",
        "255.255.255.255:5001",
        "[ff02::1]:5001",
        "[ff02::9999]:9999",
        "10.0.2.1:9999",
        "[fd00::1]:9999",
        "10.0.2.255:5001",
        "10.0.2.255:5002",
    ];
    for format in FORMATS {
        let config = Config { sources: sources.clone(), ..Config::of(format) };
        let mut h = Harness::new(config);
        h.join(&[local(5001)]);
        let mut tried = 0;
        for source in bad {
            for payload in [&b""[..], b"hello", b"/who", b"quit", &heartbeat(64), b"/nonsense"] {
                assert_eq!(h.from(address(source), payload), [], "{source}");
                assert!(!h.is_member(address(source)));
                tried += 1;
            }
        }
        assert_eq!(h.hub.statistics().dropped(Dropped::BadSource), tried);
        assert_eq!(h.hub.member_count(), 1);
    }
}

#[test]
fn another_program_on_the_hubs_machine_may_join() {
    let own = vec![address("10.0.2.1:9999")];
    let sources = SourceRules { own, ..SourceRules::default() };
    let mut h = Harness::new(Config { sources, ..Config::default() });
    h.from(address("10.0.2.1:5001"), "hello");
    assert!(h.is_member(address("10.0.2.1:5001")));
}

#[test]
fn a_truncated_datagram_is_counted_and_never_relayed() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        let cut = Received { length: 9_000, ..Received::new(local(5001), b"the first half") };
        h.hub.handle_datagram(h.now, &cut);
        assert_eq!(got(&h.drain(), local(5002)), [""; 0]);
        assert_eq!(h.hub.statistics().dropped(Dropped::Truncated), 1);
    }
}

#[test]
fn everybody_is_answered_from_the_address_it_spoke_to() {
    let mut h = Harness::new(Config { max_per_address: None, ..Config::default() });
    let members: Vec<_> = (0..300).map(|n| open(1_000 + n)).collect();
    let ours = |n: usize| IpAddr::from([10, 9, (n >> 8) as u8, n as u8]);
    let speak = |h: &mut Harness, n: usize, to: IpAddr| {
        let payload = heartbeat(64);
        let datagram = Received { local: Some(to), ..Received::new(members[n], &payload) };
        h.hub.handle_datagram(h.now, &datagram);
        h.transmits().iter().map(|transmit| transmit.from).collect::<Vec<_>>()
    };
    for round in 0..3 {
        for n in 0..members.len() {
            // A third of the senders use another address each time.
            let to = ours(if n % 3 == 0 { n + 300 * round } else { n });
            assert_eq!(speak(&mut h, n, to), [Some(to)], "{round} {n}");
        }
    }
    // New members in their slots get answers from the address that they sent to.
    (0..200).for_each(|n| drop(h.from(members[n], "quit")));
    for n in 0..200 {
        assert_eq!(speak(&mut h, n, ours(5_000 + n)), [Some(ours(5_000 + n))]);
    }
    assert_eq!(speak(&mut h, 299, ours(299)), [Some(ours(299))]);
}

#[test]
fn more_of_the_hubs_addresses_than_it_can_keep_apart_take_nobody_in() {
    let mut h = Harness::format(Classic);
    let hear = |h: &mut Harness, n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        let ours = IpAddr::from([127, a, b, c]);
        let from = SocketAddr::from(([127, a, b, c], 7));
        let payload = heartbeat(100);
        let datagram = Received { local: Some(ours), ..Received::new(from, &payload) };
        h.hub.handle_datagram(h.now, &datagram);
        from
    };
    let members: Vec<_> = (0..65_535).map(|n| hear(&mut h, n)).collect();
    h.drain();
    let refused = hear(&mut h, 65_535);
    let sent = h.drain();
    assert_eq!(got(&sent, refused), ["^hb^ refused member addresses"]);
    assert!(!h.is_member(refused));
    assert_eq!(h.dropped(Dropped::LocalsFull), 1);
    assert_eq!(h.hub.member_count(), members.len());

    h.from(members[9], "quit");
    hear(&mut h, 65_535);
    h.drain();
    assert!(h.is_member(refused));
}
