//! Exit statuses, the same for every command, and the errors that carry one.

use std::fmt;

use super::spelling::Unwritable;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// What was asked for is done.
    Done = 0,
    /// The network, or this host's side of it, said no: no reply, refused, port in use.
    Failed = 1,
    /// The command was used wrongly.
    Usage = 2,
    /// Ctrl-C: 128 and the number of SIGINT, as shells say it.
    Interrupted = 130,
}

impl Status {
    /// The status that goes with an error: `Usage` for a [`UsageError`], and for text that cannot be
    /// written as the arguments want it; else `Failed`.
    pub(crate) fn of(error: &anyhow::Error) -> Status {
        let is_usage = error.is::<UsageError>() || error.is::<Unwritable>();
        if is_usage { Status::Usage } else { Status::Failed }
    }
}

/// Arguments that parse one by one but make no sense together or here.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}
