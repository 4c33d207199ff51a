//! Output files: `-` is stdout, pipes and devices are written to, and an existing regular file is
//! never overwritten, because it may be the only copy.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use anyhow::anyhow;
use pigeon_text::escape;

use crate::base::status::UsageError;
use crate::words::say;

/// Opens a path for writing. A `private` file is readable only by the user.
pub(crate) fn create(path: &Path, private: bool) -> anyhow::Result<File> {
    let opened = match std::fs::metadata(path) {
        _ if is_stdout(path) => stdout(),
        Ok(found) if found.is_file() || found.is_dir() => Err(io::ErrorKind::AlreadyExists.into()),
        // Opening a FIFO waits for its reader.
        Ok(_) => OpenOptions::new().write(true).open(path),
        Err(_) => new_file(private).open(path),
    };
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            UsageError(say!("errors-file-exists", file = shown(path))).into()
        }
        _ => anyhow!(error).context(UsageError(say!("errors-cannot-write", file = shown(path)))),
    })
}

/// Whether a path means stdout: `-`, `/dev/stdout`, or the file that stdout is redirected to.
pub(crate) fn is_stdout(path: &Path) -> bool {
    let of_stdout = || stdout().and_then(|stdout| stdout.metadata());
    path == Path::new("-")
        || std::fs::metadata(path)
            .is_ok_and(|named| of_stdout().is_ok_and(|stdout| are_same(&named, &stdout)))
}

/// A path for messages.
pub(crate) fn shown(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "stdout".to_string(),
        _ => escape(&*path.to_string_lossy()).to_string(),
    }
}

/// Stdout without the buffer of [`io::stdout`], which would keep bytes that could not be written.
fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    return std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned().map(File::from);
    #[cfg(windows)]
    return std::os::windows::io::AsHandle::as_handle(&io::stdout())
        .try_clone_to_owned()
        .map(File::from);
    #[cfg(not(any(unix, windows)))]
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn are_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn are_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

fn new_file(private: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    // The user's folders are private on Windows.
    #[cfg(not(unix))]
    let _ = private;
    options
}
