//! Output in a Chinese locale: common mistakes, and a hub's console. JSON, logs and exit statuses
//! are the same in every language.

use std::process::Command;

use crate::book::Book;
use crate::pigeon::address_in;
use crate::process::{Process, SOON, Voice};

/// Runs `pigeon ARGS…` in a Chinese locale with an empty stdin.
#[track_caller]
fn ended(book: &Book, args: &[&str], locale: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(args).env("LC_ALL", locale).env("COLUMNS", "100");
    command.env("PIGEON_CONTACTS", book.path());
    command.env("PIGEON_STATE", book.directory().join("state"));
    let mut process = Process::spawn("pigeon", &mut command);
    process.end_stdin();
    let status = process.expect_end(SOON).code();
    let text = |voice| String::from_utf8(process.bytes(voice)).unwrap();
    (status, text(Voice::Out), text(Voice::Err))
}

/// Three English words in a row, outside quotes, code and flags.
fn english(text: &str) -> Option<String> {
    let mut prose = String::new();
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if c == '`' || c == '\'' || c == '"' => quote = Some(c),
            None => prose.push(c),
        }
    }
    let is_word = |word: &&str| {
        word.len() > 1
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || b",;:.".contains(&byte))
    };
    let words: Vec<&str> = prose.split(' ').collect();
    let found = words.windows(3).find(|three| three.iter().all(is_word));
    found.map(|three| three.join(" "))
}

/// Common mistakes on the command line, each with a word of the Chinese answer.
fn mistakes(port: &str, file: &str) -> Vec<(Vec<String>, &'static str)> {
    let words = |line: &str| line.split(' ').map(str::to_string).collect();
    [
        ("send 127.0.0.1:99999 x", "不是有效的端口"),
        ("send 127.0.0.1 99999 x", "不是有效的端口"),
        ("send 127.0.0.1:0 x", "端口 0 无法到达"),
        ("send 300.1.1.1:9 x", "不是有效的 IPv4 地址"),
        ("send ::1 x", "方括号"),
        ("send [::1 x", "没有闭合"),
        ("send udp://127.0.0.1:9 x", "请去掉 udp://"),
        ("send 9999 x", "只是端口"),
        ("send [fe80::1]:9 x", "请指明网卡"),
        ("send [fe80::1%nosuch0]:9 x", "没有这个网卡"),
        ("send 255.255.255.255:9 x", "--broadcast"),
        ("send nosuchcontact x", "没有联系人"),
        ("send 127.0.0.1:9 😀 --encoding gb2312", "里没有"),
        ("send 127.0.0.1:9 0g --hex", "不是十六进制数字"),
        ("send 127.0.0.1:1 x", "拒绝"),
        ("ask 127.0.0.1:1 x", "拒绝"),
        ("ask 127.0.0.1:9 x --source [::1]:0", "IP 版本不同"),
        ("bench 127.0.0.1:1", "拒绝"),
        ("time 127.0.0.1:1", "拒绝"),
        ("join 127.0.0.1:99999", "不是有效的端口"),
        ("hub 192.0.2.1:0 --wait-for-address off", "不是本机的地址"),
        ("hub 0 --password-file /nonexistent", "无法从"),
        ("hub 0 --config /nonexistent", "无法读取"),
        ("listen 192.0.2.1:0", "不是本机的地址"),
        ("send hub:127.0.0.1:1 x", "没有程序在监听"),
        ("send hub:127.0.0.1:1 x --nick ,", "不能用"),
        ("listen hub:127.0.0.1:1 --for 1s", "没有程序在监听"),
        ("hub 0 --data /proc/none", "无法创建"),
        ("history --backup x --data /nonexistent", "没有聊天记录"),
        ("relay 0 127.0.0.1:9 --loss 5", "不在 0 和 1 之间"),
        ("relay 0 127.0.0.1:9 --loss 99%:1", "平均丢包率"),
        ("relay 0 127.0.0.1:9 --jitter 5ms", "超过了延迟"),
        ("serve ehco:0", "没有 ehco 这个服务"),
        ("bench 127.0.0.1:9 --size 10", "测试数据报"),
        ("listen 0 --multicast-interface lo", "需要组播地址"),
        ("contacts add a:b 127.0.0.1:9", "不能作联系人的名字"),
        ("contacts remove nobody", "没有联系人"),
        ("history --data /nonexistent", "没有聊天记录"),
        ("relay 0 127.0.0.1:9 --queue 10kB", "--queue 不起作用"),
        ("replay /nonexistent 127.0.0.1:9", "无法读取"),
        ("sockets 1", "没有绑定到端口 1"),
        ("hub 0 --secure x", "--listen 的下一个端口"),
        ("man /proc/none", "无法创建"),
    ]
    .into_iter()
    .map(|(line, expected)| (words(line), expected))
    .chain([
        (words(&format!("hub {port}")), "已被"),
        (words(&format!("listen {port}")), "占用"),
        (words(&format!("serve echo:{port}")), "占用"),
        (words(&format!("hub 0 --config {file}")), "是不是 timeout"),
    ])
    .collect()
}

