//! Whoever runs a hub: what the console answers, and where settings come from.

use std::path::Path;
use std::process::Command;

use crate::namespace::Namespace;
use crate::peers::{client, installed};
use crate::pigeon::{Serving, hub, join};
use crate::process::{Process, SOON, Voice, wait_until};

/// A hub with two named members, one of them in a room of its own.
fn served() -> (Serving, Process, Process) {
    let hub = hub(&[]);
    let dog = join(hub.address, "狗哥");
    let mut ada = join(hub.address, "ada");
    ada.say("/join lab");
    ada.expect_line(|line| line.starts_with("* you are ada, in lab"), SOON);
    (hub, dog, ada)
}

/// Types a command, and returns the lines that it printed, up to the last expected one.
#[track_caller]
fn ask(hub: &mut Process, command: &str, last: impl Fn(&str) -> bool) -> Vec<String> {
    let before = hub.lines(Voice::Out).len();
    hub.say(command);
    let count = wait_until(command, || {
        let lines = hub.lines(Voice::Out);
        lines.iter().skip(before).position(|line| last(line))
    });
    hub.lines(Voice::Out)[before..=before + count].to_vec()
}

#[test]
fn members_and_rooms_are_listed() {
    let (mut hub, _dog, _ada) = served();
    let members = ask(&mut hub, "members", |line| line == "2 members");
    let row = |name: &str| members.iter().find(|line| line.starts_with(name)).unwrap();
    assert!(row("狗哥").contains("127.0.0.1:") && row("狗哥").contains(" heard "), "{members:?}");
    assert!(row("ada").contains(" lab "), "{members:?}");
    let rooms = ask(&mut hub, "rooms", |line| line == "2 rooms");
    assert!(rooms.iter().any(|line| line.split_whitespace().eq(["lab", "1"])), "{rooms:?}");
}

#[test]
fn statistics_count_what_happened() {
    let (mut hub, mut dog, _ada) = served();
    dog.say("你好");
    dog.expect_line(|line| line == "狗哥: 你好", SOON);
    let rows = ask(&mut hub, "stats", |line| line.starts_with("events not logged"));
    let count = |name: &str| -> u64 {
        let row = rows.iter().find(|row| row.starts_with(name)).unwrap();
        row.split_whitespace().last().unwrap().parse().unwrap()
    };
    assert_eq!((count("members"), count("joined"), count("messages")), (2, 2, 1), "{rows:?}");
    assert!(count("commands") >= 3 && count("datagrams received") >= 4, "{rows:?}");
    assert_eq!(count("dropped by the kernel"), 0, "{rows:?}");
}

#[test]
fn what_the_operator_says_everyone_hears() {
    let (mut hub, dog, ada) = served();
    hub.say("say 下课了");
    for member in [&dog, &ada] {
        member.expect_line(|line| line == "hub: 下课了", SOON);
    }
}

#[test]
fn who_is_kicked_is_told_and_stays_away() {
    if !installed("nc") {
        return;
    }
    let (mut hub, dog, _ada) = served();
    let mut sensor = client("nc", hub.address);
    sensor.say("/nick sensor");
    dog.expect_line(|line| line.starts_with("* ") && line.contains("sensor"), SOON);
    assert_eq!(ask(&mut hub, "kick sensor", |_| true), ["sensor is removed"]);
    sensor.expect_line(|line| line.starts_with("* ") && line.contains("removed"), SOON);
    hub.expect_members(2);
    sensor.say(&format!("20.5 degrees {}", ".".repeat(80)));
    sensor.expect_line(|line| line.starts_with("* ") && line.contains("ten minutes"), SOON);
    hub.expect_members(2);
    let nobody = ask(&mut hub, "kick sensro", |_| true);
    assert_eq!(nobody, ["nobody here is called sensro; `members` lists them"]);
}

