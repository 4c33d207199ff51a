//! The folders of persistent data.
//!
//! The state directory is `$PIGEON_STATE`, or else `pigeon` in the user's state directory
//! (`$XDG_STATE_HOME`, or `~/.local/state`). In it, each hub has a folder named by the first
//! address it listens at, such as `hub-127.0.0.1_9999`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use etcetera::BaseStrategy;

use super::status::UsageError;
use crate::output::remark;
use crate::words::say;

/// Overrides the state directory. Empty: nothing is stored.
const STATE: &str = "PIGEON_STATE";

/// The folder that a service manager created for the hub; several are separated by colons.
const SERVICE: &str = "STATE_DIRECTORY";

const PREFIX: &str = "hub-";

/// The state directory. `None` if nothing should be stored, or if the user has no home.
pub(crate) fn state() -> Option<PathBuf> {
    match std::env::var_os(STATE) {
        Some(folder) if folder.is_empty() => None,
        Some(folder) => Some(folder.into()),
        None => {
            let home = etcetera::choose_base_strategy().ok()?;
            Some(home.state_dir().unwrap_or_else(|| home.data_dir()).join("pigeon"))
        }
    }
}

/// The folder of a hub's data: the one given with `--data`, or the service's, or one in the state
/// directory named by the first listening address, such as `127.0.0.1:9999`. Fails without a state
/// directory: `PIGEON_STATE` is empty, or the user has no home.
pub(crate) fn folder(given: Option<&Path>, first_listen: &str) -> anyhow::Result<PathBuf> {
    choose(given, std::env::var_os(SERVICE).as_deref(), state(), first_listen)
        .with_context(|| say!("errors-data-no-folder"))
}

/// An existing folder of data: the one given, or that of the hub at this address, or the one written
/// last, which is that of a running hub; says which, if there are several. Fails if there is none.
pub(crate) fn find(given: Option<&Path>, listen: Option<&str>) -> anyhow::Result<PathBuf> {
    if given.is_some() || listen.is_some() || std::env::var_os(SERVICE).is_some() {
        return folder(given, listen.unwrap_or_default());
    }
    let state = state();
    let found = state.as_deref().map(hubs).unwrap_or_default();
    let show = |folder: &Path| pigeon_text::escape(&*folder.to_string_lossy()).to_string();
    let error = match found.as_slice() {
        [only] => return Ok(only.clone()),
        [] => match state {
            Some(state) => say!("errors-data-none-in", folder = show(&state)),
            None => say!("errors-data-none"),
        },
        several => {
            let newest = several.iter().max_by_key(|folder| written(folder)).unwrap_or(&several[0]);
            remark(say!("errors-data-chosen", folder = show(newest)));
            return Ok(newest.clone());
        }
    };
    Err(UsageError(error).into())
}

/// The existing folders of data: the one given, or that of the hub at this address, or the
/// service's, or all in the state directory.
pub(crate) fn all(given: Option<&Path>, listen: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let is_named = given.is_some() || listen.is_some() || std::env::var_os(SERVICE).is_some();
    match is_named {
        true => Ok(vec![folder(given, listen.unwrap_or_default())?]),
        false => Ok(state().as_deref().map(hubs).unwrap_or_default()),
    }
}

/// When a file in a folder was last written.
fn written(folder: &Path) -> Option<SystemTime> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

/// The folders of hubs in the state directory, sorted by name.
fn hubs(state: &Path) -> Vec<PathBuf> {
    let is_hub = |folder: &PathBuf| {
        let name = folder.file_name().map(|name| name.to_string_lossy().starts_with(PREFIX));
        name == Some(true) && folder.is_dir()
    };
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_hub).collect();
    folders.sort();
    folders
}

fn choose(
    given: Option<&Path>,
    service: Option<&OsStr>,
    state: Option<PathBuf>,
    first_listen: &str,
) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let first = service.and_then(|folders| std::env::split_paths(folders).next());
    if let Some(first) = first.filter(|folder| !folder.as_os_str().is_empty()) {
        return Ok(first);
    }
    let state = state.ok_or_else(|| anyhow!(say!("errors-data-no-home", variable = STATE)))?;
    Ok(state.join(format!("{PREFIX}{}", file_name(first_listen))))
}

/// Converts an address to a valid file name on any system.
pub(crate) fn file_name(address: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    address.replace('*', "any").chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_wins_then_the_service_then_the_address() {
        let state = || Some(PathBuf::from("/state"));
        let service = Some(OsStr::new("/var/lib/pigeon:/var/lib/other"));
        let of = |given: Option<&str>, service, state| {
            choose(given.map(Path::new), service, state, "127.0.0.1:9999")
        };
        assert_eq!(of(Some("here"), service, state()).unwrap(), Path::new("here"));
        assert_eq!(of(Some("here"), None, None).unwrap(), Path::new("here"));
        assert_eq!(of(None, service, state()).unwrap(), Path::new("/var/lib/pigeon"));
        let own = Path::new("/state/hub-127.0.0.1_9999");
        assert_eq!(of(None, None, state()).unwrap(), own);
        assert_eq!(of(None, Some(OsStr::new("")), state()).unwrap(), own);
        let error = of(None, None, None).unwrap_err().to_string();
        assert!(error.contains("PIGEON_STATE"), "{error}");
    }

    #[test]
    fn addresses_have_names_of_their_own() {
        let addresses = [
            "127.0.0.1:9999",
            "*:9999",
            "0.0.0.0:9999",
            "[::]:9999",
            "[::1]:9999",
            "[fe80::1%3]:9999",
            "127.0.0.1:9998",
        ];
        let names = addresses.map(file_name);
        assert_eq!((&*names[0], &*names[1]), ("127.0.0.1_9999", "any_9999"));
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name) && !name.contains([':', '[', '%', '/', '*']));
        }
    }
}
