//! Rooms: everyone begins in the lobby, messages and notices stay in their room, and `/msg` reaches
//! one member.

use pigeon_hub::{Config, Dropped};
use pigeon_proto::Format::{Chat, Classic};

use crate::harness::{Harness, SECOND, address, got, heartbeat, is_hubs, local, told};

const NOTHING: [&str; 0] = [];

/// Three members, the first of them in the room `ops`.
fn with_ops() -> Harness {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    h.from(local(5001), "/join ops");
    h.wait(2 * SECOND);
    h
}

#[test]
fn everyone_begins_in_the_lobby() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    assert_eq!(h.room_of(local(5001)).as_deref(), Some("lobby"));
    assert_eq!(h.rooms(), [("lobby".to_string(), 1)]);
    let answer = told(&h.from(local(5001), "/rooms"), local(5001)).concat();
    assert!(answer.contains("lobby"), "{answer:?}");
}

#[test]
fn words_stay_in_their_room() {
    let mut h = with_ops();
    let sent = h.from(local(5001), "only ops");
    assert_eq!(got(&sent, local(5001)), ["127.0.0.1:5001: only ops\n"]);
    assert_eq!(sent.len(), 1);
    let sent = h.from(local(5002), "only lobby");
    assert_eq!(got(&sent, local(5001)), NOTHING);
    assert_eq!(got(&sent, local(5003)), ["127.0.0.1:5002: only lobby\n"]);

    h.from(local(5003), "/join ops");
    assert_eq!(got(&h.from(local(5001), "hi"), local(5003)), ["127.0.0.1:5001: hi\n"]);
}

#[test]
fn joining_and_leaving_say_where_one_is_now() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    for (command, room) in
        [("/join ops", "ops"), ("/join 茶水间", "茶水间"), ("/leave", "lobby"), ("/leave", "lobby")]
    {
        let sent = h.from(local(5001), command);
        assert_eq!(sent.len(), 1, "{command}: {sent:?}");
        let answer = told(&sent, local(5001)).concat();
        assert!(answer.contains(room), "{command}: {answer:?}");
        assert_eq!(h.room_of(local(5001)).as_deref(), Some(room));
        assert_eq!(h.room_of(local(5002)).as_deref(), Some("lobby"));
    }
}

#[test]
fn a_name_goes_with_its_member_from_room_to_room() {
    let mut h = with_ops();
    h.nick(local(5001), "dog");
    for room in ["/leave", "/join tea", "/join ops"] {
        h.from(local(5001), room);
        assert_eq!(h.name_of(local(5001)).as_deref(), Some("dog"));
        assert_eq!(got(&h.from(local(5001), "hi"), local(5001)), ["dog: hi\n"]);
    }
    // A name is unique over all rooms.
    let answer = told(&h.from(local(5002), "/nick dog"), local(5002)).concat();
    assert!(answer.contains("in use"), "{answer:?}");
}

#[test]
fn room_names_that_differ_only_in_capitals_are_one_room() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    h.from(local(5001), "/join Ops");
    h.from(local(5002), "/join oPS");
    assert_eq!(h.rooms(), [("Ops".to_string(), 2), ("lobby".to_string(), 1)]);
    h.from(local(5002), "/join LOBBY");
    assert_eq!(h.room_of(local(5002)).as_deref(), Some("lobby"));
}

#[test]
fn room_names_follow_the_rules_of_names() {
    let long = "x".repeat(33);
    let bad: [&[u8]; 12] = [
        b"two words",
        b"a:b",
        b"a,b",
        b"a;b",
        b"/who",
        b"* x",
        b"^hb^",
        b"a\x1b[31m",
        "a\u{202e}b".as_bytes(),
        "a\u{200b}b".as_bytes(),
        b"\xff",
        long.as_bytes(),
    ];
    for room in bad {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        h.from(local(5001), b"\xff");
        let answer = told(&h.from(local(5001), [b"/join ", room].concat()), local(5001));
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert!(answer[0].contains("not a room's name") && answer[0].len() < 300, "{answer:?}");
        assert_eq!(h.rooms().len(), 1, "{}", room.escape_ascii());
        assert_eq!(h.room_of(local(5001)).as_deref(), Some("lobby"));
    }
    for room in ["x", &"狗".repeat(32), "hub", "a.b-c_d"] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        h.from(local(5001), format!("/join {room}"));
        assert_eq!(h.room_of(local(5001)).as_deref(), Some(room));
    }
}

