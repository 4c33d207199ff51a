//! A log's folder: its files, their modes, and the lock against a second hub.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The log's file. SQLite keeps `-wal` and `-shm` beside it.
pub(crate) const FILE: &str = "log.sqlite";
const LOCK: &str = "lock";

/// A lock on a folder, held while this value lives. The system releases it when the process ends in
/// any way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Why a folder could not be locked.
pub(crate) enum LockError {
    /// Another process holds the lock; its id, if readable.
    Held(Option<u32>),
    Io(io::Error),
}

impl Lock {
    /// Locks a folder and writes this process's id into the lock file.
    ///
    /// The lock is the system's (`flock`), not the file's existence: a file survives `kill -9` and
    /// would lock the hub out. The file is never removed, because removing it would race with
    /// another process that has just opened it.
    pub(crate) fn take(folder: &Path) -> Result<Lock, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut file = options.open(folder.join(LOCK)).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(read_id(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let id = std::process::id().to_string();
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
            // Ignores errors: even with a full disk, a hub must be able to read its log.
            file.write_all(id.as_bytes()).or(Ok(()))
        });
        written.map_err(LockError::Io)?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file releases the lock anyway.
        let _ = self.file.unlock();
    }
}

fn read_id(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Creates the folder, accessible only to its owner. An existing folder keeps its mode: it may be
/// shared on purpose.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates an empty file, accessible only to its owner; SQLite copies its mode to `-wal` and
/// `-shm`. Fails if the file exists.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    private(&mut options);
    options.open(path)
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Renames a finished file to its final name. Even after a power cut, the name leads to a whole
/// file or to none.
pub(crate) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    // Opened for writing: Windows syncs no other file.
    OpenOptions::new().write(true).open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    // A bare file name has an empty parent, which cannot be opened.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows cannot open folders, and needs no sync to keep a name.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Checks whether a path still leads to the same file.
#[derive(Debug)]
pub(crate) struct SameFile {
    path: PathBuf,
    #[cfg(unix)]
    inode: (u64, u64),
}

impl SameFile {
    pub(crate) fn of(path: &Path) -> io::Result<SameFile> {
        Ok(SameFile {
            path: path.to_owned(),
            #[cfg(unix)]
            inode: inode(path)?,
        })
    }

    /// Costs one system call, cheap enough for every transaction.
    pub(crate) fn is_there(&self) -> bool {
        #[cfg(unix)]
        return inode(&self.path).is_ok_and(|inode| inode == self.inode);
        #[cfg(not(unix))]
        self.path.exists()
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
