//! A session's file: append, sync, atomic replacement. The session defines its content.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that this process has locked.
#[derive(Debug)]
pub(crate) struct SessionFile {
    file: File,
    path: PathBuf,
    /// Where the next bytes go. Bytes beyond it are left from a failed write.
    end: u64,
    is_torn: bool,
}

/// Why a file could not be opened.
pub(crate) enum OpenFileError {
    /// Another process has locked it.
    InUse,
    Io(io::Error),
}

impl From<io::Error> for OpenFileError {
    fn from(error: io::Error) -> Self {
        OpenFileError::Io(error)
    }
}

impl SessionFile {
    /// Opens or creates a file, and returns its content.
    pub(crate) fn open(path: &Path) -> Result<(SessionFile, Vec<u8>), OpenFileError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut file = options.open(path)?;
        lock(&file)?;
        // Another process may have replaced the file before it released the lock.
        if !is_same(&file, path) {
            return Err(OpenFileError::InUse);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = bytes.len() as u64;
        sync_folder(path)?;
        Ok((SessionFile { file, path: path.into(), end, is_torn: false }, bytes))
    }

    /// Appends bytes. They are durable after [`sync`](SessionFile::sync). On failure nothing is
    /// appended.
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

    /// Syncs everything appended to disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Replaces the content atomically, even across a power failure. On failure the file is
    /// unchanged.
    pub(crate) fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        private(&mut options);
        let mut file = options.open(&beside)?;
        // Locked before it gets its name, so that no other process can lock it first.
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

/// Whether a path still names the opened file.
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

/// Makes a new file readable by its owner only.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Makes a file's name durable. Windows cannot open folders, and does not need it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {

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
