//! One user in several windows: `pigeon join` twice is one member or two, and never a fight over a
//! name.

use std::thread;
use std::time::Duration;

use crate::pigeon::HEARTBEAT;
use crate::process::{Process, SOON, Voice};
use crate::secure::{Hub, fresh, pigeon};

/// One that says nothing notices that its hub was restarted by its next sign of life, after 10 s.
const NOTICED: Duration = Duration::from_secs(30);

/// A user's window.
fn window(hub: &Hub, args: &[&str]) -> Process {
    let at = hub.address();
    let all = [&["join", &at, "--heartbeat", HEARTBEAT, "--line"], args].concat();
    let window = pigeon(&hub.folder, "user", &all);
    window.expect_status(|line| line.starts_with("joined "), SOON);
    window
}

fn named(hub: &Hub, nick: &str) -> Process {
    let window = window(hub, &["--nick", nick]);
    window.expect_line(|line| line.starts_with(&format!("* you are {nick},")), SOON);
    window
}

/// Nobody is renamed any more.
fn expect_peace(windows: &[&Process]) {
    let renamed = || -> usize {
        let lines = windows
            .iter()
            .flat_map(|window| [window.lines(Voice::Out), window.lines(Voice::Err)].concat());
        lines.filter(|line| line.contains("you are ") || line.contains("is now")).count()
    };
    let before = renamed();
    thread::sleep(Duration::from_millis(1_500));
    // Each window tells a rename once or twice.
    assert!(renamed() <= before + 4 * windows.len(), "{} renames", renamed() - before);
}

#[test]
fn another_name_beside_the_first_window_is_another_person_and_stays_one() {
    let mut hub = Hub::start(&fresh("windows-people"), &[]);
    let mut dog = named(&hub, "狗哥");
    let mut cat = named(&hub, "猫姐");
    let mut pig = named(&hub, "猪");
    expect_peace(&[&dog, &cat, &pig]);
    cat.say("我是猫姐");
    dog.expect_line(|line| line.ends_with("猫姐: 我是猫姐"), SOON);
    dog.say("我是狗哥");
    pig.expect_line(|line| line.ends_with("狗哥: 我是狗哥"), SOON);
    // Killed, and started again in another order, beside a hub that was restarted.
    for window in [&mut dog, &mut cat, &mut pig] {
        window.signal("KILL");
        window.expect_end(SOON);
    }
    hub.kill();
    hub.restart();
    let mut cat = named(&hub, "猫姐");
    let mut dog = named(&hub, "狗哥");
    cat.say("又来了");
    dog.expect_line(|line| line.ends_with("猫姐: 又来了"), SOON);
    dog.say("我也是");
    cat.expect_line(|line| line.ends_with("狗哥: 我也是"), SOON);
    hub.kill();
    hub.restart();
    dog.expect_status(|line| line.contains("connected again"), NOTICED);
    cat.expect_status(|line| line.contains("connected again"), NOTICED);
    dog.say("还在");
    cat.expect_line(|line| line.ends_with("狗哥: 还在"), SOON);
    expect_peace(&[&dog, &cat]);
}

#[test]
fn a_window_without_a_name_is_the_same_member_and_adopts_its_names() {
    let hub = Hub::start(&fresh("windows-same"), &[]);
    let mut first = named(&hub, "狗哥");
    let mut second = window(&hub, &[]);
    second.expect_line(|line| line.starts_with("* you are 狗哥,"), SOON);
    let third = window(&hub, &["--nick", "狗哥"]);
    third.expect_status(|line| line.contains("one member, with one name"), SOON);
    second.say("/nick 虎哥");
    let elsewhere = "in another window you were renamed or moved: you are 虎哥, in room lobby";
    first.expect_status(|line| line.contains(elsewhere), SOON);
    third.expect_status(|line| line.contains(elsewhere), SOON);
    second.expect_line(|line| line.starts_with("* you are 虎哥,"), SOON);
    expect_peace(&[&first, &second, &third]);
    // At the same time in both.
    first.say("/nick 甲");
    second.say("/nick 乙");
    expect_peace(&[&first, &second, &third]);
    first.say("/join 茶");
    second.expect_line(|line| line.ends_with(", in 茶"), SOON);
    second.say("/join 酒");
    first.expect_status(|line| line.ends_with("in room 酒"), SOON);
    expect_peace(&[&first, &second, &third]);
    let target = format!("hub:{}", hub.address());
    let mut send = pigeon(&hub.folder, "user", &["send", &target, "--room", "酒", "来自脚本"]);
    assert!(send.expect_end(SOON).success());
    first.expect_line(|line| line.ends_with(": 来自脚本"), SOON);
    expect_peace(&[&first, &second, &third]);
}
