//! `/resume WORD`: a name and its room are reclaimed from another address.

use pigeon_hub::{Config, Dropped, Left};
use pigeon_proto::Format::{Chat, Classic};

use crate::harness::{Harness, SECOND, got, local, told};

fn config(secret: u8) -> Config {
    Config { secret: [secret; 16], ..Config::default() }
}

/// A member called dog in the room `ops`, another beside it, and dog's token.
fn with_dog() -> (Harness, String) {
    let mut h = Harness::new(config(7));
    h.join(&[local(5001), local(5002)]);
    let word = h.nick(local(5001), "dog");
    h.from(local(5001), "/join ops");
    h.from(local(5002), "/join ops");
    h.wait(2 * SECOND);
    (h, word)
}

fn is_dog(h: &Harness, port: u16) -> bool {
    h.name_of(local(port)).as_deref() == Some("dog")
}

#[test]
fn a_name_and_its_room_come_back_while_the_old_member_is_still_there() {
    let (mut h, word) = with_dog();
    let sent = h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
    assert_eq!(h.room_of(local(6001)).as_deref(), Some("ops"));
    let answer = told(&sent, local(6001)).concat();
    assert!(answer.contains("dog") && answer.contains("ops"), "{answer:?}");
    // The previous one is notified, and is no longer a member.
    assert_eq!(told(&sent, local(5001)).len(), 1);
    assert!(!h.is_member(local(5001)));
    assert_eq!(h.hub.statistics().left(Left::Moved), 1);
    assert_eq!(got(&h.from(local(6001), "back"), local(5002)), ["dog: back\n"]);
}

#[test]
fn a_name_and_its_room_come_back_after_a_time_out_and_after_quit() {
    let go: [fn(&mut Harness); 2] =
        [|h| h.keep(&[local(5002)], 60 * SECOND), |h| drop(h.from(local(5001), "quit"))];
    for go in go {
        let (mut h, word) = with_dog();
        go(&mut h);
        assert!(!h.is_member(local(5001)));
        h.from(local(6001), format!("/resume {word}"));
        assert!(is_dog(&h, 6001));
        assert_eq!(h.room_of(local(6001)).as_deref(), Some("ops"));
    }
}

#[test]
fn the_same_address_may_resume_too() {
    let (mut h, word) = with_dog();
    h.from(local(5001), "quit");
    h.from(local(5001), format!("/resume {word}"));
    assert!(is_dog(&h, 5001));
    // A repetition does no harm.
    let sent = h.from(local(5001), format!("/resume {word}"));
    assert_eq!(told(&sent, local(5001)).len(), 1);
    assert!(is_dog(&h, 5001));
    assert_eq!(h.hub.statistics().left(Left::Moved), 0);
}

#[test]
fn a_room_that_has_closed_opens_again() {
    let (mut h, word) = with_dog();
    h.from(local(5002), "/leave");
    h.from(local(5001), "quit");
    assert_eq!(h.rooms().len(), 1);
    h.from(local(6001), format!("/resume {word}"));
    assert_eq!(h.room_of(local(6001)).as_deref(), Some("ops"));
}

#[test]
fn a_full_room_costs_the_room_and_not_the_name() {
    let mut h = Harness::new(Config { max_per_room: Some(2), ..config(7) });
    let word = h.nick(local(5001), "dog");
    h.from(local(5001), "/join ops");
    h.from(local(5002), "/join ops");
    h.from(local(5001), "quit");
    h.from(local(5003), "/join ops");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
    assert_eq!(h.room_of(local(6001)).as_deref(), Some("lobby"));
}

#[test]
fn a_word_is_good_for_nine_minutes_of_absence() {
    let (mut h, word) = with_dog();
    h.keep(&[local(5002)], 9 * 60 * SECOND);
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
}

#[test]
fn names_that_are_given_up_before_their_time_are_counted() {
    let mut h = Harness::format(Classic);
    for n in 0..10_003 {
        h.hear(local(5001), format!("/nick dog{n}"));
        h.from(local(5001), "quit");
    }
    assert_eq!(h.hub.statistics().names_given_up, 3);
}

