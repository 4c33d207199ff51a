//! Persistence: a hub's data survives `kill -9`, and a failing disk loses only the messages sent
//! meanwhile.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::peers::{client, installed};
use crate::pigeon::{Serving, address_in, hub, pigeon};
use crate::process::{Process, SOON, Voice, wait_until};

/// A folder for a hub's data.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("data-{test}"));
    // Removes a folder from an earlier run.
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn keeping(folder: &Path) -> Serving {
    hub(&["--data", folder.to_str().unwrap()])
}

/// Waits until `pigeon history` shows this many messages.
fn expect_kept(folder: &Path, count: usize) -> Vec<String> {
    wait_until(&format!("{count} messages are kept"), || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["history", "--data", folder.to_str().unwrap()]);
        let lines = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let lines: Vec<String> = lines.lines().map(str::to_string).collect();
        (lines.len() == count).then_some(lines)
    })
}

#[test]
fn what_was_said_and_who_said_it_outlive_a_killed_hub() {
    if !installed("nc") {
        return;
    }
    let folder = folder("killed");
    let mut first = keeping(&folder);
    let mut nc = client("nc", first.address);
    nc.say("/nick 狗哥");
    let line = nc.expect_line(|line| line.contains("/resume "), SOON);
    let word = line.split("/resume ").nth(1).unwrap().split(' ').next().unwrap();
    // One line at a time: nc sends everything it reads at once as one datagram.
    nc.say("今天的温度是 21.5");
    nc.expect_line(|line| line == "狗哥: 今天的温度是 21.5", SOON);
    nc.say("second");
    first.say("ban 10.9.0.0/16");
    first.say("mute loud");
    first.expect_line(|line| line.contains("loud is muted"), SOON);
    let kept = expect_kept(&folder, 2);
    assert!(kept[0].ends_with("今天的温度是 21.5"), "{kept:?}");
    // Data not yet on disk may be lost, but is never reported as stored.
    wait_until("the ban is kept", || {
        fs::read(folder.join("log.sqlite-wal"))
            .unwrap()
            .windows(9)
            .any(|at| at == b"10.9.0.0/")
            .then_some(())
    });
    first.signal("KILL");
    first.expect_end(SOON);

    let mut second = keeping(&folder);
    let mut nc = client("nc", second.address);
    nc.say(&format!("/resume {word}"));
    nc.expect_line(|line| line.starts_with("* you are 狗哥, in lobby"), SOON);
    // The backlog for a member that takes a name.
    nc.expect_line(|line| line.ends_with("狗哥 (plain): 今天的温度是 21.5"), SOON);
    nc.expect_lines(3, SOON);
    nc.say("/search 温度");
    assert!(nc.expect_lines(4, SOON)[3].ends_with("狗哥 (plain): 今天的温度是 21.5"));
    second.say("bans");
    second.expect_line(|line| line == "10.9.0.0/16", SOON);
    second.say("mutes");
    second.expect_line(|line| line == "loud muted", SOON);
}

#[test]
fn a_second_hub_does_not_get_the_folder() {
    let folder = folder("second");
    let first = keeping(&folder);
    let mut second = pigeon("second", &["hub", "127.0.0.1:0", "--data", folder.to_str().unwrap()]);
    let said = second.expect_status(|line| line.contains("pigeon: "), SOON);
    assert!(said.contains(&first.id().to_string()), "{said}");
    assert_eq!(second.expect_end(SOON).code(), Some(1));
}

#[test]
fn forgetting_leaves_no_trace() {
    let folder = folder("forget");
    let mut hub = keeping(&folder);
    let mut join = pigeon("join", &["join", &hub.address.to_string(), "--nick", "dog"]);
    join.expect_line(|line| line.starts_with("* you are dog"), SOON);
    join.say("my secret is plover");
    expect_kept(&folder, 1);
    hub.say("forget dog");
    hub.expect_line(|line| line.ends_with("`forget name dog` does it"), SOON);
    hub.say("forget name dog");
    hub.expect_line(|line| line.contains("deleting what dog said"), SOON);
    hub.expect_status(|line| line.contains("forgotten: what dog said"), SOON);
    expect_kept(&folder, 0);
    let holds_it = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(6).any(|window| window == b"plover"))
    };
    wait_until("no file holds it", || (!holds_it(&folder)).then_some(()));
}

