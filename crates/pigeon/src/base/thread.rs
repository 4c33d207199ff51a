//! Starting a thread.

use std::thread::{Builder, JoinHandle};

use anyhow::Context;

use crate::words::say;

/// Starts a thread with a name, shown by debuggers and `top -H`.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(run).with_context(|| say!("errors-no-thread"))
}
