//! A class with full screens: forty people, a dozen sensors, and earlier messages.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use crate::pigeon::{HEARTBEAT, hub};
use crate::process::wait_until;
use crate::pty::Terminal;

const F2: &str = "\x1bOQ";
const ESC: &str = "\x1b";
const ALT_PAGE_DOWN: &str = "\x1b[6;3~";
const PAGE_UP: &str = "\x1b[5~";
/// The mouse wheel, turned down over the names.
const WHEEL_DOWN: &str = "\x1b[<65;3;9M";

/// A plain member, like nc, that has sent these lines.
fn member(hub: SocketAddr, lines: &[&str]) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(hub).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    lines.iter().for_each(|line| say(&socket, line));
    socket
}

/// Sends a line until the hub relays it: a busy machine loses datagrams even on loopback.
fn say(socket: &UdpSocket, line: &str) {
    let word = line.split(' ').next_back().unwrap();
    let mut buffer = [0; 2_000];
    let mut is_answered = || match socket.recv(&mut buffer) {
        Ok(length) => Some(String::from_utf8_lossy(&buffer[..length]).contains(word)),
        Err(_) => None,
    };
    for _ in 0..5 {
        socket.send(line.as_bytes()).unwrap();
        while let Some(is_it) = is_answered() {
            if is_it {
                return;
            }
        }
    }
    panic!("the hub does not answer {line:?}");
}

/// The column of the line between names and messages, the same in every row.
fn border(screen: &str) -> usize {
    let column = |line: &str| {
        let (side, _) = line.split_once('│')?;
        // Names here are ASCII and ideographs, and may be cut.
        Some(side.chars().map(|c| if c.is_ascii() || c == '…' { 1 } else { 2 }).sum::<usize>())
    };
    let columns: Vec<usize> = screen.lines().filter_map(column).collect();
    assert!(!columns.is_empty() && columns.iter().all(|at| *at == columns[0]), "{screen}");
    columns[0]
}

#[test]
fn of_forty_people_and_twelve_sensors_everybody_is_one_key_away() {
    let hub = hub(&[]);
    let names: Vec<String> = (2..=40).map(|n| format!("学生{n:02}")).collect();
    let _people: Vec<UdpSocket> =
        names.iter().map(|name| member(hub.address, &[&format!("/nick {name}")])).collect();
    let sensors: Vec<UdpSocket> = (0..12).map(|_| member(hub.address, &["21.5"])).collect();
    let at = hub.address.to_string();
    for size in [(120, 40), (80, 24)] {
        let args = ["join", &at, "--nick", "学生01", "--heartbeat", HEARTBEAT];
        let mut teacher = Terminal::start("学生01", size, &args);
        let screen = teacher.expect("everybody counted, people first", |screen| {
            screen.contains("40 people") && screen.contains("12 senders")
        });
        let border_at = border(&screen);
        let shown = |screen: &str| names.iter().filter(|name| screen.contains(&**name)).count();
        assert!(shown(&screen) >= usize::from(size.1) - 8, "{screen}");

        teacher.press(F2);
        let all = teacher.expect("all forty", |screen| shown(screen) == 39);
        assert!(all.contains("40 people in lobby"), "{all}");
        for sensor in &sensors {
            assert!(all.contains(&sensor.local_addr().unwrap().to_string()), "{all}");
        }
        assert_eq!(border(&all), border_at);
        teacher.press(ESC);
        teacher.expect("the messages again", |screen| !screen.contains("40 people in"));
        teacher.press(WHEEL_DOWN);
        teacher.expect("the names scrolled", |screen| {
            screen.lines().filter(|line| line.starts_with("  学生02")).count() == 0
        });
        teacher.press(ALT_PAGE_DOWN);
        teacher.press(ALT_PAGE_DOWN);
        teacher.expect("the last of them", |screen| {
            screen.lines().any(|line| line.starts_with("  学生40"))
        });

        // A long name, a long address, an unread conversation: the width stays.
        let long =
            member(hub.address, &["/nick 一个非常非常非常非常非常长的名字", "/msg 学生01 psst"]);
        let screen = teacher.expect("a conversation", |screen| screen.contains("(1)"));
        assert_eq!(border(&screen), border_at);
        long.send(b"quit").unwrap();
        teacher.press("quit\r");
        assert_eq!(teacher.expect_end(), 0);
        hub.expect_members(51);
    }
}

#[test]
fn a_mention_and_a_bell_and_what_is_ignored() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    let args = ["join", &at, "--nick", "小明", "--language", "zh"];
    let ming = Terminal::start("小明", (80, 24), &args);
    ming.expect_text("你的名字是 小明");
    let teacher = member(hub.address, &["/nick 老师", "请小明回答"]);
    ming.expect_text("!老师: 请小明回答");
    wait_until("the bell rings", || (ming.rings() > 0).then_some(()));
    wait_until("the window has a name", || (ming.title() == "lobby - pigeon").then_some(()));
    ming.press("/me 站起来\r");
    ming.expect_text("小明: *站起来*");
    ming.press("/ignore 老师\r");
    ming.expect_text("已屏蔽 老师");
    say(&teacher, "小明坐下");
    let other = member(hub.address, &["/nick 小红", "大家好"]);
    let screen = ming.expect_text("小红: 大家好");
    assert!(!screen.contains("坐下"), "{screen}");
    drop(other);
    ming.press("/clear\r");
    ming.expect("an empty room", |screen| !screen.contains("大家好"));
    ming.press("/help\r");
    ming.expect_text("给自己取名字");
}

