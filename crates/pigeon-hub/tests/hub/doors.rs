//! Several listening sockets, each with a format and a room; all members share names, rooms and
//! limits.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{Machine, Received, SocketId};
use pigeon_hub::{Config, Discovery, Door, Dropped, PerOrigin, Rate};
use pigeon_proto::Format::{Chat, Classic, Raw};
use pigeon_proto::{
    Answer, Format, Gone, Notice, Reason, Refusal, RoomName, Subject, Verb, heartbeat,
};

use crate::harness::{Harness, SECOND, SentAt, beyond, heartbeat as padded_to, local};

/// The listening sockets of these tests, by number.
const CHAT: u16 = 0;
const CLASSIC: u16 = 1;
const RAW: u16 = 2;
const CLASS: u16 = 3;

const DOG: u16 = 5001;
const CAT: u16 = 5002;

fn door(format: Format, room: &str) -> Door {
    Door { format, room: RoomName::parse(room.as_bytes()).unwrap() }
}

fn doors() -> Config {
    let doors =
        vec![door(Chat, "lobby"), door(Classic, "lobby"), door(Raw, "video"), door(Chat, "班级")];
    Config { doors, ..Config::default() }
}

/// A hub with these members, each at its socket, and no pending changes.
fn with_members(config: Config, members: &[(u16, SocketAddr)]) -> Harness {
    let mut h = Harness::new(config);
    for &(door, member) in members {
        h.hear_at(door, member, "^hb^");
        h.hear_at(door, member, "^hb^");
    }
    h.drain();
    h.wait(2 * SECOND);
    h
}

/// The datagrams to a member at a socket, as text.
fn got(sent: &[SentAt], door: u16, by: SocketAddr) -> Vec<String> {
    let theirs = sent.iter().filter(|(at, to, _)| (*at, *to) == (door, by));
    theirs.map(|(_, _, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect()
}

/// The room of the member with this name.
fn room_of_name(h: &Harness, name: &str) -> Option<String> {
    let named = |member: &pigeon_hub::MemberView| {
        member.name.as_ref().is_some_and(|known| known.as_str() == name)
    };
    h.hub.members().find(named)?.room.map(|room| room.to_string())
}

/// A member's format and room, from the answer to a padded heartbeat.
fn place(h: &mut Harness, door: u16, member: SocketAddr) -> (Format, Option<String>) {
    let sent = h.at(door, member, heartbeat::PADDED);
    let answers = got(&sent, door, member);
    assert_eq!((sent.len(), answers.len()), (1, 1), "{sent:?}");
    let answer = Answer::parse(answers[0].as_bytes()).unwrap();
    let room = answer.you.unwrap().room.map(|room| room.to_string());
    (answer.format.unwrap(), room)
}

#[test]
fn each_door_has_its_format_and_leads_to_its_room() {
    let mut h = Harness::new(doors());
    let expected = [(Chat, "lobby"), (Classic, "lobby"), (Raw, "video"), (Chat, "班级")];
    for (door, (format, room)) in (0..).zip(expected) {
        let member = local(5000 + door);
        assert_eq!(place(&mut h, door, member), (format, Some(room.to_string())));
    }
    let rooms = [("lobby", 2), ("video", 1), ("班级", 1)];
    assert_eq!(h.rooms(), rooms.map(|(name, here)| (name.to_string(), here)));
    // Rooms of listening sockets stay when empty.
    h.wait(40 * SECOND);
    assert_eq!(h.rooms(), rooms.map(|(name, _)| (name.to_string(), 0)));
}

#[test]
fn a_chat_and_a_classic_door_lead_into_one_room_and_each_reads_its_format() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASSIC, cat)]);
    h.at(CHAT, dog, "/nick dog");
    let sent = h.at(CHAT, dog, "Hello");
    assert_eq!(got(&sent, CHAT, dog), ["dog: Hello\n"]);
    assert_eq!(got(&sent, CLASSIC, cat), ["Ack HELLO. from 127.0.0.1:5001"]);
    let sent = h.at(CLASSIC, cat, "Hello\n");
    assert_eq!(got(&sent, CHAT, dog), ["127.0.0.1:5002: Hello\n"]);
    assert_eq!(got(&sent, CLASSIC, cat), ["Ack HELLO. from 127.0.0.1:5002"]);
    h.hub.say("Hello").unwrap();
    let sent = h.drain_at();
    assert_eq!(got(&sent, CHAT, dog), ["hub: Hello\n"]);
    assert_eq!(got(&sent, CLASSIC, cat), ["Ack HELLO. from hub"]);
}

