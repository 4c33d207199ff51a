//! A member keeps its name, room and password if it is killed, or if its hub is restarted.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::{installed, python_to};
use crate::pigeon::{Serving, hub, hub_at, pigeon};
use crate::process::{Process, SOON, Voice};

/// How long a member may wait for its name.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// A folder for clients' state.
struct State(PathBuf);

impl State {
    fn new(test: &str) -> State {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("state-{test}"));
        // Removes a folder from an earlier run.
        let _ = fs::remove_dir_all(&folder);
        State(folder)
    }

    fn join(&self, hub: &Serving, args: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["join", &hub.address.to_string()]).args(args);
        Process::spawn("pigeon join", command.env("PIGEON_STATE", &self.0))
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.join("hubs")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

#[test]
fn whoever_is_killed_has_its_name_and_room_back_at_once() {
    killed_twenty_times("killed", Duration::ZERO);
}

/// The same at a person's pace: `cargo test -p pigeon --test interop -- --ignored
/// twenty_times_in_a_minute`.
#[test]
#[ignore = "takes a minute"]
fn whoever_is_killed_twenty_times_in_a_minute_has_its_name_back_each_time() {
    killed_twenty_times("minute", Duration::from_secs(3));
}

/// Kills the client twenty times, at this interval. The hub considers each alive for 30 s.
fn killed_twenty_times(test: &str, every: Duration) {
    let (hub, state) = (hub(&[]), State::new(test));
    let began = Instant::now();
    for round in 0..=20 {
        let mut red = state.join(&hub, &["--nick", "小红"]);
        if round == 0 {
            red.say("/join 茶");
        }
        red.expect_line(|line| line.starts_with("* you are 小红, in 茶"), BACK_WITHIN);
        thread::sleep((every * round).saturating_sub(began.elapsed()));
        red.signal("KILL");
        red.expect_end(SOON);
    }
    hub.expect_members(1);
}

/// A script stores no token. The hub gives it the name of an absent member at the same address that
/// has missed a heartbeat.
#[test]
fn a_script_that_is_started_again_has_its_name_after_a_missed_heartbeat() {
    if !installed("python3") {
        return;
    }
    let hub = hub(&[]);
    let script = || python_to("tutorial_client.py", hub.address, &["--heartbeat", "10"]);
    let mut first = script();
    first.say("/nick 小明");
    first.expect_output("you are 小明", SOON);
    first.signal("KILL");
    first.expect_end(SOON);
    let killed = Instant::now();
    // Restarted every second, as by a person who sees that the name is in use.
    let is_named = |script: &Process| script.output().contains("you are 小明");
    loop {
        let mut again = script();
        again.say("/nick 小明");
        again.expect_output("小明", SOON);
        if is_named(&again) {
            break;
        }
        again.say("quit");
        again.expect_end(SOON);
        thread::sleep(Duration::from_millis(500));
        assert!(killed.elapsed() < Duration::from_secs(12), "{}", again.output());
    }
}

#[test]
fn a_second_client_of_the_same_person_goes_by_another_name() {
    let (hub, state) = (hub(&[]), State::new("second"));
    let first = state.join(&hub, &["--nick", "小红"]);
    first.expect_line(|line| line.starts_with("* you are 小红, in "), SOON);
    let second = state.join(&hub, &["--nick", "小红"]);
    second.expect_line(|line| line.contains("in use"), SOON);
    assert!(first.lines(Voice::Out).iter().all(|line| !line.contains("taken back")));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_word() {
    use std::os::unix::fs::PermissionsExt;

    let (hub, state) = (hub(&[]), State::new("private"));
    let red = state.join(&hub, &["--nick", "小红"]);
    red.expect_line(|line| line.starts_with("* you are 小红, in "), SOON);
    // The token is written right after it is shown.
    crate::process::wait_until("the word is kept", || {
        let is_kept = |file: &PathBuf| file.extension().is_some_and(|end| end == "json");
        state.files().into_iter().find(is_kept)
    });
    for file in state.files() {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
    let folder = fs::metadata(state.0.join("hubs")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o077, 0);
}

#[test]
fn a_password_is_given_again_after_a_restart() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("password-for-join");
    fs::write(&file, "open sesame\n").unwrap();
    let mut first = hub(&["--password", "open sesame"]);
    let at = first.address.to_string();
    let state = State::new("password");
    let args = ["--nick", "小红", "--password-file", file.to_str().unwrap()];
    let mut red = state.join(&first, &[&args[..], &["--heartbeat", "500ms"]].concat());
    red.expect_line(|line| line.starts_with("* you are 小红, in lobby"), SOON);
    first.signal("KILL");
    first.expect_end(SOON);
    let second = hub_at(&at, &["--password", "open sesame"]);
    second.expect_status(|line| line.contains("renamed") && line.contains("小红"), SOON);
    red.say("here I am");
    red.expect_line(|line| line == "小红: here I am", SOON);
    assert!(red.lines(Voice::Out).iter().all(|line| !line.contains("/pass SECRET")));
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong-password-for-join");
    fs::write(&file, "guess\n").unwrap();
    let hub = hub(&["--password", "open sesame"]);
    let args = ["--password-file", file.to_str().unwrap(), "--heartbeat", "300ms"];
    let state = State::new("wrong");
    let mut red = state.join(&hub, &args);
    red.expect_line(|line| line == "* that is not the password", SOON);
    red.say("/pass open sesame");
    red.expect_line(|line| line.contains("in lobby"), SOON);
    let wrong = |line: &&String| line.contains("not the password");
    assert_eq!(red.lines(Voice::Out).iter().filter(wrong).count(), 1);
}

#[test]
fn a_password_that_cannot_be_read_is_wrong_usage() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty-password");
    fs::write(&empty, " \n").unwrap();
    for (file, said) in [(empty.to_str().unwrap(), "is empty"), ("/no/such/file", "cannot read")] {
        let mut join = pigeon("join", &["join", "127.0.0.1:9", "--password-file", file]);
        join.expect_status(|line| line.contains(said), SOON);
        assert_eq!(join.expect_end(SOON).code(), Some(2), "{file}");
    }
}
