//! Joins, leaves and time-outs: collected for a second into one line, which does not go to the
//! member concerned.

use std::time::Duration;

use pigeon_hub::Config;
use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{Harness, NANOSECOND, SECOND, address, got, local};

const NOTHING: [&str; 0] = [];

#[test]
fn a_join_is_told_after_a_second() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    assert_eq!(h.from(local(5002), "^hb^"), []);
    assert_eq!(h.wait(SECOND - NANOSECOND), []);
    assert_eq!(h.wait(NANOSECOND), [(local(5001), b"* 127.0.0.1:5002 joined\n".to_vec())]);
    h.from(local(5001), "^hb^");
    assert_eq!(h.wait(20 * SECOND), []);
}

#[test]
fn programs_that_only_send_come_and_go_without_notices() {
    let reader = local(5001);
    let mut h = Harness::with_members(Chat, &[reader]);
    for (first, port) in [("21.5", 5002), ("", 5003)] {
        let sensor = local(port);
        h.from(sensor, first);
        assert_eq!(h.wait(2 * SECOND), [], "{first:?}: it came");
        h.from(sensor, "quit");
        assert_eq!(h.wait(2 * SECOND), [], "{first:?}: it left");
        h.from(sensor, first);
        h.keep(&[reader], 25 * SECOND);
        assert!(!got(&h.wait(10 * SECOND), reader).concat().contains(&port.to_string()));
        h.from(reader, "^hb^");
        h.from(sensor, first);
        h.kick(&sensor.to_string());
        assert_eq!(h.wait(2 * SECOND), [], "{first:?}: removed");
    }
    let sensor = local(5004);
    // A member is announced when it first shows that it may have a reader.
    for shows in ["^hb^", "/who", "/nick dog", "/dance"] {
        h.from(sensor, "21.5");
        h.wait(2 * SECOND);
        h.from(reader, "^hb^");
        h.from(sensor, shows);
        let called = if shows == "/nick dog" { "dog" } else { "127.0.0.1:5004" };
        assert_eq!(got(&h.wait(2 * SECOND), reader), [format!("* {called} joined\n")]);
        h.from(sensor, "quit");
        assert_eq!(got(&h.wait(2 * SECOND), reader), [format!("* {called} left\n")]);
    }
}

#[test]
fn joins_within_a_second_are_one_line() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5002), "^hb^");
    h.wait(Duration::from_millis(600));
    h.from(local(5003), "^hb^");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), ["* 127.0.0.1:5002, 127.0.0.1:5003 joined\n"]);
}

#[test]
fn news_of_two_seconds_is_two_lines() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5002), "^hb^");
    h.wait(Duration::from_millis(1_500));
    h.from(local(5003), "^hb^");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5003 joined\n"]);
}

#[test]
fn nobody_is_told_about_itself() {
    let mut h = Harness::chat();
    h.from(local(5001), "^hb^");
    assert_eq!(h.wait(5 * SECOND), []);

    h.from(local(5002), "^hb^");
    h.from(local(5003), "^hb^");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), ["* 127.0.0.1:5002, 127.0.0.1:5003 joined\n"]);
    // The second member joined after the first, so that is news to the first.
    assert_eq!(got(&sent, local(5002)), ["* 127.0.0.1:5003 joined\n"]);
    let third = got(&sent, local(5003));
    assert!(third.len() <= 1 && !third.concat().contains("5003"), "{third:?}");
}

#[test]
fn joins_and_a_time_out_of_one_second_share_a_line() {
    // The specification's example, word for word.
    let (reader, idle, dog, monkey) = (local(4999), local(5000), local(5001), local(5002));
    let mut h = Harness::with_members(Chat, &[reader]);
    h.from(idle, "^hb^");
    h.wait(20 * SECOND);
    h.from(reader, "^hb^");
    h.wait(Duration::from_millis(9_500));
    h.from(dog, "/nick 狗哥");
    h.from(monkey, "/nick 猴哥");
    let sent = h.wait(SECOND);
    assert_eq!(got(&sent, reader), ["* 狗哥, 猴哥 joined; 127.0.0.1:5000 timed out\n"]);
}

#[test]
fn leaving_is_told_with_its_reason() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003)]);
    h.from(local(5002), "quit");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 127.0.0.1:5002 left\n"]);
    h.kick("127.0.0.1:5003");
    let sent = h.wait(2 * SECOND);
    assert_eq!(got(&sent, local(5001)), ["* 127.0.0.1:5003 removed by the operator\n"]);
    assert_eq!(got(&sent, local(5003)), NOTHING);
}

#[test]
fn a_notice_calls_a_leaver_by_the_name_it_had() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.from(local(5002), "/nick 狗哥");
    h.wait(2 * SECOND);
    h.from(local(5002), "quit");
    assert_eq!(got(&h.wait(2 * SECOND), local(5001)), ["* 狗哥 left\n"]);
}

#[test]
fn a_notice_names_an_ipv6_member_in_brackets() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(address("[fd00::7]:9"), "^hb^");
    assert_eq!(got(&h.wait(SECOND), local(5001)), ["* [fd00::7]:9 joined\n"]);
}

#[test]
fn a_crowd_is_one_short_line() {
    let mut h = Harness::with_members(Chat, &[local(4000)]);
    for port in 5001..=5090 {
        h.from(local(port), "^hb^");
    }
    let sent = h.wait(2 * SECOND);
    let told = got(&sent, local(4000));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("* ") && told[0].ends_with(" joined\n"), "{told:?}");
    assert_eq!(told[0].matches('\n').count(), 1);
    // No member got more than one line either.
    assert!((5001..=5090).all(|port| got(&sent, local(port)).len() <= 1));
}

#[test]
fn a_hub_above_the_limit_gives_no_notices() {
    let mut h = Harness::new(Config { notices_up_to: 3, ..Config::default() });
    h.join(&[local(5001), local(5002)]);
    h.from(local(5003), "^hb^");
    assert_eq!(got(&h.wait(SECOND), local(5001)), ["* 127.0.0.1:5003 joined\n"]);
    h.from(local(5004), "^hb^");
    assert_eq!(h.wait(3 * SECOND), []);
    // One of four leaves, and the other three get notices again.
    h.from(local(5004), "quit");
    h.wait(3 * SECOND);
    h.from(local(5003), "quit");
    assert_eq!(got(&h.wait(3 * SECOND), local(5001)), ["* 127.0.0.1:5003 left\n"]);
}

#[test]
fn by_default_a_hundred_get_notices_and_a_hundred_and_one_none() {
    let members: Vec<_> = (5001..=5099).map(local).collect();
    let mut h = Harness::with_members(Chat, &members);
    h.from(local(6000), "^hb^");
    assert_eq!(got(&h.wait(SECOND), local(5001)), ["* 127.0.0.1:6000 joined\n"]);
    h.from(local(6001), "^hb^");
    assert_eq!(h.wait(3 * SECOND), []);
}

#[test]
fn classic_and_raw_give_no_notices() {
    for format in [Classic, Raw] {
        let mut h = Harness::with_members(format, &[local(5001)]);
        h.from(local(5002), "^hb^");
        h.from(local(5003), "^hb^");
        assert_eq!(h.wait(3 * SECOND), []);
        h.from(local(5002), "quit");
        h.kick("127.0.0.1:5003");
        assert_eq!(h.wait(3 * SECOND), [], "{format:?}");
    }
}

#[test]
fn notices_do_not_keep_their_readers_as_members() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    for port in 0..8 {
        h.from(local(6000 + port), "^hb^");
        h.wait(4 * SECOND);
    }
    assert!(!h.is_member(local(5001)));
}
