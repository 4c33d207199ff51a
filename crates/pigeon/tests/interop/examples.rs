//! Runs the examples of the pages in `docs` and of the README unchanged, so that no command goes
//! stale.
//!
//! Each runs in bash, in its own rootless namespaces: `192.168.1.20` is its address, and commands
//! for another machine run in a second network, with a cable between. `recipes` does the same for
//! its page, with other programs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::namespace::skipped;
use crate::peers::installed;
use crate::process::{Process, SOON};
use crate::shell::{
    Folder, Page, is_like, page, root, set_environment, with_starts, without_figures, write_script,
};

/// The pages, each with its translation.
const PAGES: [[&str; 2]; 10] = [
    ["README.md", "README.zh-CN.md"],
    ["docs/README.md", "docs/README.zh-CN.md"],
    ["docs/recipes.md", "docs/recipes.zh-CN.md"],
    ["docs/operating.md", "docs/operating.zh-CN.md"],
    ["docs/ipmsg.md", "docs/ipmsg.zh-CN.md"],
    ["docs/bench.md", "docs/bench.zh-CN.md"],
    ["docs/protocol.md", "docs/protocol.zh-CN.md"],
    ["docs/reliable.md", "docs/reliable.zh-CN.md"],
    ["docs/packaging.md", "docs/packaging.zh-CN.md"],
    ["docs/windows.md", "docs/windows.zh-CN.md"],
];

/// Time limit for an example, enough on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty home without settings or names.
const HOME: &str = r#"exec 2>&1
export HOME="$PWD"
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME PIGEON_STATE PIGEON_CONTACTS
ip link set lo up
"#;

/// A network without other hosts.
const ALONE: &str = "ip address add 192.168.1.20/24 broadcast + dev lo\n";

/// A network with a second machine, `192.168.1.7`, that runs `.device`.
const CABLE: &str = r#"unshare --net bash .device &
device=$!
until [ "$(readlink /proc/$device/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link add near type veth peer name far netns "$device"
ip address add 192.168.1.20/24 broadcast + dev near
ip link set near up
until [ -e .ready ]; do sleep 0.02; done
"#;

/// The other end of the cable.
const FAR: &str = r#"ip link set lo up
until ip link set far up 2>/dev/null; do sleep 0.02; done
ip address add 192.168.1.7/24 broadcast + dev far
"#;

/// System folders that an example may write to.
const SYSTEM: &str = r#"cp -r /etc etc 2>/dev/null || true
mkdir -p etc/systemd/system etc/pigeon local target/release
mount --bind etc /etc
mount --bind local /usr/local/bin
ln -s "$PIGEON" target/release/pigeon
ln -s "$REPOSITORY/docs" docs
"#;

/// A hub that has stored a message, and its backups.
const KEPT: &str = r#"pigeon hub --console off &
started $!
(printf '/nick 猴哥'; sleep 0.2; printf '温度 21.5') | nc -u -w1 127.0.0.1 9999 > /dev/null
for _ in $(seq 200); do pigeon history | grep -q 21.5 && break; sleep 0.05; done
"#;

/// The environment of an example.
#[derive(Default)]
struct Setup<'a> {
    /// Other programs it needs.
    needs: &'a [&'a str],
    before: &'a str,
    /// The script of the second machine.
    device: &'a str,
    /// Whether figures differ from run to run.
    measures: bool,
    /// The exit status of its commands.
    status: i32,
    /// Checks at the end.
    after: &'a str,
}

mod readme {
    use super::*;

    #[test]
    fn thermometer() {
        let setup = Setup {
            needs: &["python3", "nc"],
            before: "pigeon hub --messages on > said &\nstarted $!\n",
            after: "python3 sensor.py\n\
                    for _ in $(seq 100); do grep -q 'temperature 21.5' said && exit; sleep 0.05; done; exit 1",
            ..Setup::default()
        };
        tried("README.md", "thermometer", &setup);
    }