#[test]
fn a_name_somebody_else_took_does_not_come_back() {
    let (mut h, word) = with_dog();
    h.from(local(5001), "quit");
    h.nick(local(5003), "DOG");
    let sent = h.from(local(6001), format!("/resume {word}"));
    assert_eq!(told(&sent, local(6001)).len(), 1);
    assert_eq!(h.name_of(local(6001)), None);
    assert_eq!(h.name_of(local(5003)).as_deref(), Some("DOG"));
}

#[test]
fn the_last_of_several_moves_counts() {
    let (mut h, word) = with_dog();
    for port in 6001..=6005 {
        h.from(local(port), format!("/resume {word}"));
        assert!(is_dog(&h, port));
    }
    assert_eq!(h.hub.member_count(), 2);
}

#[test]
fn a_name_given_up_for_another_does_not_come_back() {
    let (mut h, word) = with_dog();
    let other = h.nick(local(5001), "cat");
    h.from(local(6001), format!("/resume {word}"));
    assert_eq!(h.name_of(local(6001)), None);
    assert_eq!(h.name_of(local(5001)).as_deref(), Some("cat"));
    h.from(local(6001), format!("/resume {other}"));
    assert_eq!(h.name_of(local(6001)).as_deref(), Some("cat"));
}

#[test]
fn whoever_resumes_gives_up_the_name_it_has() {
    let (mut h, word) = with_dog();
    let cat = h.nick(local(6001), "cat");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
    h.from(local(6002), format!("/resume {cat}"));
    assert_eq!(h.name_of(local(6002)), None);
    // Any member may take the other.
    h.nick(local(6003), "cat");
}

#[test]
fn forged_words_take_nothing() {
    let (mut h, word) = with_dog();
    let (number, code) = word.split_once('-').unwrap();
    let mut forged = vec![
        String::new(),
        "-".to_string(),
        number.to_string(),
        format!("{number}-"),
        format!("{number}-{}", &code[1..]),
        format!("{number}-{code}a"),
        format!("{}-{code}", number.parse::<u32>().unwrap() + 1),
        format!("0-{code}"),
        format!("99999999999999999999-{code}"),
        code.to_string(),
        word.to_uppercase(),
        "dog".to_string(),
        format!("{word} x"),
    ];
    for n in 0..code.len() {
        let other = if code.as_bytes()[n] == b'a' { "b" } else { "a" };
        let mut code = code.to_string();
        code.replace_range(n..=n, other);
        forged.push(format!("{number}-{code}"));
    }
    for word in forged {
        h.now = h.now + SECOND;
        h.from(local(5001), "^hb^");
        let sent = h.from(local(6001), format!("/resume {word}"));
        assert_eq!(told(&sent, local(6001)).len(), 1, "{word}");
        assert!(is_dog(&h, 5001) && h.name_of(local(6001)).is_none(), "{word}");
    }
}

#[test]
fn wrong_words_keep_nobody_from_giving_the_right_one() {
    let (mut h, word) = with_dog();
    for n in 0..1_000 {
        h.from(local(6001 + n % 50), format!("/resume 1-{n:016}"));
    }
    assert!(is_dog(&h, 5001), "80 bits, guessed in a thousand");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
    assert_eq!(h.dropped(Dropped::GuessLimited), 0);
}

#[test]
fn words_differ_for_every_name_and_every_hub() {
    let mut words = Vec::new();
    for secret in [1, 2, 3] {
        let mut h = Harness::new(config(secret));
        h.join(&[local(5001)]);
        for name in ["dog", "cat", "dog"] {
            words.push(h.nick(local(5001), name));
        }
    }
    words.sort();
    words.dedup();
    assert_eq!(words.len(), 9);
}

#[test]
fn another_hubs_word_is_worth_nothing() {
    let (_, word) = with_dog();
    let mut h = Harness::new(config(8));
    h.nick(local(5001), "dog");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 5001));
}

#[test]
fn a_word_does_not_replace_the_password() {
    let mut h = Harness::new(Config { password: Some("s".into()), ..config(7) });
    h.from(local(5001), "/pass s");
    let word = h.nick(local(5001), "dog");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 5001) && h.room_of(local(6001)).is_none());
    h.from(local(6001), "/pass s");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
}