#[test]
fn a_common_mistake_is_explained_in_chinese_with_the_same_status() {
    let book = Book::new();
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let file = format!("{}/chinese-{}.toml", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&file, "timeuot = \"3s\"\n").unwrap();
    for (args, expected) in mistakes(&port, &file) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (status, _, error) = ended(&book, &args, "zh_CN.UTF-8");
        assert!(error.contains(expected), "{args:?}: {error}");
        assert_eq!(english(&error), None, "{args:?}: {error}");
        let (english_status, _, english_error) = ended(&book, &args, "C.UTF-8");
        assert_eq!(status, english_status, "{args:?}");
        assert!(english_error.is_ascii() || english_error.contains('😀'), "{english_error}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_flag_goes_before_the_locale() {
    let book = Book::new();
    for (args, locale, is_chinese) in [
        (["send", "9", "x", "--language", "en"], "zh_CN.UTF-8", false),
        (["--language", "zh", "send", "9", "x"], "C.UTF-8", true),
    ] {
        let (_, _, error) = ended(&book, &args, locale);
        assert_eq!(error.contains("只是端口"), is_chinese, "{error}");
    }
}

#[test]
fn the_hubs_console_answers_in_chinese_and_its_json_log_stays_english() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    let mut hub =
        Process::spawn("hub", command.args(["hub", "127.0.0.1:0"]).env("LC_ALL", "zh_CN.UTF-8"));
    let at = address_in(&hub.expect_status(|line| line.contains("正在监听"), SOON));
    hub.expect_status(|line| line.contains("只有本机可以加入"), SOON);
    hub.expect_status(|line| line.contains("什么都不保存"), SOON);
    for (line, expected) in [
        ("members", "0 个成员"),
        ("kick nobody", "这里没有叫 nobody 的成员"),
        ("ban 10.0.0.0/8", "已封禁 10.0.0.0/8"),
        ("mebmers", "是不是 members"),
        ("slow lobby", "用法：slow ROOM TIME"),
        ("help quit", "停止 hub"),
        ("stats", "收到的数据报"),
    ] {
        hub.say(line);
        hub.expect_line(|answer| answer.contains(expected), SOON);
    }
    // Bytes that are not UTF-8.
    let member = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    member.send_to(b"\xc4\xe3", at).unwrap();
    hub.expect_status(|line| line.contains("用的不是 UTF-8"), SOON);
    // Scripts read what members do.
    hub.expect_status(|line| line.contains("joined address=127.0.0.1:"), SOON);
    hub.say("quit");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    hub.expect_status(|line| line.contains("已停止 received=1 "), SOON);
    assert_eq!(english(&hub.output()), None);

    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["hub", "127.0.0.1:0", "--log", "json"]).env("LC_ALL", "zh_CN.UTF-8");
    command.env("PIGEON_HUB_PASWORD", "x");
    let mut hub = Process::spawn("hub", &mut command);
    hub.expect_status(|line| line.contains("did you mean PIGEON_HUB_PASSWORD?"), SOON);
    hub.expect_status(|line| line.contains("only this machine can join"), SOON);
    hub.say("quit");
    hub.expect_end(SOON);
}

