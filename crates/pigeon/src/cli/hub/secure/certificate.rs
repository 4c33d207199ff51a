//! The hub's certificate, created once and stored beside the log.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use pigeon_quic::Certificate;

use crate::base::private_file;
use crate::output::file::shown;
use crate::words::say;

const FILE: &str = "certificate.pem";

/// Reads the certificate from the folder, or creates one that only its owner can read. Fails if it
/// cannot be read or written. An unreadable one is not replaced, because clients would treat the
/// hub as another.
pub(super) fn of(folder: &Path) -> anyhow::Result<Certificate> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(pem) => {
            return Certificate::from_pem(&pem)
                .with_context(|| say!("hub-certificate", file = shown(&path)));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).context(say!("errors-cannot-read", file = shown(&path)));
        }
    }
    let certificate = Certificate::generate()?;
    private_file::write(&path, certificate.to_pem().as_bytes())
        .with_context(|| say!("errors-cannot-write", file = shown(&path)))?;
    Ok(certificate)
}
