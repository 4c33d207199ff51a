//! What this host is called.

/// The host's name, or a word where the system does not say.
pub(crate) fn find() -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.unwrap_or_else(|| "localhost".to_string())
}