#[test]
fn join_without_a_room_moves_nobody() {
    let mut h = with_ops();
    let sent = h.from(local(5001), "/join");
    assert_eq!(told(&sent, local(5001)).len(), 1);
    assert_eq!(h.room_of(local(5001)).as_deref(), Some("ops"));
}

#[test]
fn a_room_vanishes_behind_its_last_member() {
    let go: [fn(&mut Harness); 4] = [
        |h| drop(h.from(local(5001), "/leave")),
        |h| drop(h.from(local(5001), "quit")),
        |h| drop(h.kick("127.0.0.1:5001")),
        |h| h.keep(&[local(5002), local(5003)], 40 * SECOND),
    ];
    for go in go {
        let mut h = with_ops();
        assert_eq!(h.rooms().len(), 2);
        go(&mut h);
        assert_eq!(h.rooms().len(), 1);
        let answer = told(&h.from(local(5002), "/rooms"), local(5002)).concat();
        assert!(!answer.contains("ops"), "{answer:?}");
    }
}

#[test]
fn the_lobby_is_there_even_when_nobody_is_in_it() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/join ops");
    assert_eq!(h.rooms(), [("lobby".to_string(), 0), ("ops".to_string(), 1)]);
    h.from(local(5001), "quit");
    assert_eq!(h.rooms(), [("lobby".to_string(), 0)]);
}

#[test]
fn whoever_comes_back_begins_in_the_lobby_again() {
    let mut h = with_ops();
    h.from(local(5001), "quit");
    h.from(local(5001), "hello");
    assert_eq!(h.room_of(local(5001)).as_deref(), Some("lobby"));
}

#[test]
fn who_and_rooms_count_what_is_there() {
    let mut h = with_ops();
    h.from(local(5001), "/nick dog");
    let who = told(&h.from(local(5001), "/who"), local(5001)).concat();
    assert!(
        who.starts_with("* 1 person in") && who.contains("ops") && who.contains("dog"),
        "{who:?}"
    );
    assert!(!who.contains("5002"), "{who:?}");
    let who = told(&h.from(local(5002), "/who"), local(5002)).concat();
    assert!(who.starts_with("* 2 people in") && who.contains("5003"), "{who:?}");
    assert!(!who.contains("dog"), "{who:?}");
    let rooms = told(&h.from(local(5002), "/rooms"), local(5002)).concat();
    assert!(rooms.contains("lobby (2)") && rooms.contains("ops (1)"), "{rooms:?}");
}

#[test]
fn rooms_stays_one_datagram_that_any_network_carries() {
    let mut h = Harness::chat();
    for port in 5001..=6000 {
        h.from(local(port), format!("/join {}{port}", "狗".repeat(28)));
    }
    let answer = told(&h.from(local(5001), "/rooms"), local(5001)).concat();
    assert!(answer.starts_with("* 1001 rooms") && answer.len() <= 1_232, "{answer:?}");
}

#[test]
fn there_are_only_so_many_rooms_and_whoever_wants_another_is_told() {
    let mut h = Harness::format(Classic);
    let member = |n: u32| std::net::SocketAddr::from(([127, 0, 1 + (n >> 8) as u8, n as u8], 7));
    // Besides the lobby.
    for n in 0..9_999 {
        h.hear(member(n), format!("/join room{n}"));
    }
    h.drain();
    assert_eq!(h.hub.rooms().count(), 10_000);
    let late = local(5001);
    let told = told(&h.from(late, "/join another"), late).concat();
    assert!(told.contains("you stay where you are") && told.contains("too many rooms"), "{told:?}");
    assert_eq!((h.dropped(Dropped::TooManyRooms), h.dropped(Dropped::RoomFull)), (1, 0));
    // An existing room accepts more members, and an empty one frees its place.
    h.from(late, "/join room7");
    assert_eq!(h.room_of(late).as_deref(), Some("room7"));
    h.from(member(8), "quit");
    h.from(late, "/join another");
    assert_eq!(h.room_of(late).as_deref(), Some("another"));
    assert_eq!(h.hub.rooms().count(), 10_000);
}

// Messages of one batch.

