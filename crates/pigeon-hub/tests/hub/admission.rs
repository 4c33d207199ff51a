//! Admission: open networks, proof of address outside them, and bans. Above all, an unproved
//! address never gets more than it sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{BanError, Config, Discovery, Dropped, Event, Left, SourceRules};
use pigeon_proto::Format;
use pigeon_proto::Format::{Chat, Raw};
use proptest::prelude::*;

use crate::harness::{
    FORMATS, Harness, NANOSECOND, SECOND, Sent, address, beyond, bytes_got, got, heartbeat, local,
    open, told,
};

const MINUTE: Duration = Duration::from_secs(60);

fn token(h: &mut Harness, from: SocketAddr) -> Vec<u8> {
    let asked = h.from(from, heartbeat(64));
    assert_eq!(asked.len(), 1, "{asked:?}");
    let token = bytes_got(&asked, from).concat();
    assert!(token.starts_with(b"/prove ") && token.len() <= 64, "{}", token.escape_ascii());
    token
}

/// The datagrams and bytes that an address has sent and received.
#[derive(Default)]
struct Ledger(BTreeMap<SocketAddr, [(usize, usize); 2]>);

impl Ledger {
    fn sends(&mut self, from: SocketAddr, length: usize) {
        let sent = &mut self.0.entry(from).or_default()[0];
        *sent = (sent.0 + 1, sent.1 + length);
    }

    fn gets(&mut self, sent: &[Sent]) {
        for (to, bytes) in sent {
            let got = &mut self.0.entry(*to).or_default()[1];
            *got = (got.0 + 1, got.1 + bytes.len());
        }
    }

    fn check(&self, address: SocketAddr) {
        if let Some([sent, got]) = self.0.get(&address) {
            assert!(got.0 <= sent.0, "{address} sent {} packets and got {}", sent.0, got.0);
            assert!(got.1 <= sent.1, "{address} sent {} bytes and got {}", sent.1, got.1);
        }
    }
}

// Untrusted addresses.

fn commands() -> Vec<Vec<u8>> {
    let commands = [
        "/help",
        "/nick dog",
        "/who",
        "/join ops",
        "/leave",
        "/rooms",
        "/msg 127.0.0.1:5001 hi",
        "/history",
        "/history 9",
        "/encoding gbk",
        "/quiet on",
        "/pass secret",
        "/pass wrong",
        "/resume 1-abcdefghijklmnop",
        "/prove",
        "/prove abcdefghijklmnop",
        "/discover",
        "/here",
        "/here 1 hub 2 0",
        "/nonsense",
        "/",
        "//",
        "quit",
        "^hb^ pigeon/1 3 0",
        "* the hub is full",
        "Bye!",
        "hub: hello",
        "^hb^x",
    ];
    commands.map(|command| command.as_bytes().to_vec()).into()
}

/// Every kind of datagram of this length, including requests that are all different.
fn kinds(length: usize) -> Vec<Vec<u8>> {
    let padded = |text: &[u8]| {
        let mut bytes = text.to_vec();
        bytes.resize(length.max(text.len()), b' ');
        bytes
    };
    let filled = |text: &[u8], byte: u8| {
        let mut bytes = text.to_vec();
        bytes.resize(length.max(text.len()), byte);
        bytes
    };
    let mut kinds = vec![
        vec![0; length],
        vec![b' '; length],
        vec![0xff; length],
        vec![b'x'; length],
        filled(b"/", b'w'),
        filled(b"/prove ", b'a'),
        filled(b"^hb^ ", b'7'),
        padded(b"^hb^"),
        padded(format!("/discover n{length}").as_bytes()),
        padded(b"/prove abcdefghijklmnop"),
        padded(b"/pass secret"),
        padded(b"quit"),
    ];
    if [0, 23, 63, 64, 65, 200, 300].contains(&length) {
        kinds.extend(commands().iter().map(|command| padded(command)));
    }
    kinds
}

/// The hub in one of the states in which a stranger may write.
fn prepared(format: Format, state: u32) -> Harness {
    let is = |bit: u32| state & (1 << bit) != 0;
    let mut h = Harness::new(Config {
        password: is(0).then(|| "secret".into()),
        max_members: if is(1) { 1 } else { 100 },
        discovery: is(2).then_some(Discovery { id: 7, port: 9999, ..Default::default() }),
        ..Config::of(format)
    });
    h.from(local(5001), "/pass secret");
    if is(3) {
        h.from(local(5001), "somebody speaks before");
    }
    if is(4) {
        h.hub.ban(h.now, "203.0.113.0/24").unwrap();
    }
    h.wait(2 * SECOND);
    h
}

