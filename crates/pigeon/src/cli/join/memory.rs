//! State stored between two sessions with one hub: the name, the room, the resume token that
//! reclaims both, and the read position of each room. So a client keeps its name after a crash, and
//! shows what is new.
//!
//! The state directory ([`data::state`]) holds a file `hubs/ADDRESS.json` for each hub, mode 600,
//! and a lock file. A second client of the same hub does not get the lock. Without `--nick`, or with
//! the name of the first, it is the same member in another window, and stores nothing. With another
//! name it is another person ([`whose`]): with a key and a file of its own, which are found again by
//! that name.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
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

/// How often, and after which time, a lock is tried again that may be held for a moment only.
const RETRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The state for one hub, locked against other clients of this user.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// Held until the process ends for any reason.
    lock: File,
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

/// The folder of this user's state for hubs. `None` if nothing is to be stored.
fn hubs() -> Option<PathBuf> {
    data::state().map(|state| state.join("hubs"))
}

/// The file for a hub; `person`: with a key of its own.
fn file(folder: &Path, hub: SocketAddr, person: Option<&Name>) -> PathBuf {
    let hub = data::file_name(&hub.to_string());
    folder.join(match person {
        Some(person) => format!("{hub}-{}.json", file_word(person)),
        None => format!("{hub}.json"),
    })
}

/// A name as part of a file name: at most 200 bytes.
pub(super) fn file_word(name: &Name) -> String {
    let word = |c: char| match c.is_alphanumeric() || !c.is_ascii() {
        true => c.to_string(),
        false => format!("%{:02x}", u32::from(c)),
    };
    name.as_str().to_lowercase().chars().map(word).collect()
}

/// The person that `--nick` names, with a key of its own. `None`: this user's own key, which is for
/// the first client of a hub whatever its name, so that one person may rename. `has_key`: whether
/// that person has a key already; `None`: it has none, and cannot get one.
pub(super) fn whose(
    hub: SocketAddr,
    nick: Option<&Name>,
    has_key: impl FnOnce(&Name) -> Option<bool>,
) -> Option<Name> {
    whose_in(&hubs()?, hub, nick?, has_key)
}

fn whose_in(
    folder: &Path,
    hub: SocketAddr,
    nick: &Name,
    has_key: impl FnOnce(&Name) -> Option<bool>,
) -> Option<Name> {
    let path = file(folder, hub, None);
    let lock = File::open(path.with_extension("lock"));
    let user = lock.ok().and_then(|lock| user_of(&lock));
    let own = match &user {
        Some(name) => Name::parse(name.as_bytes()).ok(),
        None => {
            let text = fs::read_to_string(&path).unwrap_or_default();
            read(&text).left_off.map(|left_off| left_off.name)
        }
    };
    if own.is_some_and(|own| own.folded() == nick.folded()) {
        return None;
    }
    let is_known = has_key(nick)? || file(folder, hub, Some(nick)).exists();
    (user.is_some() || is_known).then(|| nick.clone())
}

/// The name of the client that holds a lock, empty if it has none. `None` if nobody holds it.
fn user_of(lock: &File) -> Option<String> {
    for _ in 0..RETRIES {
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let mut name = String::new();
        (&*lock).rewind().ok()?;
        lock.take(MAX_BYTES).read_to_string(&mut name).ok()?;
        // A client that has just started is about to write its name.
        if let Some(name) = name.strip_suffix('\n') {
            return Some(name.to_string());
        }
        std::thread::sleep(RETRY_AFTER);
    }
    Some(String::new())
}

impl Memory {
    /// Opens the state for a hub. `None` if nothing is to be stored, or another client has the
    /// lock. `person`: with a key of its own. Fails if the folder or file cannot be used; the
    /// session continues without.
    pub(super) fn open(
        hub: SocketAddr,
        person: Option<&Name>,
        nick: Option<&Name>,
    ) -> anyhow::Result<Option<Memory>> {
        let Some(folder) = hubs() else { return Ok(None) };
        let open = |folder: &Path| -> io::Result<Option<Memory>> {
            make_private(folder)?;
            let path = file(folder, hub, person);
            let lock = private().open(path.with_extension("lock"))?;
            // Another client may only be looking who holds it.
            let mut retries = 0..RETRIES;
            while let Err(error) = lock.try_lock() {
                match error {
                    TryLockError::WouldBlock if retries.next().is_none() => return Ok(None),
                    TryLockError::WouldBlock => std::thread::sleep(RETRY_AFTER),
                    TryLockError::Error(error) => return Err(error),
                }
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
            let mut memory = Memory { path, lock, kept, is_changed: false, tried: None };
            let name = nick.cloned().or_else(|| Some(memory.left_off()?.name.clone()));
            memory.sign(name.as_ref())?;
            Ok(Some(memory))
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
        // Only for other clients that start beside this one.
        let _ = self.sign(Some(&left_off.name));
        self.kept.left_off = Some(left_off.clone());
        self.write()
    }

    /// Writes this client's name into the lock file.
    fn sign(&mut self, name: Option<&Name>) -> io::Result<()> {
        let name = name.map(Name::as_str).unwrap_or_default();
        self.lock.rewind()?;
        self.lock.set_len(0)?;
        self.lock.write_all(format!("{name}\n").as_bytes())
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
        let mut memory = Memory { path: path.clone(), lock, kept, is_changed: false, tried: None };
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

    #[test]
    fn another_name_beside_a_client_is_another_person() {
        let folder = tempfile().join("whose");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let hub = SocketAddr::from(([127, 0, 0, 1], 9999));
        let name = |text: &str| Name::parse(text.as_bytes()).unwrap();
        let (dog, cat) = (name("狗哥"), name("猫姐"));
        let whose = |nick: &Name, has_key| whose_in(&folder, hub, nick, |_| has_key);
        assert_eq!(whose(&dog, Some(false)), None, "the first client");
        let path = file(&folder, hub, None);
        let lock = || private().open(path.with_extension("lock")).unwrap();
        let kept = Kept::default();
        let mut first =
            Memory { path: path.clone(), lock: lock(), kept, is_changed: false, tried: None };
        first.lock.try_lock().unwrap();
        first.sign(Some(&dog)).unwrap();
        assert_eq!(whose(&dog, Some(false)), None, "the same name: the same member");
        assert_eq!(whose(&cat, Some(false)), Some(cat.clone()));
        assert_eq!(whose(&cat, None), None, "no key can be made");
        let word = Box::from("7-abc");
        first.keep(&LeftOff { name: cat.clone(), room: None, word }).unwrap();
        assert_eq!(whose(&cat, Some(true)), None, "the first was renamed");
        assert_eq!(whose(&dog, Some(false)), Some(dog.clone()));
        drop(first);
        assert_eq!(whose(&dog, Some(false)), None, "a person may rename");
        assert_eq!(whose(&dog, Some(true)), Some(dog.clone()), "in another order");
        assert_eq!(whose(&cat, Some(true)), None);
    }

    #[test]
    fn every_name_has_a_short_file_name() {
        for text in ["狗哥", "a.b", "\u{1f426}\u{1f426}", &"İ".repeat(32), &"%".repeat(32)] {
            let Ok(name) = Name::parse(text.as_bytes()) else { continue };
            let word = file_word(&name);
            assert!(word.len() <= 200 && !word.contains(['/', '.', '\\']), "{word}");
        }
    }

    fn tempfile() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pigeon-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}
