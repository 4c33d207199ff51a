//! `pigeon hub --ipmsg` and `pigeon send --ipmsg` with iptux's own core. A small program
//! (`programs/iptux_judge.cpp`), which the test builds, drives that core. Each test uses its own
//! loopback addresses, because every program of the family uses port 2425.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::{installed, skipped};
use crate::pigeon::{Serving, hub, pigeon};
use crate::process::{Process, SOON, Voice, wait_until, wait_within};

/// How long delivery may take with retransmissions.
const LONG: Duration = Duration::from_secs(30);

/// Addresses for one test: `127.x.y.1` and so on.
struct Addresses(String);

impl Addresses {
    fn new() -> Addresses {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed);
        Addresses(format!("127.{}.{}", 64 + number / 256 % 128, number % 256))
    }

    fn at(&self, last: u8) -> String {
        format!("{}.{last}", self.0)
    }

    /// A hub at the first address that searches for contacts at the second and third.
    fn hub(&self, args: &[&str]) -> Serving {
        let (here, there) = (self.at(1), format!("{},{}", self.at(2), self.at(3)));
        let words = [("--name", "大厅"), ("--language", "zh")];
        let words = words.into_iter().filter(|(flag, _)| !args.contains(flag));
        let words: Vec<&str> = words.flat_map(|(flag, value)| [flag, value]).collect();
        let ipmsg = ["--ipmsg", here.as_str(), "--ipmsg-scan", &there];
        hub(&[&ipmsg[..], &words, args].concat())
    }
}

/// The program, built once; `None` without iptux's core.
fn judge_program() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build_judge).as_ref()
}

fn build_judge() -> Option<PathBuf> {
    if !installed("g++") || !installed("pkg-config") {
        return None;
    }
    if !PathBuf::from("/usr/include/iptux-core/CoreThread.h").exists() {
        skipped("iptux");
        return None;
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/iptux_judge.cpp");
    let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("iptux_judge");
    let temporary = built.with_extension(std::process::id().to_string());
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "sigc++-2.0", "glib-2.0", "jsoncpp"])
        .output()
        .expect("pkg-config runs");
    let flags = String::from_utf8(flags.stdout).unwrap();
    let output = Command::new("g++")
        .args(["-std=c++17", source, "-o"])
        .arg(&temporary)
        .args(flags.split_whitespace())
        .args(["-liptux-core", "-lpthread"])
        .output()
        .expect("g++ runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&temporary, &built).unwrap();
    Some(built)
}

/// A user of iptux.
fn iptux(address: &str, nick: &str, encoding: &str) -> Option<Process> {
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"nick_name":"{nick}","belong_group":"一组","bind_ip":"{address}",
        "debug_dont_broadcast":true,"preference_encode":"{encoding}",
        "send_message_retry_in_us":300000}}"#
    );
    let mut command = Command::new(judge_program()?);
    command.arg(config).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    let judge = Process::spawn(nick, &mut command);
    judge.expect_line(|line| line == "started", SOON);
    // iptux's threads bind the port.
    wait_until("iptux has its port", || UdpSocket::bind((address, 2425)).err().map(drop));
    Some(judge)
}

/// A plain member.
struct Plain(UdpSocket);

