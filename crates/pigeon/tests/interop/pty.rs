//! A program on a private terminal: its display, and the terminal's state afterwards.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use pty_process::Size;
use pty_process::blocking::{Command, Pts, Pty, open};

use crate::book::Book;
use crate::process::{SOON, wait_until};

/// A program, its terminal, and its user.
pub(crate) struct Terminal {
    name: String,
    child: Child,
    pty: Arc<Pty>,
    /// Keeps the terminal open after the program ends.
    _pts: Pts,
    seen: Arc<Seen>,
    before: Termios,
}

/// A terminal's state besides its screen.
#[derive(Default)]
struct Beside {
    rings: usize,
    title: String,
}

impl vt100::Callbacks for Beside {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.rings += 1;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.title = String::from_utf8(title.to_vec()).unwrap();
    }
}

type Parser = vt100::Parser<Beside>;

struct Seen {
    parser: Mutex<Parser>,
    more: Condvar,
    /// The program's output is not read.
    away: AtomicBool,
}

impl Terminal {
    /// Starts `pigeon ARGS…` on a terminal of this size (columns, rows).
    pub(crate) fn start(name: &str, size: (u16, u16), args: &[&str]) -> Terminal {
        Terminal::run(name, size, pigeon().args(args))
    }

    /// Like `start`, with another TERM.
    pub(crate) fn start_as(name: &str, size: (u16, u16), args: &[&str], term: &str) -> Terminal {
        Terminal::run(name, size, pigeon().args(args).env("TERM", term))
    }

    /// Like `start`, in a Chinese locale.
    pub(crate) fn start_in_chinese(name: &str, size: (u16, u16), args: &[&str]) -> Terminal {
        Terminal::run(name, size, pigeon().args(args).env("LC_ALL", "zh_CN.UTF-8"))
    }

    /// Like `start`, with this folder for state between sessions.
    pub(crate) fn start_keeping(
        state: &str,
        name: &str,
        size: (u16, u16),
        args: &[&str],
    ) -> Terminal {
        Terminal::run(name, size, pigeon().args(args).env("PIGEON_STATE", state))
    }

    /// Like `start`, in a network namespace.
    pub(crate) fn start_in(namespace: &str, size: (u16, u16), args: &[&str]) -> Terminal {
        let words = ["netns", "exec", namespace, env!("CARGO_BIN_EXE_pigeon")];
        Terminal::run(namespace, size, usual(Command::new("ip")).args(words).args(args))
    }

    /// Like `start`, with this contacts file.
    pub(crate) fn start_with(book: &Book, name: &str, size: (u16, u16), args: &[&str]) -> Terminal {
        Terminal::run(name, size, pigeon().args(args).env("PIGEON_CONTACTS", book.path()))
    }

    /// Starts a shell with these contacts, without configuration files.
    pub(crate) fn start_shell(book: &Book, shell: &str, args: &[&str]) -> Terminal {
        let command = Command::new(shell).args(args).env("TERM", "xterm-256color");
        let command = command.env("PIGEON_CONTACTS", book.path()).env("LC_ALL", "C.UTF-8");
        Terminal::run(shell, (120, 24), command.env("HOME", book.directory()))
    }