    #[test]
    fn relied_on() {
        // A hub opens its port for members with a key after the plain one.
        let before = "pigeon hub --console off &\n\
                      for _ in $(seq 200); do ss -Hulpn | grep -q ':10000' && break; sleep 0.05; done\n";
        tried("README.md", "relied_on", &Setup { before, ..Setup::default() });
    }

    #[test]
    fn session() {
        if !["python3", "nc"].into_iter().all(installed) {
            return;
        }
        let folder = Folder::new("session");
        let copies = PAGES[0].map(|name| folder.0.join(name));
        for (name, copy) in PAGES[0].iter().zip(&copies) {
            fs::copy(root().join(name), copy).unwrap();
        }
        let mut recorder = Command::new("python3");
        recorder
            .args([&root().join("docs/record-session.py"), Path::new(env!("CARGO_BIN_EXE_pigeon"))])
            .args(&copies);
        let mut recorder = Process::spawn("record-session.py", &mut recorder);
        assert!(recorder.expect_end(PATIENCE).success());
        for (name, copy) in PAGES[0].iter().zip(&copies) {
            let kept = page(name).example("session").sessions;
            let now = fs::read_to_string(copy).unwrap();
            let now = now.split("<!-- session -->").nth(1).unwrap();
            let now: Vec<&str> = now.split("<!-- /session -->").next().unwrap().lines().collect();
            for line in kept.iter().flatten().map(|line| without_figures(line)) {
                let found = now.iter().any(|now| is_like(&without_figures(now), &line));
                let now = now.join("\n");
                assert!(found, "run docs/record-session.py: no line like {line:?} in:\n{now}");
            }
        }
    }

    /// A peer that uses GB2312, and an unknown sender.
    const PEERS: &str = r#"
import socket, time
[dog, stranger] = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
dog.bind(("127.0.0.1", 8080))
stranger.bind(("127.0.0.1", 50002))
question, asker = dog.recvfrom(65535)
dog.sendto((question.decode("gb2312") + "，吃了吗？").encode("gb2312"), asker)
time.sleep(0.3)
stranger.sendto(b"hello from netcat\n", asker)
stranger.recv(65535)
"#;

    #[test]
    fn chat() {
        if !installed("python3") {
            return;
        }
        chat_in("README.md", "C.UTF-8");
        chat_in("README.zh-CN.md", "zh_CN.UTF-8");
    }

    fn chat_in(path: &str, locale: &str) {
        let example = page(path).example("chat");
        let lines = &example.sessions[0];
        let commands: String = lines
            .iter()
            .filter_map(|line| Some(format!("{}\n", line.strip_prefix("$ ")?)))
            .collect();
        let folder = Folder::new("chat");
        fs::write(folder.0.join("here/peers.py"), PEERS).unwrap();
        // Typed input is for the last command: the others do not read stdin.
        let script = format!(
            "export LC_ALL={locale}\npython3 peers.py &\nstarted $!\n{commands}echo the end\n"
        );
        let Some(mut chat) = run("chat", &folder, "", &script) else { return };
        for line in lines.iter().filter(|line| !line.starts_with("$ ")) {
            match line.strip_prefix("> ") {
                Some(typed) => chat.say(typed),
                None => {
                    let line = line
                        .split_once("] ")
                        .map_or(line.clone(), |(_, rest)| format!("[…] {rest}"));
                    chat.expect_line(|said| is_like(said, &line), SOON);
                }
            }
        }
        chat.expect_line(|line| line == "the end", SOON);
    }
}

mod operating {
    use super::*;

    const PAGE: &str = "docs/operating.md";

    #[test]
    fn install() {
        let after = "[ -x /usr/local/bin/pigeon ] && [ -s /etc/systemd/system/pigeon-hub.socket ]";
        tried(PAGE, "install", &Setup { before: SYSTEM, after, ..Setup::default() });
    }

    #[test]
    fn wrong_setting() {
        let wrong =
            r#"sed 's/^timeout = .*/timeout = "30x"/' docs/hub.toml > /etc/pigeon/hub.toml"#;
        let before = &format!("{SYSTEM}{wrong}\n");
        tried(PAGE, "wrong_setting", &Setup { before, status: 2, ..Setup::default() });
    }