#[test]
fn one_who_comes_back_reads_on_where_it_stopped() {
    let folder = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        folder.to_str().unwrap().to_string()
    };
    let (data, state) = (folder("data-reads-on"), folder("state-reads-on"));
    let hub = hub(&["--data", &data]);
    let at = hub.address.to_string();
    let teacher = member(hub.address, &["/nick 老师"]);
    let homework = |lines: std::ops::Range<u32>| {
        lines.for_each(|n| say(&teacher, &format!("作业 {n}.")));
    };
    let join = || {
        let args = ["join", &at, "--nick", "小明", "--heartbeat", "300ms"];
        Terminal::start_keeping(&state, "小明", (80, 24), &args)
    };
    homework(0..60);
    let mut first = join();
    first.expect_text("老师: 作业 59.");
    // On a first visit nothing is marked as new, and earlier messages continue above the screen.
    assert!(!first.screen().contains("new since"), "{}", first.screen());
    wait_until("the first line of all", || {
        first.press(PAGE_UP);
        first.screen().contains("老师: 作业 0.").then_some(())
    });
    first.press("\x1b[1;5F");
    first.expect_text("老师: 作业 59.");
    first.press("/search 作业 7\r");
    first.expect("the hits", |screen| {
        screen.contains("6 messages with 作业 7") && screen.contains("老师: 作业 57.")
    });
    first.press(ESC);
    first.expect("the room again", |screen| !screen.contains("messages with"));
    first.press("/search 没说过\r");
    first.expect_text("no message in this room contains that");
    first.press(ESC);
    first.expect("the room again", |screen| !screen.contains("messages with"));
    first.press("quit\r");
    first.expect_end();

    homework(60..65);
    let second = join();
    let screen = second.expect("what is new", |screen| {
        screen.contains("new since your last visit")
            && screen.contains("作业 59.")
            && screen.contains("作业 64.")
    });
    let row = |text: &str| screen.lines().position(|line| line.contains(text)).unwrap();
    let mark = row("new since your last visit");
    assert_eq!((row("作业 59.") + 1, row("作业 60.")), (mark, mark + 1), "{screen}");
    assert_eq!(screen.matches("作业 64.").count(), 1, "{screen}");
}

#[test]
fn who_is_kicked_reads_so_also_after_starting_again() {
    let mut hub = hub(&[]);
    let at = hub.address.to_string();
    let folder = format!("{}/state-kicked", env!("CARGO_TARGET_TMPDIR"));
    // Removes a folder from an earlier run.
    let _ = fs::remove_dir_all(&folder);
    let _teacher = member(hub.address, &["/nick 老师"]);
    let join = || {
        let args = ["join", &at, "--language", "zh", "--heartbeat", HEARTBEAT];
        Terminal::start_keeping(&folder, "小黑", (80, 24), &args)
    };
    let mut first = join();
    first.expect_text("-- 你还没有名字，别人看到的是");
    first.press("/nick 小黑\r");
    first.expect_text("* 你的名字是 小黑，在房间 lobby");
    first.expect("the teacher in the list", |screen| screen.contains("  老师"));
    hub.say("kick 小黑");
    let removed = "你被管理员移出，十分钟内不能再加入";
    first.expect_text(removed);
    first.expect("no list", |screen| !screen.contains("  老师") && !screen.contains("# lobby"));
    first.press("\x03");
    first.expect_end();

    let again = join();
    again.expect_text(removed);
    again.press("有人吗\r");
    let screen = again.expect_text("没有送达：你被管理员移出");
    assert!(!screen.contains("已加入") && !screen.contains("hub 不在"), "{screen}");
}

#[test]
fn a_mistyped_command_is_answered_with_the_one_that_is_meant() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    let args = ["join", &at, "--nick", "小明", "--language", "zh"];
    let ming = Terminal::start("小明", (80, 24), &args);
    ming.expect_text("你的名字是 小明");
    ming.press("/whisper 小红 psst\r");
    ming.expect_text("是不是想用 /msg？");
    ming.press("/help\r");
    ming.expect_text("PageDown");
    ming.press("/WHO\r");
    let screen = ming.expect_text("是不是想用 /who？");
    assert!(!screen.contains("小明: "), "{screen}");
}

#[test]
fn lines_of_the_history_have_one_time_each() {
    let folder = format!("{}/data-one-time", env!("CARGO_TARGET_TMPDIR"));
    // Removes a folder from an earlier run.
    let _ = fs::remove_dir_all(&folder);
    let hub = hub(&["--data", &folder]);
    let _teacher = member(hub.address, &["/nick 老师", "作业"]);
    let at = hub.address.to_string();
    let ming = Terminal::start("小明", (80, 24), &["join", &at, "--line", "--nick", "小明"]);
    let screen = ming.expect_text("* 老师 (");
    let line = screen.lines().find(|line| line.contains("* 老师 (")).unwrap();
    assert!(line.starts_with("[20"), "{screen}");
}