/// Acts like a full disk: limits the size of files.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_costs_what_was_said_meanwhile_and_heals() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let folder = folder("failing");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["hub", "127.0.0.1:0", "--data", folder.to_str().unwrap()]);
    let hub = Serving::new(Process::spawn("hub", &mut command));
    let limit = |most: Option<u64>| {
        let pid = Pid::from_raw(hub.id() as i32);
        let limit = Rlimit { current: most, maximum: None };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    };
    let mut join = pigeon("join", &["join", &hub.address.to_string(), "--nick", "dog"]);
    join.expect_line(|line| line.starts_with("* you are dog"), SOON);
    join.say("before");
    expect_kept(&folder, 1);
    limit(Some(1));
    join.say("meanwhile");
    hub.expect_status(|line| line.contains("what is said is not kept"), SOON);
    join.expect_line(|line| line == "dog: meanwhile", SOON);
    join.expect_line(|line| line.contains("is not kept"), SOON);
    limit(None);
    hub.expect_status(|line| line.contains("is kept again"), SOON);
    join.say("after");
    let lines = expect_kept(&folder, 3);
    assert!(lines[0].ends_with("before") && lines[2].ends_with("after"), "{lines:?}");
    assert!(!lines[1].contains("meanwhile"), "{lines:?}");
    join.expect_line(|line| line.contains("is kept again"), SOON);
}

#[test]
fn nothing_is_kept_where_the_system_chooses_the_port() {
    let hub = hub(&[]);
    hub.expect_status(|line| line.contains("nothing is kept"), SOON);
    let mut join = pigeon("join", &["join", &hub.address.to_string(), "--nick", "dog"]);
    join.expect_line(|line| line.starts_with("* you are dog"), SOON);
    join.say("/history");
    join.expect_line(|line| line.contains("keeps no history"), SOON);
    assert!(hub.lines(Voice::Err).iter().all(|line| !line.contains("kept in")));
}

/// 40 members at two listening sockets send 2,000 lines. An export, an import into an empty log and
/// another export yield the same data.
#[test]
fn the_hour_of_a_class_is_exported_and_imported_without_a_loss() {
    const MEMBERS: usize = 40;
    const LINES: usize = 2_000;
    let (first, second) = (folder("hour"), folder("hour-again"));
    let data = first.to_str().unwrap();
    let doors = ["--listen", "127.0.0.1:0", "--listen", "classic@127.0.0.1:0=实验"];
    let hub =
        pigeon("hub", &[&["hub", "--data", data, "--notices-up-to", "0"], &doors[..]].concat());
    hub.expect_status(|line| line.contains("is kept in"), SOON);
    let lines = hub.lines(Voice::Err);
    let doors: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("listening on "))
        .map(|line| address_in(line))
        .collect();
    let members: Vec<UdpSocket> = (0..MEMBERS)
        .map(|n| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(doors[n % 2]).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket.send(format!("/nick 同学{n}").as_bytes()).unwrap();
            let mut answer = [0; 512];
            socket.recv(&mut answer).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket
        })
        .collect();
    let mut buffer = [0; 2_048];
    for line in 0..LINES {
        let speaker = &members[line * 7 % MEMBERS];
        let text = format!("第 {line} 行 🐶 “quoted” \\ \t {}", "温度 21.5 ".repeat(line % 9));
        speaker.send(text.trim().as_bytes()).unwrap();
        // Its copy is the acknowledgement; the others' earlier lines come first. A busy kernel may
        // drop it, but the hub's count is what matters.
        let own = format!("第 {line} 行");
        while let Ok(length) = speaker.recv(&mut buffer) {
            if String::from_utf8_lossy(&buffer[..length]).contains(&own) {
                break;
            }
        }
    }
    let history = |folder: &Path, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["history", "--data", folder.to_str().unwrap()]).args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let exported = wait_until("all is kept", || {
        Some(history(&first, &["--export", "-"])).filter(|text| text.lines().count() >= LINES)
    });
    assert_eq!(exported.lines().count(), LINES);
    let file = folder("hour.jsonl");
    // Removes a file from an earlier run.
    let _ = fs::remove_file(&file);
    fs::write(&file, &exported).unwrap();
    history(&second, &["--import", file.to_str().unwrap()]);
    // Imported messages have the link `import`; all else is the same.
    let expected = exported.replace(r#","link":"plain","#, r#","link":"import","#);
    assert!(history(&second, &["--export", "-"]) == expected, "the second export differs");
}
