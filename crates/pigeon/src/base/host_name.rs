//! This host's name.

/// The host's name, or a placeholder if unknown.
pub(crate) fn find() -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.unwrap_or_else(|| "localhost".to_string())
}