#[test]
fn who_joins_a_room_in_mid_batch_gets_only_what_is_said_later() {
    let mut h = with_ops();
    h.hear(local(5001), "before");
    h.hear(local(5002), "/join ops");
    h.hear(local(5001), "after");
    h.hear(local(5003), "in the lobby");
    let sent = h.drain();
    let lines = |by| got(&sent, by).into_iter().filter(|line| !is_hubs(line)).collect::<Vec<_>>();
    assert_eq!(lines(local(5001)), ["127.0.0.1:5001: before\n", "127.0.0.1:5001: after\n"]);
    assert_eq!(lines(local(5002)), ["127.0.0.1:5001: after\n"]);
    assert_eq!(lines(local(5003)), ["127.0.0.1:5003: in the lobby\n"]);
    // The next batch is complete for all members.
    let sent = h.from(local(5002), "next");
    assert_eq!(got(&sent, local(5001)), ["127.0.0.1:5002: next\n"]);
    assert_eq!(got(&sent, local(5002)), ["127.0.0.1:5002: next\n"]);
}

#[test]
fn a_room_that_closes_and_opens_within_a_batch_keeps_words_apart() {
    let mut h = with_ops();
    h.hear(local(5001), "to myself");
    h.hear(local(5001), "/leave");
    h.hear(local(5002), "/join tea");
    h.hear(local(5002), "is there tea?");
    h.hear(local(5003), "/join ops");
    h.hear(local(5003), "who was here?");
    let sent = h.drain();
    let lines = |by| got(&sent, by).into_iter().filter(|line| !is_hubs(line)).collect::<Vec<_>>();
    assert_eq!(lines(local(5001)), ["127.0.0.1:5001: to myself\n"]);
    assert_eq!(lines(local(5002)), ["127.0.0.1:5002: is there tea?\n"]);
    assert_eq!(lines(local(5003)), ["127.0.0.1:5003: who was here?\n"]);
}

#[test]
fn several_rooms_speak_in_one_batch() {
    let mut h = Harness::chat();
    for n in 0..50 {
        h.from(local(6000 + 2 * n), format!("/join r{n}"));
        h.from(local(6001 + 2 * n), format!("/join r{n}"));
    }
    h.wait(2 * SECOND);
    for round in 0..4 {
        for n in 0..50 {
            h.hear(local(6000 + 2 * n), format!("round {round} of room {n}"));
        }
    }
    let sent = h.drain();
    for n in 0..50 {
        let speaker = local(6000 + 2 * n);
        let expected: Vec<_> =
            (0..4).map(|round| format!("{speaker}: round {round} of room {n}\n")).collect();
        assert_eq!(got(&sent, speaker), expected);
        assert_eq!(got(&sent, local(6001 + 2 * n)), expected);
    }
}

// Notices.

#[test]
fn notices_stay_in_their_room() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    h.from(local(5001), "/join ops");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5002)), ["* 127.0.0.1:5001 left\n"]);
    assert_eq!(got(&sent, local(5001)), NOTHING);

    h.from(local(5002), "/join ops");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), ["* 127.0.0.1:5002 joined\n"]);
    assert_eq!(got(&sent, local(5003)), ["* 127.0.0.1:5002 left\n"]);
    assert_eq!(got(&sent, local(5002)), NOTHING);

    h.from(local(5002), "/nick dog");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), ["* 127.0.0.1:5002 is now dog\n"]);
    assert_eq!(got(&sent, local(5003)), NOTHING);
}

#[test]
fn news_of_a_room_that_closed_is_told_to_nobody() {
    let mut h = with_ops();
    h.from(local(5001), "/leave");
    // A room of another name uses the closed one's index.
    h.from(local(5002), "/join tea");
    h.from(local(5003), "/join tea");
    let sent = h.wait(3 * SECOND);
    assert!(got(&sent, local(5002)).iter().all(|line| !line.contains("5001")), "{sent:?}");
    assert!(got(&sent, local(5003)).iter().all(|line| !line.contains("5001")), "{sent:?}");
}

#[test]
fn rooms_have_their_own_limit_of_notices() {
    let mut h = Harness::new(Config { notices_up_to: 3, ..Config::default() });
    h.join(&[local(5001), local(5002), local(5003), local(5004)]);
    h.from(local(5001), "/join ops");
    h.wait(2 * SECOND);
    h.from(local(5002), "/join ops");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5002 joined\n"]);
}