#[test]
fn whatever_an_unproved_address_sends_it_gets_no_more_and_is_no_member() {
    let strangers = [beyond(4_000), address("[2001:db8::5]:4000")];
    for (format, state) in FORMATS.into_iter().flat_map(|format| (0..32).map(move |s| (format, s)))
    {
        let mut h = prepared(format, state);
        let mut ledger = Ledger::default();
        let from = strangers[(state % 2) as usize];
        let is_banned = state & 16 != 0 && from.is_ipv4();
        for length in 0..=300 {
            for payload in kinds(length) {
                let sent = h.from(from, &payload);
                ledger.sends(from, payload.len());
                ledger.gets(&sent);
                ledger.check(from);
                assert!(sent.len() <= 1 && sent.iter().all(|(to, _)| *to == from), "{sent:?}");
                let bytes = bytes_got(&sent, from).concat();
                let shown = || format!("{format:?} {state} {}", payload.escape_ascii());
                assert!(bytes.len() <= payload.len(), "{}", shown());
                assert!(bytes.is_empty() || payload.len() >= 64, "{}", shown());
                assert!(bytes.is_empty() || bytes.starts_with(b"/prove "), "{}", shown());
                assert!(bytes.is_empty() || !is_banned, "{}", shown());
            }
            if length % 50 == 0 {
                // Other members send messages, time passes, and answers arrive.
                let mut sent = h.from(local(5001), format!("at length {length}"));
                sent.extend(h.wait(SECOND));
                ledger.gets(&sent);
                ledger.check(from);
            }
        }
        ledger.gets(&h.wait(29 * SECOND));
        ledger.gets(&h.stop());
        ledger.check(from);
        assert!(!h.is_member(from));
        assert!(h.hub.statistics().joined <= 1);
    }
}

#[test]
fn what_comes_back_of_the_demand_for_proof_is_no_loop() {
    // An upper-casing service, another hub's line, a relay that adds a prefix.
    for format in FORMATS {
        let mut h = prepared(format, 8);
        let demand = token(&mut h, beyond(7));
        for echo in [
            demand.to_ascii_uppercase(),
            [b"203.0.113.9:9: ", &demand[..]].concat(),
            [b"Ack ", &demand[..], b". from 203.0.113.9:9"].concat(),
        ] {
            assert_eq!(h.from(beyond(7), echo), [], "{format:?}");
            assert!(!h.is_member(beyond(7)));
        }
    }
}

#[test]
fn those_who_are_asked_for_proof_are_counted() {
    let mut h = Harness::chat();
    h.from(beyond(7), heartbeat(64));
    h.from(beyond(8), heartbeat(63));
    h.from(beyond(7), "/prove abcdefghijklmnop");
    assert_eq!(h.hub.statistics().proofs_asked, 1);
    assert_eq!(h.dropped(Dropped::Unproved), 2);
    assert_eq!(h.dropped(Dropped::BadProof), 1);
    assert_eq!(h.hub.statistics().joined, 0);
}

// Proofs.

#[test]
fn sending_the_token_back_makes_a_member_in_every_format() {
    for format in FORMATS {
        for end in ["", "\n", " \r\n"] {
            for from in [beyond(4_000), address("[2001:db8::5]:4000")] {
                let mut h = Harness::format(format);
                h.join(&[local(5001)]);
                let proof = [token(&mut h, from), end.into()].concat();
                assert_eq!(h.from(from, &proof), [], "{format:?} {end:?}");
                assert!(h.is_member(from));
                // A repeated proof does no harm, and is not reported.
                assert_eq!(h.from(from, &proof), []);
                assert_eq!(h.hub.member_count(), 2);
                assert_eq!(got(&h.from(local(5001), "hi"), from).len(), 1);
                assert_eq!(got(&h.from(from, "hello"), local(5001)).len(), 1);
                let answer = got(&h.from(from, heartbeat(64)), from).concat();
                assert!(answer.starts_with(&format!("^hb^ pigeon/1 2 0 {format}")), "{answer:?}");
            }
        }
    }
}