#[test]
fn what_the_tools_print_for_people_is_chinese() {
    let book = Book::new();
    let start = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        Process::spawn(args[0], command.args(args).env("LC_ALL", "zh_CN.UTF-8"))
    };
    let services = start(&["serve", "echo:0", "sntp:0"]);
    let at = |kind: &str| {
        let line = services.expect_status(|line| line.starts_with(kind), SOON);
        address_in(&line).to_string()
    };
    let (echo, sntp) = (at("echo"), at("sntp"));
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    for (args, expected) in [
        (&["bench", &echo, "--ping", "--for", "300ms", "--interval", "100ms"][..], "迟到，未丢失"),
        (&["time", &sntp, "--sntp"], "  层级 "),
        (&["sockets", &port], "PROCESS"),
    ] {
        let (status, out, err) = ended(&book, args, "zh_CN.UTF-8");
        assert_eq!(status, Some(0), "{args:?}: {err}");
        assert!(out.contains(expected), "{args:?}: {out}");
        assert_eq!(english(&format!("{err}{out}")), None, "{args:?}");
    }
    // Columns of a table line up.
    let (_, out, err) = ended(
        &book,
        &["bench", &echo, "--ping", "--for", "200ms", "--rate", "100/s"],
        "zh_CN.UTF-8",
    );
    let widths: Vec<usize> = out.lines().map(pigeon_text::width).collect();
    assert!(widths.iter().all(|width| [40, 58].contains(width)), "{widths:?}\n{out}\n{err}");

    let listener = start(&["listen", "127.0.0.1:0", "--count", "1"]);
    let to = address_in(&listener.expect_status(|line| line.contains("正在监听"), SOON));
    holder.send_to(b"hello", to).unwrap();
    listener.expect_line(|line| line.ends_with(" 5 字节: hello"), SOON);
}

#[test]
fn history_says_in_chinese_how_a_message_came() {
    let book = Book::new();
    let data = book.directory().join("data");
    let data = data.to_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["hub", "127.0.0.1:0", "--data", data, "--secure", "off"]);
    let mut hub = Process::spawn("hub", command.env("LC_ALL", "zh_CN.UTF-8"));
    let at = address_in(&hub.expect_status(|line| line.contains("正在监听"), SOON));
    let member = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    member.send_to("你好".as_bytes(), at).unwrap();
    hub.expect_status(|line| line.contains("joined address="), SOON);
    hub.say("quit");
    hub.expect_end(SOON);
    let history = |locale| ended(&book, &["history", "--data", data], locale).1;
    assert!(history("zh_CN.UTF-8").ends_with(" (明文): 你好\n"), "{}", history("zh_CN.UTF-8"));
    assert!(history("C.UTF-8").ends_with(" (plain): 你好\n"), "{}", history("C.UTF-8"));
}

#[test]
fn json_is_the_same_in_every_language() {
    let book = Book::new();
    for args in [&["ask", "127.0.0.1:1", "x", "--json"][..], &["bench", "127.0.0.1:1", "--json"]] {
        let [(.., english), (.., chinese)] = [("C.UTF-8"), ("zh_CN.UTF-8")].map(|locale| {
            let (status, out, _) = ended(&book, args, locale);
            let mut told: serde_json::Value = serde_json::from_str(out.trim_end()).unwrap();
            told.as_object_mut().unwrap().remove("elapsed");
            (status, told)
        });
        assert_eq!(english, chinese, "{args:?}");
    }
}
