//! Forged packets of every kind: no amplification, and no loops.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pigeon_ipmsg::{Event, Ignored, WhyGone};

use crate::harness::{Harness, SECOND, address, config};

const ENTRY: &str = "1_iptux 0.8.3:1:root:hosta:257:阿爱\0一组\0icon-tux.png\0utf-8\0";

/// Every mode with each single option, with none, and with all.
fn commands() -> impl Iterator<Item = u32> {
    let options = (8..32).map(|bit| 1 << bit).chain([0, 0xffff_ff00, 0x0060_0000]);
    options.flat_map(|options| (0..=255).map(move |mode| options | mode))
}

#[test]
fn no_command_draws_more_than_two_packets_whoever_sends_it() {
    let versions = ["1", "1_iptux 0.8.3", "1_lbt6_0#1", "1_pigeon", "1_pigeon-hub"];
    let mut most = 0;
    for extra in ["", "16\0", "n\0g\0i\0utf-8\0", "n\0g\0\nUN:u\nNN:n\0"] {
        let mut h = Harness::new();
        h.greeting = Some("welcome");
        h.prove(address(2), ENTRY);
        // A contact, a stranger, ourselves, and an invalid sender.
        for from in ["10.0.0.2:2425", "10.0.0.3:9", "10.0.0.1:2425", "255.255.255.255:2425"] {
            let from: SocketAddr = from.parse().unwrap();
            for (n, command) in commands().enumerate() {
                let version = versions[n % versions.len()];
                let bytes = format!("{version}:{n}:u:h:{command}:{extra}");
                let mut sent = h.hear(from, bytes);
                sent.extend(h.wait(5 * SECOND).into_iter().filter(|packet| {
                    // A text begun earlier is retransmitted in any case.
                    !packet.command.has(pigeon_ipmsg::option::RETRY)
                }));
                most = most.max(sent.len());
                assert!(sent.len() <= 2, "{from} {command:#x}: {sent:?}");
                let strays = sent.iter().filter(|packet| packet.to != from);
                assert_eq!(strays.count(), 0, "{from} {command:#x}");
            }
        }
    }
    println!("most packets for one: {most}");
}

#[test]
fn who_has_not_shown_that_it_receives_never_gets_more_than_it_sent() {
    let mut h = Harness::new();
    h.greeting = Some("welcome to the lobby");
    let (mut got, mut gave) = (BTreeMap::new(), BTreeMap::new());
    let mut n = 0_u32;
    for round in 0..40 {
        for command in [1, 257, 3, 4, 0x120, 0x20, 0x40, 0x50, 0x20_0120, 289, 2, 0x99] {
            for last in 10..40 {
                // The packets arrive in a different order each time, with pauses.
                if (u32::from(last) * 7 + n).is_multiple_of(5) {
                    continue;
                }
                n += 1;
                let from = address(last);
                *gave.entry(from).or_insert(0) += 1;
                let sent = h.hear(from, format!("1_iptux:{n}:u:h:{command}:a\0g\0i\0utf-8\0"));
                for packet in sent.into_iter().chain(h.wait(SECOND / 20)) {
                    *got.entry(packet.to).or_insert(0) += 1;
                }
                // The limit holds at every moment, not only at the end.
                for (to, packets) in &got {
                    assert!(packets <= gave.get(to).unwrap_or(&0), "{to} in round {round}");
                }
            }
        }
    }
    let (sent, received) = (got.values().sum::<u32>(), gave.values().sum::<u32>());
    println!("{sent} packets for {received}: {:.2}", f64::from(sent) / f64::from(received));
    assert!(sent > received / 10, "it did answer: {sent} of {received}");
}

#[test]
fn a_flood_of_entries_is_answered_once_a_second() {
    let mut h = Harness::new();
    let mut sent = 0;
    for n in 0..10_000 {
        sent += h.hear(address(2), format!("1:{n}:u:h:1:a\0g\0")).len();
        sent += h.wait(SECOND / 1_000).len();
    }
    assert!((5..=10).contains(&sent), "{sent} answers in ten seconds");
}

