//! How many files this process may have open.

/// Raises the limit as far as an ordinary user may: a connection is an open file, and the usual limit
/// of 1,024 is lower than what a server takes.
pub(crate) fn raise_limit() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        // Ignored: with the lower limit, fewer connections are accepted.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
    }
}
