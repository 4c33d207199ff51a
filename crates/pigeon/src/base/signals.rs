//! SIGINT, SIGTERM and SIGHUP as a message to a loop, instead of the end of the process.

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

    /// The exit status of whoever does not run to be stopped, if it was asked.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.get().copied()
    }
}

/// Catches SIGINT, SIGTERM and SIGHUP (a terminal that was closed; not under nohup): the first sets
/// the flag and calls `wake`, a second one ends the process on the spot, for whoever is tired of
/// waiting.
#[cfg(unix)]
pub(crate) fn on_stop(wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let stop = Stop::default();
    let flag = stop.clone();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
    let wanted = wanted.filter(|&signal| signal != SIGHUP || !hangup_is_ignored());
    let mut signals =
        signal_hook::iterator::Signals::new(wanted).context("cannot catch signals")?;
    super::thread::spawn("signals", move || {
        for signal in signals.forever() {
            let status = match signal {
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
    Ok(stop)
}

/// Whether this process was started to outlive its terminal.
#[cfg(target_os = "linux")]
fn hangup_is_ignored() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    // A mask with a bit for each signal; SIGHUP is 1 (proc_pid_status(5)).
    status.is_ok_and(|status| status.sigign & 1 != 0)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn hangup_is_ignored() -> bool {
    false
}

/// Elsewhere Ctrl-C ends the process as the system does it.
#[cfg(not(unix))]
pub(crate) fn on_stop(_wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    Ok(Stop::default())
}
