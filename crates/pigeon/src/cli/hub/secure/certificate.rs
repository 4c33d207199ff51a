//! The hub's certificate, created once and stored beside the log.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use pigeon_quic::Certificate;

use crate::base::private_file;

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
    private_file::write(&path, certificate.to_pem().as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(certificate)
}