    #[test]
    fn nftables() {
        let setup = Setup {
            needs: &["nft"],
            before: "nft 'add table inet filter'\n\
                     nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'\n",
            after: "nft list ruleset | grep -q 'udp dport 9999 accept'",
            ..Setup::default()
        };
        tried(PAGE, "nftables", &setup);
    }

    #[test]
    fn reading() {
        tried(PAGE, "reading", &Setup { needs: &["nc"], before: KEPT, ..Setup::default() });
    }

    #[test]
    fn backup() {
        let after = "[ -s log-*.sqlite ] && gunzip --stdout log-*.jsonl.gz | grep -q 21.5";
        tried(PAGE, "backup", &Setup { needs: &["nc"], before: KEPT, after, ..Setup::default() });
    }

    const BACKED_UP: &str = r#"pigeon history --backup log-2026-11-20.sqlite
pigeon history --export - | gzip > log-2026-11-20.jsonl.gz
kill $!; wait $! || true
"#;

    #[test]
    fn restore() {
        let before = &format!("{KEPT}{BACKED_UP}");
        tried(PAGE, "restore", &Setup { needs: &["nc"], before, ..Setup::default() });
    }

    #[test]
    fn import() {
        let before = &format!("{KEPT}{BACKED_UP}");
        tried(PAGE, "import", &Setup { needs: &["nc"], before, ..Setup::default() });
    }

    #[test]
    fn upgrade() {
        let after = "[ -x /usr/local/bin/pigeon ]";
        tried(PAGE, "upgrade", &Setup { before: SYSTEM, after, ..Setup::default() });
    }

    #[test]
    fn fifo() {
        tried(PAGE, "fifo", &Setup::default());
    }

    #[test]
    fn sockets() {
        tried(PAGE, "sockets", &Setup::default());
    }
}

mod ipmsg {
    use super::*;

    const PAGE: &str = "docs/ipmsg.md";

    const PEER: &str = "python3 \"$PROGRAMS/ipmsg_peer.py\" 0.0.0.0 &";

    #[test]
    fn door() {
        tried(PAGE, "door", &Setup { after: "holds_udp $!", ..Setup::default() });
    }

    #[test]
    fn scripts() {
        tried(PAGE, "scripts", &Setup { needs: &["python3"], device: PEER, ..Setup::default() });
    }

    #[test]
    fn straight() {
        tried(PAGE, "straight", &Setup { needs: &["python3"], device: PEER, ..Setup::default() });
    }
}

mod bench {
    use super::*;

    const PAGE: &str = "docs/bench.md";

    const MEASURES: Setup<'_> =
        Setup { measures: true, needs: &[], before: "", device: "", status: 0, after: "" };

    #[test]
    fn one_way() {
        tried(PAGE, "one_way", &MEASURES);
    }

    #[test]
    fn round_trips() {
        tried(PAGE, "round_trips", &MEASURES);
    }

    #[test]
    fn echo() {
        tried(PAGE, "echo", &MEASURES);
    }

    #[test]
    fn known_faults() {
        tried(PAGE, "known_faults", &MEASURES);
    }

    #[test]
    fn json() {
        tried(PAGE, "json", &Setup { needs: &["python3"], ..MEASURES });
    }
}

mod protocol {
    use super::*;

    const PAGE: &str = "docs/protocol.md";

    #[test]
    fn hello() {
        tried(PAGE, "hello", &Setup { needs: &["nc"], ..Setup::default() });
    }

    #[test]
    fn control() {
        tried(PAGE, "control", &Setup { needs: &["nc"], ..Setup::default() });
    }

    #[test]
    fn prove() {
        tried(PAGE, "prove", &Setup { needs: &["nc"], ..Setup::default() });
    }

    #[test]
    fn discover() {
        tried(PAGE, "discover", &Setup { needs: &["nc"], ..Setup::default() });
    }