#[test]
fn who_is_banned_stays_out_until_it_is_lifted() {
    let Some([near, far]) = Namespace::pair() else { return };
    let mut hub = far.pigeon("hub", &["hub", "--listen", "*:9999", "--open", "10.0.0.0/8"]);
    hub.expect_status(|line| line.contains("listening on "), SOON);
    let join = |nick: &str| near.pigeon(nick, &["join", "10.77.1.2:9999", "--nick", nick]);
    let mut dog = join("狗哥");
    dog.expect_line(|line| line.starts_with("* you are 狗哥"), SOON);
    let banned = "10.77.1.1/32 is banned; `unban 10.77.1.1/32` lifts it";
    assert_eq!(ask(&mut hub, "ban 狗哥", |_| true), [banned]);
    dog.expect_status(|line| line.starts_with("you were banned by the operator;"), SOON);
    assert_eq!(ask(&mut hub, "bans", |line| line == "1 banned")[0], "10.77.1.1/32");
    // No answer, so to her nobody is there.
    let ada = join("ada");
    ada.expect_status(|line| line.contains("nothing heard from 10.77.1.2:9999 yet"), SOON);
    assert!(ask(&mut hub, "unban 10.77.1.1/32", |_| true)[0].contains("banned no more"));
    dog.say("may I?");
    dog.expect_line(|line| line.ends_with(": may I?"), SOON);
}

#[test]
fn this_machine_cannot_be_banned() {
    let mut hub = hub(&[]);
    let refused = ask(&mut hub, "ban 127.0.0.0/8", |_| true);
    assert!(refused[0].contains("all of this machine would be banned"), "{refused:?}");
    assert_eq!(ask(&mut hub, "bans", |_| true), ["0 banned"]);
}

#[test]
fn a_mistyped_command_is_answered_with_those_there_are() {
    let mut hub = hub(&[]);
    let lines = ask(&mut hub, "mebmers", |_| true);
    assert!(lines[0].starts_with("cannot mebmers; there are: members, rooms, stats"), "{lines:?}");
}

#[test]
fn quit_says_goodbye_and_ends() {
    let (mut hub, dog, _ada) = served();
    hub.say("quit");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    dog.expect_status(|line| line.contains("stopped") || line.contains("Bye"), SOON);
}

#[test]
fn the_end_of_the_console_does_not_end_the_hub() {
    let (mut hub, mut dog, _ada) = served();
    hub.end_stdin();
    dog.say("still there?");
    dog.expect_line(|line| line == "狗哥: still there?", SOON);
}

// Where settings come from.

/// A hub with this file and environment; how it introduces itself tells what it took.
fn introduced(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let file_name = format!("operator-{}.toml", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file_name);
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["hub", "--config"]).arg(&path).args(flags).envs(environment.iter().copied());
    let hub = Process::spawn("hub", &mut command);
    hub.expect_status(|line| line.contains("listening on "), SOON)
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let file = "listen = \"127.0.0.1:0\"\ntimeout = \"41s\"\n";
    let environment = [("PIGEON_HUB_TIMEOUT", "42s")];
    let flag = ["--timeout", "43s"];
    for (told, environment, flags) in [
        ("timeout=41s", &[][..], &[][..]),
        ("timeout=42s", &environment[..], &[][..]),
        ("timeout=43s", &environment[..], &flag[..]),
        ("max_members=100000", &environment[..], &flag[..]),
    ] {
        let line = introduced(file, environment, flags);
        assert!(line.contains(told), "{told}: {line}");
    }
}

// As a service.

/// What the units of `docs` stand upon in a system that boots.
const TARGETS: [&str; 5] = ["sysinit", "basic", "shutdown", "sockets", "network-online"];

#[test]
fn systemd_understands_the_units() {
    if !installed("systemd-analyze") {
        return;
    }
    let name = format!("units-{}", std::process::id());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let [units, bin] = ["etc/systemd/system", "usr/local/bin"].map(|folder| root.join(folder));
    std::fs::create_dir_all(&units).unwrap();
    std::fs::create_dir_all(&bin).unwrap();
    // Not a symbolic link: it would point out of the root.
    std::fs::hard_link(env!("CARGO_BIN_EXE_pigeon"), bin.join("pigeon")).unwrap();
    for target in TARGETS {
        std::fs::write(units.join(format!("{target}.target")), "[Unit]\n").unwrap();
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let ours = ["pigeon-hub.service", "pigeon-hub.socket"];
    for unit in ours {
        std::fs::copy(docs.join(unit), units.join(unit)).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    let output = command.arg("verify").arg("--root").arg(&root).args(ours).output().unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    // It complains of an unknown setting and exits with 0.
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
}