#[test]
fn a_proved_member_is_served_in_full() {
    let mut h = Harness::chat();
    h.join(&[local(5001)]);
    h.prove(beyond(7));
    h.from(beyond(7), "^hb^");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 203.0.113.5:7 joined\n"]);
    // Short datagrams too, and answers longer than the request.
    assert_eq!(told(&h.from(beyond(7), "/help"), beyond(7)).len(), 1);
    h.nick(beyond(7), "dog");
    h.from(beyond(7), "/join ops");
    assert_eq!(h.room_of(beyond(7)).as_deref(), Some("ops"));
    assert_eq!(got(&h.from(beyond(7), "x"), beyond(7)), ["dog: x\n"]);
    assert_eq!(h.from(beyond(7), "^hb^"), []);
}

#[test]
fn a_token_is_good_in_its_minute_and_the_next() {
    for (format, second) in FORMATS.into_iter().zip([0, 1, 59]) {
        for (after, good) in [
            (Duration::ZERO, true),
            (MINUTE, true),
            (2 * MINUTE - Duration::from_secs(second) - NANOSECOND, true),
            (2 * MINUTE - Duration::from_secs(second), false),
            (10 * MINUTE, false),
        ] {
            let mut h = Harness::format(format);
            // The harness begins at 1,000 s, which is second 40 of a minute.
            h.wait(Duration::from_secs(20 + second));
            let proof = token(&mut h, beyond(7));
            h.wait(after);
            h.from(beyond(7), proof);
            assert_eq!(h.is_member(beyond(7)), good, "{format:?} {second} {after:?}");
            assert_eq!(h.dropped(Dropped::BadProof), u64::from(!good));
        }
    }
}

#[test]
fn a_token_is_good_for_one_address_and_port() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        let proof = token(&mut h, beyond(7));
        for other in ["203.0.113.5:8", "203.0.113.6:7", "[2001:db8::5]:7", "198.51.100.1:7"] {
            assert_eq!(h.from(address(other), &proof), [], "{other}");
            assert!(!h.is_member(address(other)));
        }
        let other = token(&mut h, beyond(8));
        assert_ne!(proof, other);
        let mut elsewhere = Harness::new(Config { secret: [9; 16], ..Config::of(format) });
        elsewhere.from(beyond(7), &proof);
        assert_eq!(elsewhere.hub.member_count(), 0);
    }
}

#[test]
fn wrong_tokens_prove_nothing_and_get_nothing() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        let proof = token(&mut h, beyond(7));
        let word = &proof[b"/prove ".len()..];
        let mut wrong: Vec<Vec<u8>> = (0..word.len())
            .map(|n| {
                let mut proof = proof.clone();
                let at = proof.len() - word.len() + n;
                proof[at] = if proof[at] == b'a' { b'b' } else { b'a' };
                proof
            })
            .collect();
        wrong.push(proof[..proof.len() - 1].to_vec());
        wrong.push([&proof[..], b"a"].concat());
        wrong.push([b"x", &proof[..]].concat());
        wrong.push(word.to_vec());
        wrong.push(proof.to_ascii_uppercase());
        wrong.push(b"/prove ".to_vec());
        for wrong in wrong {
            assert_eq!(h.from(beyond(7), &wrong), [], "{}", wrong.escape_ascii());
            assert!(!h.is_member(beyond(7)));
        }
        h.from(beyond(7), proof);
        assert!(h.is_member(beyond(7)));
    }
}

#[test]
fn after_its_time_out_a_member_must_prove_itself_again() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        let proof = token(&mut h, beyond(7));
        h.from(beyond(7), &proof);
        // The member stays for minutes without another proof.
        h.keep(&[beyond(7)], 5 * MINUTE);
        assert!(h.is_member(beyond(7)));
        h.wait(30 * SECOND);
        assert!(!h.is_member(beyond(7)));
        assert_eq!(h.from(beyond(7), "hello again"), [], "{format:?}");
        assert_eq!(h.from(beyond(7), &proof), []);
        assert!(!h.is_member(beyond(7)));
        h.prove(beyond(7));
    }
}

#[test]
fn after_quit_a_member_must_prove_itself_again() {
    let mut h = Harness::chat();
    h.prove(beyond(7));
    h.from(beyond(7), "quit");
    assert_eq!(h.from(beyond(7), "hello"), []);
    assert!(!h.is_member(beyond(7)));
}

