//! Members that answer automatically. One forged datagram in such a program's name must not start
//! an endless conversation.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Dropped, Event, Hub, Rate};
use pigeon_netsim::path::{Conditions, Loss, Probability};
use pigeon_netsim::simulation::{Answer, Direction, Happening, LogEntry, Network, Node, Peer};
use pigeon_proto::Format;
use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{FORMATS, Harness, SECOND, Sent, bytes_got, got, heartbeat, is_hubs, local};

/// Maximum number of datagrams each way between two programs after the forged one: the texts before
/// a trial, the lines held back during it, and the probes.
const MOST: usize = 130;

/// Long enough for every trial, but shorter than any time-out.
const A_WHILE: Duration = Duration::from_secs(20);

/// Forged datagrams: a message, a heartbeat with an answer, commands, refused texts.
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

// Services that return their input in some form.

fn echo(payload: &[u8]) -> Option<Vec<u8>> {
    Some(payload.to_vec())
}

fn upper(payload: &[u8]) -> Option<Vec<u8>> {
    Some(payload.to_ascii_uppercase())
}

fn cut(payload: &[u8]) -> Option<Vec<u8>> {
    Some(payload[..payload.len().min(1_024)].to_vec())
}

/// The tutorials' server, with the hub as its only client.
fn tutorial(payload: &[u8]) -> Option<Vec<u8>> {
    Some([b"Ack ", &payload.to_ascii_uppercase()[..], b". from 127.0.0.1:9999"].concat())
}

// Services with their own texts.

fn size(payload: &[u8]) -> Option<Vec<u8>> {
    Some(format!("Your data was {} bytes", payload.len()).into_bytes())
}

fn chargen(payload: &[u8]) -> Option<Vec<u8>> {
    Some((0..payload.len() * 7 % 512).map(|n| b' ' + (n % 95) as u8).collect())
}

fn constant(_: &[u8]) -> Option<Vec<u8>> {
    Some(b"OK".to_vec())
}

const ECHOES: [Answer; 4] = [echo, upper, cut, tutorial];
const RESPONDERS: [Answer; 7] = [echo, upper, cut, tutorial, size, chargen, constant];

fn hub_at() -> SocketAddr {
    local(9_999)
}

/// A network with a hub, and the number of datagrams delivered between each pair of addresses.
struct World {
    network: Network,
    hub: Node<Hub>,
}

impl World {
    fn new(config: Config, delay: Duration) -> Self {
        let mut network = Network::new(1);
        let conditions = Conditions { delay, ..Conditions::default() };
        network.default_conditions(conditions).unwrap();
        let hub = network.add(hub_at(), Hub::new(config));
        World { network, hub }
    }

    fn format(format: Format) -> Self {
        World::new(Config::of(format), Duration::ZERO)
    }

    /// Adds an automatic responder, and makes it send one datagram.
    fn answering(&mut self, at: SocketAddr, answer: Answer, trigger: &str) {
        let peer = self.network.add(at, Peer::new().answering(answer));
        self.network.act(peer, |peer, _| peer.send(hub_at(), trigger.as_bytes()));
    }

    /// Adds a member that only listens.
    fn listener(&mut self, port: u16) -> Node<Peer> {
        let beats = Peer::new().every(10 * SECOND, hub_at(), b"^hb^");
        self.network.add(local(port), beats)
    }

    fn delivered(&self, from: SocketAddr, to: SocketAddr) -> usize {
        let is_it =
            |e: &&LogEntry| e.from == from && e.to == to && matches!(e.what, Happening::Delivered);
        self.network.log().filter(is_it).count()
    }

    /// Runs until the trigger's effects end: afterwards at most one datagram per second may pass
    /// each way.
    fn calms_down(&mut self, with: &[SocketAddr], about: &str) {
        self.network.run_for(A_WHILE);
        let all = |world: &World| -> Vec<(usize, usize)> {
            let both = |&with| (world.delivered(with, hub_at()), world.delivered(hub_at(), with));
            with.iter().map(both).collect()
        };
        let before = all(self);
        self.network.run_for(A_WHILE);
        for (before, after) in before.into_iter().zip(all(self)) {
            let most = MOST * with_many(self);
            assert!(before.0 <= most && before.1 <= most, "{about}: {before:?}");
            // Each member may send once a second, to all members.
            let seconds = A_WHILE.as_secs() as usize * with_many(self);
            let rest = (after.0 - before.0, after.1 - before.1);
            assert!(rest.0 <= seconds + 3 && rest.1 <= seconds + 3, "{about}: {rest:?}");
        }
    }

    /// How often a member was proved to answer automatically.
    fn proved(&self) -> u64 {
        let proved = self.network.machine(self.hub).statistics().proved_to_answer;
        let events = self.network.events(self.hub).iter();
        let told = events.filter(|(_, event)| matches!(event, Event::AnswersByItself { .. }));
        assert_eq!(told.count() as u64, proved);
        proved
    }
}

