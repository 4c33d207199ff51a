//! History, beside the hub that stores it: shown, searched, exported and imported.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use pigeon_log::{Append, Identity, Log, Numbering, Options};
use pigeon_proto::{LinkKind, RoomName};
use serde_json::Value;

use crate::peers::installed;
use crate::process::{Process, SOON, Voice};

/// A state directory with one hub's folder. The test keeps its log open, like the hub.
struct Kept {
    state: PathBuf,
    log: Option<Log>,
}

impl Kept {
    fn new(test: &str) -> Kept {
        let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{test}"));
        // Removes a folder from an earlier run.
        let _ = std::fs::remove_dir_all(&state);
        let log = Log::open(&state.join("hub-127.0.0.1_9999"), Options::default(), |_| ()).unwrap();
        let said = [
            ("lobby", "狗哥", "今天的温度：21.5", "2026-11-20T21:04:05Z"),
            ("茶", "小红", "吃饭了吗", "2026-11-20T21:05:00Z"),
            ("lobby", "Mallory", "\u{1b}[2J\u{202e}evil\nline", "2026-11-21T08:00:00Z"),
            ("lobby", "狗哥", "温度 sensor OK", "2026-11-22T00:00:00Z"),
        ];
        for (index, (room, speaker, text, time)) in said.into_iter().enumerate() {
            log.try_append(message(index as u64 + 1, room, speaker, text.as_bytes(), time))
                .unwrap();
        }
        log.try_append(message(9, "lobby", "raw", b"\xff\x00", "2026-11-22T00:00:01Z")).unwrap();
        log.flush().wait();
        Kept { state, log: Some(log) }
    }

    fn folder(&self) -> PathBuf {
        self.state.join("hub-127.0.0.1_9999")
    }

    fn file(&self, name: &str) -> String {
        self.state.join(name).to_str().unwrap().to_string()
    }

    /// Runs `pigeon history ARGS…` to its end, with this input.
    #[track_caller]
    fn history(&self, args: &[&str], stdin: Option<&str>) -> (Option<i32>, Process) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.arg("history").args(args).env("PIGEON_STATE", &self.state).env("TZ", "UTC");
        command.env("TMPDIR", &self.state);
        let mut process = Process::spawn("pigeon history", &mut command);
        stdin.into_iter().for_each(|text| process.say(text));
        process.end_stdin();
        let status = process.expect_end(SOON);
        (status.code(), process)
    }

    #[track_caller]
    fn lines(&self, args: &[&str]) -> Vec<String> {
        let (code, process) = self.history(args, None);
        assert_eq!(code, Some(0), "{args:?}");
        process.lines(Voice::Out)
    }

    /// The error message, with exit status 2.
    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let (code, process) = self.history(args, None);
        let said = process.lines(Voice::Err).join("\n");
        assert_eq!(code, Some(2), "{args:?}: {said}");
        said
    }
}

fn message(number: u64, room: &str, speaker: &str, text: &[u8], time: &str) -> Append {
    let time: jiff::Timestamp = time.parse().unwrap();
    Append {
        room: RoomName::parse(room.as_bytes()).unwrap(),
        speaker: speaker.into(),
        link: LinkKind::Plain,
        wall: Duration::try_from(time.as_duration()).unwrap(),
        text: text.into(),
        identity: Identity { author: 7, outbox: 0, number },
        numbering: Numbering::ByHub,
    }
}

#[test]
fn what_was_said_is_shown_beside_the_hub() {
    let kept = Kept::new("shown");
    let all = kept.lines(&[]);
    assert_eq!(all.len(), 5);
    assert_eq!(all[0], "[2026-11-20 21:04:05] lobby 狗哥 (plain): 今天的温度：21.5");
    assert_eq!(all[1], "[2026-11-20 21:05:00] 茶 小红 (plain): 吃饭了吗");
    assert_eq!(all[2], r"[2026-11-21 08:00:00] lobby Mallory (plain): \x1b[2J\u{202e}evil\nline");
    assert_eq!(all[4], r"[2026-11-22 00:00:01] lobby raw (plain): \xff\x00");
    assert_eq!(kept.lines(&["茶"]), ["[2026-11-20 21:05:00] 小红 (plain): 吃饭了吗"]);
    assert_eq!(kept.lines(&["--listen", "9999", "LOBBY"]).len(), 4);
    assert_eq!(kept.lines(&["--data", kept.folder().to_str().unwrap(), "--text"]), all);
    let error = kept.refused(&["kitchen"]);
    assert!(error.contains("lobby, 茶"), "{error}");
    // The command reads the live log: a message stored now appears at once.
    let log = kept.log.as_ref().unwrap();
    log.try_append(message(10, "lobby", "狗哥", b"now", "2026-11-23T00:00:00Z")).unwrap();
    log.flush().wait();
    assert_eq!(kept.lines(&["--since", "2026-11-23"]).len(), 1);
}

