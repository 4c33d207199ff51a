//! The full screen on real terminals: chatting, resizing, leaving, and being killed.

use std::net::SocketAddr;

use crate::peers::{installed, python_to};
use crate::pigeon::{HEARTBEAT, hub};
use crate::ports::ClosedPort;
use crate::process::{SOON, hears_hangup, wait_until};
use crate::pty::{Terminal, is_stopped, status_when_closed};

const SIZE: (u16, u16) = (80, 20);
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";
const PAGE_UP: &str = "\x1b[5~";

fn join(hub: SocketAddr, nick: &str) -> Terminal {
    let hub = hub.to_string();
    let args = ["join", &hub, "--nick", nick, "--heartbeat", HEARTBEAT];
    let terminal = Terminal::start(nick, SIZE, &args);
    terminal.expect_text(&format!("you are {nick}"));
    terminal
}

#[test]
fn two_people_and_a_program_talk_in_chinese() {
    let hub = hub(&[]);
    let dog = join(hub.address, "狗哥");
    let ape = join(hub.address, "猴哥");
    // On a busy machine the name comes in a notice of its own.
    dog.expect("a second person", |screen| {
        screen.contains("猴哥 joined") || screen.contains("is now 猴哥")
    });
    dog.assert_taken();
    dog.press("你好，猴哥\r");
    for person in [&dog, &ape] {
        person.expect_text("狗哥: 你好，猴哥");
    }
    if installed("python3") {
        let mut program = python_to("plain_member.py", hub.address, &[]);
        program.say("大家好，我是传感器");
        for person in [&dog, &ape] {
            person.expect_text(": 大家好，我是传感器");
        }
        ape.press("收到 👍\r");
        program.expect_line(|line| line == "猴哥: 收到 👍", SOON);
    }
    // Members are on the left, and the status line shows the round trip.
    dog.expect("members and status", |screen| {
        let left = |name| screen.lines().any(|line| line.starts_with(&format!("  {name}")));
        left("狗哥") && left("猴哥") && screen.contains("round trip")
    });

    let before = ape.expect("all that was said", |screen| screen.contains("狗哥: 你好，猴哥"));
    ape.resize((20, 5));
    ape.press("x");
    ape.expect("a tiny screen", |screen| screen.lines().last() == Some("> x"));
    dog.press("小\r");
    ape.expect_text("狗哥: 小");
    ape.resize((1, 1));
    ape.resize(SIZE);
    ape.press("\x08");
    let after = ape.expect("everything again", |screen| {
        screen.contains("狗哥: 小")
            && screen.contains("狗哥: 你好，猴哥")
            && screen.contains("round trip")
    });
    let said = |screen: &str| -> Vec<String> {
        let messages = screen.lines().filter_map(|line| Some(line.split_once('│')?.1.to_string()));
        messages.filter(|line| line.contains(": ") && line.contains("哥: ")).collect()
    };
    // All earlier lines are back in place.
    assert!(said(&before).iter().all(|line| said(&after).contains(line)), "{before}\n{after}");
}

#[test]
fn people_speak_with_one_another_alone() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    let ape = join(hub.address, "ape");
    dog.press("/msg ape psst\r");
    ape.expect_text("(1)");
    // Alt-A: the next unread conversation.
    ape.press("\x1ba");
    ape.expect_text("dog: psst");
    ape.press("what?\r");
    dog.expect_text("(1)");
    dog.press("\x1ba");
    dog.expect("both sides of it", |screen| {
        screen.contains("dog: psst") && screen.contains("ape: what?")
    });
}

#[test]
fn at_a_raw_hub_a_person_sees_what_he_says() {
    let hub = hub(&["--format", "raw"]);
    let address = hub.address.to_string();
    let dog = Terminal::start("raw", SIZE, &["join", &address, "--heartbeat", HEARTBEAT]);
    dog.expect_text("joined");
    // The hub has reported its raw format, so no copy is expected.
    dog.press("one\r");
    dog.expect_text("you: one");
    dog.press("two\r");
    let screen = dog.expect_text("you: two");
    assert_eq!(screen.matches("two").count(), 1, "{screen}");
    assert!(!screen.contains("no copy came back"), "{screen}");
}