#[test]
fn a_room_of_two_formats_and_several_encodings_hears_everything_in_order() {
    let members: Vec<SocketAddr> = (5001..=5004).map(local).collect();
    let labels = ["utf-8", "gbk", "big5", "gb18030"];
    let both = members.iter().flat_map(|&member| [(CHAT, member), (CLASSIC, member)]);
    let mut h = with_members(doors(), &both.collect::<Vec<_>>());
    for (member, label) in members.iter().zip(labels) {
        for door in [CHAT, CLASSIC] {
            h.at(door, *member, format!("/encoding {label}"));
        }
    }
    for n in 0..40u16 {
        h.hear_at(n % 2, members[0], format!("你好 {n}"));
    }
    let sent = h.drain_at();
    for (member, label) in members.iter().zip(labels) {
        let encoding = pigeon_text::Encoding::for_label(label).unwrap();
        for door in [CHAT, CLASSIC] {
            let theirs = sent.iter().filter(|(at, to, _)| (*at, *to) == (door, *member));
            let read: Vec<String> =
                theirs.map(|(_, _, bytes)| encoding.decode(bytes).into_owned()).collect();
            let line = |n: u16| match door {
                CHAT => format!("127.0.0.1:5001: 你好 {n}\n"),
                _ => format!("Ack 你好 {n}. from 127.0.0.1:5001"),
            };
            assert_eq!(read, (0..40).map(line).collect::<Vec<_>>(), "{label} at {door}");
        }
    }
}

#[test]
fn one_address_at_two_doors_is_two_members() {
    let dog = local(DOG);
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASSIC, dog), (RAW, dog), (CLASS, dog)]);
    assert_eq!(h.hub.member_count(), 4);
    h.at(CHAT, dog, "/nick dog");
    let refused = h.at(CLASSIC, dog, "/nick dog");
    assert!(got(&refused, CLASSIC, dog)[0].contains("in use"), "{refused:?}");
    h.at(CLASSIC, dog, "/nick cat");
    let sent = h.at(CLASSIC, dog, "hi");
    assert_eq!(got(&sent, CHAT, dog), ["cat: hi\n"]);
    assert_eq!(got(&sent, CLASSIC, dog), ["Ack HI. from 127.0.0.1:5001"]);
    assert_eq!(sent.len(), 2);
    // The same address at two sockets is two members.
    h.at(CHAT, dog, "quit");
    assert_eq!(h.hub.member_count(), 3);
    assert_eq!(h.at(CLASSIC, dog, "hi").len(), 1);
    for _ in 0..4 {
        h.wait(9 * SECOND);
        h.hear_at(RAW, dog, "^hb^");
    }
    assert_eq!(h.hub.member_count(), 1);
    assert_eq!(place(&mut h, RAW, dog), (Raw, Some("video".into())));
}

#[test]
fn what_a_member_chose_at_one_door_holds_there_alone() {
    let dog = local(DOG);
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASS, dog)]);
    h.at(CHAT, dog, "/encoding gbk");
    h.at(CHAT, dog, "/language zh");
    h.at(CHAT, dog, heartbeat::PADDED);
    let sent = h.at(CLASS, dog, "/who");
    assert!(got(&sent, CLASS, dog)[0].starts_with("* 1 person in 班级"), "{sent:?}");
    let sent = h.at(CHAT, dog, "/who");
    assert!(matches!(Notice::parse(&sent[0].2), Some(Notice::Roster(_))), "{sent:?}");
}

#[test]
fn a_raw_door_has_a_room_of_its_own() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(RAW, dog), (RAW, cat), (CHAT, dog), (CLASSIC, dog)]);
    let frame = b"\x00\xff^hb^ \r\n".as_slice();
    assert_eq!(h.at(RAW, dog, frame), [(RAW, cat, frame.to_vec())]);
    assert_eq!(h.at(RAW, cat, "/join lobby"), [(RAW, dog, b"/join lobby".to_vec())]);
    let said = h.at(CHAT, dog, "hello");
    assert!(said.iter().all(|(door, _, _)| *door != RAW), "{said:?}");
    h.hub.say("hello").unwrap();
    let sent = h.drain_at();
    assert_eq!(got(&sent, RAW, dog), ["hello"], "the operator's words, and nothing around them");
}

