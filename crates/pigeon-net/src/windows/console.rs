#![expect(unsafe_code, reason = "SetConsoleCtrlHandler")]
//! Events of the console that a process runs in: Ctrl-C, and the console's end.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

/// What happened to the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleEvent {
    /// Ctrl-C or Ctrl-Break.
    Interrupted,
    /// The window was closed. Windows ends the process after five seconds.
    Closed,
    /// The user logs off, or the machine stops.
    Ending,
}

type Handler = Box<dyn Fn(ConsoleEvent) + Send + Sync>;

static HANDLER: OnceLock<Handler> = OnceLock::new();

/// Longer than the five seconds after which Windows ends the process.
const UNTIL_THE_END: Duration = Duration::from_secs(10);

/// Calls `handler` for each event, on a thread of the system. A later call replaces nothing: the
/// process has one handler.
pub fn on_console_event(handler: impl Fn(ConsoleEvent) + Send + Sync + 'static) -> io::Result<()> {
    if HANDLER.set(Box::new(handler)).is_err() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: the function lives as long as the process, and reads only a static.
    match unsafe { SetConsoleCtrlHandler(Some(handle), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns 1 for "handled": otherwise Windows ends the process at once.
unsafe extern "system" fn handle(event: u32) -> BOOL {
    let event = match event {
        CTRL_C_EVENT | CTRL_BREAK_EVENT => ConsoleEvent::Interrupted,
        CTRL_CLOSE_EVENT => ConsoleEvent::Closed,
        _ => ConsoleEvent::Ending,
    };
    if let Some(handler) = HANDLER.get() {
        handler(event);
    }
    if event != ConsoleEvent::Interrupted {
        // Windows ends the process when this function returns. Meanwhile the loop stops, and ends
        // the process itself.
        std::thread::sleep(UNTIL_THE_END);
    }
    1
}