impl Plain {
    fn join(hub: &Serving, name: &str) -> Plain {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(hub.address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let plain = Plain(socket);
        plain.say(&format!("/nick {name}"));
        plain.hear(|line| line.contains(name));
        plain
    }

    fn say(&self, text: &str) {
        self.0.send(text.as_bytes()).unwrap();
    }

    /// The lines received so far.
    fn drain(&self) -> Vec<String> {
        let (mut buffer, mut lines) = ([0; 65_536], Vec::new());
        self.0.set_nonblocking(true).unwrap();
        while let Ok(length) = self.0.recv(&mut buffer) {
            lines.push(String::from_utf8_lossy(&buffer[..length]).trim_end().to_string());
        }
        self.0.set_nonblocking(false).unwrap();
        lines
    }

    #[track_caller]
    fn hear(&self, mut wished: impl FnMut(&str) -> bool) -> String {
        let mut buffer = [0; 65_536];
        loop {
            let length = self.0.recv(&mut buffer).expect("the line comes");
            let line = String::from_utf8_lossy(&buffer[..length]).trim_end().to_string();
            if wished(&line) {
                return line;
            }
        }
    }
}

#[test]
fn users_of_iptux_are_members_in_either_encoding() {
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "utf-8") else { return };
    let mut bo = iptux(&net.at(3), "小波", "gb18030").unwrap();
    let hub = net.hub(&[]);
    let here = net.at(1);
    let dog = Plain::join(&hub, "狗哥");
    for judge in [&ai, &bo] {
        let online = judge.expect_line(|line| line.starts_with(&format!("online {here}")), LONG);
        assert!(online.ends_with("大厅 pigeon"), "{online}");
        judge.expect_line(|line| line.contains("这里是 大厅"), LONG);
    }
    // Each contact becomes a member when it acknowledges the greeting.
    let roster = loop {
        dog.say("/who");
        let roster = dog.hear(|line| line.contains("房间 lobby 里有"));
        if roster.contains("3 人") {
            break roster;
        }
    };
    for name in [format!("阿爱@{}", net.at(2)), format!("小波@{} (ipmsg)", net.at(3))] {
        assert!(roster.contains(&name), "{roster}");
    }

    for (judge, nick, last, text) in
        [(&mut ai, "阿爱", 2, "你好，大家 😀"), (&mut bo, "小波", 3, "大家好")]
    {
        judge.say(&format!("say {here} {text}"));
        judge.expect_line(|line| line == format!("said {here} {text}"), LONG);
        dog.hear(|line| line == format!("{nick}@{}: {text}", net.at(last)));
    }
    bo.expect_line(|line| line.ends_with(&format!("阿爱@{}: 你好，大家 😀", net.at(2))), LONG);
    dog.say("欢迎 😀 €");
    for judge in [&ai, &bo] {
        judge.expect_line(|line| line.contains("狗哥: 欢迎 😀 €"), LONG);
    }
    // The contact sends a text to its group, and changes its name.
    bo.say(&format!("group {here} 群发"));
    dog.hear(|line| line == format!("小波@{}: 群发", net.at(3)));
    ai.say("rename 阿文");
    dog.hear(|line| line.contains("阿爱") && line.contains("阿文"));
    ai.say(&format!("say {here} 改名了"));
    dog.hear(|line| line == format!("阿文@{}: 改名了", net.at(2)));
    // Commands, and a private message.
    ai.say(&format!("say {here} ／who"));
    ai.expect_line(|line| line.contains("狗哥") && line.contains("3 人"), LONG);
    dog.say(&format!("/msg 小波@{} 悄悄话", net.at(3)));
    bo.expect_line(|line| line.contains("狗哥") && line.contains("悄悄话"), LONG);
    ai.say("exit");
    dog.hear(|line| line.contains(&format!("阿文@{}", net.at(2))) && line.contains("离开"));
    hub.signal("TERM");
    bo.expect_line(|line| line == format!("offline {here}"), LONG);
}

#[test]
fn either_side_may_start_again() {
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "utf-8") else { return };
    let here = net.at(1);
    let mut first = net.hub(&[]);
    ai.expect_line(|line| line.contains("这里是 大厅"), LONG);
    ai.say(&format!("say {here} 一"));
    ai.expect_line(|line| line == format!("said {here} 一"), LONG);
    first.signal("TERM");
    first.expect_end(SOON);
    ai.expect_line(|line| line == format!("offline {here}"), LONG);

    let hub = net.hub(&[]);
    let dog = Plain::join(&hub, "狗哥");
    ai.expect_line(|line| line.matches("这里是 大厅").count() > 0, LONG);
    let lines = || ai.output().matches("这里是 大厅").count();
    wait_until("it is greeted again", || (lines() >= 2).then_some(()));
    hub.expect_status(|line| line.contains("joined address=阿爱"), LONG);
    dog.say("二");
    ai.expect_line(|line| line.contains("狗哥: 二"), LONG);
    ai.say(&format!("say {here} 三"));
    dog.hear(|line| line.ends_with(": 三"));

    // The program is restarted, counts from 1, and sends the same text with the same number.
    ai.signal("KILL");
    ai.expect_end(SOON);
    let mut again = iptux(&net.at(2), "阿爱", "utf-8").unwrap();
    again.say(&format!("detect {here}"));
    again.expect_line(|line| line.starts_with(&format!("online {here}")), LONG);
    again.say(&format!("say {here} 四"));
    dog.hear(|line| line.ends_with(": 四"));
    dog.say("五");
    again.expect_line(|line| line.contains("狗哥: 五"), LONG);
}