#[test]
fn the_quiet_get_no_notices_and_everything_else() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), "/quiet on");
    assert_eq!(told(&sent, local(5001)).len(), 1);
    h.from(local(5003), "^hb^");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), NOTHING);
    assert_eq!(got(&sent, local(5002)), ["* 127.0.0.1:5003 joined\n"]);
    assert_eq!(got(&h.from(local(5002), "hi"), local(5001)), ["127.0.0.1:5002: hi\n"]);
    assert_eq!(told(&h.from(local(5001), "/who"), local(5001)).len(), 1);

    h.from(local(5001), "/quiet off");
    h.from(local(5003), "quit");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5003 left\n"]);
    for wrong in ["/quiet", "/quiet maybe", "/quiet ON!"] {
        assert_eq!(told(&h.from(local(5001), wrong), local(5001)).len(), 1);
    }
    h.from(local(5003), "^hb^");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5003 joined\n"]);
}

// Limits.

#[test]
fn a_full_room_takes_nobody_until_somebody_leaves() {
    let mut h = Harness::new(Config { max_per_room: Some(2), ..Config::default() });
    h.from(local(5001), "/join ops");
    h.from(local(5002), "/join ops");
    h.from(local(5003), "^hb^");
    let answer = told(&h.from(local(5003), "/join ops"), local(5003));
    assert!(answer.len() == 1 && answer[0].contains("full"), "{answer:?}");
    assert_eq!(h.room_of(local(5003)).as_deref(), Some("lobby"));
    assert_eq!(h.dropped(Dropped::RoomFull), 1);
    // A member already in it is not refused.
    h.from(local(5001), "/join ops");
    assert_eq!(h.dropped(Dropped::RoomFull), 1);
    h.from(local(5001), "/leave");
    h.from(local(5003), "/join ops");
    assert_eq!(h.room_of(local(5003)).as_deref(), Some("ops"));
}

#[test]
fn a_full_lobby_refuses_newcomers_in_no_more_than_they_sent() {
    for format in crate::harness::FORMATS {
        let mut h = Harness::new(Config { max_per_room: Some(1), ..Config::of(format) });
        h.from(local(5001), "^hb^");
        for length in 0..=200 {
            let sent = h.from(local(5002), heartbeat(length.max(4)));
            assert!(sent.len() <= 1 && sent.iter().all(|(_, b)| b.len() <= length.max(4)));
        }
        assert!(!h.is_member(local(5002)));
        assert_eq!(h.dropped(Dropped::RoomFull), 201);
    }
}

// Private messages.

#[test]
fn a_private_line_reaches_one_and_its_sender_gets_a_copy() {
    let mut h = with_ops();
    h.nick(local(5002), "dog");
    h.wait(2 * SECOND);
    // Private messages by name, ignoring case, by address, and between rooms.
    for who in ["dog", "DOG", "127.0.0.1:5002"] {
        let sent = h.from(local(5001), format!("/msg {who}  lunch \x1b[31m?"));
        assert_eq!(sent.len(), 2, "{sent:?}");
        let line = got(&sent, local(5002)).concat();
        assert!(
            line.starts_with("127.0.0.1:5001 ") && line.ends_with(" lunch \\x1b[31m?\n"),
            "{line:?}"
        );
        assert!(line.contains("to you"), "{line:?}");
        let copy = got(&sent, local(5001)).concat();
        assert!(copy.contains("dog") && copy.ends_with("lunch \\x1b[31m?\n"), "{copy:?}");
    }
    assert_eq!(h.hub.statistics().messages, 3);
}

#[test]
fn nobody_can_forge_a_private_line() {
    let mut h = with_ops();
    h.nick(local(5002), "dog");
    let line = got(&h.from(local(5002), "/msg 127.0.0.1:5003 hello"), local(5003)).concat();
    let (head, _) = line.split_once("hello").unwrap();
    // Neither as text nor as a name: a room's line begins with a name and a colon, and names
    // contain no white space.
    let mut attempts =
        vec![format!("{head}hello"), format!("\n{head}hello"), format!("x\n{head}hi")];
    attempts.push(format!("/nick {}", head.trim_end_matches([':', ' '])));
    for attempt in attempts {
        for line in got(&h.from(local(5002), &attempt), local(5003)) {
            assert!(!line.starts_with(head), "{line:?}");
        }
    }
    let sent = h.from(local(5002), format!("/msg 127.0.0.1:5003 x\n{head}forged"));
    assert_eq!(got(&sent, local(5003)).concat().matches('\n').count(), 1);
}