#[test]
fn only_the_one_who_asked_learns_its_word() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let mut sent = h.from(local(5001), "/nick dog");
    sent.extend(h.wait(5 * SECOND));
    assert!(got(&sent, local(5001)).concat().contains("/resume "));
    assert!(!got(&sent, local(5002)).concat().contains("/resume"));
}

#[test]
fn classic_members_resume_too() {
    let mut h = Harness::format(Classic);
    let word = h.nick(local(5001), "dog");
    h.from(local(6001), format!("/resume {word}"));
    assert!(is_dog(&h, 6001));
    assert!(!h.is_member(local(5001)));
}

#[test]
fn a_name_is_kept_ten_minutes_from_the_last_absence() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002), local(5003), local(5004)]);
    h.from(local(5002), "/nick other");
    let word = h.nick(local(5001), "dog");
    // Left for a minute, and returned.
    h.from(local(5001), "quit");
    h.keep(&[local(5002), local(5003)], 60 * SECOND);
    h.from(local(5003), format!("/resume {word}"));
    assert!(h.name_of(local(5003)).is_some());
    // Nine minutes later gone again, and a minute later another member leaves.
    h.keep(&[local(5002), local(5003)], 540 * SECOND);
    h.from(local(5003), "quit");
    h.keep(&[local(5002), local(5004)], 20 * SECOND);
    h.from(local(5002), "quit");
    h.from(local(5004), format!("/resume {word}"));
    assert!(
        h.name_of(local(5004)).is_some(),
        "gone for twenty seconds, and the word is worth nothing"
    );
}

#[test]
fn a_word_is_good_for_ten_minutes_and_no_longer() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    let word = h.nick(local(5001), "dog");
    h.from(local(5001), "quit");
    h.wait(24 * 3600 * SECOND);
    h.from(local(5002), format!("/resume {word}"));
    assert!(h.name_of(local(5002)).is_none(), "a day later");
}

/// A program that only listens for longer than the time-out, and then sends from the same address.
#[test]
fn who_falls_silent_comes_back_with_name_room_and_encoding() {
    let mut h = Harness::new(config(7));
    h.join(&[local(5001), local(5002)]);
    h.from(local(5001), "/nick 小红");
    h.from(local(5001), "/encoding gbk");
    h.from(local(5001), "/join ops");
    h.from(local(5002), "/join ops");
    h.keep(&[local(5002)], 60 * SECOND);
    assert!(!h.is_member(local(5001)));
    // 你好 in GBK.
    let sent = h.from(local(5001), b"\xc4\xe3\xba\xc3");
    assert_eq!(got(&sent, local(5002)), ["小红: 你好\n"]);
    assert_eq!(h.room_of(local(5001)).as_deref(), Some("ops"));
    // Another address gets nothing back, nor does a member that said goodbye.
    h.from(local(5003), "hi");
    assert_eq!(h.name_of(local(5003)), None);
    h.from(local(5001), "quit");
    h.from(local(5001), "hi");
    assert_eq!(h.name_of(local(5001)), None);
}

#[test]
fn who_comes_back_after_somebody_took_its_name_has_none() {
    let mut h = Harness::new(config(7));
    h.join(&[local(5001), local(5002)]);
    h.from(local(5001), "/nick dog");
    // Less than a minute: the name is not reserved.
    h.keep(&[local(5002)], 40 * SECOND);
    h.from(local(5002), "/nick dog");
    assert!(is_dog(&h, 5002));
    h.from(local(5001), "hi");
    assert_eq!(h.name_of(local(5001)), None);
    // After a kick nothing returns automatically.
    let (mut h, _) = with_dog();
    h.keep(&[local(5001), local(5002)], 70 * SECOND);
    h.keep(&[local(5002)], 60 * SECOND);
    h.kick("dog");
    h.wait(700 * SECOND);
    h.from(local(5001), "hi");
    assert_eq!(h.name_of(local(5001)), None);
}