#[test]
fn before_the_password_nothing_is_said_and_nothing_sent() {
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "utf-8") else { return };
    let here = net.at(1);
    let hub = net.hub(&["--password", "芝麻开门"]);
    let dog = UdpSocket::bind("127.0.0.1:0").unwrap();
    dog.connect(hub.address).unwrap();
    dog.set_read_timeout(Some(LONG)).unwrap();
    let dog = Plain(dog);
    dog.say("/pass 芝麻开门");
    dog.say("/nick 狗哥");
    ai.expect_line(|line| line.starts_with(&format!("online {here}")), LONG);
    dog.say("秘密");
    ai.say(&format!("say {here} 有人吗"));
    ai.expect_line(|line| line.contains("/pass 密码"), LONG);
    ai.say(&format!("say {here} /pass 芝麻开门"));
    ai.expect_line(|line| line.contains("lobby"), LONG);
    hub.expect_status(|line| line.contains("joined address=阿爱"), LONG);
    dog.say("公开");
    let line = ai.expect_line(|line| line.contains("狗哥:"), LONG);
    assert!(line.ends_with("公开"), "{line}");
    let said = ai.output();
    assert!(!said.contains("秘密"), "{said}");
    ai.say(&format!("say {here} 到了"));
    let heard = dog.hear(|line| line.starts_with("阿爱@"));
    assert!(heard.ends_with(": 到了"), "{heard}");
}

