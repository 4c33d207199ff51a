//! Programs that answer by themselves, as members. One forged datagram in such a program's name
//! must not begin a conversation without end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Dropped, Event, Hub, Rate};
use pigeon_netsim::simulation::{Answer, Happening, Network, Node, Peer};
use pigeon_proto::Format;
use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{FORMATS, Harness, SECOND, Sent, bytes_got, got, heartbeat, is_hubs, local};

/// The most datagrams each way after the one that was forged.
const MOST: usize = 3;

/// Long enough for everything that answers at once, and short of any time-out.
const A_WHILE: Duration = Duration::from_secs(20);

/// What somebody may forge: a message, a heartbeat that is answered, commands, what is refused.
const TRIGGERS: [&str; 9] = [
    "a forged datagram",
    "^hb^                                                            ",
    "/help",
    "/who",
    "/nonsense and more",
    "/nick echo",
    "/join ops",
    "/msg 127.0.0.1:7 a word with myself",
    "/encoding gb2312",
];

fn hub_at() -> SocketAddr {
    local(9_999)
}

fn echo(payload: &[u8]) -> Option<Vec<u8>> {
    Some(payload.to_vec())
}

fn upper(payload: &[u8]) -> Option<Vec<u8>> {
    Some(payload.to_ascii_uppercase())
}

/// A network with a hub in it, and how many datagrams were delivered from one address to another.
struct World {
    network: Network,
    hub: Node<Hub>,
}

impl World {
    fn new(config: Config) -> Self {
        let mut network = Network::new(1);
        let hub = network.add(hub_at(), Hub::new(config));
        World { network, hub }
    }

    fn format(format: Format) -> Self {
        World::new(Config::of(format))
    }

    /// Adds a program that answers by itself, and makes it send one datagram.
    fn answering(&mut self, at: SocketAddr, answer: Answer, trigger: &str) {
        let peer = self.network.add(at, Peer::new().answering(answer));
        self.network.act(peer, |peer, _| peer.send(hub_at(), trigger.as_bytes()));
    }

    fn delivered(&self, from: SocketAddr, to: SocketAddr) -> usize {
        let is_it = |e: &&pigeon_netsim::simulation::LogEntry| {
            e.from == from && e.to == to && matches!(e.what, Happening::Delivered)
        };
        self.network.log().filter(is_it).count()
    }

    /// How many datagrams went to the hub after the forged one, and how many came from it.
    fn exchange(&mut self, with: SocketAddr) -> (usize, usize) {
        self.network.run_for(A_WHILE);
        (self.delivered(with, hub_at()).saturating_sub(1), self.delivered(hub_at(), with))
    }

    fn echoes(&self) -> (u64, usize) {
        let dropped = self.network.machine(self.hub).statistics().dropped(Dropped::Echo);
        let told = self.network.events(self.hub);
        let told = told.iter().filter(|(_, event)| matches!(event, Event::Echo { .. })).count();
        (dropped, told)
    }
}

/// Hands the hub what an echo service at `echo` returns, until there is nothing more or `most` have come
/// back; how many have.
fn bounce(h: &mut Harness, echo: SocketAddr, first: Vec<Sent>, most: usize) -> usize {
    let mut queue: VecDeque<Vec<u8>> =
        bytes_got(&first, echo).into_iter().map(<[u8]>::to_vec).collect();
    let mut count = 0;
    while let Some(payload) = queue.pop_front() {
        count += 1;
        if count >= most {
            break;
        }
        let sent = h.from(echo, payload);
        queue.extend(bytes_got(&sent, echo).into_iter().map(<[u8]>::to_vec));
    }
    count
}

#[test]
fn an_echo_service_as_a_member_falls_silent() {
    for format in FORMATS {
        for answer in [echo as Answer, upper] {
            for trigger in TRIGGERS {
                let mut world = World::format(format);
                world.answering(local(7), answer, trigger);
                let (to_hub, from_hub) = world.exchange(local(7));
                assert!(
                    to_hub <= MOST && from_hub <= MOST,
                    "{format:?} {trigger:?}\n{}",
                    world.network.transcript()
                );
                let (dropped, told) = world.echoes();
                assert_eq!(dropped, told as u64);
                if trigger == TRIGGERS[0] && format != Raw {
                    assert_eq!(dropped, 1, "{format:?}");
                }
            }
        }
    }
}

