//! State stored between two sessions with one hub: the name, the room, the resume token that
//! reclaims both, and the read position of each room. So a client keeps its name after a crash, and
//! shows what is new.
//!
//! The state directory ([`data::state`]) holds a file `hubs/ADDRESS.json` for each hub, mode 600,
//! and a lock file. A second client of the same hub does not get the lock: it uses another name and
//! stores nothing.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use pigeon_client::LeftOff;
use pigeon_datagram::Instant;
use pigeon_proto::{Name, RoomName};
use pigeon_text::escape;
use serde_json::{Value, json};

use crate::base::{data, system_error};
use crate::words::say;

/// Maximum size of the file.
const MAX_BYTES: u64 = 64 << 10;

/// Maximum number of rooms with a read position. Beyond it, the room with the lowest position is
/// dropped.
const MAX_ROOMS: usize = 200;

/// Minimum time between two writes that only change read positions.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// The state for one hub, locked against other clients of this user.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// Held until the process ends for any reason.
    _lock: File,
    kept: Kept,
    /// Whether there are unwritten changes, and when writing was last tried.
    is_changed: bool,
    tried: Option<Instant>,
}

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    left_off: Option<LeftOff>,
    /// The last position seen in each room.
    seen: BTreeMap<String, u64>,
}

impl Memory {
    /// Opens the state for a hub. `None` if nothing is to be stored, or another client has the
    /// lock. Fails if the folder or file cannot be used; the session continues without.
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
                Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
                Err(error) => return Err(error),
            };
            Ok(Some(Memory { path, _lock: lock, kept, is_changed: false, tried: None }))
        };
        open(&folder).with_context(|| {
            let folder = escape(folder.as_os_str().as_encoded_bytes());
            say!("join-state-unusable", folder = &folder)
        })
    }

    /// The end of the last session.
    pub(super) fn left_off(&self) -> Option<&LeftOff> {
        self.kept.left_off.as_ref()
    }

    /// Stores the session's state if it has changed. The file is replaced atomically. If writing
    /// fails, the previous state remains.
    pub(super) fn keep(&mut self, left_off: &LeftOff) -> anyhow::Result<()> {
        if self.kept.left_off.as_ref() == Some(left_off) {
            return Ok(());
        }
        self.kept.left_off = Some(left_off.clone());
        self.write()
    }

    /// The read position of a room.
    pub(super) fn seen(&self, room: &RoomName) -> Option<u64> {
        self.kept.seen.get(room.as_str()).copied()
    }

    /// Sets the read position of a room. It is written once per minute and by [`Memory::finish`]: a
    /// crash loses a minute at most, and then some messages appear as new again. Fails like
    /// [`Memory::keep`].
    pub(super) fn see(
        &mut self,
        now: Instant,
        room: &RoomName,
        position: u64,
    ) -> anyhow::Result<()> {
        let seen = &mut self.kept.seen;
        self.is_changed |= seen.insert(room.to_string(), position) != Some(position);
        while seen.len() > MAX_ROOMS {
            let least = seen.iter().min_by_key(|(_, seen)| **seen).map(|(room, _)| room.clone());
            least.and_then(|room| seen.remove(&room));
        }
        let is_due = self.tried.is_none_or(|tried| now - tried >= SEEN_EVERY);
        if !(self.is_changed && is_due) {
            return Ok(());
        }
        self.tried = Some(now);
        self.write()
    }

    /// Writes unwritten changes. Fails like [`Memory::keep`].
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        if self.is_changed { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        // Cleared whether or not it succeeds, so that a full disk is reported once, not with every
        // line.
        self.is_changed = false;
        let mut text = json!({ "seen": self.kept.seen });
        if let Some(LeftOff { name, room, word }) = &self.kept.left_off {
            text["name"] = name.as_str().into();
            text["room"] = room.as_ref().map(RoomName::as_str).into();
            text["word"] = (**word).into();
        }
        let text = text.to_string();
        let beside = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = private().truncate(true).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| {
            let path = escape(self.path.as_os_str().as_encoded_bytes());
            let error = system_error::said(&error);
            anyhow!(say!("join-state-unwritable", file = &path, error = error))
        })
    }
}

fn read(text: &str) -> Kept {
    // A damaged file costs the name, like a missing one.
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |key: &str| value.get(key).and_then(Value::as_str);
    let left_off = || {
        Some(LeftOff {
            name: Name::parse(field("name")?.as_bytes()).ok()?,
            room: field("room").and_then(|room| RoomName::parse(room.as_bytes()).ok()),
            word: field("word")?.into(),
        })
    };
    let seen = value.get("seen").and_then(Value::as_object).into_iter().flatten();
    let seen = seen.filter_map(|(room, position)| Some((room.clone(), position.as_u64()?)));
    Kept { left_off: left_off(), seen: seen.take(MAX_ROOMS).collect() }
}

/// Options for files that only the user can read.
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
        let left_off = read(whole).left_off.unwrap();
        assert_eq!((left_off.name.as_str(), &*left_off.word), ("狗哥", "1-abc"));
        assert_eq!(left_off.room.unwrap().as_str(), "tea");
        for end in 0..whole.len() {
            assert_eq!(read(&String::from_utf8_lossy(&whole.as_bytes()[..end])), Kept::default());
        }
        for text in [r#"{"name":"a b","word":"1-a"}"#, r#"{"name":"dog"}"#, "[]", "7"] {
            assert_eq!(read(text), Kept::default(), "{text}");
        }
    }

    #[test]
    fn how_far_a_room_was_read_is_written_at_the_end_at_the_latest() {
        let folder = tempfile();
        let path = folder.join("hub.json");
        let lock = private().open(folder.join("hub.lock")).unwrap();
        let kept = Kept::default();
        let mut memory =
            Memory { path: path.clone(), _lock: lock, kept, is_changed: false, tried: None };
        let written = || read(&fs::read_to_string(&path).unwrap());
        let (lobby, at) = (RoomName::lobby(), |s| Instant::ORIGIN + Duration::from_secs(s));
        memory.see(at(0), &lobby, 7).unwrap();
        assert_eq!(written().seen["lobby"], 7);
        memory.see(at(1), &lobby, 8).unwrap();
        assert_eq!((written().seen["lobby"], memory.seen(&lobby)), (7, Some(8)));
        memory.finish().unwrap();
        assert_eq!(written().seen["lobby"], 8);
        for n in 0..2 * MAX_ROOMS {
            let room = RoomName::parse(format!("r{n}").as_bytes()).unwrap();
            memory.see(at(2), &room, 9 + n as u64).unwrap();
        }
        assert_eq!((memory.kept.seen.len(), memory.seen(&lobby)), (MAX_ROOMS, None));
    }

    fn tempfile() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pigeon-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}