/// 100 lines, or `PIGEON_IPMSG_LINES`.
#[test]
fn lines_each_way_through_a_bad_network_arrive_once_and_in_order_or_are_reported() {
    let lines: usize =
        std::env::var("PIGEON_IPMSG_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "utf-8") else { return };
    // On another port: a relay takes a sender at its target's host and port for the target.
    let (there, target) = (net.at(5), format!("{}:2426", net.at(1)));
    let hub = hub(&["--ipmsg", &target, "--name", "大厅", "--language", "zh"]);
    let way = ["--loss", "20%", "--reorder", "10%", "--delay", "5ms", "--seed", "7"];
    let relay = ["relay", &format!("{there}:2425"), &target];
    let _relay = Serving::new(pigeon("relay", &[&relay[..], &way].concat()));
    let dog = Plain::join(&hub, "狗哥");
    wait_within("iptux and the hub know each other", LONG, || {
        ai.say(&format!("detect {there}"));
        dog.say("^hb^");
        std::thread::sleep(Duration::from_millis(300));
        hub.lines(Voice::Err).iter().any(|line| line.contains("joined address=阿爱")).then_some(())
    });
    // An entry from the hub makes iptux treat its text as acknowledged. The last answer comes
    // within two seconds.
    std::thread::sleep(Duration::from_millis(2_200));

    let words = ["春眠不觉晓", "处处闻啼鸟"];
    let said_by_ai = |line: &str| {
        let text = line.strip_prefix("阿爱@")?.split(": ").nth(1)?;
        Some(number_of(text, words[1]))
    };
    let mut heard = Vec::new();
    for n in 0..lines {
        dog.say(&format!("第{n}句：{}", words[0]));
        ai.say(&format!("say {there} 第{n}句：{}", words[1]));
        heard.extend(dog.drain().iter().filter_map(|line| said_by_ai(line)));
    }
    // The lines sent, and the unacknowledged ones.
    let settled = |what: &str| {
        let line = |line: String| {
            let text = line.strip_prefix(&format!("{what} {there} "))?.to_string();
            Some(number_of(&text, words[1]))
        };
        ai.lines(Voice::Out).into_iter().filter_map(line).collect::<Vec<usize>>()
    };
    let all = Duration::from_secs(60 + lines as u64);
    wait_within("every line is said or reported", all, || {
        // Keeps its receive buffer from overflowing.
        heard.extend(dog.drain().iter().filter_map(|line| said_by_ai(line)));
        let settled: BTreeSet<usize> =
            settled("said").into_iter().chain(settled("error")).collect();
        dog.say("^hb^");
        (settled.len() == lines).then_some(())
    });
    dog.say("完");
    dog.hear(|line| {
        heard.extend(said_by_ai(line));
        line == "狗哥: 完"
    });
    assert!(heard.is_sorted_by(|a, b| a < b), "once each, in order: {heard:?}");
    let reported = settled("error");
    for n in settled("said").iter().filter(|n| !reported.contains(n)) {
        assert!(heard.contains(n), "{n} was acknowledged, and heard are {heard:?}");
    }
    println!("to the hub: {} of {lines} heard, {} reported", heard.len(), reported.len());

    // The reverse direction: the hub's log reports it.
    wait_within("the last line arrives", all, || {
        dog.say("完");
        std::thread::sleep(Duration::from_secs(1));
        ai.output().contains("狗哥: 完").then_some(())
    });
    let said = ai.output().replace("\\n", "\n");
    let from_dog = said.lines().filter_map(|line| line.split("狗哥: ").nth(1));
    let heard: Vec<usize> =
        from_dog.filter(|text| *text != "完").map(|text| number_of(text, words[0])).collect();
    assert!(heard.is_sorted_by(|a, b| a < b), "once each, in order: {heard:?}");
    let lost = |line: &String| -> Option<usize> {
        line.split("lines=").nth(1)?.split(' ').next()?.parse().ok()
    };
    let reported: usize = hub.lines(Voice::Err).iter().filter_map(lost).sum();
    assert!(heard.len() + reported >= lines, "{} heard, {reported} reported", heard.len());
    println!("from the hub: {} of {lines} heard, {reported} reported", heard.len());
}

/// Checks that every character of a line arrived unchanged, and returns the line's number.
#[track_caller]
fn number_of(text: &str, words: &str) -> usize {
    let number =
        text.strip_prefix('第').and_then(|rest| rest.strip_suffix(&format!("句：{words}")));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("garbled: {text}"))
}

#[test]
fn a_script_writes_to_a_user_and_learns_whether_it_arrived() {
    let net = Addresses::new();
    let Some(ai) = iptux(&net.at(2), "阿爱", "gb18030") else { return };
    let (here, there) = (format!("{}:2425", net.at(4)), net.at(2));
    let send =
        |args: &[&str]| pigeon("send", &[&["send", "--ipmsg", "--source", &here], args].concat());
    let status = send(&[&there, "构建", "完成 😀"]).expect_end(SOON);
    assert_eq!(status.code(), Some(0));
    ai.expect_line(|line| line == format!("text {} 构建 完成 😀", net.at(4)), SOON);
    ai.expect_line(|line| line == format!("offline {}", net.at(4)), SOON);
    // No program at the address.
    let mut nobody = send(&[&net.at(9), "喂"]);
    assert_eq!(nobody.expect_end(SOON).code(), Some(1));
    nobody.expect_status(|line| line.contains("refused"), SOON);
    // A program that never answers.
    let silent = UdpSocket::bind((net.at(8), 2425)).unwrap();
    let mut unheard = send(&[&net.at(8), "喂"]);
    assert_eq!(unheard.expect_end(LONG).code(), Some(1));
    unheard.expect_status(|line| line.contains("did not acknowledge"), SOON);
    drop(silent);
    // A hub also accepts the message of `send`.
    let hub = net.hub(&[]);
    let dog = Plain::join(&hub, "狗哥");
    assert_eq!(send(&[&net.at(1), "来自脚本"]).expect_end(SOON).code(), Some(0));
    dog.hear(|line| line.ends_with(": 来自脚本"));
}

