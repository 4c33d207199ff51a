//! What terminals send beside keys, and garbage, at every command that reads a keyboard: nothing ends
//! the command, locks the keyboard or is typed.

use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use crate::pigeon::{HEARTBEAT, hub, relay};
use crate::process::wait_until;
use crate::pty::{Terminal, is_stopped};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Reports, replies and pastes, whole and without their ends.
const SEQUENCES: &[&str] = &[
    "\x1b[O",
    "\x1b[I",
    "\x1b[?1;2c",
    "\x1b[?7u",
    "\x1b[24;80R",
    "\x1b[<0;3;3M",
    "\x1b[M !!",
    "\x1b]11;rgb:0000/0000/0000\x1b\\",
    "\x1b]52;c;cGlnZW9u\x07",
    "\x1bP1$r0m\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b[200~\x1b[201~",
    "\x1b[201~",
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
    "\x1b^",
    "\x1b[200~",
];

/// A command at a terminal, what to type there, and what that shows.
struct Case {
    name: &'static str,
    args: Vec<String>,
    ready: &'static str,
    typed: &'static str,
    shows: &'static str,
    /// The exit status of Ctrl-C.
    status: i32,
}

/// Every command that reads keys, and what it speaks with.
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
        case("join", &join, "you are", "hello", ": hello", 130),
        case("chat", &chat, "listening on", "hello", "you: hello", 130),
        case("join --line", &[&join[..], &["--line"]].concat(), "> ", "hello", ": hello", 130),
        case("chat --line", &[&chat[..], &["--line"]].concat(), "> ", "/list", "1  ", 130),
        case("hub", &["hub", "--listen", "127.0.0.1:0"], "hub> ", "dance", "dance", 0),
        case("relay", &relay, "relay> ", "dance", "dance is no command", 0),
    ]
}

fn start(case: &Case) -> Terminal {
    let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
    let terminal = Terminal::start(case.name, (80, 24), &args);
    terminal.expect_text(case.ready);
    // The prompt of a line may be shown before the terminal's modes are set.
    wait_until("keys are read", || (!terminal.modes_are_back()).then_some(()));
    terminal
}

#[test]
fn what_terminals_send_beside_keys_changes_nothing() {
    let hub = hub(&[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for case in cases(hub.address, peer.local_addr().unwrap()) {
        let mut terminal = start(&case);
        for sequence in SEQUENCES {
            terminal.press(sequence);
            // Longer than anything is waited for.
            sleep(Duration::from_millis(if sequence.ends_with("200~") { 1_200 } else { 600 }));
        }
        terminal.press(&format!("{}\r", case.typed));
        let screen = terminal.expect_text(case.shows);
        // Nothing was typed before it.
        let typed = |line: &str| line.ends_with(&format!(": {}", case.typed));
        let last = screen.lines().rev().find(|line| line.contains(case.typed)).unwrap();
        assert!(
            typed(last) || last.contains(case.shows),
            "{}: {last:?} of\n{screen}",
            case.name
        );
        terminal.press(CTRL_C);
        assert_eq!(terminal.expect_end(), case.status, "{}", case.name);
        terminal.assert_given_back();
    }
}

#[test]
fn ctrl_c_comes_through_whatever_was_begun() {
    let hub = hub(&[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for case in cases(hub.address, peer.local_addr().unwrap()) {
        for begun in ["\x1b", "\x1b[<", "\x1b[?", "\x1b[M", "\x1b]52;c;", "\x1bP", "\x1b[200~x"] {
            let mut terminal = start(&case);
            terminal.press(&format!("{begun}{CTRL_C}"));
            assert_eq!(terminal.expect_end(), case.status, "{} after {begun:?}", case.name);
            terminal.assert_given_back();
        }
    }
}

#[test]
fn a_stop_by_any_signal_gives_the_terminal_back_and_takes_it_again() {
    let hub = hub(&[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for case in cases(hub.address, peer.local_addr().unwrap()) {
        let mut terminal = start(&case);
        terminal.press("draft");
        terminal.expect_text("> draft");
        for stop in ["ctrl-z", "TSTP", "STOP"] {
            match stop {
                "ctrl-z" => terminal.press(CTRL_Z),
                signal => terminal.signal(signal),
            }
            wait_until("the program stops", || is_stopped(terminal.id()).then_some(()));
            if stop != "STOP" {
                terminal.assert_given_back();
            }
            // What a shell does.
            terminal.scribble();
            terminal.signal("CONT");
            terminal.expect(&format!("{} again after {stop}", case.name), |screen| {
                screen.lines().any(|line| line.ends_with("> draft"))
                    && (case.ready.ends_with("> ") || !screen.contains("$ fg"))
            });
            wait_until("keys are read", || (!terminal.modes_are_back()).then_some(()));
        }
        terminal.press(CTRL_C);
        assert_eq!(terminal.expect_end(), case.status, "{}", case.name);
        terminal.assert_given_back();
    }
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