    #[test]
    fn client() {
        let setup = Setup {
            needs: &["python3", "nc"],
            before: "pigeon hub &\nstarted $!\n",
            after: "python3 client.py > heard &\nstarted $!\n\
                    for _ in $(seq 100); do\n\
                      echo hello | nc -u -w1 127.0.0.1 9999 > /dev/null\n\
                      grep -q ': hello' heard && exit\n\
                    done; exit 1",
            ..Setup::default()
        };
        tried(PAGE, "client", &setup);
    }

    #[test]
    fn bot() {
        let setup = Setup {
            needs: &["python3", "nc"],
            before: "pigeon hub &\nstarted $!\n",
            after: "python3 clock_bot.py &\nstarted $!\n\
                    for _ in $(seq 20); do\n\
                      echo '!time' | nc -u -w1 127.0.0.1 9999 | grep -q 'clock: It is ' && exit\n\
                    done; exit 1",
            ..Setup::default()
        };
        tried(PAGE, "bot", &setup);
    }
}

#[test]
fn every_block_is_run_or_says_why_not_in_both_languages() {
    let source = [include_str!("examples.rs"), include_str!("recipes.rs")].concat();
    let (mut run, mut not_run) = (0, 0);
    for [path, chinese] in PAGES {
        let [english, chinese] = [page(path), page(chinese)];
        for example in &english.examples {
            let test = format!("fn {}() {{", example.name);
            assert!(source.contains(&test), "no test runs {}", example.name);
        }
        let names = |page: &Page| -> Vec<String> {
            page.examples.iter().map(|example| example.name.clone()).collect()
        };
        assert_eq!(names(&english), names(&chinese));
        assert_eq!(english.not_run.len(), chinese.not_run.len());
        for why in english.not_run.iter().chain(&chinese.not_run) {
            assert!(why.len() > 20, "a reason: {why}");
        }
        // Its transcripts are recorded under wine, by a script of their own.
        if path == "docs/windows.md" {
            continue;
        }
        run += english.examples.iter().map(|example| example.blocks).sum::<usize>();
        not_run += english.not_run.len();
    }
    println!("{run} blocks are run, {not_run} are not");
    assert!(run >= 3 * not_run, "{run} blocks are run, {not_run} are not");
}

/// Runs an example of a page, and checks its output and files.
fn tried(path: &str, name: &str, setup: &Setup<'_>) {
    if !setup.needs.iter().all(|program| installed(program)) {
        return;
    }
    let example = page(path).example(name);
    let commands = match setup.status {
        0 => with_starts(&example.commands),
        status => format!("set +e\n{}[ $? = {status} ] || exit 1\nset -e\n", example.commands),
    };
    let checks = if setup.after.is_empty() { "true" } else { setup.after };
    let script = format!("{}{commands}({checks})\necho\necho the end\nread -r _\n", setup.before);
    let folder = Folder::new(&format!("{}-{name}", path.replace('/', "-")));
    example.write_files(&folder.0.join("here"));
    let Some(process) = run(name, &folder, setup.device, &script) else { return };
    process.expect_line(|line| line == "the end", PATIENCE);
    for expected in &example.prints {
        let expected = if setup.measures { &without_figures(expected) } else { expected };
        let like = |line: &str| match setup.measures {
            true => without_figures(line) == *expected,
            false => is_like(line, expected),
        };
        process.expect_line(like, SOON);
    }
}

/// Runs a script in its own namespaces. Prints a note and returns `None` if they are not permitted.
fn run(name: &str, folder: &Folder, device: &str, script: &str) -> Option<Process> {
    let own = ["--user", "--map-root-user", "--net", "--mount"];
    if !Command::new("unshare").args(own).arg("true").output().is_ok_and(|it| it.status.success()) {
        skipped("namespaces cannot be made here");
        return None;
    }
    let here = folder.0.join("here");
    let network = if device.is_empty() { ALONE } else { CABLE };
    write_script(&here, ".device", &format!("{FAR}{}touch .ready\nwait\n", with_starts(device)));
    write_script(&here, ".script", &format!("{HOME}{network}{script}"));
    let mut command = Command::new("unshare");
    command.args(own).args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash", ".script"]);
    set_environment(&mut command, &here);
    Some(Process::spawn(name, &mut command))
}