#[test]
fn several_pasted_lines_wait_for_an_answer() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    dog.press("\x1b[200~first\rsecond\rthird\x1b[201~");
    dog.expect_text("3 lines pasted");
    dog.press("s");
    dog.expect("three messages", |screen| {
        ["dog: first", "dog: second", "dog: third"].iter().all(|line| screen.contains(line))
    });
}

#[test]
fn what_is_typed_ahead_is_not_lost_whatever_else_happens() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    // More than one read returns, during a change of size.
    dog.press(&"x".repeat(3_000));
    dog.resize((100, 30));
    dog.press("\x01begin \x05 end");
    dog.expect_text(&format!("{} end", "x".repeat(40)));
    dog.press("\x01");
    dog.expect_text("> begin xxx");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let hub = hub(&[]);
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        if signal == "HUP" && !hears_hangup() {
            continue;
        }
        let mut dog = join(hub.address, "dog");
        dog.press("half a line");
        dog.expect_text("> half a line");
        dog.assert_taken();
        dog.signal(signal);
        assert_eq!(dog.expect_end(), status, "SIG{signal}");
        dog.assert_given_back();
    }
    hub.expect_members(0);
}

/// The terminal's end may be noticed before SIGHUP, and looks like Ctrl-D.
#[test]
fn a_terminal_that_is_closed_is_told_from_leaving() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    for args in
        [&["join", &at][..], &["join", &at, "--line"], &["chat", &at], &["chat", &at, "--line"]]
    {
        let shown = if args[0] == "join" { "a pigeon hub" } else { "listening on" };
        for _ in 0..5 {
            assert_eq!(status_when_closed(args, shown), 129, "{args:?}");
        }
    }
}

#[test]
fn a_terminal_that_takes_nothing_holds_up_no_end() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    let mut dog = Terminal::start("dog", (200, 60), &["join", &at]);
    dog.expect_text("a pigeon hub");
    dog.look_away();
    let flooder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    // A second of frames: far more than a terminal's buffer holds.
    for n in 0..1_000 {
        flooder.send_to(format!("{n} {}", "x".repeat(150)).as_bytes(), hub.address).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    dog.signal("TERM");
    assert_eq!(dog.expect_end(), 143);
    assert!(dog.modes_are_back());
}

#[test]
fn leaving_gives_the_terminal_back() {
    let hub = hub(&[]);
    for (keys, status) in [(CTRL_D, 0), ("quit\r", 0), ("/quit\r", 0), (CTRL_C, 130)] {
        let mut dog = join(hub.address, "dog");
        dog.press(keys);
        assert_eq!(dog.expect_end(), status, "{keys:?}");
        dog.assert_given_back();
    }
    hub.expect_members(0);
}

#[test]
fn going_to_the_shell_and_back_keeps_everything() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    dog.press("hello\rdraft");
    dog.expect_text("dog: hello");
    for stop in [|dog: &Terminal| dog.press(CTRL_Z), |dog: &Terminal| dog.signal("TSTP")] {
        stop(&dog);
        wait_until("the program stops", || is_stopped(dog.id()).then_some(()));
        dog.assert_given_back();
        dog.signal("CONT");
        dog.expect("the screen again", |screen| {
            screen.contains("dog: hello") && screen.contains("> draft")
        });
        dog.assert_taken();
    }
}

#[test]
fn a_hub_that_falls_silent_is_told_and_the_person_can_type_on() {
    let mut hub = hub(&[]);
    let dog = join(hub.address, "dog");
    hub.say("quit");
    hub.expect_end(SOON);
    dog.expect_text("no answer for");
    dog.press("still typing");
    dog.expect_text("> still typing");
}