#[test]
fn a_proof_of_one_who_finds_no_room_gets_no_more_than_it_sent() {
    for format in FORMATS {
        let configs = [
            Config { max_members: 1, ..Config::of(format) },
            Config { max_per_room: Some(1), ..Config::of(format) },
            Config { max_per_address: Some(0), ..Config::of(format) },
        ];
        for config in configs {
            let mut h = Harness::new(config);
            h.join(&[local(5001)]);
            let proof = token(&mut h, beyond(7));
            let sent = h.from(beyond(7), &proof);
            assert!(sent.len() <= 1 && sent.iter().all(|(_, bytes)| bytes.len() <= proof.len()));
            assert!(!h.is_member(beyond(7)));
        }
    }
}

#[test]
fn a_member_nearby_may_send_a_proof_that_it_never_needed() {
    for format in FORMATS {
        let mut h = Harness::format(format);
        h.join(&[local(5001), local(5002)]);
        let sent = h.from(local(5001), "/prove abcdefghijklmnop");
        assert_eq!(sent, [], "{format:?}");
        assert!(h.is_member(local(5001)));
    }
}

// Passwords.

#[test]
fn a_password_alone_proves_no_address() {
    for format in FORMATS {
        let mut h = prepared(format, 1);
        assert_eq!(h.from(beyond(7), "/pass secret"), [], "{format:?}");
        let padded = format!("{:64}", "/pass secret");
        let asked = bytes_got(&h.from(beyond(7), padded), beyond(7)).concat();
        assert!(asked.starts_with(b"/prove "));
        assert!(!h.is_member(beyond(7)));
        // The token and the password together are sufficient.
        h.from(beyond(7), asked);
        assert_eq!(h.room_of(beyond(7)), None);
        h.from(beyond(7), "/pass secret");
        assert_eq!(h.room_of(beyond(7)).as_deref(), Some("lobby"));
    }
}

// Open networks.

#[test]
fn by_default_private_networks_are_open() {
    for good in [
        "127.0.0.1:7",
        "127.255.0.1:7",
        "10.1.2.3:7",
        "172.16.0.1:7",
        "172.31.255.255:7",
        "192.168.255.1:7",
        "169.254.1.1:7",
        "[::1]:7",
        "[fe80::1]:7",
        "[fc00::1]:7",
        "[fdff::1]:7",
    ] {
        let mut h = Harness::chat();
        h.from(address(good), "^hb^");
        assert!(h.is_member(address(good)), "{good}");
    }
    for bad in [
        "8.8.8.8:7",
        "11.0.0.1:7",
        "172.15.255.255:7",
        "172.32.0.1:7",
        "192.167.1.1:7",
        "100.64.0.1:7",
        "[2001:db8::1]:7",
        "[fec0::1]:7",
        "[::2]:7",
        "128.0.0.1:7",
    ] {
        let mut h = Harness::chat();
        assert_eq!(h.from(address(bad), "^hb^"), []);
        assert!(!h.is_member(address(bad)), "{bad}");
    }
}

fn open_to(nets: &[&str]) -> SourceRules {
    let open = nets.iter().map(|net| net.parse().unwrap()).collect();
    SourceRules { open, ..SourceRules::default() }
}

#[test]
fn with_no_network_open_this_machine_must_prove_itself_too() {
    for format in FORMATS {
        let mut h = Harness::new(Config { sources: open_to(&[]), ..Config::of(format) });
        for from in [local(7), address("[::1]:7"), open(7)] {
            assert_eq!(h.from(from, "hello"), [], "{format:?}");
            assert!(!h.is_member(from));
            h.prove(from);
            assert_eq!(got(&h.from(from, heartbeat(64)), from).len(), 1);
        }
    }
}

#[test]
fn only_the_networks_that_were_named_are_open() {
    let sources = open_to(&["203.0.113.0/28", "2001:db8:1::/48"]);
    let mut h = Harness::new(Config { sources, ..Config::default() });
    for (from, is_open) in [
        ("203.0.113.15:7", true),
        ("203.0.113.16:7", false),
        ("[2001:db8:1::9]:7", true),
        ("[2001:db8:2::9]:7", false),
        ("127.0.0.1:7", false),
        ("10.0.0.1:7", false),
    ] {
        h.from(address(from), "hello");
        assert_eq!(h.is_member(address(from)), is_open, "{from}");
    }
}

// Bans.

