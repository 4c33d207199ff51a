//! Name changes: a hub or contact changes its address while pigeon runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::book::Book;
use crate::namespace::skipped;
use crate::pigeon::{HEARTBEAT, Serving, hub, hub_at, listen, pigeon};
use crate::process::{Process, SOON, Voice, wait_until};

/// A private `/etc/hosts`, which only programs run by [`Hosts::pigeon`] see.
pub(crate) struct Hosts(PathBuf);

impl Hosts {
    /// A file that maps `name` to this host. `None`, with a note, without mount namespaces.
    pub(crate) fn new(test: &str, name: &str, host: &str) -> Option<Hosts> {
        let hosts = Hosts(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hosts-{test}")));
        hosts.set(name, host);
        let can = hosts.command("true", &[]).output().is_ok_and(|output| output.status.success());
        if !can {
            skipped("mount namespaces cannot be made here");
        }
        can.then_some(hosts)
    }

    /// Changed in place, because a new file would not be the mounted one.
    pub(crate) fn set(&self, name: &str, host: &str) {
        fs::write(&self.0, format!("{host} {name}\n")).unwrap();
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        let script = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        command.args(["-Urm", "sh", "-c", script]).arg(&self.0).arg(program).args(args);
        command
    }

    pub(crate) fn pigeon(&self, args: &[&str]) -> Process {
        Process::spawn(args[0], &mut self.command(env!("CARGO_BIN_EXE_pigeon"), args))
    }
}

/// A hub, and another one at the same port of 127.0.0.2, which starts when the first has ended.
fn moving() -> (Serving, SocketAddr) {
    let first = hub(&[]);
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], first.address.port()));
    (first, elsewhere)
}

fn stands_for(hub: SocketAddr) -> impl Fn(&str) -> bool {
    move |line: &str| line.starts_with(&format!("the hub's name stands for {hub} now"))
}

#[test]
fn a_hub_whose_name_gets_another_address_is_joined_there() {
    let Some(hosts) = Hosts::new("join", "myhub", "127.0.0.1") else { return };
    let (mut first, elsewhere) = moving();
    let at = format!("myhub:{}", elsewhere.port());
    let mut red = hosts.pigeon(&["join", &at, "--nick", "小红", "--heartbeat", HEARTBEAT]);
    let program = hosts.pigeon(&["join", &at, "--json", "--heartbeat", HEARTBEAT]);
    red.expect_line(|line| line == "* you are 小红, in lobby", SOON);
    red.say("/join 茶");
    red.expect_line(|line| line == "* you are 小红, in 茶", SOON);
    program.expect_line(|line| line.contains(r#""kind":"joined""#), SOON);
    first.signal("KILL");
    first.expect_end(SOON);
    red.expect_status(|line| line.contains("refused: the hub is gone"), SOON);
    let second = hub_at(&elsewhere.to_string(), &[]);
    hosts.set("myhub", "127.0.0.2");
    red.expect_status(stands_for(elsewhere), SOON);
    red.expect_status(|line| line.starts_with(&format!("joined {elsewhere}: ")), SOON);
    let from = first.address;
    let moved = format!(r#""kind":"moved","hub":"{elsewhere}","from":"{from}"}}"#);
    program.expect_line(|line| line.ends_with(&moved), SOON);
    second.expect_members(2);
    wait_until("she has her name and her room again", || {
        let is_there = |line: &&String| *line == "* you are 小红, in 茶";
        (red.lines(Voice::Out).iter().filter(is_there).count() == 2).then_some(())
    });
    red.say("here I am");
    red.expect_line(|line| line == "小红: here I am", SOON);
    // The program is back in its room, so the lobby gets nothing.
    assert!(!program.output().contains("here I am"));
}

/// If a firewall drops datagrams, only silence shows that the hub is gone.
#[test]
fn a_hub_that_was_never_heard_is_looked_up_again() {
    let Some(hosts) = Hosts::new("unheard", "myhub", "127.0.0.1") else { return };
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], silent.local_addr().unwrap().port()));
    let second = hub_at(&elsewhere.to_string(), &[]);
    let at = format!("myhub:{}", elsewhere.port());
    let mut red = hosts.pigeon(&["join", &at]);
    red.expect_status(|line| line.starts_with("nothing heard from 127.0.0.1"), SOON);
    hosts.set("myhub", "127.0.0.2");
    red.expect_status(stands_for(elsewhere), SOON);
    second.expect_members(1);
    red.end_stdin();
    assert_eq!(red.expect_end(SOON).code(), Some(0));
}

