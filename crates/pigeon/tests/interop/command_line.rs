//! The command line: endpoints in two words, `--quiet`, and errors that name their cause and escape
//! input.

use std::process::Command;

use crate::book::Book;
use crate::namespace::Namespace;
use crate::pigeon::{hub, listen, pigeon};
use crate::process::{Process, SOON, Voice};
use crate::pty::Terminal;

/// Runs `pigeon ARGS…` to its end without input; returns its status and stderr.
#[track_caller]
fn ended(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(args).env("COLUMNS", "100").envs(variables.iter().copied());
    let mut process = Process::spawn("pigeon", &mut command);
    process.end_stdin();
    let status = process.expect_end(SOON).code();
    (status, String::from_utf8_lossy(&process.bytes(Voice::Err)).into_owned())
}

#[test]
fn a_host_and_a_port_are_two_words_of_every_command() {
    let service = pigeon("serve", &["serve", "echo:0"]);
    let line = service.expect_status(|line| line.starts_with("echo on "), SOON);
    let (_, port) = line.rsplit_once(':').unwrap();
    for args in [
        &["ask", "127.0.0.1", port, "hi"][..],
        &["ask", &format!("127.0.0.1：{port}"), "hi"],
        &["send", "127.0.0.1", port, "hi"],
        &["bench", "127.0.0.1", port, "--ping", "--for", "100ms"],
    ] {
        let (status, error) = ended(args, &[]);
        assert_eq!(status, Some(0), "{args:?}: {error}");
    }
    let hub = hub(&[]);
    let port = hub.address.port().to_string();
    let mut member = pigeon("join", &["join", "127.0.0.1", &port]);
    member.expect_status(|line| line.contains("joined"), SOON);
    member.say("quit");
    let mut chat = pigeon("chat", &["chat", "127.0.0.1", &port, "--line", "--wait", "0s"]);
    chat.expect_status(|line| line.contains(&format!("goes to {}", hub.address)), SOON);
    chat.end_stdin();
    let mut relay = pigeon("relay", &["relay", "0", "127.0.0.1", &port]);
    relay.expect_status(|line| line.contains(&format!("relaying to {}", hub.address)), SOON);
    relay.signal("TERM");
    relay.expect_end(SOON);
    let book = Book::new();
    let (status, _) = book.ended(&["contacts", "add", "dog", "10.0.0.1", "8080"]);
    assert!(status == Some(0) && book.text().contains("10.0.0.1:8080"), "{}", book.text());
    let (status, error) = ended(&["bench", "127.0.0.1:9", "10"], &[]);
    assert_eq!((status, error.contains("one word too many")), (Some(2), true), "{error}");
}

#[test]
fn a_link_local_address_names_its_interface() {
    let Some([here, there]) = Namespace::pair() else { return };
    for (host, interface, ip) in [(&here, "near", "fe80::1/64"), (&there, "far", "fe80::2/64")] {
        assert!(host.ip(&["address", "add", ip, "dev", interface, "nodad"]));
    }
    let service = there.pigeon("serve", &["serve", "echo:[fe80::2%far]:7000"]);
    service.expect_status(|line| line.starts_with("echo on "), SOON);
    for endpoint in [&["[fe80::2%near]:7000"][..], &["fe80::2%near", "7000"]] {
        let mut ask = here.pigeon("ask", &[&["ask"], endpoint, &["hi"]].concat());
        assert_eq!(ask.expect_end(SOON).code(), Some(0), "{endpoint:?}");
        assert_eq!(ask.output(), "hi\n");
    }
    for (endpoint, named) in
        [("[fe80::2]:7000", "[fe80::2%eth0]:7000"), ("[fe80::2%x]:7", "ip link")]
    {
        let mut ask = here.pigeon("ask", &["ask", endpoint, "hi"]);
        assert_eq!(ask.expect_end(SOON).code(), Some(2), "{endpoint}");
        ask.expect_status(|line| line.contains(named), SOON);
    }
}