#[test]
fn the_banned_are_neither_heard_nor_answered() {
    for format in FORMATS {
        let mut h = Harness::new(Config {
            discovery: Some(Discovery { id: 7, port: 9999, ..Default::default() }),
            ..Config::of(format)
        });
        h.join(&[local(5001)]);
        h.hub.ban(h.now, "10.0.2.0/24").unwrap();
        let question = format!("{:200}", "/discover x");
        for payload in ["", "hello", "^hb^", "/who", "quit", &question, &"x".repeat(300)] {
            let mut sent = h.from(open(7), payload);
            sent.extend(h.wait(SECOND));
            assert_eq!(sent, [], "{format:?} {payload:?}");
        }
        assert!(!h.is_member(open(7)));
        assert_eq!(h.dropped(Dropped::Banned), 7);
        h.from(address("10.0.3.1:7"), "hello");
        assert!(h.is_member(address("10.0.3.1:7")));
    }
}

#[test]
fn members_in_a_banned_network_are_told_and_removed() {
    for format in FORMATS {
        for who in ["10.0.2.0/24", "10.0.2.77/24", "10.0.2.1", "10.0.2.1:7"] {
            let mut h = Harness::format(format);
            h.join(&[local(5001), open(7), open(8), address("10.0.3.1:7")]);
            let net = h.hub.ban(h.now, who).unwrap();
            assert!(net.contains(&open(7).ip()));
            h.transmits();
            let gone: Vec<_> = h.events();
            assert_eq!(gone.len(), 2, "{who}");
            assert!(gone.iter().all(|e| matches!(e, Event::Left { reason: Left::Banned, .. })));
            assert_eq!(h.hub.member_count(), 2, "{who}");
            assert_eq!(h.hub.statistics().left(Left::Banned), 2);
            assert_eq!(h.hub.bans().collect::<Vec<_>>(), [net]);
        }
        let mut h = Harness::format(format);
        h.join(&[local(5001), open(7)]);
        h.hub.ban(h.now, "10.0.2.1").unwrap();
        let sent = h.drain();
        let told = got(&sent, open(7));
        match format {
            Format::Chat => assert_eq!(told, ["* you were banned by the operator\n"]),
            Format::Classic => assert_eq!(told, ["Bye!"]),
            Format::Raw => assert!(told.is_empty(), "{told:?}"),
        }
    }
}

#[test]
fn a_member_is_banned_by_its_name() {
    let mut h = Harness::chat();
    h.join(&[local(5001), open(7), open(8)]);
    h.nick(open(7), "狗哥");
    h.hub.ban(h.now, "狗哥").unwrap();
    h.drain();
    assert_eq!(h.hub.member_count(), 1);
    h.from(open(9), "hello");
    assert_eq!(h.hub.member_count(), 1);
    let sent = h.wait(2 * SECOND);
    assert!(got(&sent, local(5001)).concat().contains("banned by the operator"), "{sent:?}");
}

#[test]
fn this_machine_cannot_be_banned() {
    let mut h = Harness::chat();
    h.join(&[local(5001), address("[::1]:7")]);
    h.nick(local(5001), "dog");
    for who in
        ["dog", "127.0.0.1:5001", "127.0.0.1", "127.0.0.0/8", "127.1.2.3/16", "::1", "[::1]:7"]
    {
        assert_eq!(h.hub.ban(h.now, who), Err(BanError::Own), "{who}");
    }
    assert_eq!(h.hub.member_count(), 2);
    assert_eq!(h.hub.bans().count(), 0);
}

#[test]
fn bans_of_nobody_are_refused_and_bans_can_be_lifted() {
    let mut h = Harness::chat();
    for nobody in ["dog", "", "10.0.2.0/33", "10.0.2", "10.0.2.1:7 "] {
        assert_eq!(h.hub.ban(h.now, nobody), Err(BanError::Unknown), "{nobody:?}");
    }
    h.hub.ban(h.now, "10.0.2.0/24").unwrap();
    assert!(!h.hub.unban("10.0.3.0/24"));
    assert!(h.hub.unban("10.0.2.9/24"));
    assert!(!h.hub.unban("10.0.2.0/24"));
    h.from(open(7), "hello");
    assert!(h.is_member(open(7)));
}

#[test]
fn a_ban_beyond_the_open_networks_stops_proofs_too() {
    let mut h = Harness::format(Raw);
    let proof = token(&mut h, beyond(7));
    h.hub.ban(h.now, "203.0.113.0/24").unwrap();
    h.from(beyond(7), proof);
    assert_eq!(h.hub.member_count(), 0);
    assert_eq!(h.from(beyond(7), heartbeat(64)), []);
}

// Random inputs.

#[derive(Clone, Debug)]
enum Step {
    Stranger { who: usize, bytes: Vec<u8>, length: usize },
    Proves { who: usize, as_who: usize },
    Member(Vec<u8>),
    Time(Duration),
    Say,
    Drain,
}