#[test]
fn an_echo_of_lines_longer_than_any_text_falls_silent() {
    // Each byte shows as four, so the line that comes back is longer than the hub relays.
    let text = [0xff; 8_192];
    for format in [Chat, Classic] {
        for encoding in ["utf-8", "gbk", "gb18030", "latin1"] {
            let mut world = World::format(format);
            let person = world.network.add(local(5001), Peer::new());
            let service = world.network.add(local(7), Peer::new().answering(echo));
            let label = format!("/encoding {encoding}");
            world.network.act(service, |peer, _| peer.send(hub_at(), label.as_bytes()));
            world.network.run_for(SECOND);
            let (to_hub, from_hub) =
                (world.delivered(local(7), hub_at()), world.delivered(hub_at(), local(7)));
            world.network.act(person, |peer, _| peer.send(hub_at(), &text));
            world.network.run_for(A_WHILE);
            let to_hub = world.delivered(local(7), hub_at()) - to_hub;
            let from_hub = world.delivered(hub_at(), local(7)) - from_hub;
            assert!(
                to_hub <= MOST && from_hub <= MOST,
                "{format:?} {encoding}: {to_hub} {from_hub}"
            );
            assert!(world.echoes().0 >= 1, "{format:?} {encoding}");
        }
    }
}

#[test]
fn an_echo_of_many_lines_at_once_falls_silent() {
    // In classic all of them end in their speaker's address.
    for format in [Chat, Classic] {
        for end in ["", " and all of them end in the same words"] {
            let mut h = Harness::with_members(format, &[local(5001), local(7)]);
            for n in 0..64 {
                h.hear(local(5001), format!("{}{n:02}{end}", "word ".repeat(1 + n)));
            }
            let lines = h.drain();
            for line in bytes_got(&lines, local(7)) {
                h.hear(local(7), line);
            }
            assert_eq!(h.drain(), [], "{format:?} {end:?}");
            assert_eq!(h.dropped(Dropped::Echo), 64);
        }
    }
}

#[test]
fn two_hubs_as_members_of_one_another_fall_silent() {
    for (one, other) in FORMATS.into_iter().flat_map(|a| FORMATS.map(|b| (a, b))) {
        for trigger in TRIGGERS {
            let mut world = World::format(one);
            // Whoever comes to an address later has it; who was there before can still send from it.
            let forger = world.network.add(local(9_998), Peer::new());
            let config = Config::of(other);
            world.network.add(local(9_998), Hub::new(config));
            world.network.act(forger, |peer, _| peer.send(hub_at(), trigger.as_bytes()));
            let (to_hub, from_hub) = world.exchange(local(9_998));
            assert!(
                to_hub <= MOST && from_hub <= MOST,
                "{one:?} {other:?} {trigger:?}: {to_hub} {from_hub}\n{}",
                world.network.transcript()
            );
        }
    }
}

#[test]
fn an_echo_among_people_does_not_repeat_them() {
    for format in [Chat, Classic] {
        for answer in [echo as Answer, upper] {
            let mut world = World::format(format);
            let person = world.network.add(local(5001), Peer::new());
            world.network.act(person, |peer, _| peer.send(hub_at(), b"^hb^"));
            world.answering(local(7), answer, "forged datagram");
            world.network.run_for(SECOND);
            for n in 0..10 {
                let text = format!("sentence number {n}");
                world.network.act(person, |peer, _| peer.send(hub_at(), text.as_bytes()));
                world.network.run_for(SECOND);
            }
            let heard = world.network.machine(person).texts();
            let heard: Vec<_> = heard.iter().filter(|line| !is_hubs(line)).collect();
            // The forged one, and each sentence once.
            assert_eq!(heard.len(), 11, "{format:?} {heard:?}");
        }
    }
}

#[test]
fn notices_and_answers_that_come_back_are_echoes_too() {
    for answer in [echo as Answer, upper] {
        let mut world = World::format(Chat);
        world.answering(local(7), answer, "^hb^");
        for port in 5001..=5003 {
            let person = world.network.add(local(port), Peer::new());
            world.network.act(person, |peer, _| peer.send(hub_at(), b"^hb^"));
        }
        world.network.run_for(A_WHILE);
        let heard = world.network.transcript();
        let (dropped, told) = world.echoes();
        assert_eq!(dropped, 1, "{heard}");
        assert_eq!(told, 1);
        assert_eq!(world.network.machine(world.hub).statistics().messages, 0);
    }
}

#[test]
fn private_lines_that_come_back_are_echoes_too() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    let line =
        bytes_got(&h.from(local(5001), "/msg 127.0.0.1:7 psst, a secret"), local(7)).concat();
    assert_eq!(h.from(local(7), line), []);
    assert_eq!(h.dropped(Dropped::Echo), 1);
}

#[test]
fn the_last_words_to_one_that_was_dropped_do_not_bring_it_back() {
    let mut h = Harness::with_members(Chat, &[local(7)]);
    let last = h.wait(30 * SECOND);
    let line = bytes_got(&last, local(7)).concat();
    assert!(!line.is_empty());
    assert_eq!(h.from(local(7), line), []);
    assert!(!h.is_member(local(7)));
    assert_eq!(h.dropped(Dropped::Reply), 1);
}

