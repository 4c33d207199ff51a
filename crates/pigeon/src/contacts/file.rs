//! The contacts file on disk. Readers always see a complete file: a change is written to a
//! temporary file and renamed. A separate lock file serialises writers, which read again once they
//! have it, so that concurrent changes are not lost. A lock on the file itself would not work,
//! because the renamed file is a different one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use etcetera::BaseStrategy;
use pigeon_text::{Charset, escape};
use toml_edit::DocumentMut;

use super::edit;
use super::list::{Contact, Contacts};
use super::name::ContactName;
use crate::base::endpoint::Endpoint;
use crate::base::status::UsageError;
use crate::words::{self, say};

/// The largest file: some ten thousand contacts.
const MAX_BYTES: usize = 1 << 20;

/// How long to wait for another pigeon that changes the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Overrides the file in the configuration directory.
const OVERRIDE: &str = "PIGEON_CONTACTS";

/// The user's current contacts. Fails if the file exists and cannot be read.
pub(crate) fn load() -> anyhow::Result<Contacts> {
    match ContactsFile::of_user() {
        Some(file) => file.read(),
        None => Ok(Contacts::default()),
    }
}

/// The user's file, for a change.
pub(crate) fn user_file() -> anyhow::Result<ContactsFile> {
    ContactsFile::of_user().with_context(|| say!("errors-contacts-no-home"))
}

/// The location of the contacts file.
#[derive(Clone, Debug)]
pub(crate) struct ContactsFile {
    path: PathBuf,
}

impl ContactsFile {
    /// `PIGEON_CONTACTS`, or `pigeon/contacts.toml` in the user's configuration directory
    /// (`$XDG_CONFIG_HOME`, or `~/.config`). `None` if the user has no home.
    pub(crate) fn of_user() -> Option<ContactsFile> {
        let named = std::env::var_os(OVERRIDE).filter(|path| !path.is_empty());
        let path = match named {
            Some(path) => PathBuf::from(path),
            None => {
                let home = etcetera::choose_base_strategy().ok()?;
                home.config_dir().join("pigeon").join("contacts.toml")
            }
        };
        Some(ContactsFile { path })
    }

    /// The contacts; none if the file does not exist.
    pub(crate) fn read(&self) -> anyhow::Result<Contacts> {
        self.parse(&self.text(&self.path)?)
    }