#[test]
fn a_chat_with_a_user_says_what_was_delivered() {
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "gb18030") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.toml");
    let run = |name: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        Process::spawn(name, command.args(args).env("PIGEON_CONTACTS", &file))
    };
    for (name, last) in [("阿爱", 2), ("老王", 9)] {
        let mut add = run("contacts", &["contacts", "add", name, &net.at(last), "--ipmsg"]);
        assert_eq!(add.expect_end(SOON).code(), Some(0));
    }
    let here = format!("{}:2425", net.at(4));
    let mut chat = run("chat", &["chat", "阿爱", "--bind", &here]);
    chat.say("你好 😀");
    chat.expect_status(|line| line == "delivered: 你好 😀", SOON);
    ai.expect_line(|line| line == format!("text {} 你好 😀", net.at(4)), SOON);
    ai.say(&format!("say {} 你也好", net.at(4)));
    chat.expect_line(|line| line.ends_with(&format!("阿爱 ({}:2425): 你也好", net.at(2))), SOON);
    ai.expect_line(|line| line.starts_with("said "), SOON);
    chat.say("quit");
    assert_eq!(chat.expect_end(SOON).code(), Some(0));
    ai.expect_line(|line| line == format!("offline {}", net.at(4)), SOON);

    let mut nobody = run("chat", &["chat", "老王", "--bind", &here]);
    nobody.say("喂");
    nobody.end_stdin();
    assert_eq!(nobody.expect_end(LONG).code(), Some(1));
    nobody.expect_status(|line| line.starts_with("not delivered: 喂"), SOON);
    let mut send = run("send", &["send", "阿爱", "--source", &here, "开会了"]);
    assert_eq!(send.expect_end(SOON).code(), Some(0));
    ai.expect_line(|line| line == format!("text {} 开会了", net.at(4)), SOON);
}

#[test]
fn by_broadcast_the_hub_and_users_find_each_other() {
    let Some(judge) = judge_program() else { return };
    let Some([near, far]) = Namespace::pair() else { return };
    let config = r#"{"nick_name":"阿爱","belong_group":"一组","send_message_retry_in_us":300000}"#;
    let judge = judge.to_str().unwrap();
    let start = |name: &str| far.run(name, "env", &["HOME=/nonexistent", judge, config]);
    assert!(far.ip(&["route", "add", "default", "via", "10.77.1.1"]));
    let mut first = start("iptux");
    first.expect_line(|line| line == "started", SOON);

    // Discovery finds it, and leaves no contact behind.
    let found = near.pigeon("discover", &["discover", "--ipmsg"]);
    let line = found.expect_line(|line| line.contains("阿爱"), LONG);
    assert!(line.starts_with("10.77.1.2:2425  阿爱  一组  "), "{line}");
    assert!(line.ends_with("  iptux  utf-8"), "{line}");
    first.expect_line(|line| line == "offline 10.77.1.1", LONG);
    drop(found);

    // The hub starts later, and the user after the hub.
    let args = ["hub", "--listen", "127.0.0.1:0", "--ipmsg", "--name", "大厅", "--language", "zh"];
    let hub = near.pigeon("hub", &args);
    first.expect_line(|line| line.contains("这里是 大厅"), LONG);
    hub.expect_status(|line| line.contains("joined address=阿爱@10.77.1.2"), LONG);
    first.say("exit");
    hub.expect_status(|line| line.contains("left address=阿爱@10.77.1.2"), LONG);
    first.expect_end(SOON);
    let second = start("iptux again");
    second.expect_line(|line| line.contains("这里是 大厅"), LONG);
    hub.signal("TERM");
    second.expect_line(|line| line == "offline 10.77.1.1", LONG);
}

/// An absent user with a program that acknowledges texts and answers automatically. Counts the
/// texts until it is dropped.
struct Absent {
    socket: UdpSocket,
    texts: Arc<AtomicU32>,
}

