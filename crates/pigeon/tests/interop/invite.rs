//! `pigeon invite`: how to join a hub that runs on this machine, as somebody else's terminal shows it.

use std::path::PathBuf;
use std::process::Command;

use crate::pigeon::Serving;
use crate::process::{Process, SOON, Voice};
use crate::pty::Terminal;

/// A state directory.
struct State(PathBuf);

impl State {
    fn new(test: &str) -> State {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("invite-{test}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        State(folder)
    }

    fn pigeon(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(args).env("PIGEON_STATE", &self.0);
        command
    }

    /// A hub with a folder in this directory.
    fn hub(&self, name: &str, args: &[&str]) -> Serving {
        let data = self.0.join(format!("hub-{name}"));
        let given = ["hub", "--listen", "127.0.0.1:0", "--name", name, "--data"];
        let command = &mut self.pigeon(&[&given, &[data.to_str().unwrap()][..], args].concat());
        let hub = Serving::new(Process::spawn("hub", command));
        // The last line of its start.
        hub.expect_status(|line| line.contains("invitation: "), SOON);
        hub
    }

    /// The exit status, and what was said.
    fn invite(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut process =
            Process::spawn("pigeon invite", &mut self.pigeon(&[&["invite"], args].concat()));
        let status = process.expect_end(SOON).code();
        (status, process.output(), process.lines(Voice::Err).join("\n"))
    }

    /// The same, once a hub that has just started is seen.
    fn invited(&self, args: &[&str]) -> String {
        crate::process::wait_until("the hub is seen", || {
            let (status, out, _) = self.invite(args);
            (status == Some(0)).then_some(out)
        })
    }
}

#[test]
fn a_running_hub_is_shown_and_a_killed_one_is_not() {
    let state = State::new("one");
    let (status, out, error) = state.invite(&[]);
    assert_eq!((status, &*out), (Some(1), ""));
    assert!(error.contains("no hub of yours runs here"), "{error}");

    let mut hub = state.hub("one", &["--page", "127.0.0.1:0"]);
    let out = state.invited(&[]);
    let port = hub.address.port();
    let first = format!("only this machine can join: pigeon join 127.0.0.1:{port}");
    assert!(out.starts_with(&first), "{out}");
    let printed = hub.expect_status(|line| line.contains("invitation: "), SOON);
    let link = printed.split("invitation: ").nth(1).unwrap();
    assert!(out.contains(&format!("pigeon join {link}\n")), "{out}");
    let page = hub.expect_status(|line| line.contains("page: http://"), SOON);
    let page = page.split("page: ").nth(1).unwrap();
    assert!(out.contains(&format!("page: {page}#room=lobby\n")), "{out}");
    assert!(out.lines().filter(|line| line.contains('▀')).count() > 10, "{out}");
    assert!(!out.contains("operator"), "{out}");

    // Who gets the link is in, and has not compared a fingerprint.
    let home = State::new("one-guest");
    let guest = Process::spawn("join", &mut home.pigeon(&["join", link, "--nick", "狗哥"]));
    guest.expect_status(|line| line.contains("joined"), SOON);

    hub.signal("KILL");
    hub.expect_end(SOON);
    assert_eq!(state.invite(&[]).0, Some(1));
    let folder = state.0.join("hub-one");
    let (status, _, error) = state.invite(&["--data", folder.to_str().unwrap()]);
    assert_eq!(status, Some(1));
    assert!(error.contains("no hub runs on the data in "), "{error}");
}

#[test]
fn among_several_hubs_one_is_chosen() {
    let state = State::new("several");
    let [_one, _two] = ["one", "图书馆"].map(|name| state.hub(name, &["--language", "en"]));
    let folder = state.0.join("hub-图书馆");
    let named = state.invited(&["--data", folder.to_str().unwrap()]);
    assert!(named.contains(&_two.address.port().to_string()), "{named}");
    assert!(named.contains("no page is served"), "{named}");
    let (status, out, error) = state.invite(&[]);
    assert_eq!((status, &*out), (Some(2), ""));
    for part in ["one", "图书馆", "several hubs run here"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let size = (100, 30);
    let mut terminal =
        Terminal::start_keeping(state.0.to_str().unwrap(), "invite", size, &["invite"]);
    terminal.expect_text("Which one? (1 to 2)");
    terminal.press("图书馆\r");
    terminal.expect("the chosen hub", |screen| screen.contains(&_two.address.to_string()));
    assert_eq!(terminal.expect_end(), 0);
}
