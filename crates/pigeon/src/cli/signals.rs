//! SIGINT, SIGTERM and SIGHUP as a message to a loop, instead of the end of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Set once the process was asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for it from inside.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
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
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if flag.0.swap(true, Ordering::AcqRel) {
                    crate::ui::terminal::restore();
                    std::process::exit(super::exit::Status::Interrupted as i32);
                }
                wake();
            }
        })
        .context("cannot start a thread")?;
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