impl Absent {
    fn at(address: &str) -> Absent {
        let socket = UdpSocket::bind((address, 2425)).unwrap();
        let (texts, answering) = (Arc::new(AtomicU32::new(0)), socket.try_clone().unwrap());
        let counted = Arc::clone(&texts);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            // An empty datagram ends it.
            while let Ok((length, from)) = answering.recv_from(&mut buffer)
                && length > 0
            {
                let packet = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let fields: Vec<&str> = packet.splitn(6, ':').collect();
                let send = |line: String| drop(answering.send_to(line.as_bytes(), from));
                match fields[4].parse::<u32>().unwrap() & 0xff {
                    1 => send("1_iptux:1:u:h:259:absent\0g\0i\0utf-8\0".into()),
                    0x20 => {
                        let count = counted.fetch_add(1, Ordering::Relaxed);
                        send(format!("1_iptux:{}:u:h:33:{}\0", 100 + count, fields[1]));
                        send(format!("1_iptux:{}:u:h:{}:我不在\0", 200 + count, 0x2120));
                    }
                    _ => {}
                }
            }
        });
        Absent { socket, texts }
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        let _ = self.socket.send_to(b"", self.socket.local_addr().unwrap());
    }
}

#[test]
fn two_absent_users_who_answer_by_themselves_do_not_keep_each_other_busy() {
    let net = Addresses::new();
    let absent = [2, 3].map(|last| Absent::at(&net.at(last)));
    let hub = net.hub(&[]);
    let dog = Plain::join(&hub, "狗哥");
    wait_until("both are members", || {
        let joined = hub.lines(Voice::Err);
        (joined.iter().filter(|line| line.contains("joined address=absent")).count() == 2)
            .then_some(())
    });
    let mut heard = 0;
    for n in 0..3 {
        dog.say(&format!("在吗{n}"));
        dog.hear(|line| {
            heard += usize::from(line.contains("我不在"));
            line == format!("狗哥: 在吗{n}")
        });
        let texts = |person: &Absent| person.texts.load(Ordering::Relaxed) >= n + 2;
        wait_until("both get it", || absent.iter().all(texts).then_some(()));
    }
    dog.say("完");
    dog.hear(|line| {
        heard += usize::from(line.contains("我不在"));
        line == "狗哥: 完"
    });
    assert_eq!(heard, 0);
    // A greeting, three lines, and perhaps the last one.
    assert!(absent.iter().all(|person| person.texts.load(Ordering::Relaxed) <= 5));
}

/// A second program, for receiving: PyPI's ipymessenger 0.1.0, in `target/ipymessenger`. It tries
/// Shift_JIS first.
#[test]
fn a_program_for_japan_receives_what_the_room_says() {
    let python =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("ipymessenger/bin/python3");
    if !python.exists() {
        return skipped("ipymessenger (python3 -m venv, pip install ipymessenger==0.1.0)");
    }
    let net = Addresses::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/ipymessenger_judge.py");
    let mut command = Command::new(python);
    let judge = Process::spawn(
        "ipymessenger",
        command.args([source, &net.at(2), "denzow"]).env("PYTHONUTF8", "1"),
    );
    judge.expect_line(|line| line == "started", SOON);
    let hub = net.hub(&["--ipmsg-encoding", "shift_jis", "--language", "en", "--name", "hall"]);
    judge.expect_line(|line| line.contains("* this is hall"), LONG);
    // It prints a text before it acknowledges that, which makes it a member.
    hub.expect_status(|line| line.contains("joined address=denzow"), LONG);
    let dog = Plain::join(&hub, "dog");
    for n in 0..5 {
        dog.say(&format!("こんにちは、世界 {n}"));
    }
    let said = judge.expect_line(|line| line.contains("世界 0"), LONG);
    // The program prints a semicolon for each colon.
    assert_eq!(said, format!("text {} dog; こんにちは、世界 0", net.at(1)));
    // Lines that arrive faster than one per second are joined into one text.
    judge.expect_line(|line| line == "dog; こんにちは、世界 4", LONG);
    let heard = judge.output().matches("世界").count();
    assert_eq!(heard, 5, "each once");
}
