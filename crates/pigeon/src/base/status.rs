//! Exit statuses, the same for every command, and errors with a status.

use std::fmt;

use super::payload::Unwritable;

/// The exit status of a command. If a retry is useless before the user changes the command line, or
/// a file that it names or that contains settings, the status is [`Status::Usage`]; for all other
/// failures it is [`Status::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Success.
    Done = 0,
    /// The network or this host failed: no reply, refused, port in use.
    Failed = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// A thread panicked, which is a bug; Rust's own status for the main thread.
    Panicked = 101,
    /// The terminal was closed: 128 plus the number of SIGHUP, like in shells.
    HungUp = 129,
    /// Ctrl-C: SIGINT, likewise.
    Interrupted = 130,
    /// SIGTERM, likewise.
    Terminated = 143,
}

impl Status {
    /// An error's status: `Usage` for a [`UsageError`], and for text that cannot be encoded as the
    /// arguments require; else `Failed`.
    pub(crate) fn of(error: &anyhow::Error) -> Status {
        let is_usage = error.is::<UsageError>() || error.is::<Unwritable>();
        if is_usage { Status::Usage } else { Status::Failed }
    }
}

/// Arguments that are valid individually but not together or on this host, or a file that cannot be
/// read or written. May be the context of another error, its cause.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The request needs a feature that this program was built without.
#[cfg(not(all(
    feature = "cluster",
    feature = "ipmsg",
    feature = "page",
    feature = "quic",
    feature = "tui"
)))]
pub(crate) fn built_without(feature: &str) -> UsageError {
    UsageError(crate::words::say!("errors-built-without", feature = feature))
}