#[test]
fn a_raw_room_is_refused_to_who_reads_lines() {
    let (dog, cat) = (local(DOG), local(CAT));
    for door in [CHAT, CLASSIC, CLASS] {
        for room in ["video", "VIDEO"] {
            let mut h = with_members(doors(), &[(door, dog), (RAW, cat)]);
            let before = h.rooms();
            let sent = h.at(door, dog, format!("/join {room}"));
            assert!(got(&sent, door, dog)[0].contains("raw data"), "{sent:?}");
            h.at(door, dog, heartbeat::PADDED);
            let sent = h.at(door, dog, format!("/join {room}"));
            let why = Refusal::new(Subject::Command(Verb::Join), Reason::RawRoom);
            assert_eq!(Notice::parse(&sent[0].2), Some(Notice::Refused(why)));
            assert_eq!(h.rooms(), before, "it stays where it was");
            assert_eq!(h.at(RAW, cat, "frame"), []);
        }
    }
}

#[test]
fn members_of_all_doors_meet_in_rooms_and_go_back_to_their_own() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(CLASSIC, dog), (CLASS, cat)]);
    h.at(CLASSIC, dog, "/join ops");
    h.at(CLASS, cat, "/join OPS");
    let sent = h.at(CLASS, cat, "hi");
    assert_eq!(got(&sent, CLASSIC, dog), ["Ack HI. from 127.0.0.1:5002"]);
    assert_eq!(got(&sent, CLASS, cat), ["127.0.0.1:5002: hi\n"]);
    h.at(CLASSIC, dog, "/join 班级");
    assert_eq!(h.room_of(dog).as_deref(), Some("班级"));
    h.at(CLASSIC, dog, "/leave");
    h.at(CLASS, cat, "/leave");
    assert_eq!(h.room_of(dog).as_deref(), Some("lobby"));
    assert_eq!(h.room_of(cat).as_deref(), Some("班级"));
}

#[test]
fn private_messages_and_notices_pass_from_door_to_door() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(CHAT, dog)]);
    h.at(CLASSIC, cat, "/nick cat");
    let news = h.wait_at(2 * SECOND);
    assert_eq!(got(&news, CHAT, dog), ["* cat joined\n"]);
    h.at(CHAT, dog, "/nick dog");
    let sent = h.at(CHAT, dog, "/msg cat psst");
    assert_eq!(got(&sent, CHAT, dog), ["you (to cat): psst\n"]);
    assert_eq!(got(&sent, CLASSIC, cat), ["dog (to you): psst"]);
    // Private messages also reach other rooms, and members that read control lines.
    h.at(CLASSIC, cat, "/join ops");
    h.at(CLASSIC, cat, heartbeat::PADDED);
    let sent = h.at(CHAT, dog, "/msg cat psst");
    assert_eq!(got(&sent, CLASSIC, cat), ["^hb^ msg from dog psst"]);
}

#[test]
fn a_private_message_to_who_gets_data_alone_is_refused_and_never_acknowledged() {
    let (dog, frame) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(CHAT, dog), (RAW, frame)]);
    let sent = h.at(CHAT, dog, "/msg 127.0.0.1:5002 psst");
    let refused = "* not sent: that member receives raw data and nothing else\n";
    assert_eq!(sent, [(CHAT, dog, refused.into())]);
    // A member that reads control lines gets one.
    h.at(RAW, frame, heartbeat::PADDED);
    let sent = h.at(CHAT, dog, "/msg 127.0.0.1:5002 psst");
    assert_eq!(got(&sent, RAW, frame), ["^hb^ msg from 127.0.0.1:5001 psst"]);
    assert_eq!(got(&sent, CHAT, dog), ["you (to 127.0.0.1:5002): psst\n"]);
}

#[test]
fn a_name_is_taken_back_through_another_door() {
    let (dog, cat) = (local(DOG), local(CAT));
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASSIC, cat)]);
    let word = h.nick(dog, "dog");
    h.at(CHAT, dog, "/join ops");
    let sent = h.at(CLASSIC, cat, format!("/resume {word}"));
    assert_eq!(got(&sent, CHAT, dog), ["* your name was taken back from another address\n"]);
    assert_eq!(room_of_name(&h, "dog").as_deref(), Some("ops"));
    assert_eq!(h.name_of(cat).as_deref(), Some("dog"));
}

