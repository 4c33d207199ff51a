//! The hub's certificate, created once and stored beside the log.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use pigeon_quic::Certificate;

const FILE: &str = "certificate.pem";

/// Reads the certificate from the folder, or creates one that only its owner can read. Fails if it
/// cannot be read or written. An unreadable one is not replaced, because clients would treat the
/// hub as another.
pub(super) fn of(folder: &Path) -> anyhow::Result<Certificate> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(pem) => {
            return Certificate::from_pem(&pem).with_context(|| {
                format!(
                    "cannot use {}: restore it from a backup, or move it away and tell members the \
                     new fingerprint",
                    path.display()
                )
            });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    }
    let certificate = Certificate::generate().context("cannot make a certificate")?;
    keep(&path, certificate.to_pem().as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(certificate)
}

fn keep(path: &Path, pem: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(pem)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
