//! `pigeon join` for scripts and with languages: a hub's notices as sentences and as data.

use crate::pigeon::{HEARTBEAT, Serving, hub, join, pigeon};
use crate::process::{Process, SOON, Voice};

fn join_with(hub: &Serving, args: &[&str]) -> Process {
    let at = hub.address.to_string();
    pigeon("pigeon join", &[&["join", &at, "--heartbeat", HEARTBEAT], args].concat())
}

#[test]
fn notices_are_in_the_language_of_the_person() {
    let hub = hub(&[]);
    let dog = join_with(&hub, &["--nick", "狗哥", "--language", "zh"]);
    dog.expect_status(|line| line.starts_with("已加入 "), SOON);
    dog.expect_line(|line| line == "* 你的名字是 狗哥，在房间 lobby", SOON);
    let mut ape = join_with(&hub, &["--nick", "猴哥", "--language", "en"]);
    ape.expect_line(|line| line == "* you are 猴哥, in lobby", SOON);
    dog.expect_line(|line| line == "* 猴哥 进来了", SOON);
    ape.say("／language zh");
    ape.expect_line(|line| line == "* 以后用中文提示你", SOON);
    ape.say("/help");
    ape.expect_line(|line| line.starts_with("* /nick 名字 · "), SOON);
}

#[test]
fn a_program_reads_fields_and_no_words() {
    let hub = hub(&[]);
    let mut dog = join(hub.address, "dog");
    let mut program = join_with(&hub, &["--nick", "bot", "--json", "--language", "zh"]);
    let expect = |kind: &str, rest: &str| {
        let begins = format!("\"kind\":\"{kind}\"");
        program.expect_line(|line| line.contains(&begins) && line.contains(rest), SOON);
    };
    expect("joined", r#""plain":false,"members":2,"format":"chat","secure_port":null}"#);
    expect("name", r#""name":"bot","room":"lobby","word":""#);
    dog.say("你好: \u{7}");
    expect("message", r#""room":"lobby","from":"dog","text":"你好: \\x07"}"#);
    dog.say("/msg bot psst");
    expect("private", r#""from":"dog","text":"psst"}"#);
    // A member that joins and leaves within a second is not reported.
    expect("notice", r#""change":"joined""#);
    dog.say("quit");
    expect("notice", r#""change":"left","names":["dog"],"more":0}"#);
    program.say("/msg nobody hi");
    program.expect_line(
        |line| {
            line.ends_with(r#""kind":"refused","what":"msg","reason":"nobody","detail":"nobody"}"#)
        },
        SOON,
    );
    program.end_stdin();
    assert_eq!(program.expect_end(SOON).code(), Some(1));
    assert_eq!(program.lines(Voice::Err), [""; 0]);
}

/// Undelivered lines must not appear as delivered.
#[test]
fn a_script_is_told_that_its_line_was_refused() {
    let hub = hub(&["--max-text", "10", "--password", "sesame"]);
    for (lines, status) in [
        (&["/pass sesame", "short"][..], 0),
        (&["/pass sesame", "far too long a line"], 1),
        (&["/pass wrong", "short"], 1),
        (&["/pass sesame", "/nick"], 0),
        (&["/pass sesame", "/nick a b", "short"], 1),
        (&["/pass sesame", "/dance"], 1),
    ] {
        let mut script = join_with(&hub, &["--wait", "300ms"]);
        script.expect_status(|line| line.contains("needs a password"), SOON);
        lines.iter().for_each(|line| script.say(line));
        script.end_stdin();
        assert_eq!(script.expect_end(SOON).code(), Some(status), "{lines:?}: {}", script.output());
    }
}

#[test]
fn a_line_that_is_no_message_is_refused_here() {
    let hub = hub(&[]);
    let mut ada = join(hub.address, "ada");
    ada.say("^hb^ gone kicked");
    ada.expect_status(|line| line.starts_with("not sent: ^hb^ at the beginning"), SOON);
    ada.say("//dev/null");
    ada.expect_line(|line| line == "ada: /dev/null", SOON);
    ada.say("/dev/ttyUSB0 打不开");
    ada.expect_status(|line| line.ends_with("begin it with // to say it"), SOON);
    ada.say("／／dev/ttyUSB0 打不开");
    ada.expect_line(|line| line == "ada: /dev/ttyUSB0 打不开", SOON);
    ada.say("/dance");
    ada.expect_line(|line| line.ends_with("and // begins a text with /"), SOON);
    ada.end_stdin();
    assert_eq!(ada.expect_end(SOON).code(), Some(1));
}

/// A server that never answers, like a host that drops everything.
#[test]
fn joined_means_heard() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    for args in [&["--nick", "小红"][..], &[]] {
        let mut red = pigeon("join", &[&["join", &at, "--wait", "100ms"], args].concat());
        let unheard = format!("nothing heard from {at} yet: the address may be wrong");
        red.expect_status(|line| line.starts_with(&unheard), SOON);
        red.say("hello?");
        red.end_stdin();
        assert_eq!(red.expect_end(SOON).code(), Some(1), "{args:?}");
        let output = red.output();
        assert!(!output.contains("joined") && !output.contains("last heard"), "{output}");
    }
}

#[test]
fn a_line_said_while_the_hub_is_away_is_a_failure_of_the_script() {
    let mut hub = hub(&[]);
    let mut script = join_with(&hub, &["--wait", "100ms"]);
    script.expect_status(|line| line.contains("joined "), SOON);
    hub.say("quit");
    script.expect_status(|line| line.contains("Bye!"), SOON);
    script.say("is anybody there?");
    script.expect_status(|line| line.contains("probably lost"), SOON);
    script.end_stdin();
    assert_eq!(script.expect_end(SOON).code(), Some(1));
}
