//! The folder of a member: its key, known hubs, and one outbox per process.
//!
//! ```text
//!   key.pem                      the member's key, the same for every hub
//!   hubs                         one line per name or address: the fingerprint seen there
//!   FINGERPRINT/N.session        a process's state at a hub: its outbox and read positions
//!   people/NAME/                 another person of the same user: a key and outboxes
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::file::{OpenFileError, SessionFile, private, sync_folder};

/// Maximum number of processes of one member at one hub.
const MAX_PROCESSES: u32 = 1_024;

/// The folder that keeps a member's identity across restarts.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Maximum number of other persons with keys in one folder.
const MAX_PEOPLE: usize = 64;

/// Why the folder could not be used. Its content is unchanged.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The system reported an error.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// All files of the hub are in use.
    #[error("{MAX_PROCESSES} programs use {} already", .0.display())]
    TooMany(PathBuf),
}

impl Folder {
    /// Opens the folder, or creates it for its owner only.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        create(path)?;
        Ok(Folder { path: path.to_owned() })
    }

    /// The folder of another person of the same user, with a key of its own, but the same known hubs.
    pub fn person(&self, word: &str) -> Result<Folder, FolderError> {
        Folder::open(&self.path.join("people").join(word))
    }

    /// Whether that person has a key. `None`: it has none, and there is no place for one more.
    pub fn has_person(&self, word: &str) -> Option<bool> {
        let people = self.path.join("people");
        let count = || std::fs::read_dir(&people).into_iter().flatten().count();
        match people.join(word).join("key.pem").exists() {
            true => Some(true),
            false => (count() < MAX_PEOPLE).then_some(false),
        }
    }

    /// The member's stored key, or a new one from `generate`. Two processes that start at once get
    /// the same. Fails if the key cannot be stored.
    pub fn key(&self, generate: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, FolderError> {
        let path = self.path.join("key.pem");
        let _lock = self.lock()?;
        match std::fs::read(&path) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FolderError::Io { doing: "read", path, source }),
        }
        let key = generate();
        replace(&path, &key)?;
        Ok(key)
    }

    /// The fingerprint known for a name or an address.
    pub fn fingerprint(&self, target: &str) -> Result<Option<String>, FolderError> {
        Ok(self.hubs()?.remove(&word(target)))
    }

    /// Returns the rest of the first known hub name that starts with `prefix`.
    pub fn find(&self, prefix: &str) -> Result<Option<String>, FolderError> {
        let prefix = word(prefix);
        let hubs = self.hubs()?;
        Ok(hubs.keys().find_map(|name| name.strip_prefix(&prefix).map(str::to_string)))
    }

    /// Stores a fingerprint for these names and addresses.
    pub fn meet<'a>(
        &self,
        targets: impl IntoIterator<Item = &'a str>,
        fingerprint: &str,
    ) -> Result<(), FolderError> {
        let _lock = self.lock()?;
        let mut hubs = self.hubs()?;
        let before = hubs.clone();
        hubs.extend(targets.into_iter().map(|target| (word(target), fingerprint.to_string())));
        if hubs == before {
            return Ok(());
        }
        let lines: String = hubs.iter().map(|(at, hub)| format!("{at} {hub}\n")).collect();
        replace(&self.path.join("hubs"), lines.as_bytes())
    }

    /// The file of the hubs that share rooms with a hub.
    pub(crate) fn others(&self, fingerprint: &str) -> PathBuf {
        self.path.join(fingerprint).join("hubs")
    }

    fn hubs(&self) -> Result<BTreeMap<String, String>, FolderError> {
        let path = self.path.join("hubs");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(FolderError::Io { doing: "read", path, source }),
            Ok(text) => text,
        };
        let pair = |line: &str| {
            let (at, hub) = line.split_once(' ')?;
            Some((at.to_string(), hub.trim().to_string()))
        };
        Ok(text.lines().filter_map(pair).collect())
    }

    /// Locks a session file for a hub, and returns its content. Reuses the file of a process that
    /// has ended, so that its waiting messages are sent.
    pub(crate) fn session(&self, fingerprint: &str) -> Result<(SessionFile, Vec<u8>), FolderError> {
        let folder = self.path.join(fingerprint);
        create(&folder)?;
        for number in 0..MAX_PROCESSES {
            let path = folder.join(format!("{number}.session"));
            match SessionFile::open(&path) {
                Ok(opened) => return Ok(opened),
                Err(OpenFileError::InUse) => {}
                Err(OpenFileError::Io(source)) => {
                    return Err(FolderError::Io { doing: "open", path, source });
                }
            }
        }
        Err(FolderError::TooMany(folder))
    }

    /// Locks the key and the list of hubs against other processes.
    fn lock(&self) -> Result<File, FolderError> {
        let path = self.path.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| FolderError::Io { doing: "lock", path, source })
    }
}