#[test]
fn two_echo_services_in_one_raw_hub_fall_silent() {
    for payload in
        ["12345678", "a longer payload than that", "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}"]
    {
        let mut world = World::format(Raw);
        world.answering(local(7), echo, "^hb^");
        world.answering(local(8), echo, payload);
        world.network.run_for(A_WHILE);
        for port in [7, 8] {
            let (in_, out) =
                (world.delivered(local(port), hub_at()), world.delivered(hub_at(), local(port)));
            assert!(in_ <= 4 && out <= 4, "{}", world.network.transcript());
        }
        let (dropped, told) = world.echoes();
        assert_eq!((dropped, told), (1, 1));
    }
}

#[test]
fn in_raw_the_third_echo_in_a_row_is_one() {
    let mut h = Harness::with_members(Raw, &[local(7), local(5001), local(5002)]);
    let mut relayed = Vec::new();
    for n in 0..6 {
        let line = format!("reading number {n}");
        h.from(local(5001), &line);
        relayed.push(got(&h.from(local(7), &line), local(5002)).len());
    }
    assert_eq!(relayed, [1, 1, 0, 0, 0, 0]);
    assert_eq!(h.dropped(Dropped::Echo), 4);
    // Anything of its own ends the row.
    assert_eq!(got(&h.from(local(7), "something of its own"), local(5002)).len(), 1);
    h.from(local(5001), "another reading");
    assert_eq!(got(&h.from(local(7), "another reading"), local(5002)).len(), 1);
}

#[test]
fn what_answers_with_ever_new_text_stays_within_its_rate() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    fn daytime(_: &[u8]) -> Option<Vec<u8>> {
        Some(format!("it is {} o'clock", COUNTER.fetch_add(1, Ordering::Relaxed)).into_bytes())
    }
    for format in [Chat, Classic] {
        let mut config = Config::of(format);
        config.rate.loopback = Rate { messages: Some(20), bytes: None };
        let mut world = World::new(config);
        // A link that takes time, or the exchange would stop time in the simulation.
        let conditions = pigeon_netsim::path::Conditions {
            delay: Duration::from_micros(100),
            ..Default::default()
        };
        world.network.default_conditions(conditions).unwrap();
        world.answering(local(7), daytime, "what is the time?");
        world.network.run_for(A_WHILE);
        let statistics = world.network.machine(world.hub).statistics();
        assert!(statistics.messages <= 20 * 21, "{format:?}: {}", statistics.messages);
        let to_it = world.delivered(hub_at(), local(7));
        assert!(to_it <= 20 * 21 + 21, "{format:?}: {to_it}");
        assert!(statistics.dropped(Dropped::RateLimited) >= 1);
    }
}

#[test]
fn refusals_do_not_bounce_for_ever() {
    for format in FORMATS {
        let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
        h.join(&[local(5001)]);
        let first = h.from(local(7), "somebody forged this datagram");
        let count = bounce(&mut h, local(7), first, 1_000);
        assert!(count <= 3, "{format:?}: {count}");
    }
}

#[test]
fn two_full_hubs_fall_silent() {
    for left in FORMATS {
        for right in FORMATS {
            let full = |format| {
                let mut h = Harness::new(Config { max_members: 1, ..Config::of(format) });
                h.join(&[local(5001)]);
                h
            };
            let (mut l, mut r) = (full(left), full(right));
            let mut payload =
                b"somebody forged this datagram to the left hub in the right one's name".to_vec();
            let mut count = 0;
            while let Some(p) = l.from(local(9002), &payload).pop() {
                count += 1;
                let Some(p) = r.from(local(9001), &p.1).pop() else { break };
                count += 1;
                payload = p.1;
                if count > 1_000 {
                    break;
                }
            }
            assert!(count <= 6, "{left:?} {right:?} {count}");
        }
    }
}

#[test]
fn an_encoded_echo_falls_silent() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    h.from(local(7), "/encoding gbk");
    let first = h.from(local(5001), "hello 😀 there");
    let n = bounce(&mut h, local(7), first, 100);
    assert!(n <= 3, "{n}");
}

#[test]
fn an_echo_service_that_was_removed_stays_away() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(7)]);
        let sent = h.kick("127.0.0.1:7");
        let n = bounce(&mut h, local(7), sent, 100);
        assert!(!h.is_member(local(7)), "{format:?} {n}");
    }
}