/// All datagrams to an address leave from the socket and address that it sent to.
#[test]
fn answers_leave_by_the_socket_they_were_asked_at() {
    let at: IpAddr = "10.0.2.7".parse().unwrap();
    let ask = |h: &mut Harness, door: u16, from: SocketAddr, payload: &[u8]| {
        let datagram = Received::new(from, payload);
        let (socket, local) = (SocketId::new(door), Some(at));
        h.hub.handle_datagram(h.now, &Received { socket, local, ..datagram });
        let transmits = h.transmits();
        assert!(!transmits.is_empty(), "{}", payload.escape_ascii());
        for transmit in transmits {
            assert_eq!((transmit.socket, transmit.from), (socket, Some(at)));
        }
    };
    let dog = local(DOG);
    for door in [CHAT, CLASSIC, CLASS] {
        let mut h = Harness::new(doors());
        for payload in ["hello", "/nick dog", "/who", "/dance", "/msg dog hi", "/join ops"] {
            ask(&mut h, door, dog, payload.as_bytes());
        }
        ask(&mut h, door, dog, heartbeat::PADDED);
        ask(&mut h, door, beyond(4000), heartbeat::PADDED);
        h.hub.kick(h.now, "dog");
        let gone = h.transmits();
        assert_eq!((gone[0].socket.number(), gone[0].from), (door, Some(at)));
    }
    let config = Config { max_members: 0, ..doors() };
    for door in [CHAT, CLASSIC, RAW, CLASS] {
        ask(&mut Harness::new(config.clone()), door, dog, heartbeat::PADDED);
    }
}

#[test]
fn a_hub_that_is_looked_for_answers_at_that_door_and_names_its_first() {
    let discovery = Some(Discovery { id: 7, port: 9_999, ..Default::default() });
    let mut h = Harness::new(Config { discovery, ..doors() });
    let question = |nonce: &str| format!("{:256}", format!("/discover {nonce}"));
    for door in [CLASSIC, RAW, CLASS, CHAT] {
        h.hear_at(door, local(7), question(&format!("d{door}")));
        let sent = h.wait_at(SECOND);
        let here = format!("/here d{door} hub 0 0 0000000000000007 9999 chat");
        assert_eq!(sent, [(door, local(7), here.into_bytes())]);
    }
    // A request that reaches two sockets counts once.
    h.hear_at(CHAT, local(7), question("twice"));
    h.hear_at(CLASS, local(7), question("twice"));
    assert_eq!(h.wait_at(SECOND).len(), 1);
}

#[test]
fn a_proof_made_at_one_door_is_not_good_at_another() {
    let stranger = beyond(4_000);
    for (asked, used) in [(CHAT, CLASSIC), (RAW, CHAT), (CLASS, CHAT), (CHAT, CLASS)] {
        let mut h = Harness::new(doors());
        let sent = h.at(asked, stranger, padded_to(64));
        let proof = got(&sent, asked, stranger).concat();
        assert!(proof.starts_with("/prove "), "{proof}");
        assert_eq!(h.at(used, stranger, &proof), []);
        assert_eq!((h.hub.member_count(), h.dropped(Dropped::BadProof)), (0, 1));
        h.at(asked, stranger, &proof);
        assert_eq!(h.hub.member_count(), 1);
        // Membership at one is not a proof at the other.
        h.at(used, stranger, "hello");
        assert_eq!((h.hub.member_count(), h.dropped(Dropped::Unproved)), (1, 2));
    }
}

#[test]
fn limits_hold_over_all_doors_together() {
    let dog = "10.0.2.1:7".parse().unwrap();
    let full = |config: Config, reason: Dropped| {
        let mut h = with_members(config, &[(CHAT, dog), (CLASSIC, dog)]);
        assert_eq!(h.hub.member_count(), 2);
        for door in [RAW, CLASS] {
            h.now = h.now + SECOND;
            let sent = h.at(door, dog, heartbeat::PADDED);
            assert_eq!(sent.len(), 1, "the refusal: {sent:?}");
        }
        assert_eq!((h.hub.member_count(), h.dropped(reason)), (2, 2));
    };
    full(Config { max_members: 2, ..doors() }, Dropped::HubFull);
    full(Config { max_per_address: Some(2), ..doors() }, Dropped::AddressFull);

    let mut h = Harness::new(Config { max_per_room: Some(1), ..doors() });
    h.at(CHAT, dog, "^hb^");
    h.at(CLASSIC, dog, "^hb^");
    assert_eq!((h.hub.member_count(), h.dropped(Dropped::RoomFull)), (1, 1));
    h.at(RAW, dog, "^hb^");
    assert_eq!(h.hub.member_count(), 2, "another room");

    let rate = Rate { messages: Some(3), bytes: None };
    let hub_rate = PerOrigin { open: rate, ..PerOrigin::default() };
    let mut h = with_members(Config { hub_rate, ..doors() }, &[(CHAT, dog), (CLASS, dog)]);
    for n in 0..4 {
        h.at(CHAT, dog, format!("one {n}"));
        h.at(CLASS, dog, format!("two {n}"));
    }
    assert_eq!(h.hub.statistics().messages, 3);
}