#[test]
fn an_answer_is_never_answered() {
    let mut h = Harness::new();
    h.prove(address(2), ENTRY);
    for n in 0..1_000 {
        assert_eq!(h.hear(address(2), format!("1_iptux:{n}:u:h:259:阿{n}\0一组\0i\0utf-8\0")), []);
        assert_eq!(h.hear(address(2), format!("1_iptux:{n}:u:h:289:{n}\0")), []);
    }
    assert_eq!(h.wait(20 * SECOND), []);
}

#[test]
fn gateways_of_our_kind_and_strangers_networks_are_no_contacts() {
    let mut h = Harness::new();
    h.hear(address(2), "1_pigeon-hub 0.1:1:u:h:1:大厅\0pigeon\0");
    h.hear(SocketAddr::from(([8, 8, 8, 8], 2425)), ENTRY);
    h.hear(address(1), ENTRY);
    h.hear(SocketAddr::from(([10, 0, 0, 7], 0)), ENTRY);
    assert_eq!(h.wait(10 * SECOND), []);
    assert_eq!(h.messenger.contacts().count(), 0);
    for why in [Ignored::Gateway, Ignored::NotOpen, Ignored::Own, Ignored::Forged] {
        assert_eq!(h.messenger.statistics().ignored_for(why), 1, "{why:?}");
    }
}

#[test]
fn the_table_of_contacts_is_bounded_and_who_proved_itself_stays() {
    let mut h = Harness::new();
    h.prove(address(2), ENTRY);
    for n in 0..10_000_u32 {
        let from = SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 2425));
        h.hear(from, ENTRY);
    }
    assert_eq!(h.messenger.contacts().count(), 4_096);
    assert!(h.messenger.contact(address(2)).is_some());
    let displaced = |event: &&Event| matches!(event, Event::Gone(_, WhyGone::Displaced));
    assert_eq!(h.events.iter().filter(displaced).count(), 10_001 - 4_096);
    for port in 1..100 {
        h.hear(SocketAddr::from(([10, 9, 9, 9], port)), ENTRY);
    }
    let here =
        h.messenger.contacts().filter(|contact| contact.address.ip().to_string() == "10.9.9.9");
    assert_eq!(here.count(), 8);
}

#[test]
fn a_contact_says_so_many_texts_a_second() {
    let mut h = Harness::new();
    for n in 0..1_000 {
        h.hear(address(2), format!("1:{n}:u:h:32:t{n}\0"));
        h.wait(SECOND / 100);
    }
    let said = h.said().len();
    assert!((200..=221).contains(&said), "{said}");
}

#[test]
fn two_gateways_of_other_kinds_do_not_answer_each_other_for_ever() {
    // A gateway that answers every packet.
    let mut gateway = config("甲", 1);
    gateway.identity.version = "1_other".into();
    let (mut a, mut b) = (Harness::new(), Harness::with(gateway));
    let (mut to_b, mut passed) = (a.hear(address(9), "1:1:u:h:1:x\0y\0"), 0);
    to_b.extend(a.wait(SECOND));
    for _ in 0..1_000 {
        let write = |packet: &crate::harness::Sent| {
            let command = packet.command.bits();
            [format!("1_other:{}:u:h:{command}:", packet.number).as_bytes(), &packet.extra].concat()
        };
        passed += to_b.len();
        let mut to_a: Vec<_> = to_b.iter().flat_map(|p| b.hear(address(8), write(p))).collect();
        to_a.extend(b.wait(SECOND));
        passed += to_a.len();
        to_b = to_a.iter().flat_map(|p| a.hear(address(9), write(p))).collect();
        to_b.extend(a.wait(SECOND));
    }
    assert!(passed <= 40, "{passed} packets in 2,000 s");
}