const STRANGERS: usize = 6;

fn stranger(n: usize) -> SocketAddr {
    match n % 3 {
        0 => beyond(4_000 + n as u16),
        1 => SocketAddr::from(([198, 51, 100, n as u8], 7)),
        _ => address(&format!("[2001:db8::{n}]:7")),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let texts = prop::sample::select(
        commands()
            .into_iter()
            .chain([b"^hb^".to_vec(), b"/discover x1".to_vec()])
            .collect::<Vec<_>>(),
    );
    let times = prop::sample::select(vec![0, 1, 200, 1_000, 10_000, 29_000, 31_000, 60_000])
        .prop_map(Duration::from_millis);
    let any = prop::collection::vec(any::<u8>(), 0..120);
    prop_oneof![
        10 => (0..STRANGERS, prop_oneof![texts.clone(), any], 0..400usize)
            .prop_map(|(who, bytes, length)| Step::Stranger { who, bytes, length }),
        3 => (0..STRANGERS, 0..STRANGERS).prop_map(|(who, as_who)| Step::Proves { who, as_who }),
        3 => texts.prop_map(Step::Member),
        2 => times.prop_map(Step::Time),
        1 => Just(Step::Say),
        2 => Just(Step::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whoever_is_unproved_gets_no_more_than_it_sent_whatever_happens(
        format in prop::sample::select(FORMATS.to_vec()),
        state in 0u32..16,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut h = prepared(format, state);
        let mut ledger = Ledger::default();
        let mut tokens: Vec<Vec<u8>> = vec![Vec::new(); STRANGERS];
        let mut proved = [false; STRANGERS];
        for step in steps {
            let mut sent = Vec::new();
            match step {
                Step::Stranger { who, mut bytes, length } => {
                    bytes.resize(bytes.len().max(length), b' ');
                    ledger.sends(stranger(who), bytes.len());
                    h.hear(stranger(who), bytes);
                }
                Step::Proves { who, as_who } => {
                    // The address's own token or another's: only its own may prove anything.
                    let token = tokens[as_who].clone();
                    ledger.sends(stranger(who), token.len());
                    proved[who] |= who == as_who && !token.is_empty();
                    h.hear(stranger(who), token);
                }
                Step::Member(bytes) => h.hear(local(5001), bytes),
                Step::Time(time) => sent.extend(h.wait(time)),
                Step::Say => drop(h.hub.say("the operator speaks to all")),
                Step::Drain => sent.extend(h.drain()),
            }
            for (to, bytes) in &sent {
                let who = (0..STRANGERS).find(|&who| stranger(who) == *to);
                if let (Some(who), true) = (who, bytes.starts_with(b"/prove ")) {
                    tokens[who].clone_from(bytes);
                }
            }
            ledger.gets(&sent);
            for who in (0..STRANGERS).filter(|&who| !proved[who]) {
                ledger.check(stranger(who));
                prop_assert!(!h.is_member(stranger(who)));
            }
        }
        ledger.gets(&h.drain());
        ledger.gets(&h.wait(40 * SECOND));
        ledger.gets(&h.stop());
        for who in (0..STRANGERS).filter(|&who| !proved[who]) {
            ledger.check(stranger(who));
        }
    }
}

#[test]
fn a_stranger_that_proved_itself_is_heard_in_the_same_batch() {
    let mut h = Harness::format(Chat);
    let proof = token(&mut h, beyond(7));
    h.hear(beyond(7), proof);
    h.hear(beyond(7), "hello");
    assert_eq!(got(&h.drain(), beyond(7)), ["203.0.113.5:7: hello\n"]);
}

#[test]
fn no_ban_reaches_loopback() {
    for net in ["0.0.0.0/0", "126.0.0.0/7", "::/0", "::/127", "64.0.0.0/2"] {
        let mut h = Harness::with_members(Chat, &[local(5001), address("[::1]:5001")]);
        let result = h.hub.ban(h.now, net);
        h.drain();
        assert_eq!(h.hub.member_count(), 2, "{net}: {result:?}");
    }
}

#[test]
fn a_mapped_address_is_banned_as_its_ipv4_one() {
    let mut h = Harness::with_members(Chat, &[open(7)]);
    h.hub.ban(h.now, "::ffff:10.0.2.1").unwrap();
    h.drain();
    assert_eq!(h.hub.member_count(), 0);
}