#[test]
fn the_silent_are_dropped_at_every_door_and_told_there() {
    let dog = local(DOG);
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASSIC, dog), (RAW, dog), (CLASS, dog)]);
    h.at(CLASS, dog, heartbeat::PADDED);
    let sent = h.wait_at(40 * SECOND);
    assert_eq!(h.hub.member_count(), 0);
    assert!(got(&sent, CHAT, dog)[0].starts_with("* you were silent"), "{sent:?}");
    assert_eq!(got(&sent, CLASSIC, dog), ["Bye!"]);
    assert_eq!(got(&sent, RAW, dog), [""; 0]);
    assert_eq!(got(&sent, CLASS, dog), ["^hb^ gone timed-out"]);
}

#[test]
fn on_stop_every_member_is_told_at_its_door() {
    let (dog, cat) = (local(DOG), local(CAT));
    let members = [CHAT, CLASSIC, RAW, CLASS].map(|door| [(door, dog), (door, cat)]);
    let mut h = with_members(doors(), &members.concat());
    for door in [CHAT, CLASSIC, RAW, CLASS] {
        h.at(door, cat, heartbeat::PADDED);
    }
    h.hub.stop();
    let sent = h.drain_at();
    let gone = Notice::Gone(Gone::Stopped).to_bytes();
    for door in [CHAT, CLASSIC, RAW, CLASS] {
        let bye: &[&str] = if door == RAW { &[] } else { &["Bye!"] };
        assert_eq!(got(&sent, door, dog), bye);
        assert_eq!(got(&sent, door, cat), [String::from_utf8(gone.clone()).unwrap()]);
    }
    assert_eq!(sent.len(), 7);
}

#[test]
fn a_ban_holds_at_every_door() {
    let dog = "10.0.2.1:7".parse().unwrap();
    let mut h = with_members(doors(), &[(CHAT, dog), (CLASSIC, dog), (RAW, dog), (CLASS, dog)]);
    h.hub.ban(h.now, "10.0.2.0/24").unwrap();
    assert_eq!((h.drain().len(), h.hub.member_count()), (3, 0));
    for door in [CHAT, CLASSIC, RAW, CLASS] {
        assert_eq!(h.at(door, dog, heartbeat::PADDED), []);
    }
    assert_eq!(h.hub.member_count(), 0);
}

#[test]
fn the_password_is_given_at_each_door() {
    let dog = local(DOG);
    let mut h = Harness::new(Config { password: Some("sesame".into()), ..doors() });
    for door in [CHAT, RAW, CLASSIC, CLASS] {
        h.at(door, dog, "^hb^");
        h.at(door, dog, "/pass sesame");
    }
    let rooms = [("lobby", 2), ("video", 1), ("班级", 1)];
    assert_eq!(h.rooms(), rooms.map(|(name, here)| (name.to_string(), here)));
}

#[test]
fn a_program_that_returns_what_it_gets_falls_silent_whatever_the_others_read() {
    let (dog, echo) = (local(DOG), local(7));
    for (read, answers) in [(CHAT, CLASSIC), (CLASSIC, CHAT)] {
        for upper in [false, true] {
            let mut h = with_members(doors(), &[(read, dog), (answers, echo)]);
            let mut sent = h.at(read, dog, "hello everybody");
            let mut returned = 0;
            while let Some(at) = sent.iter().position(|(_, to, _)| *to == echo) {
                let (door, _, mut bytes) = sent.remove(at);
                if upper {
                    bytes.make_ascii_uppercase();
                }
                sent.extend(h.at(door, echo, bytes));
                returned += 1;
                assert!(returned < 40, "a conversation without end at door {answers}");
            }
        }
    }
}

#[test]
fn a_socket_that_is_no_door_is_not_one() {
    let mut h = Harness::new(doors());
    for door in [4, 5, u16::MAX] {
        assert_eq!(h.at(door, local(DOG), heartbeat::PADDED), []);
    }
    assert_eq!(h.hub.member_count(), 0);
}