#[test]
fn it_is_chosen_by_time_name_and_words() {
    let kept = Kept::new("chosen");
    let count = |args: &[&str]| kept.lines(args).len();
    assert_eq!(count(&["--since", "2026-11-20 21:05"]), 4);
    assert_eq!(count(&["--until", "2026-11-20 21:04"]), 1);
    assert_eq!(count(&["--since", "2026-11-20", "--until", "2026-11-21"]), 3);
    assert_eq!(count(&["--from", "MALLORY"]), 1);
    assert_eq!(count(&["--search", "温度"]), 2);
    assert_eq!(count(&["--search", "度 Ok"]), 1);
    assert_eq!(count(&["--search", "温度", "--until", "2026-11-20"]), 1);
    assert_eq!(count(&["茶", "--search", "温度"]), 0);
    // The oldest first.
    assert!(kept.lines(&["--search", "温度"])[0].ends_with("21.5"));
    let (code, nothing) = kept.history(&["--since", "1h"], None);
    assert_eq!((code, nothing.lines(Voice::Out).len()), (Some(0), 0));
    assert_eq!(nothing.lines(Voice::Err), ["no message matches"]);
    for wrong in [["--since", "yesterday"], ["--search", " "]] {
        kept.refused(&wrong);
    }
    kept.refused(&["--json", "--text"]);
    kept.refused(&["--export", "-", "--search", "a"]);
}

#[test]
fn json_is_flat_and_holds_what_was_said() {
    let kept = Kept::new("json");
    let lines = kept.lines(&["--json"]);
    assert_eq!(
        lines[0],
        "{\"time\":\"2026-11-20T21:04:05.000000+00:00\",\"kind\":\"message\",\"position\":1,\
         \"room\":\"lobby\",\"from\":\"狗哥\",\"link\":\"plain\",\"text\":\"今天的温度：21.5\"}"
    );
    let value: Value = serde_json::from_str(&lines[2]).unwrap();
    assert_eq!(value["text"], "\u{1b}[2J\u{202e}evil\nline");
    assert!(lines.iter().all(|line| !line.contains(['\u{1b}', '\u{202e}'])));
    let value: Value = serde_json::from_str(&lines[4]).unwrap();
    assert_eq!((&value["base64"], &value["text"]), (&"/wA=".into(), &Value::Null));
}

#[test]
fn an_export_is_imported_elsewhere_and_never_beside_a_hub() {
    let mut kept = Kept::new("transfer");
    let (export, again) = (kept.file("export.jsonl"), kept.file("again.jsonl"));
    assert_eq!(kept.lines(&["--export", "-"]).len(), 5);
    assert_eq!(kept.lines(&["茶", "--export", "-"]).len(), 1);
    kept.lines(&["--export", &export]);
    let error = kept.refused(&["--export", &export]);
    assert!(error.contains("exists and is not overwritten"), "{error}");
    assert_eq!(kept.lines(&["--export", "/dev/stdout"]).len(), 5);
    // A hub has the folder open.
    let (code, refused) = kept.history(&["--import", &export], None);
    let error = refused.lines(Voice::Err).join("\n");
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("in use by process") && error.contains("stop that hub"), "{error}");
    // Into an empty folder and out again. Positions and links are the new log's own.
    let empty = kept.file("empty");
    kept.lines(&["--data", &empty, "--import", &export]);
    kept.lines(&["--data", &empty, "--export", &again]);
    let without = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        for line in &mut lines {
            line.as_object_mut().unwrap().retain(|name, _| name != "link" && name != "position");
        }
        lines.iter().map(Value::to_string).collect()
    };
    assert_eq!(without(&export), without(&again));
    // A second import changes nothing; a bad line is skipped with a note.
    let (code, done) = kept.history(&["--data", &empty, "--import", &export], None);
    assert_eq!(
        (code, &*done.lines(Voice::Err)[0]),
        (Some(0), "0 lines imported, 5 were there already")
    );
    kept.log = None;
    let (code, done) = kept.history(&["--import", "-"], Some("nonsense"));
    let said = done.lines(Voice::Err);
    assert!(code == Some(2) && said[0].contains("line 1 is skipped"), "{said:?}");
}

