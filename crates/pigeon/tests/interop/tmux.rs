//! The full screen in tmux, under a shell: a terminal with its own character widths, and job
//! control.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use crate::peers::installed;
use crate::pigeon::{HEARTBEAT, hub};
use crate::process::wait_until;

/// A private tmux server with one window of 80 columns and 24 rows, running bash.
struct Tmux(String);

impl Tmux {
    fn start(name: &str) -> Tmux {
        let tmux = Tmux(format!("pigeon-{name}-{}", std::process::id()));
        let size = ["-x", "80", "-y", "24"];
        let shell = ["env", "PS1=$ ", "LC_ALL=C.UTF-8", "PIGEON_STATE=", "bash", "--norc"];
        let begin = ["-f", "/dev/null", "-u", "new-session", "-d"];
        tmux.run(&[&begin[..], &size, &shell].concat());
        tmux.expect("a prompt", |screen| screen.contains('$'));
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.0]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types a line to the shell, or to the program in it.
    fn say(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.run(&["send-keys", "Enter"]);
    }

    fn join(&self, hub: SocketAddr) {
        let pigeon = env!("CARGO_BIN_EXE_pigeon");
        self.say(&format!("{pigeon} join {hub} --nick dog --heartbeat {HEARTBEAT}"));
        self.expect("that it has joined", |screen| screen.contains("you are dog"));
    }

    #[track_caller]
    fn expect(&self, what: &str, wished: impl Fn(&str) -> bool) -> String {
        let capture = || {
            let screen = self.run(&["capture-pane", "-p", "-J"]);
            wished(&screen).then_some(screen)
        };
        wait_until(&format!("tmux shows {what}"), capture)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("tmux showed:\n{}", self.run(&["capture-pane", "-p"]));
        }
        // The server may have ended already.
        let _ = Command::new("tmux").args(["-L", &self.0, "kill-server"]).output();
    }
}

#[test]
fn widths_that_differ_leave_nothing_behind_and_a_link_is_copied_whole() {
    if !installed("tmux") {
        return;
    }
    let hub = hub(&[]);
    let tmux = Tmux::start("widths");
    tmux.join(hub.address);
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    let say = |text: &str| program.send_to(text.as_bytes(), hub.address).unwrap();
    for n in 0..25 {
        say(&format!("{n:02} {}", "x".repeat(25)));
    }
    tmux.expect("lines of x", |screen| screen.contains(": 24 xxx"));
    for n in 0..25 {
        say(&format!("{n:02} heart ❤\u{fe0f} end"));
    }
    let is_heart = |row: &str| row.contains("heart ❤") && row.contains("end");
    tmux.expect("hearts and no x", |screen| {
        screen.contains(": 24 heart") && screen.lines().filter(|row| is_heart(row)).count() > 9 && {
            !screen.contains('x')
        }
    });

    let link = format!("https://pigeon.example/{}", "a/b?c=d".repeat(20));
    say(&link);
    tmux.expect("the beginning of a link", |screen| screen.contains("https://pigeon"));
    tmux.run(&["send-keys", "F3"]);
    // Joined like wrapped rows, as tmux copies them.
    tmux.expect("the link in one piece", |screen| screen.contains(&link));
    assert_eq!(tmux.run(&["display-message", "-p", "#{mouse_any_flag}"]).trim(), "0");
    say("said meanwhile");
    tmux.run(&["send-keys", "F3"]);
    tmux.expect("all as before", |screen| screen.contains("said meanwhile"));
    assert_eq!(tmux.run(&["display-message", "-p", "#{mouse_any_flag}"]).trim(), "1");
}

#[test]
fn a_stopped_program_comes_back_by_fg() {
    if !installed("tmux") {
        return;
    }
    let hub = hub(&[]);
    let tmux = Tmux::start("fg");
    tmux.join(hub.address);
    tmux.run(&["send-keys", "-l", "draft"]);
    tmux.expect("a draft", |screen| screen.contains("> draft"));
    for stop in ["C-z", "TSTP", "STOP"] {
        match stop {
            "C-z" => drop(tmux.run(&["send-keys", "C-z"])),
            signal => {
                let line = format!("pkill -{signal} -f '[p]igeon join {} '", hub.address);
                assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
            }
        }
        tmux.expect("the shell", |screen| screen.contains("Stopped"));
        tmux.say("clear; fg");
        tmux.expect(&format!("the screen after {stop}"), |screen| {
            let is_whole = screen.contains("you are dog") && screen.contains("# lobby");
            is_whole && screen.contains("> draft") && !screen.contains("fg")
        });
        assert_eq!(tmux.run(&["display-message", "-p", "#{alternate_on}"]).trim(), "1");
        assert_eq!(tmux.run(&["display-message", "-p", "#{mouse_any_flag}"]).trim(), "1");
    }
    tmux.run(&["send-keys", "C-c"]);
    tmux.expect("the shell", |screen| screen.trim_end().ends_with('$'));
}