#[test]
fn a_private_line_to_nobody_is_told_to_its_sender_alone() {
    let mut h = with_ops();
    for wrong in [
        "/msg cat hi",
        "/msg 127.0.0.1:9 hi",
        "/msg 127.0.0.1:5002",
        "/msg",
        "/msg \x1b[31m hi",
        "/msg hub hi",
    ] {
        let sent = h.from(local(5001), wrong);
        assert_eq!(sent.len(), 1, "{wrong:?}: {sent:?}");
        assert_eq!(told(&sent, local(5001)).len(), 1, "{wrong:?}: {sent:?}");
        assert!(!got(&sent, local(5001)).concat().contains('\x1b'));
    }
    assert_eq!(h.hub.statistics().messages, 0);
}

#[test]
fn a_private_line_may_be_as_long_as_any_other() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), format!("/msg 127.0.0.1:5002 {}", "x".repeat(8_192)));
    assert_eq!(got(&sent, local(5002)).len(), 1);
    let sent = h.from(local(5001), format!("/msg 127.0.0.1:5002 {}", "x".repeat(8_193)));
    assert_eq!(got(&sent, local(5002)), NOTHING);
    assert_eq!(told(&sent, local(5001)).len(), 1);
    assert_eq!(h.dropped(Dropped::TextTooLong), 1);
}

#[test]
fn a_private_line_to_an_ipv6_member() {
    let mut h = Harness::with_members(Chat, &[local(5001), address("[::1]:7")]);
    let sent = h.from(local(5001), "/msg [::1]:7 hi");
    assert!(got(&sent, address("[::1]:7")).concat().ends_with("hi\n"));
}

#[test]
fn classic_sends_private_lines_without_a_newline() {
    let mut h = Harness::with_members(Classic, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), "/msg 127.0.0.1:5002 hi");
    let line = got(&sent, local(5002)).concat();
    assert!(line.contains("to you") && !line.contains('\n'), "{line:?}");
}

// The operator, and history.

#[test]
fn the_operator_speaks_to_every_room_once() {
    let mut h = with_ops();
    let sent = h.say("lunch");
    assert_eq!(sent.len(), 3);
    assert!((5001..=5003).all(|port| got(&sent, local(port)) == ["hub: lunch\n"]));
}

#[test]
fn the_operator_speaks_under_the_hubs_name_and_nobody_else_may() {
    let name = pigeon_proto::Name::parse("班级".as_bytes()).unwrap();
    let mut h = Harness::new(Config { name, ..Config::default() });
    h.join(&[local(5001)]);
    assert_eq!(got(&h.say("lunch"), local(5001)), ["班级: lunch\n"]);
    let answer = told(&h.from(local(5001), "/nick 班级"), local(5001)).concat();
    assert!(answer.contains("in use"), "{answer:?}");
}

#[test]
fn history_says_that_none_is_kept() {
    for command in ["/history", "/history 5"] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        let answer = told(&h.from(local(5001), command), local(5001)).concat();
        assert!(answer.contains("no history"), "{answer:?}");
    }
}

#[test]
fn what_was_said_before_a_move_in_the_same_batch_is_acknowledged() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.hear(local(5001), "I go to the garden");
    h.hear(local(5001), "/join garden");
    let sent = h.drain();
    assert_eq!(got(&sent, local(5002)), ["127.0.0.1:5001: I go to the garden\n"]);
    assert!(
        got(&sent, local(5001)).contains(&"127.0.0.1:5001: I go to the garden\n".to_string()),
        "{:?}",
        got(&sent, local(5001))
    );
}

#[test]
fn no_room_is_left_behind() {
    let mut h = Harness::new(Config {
        max_per_room: Some(0),
        password: Some("s".into()),
        ..Config::default()
    });
    h.from(local(5001), "/pass s");
    h.from(local(5001), "/join a");
    assert!(h.hub.rooms().count() <= 1);
}
