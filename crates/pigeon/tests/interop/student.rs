//! A user of the full screen in Chinese, from the password to a hub that comes back. The screen
//! must contain no English except commands and names.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::pigeon::{HEARTBEAT, hub, hub_at, pigeon};
use crate::process::{SOON, wait_until};
use crate::pty::Terminal;

const ALT_A: &str = "\x1ba";
const ALT_1: &str = "\x1b1";
const ESC: &str = "\x1b";
const F1: &str = "\x1bOP";
const F2: &str = "\x1bOQ";
const PAGE_DOWN: &str = "\x1b[6~";

/// Three English words in a row.
fn english(screen: &str) -> Option<String> {
    let is_word =
        |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let words: Vec<&str> = screen.split_whitespace().collect();
    words.windows(3).find(|three| three.iter().all(is_word)).map(|three| three.join(" "))
}

/// Waits for a text, and reads the whole screen.
#[track_caller]
fn read(student: &Terminal, text: &str) -> String {
    let screen = student.expect_text(text);
    assert_eq!(english(&screen), None, "{screen}");
    screen
}

#[test]
fn a_student_reads_chinese_from_the_password_to_the_hub_that_comes_back() {
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("student-data");
    let _ = fs::remove_dir_all(&data);
    let flags = ["--password", "芝麻开门", "--data", data.to_str().unwrap()];
    let mut first = hub(&flags);
    let at = first.address.to_string();
    let args = ["join", &at, "--heartbeat", HEARTBEAT];
    let student = Terminal::start_in_chinese("小明", (80, 24), &args);
    read(&student, "这个 hub 需要密码：请输入 /pass 密码");
    student.press("大家好\r");
    let screen = read(&student, "没有发出：请先输入密码");
    assert!(screen.contains("尚未加入") && !screen.contains("已加入"), "{screen}");
    student.press("/pass 开门\r");
    read(&student, "密码不对");
    // The status line asks for the password until the hub admits us.
    read(&student, "\n 这个 hub 需要密码");
    student.press("/pass 芝麻开门\r");
    read(&student, "还没有名字；用 /nick 名字");
    read(&student, "；往返 ");
    student.press("/nick 小明\r");
    read(&student, "你的名字是 小明，在房间 lobby");

    let args = ["join", &at, "--nick", "小红", "--heartbeat", HEARTBEAT];
    let mut other = pigeon("小红", &[&args[..], &["--language", "zh"]].concat());
    other.expect_status(|line| line.contains("需要密码"), SOON);
    other.say("/pass 芝麻开门");
    other.expect_line(|line| line.contains("你的名字是 小红"), SOON);
    other.say("第一题选什么");
    read(&student, "小红: 第一题选什么");
    other.say("/msg 小明 借我笔记");
    read(&student, "* 小红 → 你（私聊）：借我笔记");
    student.press(ALT_A);
    student.press("给你\r");
    read(&student, "小明: 给你");
    student.press(ALT_1);
    // The screen learns from a heartbeat that the hub stores messages; before, it searches locally.
    wait_until("the hub searches", || {
        student.press("/search 第一题\r");
        std::thread::sleep(Duration::from_millis(200));
        let found = student.screen().contains("含“第一题”的消息有 1 条（Esc 返回）");
        student.press(ESC);
        found.then_some(())
    });
    student.press(ESC);
    student.press("/search 第九题\r");
    read(&student, "这个房间里没有含这些字的消息");
    student.press(ESC);
    student.press("/whisper 小红 在吗\r");
    read(&student, "没有发出：是不是想用 /msg？");
    student.press(F2);
    read(&student, "lobby 里有 2 人");
    student.press(F1);
    student.press(F1);
    read(&student, "/msg 名字 内容");
    student.press(PAGE_DOWN);
    student.press(PAGE_DOWN);
    read(&student, "? 须在空行上");
    student.press(ESC);

    first.signal("KILL");
    first.expect_end(SOON);
    read(&student, "拒绝连接：hub 已停止；正在");
    read(&student, "没有应答；正在重新连接");
    student.press("有人吗\r");
    read(&student, "hub 不在线；刚才那一行多半没有送到");
    let _second = hub_at(&at, &flags);
    read(&student, "秒后恢复了");
    read(&student, "\n 这个 hub 需要密码");
}

#[test]
fn a_student_in_lines_reads_chinese_too() {
    let hub = hub(&[]);
    let at = hub.address.to_string();
    let args = ["join", &at, "--line", "--heartbeat", HEARTBEAT];
    let student = Terminal::start_in_chinese("小明", (100, 30), &args);
    read(&student, "你还没有名字，别人看到的是 127.0.0.1:");
    student.press("/nick 小明\r");
    read(&student, "你的名字是 小明");
    student.press("/help\r");
    read(&student, "/me 动作 会发送 *动作*");
    student.press("/dev/null\r");
    read(&student, "没有发出：以 / 开头的是命令");
    student.press("^hb^\r");
    read(&student, "以 ^hb^ 开头的是心跳");
    let mut nobody = Terminal::start_in_chinese("nobody", (100, 30), &["join", "127.0.0.1:9"]);
    read(&nobody, "127.0.0.1:9 拒绝连接：那里没有程序在监听。");
    assert_eq!(nobody.expect_end(), 1);
}

#[test]
fn a_chat_in_chinese_says_what_became_of_each_line() {
    for (full, args) in [(true, &["chat", "127.0.0.1:9"][..]), (false, &["chat", "--line"])] {
        let student = Terminal::start_in_chinese("chat", (100, 30), args);
        read(&student, "接收地址：端口 ");
        if !full {
            student.press("在吗\r");
            read(&student, "没有发出：还没有选择对方");
            student.press("/to 127.0.0.1:9\r");
            read(&student, "以后输入的内容发给 127.0.0.1:9");
        }
        student.press("在吗\r");
        read(&student, "127.0.0.1:9 拒绝：那里没有程序在监听，消息已丢失");
        student.press("/encoding gb2312\r");
        read(&student, "收发编码是 gb2312");
        student.press("😀\r");
        read(&student, "没有发出：gb2312 里没有 😀（第 1 个字）");
        student.press("/encoding xyz\r");
        read(&student, "xyz");
        student.press("/to 9\r");
        read(&student, "没有编号为 9 的对话");
        student.press("/help\r");
        read(&student, "与对方收发用的编码");
        student.press("quit\r");
        read(&student, "再输入一次 quit 退出程序");
    }
}
