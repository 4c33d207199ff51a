//! A hub's operator: the console's answers, and the sources of settings.

use std::path::Path;
use std::process::Command;

use crate::namespace::Namespace;
use crate::peers::{client, installed};
use crate::pigeon::{Serving, address_in, hub, join, pigeon};
use crate::process::{Process, SOON, Voice, wait_until};

/// A hub with two named members, one of them in another room.
fn served() -> (Serving, Process, Process) {
    let hub = hub(&[]);
    let dog = join(hub.address, "狗哥");
    let mut ada = join(hub.address, "ada");
    ada.say("/join lab");
    ada.expect_line(|line| line.starts_with("* you are ada, in lab"), SOON);
    (hub, dog, ada)
}

/// Types a command, and returns its output, up to the last expected line.
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
    assert_eq!(
        ask(&mut hub, "kick sensor", |_| true),
        [
            "sensor is removed for ten minutes, under this name also from another port; `unkick sensor` lets it in again, and `ban` lasts"
        ]
    );
    sensor.expect_line(|line| line.starts_with("* ") && line.contains("removed"), SOON);
    hub.expect_members(2);
    sensor.say(&format!("20.5 degrees {}", ".".repeat(80)));
    sensor.expect_line(|line| line.starts_with("* ") && line.contains("ten minutes"), SOON);
    hub.expect_members(2);
    let nobody = ask(&mut hub, "kick sensro", |_| true);
    assert_eq!(nobody, ["nobody here is called sensro; `members` lists the members"]);
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
    assert_eq!(ask(&mut hub, "bans", |line| line == "1 banned, 0 kicked")[0], "10.77.1.1/32");
    // Ada shares the banned address, so the hub does not answer.
    let ada = join("ada");
    ada.expect_status(|line| line.contains("nothing heard from 10.77.1.2:9999 yet"), SOON);
    assert!(ask(&mut hub, "unban 10.77.1.1/32", |_| true)[0].contains("is no longer banned"));
    dog.say("may I?");
    dog.expect_line(|line| line.ends_with(": may I?"), SOON);
}

#[test]
fn this_machine_cannot_be_banned() {
    let mut hub = hub(&[]);
    let refused = ask(&mut hub, "ban 127.0.0.0/8", |_| true);
    assert!(refused[0].contains("all of this machine would be"), "{refused:?}");
    assert_eq!(ask(&mut hub, "bans", |_| true), ["0 banned, 0 kicked"]);
}

#[test]
fn a_mistyped_command_is_answered_with_those_there_are() {
    let mut hub = hub(&[]);
    let lines = ask(&mut hub, "mebmers", |_| true);
    assert_eq!(
        lines,
        ["there is no command mebmers; did you mean members? `help` lists the commands"]
    );
    hub.say("help slow");
    hub.expect_line(|line| line.starts_with("slow ROOM TIME  "), SOON);
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

// Sources of settings.

/// The introduction of a hub with this file and environment, which shows its settings.
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

/// A hub on a system-chosen port with these variables and flags, independent of the tests' locale.
fn hub_with(environment: &[(&str, &str)], flags: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["hub", "127.0.0.1:0"]).args(flags).env("LC_ALL", "C");
    Process::spawn("hub", command.envs(environment.iter().copied()))
}

/// The error of a hub that rejects these settings.
#[track_caller]
fn refused(environment: &[(&str, &str)], flags: &[&str]) -> String {
    let mut hub = hub_with(environment, flags);
    assert_eq!(hub.expect_end(SOON).code(), Some(2), "{environment:?} {flags:?}");
    hub.lines(Voice::Err).remove(0)
}

