//! The terminal's state: saved before changes, and restored whatever happens.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};
#[cfg(unix)]
use std::sync::{Mutex, OnceLock, PoisonError};

/// The escape sequences that take over the terminal, and those that restore it from any point of a
/// line or frame.
struct Sequences {
    /// Written once, because the saved state can be restored only once.
    keep: &'static [u8],
    enter: &'static [u8],
    leave: &'static [u8],
}

/// The full screen: saves the window's title, enters the alternate screen, enables bracketed paste,
/// disables wrapping at the edge, reports the mouse wheel.
const FULL: Sequences = Sequences {
    keep: b"\x1b[22;2t",
    enter: b"\x1b[?1049h\x1b[?2004h\x1b[?7l\x1b[?1000h\x1b[?1006h",
    leave:
        b"\x1b[?2026l\x1b[0m\x1b[23;2t\x1b[?1006l\x1b[?1000l\x1b[?7h\x1b[?2004l\x1b[?25h\x1b[?1049l",
};

/// A line at the bottom: enables bracketed paste, and clears the line at the end.
const LINE: Sequences =
    Sequences { keep: b"", enter: b"\x1b[?2004h", leave: b"\r\x1b[K\x1b[?7h\x1b[?2004l" };

/// A program's use of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The whole screen.
    Full = 1,
    /// One line at the bottom.
    Line = 2,
}

impl Use {
    fn sequences(self) -> Sequences {
        match self {
            Use::Full => FULL,
            Use::Line => LINE,
        }
    }

    fn of(number: u8) -> Option<Use> {
        [Use::Full, Use::Line].into_iter().find(|of| *of as u8 == number)
    }
}

/// The current use; 0 means none.
static USE: AtomicU8 = AtomicU8::new(0);

#[cfg(unix)]
static MODE: OnceLock<Option<Mutex<nix::sys::termios::Termios>>> = OnceLock::new();

/// Saves the terminal's state, and restores it on a panic.
pub(crate) fn remember() {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
    #[cfg(unix)]
    MODE.get_or_init(|| nix::sys::termios::tcgetattr(io::stdin()).ok().map(Mutex::new));
}

/// Restores the terminal. Call it before the process ends, from any thread. Does not block: if the
/// terminal accepts no output, only its mode is restored.
pub(crate) fn restore() {
    if let Some(of) = Use::of(USE.swap(0, Ordering::AcqRel))
        && takes_output()
    {
        // Nothing can be restored if the terminal is gone.
        let _ = write(of.sequences().leave);
    }
    restore_mode();
}

/// Writes to the terminal directly, without the lock of `io::stdout`, which a thread may hold that
/// is blocked in writing a frame.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let terminal = io::stdout().as_fd().try_clone_to_owned()?;
        std::fs::File::from(terminal).write_all(bytes)
    }
    #[cfg(not(unix))]
    {
        io::stdout().write_all(bytes)?;
        io::stdout().flush()
    }
}

#[cfg(unix)]
fn takes_output() -> bool {
    tells(&io::stdout(), nix::poll::PollFlags::POLLOUT)
}

/// Whether poll(2) reports this event for a terminal now.
#[cfg(unix)]
fn tells(terminal: &impl std::os::fd::AsFd, what: nix::poll::PollFlags) -> bool {
    use nix::poll::{PollFd, PollTimeout, poll};

    let mut terminal = [PollFd::new(terminal.as_fd(), what)];
    let told = poll(&mut terminal, PollTimeout::ZERO);
    told.is_ok_and(|_| terminal[0].revents().is_some_and(|events| events.contains(what)))
}

#[cfg(not(unix))]
fn takes_output() -> bool {
    true
}

#[cfg(unix)]
fn restore_mode() {
    use nix::sys::termios::{SetArg, tcsetattr};

    if let Some(Some(mode)) = MODE.get() {
        let mode = mode.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &mode);
    }
}

#[cfg(not(unix))]
fn restore_mode() {
    let _ = crossterm::terminal::disable_raw_mode();
}

/// Whether the terminal was closed.
#[cfg(unix)]
pub(crate) fn is_gone() -> bool {
    tells(&io::stdin(), nix::poll::PollFlags::POLLHUP)
}

#[cfg(not(unix))]
pub(crate) fn is_gone() -> bool {
    false
}

