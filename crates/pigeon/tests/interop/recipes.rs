//! Every block of `docs/recipes.md`, executed as written, with the real programs.
//!
//! A recipe's commands run in bash in a network namespace, `192.168.1.20`; its device runs in
//! another, `192.168.1.60`, connected by a cable. Both have a private folder and processes, which
//! end with the test. A line that ends in `&` counts as started once its program has a UDP socket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::installed;
use crate::process::{Process, SOON};

/// The time limit of a recipe: TFTP clients wait five seconds after each loss.
const PATIENCE: Duration = Duration::from_secs(110);

/// The start of both scripts.
const PRELUDE: &str = r#"set -eu
export PATH="$PATH:/usr/sbin"
holds_udp() { ss -Hunap | grep -q "pid=$1,"; }
started() {
  for _ in $(seq 200); do
    if holds_udp "$1"; then return; fi
    kill -0 "$1" 2>/dev/null || { echo "process $1 ended before it held a UDP socket" >&2; exit 1; }
    sleep 0.05
  done
  echo "process $1 holds no UDP socket" >&2; exit 1
}
"#;

/// A recipe's setup and checks, which the page does not show.
#[derive(Default)]
struct Behind {
    /// The programs it needs besides ours.
    needs: &'static [&'static str],
    /// Creates its input files.
    before: &'static str,
    /// The script on the device.
    device: &'static str,
    /// The final checks.
    after: &'static str,
}

#[test]
fn video() {
    tried(
        "video",
        &Behind {
            needs: &["ffmpeg"],
            before: "ffmpeg -v error -f lavfi -i testsrc=size=320x240:rate=25:duration=3 \
                     -c:v mpeg2video -f mpegts lesson.ts",
            after: "[ $(stat -c %s seen.ts) -gt 100000 ]\n\
                    ffmpeg -v error -i seen.ts -f null - 2>&1 | (! grep .)",
            ..Behind::default()
        },
    );
}

#[test]
fn tftp() {
    tried(
        "tftp",
        &Behind {
            needs: &["in.tftpd", "tftp"],
            device: "mkdir tftp; seq 4000 > tftp/firmware.bin; chmod -R a+rX .\n\
                     in.tftpd -4 -L --address 0.0.0.0:69 --secure \"$PWD/tftp\" &\n",
            after: "seq 4000 | cmp - firmware.bin",
            ..Behind::default()
        },
    );
}

#[test]
fn snmp() {
    tried(
        "snmp",
        &Behind {
            needs: &["snmpd", "snmpget"],
            device: "printf 'agentAddress udp:161\\nrocommunity public\\nsysName switch-2\\n' > snmpd.conf\n\
                     SNMP_PERSISTENT_DIR=$PWD snmpd -f -C -c snmpd.conf -Lf snmpd.log &\n",
            after: "[ $(stat -c %s snmp.pcapng) -gt 200 ]",
            ..Behind::default()
        },
    );
}

#[test]
fn dns() {
    tried(
        "dns",
        &Behind {
            needs: &["dnsmasq", "dig"],
            device: "dnsmasq --no-daemon --user=root --no-resolv --no-hosts --conf-file=/dev/null \
                     --pid-file= --address=/printer.lan/192.168.1.61 &\n",
            ..Behind::default()
        },
    );
}

#[test]
fn coap() {
    tried(
        "coap",
        &Behind {
            needs: &["coap-server-openssl", "coap-client-openssl"],
            device: "coap-server-openssl -A 0.0.0.0 -p 5683 -g 224.0.1.187 -G far &\n",
            ..Behind::default()
        },
    );
}

#[test]
fn syslog() {
    tried(
        "syslog",
        &Behind {
            needs: &["rsyslogd", "logger"],
            device: "printf 'global(net.enableDNS=\"off\")\\nmodule(load=\"imudp\")\\ninput(type=\"imudp\" port=\"514\")\\n\
                     *.* action(type=\"omfile\" file=\"%s/log\")\\n' \"$PWD\" > conf\n\
                     rsyslogd -n -f \"$PWD/conf\" -i NONE &\n",
            after: "for _ in $(seq 100); do grep -qs 'door: opened' ../device/log && exit; sleep 0.05; done\n\
                    cat ../device/log; exit 1",
            ..Behind::default()
        },
    );
}

#[test]
fn statsd() {
    tried("statsd", &Behind::default());
}

#[test]
fn wake() {
    tried("wake", &Behind { needs: &["wakeonlan"], ..Behind::default() });
}

#[test]
fn mdns() {
    tried(
        "mdns",
        &Behind {
            needs: &["avahi-daemon"],
            device: "mount -t tmpfs none /run\n\
                     printf '[server]\\nhost-name=printer\\nenable-dbus=no\\nuse-ipv6=no\\n' > conf\n\
                     avahi-daemon --no-drop-root --no-rlimits --no-chroot -f conf &\n",
            ..Behind::default()
        },
    );
}

#[test]
fn ssdp() {
    tried(
        "ssdp",
        &Behind {
            needs: &["python3"],
            device: "python3 $PROGRAMS/ssdp.py &\n",
            ..Behind::default()
        },
    );
}

#[test]
fn rip() {
    tried(
        "rip",
        &Behind {
            needs: &["bird"],
            device: "printf 'router id 192.168.1.60;\\nprotocol device {}\\n\
                     protocol static { ipv4; route 10.9.0.0/16 blackhole; }\\n\
                     protocol rip { ipv4 { import all; export all; }; interface \"far\" {}; }\\n' > conf\n\
                     bird -f -c conf -s bird.socket &\n",
            ..Behind::default()
        },
    );
}