fn file(name: &str, text: &str) -> String {
    let name = format!("operator-{name}-{}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn an_empty_password_is_refused_wherever_it_stands() {
    let why = "an empty password would let everyone in";
    let (empty, config) = (file("empty", "\n"), file("empty.toml", "password = \"\"\n"));
    for (environment, flags) in [
        (&[("PIGEON_HUB_PASSWORD", "")][..], &[][..]),
        (&[("PIGEON_HUB_PASSWORD", " ")], &[]),
        (&[("PIGEON_HUB_PASSWORD_FILE", empty.as_str())], &[]),
        (&[], &["--password", ""]),
        (&[], &["--password="]),
        (&[], &["--password-file", &empty]),
        (&[], &["--config", &config]),
    ] {
        let said = refused(environment, flags);
        assert!(said.contains(why), "{environment:?} {flags:?}: {said}");
    }
    for path in [empty, config] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_bad_value_is_blamed_on_where_it_stands() {
    for (environment, flags, expected) in [
        (("PIGEON_HUB_TIMEOUT", "30x"), &[][..], "'30x' for 'PIGEON_HUB_TIMEOUT'"),
        (("PIGEON_HUB_FORMAT", "tree"), &[], "'tree' for 'PIGEON_HUB_FORMAT'"),
        (("PIGEON_HUB_TIMEOUT", "30x"), &["--timeout", "3z"], "'3z' for '--timeout <DURATION>'"),
        (("PIGEON_HUB_MAX_TEXT", "0"), &[], "'0' for 'PIGEON_HUB_MAX_TEXT'"),
        (("PIGEON_HUB_RATE", "9/s"), &["--max-text", "0"], "'0' for '--max-text <SIZE>'"),
    ] {
        let said = refused(&[environment], flags);
        assert!(said.contains(expected), "{environment:?} {flags:?}: {said}");
    }
}

#[test]
fn a_mistyped_variable_is_warned_of_with_the_one_that_was_meant() {
    let hub = hub_with(&[("PIGEON_HUB_PASWORD", "x"), ("PIGEON_HUB_MEMORY", "off")], &[]);
    for expected in [
        "PIGEON_HUB_PASWORD is not a setting and is ignored; did you mean PIGEON_HUB_PASSWORD?",
        "PIGEON_HUB_MEMORY is not a setting and is ignored; `pigeon hub --help` lists the settings",
    ] {
        hub.expect_status(|line| line.contains(" WARN ") && line.ends_with(expected), SOON);
    }
    hub.expect_status(|line| line.ends_with("no password is asked"), SOON);
}

#[test]
fn a_password_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let path = file("password", "open sesame\n");
    let mode =
        |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let warnings = |environment: &[(&str, &str)], flags: &[&str]| {
        let hub = hub_with(environment, flags);
        hub.expect_status(|line| line.contains("a password is asked"), SOON);
        let lines = hub.lines(Voice::Err).into_iter();
        lines.filter(|line| line.contains(" WARN ")).collect::<Vec<String>>()
    };
    mode(0o600);
    assert!(warnings(&[], &["--password-file", &path]).is_empty());
    assert!(warnings(&[("PIGEON_HUB_PASSWORD_FILE", &path)], &[]).is_empty());
    assert!(warnings(&[("PIGEON_HUB_PASSWORD", "open sesame")], &[]).is_empty());
    mode(0o644);
    let said = warnings(&[], &["--password-file", &path]);
    assert!(said.len() == 1 && said[0].contains("every user of this machine can read"), "{said:?}");
    let said = warnings(&[], &["--password", "open sesame"]);
    assert!(said.len() == 1 && said[0].contains("--password-file"), "{said:?}");
    std::fs::remove_file(&path).unwrap();
    // A configuration file contains a password, too.
    let path = file("password.toml", "password = \"open sesame\"\n");
    for (mode, count) in [(0o600, 0), (0o644, 1)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(warnings(&[], &["--config", &path]).len(), count, "{mode:o}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_password_of_a_file_is_the_one_that_is_asked() {
    let path = file("asked", "open sesame\n");
    expect_asked(&hub(&["--password-file", &path]));
    std::fs::remove_file(&path).unwrap();
}

/// Lines after the first are for the console.
#[test]
fn the_password_of_stdin_is_the_one_that_is_asked() {
    let args = ["hub", "--listen", "127.0.0.1:0", "--password-file", "-"];
    let mut process = pigeon("hub", &args);
    process.say("open sesame\nstats");
    let hub = Serving::new(process);
    hub.expect_line(|line| line.starts_with("events not logged"), SOON);
    expect_asked(&hub);
}

/// Checks that the hub requires `open sesame`, and accepts it.
#[track_caller]
fn expect_asked(hub: &Serving) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let answered = |text: &str, expected: &str| {
        socket.send_to(text.as_bytes(), hub.address).unwrap();
        wait_until(expected, || {
            let mut buffer = [0; 2_048];
            let length = socket.recv(&mut buffer).ok()?;
            String::from_utf8_lossy(&buffer[..length]).contains(expected).then_some(())
        });
    };
    answered("hello", "password");
    answered("/pass open sesame", "lobby");
}

// Invitations.

#[test]
fn the_hub_says_how_others_join() {
    let hub = hub_with(&[], &[]);
    let line = hub.expect_status(|line| line.contains("only this machine can join"), SOON);
    assert!(line.contains("pigeon join 127.0.0.1:") && line.contains("pigeon hub '*:"), "{line}");
    let hub = hub_with(&[("LC_ALL", "zh_CN.UTF-8")], &[]);
    hub.expect_status(|line| line.contains("只有本机可以加入：pigeon join 127.0.0.1:"), SOON);
    let hub = hub_with(&[("LC_ALL", "zh_CN.UTF-8")], &["--log", "json"]);
    let line = hub.expect_status(|line| line.contains("only this machine can join"), SOON);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO");
    let Some([near, _far]) = Namespace::pair() else { return };
    let hub = near.pigeon("hub", &["hub", "*:9999", "raw@*:9998=video", "--language", "en"]);
    for expected in [
        " on this network: pigeon join 10.77.1.1, or nc -u 10.77.1.1 9999",
        " raw, room video: on this network: pigeon join 10.77.1.1:9998, or nc -u 10.77.1.1 9998",
    ] {
        hub.expect_status(|line| line.contains(expected), SOON);
    }
    hub.expect_status(|line| line.ends_with("no password is asked"), SOON);
}

#[test]
fn the_log_level_says_how_much_is_logged() {
    let environment = [("PIGEON_HUB_PASWORD", "x")];
    let mut hub = hub_with(&environment, &["--log-level", "warn"]);
    hub.expect_status(|line| line.contains("PIGEON_HUB_PASWORD"), SOON);
    hub.say("quit");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    assert_eq!(hub.lines(Voice::Err).len(), 1);
}

/// A hub's log continues after a full disk, and reports how much is missing.
#[cfg(target_os = "linux")]
#[test]
fn the_log_outlives_a_full_disk() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hub.log");
    // Removes a file from an earlier run.
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" hub 127.0.0.1:0 2> \"$1\"", env!("CARGO_BIN_EXE_pigeon")]);
    let hub = Process::spawn("hub", command.arg(&file));
    let log = || std::fs::read_to_string(&file).unwrap_or_default();
    let address = wait_until("the hub listens", || {
        log().lines().find(|line| line.contains("listening on ")).map(address_in)
    });
    let limit = |most: Option<u64>| {
        let limit = Rlimit { current: most, maximum: None };
        prlimit(Pid::from_raw(hub.id() as i32), Resource::Fsize, limit).unwrap();
    };
    wait_until("it says the last of its start", || log().contains("nothing is kept").then_some(()));
    limit(Some(1));
    // Lines are written by a thread of their own: those of the first are lost when the third has come.
    let lost = ["one", "two", "three"].map(|nick| join(address, nick));
    drop(lost);
    limit(None);
    let _after = join(address, "after");
    wait_until("the log goes on", || {
        (log().contains("lines are missing here") && log().contains("name=after")).then_some(())
    });
}