/// With one more program, each other one gets more lines.
fn with_many(world: &World) -> usize {
    world.network.machine(world.hub).member_count().max(1)
}

#[test]
fn whatever_answers_by_itself_falls_silent() {
    for delay in [Duration::ZERO, Duration::from_micros(100), Duration::from_millis(30)] {
        for format in FORMATS {
            for (n, answer) in RESPONDERS.into_iter().enumerate() {
                for trigger in TRIGGERS {
                    let mut world = World::new(Config::of(format), delay);
                    world.answering(local(7), answer, trigger);
                    let about = format!("{format:?} {n} {trigger:?} {delay:?}");
                    world.calms_down(&[local(7)], &about);
                    if trigger == TRIGGERS[0] {
                        // In the raw format no member gets its own messages, so none can answer
                        // itself.
                        assert_eq!(world.proved(), u64::from(format != Raw), "{about}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_answers_falls_silent_in_a_full_hub_and_without_the_password() {
    for format in FORMATS {
        for answer in RESPONDERS {
            for trigger in TRIGGERS {
                let password = Some("secret".into());
                let about = format!("{format:?} {trigger:?}");
                let mut world =
                    World::new(Config { password, ..Config::of(format) }, Duration::ZERO);
                world.answering(local(7), answer, trigger);
                world.calms_down(&[local(7)], &about);

                let config = Config { max_members: 1, ..Config::of(format) };
                let mut world = World::new(config, Duration::ZERO);
                world.listener(5001);
                world.network.run_for(11 * SECOND);
                world.answering(local(7), answer, trigger);
                world.calms_down(&[local(7)], &about);
            }
        }
    }
}

#[test]
fn an_echo_at_every_length_falls_silent() {
    for format in [Chat, Classic] {
        for encoding in ["utf-8", "gbk", "latin1"] {
            for answer in [echo, cut] {
                for length in [1, 7, 1_000, 1_200, 8_192] {
                    let mut world = World::format(format);
                    let person = world.listener(5001);
                    let label = format!("/encoding {encoding}");
                    world.answering(local(7), answer, &label);
                    world.network.run_for(SECOND);
                    // Each invalid byte is shown as four characters.
                    let text = vec![0xff; length];
                    world.network.act(person, |peer, _| peer.send(hub_at(), &text));
                    world.calms_down(&[local(7)], &format!("{format:?} {encoding} {length}"));
                }
            }
        }
    }
}

#[test]
fn hubs_as_members_of_one_another_calm_down() {
    for delay in [Duration::ZERO, Duration::from_millis(1)] {
        for (one, other) in FORMATS.into_iter().flat_map(|a| FORMATS.map(|b| (a, b))) {
            for trigger in TRIGGERS {
                let mut world = World::new(Config::of(one), delay);
                // A new node takes an address over; the previous one can still send from it.
                let forger = world.network.add(local(9_998), Peer::new());
                world.network.add(local(9_998), Hub::new(Config::of(other)));
                world.network.act(forger, |peer, _| peer.send(hub_at(), trigger.as_bytes()));
                let about = format!("{one:?} {other:?} {trigger:?}");
                world.calms_down(&[local(9_998)], &about);
            }
        }
    }
}

#[test]
fn three_hubs_in_a_ring_calm_down() {
    for delay in [Duration::from_micros(100), Duration::from_millis(1), Duration::from_millis(20)] {
        for format in FORMATS {
            let mut world = World::new(Config::of(format), delay);
            let forger = world.network.add(local(9_998), Peer::new());
            let second = world.network.add(local(9_997), Peer::new());
            world.network.add(local(9_998), Hub::new(Config::of(format)));
            world.network.add(local(9_997), Hub::new(Config::of(format)));
            world.network.act(forger, |peer, _| peer.send(hub_at(), b"^hb^"));
            world.network.act(second, |peer, _| {
                peer.send(local(9_998), b"^hb^");
                peer.send(hub_at(), b"hello, all of you");
            });
            let about = format!("{format:?} {delay:?}");
            world.calms_down(&[local(9_998), local(9_997)], &about);
        }
    }
}

#[test]
fn two_that_answer_each_other_in_one_room_calm_down() {
    for delay in [Duration::from_micros(100), Duration::from_millis(3)] {
        for format in FORMATS {
            for (n, one) in RESPONDERS.into_iter().enumerate() {
                for (m, other) in RESPONDERS.into_iter().enumerate() {
                    // In raw, two responders with words of their own form a loop between two
                    // addresses.
                    if format == Raw && n.max(m) >= ECHOES.len() {
                        continue;
                    }
                    let mut world = World::new(Config::of(format), delay);
                    world.answering(local(7), one, "^hb^");
                    world.answering(local(8), other, "hi");
                    let about = format!("{format:?} {n} {m} {delay:?}");
                    world.calms_down(&[local(7), local(8)], &about);
                }
            }
        }
    }
}

#[test]
fn a_loop_through_two_addresses_stays_within_the_rate() {
    let mut config = Config::of(Raw);
    config.rate.loopback = Rate { messages: Some(20), bytes: None };
    let mut world = World::new(config, Duration::from_micros(100));
    world.answering(local(7), size, "^hb^");
    world.answering(local(8), constant, "hi");
    world.network.run_for(A_WHILE);
    for port in [7, 8] {
        let relayed = world.delivered(hub_at(), local(port));
        assert!(relayed <= 20 * 21, "{relayed}");
    }
}

#[test]
fn an_echo_among_people_repeats_them_once_a_second_at_most() {
    for format in [Chat, Classic] {
        for answer in [echo as Answer, upper, constant] {
            let mut world = World::format(format);
            let person = world.listener(5001);
            world.answering(local(7), answer, "forged datagram");
            world.network.run_for(SECOND);
            world.network.act(person, |peer, _| drop(peer.take_received()));
            for n in 0..50 {
                let text = format!("sentence number {n}");
                world.network.act(person, |peer, _| peer.send(hub_at(), text.as_bytes()));
                world.network.run_for(SECOND);
            }
            let heard = world.network.machine(person).texts();
            let heard: Vec<_> = heard.iter().filter(|line| !is_hubs(line)).collect();
            let said = heard.iter().filter(|line| !line.contains("127.0.0.1:7")).count();
            assert_eq!(said, 50, "{heard:?}");
            assert!(heard.len() <= 50 + 52, "{}", heard.len());
        }
    }
}

#[test]
fn what_drops_a_part_of_what_it_hears_is_proved_all_the_same() {
    let mut world = World::new(Config::of(Chat), Duration::from_millis(1));
    let speaker = world.listener(5001);
    let service = world.network.add(local(7), Peer::new().answering(echo));
    let conditions =
        Conditions { loss: Loss::Random(Probability::new(0.1).unwrap()), ..Conditions::default() };
    world.network.set_conditions(service, Direction::Up, conditions).unwrap();
    world.network.act(service, |peer, _| peer.send(hub_at(), b"^hb^"));
    for n in 0..120 {
        let text = format!("sentence {n}");
        world.network.act(speaker, |peer, _| peer.send(hub_at(), text.as_bytes()));
        world.network.run_for(SECOND / 2);
    }
    let relayed = world.delivered(local(7), hub_at());
    assert!(world.proved() >= 1 && relayed <= 3 * 120 + MOST, "{relayed}");
}

#[test]
fn private_lines_and_notices_that_come_back_go_no_further() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    let line =
        bytes_got(&h.from(local(5001), "/msg 127.0.0.1:7 psst, a secret"), local(7)).concat();
    let sent = h.from(local(7), line);
    assert!(bounce(&mut h, local(7), sent, 1_000) <= MOST);
    for answer in [echo as Answer, upper] {
        let mut world = World::format(Chat);
        world.answering(local(7), answer, "^hb^");
        for port in 5001..=5003 {
            world.listener(port);
        }
        world.calms_down(&[local(7)], "notices");
    }
}

/// Passes the hub the datagrams that an echo service at `echo` returns, until there are none or
/// `most` came back; returns their number.
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

#[test]
fn what_is_proved_is_told_so_and_may_speak_once_a_second() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(7)]);
    let first = h.from(local(7), "forged");
    bounce(&mut h, local(7), first, 1_000);
    assert_eq!(h.hub.statistics().proved_to_answer, 1);
    let mut heard = Vec::new();
    for n in 0..70 {
        h.keep(&[local(5001)], SECOND / 2);
        heard.push(got(&h.from(local(7), format!("reading {n}")), local(5001)).len());
    }
    // The hub relays every other message until the minute has passed.
    assert_eq!(heard[..60].iter().sum::<usize>(), 30);
    h.keep(&[local(5001), local(7)], 30 * SECOND);
    let sent: usize =
        (0..10).map(|n| got(&h.from(local(7), format!("{n}")), local(5001)).len()).sum();
    assert_eq!(sent, 10);
}

#[test]
fn a_hub_answers_the_probes_of_its_members_and_nobody_elses() {
    for format in FORMATS {
        let mut h = Harness::with_members(format, &[local(5001), local(7)]);
        let probe = "^hb^ probe 7f3a";
        assert_eq!(h.from(local(7), probe), [(local(7), b"^hb^ probed 7f3a".to_vec())]);
        assert_eq!(h.from(local(8), probe), [], "not a member");
        assert_eq!(h.from(local(7), "^hb^ probed 7f3a"), []);
        assert_eq!(h.from(local(7), "^HB^ PROBE 7F3A"), []);
        let answers = (0..100).flat_map(|_| h.from(local(7), probe)).count();
        assert!(answers <= 8, "{answers}");
    }
}

// People, and programs that only look like an echo.

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
    assert_eq!(h.dropped(Dropped::AnswersByItself), 0);
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
            h.wait(SECOND);
        }
        assert_eq!(h.dropped(Dropped::AnswersByItself), 0);
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
