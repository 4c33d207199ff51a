//! SIGINT, SIGTERM and SIGHUP as a message to a loop, instead of the end of the process.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;

use super::status::Status;

/// Set once the process was asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<OnceLock<Status>>);

impl Stop {
    /// Asks for it from inside.
    pub(crate) fn set(&self) {
        // Who was asked already stops already.
        let _ = self.0.set(Status::Done);
    }

    /// Whether it was asked.
    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// The exit status of a command that does not normally run until it is stopped, if it was
    /// asked.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.get().copied()
    }
}

/// Set when the process was asked to read its settings again.
#[derive(Clone, Default)]
pub(crate) struct Reload(Arc<AtomicBool>);

impl Reload {
    /// Whether it was asked since this was last called.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Catches SIGINT, SIGTERM and SIGHUP (a terminal that was closed; not under nohup): the first sets
/// the flag and calls `wake`, a second one ends the process on the spot, for a user who is tired of
/// waiting.
pub(crate) fn on_stop(wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    let (stop, _) = on_signals(wake, || false)?;
    Ok(stop)
}

/// The same, but SIGHUP asks to read the settings again, as it does for a service. It stops the
/// process where it means that its terminal was closed.
pub(crate) fn on_stop_or_reload(
    wake: impl Fn() + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    let had_terminal = has_terminal() && !hangup_is_ignored();
    // A terminal that was closed is none any more.
    on_signals(wake, move || !had_terminal || has_terminal())
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`) fail as on a full disk. Otherwise
/// the system ends the process, which reads like a crash and loses what could still be saved.
#[cfg(unix)]
pub(crate) fn survive_file_size_limit() {
    // Fails only for signals that nobody may catch. The flag is not looked at: the write says it.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn survive_file_size_limit() {}

/// Whether one of the standard streams is a terminal.
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
        signal_hook::iterator::Signals::new(wanted).context("cannot catch signals")?;
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

/// Whether this process was started to outlive its terminal.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    // A mask with a bit for each signal; SIGHUP is 1 (proc_pid_status(5)).
    status.is_ok_and(|status| status.sigign & 1 != 0)
}

#[cfg(not(target_os = "linux"))]
fn hangup_is_ignored() -> bool {
    false
}

/// Elsewhere Ctrl-C ends the process as the system does it.
#[cfg(not(unix))]
fn on_signals(
    _wake: impl Fn() + Send + 'static,
    _hangup_reloads: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<(Stop, Reload)> {
    Ok((Stop::default(), Reload::default()))
}