    /// Adds a contact. Returns false if it exists already; at the same endpoint, its encoding is
    /// updated.
    pub(crate) fn add(
        &self,
        name: &ContactName,
        endpoint: &Endpoint,
        charset: Option<Charset>,
        is_ipmsg: bool,
    ) -> anyhow::Result<bool> {
        self.change(|document, contacts| {
            let key = match contacts.find(name.as_str()) {
                Some(known) if known.endpoint != *endpoint => {
                    return Err(taken(known));
                }
                Some(known)
                    if (charset.is_none() || charset == known.charset)
                        && (!is_ipmsg || known.is_ipmsg) =>
                {
                    return Ok(false);
                }
                Some(known) => known.name.as_str(),
                None => name.as_str(),
            };
            // Unspecified properties stay as they were.
            let known = contacts.find(name.as_str());
            let charset = charset.or(known.and_then(|known| known.charset));
            let is_ipmsg = is_ipmsg || known.is_some_and(|known| known.is_ipmsg);
            edit::put(document, key, endpoint, charset, is_ipmsg);
            Ok(true)
        })
    }

    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        self.change(|document, contacts| {
            let known = find(contacts, name)?;
            edit::remove(document, known.name.as_str());
            Ok(true)
        })
        .map(drop)
    }

    pub(crate) fn rename(&self, old: &str, new: &ContactName) -> anyhow::Result<()> {
        self.change(|document, contacts| {
            let known = find(contacts, old)?;
            match contacts.find(new.as_str()) {
                // A change of capitals is not a conflict with itself.
                Some(other) if !other.name.is(&known.name) => Err(taken(other)),
                _ => {
                    edit::rename(document, known.name.as_str(), new.as_str());
                    Ok(true)
                }
            }
        })
        .map(drop)
    }

    /// Reads, changes and writes the file under the lock; writes only if `change` returns that it
    /// changed anything. On an error the file stays unchanged.
    fn change(
        &self,
        change: impl FnOnce(&mut DocumentMut, &Contacts) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let path = self.target()?;
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            // Renaming over /dev/null would replace it with a file, for all users.
            let why = say!("errors-not-a-regular-file", file = shown(&self.path));
            return Err(UsageError(why).into());
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)
            .with_context(|| UsageError(say!("errors-cannot-make", file = shown(directory))))?;
        // Held until the end of this function.
        let _turn = self.lock(&beside(&path, "lock")?)?;
        let text = self.text(&path)?;
        let contacts = self.parse(&text)?;
        // The text has been parsed before, so this cannot fail.
        let mut document: DocumentMut = text.parse().with_context(|| shown(&self.path))?;
        if !change(&mut document, &contacts)? {
            return Ok(false);
        }
        let changed = as_before(&text, document.to_string());
        if changed.len() > MAX_BYTES {
            bail!(say!("errors-would-be-too-large", file = shown(&self.path), most = &MAX_BYTES));
        }
        // A bug here must not destroy a user's file.
        Contacts::parse(&changed).with_context(|| say!("errors-contacts-spoilt"))?;
        replace(&path, directory, changed.as_bytes())
            .with_context(|| say!("errors-cannot-write", file = shown(&self.path)))?;
        Ok(true)
    }

    /// The target of symbolic links, which may not exist yet.
    fn target(&self) -> anyhow::Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Ok(path) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match fs::read_link(&self.path) {
                    Ok(link) => Ok(self.path.parent().unwrap_or(Path::new("")).join(link)),
                    Err(_) => Ok(self.path.clone()),
                }
            }
            Err(error) => {
                let failed = UsageError(say!("errors-cannot-read", file = shown(&self.path)));
                Err(anyhow!(error).context(failed))
            }
        }
    }

    fn lock(&self, path: &Path) -> anyhow::Result<File> {
        let failed = || UsageError(say!("errors-cannot-lock", file = shown(path)));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.with_context(failed)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    bail!(say!("errors-locked", file = shown(path)))
                }
                Err(TryLockError::Error(error)) => return Err(anyhow!(error).context(failed())),
            }
        }
    }

    fn text(&self, path: &Path) -> anyhow::Result<String> {
        let failed = || UsageError(say!("errors-cannot-read", file = shown(&self.path)));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(anyhow!(error).context(failed())),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(failed)?;
        if bytes.len() > MAX_BYTES {
            let why = say!("errors-contacts-too-large", file = shown(&self.path));
            return Err(UsageError(why).into());
        }
        String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
            {
                let why = say!("errors-line-not-utf8", line = &line);
                UsageError(words::because(shown(&self.path), why)).into()
            }
        })
    }

    fn parse(&self, text: &str) -> anyhow::Result<Contacts> {
        let parsed = Contacts::parse(text);
        parsed.map_err(|error| UsageError(words::because(shown(&self.path), error)).into())
    }
}

fn find<'a>(contacts: &'a Contacts, name: &str) -> anyhow::Result<&'a Contact> {
    contacts.find(name).ok_or_else(|| UsageError(contacts.unknown(name)).into())
}

fn taken(known: &Contact) -> anyhow::Error {
    let Contact { name, endpoint, .. } = known;
    UsageError(say!("errors-contact-taken", name = name, endpoint = endpoint)).into()
}

/// The changed text with the file's original line ends and byte order mark, which the parser drops.
fn as_before(text: &str, changed: String) -> String {
    let changed = match text.contains("\r\n") {
        true => changed.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => changed,
    };
    match text.starts_with('\u{feff}') && !changed.starts_with('\u{feff}') {
        true => format!("\u{feff}{changed}"),
        false => changed,
    }
}

/// `.NAME.SUFFIX` in the same directory: on the same file system, and hidden.
fn beside(path: &Path, suffix: &str) -> anyhow::Result<PathBuf> {
    let name = path.file_name().with_context(|| say!("errors-not-a-file", file = shown(path)))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(suffix);
    Ok(path.with_file_name(hidden))
}

/// Replaces the file atomically: after a crash it is the old or the new one.
fn replace(path: &Path, directory: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = beside(path, "new")?;
    // A leftover file is stale, because we hold its writer's lock.
    let _ = fs::remove_file(&new);
    let written = write_new(&new, path, bytes).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error.into());
    }
    // Makes the rename survive a crash. Some systems cannot open a directory.
    #[cfg(unix)]
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

fn write_new(new: &Path, old: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
    if let Ok(old) = fs::metadata(old) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy().into_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_stay_what_they_were() {
        assert_eq!(as_before("\u{feff}a\r\n", "a\nb\r\nc\n".into()), "\u{feff}a\r\nb\r\nc\r\n");
        assert_eq!(as_before("a\n", "a\nb\n".into()), "a\nb\n");
    }
}