/// A name without an address, or with the same one, changes nothing; nor does a change while the
/// hub answers.
#[test]
fn a_hub_that_answers_is_not_left_for_another_address() {
    let Some(hosts) = Hosts::new("answers", "myhub", "127.0.0.1") else { return };
    let (mut first, elsewhere) = moving();
    let at = format!("myhub:{}", elsewhere.port());
    let red = hosts.pigeon(&["join", &at, "--nick", "red", "--heartbeat", HEARTBEAT]);
    red.expect_line(|line| line == "* you are red, in lobby", SOON);
    let _second = hub_at(&elsewhere.to_string(), &[]);
    hosts.set("myhub", "127.0.0.2");
    first.say("say are you there?");
    red.expect_line(|line| line.ends_with("are you there?"), SOON);
    hosts.set("other", "127.0.0.2");
    first.signal("KILL");
    first.expect_end(SOON);
    red.expect_status(|line| line.contains("refused: the hub is gone"), SOON);
    let _again = hub_at(&first.address.to_string(), &[]);
    red.expect_status(|line| line.contains("is back after"), SOON);
    assert!(red.lines(Voice::Err).iter().all(|line| !line.contains("stands for")));
}

#[test]
fn a_contact_that_is_edited_is_followed() {
    let (mut first, elsewhere) = moving();
    let contact = |address| format!("\"课堂\" = {{ endpoint = \"{address}\" }}\n");
    let book = Book::saying(&contact(first.address));
    let red = book.pigeon("join", &["join", "课堂", "--nick", "小红", "--heartbeat", HEARTBEAT]);
    red.expect_line(|line| line == "* you are 小红, in lobby", SOON);
    first.signal("KILL");
    first.expect_end(SOON);
    let _second = hub_at(&elsewhere.to_string(), &[]);
    fs::write(book.path(), contact(elsewhere)).unwrap();
    red.expect_status(stands_for(elsewhere), SOON);
    red.expect_status(|line| line.starts_with(&format!("joined {elsewhere}: ")), SOON);
}

/// A chat's peers send no heartbeats: a refusal triggers the lookup, or the user, by selecting the
/// name again.
#[test]
fn a_contact_of_a_chat_is_followed() {
    let first = listen(&[]);
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], first.address.port()));
    let contact = |address| format!("\"狗哥\" = {{ endpoint = \"{address}\" }}\n");
    let book = Book::saying(&contact(first.address));
    let mut chat = book.pigeon("chat", &["chat", "狗哥", "--json"]);
    chat.say("one");
    first.expect_line(|line| line.ends_with(": one"), SOON);
    fs::write(book.path(), contact(elsewhere)).unwrap();
    drop(first);
    let second = Serving::new(pigeon("listen", &["listen", &elsewhere.to_string()]));
    chat.say("two");
    let moved = |line: &str| line.contains(r#""result":"moved""#);
    chat.expect_line(|line| line.contains(r#""result":"refused""#), SOON);
    let line = chat.expect_line(moved, SOON);
    assert!(line.ends_with(&format!(r#""now":"{elsewhere}"}}"#)), "{line}");
    chat.say("three");
    second.expect_line(|line| line.ends_with(": three"), SOON);
    // Back again, without an error from the system.
    let back = SocketAddr::from(([127, 0, 0, 3], elsewhere.port()));
    let third = Serving::new(pigeon("listen", &["listen", &back.to_string()]));
    fs::write(book.path(), contact(back)).unwrap();
    wait_until("it is looked up again", || {
        chat.say("/to 狗哥");
        std::thread::sleep(std::time::Duration::from_millis(200));
        (chat.lines(Voice::Out).iter().filter(|line| moved(line)).count() == 2).then_some(())
    });
    chat.say("four");
    third.expect_line(|line| line.ends_with(": four"), SOON);
}

#[test]
fn a_host_of_a_chat_is_followed() {
    let Some(hosts) = Hosts::new("chat", "dog.test", "127.0.0.1") else { return };
    let first = listen(&[]);
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], first.address.port()));
    let mut chat = hosts.pigeon(&["chat", &format!("dog.test:{}", elsewhere.port())]);
    chat.say("one");
    first.expect_line(|line| line.ends_with(": one"), SOON);
    hosts.set("dog.test", "127.0.0.2");
    drop(first);
    let second = Serving::new(pigeon("listen", &["listen", &elsewhere.to_string()]));
    chat.say("two");
    chat.expect_status(|line| line.contains(&format!("goes to {elsewhere} now")), SOON);
    chat.say("three");
    second.expect_line(|line| line.ends_with(": three"), SOON);
}
