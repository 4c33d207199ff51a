//! Converts SIGINT, SIGTERM and SIGHUP, or the events of a Windows console, to a flag for the loop,
//! instead of ending the process.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;

use super::status::Status;
use crate::words::say;

/// Set when the process should stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<OnceLock<Status>>);

impl Stop {
    /// Requests the stop from inside.
    pub(crate) fn set(&self) {
        // Fails if a stop was requested before.
        let _ = self.0.set(Status::Done);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// The exit status of a stopped command that normally ends on its own.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.get().copied()
    }
}

/// Set when the process should reload its settings.
#[derive(Clone, Default)]
pub(crate) struct Reload(Arc<AtomicBool>);

impl Reload {
    /// Whether a reload was requested since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Catches SIGINT, SIGTERM and SIGHUP (a closed terminal; not under nohup): the first sets the flag
/// and calls `wake`, a second one ends the process at once.
pub(crate) fn on_stop(wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    let (stop, _) = on_signals(wake, || false)?;
    Ok(stop)
}

/// The same, but SIGHUP requests a reload, as for services. It still stops the process if its
/// terminal was closed.
pub(crate) fn on_stop_or_reload(
    wake: impl Fn() + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    let had_terminal = has_terminal() && !hangup_is_ignored();
    // A closed terminal no longer counts as one.
    on_signals(wake, move || !had_terminal || has_terminal())
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`) fail like a full disk. By default
/// the system kills the process, which looks like a crash and loses data.
#[cfg(unix)]
pub(crate) fn survive_file_size_limit() {
    // Fails only for signals that cannot be caught. The flag is unused: the write returns an error.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn survive_file_size_limit() {}

/// Whether any standard stream is a terminal.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

#[cfg(unix)]
fn on_signals(
    wake: impl Fn() + Send + 'static,
    hangup_reloads: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let (stop, reload) = (Stop::default(), Reload::default());
    let (flag, asked) = (stop.clone(), reload.clone());
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
    let wanted =
        wanted.filter(|&signal| signal != SIGHUP || hangup_reloads() || !hangup_is_ignored());
    let mut signals =
        signal_hook::iterator::Signals::new(wanted).with_context(|| say!("errors-no-signals"))?;
    super::thread::spawn("signals", move || {
        for signal in signals.forever() {
            let status = match signal {
                SIGHUP if hangup_reloads() => {
                    asked.0.store(true, Ordering::Relaxed);
                    wake();
                    continue;
                }
                SIGHUP => Status::HungUp,
                SIGTERM => Status::Terminated,
                _ => Status::Interrupted,
            };
            if flag.0.set(status).is_err() {
                super::terminal::restore();
                std::process::exit(status as i32);
            }
            wake();
        }
    })?;
    Ok((stop, reload))
}

/// Whether this process ignores SIGHUP, to outlive its terminal.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    // A mask with a bit per signal; SIGHUP is 1 (proc_pid_status(5)).
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
        .is_some_and(|ignored| ignored & 1 != 0)
}

#[cfg(not(target_os = "linux"))]
fn hangup_is_ignored() -> bool {
    false
}

/// On Windows the console's events take the place of signals. Nothing requests a reload.
#[cfg(windows)]
fn on_signals(
    wake: impl Fn() + Send + 'static,
    _hangup_reloads: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    use pigeon_net::ConsoleEvent;

    let stop = Stop::default();
    let flag = stop.clone();
    let wake = std::sync::Mutex::new(wake);
    let caught = pigeon_net::on_console_event(move |event| {
        let status = match event {
            ConsoleEvent::Interrupted => Status::Interrupted,
            ConsoleEvent::Closed => Status::HungUp,
            ConsoleEvent::Ending => Status::Terminated,
        };
        if flag.0.set(status).is_err() {
            super::terminal::restore();
            std::process::exit(status as i32);
        }
        wake.lock().unwrap_or_else(std::sync::PoisonError::into_inner)();
    });
    caught.with_context(|| say!("errors-no-signals"))?;
    Ok((stop, Reload::default()))
}

/// On other systems Ctrl-C ends the process by default.
#[cfg(not(any(unix, windows)))]
fn on_signals(
    _wake: impl Fn() + Send + 'static,
    _hangup_reloads: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    Ok((Stop::default(), Reload::default()))
}