#[test]
fn gbk() {
    tried("gbk", &Behind { needs: &["python3"], ..Behind::default() });
}

#[test]
fn sensor() {
    tried("sensor", &Behind { needs: &["python3"], ..Behind::default() });
}

#[test]
fn morning() {
    tried("morning", &Behind::default());
}

#[test]
fn the_page_has_these_recipes_in_both_languages() {
    let (english, chinese) = (recipes("recipes.md"), recipes("recipes.zh-CN.md"));
    let names: Vec<&str> = english.iter().map(|recipe| recipe.name.as_str()).collect();
    let source = include_str!("recipes.rs");
    for name in &names {
        assert!(source.contains(&format!("fn {name}() {{")), "{name} is not tried");
    }
    assert!(names.len() >= 14, "{names:?}");
    for (english, chinese) in english.iter().zip(&chinese) {
        assert_eq!(english.name, chinese.name);
        assert_eq!(english.commands, chinese.commands, "{}", english.name);
        assert_eq!(english.prints, chinese.prints, "{}", english.name);
    }
    assert_eq!(english.len(), chinese.len());
}

/// A recipe of the page.
#[derive(Default)]
struct Recipe {
    name: String,
    commands: String,
    /// Its programs, by the name in their first line.
    files: Vec<(String, String)>,
    prints: Vec<String>,
}

fn recipes(page: &str) -> Vec<Recipe> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- recipe: ") {
            let name = name.trim_end_matches(" -->").to_owned();
            recipes.push(Recipe { name, ..Recipe::default() });
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let recipe = recipes.last_mut().expect("a recipe's name stands above its first block");
        match kind {
            "sh" => recipe.commands.push_str(&(block.join("\n") + "\n")),
            "text" => recipe.prints.extend(block.iter().map(ToString::to_string)),
            "python" => {
                let name = block[0].trim_start_matches("# ").to_owned();
                recipe.files.push((name, block.join("\n") + "\n"));
            }
            kind => panic!("{}: a block of {kind:?}", recipe.name),
        }
    }
    recipes
}

/// Runs a recipe of the page, and checks its output and files.
fn tried(name: &str, behind: &Behind) {
    if !behind.needs.iter().all(|program| installed(program)) {
        return;
    }
    let recipe = recipes("recipes.md").into_iter().find(|recipe| recipe.name == name).unwrap();
    let Some([here, there]) = Namespace::pair() else { return };
    for (host, interface, address) in
        [(&here, "near", "192.168.1.20/24"), (&there, "far", "192.168.1.60/24")]
    {
        assert!(host.ip(&["address", "flush", "dev", interface]));
        assert!(host.ip(&["address", "add", address, "broadcast", "+", "dev", interface]));
        assert!(host.ip(&["route", "add", "default", "dev", interface]));
    }
    let folder = Folder::new(name);
    for (name, text) in &recipe.files {
        fs::write(folder.0.join("here").join(name), text).unwrap();
    }
    let mut device = None;
    if !behind.device.is_empty() {
        let script = format!("{}\necho ready\nwait\n", with_starts(behind.device));
        let process = run(&there, &folder.0.join("device"), "device", &script);
        process.expect_output("ready", SOON);
        device = Some(process);
    }
    let commands = with_starts(&recipe.commands);
    let script = format!("{}\n{commands}\n({})\necho the end\n", behind.before, behind.after);
    let script = script.replace("\n()\n", "\n");
    let process = run(&here, &folder.0.join("here"), name, &script);
    process.expect_line(|line| line == "the end", PATIENCE);
    for expected in &recipe.prints {
        let printed = process.output();
        assert!(
            printed.lines().any(|line| is_like(line, expected)),
            "{name}: no line like {expected:?} in:\n{printed}"
        );
    }
    drop(device);
}

/// The commands, with a wait after each program in the background.
fn with_starts(commands: &str) -> String {
    let mut all = String::new();
    for line in commands.lines() {
        let command = line.split(" # ").next().unwrap_or(line).trim_end();
        all.push_str(line);
        all.push('\n');
        if command.ends_with(" &") {
            all.push_str("started $!\n");
        }
    }
    all
}

/// Runs a script in bash, in private process and mount namespaces that end with it.
fn run(host: &Namespace, folder: &Path, name: &str, script: &str) -> Process {
    let file = folder.join(".script");
    fs::write(&file, format!("{PRELUDE}{script}")).unwrap();
    let pigeon = Path::new(env!("CARGO_BIN_EXE_pigeon")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &host.name, "unshare", "--mount", "--pid", "--fork"])
        .args(["--kill-child", "--mount-proc", "bash", ".script"])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", pigeon.display()))
        .env("PROGRAMS", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs"))
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1");
    Process::spawn(name, &mut command)
}

/// Whether a line matches, where `…` stands for any text.
fn is_like(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(is_like("12:00 ab 7", "… ab 7") && is_like("ab 7 c", "ab…") && is_like("ab", "ab"));
    assert!(is_like("x: a1b", "…a…b") && !is_like("x: a1", "…a…b") && !is_like("ab 7", "ab"));
}

/// A temporary folder for a recipe and its device.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("pigeon-{name}-{}", std::process::id()));
        for part in ["here", "device"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
