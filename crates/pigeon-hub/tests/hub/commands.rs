//! `/nick`, `/who`, `/help`, and texts that are not commands.

use pigeon_hub::Config;
use pigeon_proto::Format::{Chat, Classic};
use pigeon_proto::Name;

use crate::harness::{Harness, SECOND, Sent, address, got, local};

/// The only line, which only `asker` got.
fn answer(sent: &[Sent], asker: std::net::SocketAddr) -> String {
    assert_eq!(sent.len(), 1, "{sent:?}");
    let answer = got(sent, asker).concat();
    let text = answer.strip_suffix('\n').unwrap_or(&answer);
    assert!(text.starts_with("* "), "{answer:?}");
    assert!(!text.contains(|c: char| c.is_control()), "{answer:?}");
    answer
}

/// Checks an answer with its reader's name, which a resume token may follow.
fn assert_named(answer: &str, name: &str) {
    let rest = answer.strip_prefix(&format!("* you are {name}"));
    assert!(rest.is_some_and(|rest| rest.starts_with(", in ")), "{answer:?}");
}

#[test]
fn nick_says_who_one_is_now() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let sent = h.from(local(5001), "/nick 狗哥");
    assert_named(&answer(&sent, local(5001)), "狗哥");
    let sent = h.from(local(5001), "  /nick   monkey \r\n");
    assert_named(&answer(&sent, local(5001)), "monkey");
    let view = h.hub.members().find(|member| member.address == Some(local(5001))).unwrap();
    assert_eq!(view.name.unwrap().as_str(), "monkey");
}

#[test]
fn a_command_makes_a_member_and_may_be_its_first_datagram() {
    let mut h = Harness::chat();
    let sent = h.from(local(5001), "/nick dog");
    assert_named(&answer(&sent, local(5001)), "dog");
    assert!(h.is_member(local(5001)));
}

#[test]
fn names_that_could_mislead_are_refused_with_a_reason() {
    let long = "x".repeat(33);
    let wide = "狗".repeat(33);
    let bad: [&[u8]; 16] = [
        b"/nick two words",
        b"/nick a\tb",
        "/nick a\u{3000}b".as_bytes(),
        "/nick a\u{a0}b".as_bytes(),
        b"/nick a:b",
        b"/nick :",
        b"/nick 127.0.0.1:5002",
        b"/nick a\x1b[31m",
        b"/nick a\nb",
        "/nick a\u{202e}b".as_bytes(),
        "/nick a\u{200b}b".as_bytes(),
        "/nick \u{200d}".as_bytes(),
        "/nick \u{e000}".as_bytes(),
        b"/nick \xc4\xe3",
        b"/nick hub",
        b"/nick HUB",
    ];
    let too_long = [format!("/nick {long}").into_bytes(), format!("/nick {wide}").into_bytes()];
    for nick in bad.into_iter().chain(too_long.iter().map(|nick| &nick[..])) {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        h.from(local(5001), b"\xff");
        let sent = h.from(local(5001), nick);
        let shown = nick.escape_ascii();
        let answer = answer(&sent, local(5001));
        let reason = answer.strip_prefix("* you keep your name: ").unwrap_or_else(|| {
            panic!("{shown}: {answer:?}");
        });
        assert!(reason.len() > 10 && reason.ends_with('\n'), "{shown}: {answer:?}");
        assert_eq!(got(&h.from(local(5001), "hi"), local(5002)), ["127.0.0.1:5001: hi\n"]);
    }
}

#[test]
fn nick_without_a_name_changes_nothing() {
    for nick in ["/nick", "/nick  \n"] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        h.from(local(5001), "/nick dog");
        let answer = answer(&h.from(local(5001), nick), local(5001));
        assert!(answer.contains("dog") && answer.ends_with('\n'), "{answer:?}");
        assert_eq!(got(&h.from(local(5001), "hi"), local(5001)), ["dog: hi\n"]);
    }
}

#[test]
fn a_refusal_leaves_the_old_name() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/nick dog");
    let answer = answer(&h.from(local(5001), "/nick a:b"), local(5001));
    assert!(answer.starts_with("* you keep your name: "), "{answer:?}");
    assert_eq!(got(&h.from(local(5001), "hi"), local(5001)), ["dog: hi\n"]);
}

#[test]
fn names_have_up_to_32_characters_of_any_script() {
    for name in ["x", &"x".repeat(32), &"狗".repeat(32), "Ελένη", "a*", "a.b-c_d", "e\u{301}"]
    {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        let sent = h.from(local(5001), format!("/nick {name}"));
        assert_named(&answer(&sent, local(5001)), name);
    }
}

#[test]
fn no_two_members_have_names_that_differ_only_in_capitals() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.from(local(5001), "/nick Éva");
    for taken in ["Éva", "éva", "ÉVA"] {
        let answer = answer(&h.from(local(5002), format!("/nick {taken}")), local(5002));
        assert!(answer.contains("in use"), "{taken}: {answer:?}");
    }
}

#[test]
fn one_may_change_the_capitals_of_ones_own_name() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/nick dog");
    for name in ["Dog", "DOG", "DOG"] {
        let sent = h.from(local(5001), format!("/nick {name}"));
        assert_named(&answer(&sent, local(5001)), name);
    }
}