#[test]
fn quiet_leaves_data_and_errors() {
    let listener = listen(&["--count", "1"]);
    let port = listener.address.port().to_string();
    let mut quiet = pigeon("listen", &["listen", "127.0.0.1:0", "--quiet", "--for", "100ms"]);
    assert_eq!(quiet.expect_end(SOON).code(), Some(1));
    assert_eq!(quiet.bytes(Voice::Err), b"");
    let service = pigeon("serve", &["serve", "echo:0"]);
    let line = service.expect_status(|line| line.starts_with("echo on "), SOON);
    let (_, echo) = line.rsplit_once(':').unwrap();
    assert_eq!(ended(&["ask", "127.0.0.1", echo, "hi", "-q"], &[]), (Some(0), String::new()));
    assert_eq!(ended(&["-q", "send", "127.0.0.1", &port, "hi"], &[]), (Some(0), String::new()));
    let bench = ["bench", "127.0.0.1", echo, "--ping", "--for", "100ms", "--line", "-q"];
    assert_eq!(ended(&bench, &[]), (Some(0), String::new()));
    // With `-q`, a refusal is still shown.
    drop(listener);
    let (status, error) = ended(&["ask", "127.0.0.1", &port, "hi", "-q"], &[]);
    assert_eq!((status, error.contains("refused")), (Some(1), true), "{error}");
    // With `--quiet`, a hub's final error is shown, and remarks are not.
    let mut hub = pigeon("hub", &["hub", "--quiet", "--listen", "127.0.0.1:0"]);
    hub.say("stats");
    hub.expect_lines(1, SOON);
    hub.signal("TERM");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    assert_eq!(hub.bytes(Voice::Err), b"");
}

#[test]
fn an_error_names_what_is_meant() {
    for (args, named) in [
        (&["hub", "--port", "9"][..], "'--listen'"),
        (&["join", "--name", "x"], "'--nick'"),
        (&["serve", "7000"], "echo:7000"),
        (&["listen", "--timeout", "3s"], "'--for'"),
        (&["server"], "'hub'"),
    ] {
        let (status, error) = ended(args, &[]);
        assert_eq!((status, error.contains(named)), (Some(2), true), "{args:?}: {error}");
    }
    let (_, error) = ended(&["hub", "--nonsense"], &[]);
    assert!(!error.contains("tip"), "{error}");
    for (name, value) in [("PIGEON_HUB_TIMEOUT", "30"), ("PIGEON_HUB_FORMAT", "")] {
        let (status, error) = ended(&["hub", "--check"], &[(name, value)]);
        assert_eq!((status, error.contains(name)), (Some(2), true), "{error}");
    }
}

#[test]
fn two_variables_that_contradict_each_other_are_both_named() {
    let variables = [("PIGEON_HUB_PASSWORD", "a"), ("PIGEON_HUB_PASSWORD_FILE", "/nonexistent")];
    let (status, error) = ended(&["hub", "--check"], &variables);
    assert!(variables.iter().all(|(name, _)| error.contains(name)), "{error}");
    assert_eq!(status, Some(2));
}

#[test]
fn a_file_without_an_end_is_refused() {
    for args in [
        &["hub", "--check", "--config", "/dev/zero"][..],
        &["hub", "--check", "--password-file", "/dev/zero"],
        &["join", "--password-file", "/dev/zero", "127.0.0.1:9"],
        &["relay", "0", "127.0.0.1:9", "--scenario", "/dev/zero"],
    ] {
        let (status, error) = ended(args, &[]);
        assert_eq!((status, error.contains("/dev/zero")), (Some(2), true), "{args:?}: {error}");
    }
    let (status, error) = ended(&["contacts", "list"], &[("PIGEON_CONTACTS", "/dev/zero")]);
    assert_eq!((status, error.contains("too large")), (Some(2), true), "{error}");
}

/// On a terminal clap colours its errors, and would print an argument's escapes raw.
#[test]
fn what_arguments_hold_is_escaped_on_a_terminal() {
    const HOSTILE: &str = "\x1b]0;pwned\x07\x1b[31mred";
    for args in [
        &["hub", "--name", HOSTILE][..],
        &["hub", "--open", HOSTILE],
        &["listen", HOSTILE],
        &["relay", "--loss", HOSTILE, "0", "127.0.0.1:9"],
        &["send", HOSTILE, "hi"],
        &["join", "127.0.0.1", HOSTILE],
        &["replay", HOSTILE, "127.0.0.1:9"],
        &["contacts", "add", "x", "h\x1b]0;pwned\x07:1"],
        &["history", "--since", HOSTILE],
        &["sockets", HOSTILE],
        &["bench", "--size", HOSTILE, "127.0.0.1:9"],
        &[HOSTILE],
        &["send", "--\x1b]0;pwned\x07"],
    ] {
        let mut terminal = Terminal::start("pigeon", (100, 24), args);
        assert_eq!(terminal.expect_end(), 2, "{args:?}");
        terminal.expect_text(r"\x1b]0;pwned\x07");
        assert_eq!(terminal.title(), "", "{args:?}");
    }
}
