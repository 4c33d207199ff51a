//! Terminal reports and random bytes at every command that reads a keyboard: they never end the
//! command, block the keyboard or appear as input.

use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::pigeon::{HEARTBEAT, hub, relay};
use crate::process::wait_until;
use crate::pty::{Terminal, is_stopped};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Reports, replies, an empty paste, and the end of one: none is a key.
const COMPLETE: &str = "\x1b[O\x1b[I\x1b[?1;2c\x1b[?7u\x1b[24;80R\x1b[<0;3;3M\x1b[M !!\x1b[?2026;2$y\
    \x1b]11;rgb:0000/0000/0000\x1b\\\x1b]52;c;cGlnZW9u\x07\x1bP1$r0m\x1b\\\x1b_Gi=31;OK\x1b\\\
    \x1b[200~\x1b[201~\x1b[201~\u{9b}";

/// Incomplete sequences.
const UNFINISHED: &[&str] = &[
    "\x1b",
    "\x1b[<",
    "\x1b[?",
    "\x1b[M",
    "\x1b[99999;",
    "\x1bO1",
    "\x1b[[",
    "\x1b]52;c;",
    "\x1bP1$r",
    "\x1b_Gi",
    "\x1b[200~",
];

/// A silence longer than the time-out of any sequence, except a paste.
const SILENCE: Duration = Duration::from_millis(600);

/// A command at a terminal, with input and its expected display.
struct Case {
    name: &'static str,
    args: Vec<String>,
    ready: &'static str,
    typed: &'static str,
    shows: &'static str,
    /// The exit status after Ctrl-C.
    status: i32,
}

/// Every command that reads keys, with its peer.
fn cases(hub: SocketAddr, peer: SocketAddr) -> Vec<Case> {
    let (hub, peer) = (hub.to_string(), peer.to_string());
    let case = |name, args: &[&str], ready, typed, shows, status| {
        let args = args.iter().map(|arg| arg.to_string()).collect();
        Case { name, args, ready, typed, shows, status }
    };
    let join = ["join", &hub, "--heartbeat", HEARTBEAT];
    let chat = ["chat", "--bind", "127.0.0.1:0", &peer];
    let relay = ["relay", "127.0.0.1:0", &peer];
    vec![
        case("join", &join, "others see you as", "hello", ": hello", 130),
        case("chat", &chat, "listening on", "hello", "you: hello", 130),
        case("join --line", &[&join[..], &["--line"]].concat(), "> ", "hello", ": hello", 130),
        case("chat --line", &[&chat[..], &["--line"]].concat(), "> ", "/list", "1  ", 130),
        case("hub", &["hub", "--listen", "127.0.0.1:0"], "hub> ", "dance", "dance", 0),
        case("relay", &relay, "relay> ", "dance", "there is no command dance", 0),
    ]
}

impl Case {
    /// Whether the command prints lines above the input line, instead of a full screen.
    fn has_lines(&self) -> bool {
        self.ready.ends_with("> ")
    }
}

fn start(case: &Case) -> Terminal {
    let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
    let terminal = Terminal::start(case.name, (80, 24), &args);
    terminal.expect_text(case.ready);
    // The prompt may appear before the terminal's modes are set.
    wait_until("keys are read", || (!terminal.modes_are_back()).then_some(()));
    terminal
}

/// Runs a check with every command in parallel.
fn with_each(run: impl Fn(&Case, &mut Terminal) + Sync) {
    let hub = hub(&[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let cases = cases(hub.address, peer.local_addr().unwrap());
    thread::scope(|scope| {
        cases.iter().for_each(|case| drop(scope.spawn(|| run(case, &mut start(case)))));
    });
}

/// Whether the screen's input line is `line`.
fn is_typed(screen: &str, line: &str) -> bool {
    screen
        .lines()
        .rev()
        .find(|row| !row.is_empty())
        .is_some_and(|row| row.split_once("> ").is_some_and(|(_, typed)| typed == line))
}

#[test]
fn what_terminals_send_beside_keys_changes_nothing() {
    with_each(|case, terminal| {
        terminal.press(COMPLETE);
        terminal.press(&format!("{}\r", case.typed));
        terminal.expect_text(case.shows);
        for begun in UNFINISHED {
            terminal.press(begun);
            // The next key counts after a silence; an earlier one may belong to the incomplete
            // sequence.
            wait_until(&format!("a key after {begun:?} at {}", case.name), || {
                sleep(if *begun == "\x1b[200~" { 2 * SILENCE } else { SILENCE });
                terminal.press("z");
                sleep(Duration::from_millis(20));
                terminal.screen().contains("> z").then_some(())
            });
            terminal.press("\x15");
            terminal.expect("an empty line", |screen| !screen.contains("> z"));
        }
        terminal.press(CTRL_C);
        assert_eq!(terminal.expect_end(), case.status, "{}", case.name);
        terminal.assert_given_back();
    });
}

#[test]
fn ctrl_c_comes_through_whatever_was_begun() {
    for begun in ["\x1b[<", "\x1b]52;c;", "\x1b[200~x"] {
        with_each(|case, terminal| {
            terminal.press(&format!("{begun}{CTRL_C}"));
            assert_eq!(terminal.expect_end(), case.status, "{} after {begun:?}", case.name);
            terminal.assert_given_back();
        });
    }
}

#[test]
fn a_stop_by_any_signal_gives_the_terminal_back_and_takes_it_again() {
    with_each(|case, terminal| {
        terminal.press("draft");
        terminal.expect("a draft", |screen| is_typed(screen, "draft"));
        for stop in ["ctrl-z", "TSTP", "STOP"] {
            match stop {
                "ctrl-z" => terminal.press(CTRL_Z),
                signal => terminal.signal(signal),
            }
            wait_until("the program stops", || is_stopped(terminal.id()).then_some(()));
            if stop != "STOP" {
                terminal.assert_given_back();
            }
            terminal.act_as_shell();
            terminal.signal("CONT");
            terminal.expect(&format!("{} again after {stop}", case.name), |screen| {
                is_typed(screen, "draft") && (case.has_lines() || !screen.contains("$ fg"))
            });
            if !case.has_lines() {
                terminal.assert_taken();
            }
            // Keys are read one by one.
            terminal.press("s");
            terminal.expect("another key", |screen| is_typed(screen, "drafts"));
            terminal.press("\x7f");
            terminal.expect("one key less", |screen| is_typed(screen, "draft"));
        }
        terminal.press(CTRL_C);
        assert_eq!(terminal.expect_end(), case.status, "{}", case.name);
        terminal.assert_given_back();
    });
}

#[test]
fn a_relay_and_a_hub_whose_console_is_closed_end_by_ctrl_c() {
    let hub = hub(&[]);
    let through = relay(hub.address, &[]);
    for args in [
        vec!["hub".to_string(), "--listen".into(), "127.0.0.1:0".into()],
        vec!["relay".to_string(), "127.0.0.1:0".into(), through.address.to_string()],
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut terminal = Terminal::start(args[0], (80, 24), &args);
        terminal.expect_text("> ");
        wait_until("keys are read", || (!terminal.modes_are_back()).then_some(()));
        terminal.press("\x04");
        // The terminal itself turns Ctrl-C into a signal now.
        wait_until("the modes of before", || terminal.modes_are_back().then_some(()));
        terminal.press(CTRL_C);
        assert_eq!(terminal.expect_end(), 0, "{args:?}");
    }
}