#[test]
fn an_echo_service_does_not_come_back_after_its_time_out() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        h.from(local(7), "forged datagram");
        let mut from_echo = 0;
        let mut seen = 0;
        for _ in 0..60 {
            h.from(local(5001), "^hb^");
            let mut queue: VecDeque<Sent> = h.wait(10 * SECOND).into();
            while let Some((to, bytes)) = queue.pop_front() {
                if to == local(7) {
                    from_echo += 1;
                    queue.extend(h.from(local(7), bytes));
                } else if to == local(5001) {
                    seen += 1;
                }
            }
        }
        assert!(from_echo <= 3, "{format:?}: {from_echo} in ten minutes, others saw {seen}");
    }
}

#[test]
fn answers_to_heartbeats_that_come_back_in_capitals_are_not_published() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    let answer =
        bytes_got(&h.from(local(7), heartbeat(64)), local(7)).concat().to_ascii_uppercase();
    assert_eq!(got(&h.from(local(7), answer), local(5001)), [""; 0]);
}

// People, and what only looks like an echo.

#[test]
fn people_who_repeat_one_anothers_words_are_heard() {
    let mut h = Harness::chat();
    let students: Vec<_> = (5001..=5030).map(local).collect();
    h.join(&students);
    for round in 0..3 {
        for &student in &students {
            let sent = h.from(student, "I have finished the exercise");
            assert_eq!(got(&sent, students[0]).len(), 1, "round {round}");
        }
    }
    for text in [
        "> I have finished the exercise",
        "\"I have finished the exercise\", you say?",
        "I HAVE FINISHED THE EXERCISE",
        "he said: I have finished the exercise",
        "127.0.0.1:5002: I have finished the exercise (did you?)",
    ] {
        assert_eq!(got(&h.from(local(5001), text), local(5002)).len(), 1, "{text}");
    }
    assert_eq!(h.dropped(Dropped::Echo), 0);
}

#[test]
fn people_with_names_repeat_one_another_too() {
    for format in [Chat, Classic] {
        let mut h = Harness::with_members(format, &[local(5001), local(5002)]);
        h.nick(local(5001), "狗哥");
        h.nick(local(5002), "猴哥");
        for n in 0..20 {
            for port in [5001, 5002] {
                let sent = h.from(local(port), "下课以后一起吃饭吧");
                assert_eq!(got(&sent, local(5001)).len(), 1, "{format:?} {n}");
            }
        }
        assert_eq!(h.dropped(Dropped::Echo), 0);
    }
}

#[test]
fn the_same_commands_may_be_given_again_and_again() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    for _ in 0..20 {
        assert_eq!(got(&h.from(local(5001), "/help"), local(5001)).len(), 1);
        assert_eq!(got(&h.from(local(5001), "/who lists who is here"), local(5001)).len(), 1);
        assert_eq!(got(&h.from(local(5001), heartbeat(64)), local(5001)).len(), 1);
        h.now = h.now + std::time::Duration::from_millis(125);
    }
}

#[test]
fn a_whole_line_may_be_quoted_after_two_seconds() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let line = got(&h.from(local(5001), "that was wise"), local(5002)).concat();
    assert_eq!(h.from(local(5002), &line), [], "at once it is an echo");
    assert_eq!(h.dropped(Dropped::Echo), 1);
    h.now = h.now + 2 * SECOND + Duration::from_millis(1);
    assert_eq!(got(&h.from(local(5002), &line), local(5001)).len(), 1);
}

#[test]
fn what_was_said_in_one_room_is_no_echo_in_another() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.from(local(5002), "/join ops");
    let line = got(&h.from(local(5001), "that was wise"), local(5001)).concat();
    assert_eq!(got(&h.from(local(5002), &line), local(5002)).len(), 1);
}

#[test]
fn short_lines_are_nobodys() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    for _ in 0..50 {
        assert_eq!(got(&h.from(local(5001), "21.5 C"), local(5002)).len(), 1);
        assert_eq!(got(&h.from(local(5002), "21.5 C"), local(5001)).len(), 1);
    }
    assert_eq!(h.dropped(Dropped::Echo), 0);
}

#[test]
fn a_sensor_with_a_constant_reading_is_heard() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    let mut heard = 0;
    for _ in 0..20 {
        heard += got(&h.from(local(5001), "temp 21.5 C"), local(5002)).len();
        h.now = h.now + SECOND;
    }
    assert_eq!(heard, 20);
}

#[test]
fn binary_packets_with_a_counter_all_arrive() {
    let mut h = Harness::with_members(Raw, &[local(5001), local(5002)]);
    let mut lost = Vec::new();
    for counter in 0..=255u8 {
        let packet = [b"\x80\x00\x00\x00\x00\x00\x00\x00".as_slice(), &[counter]].concat();
        if bytes_got(&h.from(local(5001), packet), local(5002)).is_empty() {
            lost.push(counter);
        }
        h.now = h.now + Duration::from_millis(20);
    }
    assert_eq!(lost, [0u8; 0]);
}
