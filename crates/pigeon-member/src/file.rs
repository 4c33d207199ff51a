//! The file of a session: bytes that are appended, put on the disk, or replaced in one step. What
//! the bytes mean is the session's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that this process has locked.
#[derive(Debug)]
pub(crate) struct SessionFile {
    file: File,
    path: PathBuf,
    /// Where the next bytes go. What stands beyond is left of a write that failed.
    end: u64,
    is_torn: bool,
}

/// Why a file was not opened.
pub(crate) enum OpenFileError {
    /// Another process has it.
    InUse,
    Io(io::Error),
}

impl From<io::Error> for OpenFileError {
    fn from(error: io::Error) -> Self {
        OpenFileError::Io(error)
    }
}

impl SessionFile {
    /// Opens a file, which is created if need be, and gives what it holds.
    pub(crate) fn open(path: &Path) -> Result<(SessionFile, Vec<u8>), OpenFileError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut file = options.open(path)?;
        lock(&file)?;
        // Another process may have replaced the file before it gave the lock back.
        if !is_same(&file, path) {
            return Err(OpenFileError::InUse);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.len() as u64;
        sync_folder(path)?;
        Ok((SessionFile { file, path: path.into(), end, is_torn: false }, bytes))
    }

    /// Appends bytes. They outlive a power cut after [`sync`](SessionFile::sync).
    ///
    /// # Errors
    /// When the disk is full or fails. Nothing was appended.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
        }
        self.is_torn = true;
        self.file.write_all(bytes)?;
        self.is_torn = false;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Puts everything that was appended on the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Replaces what the file holds: after a power cut it is the old or the new.
    ///
    /// # Errors
    /// When the disk is full or fails. The file is as before.
    pub(crate) fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        private(&mut options);
        let mut file = options.open(&beside)?;
        // Locked before it has the name, so that no other process finds it free.
        let written = file
            .try_lock()
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&beside, &self.path));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        *self = SessionFile {
            file,
            path: std::mem::take(&mut self.path),
            end: bytes.len() as u64,
            is_torn: false,
        };
        sync_folder(&self.path)
    }
}

fn lock(file: &File) -> Result<(), OpenFileError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenFileError::InUse,
        TryLockError::Error(error) => OpenFileError::Io(error),
    })
}

/// Whether a path still leads to the file that was opened there.
fn is_same(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let opened = file.metadata().map(place);
        matches!((opened, std::fs::metadata(path).map(place)), (Ok(a), Ok(b)) if a == b)
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// Makes a new file its owner's alone.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Keeps a name after a power cut. Windows opens no folders, and needs no sync for it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn open(path: &Path) -> (SessionFile, Vec<u8>) {
        SessionFile::open(path).ok().unwrap()
    }

    #[test]
    fn what_is_appended_or_replaced_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let (mut file, before) = open(&path);
        assert_eq!(before, b"");
        file.append(b"one").unwrap();
        file.append(b"two").unwrap();
        file.sync().unwrap();
        drop(file);
        let (mut file, bytes) = open(&path);
        assert_eq!(bytes, b"onetwo");
        file.append(b"three").unwrap();
        file.replace(b"four").unwrap();
        file.append(b"five").unwrap();
        drop(file);
        assert_eq!(open(&path).1, b"fourfive");
    }

    #[test]
    fn a_second_process_finds_it_in_use_after_it_was_replaced_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let (mut file, _) = open(&path);
        assert!(matches!(SessionFile::open(&path), Err(OpenFileError::InUse)));
        file.replace(b"new").unwrap();
        assert!(matches!(SessionFile::open(&path), Err(OpenFileError::InUse)));
        drop(file);
        assert_eq!(open(&path).1, b"new");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let (mut file, _) = open(&path);
        assert_eq!(mode(), 0o600);
        file.replace(b"new").unwrap();
        assert_eq!(mode(), 0o600);
    }
}