/// A name or an address in canonical form.
fn word(target: &str) -> String {
    target.to_lowercase().replace(char::is_whitespace, "_")
}

fn create(folder: &Path) -> Result<(), FolderError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| FolderError::Io {
        doing: "create",
        path: folder.into(),
        source,
    })
}

/// Replaces a file atomically, even across a power failure.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|source| FolderError::Io { doing: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("member")).unwrap();
        (temporary, folder)
    }

    #[test]
    fn the_key_is_made_once_and_is_for_its_owner_alone() {
        let (_temporary, folder) = folder();
        assert_eq!(folder.key(|| b"one".to_vec()).unwrap(), b"one");
        assert_eq!(folder.key(|| b"two".to_vec()).unwrap(), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder.path.join("key.pem")), 0o600);
            assert_eq!(mode(&folder.path), 0o700);
        }
    }

    #[test]
    fn a_hub_is_known_by_every_name_under_which_it_was_met() {
        let (_temporary, folder) = folder();
        assert_eq!(folder.fingerprint("hub.lan:9999").unwrap(), None);
        folder.meet(["Hub.lan:9999", "10.0.0.7:9999"], "ab12").unwrap();
        folder.meet(["other 9999"], "cd34").unwrap();
        assert_eq!(folder.fingerprint("hub.LAN:9999").unwrap().as_deref(), Some("ab12"));
        assert_eq!(folder.fingerprint("10.0.0.7:9999").unwrap().as_deref(), Some("ab12"));
        assert_eq!(folder.fingerprint("other 9999").unwrap().as_deref(), Some("cd34"));
        folder.meet(["hub.lan:9999"], "ef56").unwrap();
        assert_eq!(folder.fingerprint("hub.lan:9999").unwrap().as_deref(), Some("ef56"));
    }

    #[test]
    fn each_process_has_a_file_of_its_own_and_one_that_was_left_is_used_again() {
        let (_temporary, folder) = folder();
        let (mut first, _) = folder.session("ab").unwrap();
        first.append(b"waits").unwrap();
        let (_second, empty) = folder.session("ab").unwrap();
        assert_eq!(empty, b"");
        assert_eq!(folder.session("cd").unwrap().1, b"", "another hub");
        drop(first);
        assert_eq!(folder.session("ab").unwrap().1, b"waits");
    }

    #[test]
    fn another_person_has_a_key_of_its_own_and_they_are_bounded() {
        let (_temporary, folder) = folder();
        assert_eq!(folder.has_person("猫姐"), Some(false));
        folder.key(|| b"one".to_vec()).unwrap();
        let person = folder.person("猫姐").unwrap();
        assert_eq!(person.key(|| b"two".to_vec()).unwrap(), b"two");
        assert_eq!(folder.has_person("猫姐"), Some(true));
        for n in 1..MAX_PEOPLE {
            folder.person(&n.to_string()).unwrap();
        }
        assert_eq!((folder.has_person("one more"), folder.has_person("猫姐")), (None, Some(true)));
    }
}
