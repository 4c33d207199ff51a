//! SIGINT and SIGTERM as a message to a loop, instead of the end of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Set once the process was asked to stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it was asked.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Catches SIGINT and SIGTERM: the first sets the flag and calls `wake`, a second one ends the
/// process on the spot, for whoever is tired of waiting.
#[cfg(unix)]
pub(crate) fn on_stop(wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let stop = Stop::default();
    let flag = stop.clone();
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot catch signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if flag.0.swap(true, Ordering::AcqRel) {
                    std::process::exit(super::exit::Status::Interrupted as i32);
                }
                wake();
            }
        })
        .context("cannot start a thread")?;
    Ok(stop)
}

/// Elsewhere Ctrl-C ends the process as the system does it.
#[cfg(not(unix))]
pub(crate) fn on_stop(_wake: impl Fn() + Send + 'static) -> anyhow::Result<Stop> {
    Ok(Stop::default())
}
