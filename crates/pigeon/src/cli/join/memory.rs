//! What is kept between two sessions with one hub: the name, the room, and the word that takes both
//! back. So a client comes back as who it was after it was killed, or its machine was.
//!
//! The state directory ([`data::state`]) holds a file `hubs/ADDRESS.json` for each hub, mode 600, and
//! beside it a lock. A second client at the same hub does not get the lock: it goes by another name and
//! keeps nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use pigeon_client::LeftOff;
use pigeon_proto::{Name, RoomName};
use serde_json::{Value, json};

use crate::base::data;

/// The largest file that is read. A name, a room and a word are far shorter.
const MAX_BYTES: u64 = 4_096;

/// What is kept of one hub, while no other client of this user has it.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// Held until the process ends, however it ends.
    _lock: File,
    kept: Option<LeftOff>,
}

impl Memory {
    /// Opens what is kept of a hub. `None` where nothing is to be kept, or another client has it.
    ///
    /// # Errors
    /// The folder or the file cannot be used. The session goes on without.
    pub(super) fn open(hub: SocketAddr) -> anyhow::Result<Option<Memory>> {
        let Some(folder) = data::state().map(|state| state.join("hubs")) else { return Ok(None) };
        let open = |folder: &Path| -> io::Result<Option<Memory>> {
            make_private(folder)?;
            let path = folder.join(format!("{}.json", data::file_name(&hub.to_string())));
            let lock = private().open(path.with_extension("lock"))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let kept = match File::open(&path) {
                Ok(file) => {
                    let mut text = String::new();
                    file.take(MAX_BYTES).read_to_string(&mut text)?;
                    read(&text)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            Ok(Some(Memory { path, _lock: lock, kept }))
        };
        open(&folder).with_context(|| format!("cannot use {}", folder.display()))
    }

    /// Where the last session left off.
    pub(super) fn left_off(&self) -> Option<&LeftOff> {
        self.kept.as_ref()
    }

    /// Keeps where this one would leave off, if that is new. The file is whole at any time.
    ///
    /// # Errors
    /// It cannot be written; what was kept before stays.
    pub(super) fn keep(&mut self, left_off: &LeftOff) -> anyhow::Result<()> {
        if self.kept.as_ref() == Some(left_off) {
            return Ok(());
        }
        // Tried once, whatever comes of it: a full disk is reported once and not with every line.
        self.kept = Some(left_off.clone());
        let LeftOff { name, room, word } = left_off;
        let room = room.as_ref().map(RoomName::as_str);
        let text = json!({ "name": name.as_str(), "room": room, "word": word }).to_string();
        let beside = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = private().truncate(true).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| anyhow!("cannot write {}: {error}", self.path.display()))
    }
}

fn read(text: &str) -> Option<LeftOff> {
    // A file that is damaged costs the name, as a lost one does.
    let value: Value = serde_json::from_str(text).ok()?;
    let field = |key: &str| value.get(key).and_then(Value::as_str);
    Some(LeftOff {
        name: Name::parse(field("name")?.as_bytes()).ok()?,
        room: field("room").and_then(|room| RoomName::parse(room.as_bytes()).ok()),
        word: field("word")?.into(),
    })
}

/// How files are opened that nobody else may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_nothing() {
        let whole = r#"{"name":"狗哥","room":"tea","word":"1-abc"}"#;
        let left_off = read(whole).unwrap();
        assert_eq!((left_off.name.as_str(), &*left_off.word), ("狗哥", "1-abc"));
        assert_eq!(left_off.room.unwrap().as_str(), "tea");
        for end in 0..whole.len() {
            assert_eq!(read(&String::from_utf8_lossy(&whole.as_bytes()[..end])), None);
        }
        for text in [r#"{"name":"a b","word":"1-a"}"#, r#"{"name":"dog"}"#, "[]", "7"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
