//! The folder of a log: its files, their modes, and the lock that keeps a second hub out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The log itself. SQLite keeps `-wal` and `-shm` beside it.
pub(crate) const FILE: &str = "log.sqlite";
const LOCK: &str = "lock";

/// The lock of a folder. It is held while this lives, and the system gives it back when the process
/// ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Why a folder was not locked.
pub(crate) enum LockError {
    /// By the process with this id, if it could be read.
    Held(Option<u32>),
    Io(io::Error),
}

impl Lock {
    /// Locks a folder and writes this process's id into the file.
    ///
    /// The lock is the system's (`flock`), not the file's existence: a file outlives `kill -9` and
    /// would lock its own hub out. The file is never removed, since removing it would race with a
    /// process that has just opened it.
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
            // A full disk must not keep a hub from reading its log.
            file.write_all(id.as_bytes()).or(Ok(()))
        });
        written.map_err(LockError::Io)?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file gives the lock back anyway.
        let _ = self.file.unlock();
    }
}

fn read_id(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Creates the folder for its owner alone. One that exists keeps its mode: it may be shared on
/// purpose.
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

/// Creates an empty file for its owner alone. SQLite gives `-wal` and `-shm` the mode of the file
/// they belong to. Fails where a file exists.
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

/// Gives a finished file its name, so that the name stands for a whole file or for none, also after
/// a power cut.
pub(crate) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    // A bare file name has an empty parent, which cannot be opened.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows opens no folders, and needs no sync to keep a name.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Tells whether a path still leads to the file that was opened there.
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

    /// One system call, so cheap enough for every transaction.
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
