//! `pigeon hub --ipmsg` judged by iptux's own core, and `pigeon send --ipmsg` by it too. A small
//! program (`programs/iptux_judge.cpp`) is the window of that core; the test builds it. Everything runs
//! on loopback addresses of its own, since every program of the family has port 2425.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::peers::{installed, skipped};
use crate::pigeon::{Serving, hub, pigeon};
use crate::process::{Process, SOON, wait_until};

/// How long a text may be on its way that is sent again and again.
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

    /// A hub at the first address that looks for people at the second and third.
    fn hub(&self, args: &[&str]) -> Serving {
        let (here, there) = (self.at(1), format!("{},{}", self.at(2), self.at(3)));
        let ipmsg =
            ["--ipmsg", &here, "--ipmsg-scan", &there, "--name", "大厅", "--language", "zh"];
        hub(&[&ipmsg, args].concat())
    }
}

/// The judge, built once; `None` where iptux's core is not installed.
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

/// One user of iptux.
fn iptux(address: &str, nick: &str, encoding: &str) -> Option<Process> {
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"nick_name":"{nick}","group_name":"一组","bind_ip":"{address}",
        "debug_dont_broadcast":true,"preference_encode":"{encoding}",
        "send_message_retry_in_us":300000}}"#
    );
    let mut command = Command::new(judge_program()?);
    command.arg(config).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    let judge = Process::spawn(nick, &mut command);
    judge.expect_line(|line| line == "started", SOON);
    // Its threads bind the port.
    wait_until("iptux has its port", || UdpSocket::bind((address, 2425)).err().map(drop));
    Some(judge)
}

/// A plain member that says and hears lines.
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

    #[track_caller]
    fn hear(&self, wished: impl Fn(&str) -> bool) -> String {
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
    // Each is a member from the moment it has acknowledged that.
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
    // A text to its group, and another name.
    bo.say(&format!("group {here} 群发"));
    dog.hear(|line| line == format!("小波@{}: 群发", net.at(3)));
    ai.say("rename 阿文");
    dog.hear(|line| line.contains("阿爱") && line.contains("阿文"));
    ai.say(&format!("say {here} 改名了"));
    dog.hear(|line| line == format!("阿文@{}: 改名了", net.at(2)));
    // Commands, and a whisper.
    ai.say(&format!("say {here} ／who"));
    ai.expect_line(|line| line.contains("狗哥") && line.contains("3 人"), LONG);
    dog.say(&format!("/msg 小波@{} 悄悄话", net.at(3)));
    bo.expect_line(|line| line.contains("狗哥") && line.contains("悄悄话"), LONG);
    // It leaves.
    ai.say("exit");
    dog.hear(|line| line.contains(&format!("阿文@{}", net.at(2))) && line.contains("离开"));
    // So does the hub.
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
    dog.say("二");
    ai.expect_line(|line| line.contains("狗哥: 二"), LONG);
    ai.say(&format!("say {here} 三"));
    dog.hear(|line| line.ends_with(": 三"));

    // The same words under the same number, from a program that counts from 1 again.
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
    dog.say("公开");
    let line = ai.expect_line(|line| line.contains("狗哥:"), LONG);
    assert!(line.ends_with("公开"), "{line}");
    let said = ai.output();
    assert!(!said.contains("秘密"), "{said}");
    ai.say(&format!("say {here} 到了"));
    let heard = dog.hear(|line| line.starts_with("阿爱@"));
    assert!(heard.ends_with(": 到了"), "{heard}");
}

#[test]
fn a_hundred_lines_each_way_arrive_once_and_in_order() {
    let lines: usize =
        std::env::var("PIGEON_IPMSG_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let net = Addresses::new();
    let Some(mut ai) = iptux(&net.at(2), "阿爱", "utf-8") else { return };
    let hub = net.hub(&[]);
    let here = net.at(1);
    let dog = Plain::join(&hub, "狗哥");
    ai.expect_line(|line| line.contains("这里是 大厅"), LONG);
    for n in 0..lines {
        dog.say(&format!("第{n}句：春眠不觉晓"));
        ai.say(&format!("say {here} 第{n}句：处处闻啼鸟"));
    }
    for n in 0..lines {
        dog.hear(|line| line.ends_with(&format!("@{}: 第{n}句：处处闻啼鸟", net.at(2))));
    }
    let last = format!("狗哥: 第{}句：", lines - 1);
    ai.expect_line(|line| line.contains(&last), LONG);
    let said = ai.output();
    let heard = said.split("狗哥: 第").skip(1).map(|rest| rest.split('句').next().unwrap());
    let heard: Vec<usize> = heard.map(|number| number.parse().unwrap()).collect();
    assert_eq!(heard, (0..lines).collect::<Vec<_>>());
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
    // Nobody is there.
    let mut nobody = send(&[&net.at(9), "喂"]);
    assert_eq!(nobody.expect_end(SOON).code(), Some(1));
    nobody.expect_status(|line| line.contains("refused"), SOON);
    // Somebody is there who never answers.
    let silent = UdpSocket::bind((net.at(8), 2425)).unwrap();
    let mut unheard = send(&[&net.at(8), "喂"]);
    assert_eq!(unheard.expect_end(LONG).code(), Some(1));
    unheard.expect_status(|line| line.contains("did not acknowledge"), SOON);
    drop(silent);
    // A hub takes it, too.
    let hub = net.hub(&[]);
    let dog = Plain::join(&hub, "狗哥");
    assert_eq!(send(&[&net.at(1), "来自脚本"]).expect_end(SOON).code(), Some(0));
    dog.hear(|line| line.ends_with(": 来自脚本"));
}
