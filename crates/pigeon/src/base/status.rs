//! Exit statuses, the same for every command, and the errors that carry one.

use std::fmt;

use super::payload::Unwritable;

/// How a command ended. The rule is one for all: if the user must change the command line, or a
/// file that it names or that holds settings, before it can be of use to try again, it is
/// [`Status::Usage`]; whatever else goes wrong was tried, and is [`Status::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// What was asked for is done.
    Done = 0,
    /// The network, or this host's side of it, said no: no reply, refused, port in use.
    Failed = 1,
    /// The command line, or a file, is wrong.
    Usage = 2,
    /// A thread panicked, which is a bug; Rust says it so of the first thread.
    Panicked = 101,
    /// The terminal was closed: 128 and the number of SIGHUP, as shells say it.
    HungUp = 129,
    /// Ctrl-C: SIGINT, likewise.
    Interrupted = 130,
    /// SIGTERM, likewise.
    Terminated = 143,
}

impl Status {
    /// The status that goes with an error: `Usage` for a [`UsageError`], and for text that cannot be
    /// written as the arguments want it; else `Failed`.
    pub(crate) fn of(error: &anyhow::Error) -> Status {
        let is_usage = error.is::<UsageError>() || error.is::<Unwritable>();
        if is_usage { Status::Usage } else { Status::Failed }
    }
}

/// Arguments that parse one by one but make no sense together or here, or a file that cannot be read
/// or written. It may be the context of another error, which is then its cause.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}