#[test]
fn a_name_is_free_again_when_its_owner_changes_it_or_goes() {
    let go: [fn(&mut Harness); 4] = [
        |h| drop(h.from(local(5001), "/nick other")),
        |h| drop(h.from(local(5001), "quit")),
        |h| drop(h.kick("dog")),
        |h| {
            h.wait(20 * SECOND);
            h.from(local(5002), "^hb^");
            h.wait(11 * SECOND);
        },
    ];
    for go in go {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        h.from(local(5001), "/nick dog");
        go(&mut h);
        let sent = h.from(local(5002), "/nick DOG");
        assert_named(&answer(&sent, local(5002)), "DOG");
    }
}

#[test]
fn a_member_that_comes_back_starts_without_a_name() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    h.from(local(5001), "/nick dog");
    h.from(local(5001), "quit");
    assert_eq!(got(&h.from(local(5001), "hi"), local(5001)), ["127.0.0.1:5001: hi\n"]);
}

#[test]
fn who_counts_and_names_the_members() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    h.from(address("[::1]:7"), "");
    h.from(local(5002), "/nick 狗哥");
    let answer = answer(&h.from(local(5001), "/who"), local(5001));
    assert!(answer.starts_with("* 2 people, 1 sender in lobby"), "{answer:?}");
    let (_, names) = answer.split_once(": ").unwrap_or_else(|| panic!("{answer:?}"));
    let mut names: Vec<&str> = names.trim_end().split(", ").collect();
    names.sort_unstable();
    assert_eq!(names, ["127.0.0.1:5001", "[::1]:7", "狗哥"]);
}

#[test]
fn who_counts_the_asker_even_if_that_is_its_first_datagram() {
    let mut h = Harness::chat();
    let answer = answer(&h.from(local(5001), "/who"), local(5001));
    assert!(
        answer.starts_with("* 1 person in lobby") && answer.contains("127.0.0.1:5001"),
        "{answer:?}"
    );
}

#[test]
fn who_stays_one_datagram_that_any_network_carries() {
    let mut h = Harness::chat();
    for port in 5001..=7000 {
        h.from(local(port), format!("/nick {}{port}", "狗".repeat(28)));
    }
    let answer = answer(&h.from(local(5001), "/who"), local(5001));
    assert!(answer.starts_with("* 2000 people in lobby"), "{answer:?}");
    assert!(answer.len() <= 1_232, "{} bytes", answer.len());
}

#[test]
fn help_is_one_line_that_names_what_there_is() {
    let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
    let answer = answer(&h.from(local(5001), "/help"), local(5001));
    for word in [
        "/nick",
        "/who",
        "/join",
        "/leave",
        "/rooms",
        "/msg",
        "/encoding",
        "/quiet",
        "/resume",
        "quit",
    ] {
        assert!(answer.contains(word), "{word}: {answer:?}");
    }
}

#[test]
fn an_unknown_command_gets_one_line_saying_so() {
    let unknown: [&[u8]; 7] = [
        b"/nonsense",
        b"/",
        b"/nickname dog",
        b"/whoever",
        b"/\x1b[31m",
        b"/a\nb * c",
        b"/\xff\xfe \xff",
    ];
    for command in unknown {
        let mut h = Harness::with_members(Chat, &[local(5001), local(5002)]);
        // The hint about UTF-8 has been sent already.
        h.from(local(5001), b"\xff");
        let answer = answer(&h.from(local(5001), command), local(5001));
        assert!(answer.ends_with('\n') && answer.len() < 300, "{answer:?}");
        assert!(!answer.starts_with("* you are"), "{answer:?}");
    }
}

#[test]
fn an_unknown_command_of_any_length_gets_a_short_line() {
    for length in [100, 1_000, 8_000] {
        let mut h = Harness::with_members(Chat, &[local(5001)]);
        let answer = answer(&h.from(local(5001), format!("/{}", "x".repeat(length))), local(5001));
        assert!(answer.len() < 300, "{} bytes", answer.len());
    }
}

#[test]
fn classic_answers_commands_without_a_newline() {
    let mut h = Harness::with_members(Classic, &[local(5001)]);
    h.from(local(5002), "");
    assert_named(&answer(&h.from(local(5001), "/nick dog"), local(5001)), "dog");
    for command in ["/who", "/help", "/nonsense", "/nick a:b"] {
        let answer = answer(&h.from(local(5001), command), local(5001));
        assert!(!answer.contains('\n'), "{answer:?}");
    }
    let who = answer(&h.from(local(5001), "/who"), local(5001));
    assert!(who.starts_with("* 1 person, 1 sender") && who.contains("dog"), "{who:?}");
}

#[test]
fn commands_are_counted() {
    let mut h = Harness::with_members(Chat, &[local(5001)]);
    for command in ["/who", "/help", "/nick dog"] {
        h.from(local(5001), command);
    }
    assert_eq!(h.hub.statistics().commands, 3);
    assert_eq!(h.hub.statistics().messages, 0);
}

#[test]
fn nobody_is_called_hub_whatever_the_hub_itself_is_called() {
    let mut h = Harness::new(Config { name: Name::parse(b"school").unwrap(), ..Config::default() });
    h.from(local(5001), "/nick hub");
    assert_eq!(h.name_of(local(5001)), None);
}
