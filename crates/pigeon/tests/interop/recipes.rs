//! Every block of `docs/recipes.md`, executed as written, with the real programs.
//!
//! A recipe's commands run in bash in a network namespace, `192.168.1.20`; its device runs in
//! another, `192.168.1.60`, connected by a cable. Both have a private folder and processes, which
//! end with the test. A line that ends in `&` counts as started once its program has a UDP socket.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::peers::installed;
use crate::process::{Process, SOON};
use crate::shell::{Folder, is_like, page, set_environment, with_starts, write_script};

/// The time limit of a recipe: TFTP clients wait five seconds after each loss.
const PATIENCE: Duration = Duration::from_secs(110);

const PAGE: &str = "docs/recipes.md";

/// A recipe's setup and checks, which the page does not show.
#[derive(Default)]
struct Behind {
    /// Other programs that the recipe needs.
    needs: &'static [&'static str],
    /// Creates the recipe's input files.
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
fn every_recipe_of_the_page_is_tried() {
    let source = include_str!("recipes.rs");
    let recipes = page(PAGE).examples;
    for recipe in &recipes {
        assert!(source.contains(&format!("fn {}() {{", recipe.name)), "{}", recipe.name);
    }
    assert!(recipes.len() >= 14);
}

/// Runs a recipe of the page, and checks its output and files.
fn tried(name: &str, behind: &Behind) {
    if !behind.needs.iter().all(|program| installed(program)) {
        return;
    }
    let recipe = page(PAGE).example(name);
    let Some([here, there]) = Namespace::pair() else { return };
    for (host, interface, address) in
        [(&here, "near", "192.168.1.20/24"), (&there, "far", "192.168.1.60/24")]
    {
        assert!(host.ip(&["address", "flush", "dev", interface]));
        assert!(host.ip(&["address", "add", address, "broadcast", "+", "dev", interface]));
        assert!(host.ip(&["route", "add", "default", "dev", interface]));
    }
    let folder = Folder::new(name);
    recipe.write_files(&folder.0.join("here"));
    let mut device = None;
    if !behind.device.is_empty() {
        let script = format!("{}\necho ready\nwait\n", with_starts(behind.device));
        let process = run(&there, &folder.0.join("device"), "device", &script);
        process.expect_output("ready", SOON);
        device = Some(process);
    }
    let commands = with_starts(&recipe.commands);
    let script =
        format!("{}\n{commands}\n({})\necho the end\nread -r _\n", behind.before, behind.after);
    let script = script.replace("\n()\n", "\n");
    let process = run(&here, &folder.0.join("here"), name, &script);
    process.expect_line(|line| line == "the end", PATIENCE);
    for expected in &recipe.prints {
        process.expect_line(|line| is_like(line, expected), SOON);
    }
    drop(device);
}

/// Runs a script in bash, in private process and mount namespaces that end with it.
fn run(host: &Namespace, folder: &Path, name: &str, script: &str) -> Process {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &host.name, "unshare", "--mount", "--pid", "--fork"]).args([
        "--kill-child",
        "--mount-proc",
        "bash",
        ".script",
    ]);
    write_script(folder, ".script", script);
    set_environment(&mut command, folder);
    Process::spawn(name, &mut command)
}