    fn run(name: &str, (columns, rows): (u16, u16), command: Command) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let before = tcgetattr(&pty).unwrap();
        let mut command = command.env_remove("NO_COLOR").env_remove("COLUMNS");
        let child = command.spawn_borrowed(&pts).unwrap();
        let [rows, columns] = [rows, columns].map(|n| n.try_into().unwrap());
        let parser = Parser::new_with_callbacks(rows, columns, 0, Beside::default());
        let parser = Mutex::new(parser);
        let seen = Arc::new(Seen { parser, more: Condvar::new(), away: AtomicBool::new(false) });
        let pty = Arc::new(pty);
        let (from, to) = (Arc::clone(&pty), Arc::clone(&seen));
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(read @ 1..) = (&*from).read(&mut buffer) {
                to.parser.lock().unwrap().process(&buffer[..read]);
                to.more.notify_all();
                while to.away.load(Ordering::Acquire) {
                    thread::park();
                }
            }
        });
        Terminal { name: name.to_string(), child, pty, _pts: pts, seen, before }
    }

    /// Types text, or presses keys by their terminal sequences.
    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Acts like a shell while the program is stopped: sets its own modes and prints a prompt.
    pub(crate) fn act_as_shell(&self) {
        tcsetattr(&self.pty, SetArg::TCSANOW, &self.before).unwrap();
        self.seen.parser.lock().unwrap().process(b"\x1b[?2004l\r\n[1]+  Stopped\r\n$ fg\r\n");
    }

    pub(crate) fn resize(&self, (columns, rows): (u16, u16)) {
        let [height, width] = [rows, columns].map(|n| n.try_into().unwrap());
        self.seen.parser.lock().unwrap().screen_mut().set_size(height, width);
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Stops reading the program's output.
    pub(crate) fn look_away(&self) {
        self.seen.away.store(true, Ordering::Release);
    }

    /// The screen's text, row by row.
    pub(crate) fn screen(&self) -> String {
        contents(&self.seen.parser.lock().unwrap())
    }

    /// The number of times the bell has rung.
    pub(crate) fn rings(&self) -> usize {
        self.seen.parser.lock().unwrap().callbacks().rings
    }

    /// The window's title.
    pub(crate) fn title(&self) -> String {
        self.seen.parser.lock().unwrap().callbacks().title.clone()
    }

    /// Waits until the screen matches, and returns it.
    #[track_caller]
    pub(crate) fn expect(&self, what: &str, wished: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + SOON;
        let mut parser = self.seen.parser.lock().unwrap();
        loop {
            let screen = contents(&parser);
            if wished(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(parser);
                panic!("{} does not show {what}:\n{screen}", self.name);
            }
            parser = self.seen.more.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until the screen contains a text.
    #[track_caller]
    pub(crate) fn expect_text(&self, text: &str) -> String {
        self.expect(text, |screen| screen.contains(text))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} {}", self.id());
        assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// Waits until the program ends; returns its exit status.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) -> i32 {
        let status = wait_until("the program ends", || self.child.try_wait().unwrap());
        status.code().unwrap_or_else(|| panic!("{} was killed: {status}", self.name))
    }

    /// Asserts that the terminal's state is restored: no alternate screen, a visible cursor, no
    /// bracketed paste, the previous modes.
    #[track_caller]
    pub(crate) fn assert_given_back(&self) {
        wait_until("the terminal is given back", || {
            let parser = self.seen.parser.lock().unwrap();
            let screen = parser.screen();
            let marks = screen.alternate_screen()
                || screen.hide_cursor()
                || screen.bracketed_paste()
                || screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
            (!marks && self.modes_are_back()).then_some(())
        });
    }

    /// Asserts that the program uses the whole screen.
    #[track_caller]
    pub(crate) fn assert_taken(&self) {
        let parser = self.seen.parser.lock().unwrap();
        assert!(parser.screen().alternate_screen() && parser.screen().bracketed_paste());
        assert!(!self.modes_are_back());
    }

    /// Whether the terminal's previous input modes are restored.
    pub(crate) fn modes_are_back(&self) -> bool {
        let now = tcgetattr(&self.pty).unwrap();
        let flags = |t: &Termios| {
            (t.input_flags, t.output_flags, t.control_flags, t.local_flags, t.control_chars)
        };
        flags(&now) == flags(&self.before)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{} showed:\n{}", self.name, self.screen());
        }
    }
}

fn pigeon() -> Command {
    usual(Command::new(env!("CARGO_BIN_EXE_pigeon")))
}

/// Sets English, and an empty state directory.
fn usual(command: Command) -> Command {
    command.env("TERM", "xterm-256color").env("PIGEON_STATE", "").env("LC_ALL", "C")
}

/// Starts `pigeon ARGS…` on a terminal that is closed once it shows `text`; returns the exit
/// status. Does not use a [`Terminal`], because its thread keeps it open.
#[track_caller]
pub(crate) fn status_when_closed(args: &[&str], text: &str) -> i32 {
    let (mut pty, pts) = open().unwrap();
    pty.resize(Size::new(24, 80)).unwrap();
    let mut child = pigeon().args(args).spawn(pts).unwrap();
    let (mut shown, mut buffer) = (Vec::new(), [0; 65_536]);
    while !String::from_utf8_lossy(&shown).contains(text) {
        let mut more = [PollFd::new(pty.as_fd(), PollFlags::POLLIN)];
        let soon = PollTimeout::try_from(SOON).unwrap();
        assert_eq!(poll(&mut more, soon), Ok(1), "{args:?} does not show {text}");
        let read = pty.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..read]);
    }
    drop(pty);
    let status = wait_until("the program ends", || child.try_wait().unwrap());
    status.code().unwrap_or_else(|| panic!("{args:?} was killed: {status}"))
}

/// Whether a process is stopped, according to `/proc`.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

fn contents(parser: &Parser) -> String {
    parser.screen().contents()
}