#[test]
fn a_backup_overwrites_nothing_and_is_a_log() {
    let kept = Kept::new("backup");
    let folder = kept.file("copy");
    std::fs::create_dir(&folder).unwrap();
    let file = format!("{folder}/log.sqlite");
    kept.lines(&["--backup", &file]);
    let before = std::fs::read(&file).unwrap();
    let error = kept.refused(&["--backup", &file]);
    assert!(error.contains("exists and is left as it is"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(kept.lines(&["--data", &folder]), kept.lines(&[]));
}

/// A backup through a pipe, in which SQLite cannot seek, is complete.
#[test]
fn a_backup_goes_to_stdout_and_through_a_pipe() {
    if !installed("python3") {
        return;
    }
    let kept = Kept::new("piped");
    let fifo = kept.file("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (code, process) = kept.history(&["--backup", "-"], None);
    assert_eq!(code, Some(0), "{:?}", process.lines(Voice::Err));
    let mut reader = Process::spawn("cat", Command::new("cat").arg(&fifo));
    assert_eq!(kept.lines(&["--backup", &fifo]), [""; 0]);
    assert!(reader.expect_end(SOON).success());
    for (name, bytes) in [("stdout", process.bytes(Voice::Out)), ("pipe", reader.bytes(Voice::Out))]
    {
        let folder = kept.file(name);
        std::fs::create_dir(&folder).unwrap();
        let file = format!("{folder}/log.sqlite");
        std::fs::write(&file, bytes).unwrap();
        let check = "import sqlite3, sys; log = sqlite3.connect(sys.argv[1]); \
                     print(log.execute('pragma integrity_check').fetchone()[0])";
        let checked = Command::new("python3").args(["-c", check, &file]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&checked.stdout), "ok\n", "{checked:?}");
        assert_eq!(kept.lines(&["--data", &folder]), kept.lines(&[]));
    }
    // The temporary copy is gone.
    let names = std::fs::read_dir(&kept.state).unwrap().flatten().map(|file| file.file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with("pigeon-backup")));
    // If there is no log, `--backup` fails at once, even if nobody reads the pipe.
    for to in ["-", &fifo] {
        let error = kept.refused(&["--listen", "7", "--backup", to]);
        assert!(error.contains("there is no log in"), "{error}");
    }
}

#[test]
fn of_several_folders_the_last_written_is_read_and_none_or_a_damaged_one_is_said() {
    let kept = Kept::new("several");
    let other = kept.state.join("hub-any_9998");
    drop(Log::open(&other, Options::default(), |_| ()).unwrap());
    // The first log may write after this.
    let later = SystemTime::now() + Duration::from_secs(60);
    File::create(other.join("touched")).unwrap().set_modified(later).unwrap();
    assert_eq!(kept.lines(&[]), [""; 0], "the other folder was written last");
    std::fs::remove_file(other.join("touched")).unwrap();
    assert_eq!(kept.lines(&["--listen", "*:9998"]), [""; 0]);
    let error = kept.refused(&["--listen", "7"]);
    assert!(error.contains("there is no log in") && error.contains("hub-127.0.0.1_7"), "{error}");
    let file = other.join("log.sqlite");
    std::fs::write(&file, "SQLite format 3\0").unwrap();
    let error = kept.refused(&["--listen", "*:9998"]);
    assert!(error.contains("damaged") && error.contains("put a backup in its place"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"SQLite format 3\0");
    let none = Kept { state: kept.state.join("nothing"), log: None };
    let error = none.refused(&[]);
    assert!(error.contains("--data") && !Path::new(&none.state).exists(), "{error}");
}

#[test]
fn a_check_examines_settings_and_data_and_changes_nothing() {
    let mut kept = Kept::new("check");
    let check = |kept: &Kept, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        command.args(["hub", "--check"]).args(args).env("PIGEON_STATE", &kept.state);
        let mut process = Process::spawn("pigeon hub --check", &mut command);
        let code = process.expect_end(SOON).code();
        (code, process.lines(Voice::Out).join("\n"), process.lines(Voice::Err).join("\n"))
    };
    // The history can be read while the hub has it open, and without a hub.
    for _ in 0..2 {
        let (code, good, bad) = check(&kept, &[]);
        assert_eq!((code, &*bad), (Some(0), ""));
        assert!(good.contains("hub-127.0.0.1_9999 is whole"), "{good}");
        kept.log = None;
    }
    let names = || {
        let files = std::fs::read_dir(kept.folder()).unwrap().flatten();
        let mut names: Vec<_> = files.map(|file| file.file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let (code, good, _) = check(&kept, &["--listen", "9998"]);
    assert!(code == Some(0) && good.contains("no log is in"), "{good}");
    assert!(!kept.state.join("hub-127.0.0.1_9998").exists());
    assert_eq!(names(), before);
    // Each problem is reported on a line, and the check continues.
    let config = kept.file("hub.toml");
    std::fs::write(&config, "timeout = \"3 parsecs\"").unwrap();
    let (code, _, bad) = check(&kept, &["--config", &config]);
    assert!(code == Some(2) && bad.contains("timeout"), "{bad}");
    std::fs::write(&config, "timeout = \"3s\"\npassword-file = \"/nowhere\"").unwrap();
    let file = kept.folder().join("log.sqlite");
    let mut damaged = std::fs::read(&file).unwrap();
    let middle = damaged.len() / 2;
    damaged[4_096..middle].fill(0x55);
    std::fs::write(&file, &damaged).unwrap();
    let (code, good, bad) = check(&kept, &["--config", &config]);
    assert_eq!((code, bad.lines().count()), (Some(2), 2), "{bad}");
    assert!(good.contains("hub.toml is good") && good.contains("127.0.0.1:9999"), "{good}");
    assert!(bad.contains("/nowhere") && bad.contains("is damaged"), "{bad}");
    assert!(bad.contains("put a backup in its place"), "{bad}");
    assert_eq!(std::fs::read(&file).unwrap(), damaged);
}