/// Takes over the terminal, with unbuffered keys. A further call undoes another program's changes.
pub(crate) fn enter(of: Use) -> io::Result<()> {
    remember();
    // Line mode keeps the conversion of newlines.
    raw_mode(of == Use::Line)?;
    let Sequences { keep, enter, .. } = of.sequences();
    let again = USE.swap(of as u8, Ordering::AcqRel) == of as u8;
    write(&[if again { b"" } else { keep }, enter].concat())
}

/// Restores the terminal for the shell and stops the process until `fg`; then takes over again.
pub(crate) fn suspend(of: Use) {
    #[cfg(unix)]
    {
        restore();
        // The process stops here until it is continued.
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
    }
    // The keyboard reports a terminal that is gone.
    let _ = enter(of);
}

#[cfg(unix)]
fn raw_mode(newlines: bool) -> io::Result<()> {
    use nix::sys::termios::{OutputFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};

    let mut mode = tcgetattr(io::stdin())?;
    cfmakeraw(&mut mode);
    mode.output_flags.set(OutputFlags::OPOST | OutputFlags::ONLCR, newlines);
    tcsetattr(io::stdin(), SetArg::TCSANOW, &mode)?;
    Ok(())
}

#[cfg(not(unix))]
fn raw_mode(_newlines: bool) -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()
}

/// The columns and rows of the terminal. Not crossterm's, which runs `tput` where the terminal does
/// not answer.
#[cfg(unix)]
pub(crate) fn size() -> io::Result<(u16, u16)> {
    use rustix::termios::tcgetwinsize;

    let size = match std::fs::File::open("/dev/tty") {
        Ok(terminal) => tcgetwinsize(terminal),
        Err(_) => tcgetwinsize(io::stdout()),
    }?;
    Ok((size.ws_col, size.ws_row))
}

#[cfg(not(unix))]
pub(crate) fn size() -> io::Result<(u16, u16)> {
    crossterm::terminal::size()
}

/// Whether the terminal interprets escape sequences. A Windows console does since Windows 10, once
/// a program asks for it.
#[cfg(windows)]
pub(crate) fn shows_escapes() -> bool {
    crossterm::ansi_support::supports_ansi()
}

#[cfg(not(windows))]
pub(crate) fn shows_escapes() -> bool {
    true
}

/// Whether a full screen is possible: stdin and stdout are a terminal, this job is in the
/// foreground, and the terminal can move its cursor.
pub(crate) fn can_be_full() -> bool {
    use std::io::IsTerminal;

    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    cfg!(feature = "tui")
        && terminal
        && (!dumb || cfg!(windows))
        && shows_escapes()
        && in_foreground()
}

/// Whether this process is in its terminal's foreground. Reading would stop a hub started with `&`.
#[cfg(unix)]
pub(crate) fn in_foreground() -> bool {
    let foreground = nix::unistd::tcgetpgrp(io::stdin());
    foreground.is_ok_and(|group| group == nix::unistd::getpgrp())
}

#[cfg(not(unix))]
pub(crate) fn in_foreground() -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use nix::sys::termios::tcgetattr;
    use pty_process::blocking::{Command, open};

    /// The program that the next test runs on a terminal of its own.
    #[test]
    #[ignore = "takes the terminal it runs on"]
    fn a_program_that_panics() {
        super::enter(super::Use::Full).unwrap();
        super::write(b"TAKEN").unwrap();
        std::thread::spawn(|| panic!("a bug")).join().unwrap_err();
    }

    #[test]
    fn a_panic_on_any_thread_gives_the_terminal_back() {
        let (mut pty, pts) = open().unwrap();
        let before = tcgetattr(pty.as_fd()).unwrap();
        let itself = std::env::current_exe().unwrap();
        let test = "base::terminal::tests::a_program_that_panics";
        let args = ["--exact", test, "--ignored", "--nocapture"];
        let mut child = Command::new(itself).args(args).spawn(pts).unwrap();
        let mut output = Vec::new();
        let mut buffer = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(read @ 1..) = pty.read(&mut buffer) {
            output.extend_from_slice(&buffer[..read]);
        }
        assert!(child.wait().unwrap().success());
        let output = String::from_utf8(output).unwrap();
        let taken = output.find("TAKEN").unwrap();
        let left = output.find(std::str::from_utf8(super::FULL.leave).unwrap()).unwrap();
        let told = output.find("a bug").unwrap();
        assert!(taken < left && left < told, "{output:?}");
        let after = tcgetattr(pty.as_fd()).unwrap();
        assert_eq!(
            (before.local_flags, before.output_flags),
            (after.local_flags, after.output_flags)
        );
    }
}