#[test]
fn where_nobody_listens_the_reason_stays_readable() {
    let nobody = ClosedPort::new();
    let mut dog = Terminal::start("dog", SIZE, &["join", &nobody.address()]);
    assert_eq!(dog.expect_end(), 1);
    dog.assert_given_back();
    dog.expect_text("refused: nobody listens there");
}

#[test]
fn lines_are_for_the_asking_and_for_terminals_that_have_no_cursor() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    for (args, term) in [(vec!["join", &at, "--line"], "xterm"), (vec!["join", &at], "dumb")] {
        let mut dog = Terminal::start_as("dog", SIZE, &args, term);
        dog.expect_text("a pigeon hub");
        dog.press("hello\r");
        dog.expect_text(": hello");
        assert!(!dog.screen().contains('│'));
        dog.press("quit\r");
        assert_eq!(dog.expect_end(), 0);
        dog.assert_given_back();
    }
}

#[test]
fn a_flood_is_scrolled_through_while_it_comes() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    let flooder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..2_000 {
        flooder.send_to(format!("line {n}.").as_bytes(), hub.address).unwrap();
        if n % 50 == 0 {
            // Waits for every fiftieth line, so that the lines come no faster than the hub relays
            // them: this tests the screen.
            dog.expect(&format!("line {n}"), |screen| screen.contains(&format!(": line {n}.")));
        }
    }
    dog.expect_text(": line 1999.");
    dog.press(PAGE_UP);
    dog.press("typed meanwhile");
    let screen = dog.expect_text("> typed meanwhile");
    assert!(screen.contains("messages below"), "{screen}");
    assert!(!screen.contains("messages lost"), "{screen}");
}

#[test]
fn of_a_host_that_was_never_heard_nothing_else_is_said() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let dog = Terminal::start("dog", SIZE, &["join", &at, "--nick", "dog"]);
    dog.expect_text(&format!("-- nothing heard from {at} yet"));
    dog.press("hello\r");
    let screen = dog.expect_text("reads: hello");
    assert!(!screen.contains("-- joined") && !screen.contains("last heard"), "{screen}");
    assert!(screen.contains("nobody has answered yet; probably nobody"), "{screen}");
    assert!(screen.contains(&format!("nobody has answered yet: is {at}")), "{screen}");
    // Nothing is known of a plain server, so nothing is shown.
    assert!(!screen.contains("is not used") && !screen.contains("# here"), "{screen}");
    assert!(!screen.contains("server"), "{screen}");
}

#[test]
fn a_line_for_a_hub_that_has_just_gone_is_probably_lost() {
    let mut hub = hub(&[]);
    let dog = join(hub.address, "dog");
    hub.signal("KILL");
    hub.expect_end(SOON);
    dog.press("hello\r");
    dog.expect_text("probably lost");
    dog.press("again\r");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let screen = dog.screen();
    assert!(!screen.contains("no copy came back"), "{screen}");
}

#[test]
fn what_the_hub_refused_is_not_missed_too() {
    let hub = hub(&["--max-text", "10"]);
    let dog = join(hub.address, "dog");
    dog.press("short\r");
    dog.expect_text("dog: short");
    dog.press("far too long a line\r");
    dog.expect_text("* not sent: 19 bytes");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let screen = dog.screen();
    assert!(!screen.contains("no copy came back"), "{screen}");
}

#[test]
fn nobody_leaves_a_count_behind() {
    let hub = hub(&[]);
    let dog = join(hub.address, "dog");
    let counts = |room: &str, count: &str| {
        let (room, count) = (room.to_string(), count.to_string());
        move |screen: &str| {
            let mut side = screen.lines().filter_map(|line| line.split_once('│'));
            side.any(|(side, _)| {
                side.starts_with(&format!("# {room} ")) && side.trim_end().ends_with(&count)
            })
        }
    };
    dog.expect("one in the lobby", counts("lobby", "1"));
    dog.press("／join 7b\r");
    dog.expect("one in the room", counts("7b", "1"));
    dog.press("/leave\r");
    let screen = dog.expect("one in the lobby again", counts("lobby", "1"));
    assert!(!screen.contains("lobby     0"), "{screen}");
}
